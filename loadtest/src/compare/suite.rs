//! What is measured and what is asked of it: measurements, the rows of the table, and the curves of the page.
//!
//! A row is one figure of one measurement. Whoever adds a mode adds a measurement and its rows here.

use super::Bound;
use super::Bound::{AtLeast, AtMost};
use super::chart::Axes;

/// One run of a mode.
#[derive(Debug)]
pub(super) struct Measurement {
    /// What rows call it.
    pub(super) name: &'static str,
    /// The command line, without this program and where the server is.
    pub(super) command: &'static str,
    /// How long it usually takes: only the bar of progress says so.
    pub(super) seconds: u64,
}

/// One figure and what it must be.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) measurement: &'static str,
    /// In the row of the measurement's table whose cells are these…
    pub(super) at: &'static [(&'static str, &'static str)],
    /// …the figure in this column.
    pub(super) column: &'static str,
    pub(super) bound: Bound,
}

/// Lines on the same axes.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) axes: Axes,
    pub(super) curves: &'static [Curve],
    /// Whether it is in the picture, too.
    pub(super) is_pictured: bool,
}

/// One line.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// What is read…
    pub(super) column: &'static str,
    /// …in the row or rows whose cells are these.
    pub(super) at: &'static [(&'static str, &'static str)],
    pub(super) points: Points,
}

/// Where a line's points are.
#[derive(Debug)]
pub(super) enum Points {
    /// One in each of these measurements, with its place on the horizontal axis.
    Of(&'static [(f64, &'static str)]),
    /// All in one measurement; this column is the horizontal axis.
    Along(&'static str, &'static str),
}

const fn measurement(name: &'static str, command: &'static str, seconds: u64) -> Measurement {
    Measurement {
        name,
        command,
        seconds,
    }
}

/// All of them, in order. Together they take less than a quarter of an hour.
pub(super) const MEASUREMENTS: [Measurement; 18] = [
    measurement(
        "fan-out 10",
        "fan-out --subscribers 10 --windows 1,16 --turns 3000 --rounds 3",
        14,
    ),
    measurement(
        "fan-out 100",
        "fan-out --subscribers 100 --windows 1,16,64 --turns 1000 --rounds 3",
        35,
    ),
    measurement(
        "fan-out 1000",
        "fan-out --subscribers 1000 --windows 1,16 --turns 300 --rounds 5",
        45,
    ),
    measurement(
        "fan-out 5000",
        "fan-out --subscribers 5000 --windows 1,16 --turns 60 --rounds 3",
        40,
    ),
    measurement(
        "fan-out 15000 io_uring",
        "fan-out --driver io_uring --subscribers 15000 --windows 1 --turns 30 --rounds 3",
        20,
    ),
    measurement(
        "fan-out 15000 epoll",
        "fan-out --driver epoll --subscribers 15000 --windows 1 --turns 30 --rounds 3",
        20,
    ),
    measurement(
        "room 1000",
        "fan-out --dialect live,room --windows 1,16 --turns 200 --rounds 3",
        35,
    ),
    measurement("latency 100", "latency --subscribers 100", 40),
    measurement("wake", "wake --rounds 5", 25),
    measurement(
        "publish io_uring",
        "publish --driver io_uring --seconds 3 --rounds 5",
        50,
    ),
    measurement(
        "publish epoll",
        "publish --driver epoll --seconds 3 --rounds 5",
        50,
    ),
    measurement(
        "gRPC fan-out",
        "grpc-fan-out --shapes 100/10,1000/10 --windows 1,16 --rounds 3",
        40,
    ),
    measurement(
        "gRPC publish",
        "grpc-publish --connections 1,4 --seconds 2 --rounds 3",
        30,
    ),
    measurement("idle poll", "idle --kind poll --cycles 1", 6),
    measurement("idle websocket", "idle --kind websocket --cycles 1", 6),
    measurement("idle sse", "idle --kind sse --cycles 1", 6),
    measurement("idle room", "idle --kind room --cycles 1", 6),
    measurement("broadcast", "broadcast --rounds 5", 6),
];

const fn fan_out(
    title: &'static str,
    measurement: &'static str,
    at: &'static [(&'static str, &'static str)],
    most: f64,
) -> Row {
    Row {
        title,
        unit: "× floor",
        measurement,
        at,
        column: "ratio",
        bound: AtMost(most),
    }
}

const fn latency(title: &'static str, column: &'static str, most: f64) -> Row {
    Row {
        title,
        unit: "µs",
        measurement: "latency 100",
        at: &[("load %", "50")],
        column,
        bound: AtMost(most),
    }
}

const fn memory(title: &'static str, measurement: &'static str, most: f64) -> Row {
    Row {
        title,
        unit: "KiB",
        measurement,
        at: &[("stage", "parked")],
        column: "KiB/conn",
        bound: AtMost(most),
    }
}

const fn against(
    title: &'static str,
    measurement: &'static str,
    at: &'static [(&'static str, &'static str)],
    (column, unit): (&'static str, &'static str),
    least: f64,
) -> Row {
    Row {
        title,
        unit,
        measurement,
        at,
        column,
        bound: AtLeast(least),
    }
}

const URING_1: &[(&str, &str)] = &[("driver", "io_uring"), ("window", "1"), ("round", "median")];
const URING_16: &[(&str, &str)] = &[
    ("driver", "io_uring"),
    ("window", "16"),
    ("round", "median"),
];
const URING_64: &[(&str, &str)] = &[
    ("driver", "io_uring"),
    ("window", "64"),
    ("round", "median"),
];
const EPOLL_1: &[(&str, &str)] = &[("driver", "epoll"), ("window", "1"), ("round", "median")];
const EPOLL_16: &[(&str, &str)] = &[("driver", "epoll"), ("window", "16"), ("round", "median")];
const EPOLL_64: &[(&str, &str)] = &[("driver", "epoll"), ("window", "64"), ("round", "median")];

/// The table.
pub(super) const ROWS: [Row; 28] = [
    fan_out(
        "fan-out 1→1,000, window 1, io_uring",
        "fan-out 1000",
        URING_1,
        1.05,
    ),
    fan_out(
        "fan-out 1→1,000, window 1, epoll",
        "fan-out 1000",
        EPOLL_1,
        1.05,
    ),
    fan_out(
        "fan-out 1→1,000, window 16, io_uring",
        "fan-out 1000",
        URING_16,
        1.10,
    ),
    fan_out(
        "fan-out 1→1,000, window 16, epoll",
        "fan-out 1000",
        EPOLL_16,
        1.10,
    ),
    fan_out(
        "fan-out 1→5,000, window 16, io_uring",
        "fan-out 5000",
        URING_16,
        1.15,
    ),
    fan_out(
        "fan-out 1→5,000, window 16, epoll",
        "fan-out 5000",
        EPOLL_16,
        1.15,
    ),
    fan_out(
        "fan-out 1→100, window 64, io_uring",
        "fan-out 100",
        URING_64,
        1.25,
    ),
    fan_out(
        "fan-out 1→100, window 64, epoll",
        "fan-out 100",
        EPOLL_64,
        1.25,
    ),
    fan_out(
        "fan-out 1→15,000, window 1, io_uring",
        "fan-out 15000 io_uring",
        URING_1,
        1.10,
    ),
    fan_out(
        "fan-out 1→15,000, window 1, epoll",
        "fan-out 15000 epoll",
        EPOLL_1,
        1.10,
    ),
    latency("fan-out 1→100 at half of the peak, p50", "p50 us", 150.0),
    latency("…p99", "p99 us", 1_000.0),
    latency("…p99.9", "p99.9 us", 5_000.0),
    Row {
        title: "10,000 parked polls woken by one event",
        unit: "× floor",
        measurement: "wake",
        at: &[("round", "median")],
        column: "ratio",
        bound: AtMost(1.15),
    },
    against(
        "HTTP publish, io_uring",
        "publish io_uring",
        &[("server", "fanfare / nchan")],
        ("events/s", "× nchan"),
        1.5,
    ),
    against(
        "HTTP publish, epoll",
        "publish epoll",
        &[("server", "fanfare / nchan")],
        ("events/s", "× nchan"),
        1.5,
    ),
    Row {
        title: "HTTP publish, events/s of sessions ÷ pubsub",
        unit: "× pubsub",
        measurement: "publish io_uring",
        at: &[("server", "fanfare / pubsub")],
        column: "events/s",
        bound: AtMost(1.11),
    },
    against(
        "gRPC fan-out, 100 streams on 10 connections",
        "gRPC fan-out",
        &[("server", "ratio"), ("streams", "100/10"), ("window", "1")],
        ("deliveries/cpu s", "× tonic"),
        2.0,
    ),
    against(
        "gRPC fan-out, 1,000 streams on 10 connections",
        "gRPC fan-out",
        &[("server", "ratio"), ("streams", "1000/10"), ("window", "1")],
        ("deliveries/cpu s", "× tonic"),
        2.0,
    ),
    against(
        "gRPC fan-out, 100 streams, window 16",
        "gRPC fan-out",
        &[("server", "ratio"), ("streams", "100/10"), ("window", "16")],
        ("deliveries/cpu s", "× tonic"),
        2.0,
    ),
    against(
        "gRPC publish, 1 connection",
        "gRPC publish",
        &[("server", "ratio"), ("connections", "1")],
        ("calls/cpu s", "× tonic"),
        2.0,
    ),
    against(
        "gRPC publish, 4 connections",
        "gRPC publish",
        &[("server", "ratio"), ("connections", "4")],
        ("calls/cpu s", "× tonic"),
        2.0,
    ),
    memory("a parked poll", "idle poll", 1.0),
    memory("an idle WebSocket", "idle websocket", 0.6),
    memory("an idle event stream", "idle sse", 0.8),
    memory("an idle room", "idle room", 1.0),
    Row {
        title: "p99 of others while 100,000 sessions are told",
        unit: "µs",
        measurement: "broadcast",
        at: &[("round", "all")],
        column: "p99 us ",
        bound: AtMost(20_000.0),
    },
    Row {
        title: "…cpu for each session",
        unit: "ns",
        measurement: "broadcast",
        at: &[("round", "all")],
        column: "cpu ns/session",
        bound: AtMost(100.0),
    },
];

/// Measurements over the number of subscribers.
const BY_SUBSCRIBERS_URING: &[(f64, &str)] = &[
    (10.0, "fan-out 10"),
    (100.0, "fan-out 100"),
    (1_000.0, "fan-out 1000"),
    (5_000.0, "fan-out 5000"),
    (15_000.0, "fan-out 15000 io_uring"),
];
const BY_SUBSCRIBERS_EPOLL: &[(f64, &str)] = &[
    (10.0, "fan-out 10"),
    (100.0, "fan-out 100"),
    (1_000.0, "fan-out 1000"),
    (5_000.0, "fan-out 5000"),
    (15_000.0, "fan-out 15000 epoll"),
];
const MICROS: &str = "cpu us/delivery";
const BY_SUBSCRIBERS: Axes = Axes {
    is_log: false,
    x_label: "subscribers",
    y_label: "cpu µs of a delivery",
};

const fn of(
    name: &'static str,
    column: &'static str,
    at: &'static [(&'static str, &'static str)],
    points: &'static [(f64, &'static str)],
) -> Curve {
    Curve {
        name,
        column,
        at,
        points: Points::Of(points),
    }
}

/// What is drawn.
pub(super) const CHARTS: [Chart; 2] = [
    Chart {
        title: "One event in flight: every delivery is a write",
        axes: BY_SUBSCRIBERS,
        curves: &[
            of("io_uring", MICROS, URING_1, BY_SUBSCRIBERS_URING),
            of("epoll", MICROS, EPOLL_1, BY_SUBSCRIBERS_EPOLL),
            of(
                "the kernel alone",
                "floor us",
                URING_1,
                BY_SUBSCRIBERS_URING,
            ),
        ],
        is_pictured: true,
    },
    Chart {
        title: "Sixteen in flight: what comes together is one write",
        axes: BY_SUBSCRIBERS,
        curves: &[
            of("io_uring", MICROS, URING_16, BY_SUBSCRIBERS_URING),
            of("epoll", MICROS, EPOLL_16, BY_SUBSCRIBERS_EPOLL),
            of(
                "the kernel alone",
                "floor us",
                URING_16,
                BY_SUBSCRIBERS_URING,
            ),
        ],
        is_pictured: true,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rows_and_curves_name_is_measured() {
        let is_measured = |name: &str| MEASUREMENTS.iter().any(|m| m.name == name);
        for row in &ROWS {
            assert!(is_measured(row.measurement), "{}", row.title);
        }
        for curve in CHARTS.iter().flat_map(|chart| chart.curves) {
            match curve.points {
                Points::Of(points) => {
                    for (_, name) in points {
                        assert!(is_measured(name), "{name}");
                    }
                }
                Points::Along(name, _) => assert!(is_measured(name), "{name}"),
            }
        }
        let mut titles: Vec<&str> = ROWS.iter().map(|row| row.title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(
            titles.len(),
            ROWS.len(),
            "titles are what a later run finds rows by"
        );
    }
}

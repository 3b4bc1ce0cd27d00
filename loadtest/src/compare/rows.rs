//! The rows of the table: each is one figure of one measurement, and what it must be.

use super::Bound;
use super::Bound::{AtLeast, AtMost};

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
    /// …through the one in the row whose cells are these, if it is a ratio that the table does not have.
    pub(super) over: Option<&'static [(&'static str, &'static str)]>,
    pub(super) bound: Bound,
}

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
        over: None,
        bound: AtMost(most),
    }
}

const fn latency(title: &'static str, column: &'static str, most: f64) -> Row {
    Row {
        title,
        unit: "µs",
        measurement: "latency 100",
        at: &[("server", "io_uring"), ("load %", "50")],
        column,
        over: None,
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
        over: None,
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
        over: None,
        bound: AtLeast(least),
    }
}

pub(super) const URING_1: &[(&str, &str)] =
    &[("driver", "io_uring"), ("window", "1"), ("round", "median")];
pub(super) const URING_16: &[(&str, &str)] = &[
    ("driver", "io_uring"),
    ("window", "16"),
    ("round", "median"),
];
const URING_64: &[(&str, &str)] = &[
    ("driver", "io_uring"),
    ("window", "64"),
    ("round", "median"),
];
pub(super) const EPOLL_1: &[(&str, &str)] =
    &[("driver", "epoll"), ("window", "1"), ("round", "median")];
pub(super) const EPOLL_16: &[(&str, &str)] =
    &[("driver", "epoll"), ("window", "16"), ("round", "median")];
const EPOLL_64: &[(&str, &str)] = &[("driver", "epoll"), ("window", "64"), ("round", "median")];

/// The table.
const ROWS: [Row; 34] = [
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
        over: None,
        bound: AtMost(1.15),
    },
    Row {
        title: "15,000 distinct filters, 10 match, 5,000 events/s: p99 to the last delivery, io_uring",
        unit: "µs",
        measurement: "filters",
        at: &[("driver", "io_uring"), ("round", "median")],
        column: "p99 us",
        over: None,
        bound: AtMost(1_000.0),
    },
    Row {
        title: "…epoll",
        unit: "µs",
        measurement: "filters",
        at: &[("driver", "epoll"), ("round", "median")],
        column: "p99 us",
        over: None,
        bound: AtMost(1_000.0),
    },
    against(
        "long poll, each on a session of its own, io_uring",
        "long poll",
        &[
            ("server", "fanfare io_uring / nchan"),
            ("shape", "own"),
            ("round", "median"),
        ],
        ("cycles/cpu s", "× nchan"),
        2.0,
    ),
    against(
        "long poll, each on a session of its own, epoll",
        "long poll",
        &[
            ("server", "fanfare epoll / nchan"),
            ("shape", "own"),
            ("round", "median"),
        ],
        ("cycles/cpu s", "× nchan"),
        2.0,
    ),
    against(
        "long poll, all on one session, io_uring",
        "long poll",
        &[
            ("server", "fanfare io_uring / nchan"),
            ("shape", "one"),
            ("round", "median"),
        ],
        ("cycles/cpu s", "× nchan"),
        2.0,
    ),
    against(
        "long poll, all on one session, epoll",
        "long poll",
        &[
            ("server", "fanfare epoll / nchan"),
            ("shape", "one"),
            ("round", "median"),
        ],
        ("cycles/cpu s", "× nchan"),
        2.0,
    ),
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
        over: None,
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
        over: None,
        bound: AtMost(20_000.0),
    },
    Row {
        title: "…cpu for each session",
        unit: "ns",
        measurement: "broadcast",
        at: &[("round", "all")],
        column: "cpu ns/session",
        over: None,
        bound: AtMost(100.0),
    },
];

/// What io_uring takes of what epoll does.
const fn drivers(
    title: &'static str,
    measurement: &'static str,
    column: &'static str,
    [uring, epoll]: [&'static [(&'static str, &'static str)]; 2],
) -> Row {
    Row {
        title,
        unit: "× epoll",
        measurement,
        at: uring,
        column,
        over: Some(epoll),
        bound: AtMost(1.05),
    }
}

/// The default driver must never be the slower one by more than what is measured anyhow.
const DRIVERS: [Row; 8] = [
    drivers(
        "io_uring ÷ epoll: cpu of a delivery, 1→1,000, window 1",
        "fan-out 1000",
        "cpu us/delivery",
        [URING_1, EPOLL_1],
    ),
    drivers(
        "io_uring ÷ epoll: 1→1,000, window 16",
        "fan-out 1000",
        "cpu us/delivery",
        [URING_16, EPOLL_16],
    ),
    drivers(
        "io_uring ÷ epoll: 1→5,000, window 16",
        "fan-out 5000",
        "cpu us/delivery",
        [URING_16, EPOLL_16],
    ),
    drivers(
        "io_uring ÷ epoll: 1→100, window 64",
        "fan-out 100",
        "cpu us/delivery",
        [URING_64, EPOLL_64],
    ),
    drivers(
        "io_uring ÷ epoll: cpu of a connection, 15,000 at once",
        "connect storm",
        "cpu us/connection",
        [
            &[("server", "io_uring"), ("round", "median")],
            &[("server", "epoll"), ("round", "median")],
        ],
    ),
    drivers(
        "io_uring ÷ epoll: cpu of an event, 15,000 distinct filters",
        "filters",
        "cpu us/event",
        [
            &[("driver", "io_uring"), ("round", "median")],
            &[("driver", "epoll"), ("round", "median")],
        ],
    ),
    drivers(
        "io_uring ÷ epoll: cpu of a long poll, each on a session of its own",
        "long poll",
        "cpu us/cycle",
        [
            &[
                ("server", "fanfare io_uring"),
                ("shape", "own"),
                ("round", "median"),
            ],
            &[
                ("server", "fanfare epoll"),
                ("shape", "own"),
                ("round", "median"),
            ],
        ],
    ),
    drivers(
        "io_uring ÷ epoll: cpu of a long poll, all on one session",
        "long poll",
        "cpu us/cycle",
        [
            &[
                ("server", "fanfare io_uring"),
                ("shape", "one"),
                ("round", "median"),
            ],
            &[
                ("server", "fanfare epoll"),
                ("shape", "one"),
                ("round", "median"),
            ],
        ],
    ),
];

/// Rows beside one peer: what a delivery, a wait and a connection cost of what they cost there. At one event in flight
/// at most as much; at sixteen, and late, what the third figure says.
macro_rules! beside {
    ($($peer:literal at most $gathered:literal),+ $(,)?) => {
        [$(
            Row {
                title: concat!("fan-out 1→1,000, window 1, cpu of a delivery ÷ ", $peer),
                unit: "× peer",
                measurement: "peers 1000",
                at: &[("driver", concat!("fanfare io_uring / ", $peer)), ("window", "1"), ("round", "ratio")],
                column: "cpu us/delivery",
                over: None,
                bound: AtMost(1.0),
            },
            Row {
                title: concat!("fan-out 1→1,000, window 16, cpu of a delivery ÷ ", $peer),
                unit: "× peer",
                measurement: "peers 1000",
                at: &[("driver", concat!("fanfare io_uring / ", $peer)), ("window", "16"), ("round", "ratio")],
                column: "cpu us/delivery",
                over: None,
                bound: AtMost($gathered),
            },
        )+]
    };
}

const FAN_OUT_BESIDE: [Row; 16] = beside!(
    "nchan" at most 0.143,
    "axum" at most 1.0,
    "fastwebsockets" at most 1.0,
    "node" at most 1.0,
    "nats" at most 1.0,
    "mosquitto" at most 1.0,
    "redis" at most 1.0,
    "sockudo" at most 1.0,
);

/// Rows beside one peer: how late it is at half of each one's own peak, and how many it lets in.
macro_rules! late_and_many {
    ($($peer:literal),+ $(,)?) => {
        [$(
            Row {
                title: concat!("fan-out 1→100 at half of each peak, p99 ÷ ", $peer),
                unit: "× peer",
                measurement: "latency 100",
                at: &[("server", concat!("fanfare io_uring / ", $peer)), ("load %", "50")],
                column: "p99 us",
                over: None,
                bound: AtMost(0.5),
            },
            Row {
                // Their rate is the client's, unless a peer is slower than that.
                title: concat!("15,000 connections at once, cpu of each ÷ ", $peer),
                unit: "× peer",
                measurement: "connect storm",
                at: &[("server", concat!("fanfare io_uring / ", $peer)), ("round", "ratio")],
                column: "cpu us/connection",
                over: None,
                bound: AtMost(0.667),
            },
        )+]
    };
}

const LATE_AND_MANY: [Row; 8] = late_and_many!("nchan", "axum", "fastwebsockets", "node");

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
        .chain(&DRIVERS)
        .chain(&FAN_OUT_BESIDE)
        .chain(&LATE_AND_MANY)
}

//! What is drawn of the measurements.

use super::chart::Axes;
use super::rows::{EPOLL_1, EPOLL_16, URING_1, URING_16};

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
    /// …in the row or rows with these cells.
    pub(super) at: &'static str,
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
    at: &'static str,
    points: &'static [(f64, &'static str)],
) -> Curve {
    Curve {
        name,
        column,
        at,
        points: Points::Of(points),
    }
}

/// What a delivery costs, in the picture too.
const fn cost(title: &'static str, curves: &'static [Curve]) -> Chart {
    Chart {
        title,
        axes: BY_SUBSCRIBERS,
        curves,
        is_pictured: true,
    }
}

/// A line through all loads of the ramp.
const fn along(name: &'static str, column: &'static str) -> Curve {
    Curve {
        name,
        column,
        at: "",
        points: Points::Along("ramp 100", "offered/s"),
    }
}

/// What is drawn.
pub(super) const CHARTS: [Chart; 4] = [
    cost(
        "One event in flight: every delivery is a write",
        &[
            of("io_uring", MICROS, URING_1, BY_SUBSCRIBERS_URING),
            of("epoll", MICROS, EPOLL_1, BY_SUBSCRIBERS_EPOLL),
            of(
                "the kernel alone",
                "floor us",
                URING_1,
                BY_SUBSCRIBERS_URING,
            ),
        ],
    ),
    cost(
        "Sixteen in flight: what comes together is one write",
        &[
            of("io_uring", MICROS, URING_16, BY_SUBSCRIBERS_URING),
            of("epoll", MICROS, EPOLL_16, BY_SUBSCRIBERS_EPOLL),
            of(
                "the kernel alone",
                "floor us",
                URING_16,
                BY_SUBSCRIBERS_URING,
            ),
        ],
    ),
    Chart {
        title: "Latency against offered load, 100 subscribers",
        axes: Axes {
            is_log: true,
            x_label: "deliveries offered each second",
            y_label: "µs from due to heard",
        },
        curves: &[
            along("p50", "p50 us"),
            along("p99", "p99 us"),
            along("p99.9", "p99.9 us"),
        ],
        is_pictured: false,
    },
    Chart {
        title: "What came of what was offered, 100 subscribers",
        axes: Axes {
            is_log: true,
            x_label: "deliveries offered each second",
            y_label: "deliveries each second",
        },
        curves: &[along("delivered", "delivered/s")],
        is_pictured: false,
    },
];

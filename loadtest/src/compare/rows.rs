//! The rows of the table: each is one figure of one measurement, and what it must be.

use super::Bound;
use super::Bound::{AtLeast, AtMost};

/// One figure and what it must be.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) measurement: &'static str,
    /// In the row of the measurement's table with these cells, as `column=cell; column=cell`…
    pub(super) at: &'static str,
    /// …the figure in this column.
    pub(super) column: &'static str,
    /// …through the one in the row with these cells, if it is a ratio that the table does not have.
    pub(super) over: Option<&'static str>,
    pub(super) bound: Bound,
}

/// A line is a title, a measurement, the cells of a row, a column, maybe the cells of the row it is
/// divided by, the bound and the unit.
macro_rules! rows {
    ($($title:expr, $measurement:literal, $at:expr, $column:literal $(over $over:expr)?, $bound:expr, $unit:literal;)+) => {
        &[$(Row {
            title: $title,
            unit: $unit,
            measurement: $measurement,
            at: $at,
            column: $column,
            over: [$(Some($over),)? None][0],
            bound: $bound,
        }),+]
    };
}

pub(super) const URING_1: &str = "driver=io_uring; window=1; round=median";
pub(super) const URING_16: &str = "driver=io_uring; window=16; round=median";
const URING_64: &str = "driver=io_uring; window=64; round=median";
pub(super) const EPOLL_1: &str = "driver=epoll; window=1; round=median";
pub(super) const EPOLL_16: &str = "driver=epoll; window=16; round=median";
const EPOLL_64: &str = "driver=epoll; window=64; round=median";

/// The table.
const ROWS: &[Row] = rows! {
    "fan-out 1→1,000, window 1, io_uring", "fan-out 1000", URING_1, "ratio", AtMost(1.05), "× floor";
    "fan-out 1→1,000, window 1, epoll", "fan-out 1000", EPOLL_1, "ratio", AtMost(1.05), "× floor";
    "fan-out 1→1,000, window 16, io_uring", "fan-out 1000", URING_16, "ratio", AtMost(1.10), "× floor";
    "fan-out 1→1,000, window 16, epoll", "fan-out 1000", EPOLL_16, "ratio", AtMost(1.10), "× floor";
    "fan-out 1→5,000, window 16, io_uring", "fan-out 5000", URING_16, "ratio", AtMost(1.15), "× floor";
    "fan-out 1→5,000, window 16, epoll", "fan-out 5000", EPOLL_16, "ratio", AtMost(1.15), "× floor";
    "fan-out 1→100, window 64, io_uring", "fan-out 100", URING_64, "ratio", AtMost(1.25), "× floor";
    "fan-out 1→100, window 64, epoll", "fan-out 100", EPOLL_64, "ratio", AtMost(1.25), "× floor";
    "fan-out 1→15,000, window 1, io_uring", "fan-out 15000 io_uring", URING_1, "ratio", AtMost(1.10), "× floor";
    "fan-out 1→15,000, window 1, epoll", "fan-out 15000 epoll", EPOLL_1, "ratio", AtMost(1.10), "× floor";
    "fan-out 1→100 at half of the peak, p50", "latency 100",
        "server=io_uring; load %=50", "p50 us", AtMost(150.0), "µs";
    "…p99", "latency 100", "server=io_uring; load %=50", "p99 us", AtMost(1_000.0), "µs";
    "…p99.9", "latency 100", "server=io_uring; load %=50", "p99.9 us", AtMost(5_000.0), "µs";
    "10,000 parked polls woken by one event", "wake", "round=median", "ratio", AtMost(1.15), "× floor";
    "15,000 distinct filters, 10 match, 5,000 events/s: p99 to the last delivery, io_uring", "filters",
        "driver=io_uring; round=median", "p99 us", AtMost(1_000.0), "µs";
    "…epoll", "filters", "driver=epoll; round=median", "p99 us", AtMost(1_000.0), "µs";
    "long poll, each on a session of its own, io_uring", "long poll",
        "server=fanfare io_uring / nchan; shape=own; round=median", "cycles/cpu s", AtLeast(2.0), "× nchan";
    "long poll, each on a session of its own, epoll", "long poll",
        "server=fanfare epoll / nchan; shape=own; round=median", "cycles/cpu s", AtLeast(2.0), "× nchan";
    "long poll, all on one session, io_uring", "long poll",
        "server=fanfare io_uring / nchan; shape=one; round=median", "cycles/cpu s", AtLeast(2.0), "× nchan";
    "long poll, all on one session, epoll", "long poll",
        "server=fanfare epoll / nchan; shape=one; round=median", "cycles/cpu s", AtLeast(2.0), "× nchan";
    "HTTP publish, io_uring", "publish io_uring", "server=fanfare / nchan", "events/s", AtLeast(1.5), "× nchan";
    "HTTP publish, epoll", "publish epoll", "server=fanfare / nchan", "events/s", AtLeast(1.5), "× nchan";
    "HTTP publish, events/s of sessions ÷ pubsub", "publish io_uring",
        "server=fanfare / pubsub", "events/s", AtMost(1.11), "× pubsub";
    "gRPC fan-out, 100 streams on 10 connections", "gRPC fan-out",
        "server=ratio; streams=100/10; window=1", "deliveries/cpu s", AtLeast(2.0), "× tonic";
    "gRPC fan-out, 1,000 streams on 10 connections", "gRPC fan-out",
        "server=ratio; streams=1000/10; window=1", "deliveries/cpu s", AtLeast(2.0), "× tonic";
    "gRPC fan-out, 100 streams, window 16", "gRPC fan-out",
        "server=ratio; streams=100/10; window=16", "deliveries/cpu s", AtLeast(2.0), "× tonic";
    "gRPC publish, 1 connection", "gRPC publish", "server=ratio; connections=1", "calls/cpu s", AtLeast(2.0), "× tonic";
    "gRPC publish, 4 connections", "gRPC publish",
        "server=ratio; connections=4", "calls/cpu s", AtLeast(2.0), "× tonic";
    "a parked poll", "idle poll", "stage=parked", "KiB/conn", AtMost(1.0), "KiB";
    "an idle WebSocket", "idle websocket", "stage=parked", "KiB/conn", AtMost(0.6), "KiB";
    "an idle event stream", "idle sse", "stage=parked", "KiB/conn", AtMost(0.8), "KiB";
    "an idle room", "idle room", "stage=parked", "KiB/conn", AtMost(1.0), "KiB";
    "p99 of others while 100,000 sessions are told", "broadcast", "round=all", "p99 us ", AtMost(20_000.0), "µs";
    "…cpu for each session", "broadcast", "round=all", "cpu ns/session", AtMost(100.0), "ns";
};

/// What io_uring takes of what epoll does: the default driver must never be the slower one by more
/// than what is measured anyhow.
const DRIVERS: &[Row] = rows! {
    "io_uring ÷ epoll: cpu of a delivery, 1→1,000, window 1", "fan-out 1000",
        URING_1, "cpu us/delivery" over EPOLL_1, AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: 1→1,000, window 16", "fan-out 1000",
        URING_16, "cpu us/delivery" over EPOLL_16, AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: 1→5,000, window 16", "fan-out 5000",
        URING_16, "cpu us/delivery" over EPOLL_16, AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: 1→100, window 64", "fan-out 100",
        URING_64, "cpu us/delivery" over EPOLL_64, AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: cpu of a connection, 15,000 at once", "connect storm",
        "server=io_uring; round=median", "cpu us/connection" over "server=epoll; round=median", AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: cpu of an event, 15,000 distinct filters", "filters",
        "driver=io_uring; round=median", "cpu us/event" over "driver=epoll; round=median", AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: cpu of a long poll, each on a session of its own", "long poll",
        "server=fanfare io_uring; shape=own; round=median", "cpu us/cycle" over "server=fanfare epoll; shape=own; round=median", AtMost(1.05), "× epoll";
    "io_uring ÷ epoll: cpu of a long poll, all on one session", "long poll",
        "server=fanfare io_uring; shape=one; round=median", "cpu us/cycle" over "server=fanfare epoll; shape=one; round=median", AtMost(1.05), "× epoll";
};

/// Rows beside one peer: what a delivery costs of what it costs there. At one event in flight at
/// most as much; at sixteen what the figure says.
macro_rules! beside {
    ($($peer:literal at most $gathered:literal),+ $(,)?) => {
        rows! {$(
            concat!("fan-out 1→1,000, window 1, cpu of a delivery ÷ ", $peer), "peers 1000",
            concat!("driver=fanfare io_uring / ", $peer, "; window=1; round=ratio"), "cpu us/delivery", AtMost(1.0), "× peer";
            concat!("fan-out 1→1,000, window 16, cpu of a delivery ÷ ", $peer), "peers 1000",
            concat!("driver=fanfare io_uring / ", $peer, "; window=16; round=ratio"), "cpu us/delivery", AtMost($gathered), "× peer";
        )+}
    };
}

const FAN_OUT_BESIDE: &[Row] = beside!(
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
/// Their rate is the client's, unless a peer is slower than that.
macro_rules! late_and_many {
    ($($peer:literal),+ $(,)?) => {
        rows! {$(
            concat!("fan-out 1→100 at half of each peak, p99 ÷ ", $peer), "latency 100",
            concat!("server=fanfare io_uring / ", $peer, "; load %=50"), "p99 us", AtMost(0.5), "× peer";
            concat!("15,000 connections at once, cpu of each ÷ ", $peer), "connect storm",
            concat!("server=fanfare io_uring / ", $peer, "; round=ratio"), "cpu us/connection", AtMost(0.667), "× peer";
        )+}
    };
}

const LATE_AND_MANY: &[Row] = late_and_many!("nchan", "axum", "fastwebsockets", "node");

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [ROWS, DRIVERS, FAN_OUT_BESIDE, LATE_AND_MANY]
        .into_iter()
        .flatten()
}

//! What a node says of itself to its live subscribers, and when, in the form of the dialect that
//! has an event for it.

use std::time::Duration;

use crate::hub::Draft;

/// What a node knows about its machine and itself.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeReport {
    /// The machine's name.
    pub hostname: Box<str>,
    /// How long this server has been running.
    pub uptime: Duration,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Processors that it may use.
    pub processors: usize,
    /// The machine's memory in bytes: all of it, and what could be had.
    pub memory: (u64, u64),
    /// Connections open now.
    pub connections: u64,
    /// Events published per second since this was said last.
    pub events_per_second: f64,
}

/// How a dialect has a node report.
#[derive(Clone, Copy, Debug)]
pub struct Reporting {
    /// From the start to the first report.
    pub first: Duration,
    /// From one report to the next.
    pub interval: Duration,
    /// A report as the dialect's event.
    pub event: fn(&NodeReport) -> Draft,
}

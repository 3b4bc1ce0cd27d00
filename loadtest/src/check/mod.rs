//! The judge of deliveries: which subscriber was to hear which event, and whether it has. No
//! sockets; times are arguments.
//!
//! [`in_order`] reads a log's own numbers, [`count`] is for fleets in which all hear the same,
//! [`exact`] for those in which each event is for some and nobody else, [`resumable`] for
//! subscribers that come and go.

pub(crate) mod count;
pub(crate) mod exact;
pub(crate) mod in_order;
pub(crate) mod resumable;

use std::time::Instant;

use crate::load::Timing;
use crate::voice::Heard;

/// What a fleet's subscribers are to hear.
pub(crate) trait DeliveryCheck {
    /// Whether it matters how long the client itself works.
    const TIMES_WORK: bool = false;

    /// Takes what a subscriber was told; `timing` notes how long an event was on its way.
    ///
    /// # Errors
    ///
    /// The subscriber was not to be told that.
    fn heard(
        &mut self,
        subscriber: usize,
        heard: Heard<'_>,
        timing: &mut Timing,
    ) -> Result<(), String>;

    /// The server has ended a subscriber's connection, with this code if it is a WebSocket.
    ///
    /// # Errors
    ///
    /// It was not to.
    fn ended(&mut self, _subscriber: usize, _code: u16, why: &str) -> Result<(), String> {
        Err(why.to_owned())
    }

    /// A subscriber has no connection any more.
    fn left(&mut self, _subscriber: usize) {}

    /// How far everybody is, for a sentence about what was waited for in vain.
    fn progress(&self) -> String;
}

/// A check that knows which events are on their way.
pub(crate) trait InFlight: DeliveryCheck {
    /// Events that were published; the sequence of the next.
    fn started(&self) -> u64;

    /// Events that all have heard who are to.
    fn finished(&self) -> u64;

    /// The most that may be on their way.
    fn in_flight_max(&self) -> u64;

    /// One more event is on its way, due at this time: says which publisher publishes it, and as
    /// what.
    ///
    /// # Errors
    ///
    /// Nobody is there to hear it.
    fn start(&mut self, due: Instant) -> Result<(usize, u64), String>;
}

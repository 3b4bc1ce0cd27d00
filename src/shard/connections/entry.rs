//! One connection's place among a shard's.

use crate::connection::Connection;
use crate::hub::Identity;
use crate::shard::ConnectionId;
use crate::shard::budget::Held;
use crate::shard::relays::Relay;
use crate::shard::streams::Stream;
use crate::shard::subscriptions::Subscriptions;
use crate::time::Instant;

/// A connection and what the shard keeps about it.
#[derive(Debug)]
pub(in crate::shard) struct Entry {
    pub(in crate::shard) connection: Connection,
    pub(in crate::shard) serial: u32,
    /// Its identity among the node's connections.
    pub(in crate::shard) identity: Identity,
    /// The place of a socket, if it is a stream of another connection.
    pub(in crate::shard) stream: Option<Box<Stream>>,
    /// The same, if it reads a log for a stream of another shard.
    pub(in crate::shard) relay: Option<Box<Relay>>,
    /// Its subscriptions, if it is a dialect's client.
    pub(in crate::shard) subscriptions: Option<Box<Subscriptions>>,
    /// Its share of the budget's sums.
    pub(super) held: Held,
    /// Its earliest entry in `deadlines`.
    pub(super) scheduled: Instant,
    pub(super) flags: Flags,
}

/// What a connection waits for, and what is waited for from it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not one state"
)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    pub(super) dirty: bool,
    pub(super) urgent: bool,
    pub(super) unserved: bool,
    pub(super) resumed: bool,
    /// The kernel takes no more until it says so.
    pub(super) blocked: bool,
    /// The driver was told not to read.
    pub(super) paused: bool,
    /// A stream that was just opened: it may be over before its timers count.
    pub(super) opening: bool,
    /// An effect to move it is under way: its input is only held.
    pub(super) moving: bool,
    /// Our half is closed.
    pub(super) finished: bool,
}

/// A connection costs this much beside what hangs on it.
const _: () = assert!(size_of::<Entry>() <= 224);

impl Entry {
    /// Whether its socket should be read.
    pub(in crate::shard) fn wants_input(&self) -> bool {
        !self.flags.unserved && self.connection.wants_input()
    }

    /// Whether bytes go to and come from the kernel, and not another connection or shard.
    pub(in crate::shard) const fn has_socket(&self) -> bool {
        self.stream.is_none() && self.relay.is_none()
    }

    /// Whether there is something to be done when it is next written to.
    pub(super) fn has_work(&self) -> bool {
        let connection = &self.connection;
        let begins = |stream: &Stream| stream.must_begin(connection);
        !connection.send_queue.is_empty()
            || connection.is_closing()
            || self.stream.as_deref().is_some_and(begins)
    }

    /// Whether its next input waits for its turn.
    pub(in crate::shard) const fn is_unserved(&self) -> bool {
        self.flags.unserved
    }

    /// Whether the kernel, or whatever takes its place, takes no more.
    pub(in crate::shard) const fn is_blocked(&self) -> bool {
        self.flags.blocked
    }

    /// Whether it is about to move to another shard.
    pub(in crate::shard) const fn is_moving(&self) -> bool {
        self.flags.moving
    }

    /// Whether our half is closed.
    pub(in crate::shard) const fn is_finished(&self) -> bool {
        self.flags.finished
    }

    /// Bytes that came from its peer and are kept.
    pub(in crate::shard) const fn input_bytes(&self) -> usize {
        self.held.input()
    }

    pub(super) fn id(&self, index: u32) -> ConnectionId {
        let serial = self.serial;
        ConnectionId { index, serial }
    }
}

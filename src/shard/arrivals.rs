//! How connections come to a shard, and go on to another.

use super::budget::Held;
use super::{ConnectionId, Entry, Shard};
use crate::auth::Network;
use crate::connection::Connection;
use crate::hub::Identity;
use crate::time::{Instant, Now};

/// A connection on its way to another shard.
#[derive(Debug)]
pub struct Released {
    connection: Connection,
    identity: Identity,
}

impl Shard {
    /// Takes a new connection from a network, unless there are too many: then its socket is to be closed.
    pub fn accept(&mut self, now: Now, network: Network) -> Option<ConnectionId> {
        if self.connections.len() >= self.connections_max || self.sealed {
            return None;
        }
        self.metrics().connections_accepted.add(1);
        self.metrics().connections.add(1);
        let identity = self.new_identity(now);
        Some(self.insert(Connection::new(now, network), identity))
    }

    /// For a connection that comes now.
    pub(super) fn new_identity(&mut self, now: Now) -> Identity {
        self.last_identity = Identity::following(self.last_identity, self.id.0, now.unix_ms);
        self.last_identity
    }

    /// Takes a connection that another shard has released.
    pub fn adopt(&mut self, now: Now, released: Released) -> ConnectionId {
        let id = self.insert(released.connection, released.identity);
        self.metrics().connections.add(1);
        if self.draining {
            self.drain_connection(now, id.index);
        }
        self.consume_held(now, id.index);
        self.touch(id.index);
        id
    }

    /// Gives up a connection that is to move; `None` if it is gone.
    pub fn release(&mut self, id: ConnectionId) -> Option<Released> {
        let entry = self.entry(id)?;
        let held = std::mem::take(&mut entry.held);
        let entry = self.connections.remove(id.index as usize);
        self.overview.leave(entry.identity, id.index);
        self.budget.forget(held);
        self.metrics().connections.sub(1);
        self.metrics().connections_moved.add(1);
        Some(Released {
            connection: entry.connection,
            identity: entry.identity,
        })
    }

    pub(super) fn insert(
        &mut self,
        mut connection: Connection,
        identity: Identity,
    ) -> ConnectionId {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        // By the golden ratio: whatever the count of those that come together, they are apart from one another.
        connection.set_spread((serial.wrapping_mul(0x9E37_79B9) >> 24) as u8);
        let index = self.connections.insert(Entry {
            connection,
            serial,
            identity,
            stream: None,
            relay: None,
            subscriptions: None,
            held: Held::default(),
            scheduled: Instant::NEVER,
            dirty: false,
            blocked: false,
            paused: false,
            opening: false,
            moving: false,
            finished: false,
            unserved: false,
        }) as u32;
        self.overview.enter(identity, index);
        self.touch(index);
        ConnectionId { index, serial }
    }
}

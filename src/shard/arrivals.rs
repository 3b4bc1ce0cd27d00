//! How connections come to a shard, and go on to another.

use super::{ConnectionId, Shard};
use crate::auth::Network;
use crate::connection::Connection;
use crate::hub::Identity;
use crate::time::Now;

/// A connection on its way to another shard.
#[derive(Debug)]
pub struct Released {
    connection: Connection,
    identity: Identity,
}

impl Shard {
    /// Takes a new connection from a network, unless there are too many: then its socket is to be
    /// closed.
    pub fn accept(&mut self, now: Now, network: Network) -> Option<ConnectionId> {
        if self.connections.is_full() || self.sealed {
            return None;
        }
        self.metrics().connections_accepted.add(1);
        self.metrics().connections.add(1);
        let identity = self.new_identity(now);
        Some(self.insert(Connection::new(now, network), identity))
    }

    /// For a connection that comes now.
    pub(super) fn new_identity(&mut self, now: Now) -> Identity {
        self.connections.new_identity(self.id, now.unix_ms)
    }

    /// Takes a connection that another shard has released.
    pub fn adopt(&mut self, now: Now, released: Released) -> ConnectionId {
        let id = self.insert(released.connection, released.identity);
        self.metrics().connections.add(1);
        if self.draining {
            self.drain_connection(now, id.index);
        }
        self.go_on(now, id.index);
        self.touch(id.index);
        id
    }

    /// Gives up a connection that is to move; `None` if it is gone.
    pub fn release(&mut self, id: ConnectionId) -> Option<Released> {
        self.entry(id)?;
        let entry = self.connections.remove(id.index, &mut self.budget)?;
        self.overview.leave(entry.identity, id.index);
        self.metrics().connections.sub(1);
        self.metrics().connections_moved.add(1);
        Some(Released {
            connection: entry.connection,
            identity: entry.identity,
        })
    }

    pub(super) fn insert(&mut self, connection: Connection, identity: Identity) -> ConnectionId {
        let id = self.connections.insert(connection, identity);
        self.overview.enter(identity, id.index);
        self.touch(id.index);
        id
    }
}

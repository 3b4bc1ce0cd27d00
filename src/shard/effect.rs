//! What a shard wants done to sockets.

use super::ConnectionId;
use crate::hub::ShardId;

/// Something that only the owner of the sockets can do. In order, after the call that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Close our half: everything was sent. The connection lives on until the peer closes its own.
    Finish(ConnectionId),
    /// Close the socket; the connection is gone.
    Close(ConnectionId),
    /// Release the connection (`Shard::release`) and hand it with its socket to that shard
    /// (`Shard::adopt`).
    Move(ConnectionId, ShardId),
    /// Read the socket again, after `Shard::wants_input` said no.
    Resume(ConnectionId),
}

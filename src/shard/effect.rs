//! What a shard wants done to sockets, and what takes too long for it.

use super::ConnectionId;
use crate::auth::{Attempt, Network};
use crate::hub::ShardId;
use crate::metrics::RefusalKind;

/// Something that only the owner of the sockets and threads can do. In order, after the call that
/// caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Check a password, which takes long, and call `Shard::verified` with the outcome.
    Verify(PasswordCheck),
    /// Write to the log that access was refused.
    Tell(Told),
}

/// A password to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordCheck {
    /// Who waits for the outcome.
    pub connection: ConnectionId,
    /// Where the client connects from.
    pub network: Network,
    /// What is to be checked.
    pub attempt: Attempt,
}

/// What is told about refusals of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Why they were refused.
    pub kind: RefusalKind,
    /// One of them; `None` if there is only to say how many were left out.
    pub one: Option<ToldDenial>,
    /// How many were left out before it.
    pub left_out: u64,
}

/// One refusal, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldDenial {
    /// By which dialect.
    pub dialect: &'static str,
    /// From where.
    pub network: Network,
    /// The name of the organization, if it is known.
    pub organization: Option<Box<str>>,
}

//! What a hub wants other shards to know: values, to be sent by whoever owns the mesh.

use std::sync::Arc;

use super::event::Event;
use super::scope::{OrganizationId, Parents, Scope, ScopeName, ShardId};

/// Something other shards' hubs must be told, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// To all: append an accepted event to the sessions beneath its scope, and offer it to live
    /// subscriptions: `Hub::append_from_mail`.
    Append(Arc<Event>),
    /// To one: offer an accepted event to live subscriptions: `Hub::hear_from_mail`.
    Hear(ShardId, Arc<Event>),
    /// Something came to be known: `Hub::learn_from_mail`. A project or a group goes to all: without it,
    /// sessions of another shard beneath the project would miss what is told to the group. What stands
    /// above a session goes to those who listen to the organization: without it, their subscriptions
    /// at the session would miss what is told above.
    Learn {
        /// Whose tree.
        organization: OrganizationId,
        /// The session whose parents these are, if it is about one.
        session: Option<ScopeName>,
        /// The project, and its group if both are known.
        parents: Parents,
    },
    /// About the forgetting of a group or project: `Hub::hear_of_scope`.
    Scope {
        /// To whom; `None` is all.
        to: Option<ShardId>,
        /// Which.
        scope: Scope,
        /// It and what stands above it.
        parents: Parents,
        /// What is said.
        news: ScopeNews,
    },
}

/// What one shard says to another of a group or project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeNews {
    /// To its home: the sender uses it.
    Used,
    /// To its home: the sender knows it, and does not use it.
    Idle,
    /// From its home: the receiver is to forget it unless it uses it.
    Forget,
}

//! News from a hub for other shards: values, which the owner of the mesh sends.

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
    /// A scope came to be known: `Hub::learn_from_mail`. A project or a group goes to all shards:
    /// without it, another shard's sessions beneath the project would miss events for the group.
    /// The parents of a session go to the shards that listen to the organization: without them,
    /// their subscriptions at the session would miss events from above.
    Learn {
        /// The organization.
        organization: OrganizationId,
        /// The session whose parents these are, if it is about one.
        session: Option<ScopeName>,
        /// The project, and its group if both are known.
        parents: Parents,
    },
    /// About the forgetting of a group or project: `Hub::hear_of_scope`.
    Scope {
        /// The receiver; `None` is all.
        to: Option<ShardId>,
        /// The group or project.
        scope: Scope,
        /// It and the scopes above it.
        parents: Parents,
        /// The news.
        news: ScopeNews,
    },
}

/// News about a group or project, from one shard to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeNews {
    /// To its home: the sender uses it.
    Used,
    /// To its home: the sender knows it, and does not use it.
    Idle,
    /// From its home: the receiver is to forget it unless it uses it.
    Forget,
}

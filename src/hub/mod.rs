//! The hub: events, the scope tree, session logs and the commands on them.
//!
//! One [`Hub`] per shard holds the scopes that the shard is home to. It is a plain state machine:
//! commands and time in, answers and effects out. It knows no protocol and no connection beyond an
//! opaque number, and it never looks at a clock or a socket.

mod bounds;
mod broadcast;
mod catalogue;
mod command;
mod declare;
mod event;
mod fanout;
mod filter;
mod forgetting;
#[expect(
    clippy::module_inception,
    reason = "the hub's own file among the files of the hub"
)]
mod hub;
mod idempotency;
mod ids;
mod inspect;
mod lifecycle;
mod news;
mod nodes;
mod publish;
mod publish_key;
mod question;
mod reading;
mod scope;
mod session;
mod subscription;
mod tombstones;
mod tree;

pub use bounds::{Bounds, Full, Table, Whose};
pub use catalogue::Catalogue;
pub use command::{Answer, Command, Refusal, SessionView, Status, Transition};
pub use event::{Correlation, Draft, Epoch, Event, EventId, EventName, Number};
pub use filter::{FilterTable, MatchScratch};
pub use hub::{Hub, HubConfig};
pub use idempotency::{Begin, Idempotency};
pub use ids::Ids;
pub use inspect::NodeState;
pub use news::{News, ScopeNews};
pub use publish_key::PublishKey;
pub use question::{
    Ask, Identity, Item, Kind, Named, Question, Report, SessionState, Set, Why, subscription_key,
};
pub use scope::{
    Address, OrganizationId, Parents, Placement, Scope, ScopeName, SessionKey, ShardId,
};
pub use session::{Cursor, Gap, Log, ReaderId, Resume, Retention, SessionIndex};
pub use subscription::{
    NamePattern, Names, Property, PropertyFilter, SubscriberId, Subscription, SubscriptionId,
    ValueFilter,
};
pub use tree::{Child, Foreseen, LearnError, ScopeTree};

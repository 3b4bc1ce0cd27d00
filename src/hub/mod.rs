//! The hub: events, the scope tree, session logs and what may be asked of them.
//!
//! One [`Hub`] per shard holds the scopes that the shard is home to. It is a plain state machine:
//! commands and time in, answers and effects out. It knows no protocol and no connection beyond an
//! opaque number, and it never looks at a clock or a socket.

mod command;
mod event;
mod scope;

pub use command::{Answer, Command, Refusal, SessionView, Status, Transition};
pub use event::{Draft, Epoch, Event, EventId, EventName, Number};
pub use scope::{
    Address, OrganizationId, Parents, Placement, Scope, ScopeName, SessionKey, ShardId,
};

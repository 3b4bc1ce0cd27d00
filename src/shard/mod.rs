//! One core's state: its connections, its hub, its mail. No I/O, no clock, no thread.
//!
//! A shard is made of parts, each with invariants of its own: `connections` (which list a
//! connection stands on), `post` (what leaves for other shards), `fanout` (events on their way
//! to subscribers), `reading` (what readers share), `budget`, `overview`. What takes more
//! than one of them is `impl Shard`, in a file for each subject.
//!
//! Its driver (the runtime with sockets, a test with byte vectors) calls, per tick:
//!
//! 1. [`mail`](Shard::mail), [`accept`](Shard::accept), [`adopt`](Shard::adopt),
//!    [`receive`](Shard::receive), [`end_input`](Shard::end_input), [`advance`](Shard::advance) (or
//!    its parts, in `expiry`) with whatever has come; then, as long as there is time,
//!    [`serve_next`](Shard::serve_next), for connections that sent more than is taken from one at a
//!    time;
//! 2. [`end_tick`](Shard::end_tick): events meet their readers;
//! 3. [`flush`](Shard::flush): send queues meet the kernel;
//! 4. [`next_effect`](Shard::next_effect) until there is none, and
//!    [`outbox`](Shard::outbox) for every other shard;
//! 5. another tick at once if the shard [`has_more_work`](Shard::has_more_work), after a look at
//!    what came.

mod arrivals;
mod budget;
mod carry_on;
mod clients;
mod connections;
mod deadlines;
mod denials;
mod dispatch;
mod drain;
mod effect;
mod expiry;
mod fanout;
mod flush;
mod groups;
mod input;
mod interest;
#[cfg(test)]
mod listed_tests;
mod mail;
mod node_report;
mod operations;
mod overview;
mod post;
mod readers;
mod reading;
mod relays;
mod settings;
#[expect(
    clippy::module_inception,
    reason = "the shard's own file among the files of the shard"
)]
mod shard;
mod slow_consumer;
mod spread;
mod streams;
mod subscriptions;
mod tick;

pub use arrivals::Released;
pub use effect::{Effect, PasswordCheck, Told, ToldDenial};
pub use flush::Flushed;
pub use mail::{Mail, OperationMail, RelayMail, ReplyTo};
pub use node_report::Machine;
pub use settings::{ShardSettings, Slices};
pub use shard::Shard;

use mail::Ticket;

/// One connection of one shard. An index is used again, a pair of index and serial is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Where the shard keeps it.
    pub index: u32,
    /// Which of those that were kept there.
    pub serial: u32,
}

/// Borrows everything that a connection may consult, and nothing else.
macro_rules! context {
    ($shard:ident, $now:expr) => {
        $crate::connection::Context {
            now: $now,
            dialects: &$shard.dialects,
            tools: $crate::dialect::Tools {
                now: $now,
                placement: &$shard.post.placement,
                ids: &mut $shard.ids,
                draining: $shard.sealed,
                denied: None,
            },
            date: &$shard.date,
            arena: &mut $shard.arena,
            metrics: &$shard.metrics[$shard.id.index()],
            draining: $shard.sealed,
        }
    };
}

use context;

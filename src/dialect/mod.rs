//! The dialects: where protocols meet the hub, and nowhere else.
//!
//! A dialect turns a request into an [`Action`] and an [`Outcome`] into a response. It owns no
//! connection and no log. What one is says the trait [`Dialect`]; which there are says the list
//! below, of which all else is made (`list`). To add one: a folder, its `mod` and its line in the
//! list, and its transcripts under `tests/dialects/`. How that looks is in `ARCHITECTURE.md`,
//! "Adding a dialect".

pub mod admin;
mod calls;
mod client;
mod config;
mod contract;
mod cors;
mod cursor;
mod denial;
mod describe;
pub mod echo;
#[cfg(test)]
mod lines;
mod list;
pub mod live;
mod log;
mod node_report;
mod nowhere;
mod offer;
mod operation;
pub mod pubsub;
mod refusals;
pub mod render;
mod requests;
mod respond;
pub mod rpc;
pub mod sessions;
pub mod stream;
pub mod sysadm;
#[cfg(test)]
mod testing;
mod upgrade;

use std::sync::Arc;

use crate::hub::{Ids, Placement};
use crate::metrics::Metrics;
use crate::time::Now;

pub use calls::no_such_method;
pub use client::{Change, Message, Open, Opening, Reaction, Streamed, Subscribe};
pub use config::Config;
pub use contract::{Dialect, EventEncoding, Parts};
pub use cors::{AllowedOrigin, Cors};
pub use cursor::{FOREIGN, QueryError, query_cursor, query_text};
pub use denial::{CONTRADICTORY, Denial, Judge, denied_by};
pub use describe::{ConnectionState, Heard, SubscriptionState};
pub use log::{By, Follow, Form, LogState, Position, Show, Standing, Wants};
pub use node_report::{NodeReport, Reporting};
pub use offer::Offer;
pub use operation::{LoginChange, Operation, Outcome};
pub use refusals::{
    KEY_REUSED, KEY_REUSED_CODE, LEAVING, RATE_LIMITED, RESERVED_NAME, idempotency_key, keys_held,
    reserved_name, retry_after_line, too_fast,
};
pub use render::{Envelope, number_digits, put_event_name, put_number, put_text};
pub use respond::{
    Exchange, Refused, Responder, STREAMED, error_body, respond_body, respond_error,
};
pub use upgrade::{check_upgrade, handshake_fields, read_credentials};

use list::dialects;
use nowhere::Nowhere;

dialects! {
    sessions: Sessions,
    sysadm: Sysadm,
    live: Live,
    stream: EventService,
    pubsub: Pubsub,
    rpc: Rpc,
    admin: Admin,
    echo: Echo,
    #[cfg(test)]
    lines: Lines,
}

use dispatch;

/// What the first `count` of some numbers are together.
const fn sum(numbers: &[usize], count: usize) -> usize {
    let (mut all, mut at) = (0, 0);
    while at < count && at < numbers.len() {
        all += numbers[at];
        at += 1;
    }
    all
}

/// What a request asks of the shard.
#[derive(Debug)]
pub enum Action {
    /// Nothing: the response is written.
    Done,
    /// Carry out an operation, then come back with its outcome.
    Execute(Box<Call>),
    /// Attach to a session's log.
    Follow(Box<Follow>),
    /// Become a socket of a dialect.
    Open(Box<Open>),
}

/// An operation and what is to be done with its outcome.
#[derive(Debug)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// A repeat with the same key gets the first answer.
    pub idempotency_key: Option<Box<[u8]>>,
    /// What the sender's own copy of the events it publishes is marked with.
    pub correlation_id: Option<Box<str>>,
    /// The request that waits for the outcome.
    pub pending: Pending,
}

/// What a dialect may consult besides the request.
#[derive(Debug)]
pub struct Tools<'t> {
    /// The time of this tick.
    pub now: Now,
    /// Which shard is home to what.
    pub placement: &'t Placement,
    /// Names for new sessions.
    pub ids: &'t mut Ids,
    /// Whether the server is leaving.
    pub draining: bool,
    /// Where a refusal of access is noted.
    pub denied: Option<Denial>,
}

impl Tools<'_> {
    /// What judges a request that these are for.
    pub fn judge(&mut self) -> Judge<'_> {
        Judge {
            now: self.now,
            denied: &mut self.denied,
        }
    }
}

/// Metrics of all shards, for whoever renders them.
pub type AllMetrics = Arc<[Metrics]>;

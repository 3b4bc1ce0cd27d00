//! One core's state: its connections, its hub, its mail. No I/O, no clock, no thread.
//!
//! Whoever drives a shard (the runtime with sockets, a test with byte vectors) calls, per tick:
//!
//! 1. [`mail`](Shard::mail), [`accept`](Shard::accept), [`adopt`](Shard::adopt),
//!    [`receive`](Shard::receive), [`end_input`](Shard::end_input), [`advance`](Shard::advance) (or its parts, in
//!    `expiry`) with whatever has come;
//! 2. [`end_tick`](Shard::end_tick): events meet their readers;
//! 3. [`flush`](Shard::flush): send queues meet the kernel;
//! 4. [`next_effect`](Shard::next_effect) until there is none, and
//!    [`outbox`](Shard::outbox) for every other shard;
//! 5. another tick at once if the shard [`has_more_work`](Shard::has_more_work), after a look at what came.
//!
//! Between 1 and 2, as long as there is time: [`serve_next`](Shard::serve_next), for who sent more than is taken from
//! one connection at a time.

mod arrivals;
mod budget;
mod clients;
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
mod overview;
mod readers;
mod relays;
mod settings;
mod spread;
mod streams;
mod subscriptions;
mod system_state;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

use crate::auth::{Directory, Logins};
use crate::buf::Arena;
use crate::config::SlowConsumer;
use crate::connection::{Connection, Context};
use crate::dialect::{AllMetrics, Dialects, LogView, Parts};
use crate::hub::{
    self, Event, Hub, Idempotency, Identity, Ids, MatchScratch, Placement, SessionIndex, ShardId,
};
use crate::limits::CONNECTIONS_MAX;
use crate::metrics::Metrics;
use crate::protocol::http1::DateCache;
use crate::time::{Instant, Now};

pub use arrivals::Released;
pub use denials::{Told, ToldDenial};
pub use effect::{Effect, PasswordCheck};
pub use flush::Flushed;
pub use mail::{Mail, RelayMail, ReplyTo};
pub use settings::{ShardSettings, Slices};
pub use system_state::Machine;

use budget::{Budget, Held};
use deadlines::Deadlines;
use denials::Throttle;
use dispatch::Survey;
use fanout::Listener;
use groups::Groups;
use interest::Interest;
use mail::Ticket;
use overview::Overview;
use readers::{FeedRendering, PollRendering};
use relays::Relay;
use settings::{drain_spread_ms, hub_config};
use streams::Stream;
use subscriptions::Subscriptions;
use system_state::SystemStateSchedule;

/// One connection of one shard. An index is used again, a pair of index and serial is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Where the shard keeps it.
    pub index: u32,
    /// Which of those that were kept there.
    pub serial: u32,
}

/// One core's share of the hub.
#[derive(Debug)]
pub struct Shard {
    id: ShardId,
    placement: Placement,
    hub: Hub,
    ids: Ids,
    idempotency: Idempotency<Ticket>,
    logins: Logins,
    dialects: Dialects,
    connections: Slab<Entry>,
    connections_max: usize,
    next_serial: u32,
    /// The connection that came last, and the number of the subscription.
    last_identity: Identity,
    last_subscription: u32,
    /// Connections to be written to.
    dirty: VecDeque<u32>,
    /// The same, of those without a socket.
    dirty_inner: VecDeque<u32>,
    /// Those of `dirty` that earlier flushes did not come to, in that order.
    backlog: VecDeque<u32>,
    /// Connections for which so much waits that no flush passes them by.
    urgent: Vec<u32>,
    /// Connections with input that their last turn did not come to, in the order of their next.
    unserved: VecDeque<ConnectionId>,
    slices: Slices,
    deadlines: Deadlines,
    /// Entries of `deadlines` that are being served.
    due: Vec<(Instant, ConnectionId)>,
    effects: VecDeque<Effect>,
    outboxes: Vec<VecDeque<Mail>>,
    surveys: Slab<Survey>,
    overview: Overview,
    date: DateCache,
    arena: Arena,
    metrics: AllMetrics,
    /// Nothing is accepted any more.
    sealed: bool,
    /// Other shards of which the same is known.
    sealed_others: usize,
    /// Everyone has been told to leave.
    draining: bool,
    poll_rendering: Option<PollRendering>,
    feed_rendering: Option<FeedRendering>,
    /// What the last client wants that changed what it is shown.
    last_view: Option<LogView>,
    /// Fan-out's view of the connections, by index.
    listeners: Vec<Listener>,
    /// Readers for streams of other shards, by those.
    relays: BTreeMap<(ShardId, ConnectionId), u32>,
    groups: Groups,
    /// What waits for peers and from them.
    budget: Budget,
    /// Scratch: events to be matched, and who they are for.
    heard: Vec<Arc<Event>>,
    matches: MatchScratch,
    /// Connections that are in a group.
    grouped: Vec<u32>,
    interest: Interest,
    send_queue_bytes_max: usize,
    slow_consumer: SlowConsumer,
    /// Over how long clients are told to come back when this server leaves.
    drain_spread_ms: u64,
    directory: Arc<Directory>,
    throttle: Throttle,
    system_state: Option<SystemStateSchedule>,
    /// Scratch: connections whose session is gone.
    ended: Vec<u32>,
    /// Connections that may go on with the input they hold.
    resumed: Vec<u32>,
    scratch: Scratch,
}

/// Lists that a tick fills and empties, kept for their capacity.
#[derive(Debug, Default)]
struct Scratch {
    woken: Vec<SessionIndex>,
    readers: Vec<u32>,
    news: Vec<hub::News>,
    stream_input: Vec<u8>,
}

/// A connection and what the shard keeps about it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not one state"
)]
#[derive(Debug)]
struct Entry {
    connection: Connection,
    serial: u32,
    /// Which of the node's.
    identity: Identity,
    /// What takes the place of a socket, if it is a stream of another connection.
    stream: Option<Box<Stream>>,
    /// The same, if it reads a log for a stream of another shard.
    relay: Option<Box<Relay>>,
    /// What it hears, if it is a dialect's client.
    subscriptions: Option<Box<Subscriptions>>,
    /// What is counted into the shard's `held`.
    held: Held,
    /// The earliest entry in `deadlines`.
    scheduled: Instant,
    dirty: bool,
    /// The kernel takes no more until it says so.
    blocked: bool,
    /// The driver was told not to read.
    paused: bool,
    /// A stream that was just opened: it may be over before its timers count.
    opening: bool,
    /// An effect to move it is under way: its input is only held.
    moving: bool,
    /// Our half is closed.
    finished: bool,
    /// It stands in `unserved`: its next input waits until its turn.
    unserved: bool,
}

/// A connection costs this much beside what hangs on it.
const _: () = assert!(size_of::<Entry>() <= 224);

impl Entry {
    /// Whether its socket should be read.
    fn wants_input(&self) -> bool {
        !self.unserved && self.connection.wants_input()
    }
}

/// Borrows everything that a connection may consult, and nothing else.
macro_rules! context {
    ($shard:ident, $now:expr) => {
        $crate::connection::Context {
            now: $now,
            dialects: &$shard.dialects,
            tools: $crate::dialect::Tools {
                now: $now,
                placement: &$shard.placement,
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

impl Shard {
    /// A shard without connections and sessions.
    pub fn new(settings: ShardSettings) -> Self {
        let ShardSettings {
            shard,
            placement,
            config,
            directory,
            metrics,
            hostname,
            seed,
            slices,
        } = settings;
        // Two generators from one seed: what the dialects draw must not repeat what the hub draws.
        let mut dialect_seed = seed;
        dialect_seed[0] ^= 0xff;
        let mut ids = Ids::new(dialect_seed, shard);
        let keys_max = config.hub.idempotency_keys_max;
        let idempotency = Idempotency::new(ids.table_seed(), keys_max);
        let shards = usize::from(placement.shards());
        let budget = Budget::new(config.server.held_bytes_max);
        let dialects = Dialects::new(&Parts::new(&config, &directory, &hostname, &metrics));
        Self {
            id: shard,
            hub: Hub::new(hub_config(&config, slices), placement.clone(), shard, seed),
            placement,
            ids,
            idempotency,
            logins: Logins::default(),
            dialects,
            connections: Slab::new(),
            connections_max: config.server.connections_max.min(CONNECTIONS_MAX),
            next_serial: 0,
            last_identity: Identity::FIRST,
            last_subscription: 0,
            overview: Overview::default(),
            dirty: VecDeque::new(),
            backlog: VecDeque::new(),
            urgent: Vec::new(),
            unserved: VecDeque::new(),
            slices,
            dirty_inner: VecDeque::new(),
            deadlines: Deadlines::default(),
            due: Vec::new(),
            effects: VecDeque::new(),
            outboxes: (0..shards).map(|_| VecDeque::new()).collect(),
            surveys: Slab::new(),
            date: DateCache::new(0),
            arena: Arena::new(),
            metrics,
            sealed: false,
            sealed_others: 0,
            draining: false,
            poll_rendering: None,
            feed_rendering: None,
            last_view: None,
            listeners: Vec::new(),
            relays: BTreeMap::new(),
            groups: Groups::new(budget.meter.clone()),
            budget,
            heard: Vec::new(),
            matches: MatchScratch::default(),
            grouped: Vec::new(),
            interest: Interest::default(),
            send_queue_bytes_max: config.hub.send_queue_bytes_max,
            slow_consumer: config.hub.slow_consumer,
            drain_spread_ms: drain_spread_ms(&config),
            directory,
            throttle: Throttle::default(),
            system_state: SystemStateSchedule::of(shard, &config.sysadm),
            ended: Vec::new(),
            resumed: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// This shard's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics[self.id.index()]
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn entry(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let entry = self.connections.get_mut(id.index as usize)?;
        (entry.serial == id.serial).then_some(entry)
    }

    fn id_of(&self, index: u32) -> Option<ConnectionId> {
        let entry = self.connections.get(index as usize)?;
        let serial = entry.serial;
        Some(ConnectionId { index, serial })
    }

    /// Runs `work` on a connection, then sees to what it changed: its reader, its send queue, its
    /// deadline. Events that wait for the connection go before whatever it is going to send.
    fn with<R>(
        &mut self,
        now: Now,
        index: u32,
        work: impl FnOnce(&mut Connection, &mut Context<'_>) -> R,
    ) -> Option<R> {
        self.settle_group(now, index);
        let entry = self.connections.get_mut(index as usize)?;
        let before = entry.connection.reader();
        let network = entry.connection.network();
        let mut ctx = context!(self, now);
        let result = work(&mut entry.connection, &mut ctx);
        let denied = ctx.tools.denied;
        if let Some(reader) = before
            && entry.connection.reader() != before
        {
            self.hub.detach(now, reader);
        }
        self.touch(index);
        if let Some(denial) = denied {
            self.note_denial(now, network, denial);
        }
        Some(result)
    }

    /// Puts a connection that changed on the lists that it now belongs to.
    fn touch(&mut self, index: u32) {
        if let Some(entry) = self.connections.get_mut(index as usize) {
            self.budget.count_input(&mut entry.held, &entry.connection);
        }
        self.list(index);
    }

    /// Does what [`touch`](Self::touch) does after a change of output alone.
    fn list(&mut self, index: u32) {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let connection = &entry.connection;
        let id = ConnectionId {
            index,
            serial: entry.serial,
        };
        let has_socket = entry.stream.is_none() && entry.relay.is_none();
        let has_work = !connection.send_queue.is_empty()
            || connection.is_closing()
            || entry
                .stream
                .as_ref()
                .is_some_and(|stream| stream.must_begin(connection));
        if has_work && !entry.dirty && !entry.blocked && !entry.finished {
            entry.dirty = true;
            if has_socket {
                self.dirty.push_back(index);
            } else {
                self.dirty_inner.push_back(index);
            }
        }
        let due = connection.due();
        if due < entry.scheduled && !entry.opening {
            entry.scheduled = due;
            self.deadlines.schedule(due, id);
        }
        if entry.paused && entry.wants_input() {
            entry.paused = false;
            if has_socket {
                self.effects.push_back(Effect::Resume(id));
            } else {
                self.resumed.push(index);
            }
        }
        let deaf = entry.subscriptions.is_some() && connection.hears().is_none();
        self.budget.count_output(&mut entry.held, connection);
        if deaf {
            self.unsubscribe(index);
        }
    }

    /// Drops a connection at once.
    fn remove(&mut self, now: Now, index: u32) {
        let Some(id) = self.id_of(index) else {
            return;
        };
        let entry = self.connections.remove(index as usize);
        self.overview.leave(entry.identity, index);
        self.forget_questions(now, id);
        if let Some(reader) = entry.connection.reader() {
            self.hub.detach(now, reader);
        }
        self.drop_subscriptions(entry.subscriptions);
        self.forget_group(index);
        self.budget.forget(entry.held);
        if let Some(stream) = entry.stream {
            self.drop_stream(id, &stream);
            return;
        }
        if let Some(relay) = entry.relay {
            self.drop_relay(id, &relay);
            return;
        }
        self.remove_streams(now, &entry.connection);
        self.metrics().connections.sub(1);
        self.effects.push_back(Effect::Close(id));
    }

    /// The next thing to do to a socket.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Mail for another shard, oldest first; what is not taken waits and is bounded.
    pub fn outbox(&mut self, to: ShardId) -> &mut VecDeque<Mail> {
        &mut self.outboxes[to.index()]
    }
}

use context;

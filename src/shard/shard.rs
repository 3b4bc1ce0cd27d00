//! One shard's parts, and how a connection is worked on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::budget::Budget;
use super::connections::{Connections, Entry};
use super::denials::Throttle;
use super::fanout::Fanout;
use super::mail::Ticket;
use super::node_report::ReportSchedule;
use super::overview::Overview;
use super::post::Post;
use super::reading::Reading;
use super::settings::{drain_spread_ms, hub_config};
use super::slow_consumer::SlowConsumerPolicy;
use super::{ConnectionId, Effect, Mail, ShardSettings, Slices, context};
use crate::auth::{Directory, Logins};
use crate::buf::Arena;
use crate::connection::{Connection, Context};
use crate::dialect::{AllMetrics, Dialects, Parts};
use crate::hub::{self, Event, Hub, Idempotency, Ids, SessionIndex, ShardId};
use crate::limits::CONNECTIONS_MAX;
use crate::metrics::Metrics;
use crate::protocol::http1::DateCache;
use crate::time::Now;

/// One core's share of the hub.
#[derive(Debug)]
pub struct Shard {
    pub(super) id: ShardId,
    pub(super) hub: Hub,
    pub(super) ids: Ids,
    pub(super) idempotency: Idempotency<Ticket>,
    pub(super) logins: Logins,
    pub(super) dialects: Dialects,
    pub(super) connections: Connections,
    pub(super) fanout: Fanout,
    pub(super) reading: Reading,
    pub(super) post: Post,
    pub(super) overview: Overview,
    /// What waits for peers and from them.
    pub(super) budget: Budget,
    pub(super) slices: Slices,
    pub(super) slow_consumers: SlowConsumerPolicy,
    pub(super) date: DateCache,
    pub(super) arena: Arena,
    pub(super) metrics: AllMetrics,
    /// Nothing is accepted any more.
    pub(super) sealed: bool,
    /// Other shards of which the same is known.
    pub(super) sealed_others: usize,
    /// Everyone has been told to leave.
    pub(super) draining: bool,
    /// Over how long clients are told to come back when this server leaves.
    pub(super) drain_spread_ms: u64,
    pub(super) directory: Arc<Directory>,
    pub(super) throttle: Throttle,
    pub(super) report: Option<ReportSchedule>,
    pub(super) scratch: Scratch,
}

/// Lists that a tick fills and empties, kept for their capacity.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) shown: Shown,
    /// Connections whose session is gone.
    pub(super) ended: Vec<u32>,
    /// Events to be matched.
    pub(super) heard: Vec<Arc<Event>>,
    pub(super) news: Vec<hub::News>,
    pub(super) stream_input: Vec<u8>,
}

/// What is shown at the end of a tick, and to which connections.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) woken: Vec<SessionIndex>,
    pub(super) readers: Vec<u32>,
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
        let budget = Budget::new(config.server.held_bytes_max);
        let dialects = Dialects::new(&Parts::new(&config, &directory, &hostname, &metrics));
        Self {
            id: shard,
            hub: Hub::new(hub_config(&config, slices), placement.clone(), shard, seed),
            ids,
            idempotency,
            logins: Logins::default(),
            connections: Connections::new(config.server.connections_max.min(CONNECTIONS_MAX)),
            fanout: Fanout::new(shard, budget.meter.clone()),
            reading: Reading::default(),
            post: Post::new(shard, placement, Arc::clone(&metrics)),
            overview: Overview::default(),
            budget,
            slices,
            slow_consumers: SlowConsumerPolicy {
                queue_bytes_max: config.hub.send_queue_bytes_max,
                then: config.hub.slow_consumer,
            },
            date: DateCache::new(0),
            arena: Arena::new(),
            metrics,
            sealed: false,
            sealed_others: 0,
            draining: false,
            drain_spread_ms: drain_spread_ms(&config),
            directory,
            throttle: Throttle::default(),
            report: ReportSchedule::of(shard, &dialects),
            dialects,
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

    pub(super) fn entry(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        self.connections.by_id(id)
    }

    /// Runs `work` on a connection: the one way to change what a connection does or says.
    ///
    /// # Invariants
    ///
    /// * Events that wait for the connection go before whatever it is going to send: its fan-out
    ///   group is settled first.
    /// * A reader that the connection gives up is detached from its log before anything else
    ///   happens to that.
    /// * Afterwards the connection stands on the lists that it belongs to: [`touch`](Self::touch).
    pub(super) fn work_on<R>(
        &mut self,
        now: Now,
        index: u32,
        work: impl FnOnce(&mut Connection, &mut Context<'_>) -> R,
    ) -> Option<R> {
        self.settle_group(now, index);
        let entry = self.connections.get_mut(index)?;
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
    pub(super) fn touch(&mut self, index: u32) {
        if self.connections.changed(index, &mut self.budget) {
            self.unsubscribe(index);
        }
    }

    /// Does what [`touch`](Self::touch) does after a change of output alone.
    pub(super) fn list(&mut self, index: u32) {
        if self.connections.output_changed(index, &mut self.budget) {
            self.unsubscribe(index);
        }
    }

    /// Drops a connection at once.
    pub(super) fn remove(&mut self, now: Now, index: u32) {
        let Some(id) = self.connections.id_of(index) else {
            return;
        };
        let Some(entry) = self.connections.remove(index, &mut self.budget) else {
            return;
        };
        self.overview.leave(entry.identity, index);
        self.forget_questions(now, id);
        if let Some(reader) = entry.connection.reader() {
            self.hub.detach(now, reader);
        }
        self.drop_subscriptions(entry.subscriptions);
        self.fanout.forget(index);
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
        self.connections.push_effect(Effect::Close(id));
    }

    /// Mail for another shard, oldest first; what is not taken waits and is bounded.
    pub fn outbox(&mut self, to: ShardId) -> &mut VecDeque<Mail> {
        self.post.outbox(to)
    }
}

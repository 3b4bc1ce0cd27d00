//! Memory as a budget: what waits for peers and from peers, and what happens when it is spent.
//!
//! Three sums. What one connection holds alone (input that is not served yet, output that nobody
//! shares) and what it subscribed to is kept up to date as it changes; what many share (renderings
//! of events) is counted by a [`Meter`], each buffer once. A peer's output may so count as nothing
//! here and still be the reason why a shared buffer lives: who is cut off is chosen by all that
//! waits for it.

use super::Shard;
use crate::buf::Meter;
use crate::connection::Connection;
use crate::time::Now;

/// What one shard holds, and may.
#[derive(Debug)]
pub(super) struct Budget {
    /// Counts what is rendered for many.
    pub(super) meter: Meter,
    /// Bytes held for one connection alone and from it, of all connections.
    held: Totals,
    /// About what all subscriptions take.
    pub(super) subscription_bytes: usize,
    bytes_max: usize,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            meter: Meter::default(),
            held: Totals::default(),
            subscription_bytes: 0,
            bytes_max,
        }
    }

    /// A connection's input may have changed.
    pub(super) fn count_input(&mut self, held: &mut Held, connection: &Connection) {
        let input = connection.input_bytes() as u32;
        if input != held.input {
            self.held.input = self.held.input + input as usize - held.input as usize;
            held.input = input;
        }
    }

    /// A connection's output may have changed.
    pub(super) fn count_output(&mut self, held: &mut Held, connection: &Connection) {
        let output = connection.send_queue.own_len() as u32;
        if output != held.output {
            self.held.output = self.held.output + output as usize - held.output as usize;
            held.output = output;
        }
    }

    /// A connection is gone.
    pub(super) fn forget(&mut self, held: Held) {
        self.held.input -= held.input as usize;
        self.held.output -= held.output as usize;
    }

    /// Bytes held for single connections.
    #[cfg(test)]
    pub(super) const fn counted(&self) -> usize {
        self.held.input + self.held.output
    }

    /// Bytes that wait for peers or from peers, each once, and what peers subscribed to.
    fn bytes(&self) -> usize {
        self.held.input + self.held.output + self.meter.bytes() + self.subscription_bytes
    }

    /// Whether no more should be held than is already.
    fn is_spent(&self) -> bool {
        self.bytes() > self.bytes_max
    }
}

/// Bytes held for one connection alone and from it: far less than 4 GiB.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    input: u32,
    output: u32,
}

impl Held {
    pub(super) const fn input(self) -> usize {
        self.input as usize
    }
}

/// The same of all connections.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    input: usize,
    output: usize,
}

impl Shard {
    /// If the budget is spent: cuts off those for whom most is held, until an eighth of it is free.
    ///
    /// A client with streams is one client: what waits for its streams is its own. So one who opens
    /// many of them and reads none goes before all who read.
    pub(super) fn relieve(&mut self, now: Now) {
        if !self.budget.is_spent() {
            return;
        }
        // What nobody waits for.
        self.reading.forget_renderings();
        let enough = self.budget.bytes_max - self.budget.bytes_max / 8;
        for (bytes, index) in self.holders() {
            if bytes == 0 || self.budget.bytes() <= enough {
                break;
            }
            let entry = self.connections.get(index);
            if entry.is_some_and(|entry| entry.relay.is_some()) {
                self.give_up_relay(now, index);
            } else {
                self.metrics().holders_cut.add(1);
                self.give_up(now, index);
            }
        }
    }

    /// How much is held for whom, the most first; among equals those who came last.
    fn holders(&self) -> Vec<(usize, u32)> {
        let mut holders = vec![0; self.connections.capacity()];
        for (index, entry) in self.connections.iter() {
            let holder = entry.stream.as_ref().map_or(index, |stream| stream.parent) as usize;
            holders[holder] += entry.connection.send_queue.len() + entry.input_bytes();
            let subscriptions = entry.subscriptions.as_ref();
            holders[holder] += subscriptions.map_or(0, |all| all.bytes());
        }
        let clients = self
            .connections
            .iter()
            .filter(|(_, entry)| entry.stream.is_none());
        let held = clients.map(|(index, _)| (holders[index as usize], index));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        held
    }

    /// Says how much is held: what is kept only for whoever comes next waits for nobody.
    pub(super) fn update_gauge(&self) {
        let kept = self.reading.kept_bytes();
        let shared = self.budget.meter.bytes().saturating_sub(kept);
        let metrics = self.metrics();
        let buffered = self.budget.held.input + self.budget.held.output + shared;
        metrics.buffered_bytes.set(buffered as u64);
        metrics
            .buffered_input_bytes
            .set(self.budget.held.input as u64);
        metrics
            .subscription_bytes
            .set(self.budget.subscription_bytes as u64);
    }
}

//! Events to live subscribers: matched at once, written at the end of the tick.
//!
//! Matching only moves subscribers from group to group (see [`groups`](super::groups)). Their
//! frames enter the send queue when the tick ends, or earlier if something else is to be sent to
//! the same connection: so order is kept, and a tick's events are one write.

use bytes::Bytes;

use super::Shard;
use super::groups::{GroupId, Groups, PieceId};
use super::interest::Interest;
use crate::buf::Meter;
use crate::dialect::{Dialects, Encoding, Rendering};
use crate::hub::{Correlation, Event, Hub, MatchScratch, ShardId, SubscriberId};
use crate::time::Now;

/// The view that fan-out has of a connection, apart from it: the hot loop stays in a small table.
#[derive(Clone, Copy, Debug)]
struct Listener {
    group: GroupId,
    encoding: Encoding,
    /// The serial of the connection that is kept at its place.
    serial: u32,
}

impl Listener {
    /// Nobody, who would hear in that encoding.
    const fn nobody(encoding: Encoding) -> Self {
        Self {
            group: GroupId::NONE,
            encoding,
            serial: 0,
        }
    }

    /// One piece more, the first of this tick or not.
    #[inline]
    fn hear(
        &mut self,
        subscriber: SubscriberId,
        piece: PieceId,
        groups: &mut Groups,
        grouped: &mut Vec<u32>,
    ) {
        if self.group == GroupId::NONE {
            self.group = GroupId::empty(self.encoding);
            grouped.push(subscriber.0);
        }
        self.group = groups.extend(self.group, piece);
    }
}

/// This tick's events on their way to subscribers.
///
/// # Invariants
///
/// * A listener that is in a group stands in `grouped`. One that stands there and is in none was
///   settled before.
/// * When the groups are cleared, no listener is in one.
/// * A connection that is gone is in no group, and its place hears nothing for the next that is
///   kept there.
#[derive(Debug)]
pub(super) struct Fanout {
    shard: ShardId,
    /// By index of the connection.
    listeners: Vec<Listener>,
    groups: Groups,
    grouped: Vec<u32>,
    /// Scratch: who an event is for.
    matches: MatchScratch,
    /// Which organizations this shard listens to.
    pub(super) interest: Interest,
    /// The number of the subscription that came last.
    last_subscription: u32,
}

impl Fanout {
    /// Nobody listens yet; what is sent is counted by `meter`.
    pub(super) fn new(shard: ShardId, meter: Meter) -> Self {
        Self {
            shard,
            listeners: Vec::new(),
            groups: Groups::new(meter),
            grouped: Vec::new(),
            matches: MatchScratch::default(),
            interest: Interest::default(),
            last_subscription: 0,
        }
    }

    /// A connection hears events in an encoding from now on.
    pub(super) fn listen(&mut self, index: u32, serial: u32, encoding: Encoding) {
        let place = index as usize;
        if self.listeners.len() <= place {
            self.listeners.resize(place + 1, Listener::nobody(encoding));
        }
        let listener = &mut self.listeners[place];
        listener.encoding = encoding;
        listener.serial = serial;
    }

    /// Nothing waits for a connection that is gone.
    pub(super) fn forget(&mut self, index: u32) {
        if let Some(listener) = self.listeners.get_mut(index as usize) {
            *listener = Listener::nobody(listener.encoding);
        }
    }

    /// A number for a subscription that comes now: not 0.
    pub(super) fn number_subscription(&mut self) -> u32 {
        self.last_subscription = self.last_subscription.wrapping_add(1).max(1);
        self.last_subscription
    }

    /// How many connections this tick's events are for, so far.
    pub(super) fn addressed(&self) -> usize {
        self.grouped.len()
    }

    /// Matches an event, and remembers who is to get it.
    fn hear(&mut self, event: &Event, hub: &mut Hub, dialects: &Dialects) {
        hub.match_event(event, &mut self.matches);
        let mut rendering = Rendering::default();
        let publisher = event.correlation.as_deref();
        let publisher = publisher.filter(|publisher| publisher.shard == self.shard);
        let repeats = self.matches.repeats && publisher.is_none();
        let joins_the_last = repeats
            && self.groups.repeat(|encoding, out| {
                dialects.encode_event(encoding, event, &mut rendering, out);
            });
        if !joins_the_last {
            self.address(event, publisher, &mut rendering, dialects);
        }
    }

    /// Gives an event to those whom it matches. `publisher` may be among them, and gets a copy of
    /// its own.
    fn address(
        &mut self,
        event: &Event,
        publisher: Option<&Correlation>,
        rendering: &mut Rendering,
        dialects: &Dialects,
    ) {
        self.groups.begin_run();
        let mut own_copy = None;
        for &subscriber in &self.matches.subscribers {
            let Some(listener) = self.listeners.get_mut(subscriber.0 as usize) else {
                continue;
            };
            let encoding = listener.encoding;
            if let Some(publisher) = publisher
                && (publisher.subscriber, publisher.serial) == (subscriber, listener.serial)
            {
                own_copy = Some((subscriber, encoding, &publisher.id));
                continue;
            }
            let piece = self.groups.piece(encoding, |out| {
                dialects.encode_event(encoding, event, rendering, out);
            });
            listener.hear(subscriber, piece, &mut self.groups, &mut self.grouped);
        }
        if let Some((subscriber, encoding, correlation_id)) = own_copy {
            // Last, so that nobody else's way through the groups is disturbed.
            self.groups.end_run();
            let piece = self.groups.add(|out| {
                dialects.encode_own_event(encoding, event, correlation_id, out);
            });
            let listener = &mut self.listeners[subscriber.0 as usize];
            listener.hear(subscriber, piece, &mut self.groups, &mut self.grouped);
        }
    }

    /// Takes a listener out of its group, if it is in one.
    #[inline]
    fn leave_group(&mut self, index: u32) -> Option<GroupId> {
        let listener = self.listeners.get_mut(index as usize)?;
        let group = std::mem::replace(&mut listener.group, GroupId::NONE);
        (group != GroupId::NONE).then_some(group)
    }

    /// The frames of a group and how many they are.
    fn frames(&mut self, group: GroupId) -> (Bytes, u32) {
        self.groups.join(group)
    }
}

impl Shard {
    /// Matches the events that the hub has heard, and remembers who is to get them.
    pub(super) fn fan_out(&mut self, now: Now) {
        let mut heard = std::mem::take(&mut self.scratch.heard);
        self.hub.take_heard(&mut heard);
        for event in heard.drain(..) {
            self.fanout.hear(&event, &mut self.hub, &self.dialects);
            if self.fanout.groups.is_full() {
                self.settle_groups(now);
            }
        }
        self.scratch.heard = heard;
    }

    /// How many connections this tick's events are for, so far.
    pub fn addressed(&self) -> usize {
        self.fanout.addressed()
    }

    /// Puts this tick's events into the send queues.
    pub(super) fn settle_groups(&mut self, now: Now) {
        let mut grouped = std::mem::take(&mut self.fanout.grouped);
        for index in grouped.drain(..) {
            self.settle_group(now, index);
        }
        self.fanout.grouped = grouped;
        self.fanout.groups.clear();
    }

    /// Puts one connection's events of this tick into its send queue, before anything else enters
    /// it.
    pub(super) fn settle_group(&mut self, now: Now, index: u32) {
        let Some(group) = self.fanout.leave_group(index) else {
            return;
        };
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        if entry.connection.hears().is_none() {
            return;
        }
        let (frames, events) = self.fanout.frames(group);
        entry.connection.send_events(frames, events);
        let blocked = entry.is_blocked();
        if entry.connection.send_queue.len() > self.slow_consumers.hurry_above() {
            let stream = entry.stream.as_ref();
            let index = stream.map_or(index, |stream| stream.parent);
            self.connections.hurry(index);
        }
        self.metrics().events_delivered.add(u64::from(events));
        if blocked {
            self.judge_slow(now, index);
        }
        self.list(index);
    }
}

#[cfg(test)]
mod tests;

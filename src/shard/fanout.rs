//! Events to live subscribers: matched at once, written at the end of the tick.
//!
//! Matching only moves subscribers from group to group (see [`groups`](super::groups)). Their frames enter
//! the send queue when the tick ends, or earlier if something else is to be sent to the same
//! connection: so order is kept, and a tick's events are one write.

use super::groups::{GroupId, Groups, PieceId};
use super::{Shard, context};
use crate::config::SlowConsumer;
use crate::dialect::{Encoding, Rendering};
use crate::hub::{Correlation, Event, SubscriberId};
use crate::time::Now;

/// What fan-out must know of a connection, apart from it: the hot loop stays in a small table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    group: GroupId,
    pub(super) encoding: Encoding,
    /// Which of the connections that were kept at its place.
    pub(super) serial: u32,
}

impl Listener {
    /// Nobody, who would hear in that encoding.
    pub(super) const fn nobody(encoding: Encoding) -> Self {
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

impl Shard {
    /// Matches the events that the hub has heard, and remembers who is to get them.
    pub(super) fn fan_out(&mut self, now: Now) {
        let mut heard = std::mem::take(&mut self.heard);
        self.hub.take_heard(&mut heard);
        for event in heard.drain(..) {
            self.hub.match_event(&event, &mut self.matches);
            let mut rendering = Rendering::default();
            let publisher = event.correlation.as_deref();
            let publisher = publisher.filter(|publisher| publisher.shard == self.id);
            let repeats = self.matches.repeats && publisher.is_none();
            let joins_the_last = repeats
                && self.groups.repeat(|encoding, out| {
                    self.dialects
                        .encode_event(encoding, &event, &mut rendering, out);
                });
            if !joins_the_last {
                self.address(&event, publisher, &mut rendering);
            }
            if self.groups.is_full() {
                self.settle_groups(now);
            }
        }
        self.heard = heard;
    }

    /// Gives an event to those whom it matches. `publisher` may be among them, and gets a copy of its own.
    fn address(
        &mut self,
        event: &Event,
        publisher: Option<&Correlation>,
        rendering: &mut Rendering,
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
                self.dialects.encode_event(encoding, event, rendering, out);
            });
            listener.hear(subscriber, piece, &mut self.groups, &mut self.grouped);
        }
        if let Some((subscriber, encoding, correlation_id)) = own_copy {
            // Last, so that nobody else's way through the groups is disturbed.
            self.groups.end_run();
            let piece = self.groups.add(|out| {
                self.dialects
                    .encode_own_event(encoding, event, correlation_id, out);
            });
            let listener = &mut self.listeners[subscriber.0 as usize];
            listener.hear(subscriber, piece, &mut self.groups, &mut self.grouped);
        }
    }

    /// How many connections this tick's events are for, so far.
    pub fn addressed(&self) -> usize {
        self.grouped.len()
    }

    /// Puts this tick's events into the send queues.
    pub(super) fn settle_groups(&mut self, now: Now) {
        let mut grouped = std::mem::take(&mut self.grouped);
        for index in grouped.drain(..) {
            self.settle_group(now, index);
        }
        self.grouped = grouped;
        self.groups.clear();
    }

    /// Puts one connection's events of this tick into its send queue, before anything else enters it.
    pub(super) fn settle_group(&mut self, now: Now, index: u32) {
        let Some(listener) = self.listeners.get_mut(index as usize) else {
            return;
        };
        let group = std::mem::replace(&mut listener.group, GroupId::NONE);
        if group == GroupId::NONE {
            return;
        }
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        if entry.connection.hears().is_none() {
            return;
        }
        let (frames, events) = self.groups.join(group);
        entry.connection.send_events(frames, events);
        let blocked = entry.blocked;
        if entry.connection.send_queue.len() > self.send_queue_bytes_max / 2 {
            let stream = entry.stream.as_ref();
            self.urgent
                .push(stream.map_or(index, |stream| stream.parent));
        }
        self.metrics().events_delivered.add(u64::from(events));
        if blocked {
            self.judge_slow(now, index);
        }
        self.list(index);
    }

    /// Applies the slow-consumer policy to a live subscriber for whom too much waits. To be called when the
    /// kernel has said that it takes no more.
    pub(super) fn judge_slow(&mut self, now: Now, index: u32) {
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let connection = &mut entry.connection;
        if connection.hears().is_none() || connection.send_queue.len() <= self.send_queue_bytes_max
        {
            return;
        }
        let before = connection.send_queue.len();
        let ctx = &mut context!(self, now);
        let dropped = match self.slow_consumer {
            SlowConsumer::Disconnect => {
                ctx.metrics.slow_consumers.add(1);
                connection.disconnect_slow(ctx)
            }
            SlowConsumer::DropOldest => connection.drop_oldest(self.send_queue_bytes_max, ctx),
        };
        if connection.held_bytes() > 0 && connection.send_queue.len() < before {
            // It may have waited for the queue to become shorter.
            self.resumed.push(index);
        }
        self.metrics().events_dropped.add(dropped);
        self.list(index);
    }

    /// Drops a connection that does not take its bytes.
    pub(super) fn give_up(&mut self, now: Now, index: u32) {
        if let Some(entry) = self.connections.get_mut(index as usize) {
            let dropped = entry.connection.send_queue.drop_events();
            let metrics = &self.metrics[self.id.index()];
            metrics.slow_consumers.add(1);
            metrics.events_dropped.add(dropped);
        }
        self.remove(now, index);
    }

    /// Nothing waits for a connection that is gone.
    pub(super) fn forget_group(&mut self, index: u32) {
        if let Some(listener) = self.listeners.get_mut(index as usize) {
            *listener = Listener::nobody(listener.encoding);
        }
    }
}

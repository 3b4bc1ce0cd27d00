//! The connections of a shard, and which list each of them stands on.
//!
//! What a connection waits for is a flag in its entry and a place in a list here, and both change
//! together, in the methods of this file alone:
//!
//! ```text
//!   changed ──► dirty ─────┐ next_dirty          it has something to send
//!           ──► inner ─────┤ next_inner          the same, without a socket
//!           ──► deadlines ─┤ next_due            its time will be up
//!   leave_rest: dirty ──► backlog ── next_of_backlog
//!   hurry ────► urgent ────┤ next_urgent         so much waits that no flush passes it by
//!   postpone ─► unserved ──┤ next_unserved       its turn was over before its input
//!   resume ───► resumed ───┘ next_resumed        it may go on with the input that it holds
//! ```
//!
//! # Invariants
//!
//! * A connection with the flag `dirty` stands once in one of `dirty`, `inner` and `backlog`, and
//!   others in none of them; so it is with `urgent`, `unserved` and `resumed` and the lists of
//!   these names.
//! * An id whose connection is gone may still stand in a list, and is passed over: an index is used
//!   again, an id is not.
//! * After [`changed`](Connections::changed) a connection that has something to send is dirty,
//!   blocked or finished, and none that wants input is paused.
//! * `scheduled` is the earliest time of a connection in `deadlines` or `due`, or never.

mod entry;
mod queue;

use std::collections::VecDeque;

use slab::Slab;

use super::budget::{Budget, Held};
use super::deadlines::Deadlines;
use super::{ConnectionId, Effect};
use crate::connection::Connection;
use crate::hub::{Identity, ShardId};
use crate::limits::{DEADLINES_SERVED_MAX, TICK_INTERVAL};
use crate::time::{Instant, Now};

pub(super) use entry::Entry;
use entry::Flags;
use queue::Queue;

/// All connections of one shard.
#[derive(Debug)]
pub(super) struct Connections {
    all: Slab<Entry>,
    count_max: usize,
    next_serial: u32,
    /// The identity of the connection that came last.
    last_identity: Identity,
    dirty: Queue,
    inner: Queue,
    /// Those that earlier flushes did not come to, in that order.
    backlog: Queue,
    urgent: VecDeque<ConnectionId>,
    /// In the order of their turns.
    unserved: VecDeque<ConnectionId>,
    resumed: VecDeque<ConnectionId>,
    deadlines: Deadlines,
    /// Entries of `deadlines` that are being served.
    due: VecDeque<(Instant, ConnectionId)>,
    /// Things to be done to sockets, and others that take long.
    effects: VecDeque<Effect>,
}

impl Connections {
    /// No connections yet, and at most `count_max` from the kernel and of streams.
    pub(super) fn new(count_max: usize) -> Self {
        Self {
            all: Slab::new(),
            count_max,
            next_serial: 0,
            last_identity: Identity::FIRST,
            dirty: Queue::default(),
            inner: Queue::default(),
            backlog: Queue::default(),
            urgent: VecDeque::new(),
            unserved: VecDeque::new(),
            resumed: VecDeque::new(),
            deadlines: Deadlines::default(),
            due: VecDeque::new(),
            effects: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether no more connections are taken.
    pub(super) fn is_full(&self) -> bool {
        self.all.len() >= self.count_max
    }

    /// One more than the largest index may be.
    pub(super) fn capacity(&self) -> usize {
        self.all.capacity()
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Entry> {
        self.all.get(index as usize)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.all.get_mut(index as usize)
    }

    #[inline]
    pub(super) fn by_id(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let entry = self.all.get_mut(id.index as usize)?;
        (entry.serial == id.serial).then_some(entry)
    }

    /// Whether a connection is still here.
    pub(super) fn has(&self, id: ConnectionId) -> bool {
        self.get(id.index)
            .is_some_and(|entry| entry.serial == id.serial)
    }

    pub(super) fn id_of(&self, index: u32) -> Option<ConnectionId> {
        self.get(index).map(|entry| entry.id(index))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let all = self.all.iter();
        all.map(|(index, entry)| (index as u32, entry))
    }

    // Coming and going.

    /// An identity for a connection that comes now.
    pub(super) fn new_identity(&mut self, shard: ShardId, unix_ms: u64) -> Identity {
        self.last_identity = Identity::following(self.last_identity, shard.0, unix_ms);
        self.last_identity
    }

    /// Takes a connection, which is to be [`changed`](Self::changed) next.
    pub(super) fn insert(
        &mut self,
        mut connection: Connection,
        identity: Identity,
    ) -> ConnectionId {
        let serial = self.next_serial;
        self.next_serial = serial.wrapping_add(1);
        // By the golden ratio: whatever the count of those that come together, they are apart from
        // one another.
        connection.set_spread((serial.wrapping_mul(0x9E37_79B9) >> 24) as u8);
        let index = self.all.insert(Entry {
            connection,
            serial,
            identity,
            stream: None,
            relay: None,
            subscriptions: None,
            held: Held::default(),
            scheduled: Instant::NEVER,
            flags: Flags::default(),
        }) as u32;
        ConnectionId { index, serial }
    }

    /// Takes a connection out. Its index may be used again at once.
    pub(super) fn remove(&mut self, index: u32, budget: &mut Budget) -> Option<Entry> {
        let entry = self.all.try_remove(index as usize)?;
        budget.forget(entry.held);
        Some(entry)
    }

    /// Sends a connection to another shard: until it is released, its input is only held.
    pub(super) fn move_to(&mut self, index: u32, home: ShardId) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.moving = true;
            let id = entry.id(index);
            self.effects.push_back(Effect::Move(id, home));
        }
    }

    /// A stream begins or has begun. In between no deadline is noted: at a hundred thousand calls a
    /// second those of calls that are over would pile up.
    pub(super) fn set_opening(&mut self, index: u32, opening: bool) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.opening = opening;
        }
    }

    /// Our half is closed. A socket's is, once the driver has seen to it.
    pub(super) fn finish(&mut self, index: u32) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.finished = true;
            let (id, has_socket) = (entry.id(index), entry.has_socket());
            if has_socket {
                self.effects.push_back(Effect::Finish(id));
            }
        }
    }

    /// Something for the driver to do.
    pub(super) fn push_effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    // What changed.

    /// Puts a connection that changed on the lists that it now belongs to. Returns whether it has
    /// subscriptions to which it does not listen any more.
    pub(super) fn changed(&mut self, index: u32, budget: &mut Budget) -> bool {
        if let Some(entry) = self.get_mut(index) {
            budget.count_input(&mut entry.held, &entry.connection);
        }
        self.output_changed(index, budget)
    }

    /// Does what [`changed`](Self::changed) does after a change of output alone.
    #[inline]
    pub(super) fn output_changed(&mut self, index: u32, budget: &mut Budget) -> bool {
        let Some(entry) = self.all.get_mut(index as usize) else {
            return false;
        };
        let id = entry.id(index);
        let has_socket = entry.has_socket();
        if entry.has_work() && !entry.flags.dirty && !entry.flags.blocked && !entry.flags.finished {
            entry.flags.dirty = true;
            if has_socket {
                self.dirty.push(id);
            } else {
                self.inner.push(id);
            }
        }
        let due = entry.connection.due();
        if due < entry.scheduled && !entry.flags.opening {
            entry.scheduled = due;
            self.deadlines.schedule(due, id);
        }
        let deaf = entry.subscriptions.is_some() && entry.connection.hears().is_none();
        budget.count_output(&mut entry.held, &entry.connection);
        if entry.flags.paused && entry.wants_input() {
            entry.flags.paused = false;
            if has_socket {
                self.effects.push_back(Effect::Resume(id));
            } else {
                self.resume(index);
            }
        }
        deaf
    }

    // Writing.

    /// A connection's streams have something for it to send.
    pub(super) fn wake(&mut self, index: u32) {
        if let Some(entry) = self.all.get_mut(index as usize)
            && !entry.flags.dirty
            && !entry.flags.blocked
            && !entry.flags.finished
        {
            entry.flags.dirty = true;
            self.dirty.push(entry.id(index));
        }
    }

    /// Notes that no flush may pass a connection by.
    pub(super) fn hurry(&mut self, index: u32) {
        if let Some(entry) = self.all.get_mut(index as usize)
            && !std::mem::replace(&mut entry.flags.urgent, true)
        {
            self.urgent.push_back(entry.id(index));
        }
    }

    /// The next connection to be written to, which is to [take its turn](Self::take_turn) or is
    /// gone.
    #[inline]
    pub(super) fn next_dirty(&mut self) -> Option<ConnectionId> {
        self.dirty.pop()
    }

    /// The same, of those that earlier flushes did not come to.
    #[inline]
    pub(super) fn next_of_backlog(&mut self) -> Option<ConnectionId> {
        self.backlog.pop()
    }

    /// A connection that has been taken from a list is dirty no more.
    #[inline]
    pub(super) fn take_turn(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let entry = self.by_id(id)?;
        entry.flags.dirty = false;
        Some(entry)
    }

    /// The next connection without a socket that has something to send.
    pub(super) fn next_inner(&mut self) -> Option<ConnectionId> {
        while let Some(id) = self.inner.pop() {
            if self.take_turn(id).is_some() {
                return Some(id);
            }
        }
        None
    }

    /// The next connection that no flush may pass by. It keeps its place among the others, and has
    /// nothing to say when its turn comes.
    pub(super) fn next_urgent(&mut self) -> Option<u32> {
        next(&mut self.all, &mut self.urgent, |flags| &mut flags.urgent)
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// The flush is over: the rest of those who are dirty stand behind the backlog.
    pub(super) fn leave_rest(&mut self) {
        if !self.dirty.is_empty() {
            self.backlog.append(&mut self.dirty);
        }
    }

    /// Whether the kernel, or whatever takes its place, takes more of a connection's bytes.
    pub(super) fn set_blocked(&mut self, index: u32, blocked: bool) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.blocked = blocked;
        }
    }

    /// Whether the kernel, or whatever takes its place, takes no more of a connection's bytes.
    pub(super) fn is_blocked(&self, index: u32) -> bool {
        self.get(index).is_some_and(Entry::is_blocked)
    }

    /// The kernel took less of a connection's bytes than it was offered: its peer has some time to
    /// take them.
    pub(super) fn block(&mut self, now: Now, index: u32) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.blocked = true;
            entry.connection.blocked(now);
        }
    }

    // Reading.

    /// Whether a connection's socket should be read. If not, a change that makes it so is told by
    /// [`Effect::Resume`].
    pub(super) fn wants_input(&mut self, id: ConnectionId) -> bool {
        let Some(entry) = self.by_id(id) else {
            return false;
        };
        let wants = entry.wants_input();
        entry.flags.paused = !wants;
        wants
    }

    /// A stream is not read until a change makes that its connection wants it.
    pub(super) fn pause(&mut self, index: u32) {
        if let Some(entry) = self.get_mut(index) {
            entry.flags.paused = true;
        }
    }

    /// Has a connection wait for its next turn with the input that it holds.
    pub(super) fn postpone(&mut self, index: u32) {
        if let Some(entry) = self.all.get_mut(index as usize)
            && !std::mem::replace(&mut entry.flags.unserved, true)
        {
            self.unserved.push_back(entry.id(index));
        }
    }

    /// The connection whose input has waited longest since its turn was over.
    pub(super) fn next_unserved(&mut self) -> Option<u32> {
        next(&mut self.all, &mut self.unserved, |flags| {
            &mut flags.unserved
        })
    }

    pub(super) fn has_unserved(&self) -> bool {
        !self.unserved.is_empty()
    }

    /// Notes that a connection may go on with the input that it holds.
    pub(super) fn resume(&mut self, index: u32) {
        if let Some(entry) = self.all.get_mut(index as usize)
            && !std::mem::replace(&mut entry.flags.resumed, true)
        {
            self.resumed.push_back(entry.id(index));
        }
    }

    pub(super) fn next_resumed(&mut self) -> Option<u32> {
        next(&mut self.all, &mut self.resumed, |flags| &mut flags.resumed)
    }

    /// Entries of the list of those that may go on.
    pub(super) fn resumed(&self) -> usize {
        self.resumed.len()
    }

    // Time.

    /// When some connection's time is up; perhaps only that of one that has put it off or is gone.
    pub(super) fn next_deadline(&self) -> Instant {
        self.deadlines.first()
    }

    /// Begins to serve the next deadline that is due, if not too many are being served. Returns its
    /// connection.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<ConnectionId> {
        while self.due.len() < DEADLINES_SERVED_MAX {
            let (at, id) = self.deadlines.pop_due(now)?;
            if self.by_id(id).is_some_and(|entry| entry.scheduled == at) {
                self.due.push_back((at, id));
                return Some(id);
            }
        }
        None
    }

    /// Whether deadlines are being served.
    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The next connection of those being served whose time is up even now.
    pub(super) fn next_expired(&mut self, now: Instant) -> Option<u32> {
        while let Some((at, id)) = self.due.pop_front() {
            let Some(entry) = self.by_id(id).filter(|entry| entry.scheduled == at) else {
                continue;
            };
            if !entry.flags.unserved {
                entry.scheduled = Instant::NEVER;
                return Some(id.index);
            }
            // It is waited for us, not for the peer.
            entry.scheduled = now + TICK_INTERVAL;
            self.deadlines.schedule(now + TICK_INTERVAL, id);
        }
        None
    }

    /// Drops deadlines that no connection waits for any more, if they are many.
    pub(super) fn forget_stale_deadlines(&mut self) {
        let all = &self.all;
        self.deadlines.forget_stale(all.len(), |at, id| {
            let entry = all.get(id.index as usize);
            entry.is_some_and(|entry| (entry.serial, entry.scheduled) == (id.serial, at))
        });
    }
}

/// Takes the next connection that is here from a list, and the list's flag from it.
#[inline]
fn next(
    all: &mut Slab<Entry>,
    list: &mut VecDeque<ConnectionId>,
    flag: impl Fn(&mut Flags) -> &mut bool,
) -> Option<u32> {
    while let Some(id) = list.pop_front() {
        if let Some(entry) = all.get_mut(id.index as usize)
            && entry.serial == id.serial
        {
            *flag(&mut entry.flags) = false;
            return Some(id.index);
        }
    }
    None
}

#[cfg(test)]
mod tests;

//! Random lives of connections: every flag agrees with the lists, and nobody is served who is not
//! there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::auth::Network;

/// What happens, most of it to one of the connections.
#[derive(Clone, Copy, Debug)]
enum Act {
    Insert,
    Remove,
    /// It has some bytes more to send.
    Say,
    Wake,
    Hurry,
    Block,
    Unblock,
    Finish,
    Postpone,
    Resume,
    Read,
    Pause,
    Move,
    Wait,
    /// All deadlines that are due.
    Expire,
    /// Some writes.
    Flush,
    ServeOne,
    ResumeAll,
}

const ACTS: [Act; 26] = {
    use Act::*;
    [
        Insert, Insert, Remove, Say, Say, Say, Say, Wake, Hurry, Hurry, Block, Unblock, Unblock,
        Finish, Postpone, Resume, Read, Pause, Move, Wait, Expire, Expire, Flush, Flush, ServeOne,
        ResumeAll,
    ]
};

/// An act, the place of its connection among those that are there, and how much.
type Op = (Act, usize, u16);

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (prop::sample::select(&ACTS[..]), 0..8usize, 1..60_000u16);
    prop::collection::vec(op, 0..160)
}

/// The real thing and the ids that should be there.
struct Pair {
    connections: Connections,
    budget: Budget,
    alive: Vec<ConnectionId>,
    now: Now,
    /// Bytes that wait, by id.
    waits: BTreeMap<ConnectionId, usize>,
}

impl Pair {
    fn new() -> Self {
        Self {
            connections: Connections::new(6),
            budget: Budget::new(1 << 20),
            alive: Vec::new(),
            now: Now {
                instant: Instant::from_millis(1_000),
                unix_ms: 1_700_000_000_000,
            },
            waits: BTreeMap::new(),
        }
    }

    fn pick(&self, at: usize) -> Option<u32> {
        let at = at.checked_rem(self.alive.len())?;
        Some(self.alive[at].index)
    }

    fn changed(&mut self, index: u32) {
        assert!(!self.connections.changed(index, &mut self.budget));
    }

    fn run(&mut self, (act, at, much): Op) {
        let Some(index) = self.pick(at) else {
            return self.insert();
        };
        let id = self.connections.id_of(index).expect("it is there");
        match act {
            Act::Insert => self.insert(),
            Act::Remove => {
                self.alive.retain(|&other| other != id);
                self.waits.remove(&id);
                assert!(self.connections.remove(index, &mut self.budget).is_some());
            }
            Act::Say => {
                let text = Bytes::from(vec![b'x'; usize::from(much % 9)]);
                *self.waits.entry(id).or_default() += text.len();
                let entry = self.connections.get_mut(index).expect("it is there");
                entry.connection.send_queue.push(text);
                self.changed(index);
            }
            Act::Wake => self.connections.wake(index),
            Act::Hurry => self.connections.hurry(index),
            Act::Block => self.connections.block(self.now, index),
            Act::Unblock => {
                self.connections.set_blocked(index, false);
                self.changed(index);
            }
            Act::Finish => self.connections.finish(index),
            Act::Postpone => self.connections.postpone(index),
            Act::Resume => self.connections.resume(index),
            Act::Read => {
                let wants = self.connections.wants_input(id);
                assert_eq!(wants, !self.flags(index).paused);
            }
            Act::Pause => self.connections.pause(index),
            Act::Move => self.connections.move_to(index, ShardId(1)),
            Act::Wait => {
                let time = Duration::from_millis(u64::from(much));
                self.now.instant = self.now.instant + time;
            }
            Act::Expire => self.expire(),
            Act::Flush => self.flush(usize::from(much % 4)),
            Act::ServeOne => {
                if let Some(index) = self.connections.next_unserved() {
                    self.is_alive(index);
                    self.changed(index);
                }
            }
            Act::ResumeAll => {
                while let Some(index) = self.connections.next_resumed() {
                    self.is_alive(index);
                }
            }
        }
    }

    fn insert(&mut self) {
        if self.connections.is_full() {
            return;
        }
        let identity = self.connections.new_identity(ShardId(0), self.now.unix_ms);
        let connection = Connection::new(self.now, Network::LOOPBACK);
        let id = self.connections.insert(connection, identity);
        assert!(!self.alive.contains(&id));
        self.alive.push(id);
        self.changed(id.index);
    }

    fn flags(&self, index: u32) -> Flags {
        self.connections.get(index).expect("it is there").flags
    }

    fn is_alive(&self, index: u32) {
        assert!(self.alive.iter().any(|id| id.index == index));
    }

    /// Sends all that a connection has, if it is there and may.
    fn write_to(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(entry) = self.connections.by_id(id) else {
            assert!(!self.alive.contains(&id));
            return;
        };
        let bytes = entry.connection.send_queue.len();
        if !entry.flags.blocked && !entry.flags.finished && bytes > 0 {
            entry.connection.sent(bytes, now);
            assert_eq!(self.waits.remove(&id), Some(bytes));
            self.changed(id.index);
        }
    }

    /// As [`Shard::flush`](crate::shard::Shard::flush) does.
    fn flush(&mut self, writes: usize) {
        for _ in 0..writes {
            let next = self.connections.next_of_backlog();
            if let Some(id) = next.or_else(|| self.connections.next_dirty()) {
                self.connections.take_turn(id);
                self.write_to(id);
            }
        }
        while let Some(index) = self.connections.next_urgent() {
            self.is_alive(index);
            let id = self.connections.id_of(index).expect("it is there");
            self.write_to(id);
        }
        self.connections.leave_rest();
        assert!(self.connections.dirty.is_empty());
    }

    fn expire(&mut self) {
        let mut due = BTreeSet::new();
        while let Some(id) = self.connections.next_due(self.now.instant) {
            assert!(self.alive.contains(&id));
            due.insert(id.index);
        }
        while let Some(index) = self.connections.next_expired(self.now.instant) {
            assert!(due.contains(&index));
            assert!(!self.flags(index).unserved);
            let now = self.now.instant;
            let entry = self.connections.get(index).expect("it is there");
            // Its time is up, or it had put it off.
            let due = entry.connection.due();
            if due > now {
                self.changed(index);
            }
        }
        assert!(!self.connections.has_due());
    }

    fn check(&self) {
        let connections = &self.connections;
        let standing = |lists: &[&Queue], id| {
            let all = lists.iter().flat_map(|list| list.iter());
            all.filter(|&&other| other == id).count()
        };
        assert_eq!(connections.len(), self.alive.len());
        for &id in &self.alive {
            let entry = connections.get(id.index).expect("it is there");
            assert_eq!(entry.serial, id.serial);
            let flags = entry.flags;
            let to_write = [&connections.dirty, &connections.inner, &connections.backlog];
            assert_eq!(standing(&to_write, id), usize::from(flags.dirty));
            for (list, flag) in [
                (&connections.urgent, flags.urgent),
                (&connections.unserved, flags.unserved),
                (&connections.resumed, flags.resumed),
            ] {
                let places = list.iter().filter(|&&other| other == id);
                assert_eq!(places.count(), usize::from(flag));
            }
            if self.waits.get(&id).is_some_and(|&bytes| bytes > 0) {
                assert!(flags.dirty || flags.blocked || flags.finished);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_flag_agrees_with_its_list(ops in ops()) {
        let mut pair = Pair::new();
        for op in ops {
            pair.run(op);
            pair.check();
        }
        // When all may be written to, nobody is passed over.
        for index in pair.alive.iter().map(|id| id.index).collect::<Vec<_>>() {
            if !pair.flags(index).finished {
                pair.connections.set_blocked(index, false);
                pair.changed(index);
            }
        }
        pair.flush(usize::from(u8::MAX));
        pair.waits.retain(|_, bytes| *bytes > 0);
        let left: Vec<_> = pair.waits.keys().collect();
        prop_assert!(left.iter().all(|id| pair.flags(id.index).finished), "{left:?}");
        for id in std::mem::take(&mut pair.alive) {
            pair.connections.remove(id.index, &mut pair.budget);
        }
        let connections = &mut pair.connections;
        let in_lists = std::iter::from_fn(|| connections.next_dirty().or_else(|| connections.next_of_backlog()));
        let in_lists: Vec<_> = in_lists.collect();
        prop_assert!(in_lists.into_iter().all(|id| pair.connections.take_turn(id).is_none()));
        prop_assert!(pair.connections.next_unserved().is_none());
        prop_assert!(pair.connections.next_resumed().is_none());
        prop_assert_eq!(pair.budget.counted(), 0);
    }
}

#[test]
fn an_index_that_is_used_again_is_another_connection() {
    let mut pair = Pair::new();
    pair.insert();
    pair.run((Act::Say, 0, 4));
    let first = pair.alive[0];
    pair.connections.postpone(first.index);
    pair.run((Act::Remove, 0, 0));
    pair.insert();
    let second = pair.alive[0];
    assert_eq!(first.index, second.index);
    assert!(!pair.connections.has(first) && pair.connections.by_id(first).is_none());
    // What stands in the lists is the one that is gone.
    assert_eq!(pair.connections.next_dirty(), Some(first));
    assert!(pair.connections.take_turn(first).is_none());
    assert_eq!(pair.connections.next_dirty(), None);
    assert_eq!(pair.connections.next_unserved(), None);
}

#[test]
fn a_stream_that_just_opened_has_no_deadline_yet() {
    let mut pair = Pair::new();
    let connection = Connection::new(pair.now, Network::LOOPBACK);
    let id = pair.connections.insert(connection, Identity::FIRST);
    pair.connections.set_opening(id.index, true);
    pair.alive.push(id);
    pair.changed(id.index);
    assert_eq!(pair.connections.next_deadline(), Instant::NEVER);
    pair.connections.set_opening(id.index, false);
    pair.changed(id.index);
    assert!(pair.connections.next_deadline() < Instant::NEVER);
}

//! The order in which ready sockets are served: in turn.
//!
//! Two queues. A socket that had little input when it was served last is *fresh*; one that had more
//! than one serving is *busy*. Fresh ones go first, so that a small question does not wait for all
//! floods, but after [`FRESH_PER_BUSY`] of them one that is busy has its turn. Each queue is served
//! in the order in which its sockets became ready, and a served socket stands behind all others
//! again. So the wait is bounded whatever clients do: a busy socket waits for at most
//! `FRESH_PER_BUSY + 1` servings for each busy one before it, a fresh one for at most two for each
//! fresh one before it.
//!
//! Known idea: the two lists of `fq_codel`'s scheduler (RFC 8290 §4.2).

use std::collections::VecDeque;

use crate::limits::FRESH_PER_BUSY;
use crate::shard::ConnectionId;

/// Sockets that are ready to be read, each at most once.
#[derive(Debug, Default)]
pub(super) struct ReadyList {
    fresh: VecDeque<ConnectionId>,
    busy: VecDeque<ConnectionId>,
    /// Fresh ones served since the last busy one.
    in_a_row: u32,
}

impl ReadyList {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.busy.is_empty()
    }

    /// Puts a socket last. It must not stand in the list.
    pub(super) fn push(&mut self, id: ConnectionId, is_busy: bool) {
        if is_busy {
            self.busy.push_back(id);
        } else {
            self.fresh.push_back(id);
        }
    }

    /// Takes the socket whose turn it is.
    pub(super) fn pop(&mut self) -> Option<ConnectionId> {
        let busy_first = self.in_a_row >= FRESH_PER_BUSY || self.fresh.is_empty();
        if busy_first && let Some(id) = self.busy.pop_front() {
            self.in_a_row = 0;
            return Some(id);
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.fresh.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(index: usize) -> ConnectionId {
        ConnectionId {
            index: index as u32,
            serial: 0,
        }
    }

    /// Sockets that are ready at random moments, or always, in turns of a few servings each.
    /// Returns the most servings that each of them waited for.
    fn play(kinds: &[Kind], turns: &[(u8, u64)]) -> Vec<usize> {
        let mut list = ReadyList::default();
        let mut since: Vec<Option<usize>> = vec![None; kinds.len()];
        let mut waited = vec![0; kinds.len()];
        let mut clock = 0;
        for &(servings, arrivals) in turns {
            for (index, kind) in kinds.iter().enumerate() {
                let comes = *kind == Kind::Flood || arrivals >> (index % 64) & 1 == 1;
                if comes && since[index].is_none() {
                    since[index] = Some(clock);
                    list.push(id(index), *kind == Kind::Flood);
                }
            }
            for _ in 0..=servings % 8 {
                let Some(ConnectionId { index, .. }) = list.pop() else {
                    break;
                };
                clock += 1;
                let index = index as usize;
                let came = since[index].take().expect("it stands in the list once");
                waited[index] = waited[index].max(clock - came);
                if kinds[index] == Kind::Flood {
                    since[index] = Some(clock);
                    list.push(id(index), true);
                }
            }
        }
        // A socket that never had a turn has waited until now.
        for (waited, since) in waited.iter_mut().zip(&since) {
            *waited = since.map_or(*waited, |came| (*waited).max(clock - came));
        }
        waited
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Kind {
        /// Now and then a small request.
        Asks,
        /// Always more than is taken at a time.
        Flood,
    }

    proptest! {
        #[test]
        fn nobody_waits_for_more_than_a_bounded_number_of_servings(
            kinds in prop::collection::vec(prop_oneof![Just(Kind::Asks), Just(Kind::Flood)], 1..40),
            turns in prop::collection::vec(any::<(u8, u64)>(), 1..400),
        ) {
            let floods = kinds.iter().filter(|&&kind| kind == Kind::Flood).count();
            let askers = kinds.len() - floods;
            let waited = play(&kinds, &turns);
            for (kind, waited) in kinds.iter().zip(waited) {
                let most = match kind {
                    Kind::Asks => 2 * askers + 1,
                    Kind::Flood => (FRESH_PER_BUSY as usize + 1) * floods,
                };
                prop_assert!(waited <= most, "{kind:?} waited for {waited} servings of {kinds:?}");
            }
        }
    }

    #[test]
    fn a_thousand_floods_are_one_serving_to_who_asks() {
        let mut list = ReadyList::default();
        for index in 0..1_000 {
            list.push(id(index), true);
        }
        assert_eq!(list.pop(), Some(id(0)), "nobody else is there");
        list.push(id(1_000), false);
        assert_eq!(list.pop(), Some(id(1_000)));
        assert_eq!(list.pop(), Some(id(1)), "in the order in which they came");
    }
}

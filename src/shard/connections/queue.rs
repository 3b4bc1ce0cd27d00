//! Connections that are to be written to, in order: many enter at the end of a tick, and nearly all
//! leave in its flush.

use crate::shard::ConnectionId;

/// A list of connections, first in, first out. The room of those that were taken is had again when
/// all were, or when another list is appended.
///
/// # Invariants
///
/// * Of `ids` the first `taken` have been taken; when all have, both are empty.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ids: Vec<ConnectionId>,
    taken: usize,
}

impl Queue {
    #[inline]
    pub(super) fn push(&mut self, id: ConnectionId) {
        self.ids.push(id);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<ConnectionId> {
        let id = *self.ids.get(self.taken)?;
        self.taken += 1;
        if self.taken == self.ids.len() {
            self.ids.clear();
            self.taken = 0;
        }
        Some(id)
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Moves what is left of another list behind what is left of this one.
    pub(super) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else if !other.is_empty() {
            self.ids.drain(..self.taken);
            self.taken = 0;
            self.ids.extend(other.iter());
            other.ids.clear();
            other.taken = 0;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ConnectionId> {
        self.ids[self.taken..].iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_across_lists() {
        let id = |serial| ConnectionId { index: 0, serial };
        let (mut first, mut second) = (Queue::default(), Queue::default());
        (0..4).for_each(|serial| first.push(id(serial)));
        assert_eq!(first.pop(), Some(id(0)));
        (4..6).for_each(|serial| second.push(id(serial)));
        assert_eq!(second.pop(), Some(id(4)));
        first.append(&mut second);
        assert!(second.is_empty() && second.pop().is_none());
        let left: Vec<_> = std::iter::from_fn(|| first.pop()).collect();
        assert_eq!(left, [id(1), id(2), id(3), id(5)]);
        assert!(first.is_empty() && first.ids.is_empty());
        second.push(id(9));
        first.append(&mut second);
        assert_eq!(first.pop(), Some(id(9)));
    }
}

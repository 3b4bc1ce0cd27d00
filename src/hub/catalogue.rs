//! An order of things that is kept only while it is asked for.
//!
//! The things are in a table whose places mean nothing to outsiders. Only when a set of them is
//! walked, an ordered index is built beside the table, some places at a time, and kept true from
//! then on; when nobody has asked for a while it is given up again, some entries at a time. So a
//! table that is never walked pays nothing.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::limits::{CATALOGUE_IDLE_MAX, SWEEP_CATALOGUE};
use crate::time::Now;

/// An ordered index of a table. A key ends with the place in the table, so that keys differ.
#[derive(Debug)]
pub struct Catalogue<K> {
    kept: Option<Kept<K>>,
    /// The rest of an index that is being given up.
    waste: BTreeSet<K>,
}

#[derive(Debug)]
struct Kept<K> {
    keys: BTreeSet<K>,
    /// Places of the table entered so far: all below this one.
    entered: usize,
    /// Places of the table.
    places: usize,
    used: Now,
}

impl<K> Default for Catalogue<K> {
    fn default() -> Self {
        Self {
            kept: None,
            waste: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Copy> Catalogue<K> {
    /// Enters a thing that came into the table.
    pub fn insert(&mut self, key: impl FnOnce() -> K) {
        if let Some(kept) = &mut self.kept {
            kept.keys.insert(key());
        }
    }

    /// Removes a thing that is about to leave the table.
    pub fn remove(&mut self, key: impl FnOnce() -> K) {
        if let Some(kept) = &mut self.kept {
            kept.keys.remove(&key());
        }
    }

    /// Goes on building, for at most `budget` places. Returns whether the whole table is entered.
    pub fn build(
        &mut self,
        now: Now,
        places: usize,
        budget: &mut usize,
        key: impl Fn(usize) -> Option<K>,
    ) -> bool {
        let kept = self.kept.get_or_insert_with(|| Kept {
            keys: BTreeSet::new(),
            entered: 0,
            places,
            used: now,
        });
        kept.used = now;
        kept.places = kept.places.max(places);
        while kept.entered < kept.places && *budget > 0 {
            *budget -= 1;
            kept.keys.extend(key(kept.entered));
            kept.entered += 1;
        }
        kept.entered >= kept.places
    }

    /// Returns the first key above a bound.
    pub fn next(&self, after: Bound<K>) -> Option<K> {
        let keys = &self.kept.as_ref()?.keys;
        keys.range((after, Bound::Unbounded)).next().copied()
    }

    /// A share of the housekeeping: gives up an index that nobody has asked for lately.
    pub fn sweep(&mut self, now: Now) {
        for _ in 0..SWEEP_CATALOGUE.min(self.waste.len()) {
            self.waste.pop_first();
        }
        let is_idle =
            |kept: &mut Kept<K>| now.instant.since(kept.used.instant) > CATALOGUE_IDLE_MAX;
        if self.waste.is_empty()
            && let Some(kept) = self.kept.take_if(is_idle)
        {
            self.waste = kept.keys;
        }
    }

    /// Whether an index, or the rest of one, is kept.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some() || !self.waste.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use proptest::prelude::*;

    fn at(ms: u64) -> Now {
        Now {
            instant: Instant::from_millis(ms),
            unix_ms: ms,
        }
    }

    proptest! {
        /// Built a little at a time while things come and go, it equals an ordered set of them.
        #[test]
        fn an_order_is_that_of_the_table(
            begun in prop::collection::vec(any::<u16>(), 0..40),
            changes in prop::collection::vec((any::<bool>(), any::<u16>(), 0..4usize), 0..80),
        ) {
            let mut table: Vec<Option<u16>> = begun.into_iter().map(Some).collect();
            let mut catalogue = Catalogue::default();
            for (comes, value, budget) in changes {
                let places = table.len();
                let mut budget = budget;
                let key = |place: usize| table[place].map(|value| (value, place));
                catalogue.build(at(0), places, &mut budget, key);
                if comes {
                    let free = table.iter().position(Option::is_none);
                    let place = free.unwrap_or(places);
                    table.resize(table.len().max(place + 1), None);
                    table[place] = Some(value);
                    catalogue.insert(|| (value, place));
                } else if !table.is_empty() {
                    let place = usize::from(value) % table.len();
                    if let Some(value) = table[place].take() {
                        catalogue.remove(|| (value, place));
                    }
                }
            }
            let key = |place: usize| table[place].map(|value| (value, place));
            prop_assert!(catalogue.build(at(0), table.len(), &mut 1_000, key));
            let mut expected: Vec<(u16, usize)> = (0..table.len()).filter_map(key).collect();
            expected.sort_unstable();
            let (mut walked, mut after) = (Vec::new(), Bound::Unbounded);
            while let Some(key) = catalogue.next(after) {
                walked.push(key);
                after = Bound::Excluded(key);
            }
            prop_assert_eq!(walked, expected);
        }
    }

    #[test]
    fn it_is_given_up_a_little_at_a_time() {
        let mut catalogue = Catalogue::default();
        let places = 3 * SWEEP_CATALOGUE;
        assert!(catalogue.build(at(0), places, &mut places.clone(), |place| Some((0, place))));
        let idle = CATALOGUE_IDLE_MAX.as_millis() as u64;
        catalogue.sweep(at(idle));
        assert!(catalogue.next(Bound::Unbounded).is_some());
        for left in (0..=3).rev() {
            assert!(catalogue.is_kept());
            catalogue.sweep(at(idle + 1));
            assert_eq!(catalogue.waste.len(), left * SWEEP_CATALOGUE);
        }
        assert!(!catalogue.is_kept());
    }
}

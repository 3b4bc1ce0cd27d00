//! What one connection hears: most have one subscription, kept in place.

use crate::hub::{OrganizationId, SubscriptionId};

/// The subscriptions of one connection, in the order that its dialect counts them in.
#[derive(Debug)]
pub(super) struct Subscriptions {
    pub(super) organization: OrganizationId,
    first: Option<Held>,
    more: Vec<Held>,
    /// About what all of them take.
    bytes: u32,
}

/// One subscription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) id: SubscriptionId,
    /// Which of the shard's.
    pub(super) number: u32,
    /// What the filter table had counted for it when it came.
    pub(super) counted: u32,
    /// About how many bytes it takes.
    pub(super) bytes: u32,
}

impl Subscriptions {
    pub(super) const fn new(organization: OrganizationId) -> Self {
        Self {
            organization,
            first: None,
            more: Vec::new(),
            bytes: 0,
        }
    }

    /// About how many bytes all of them take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    pub(super) fn push(&mut self, held: Held) {
        self.bytes += held.bytes;
        match self.first {
            None => self.first = Some(held),
            Some(_) => self.more.push(held),
        }
    }

    /// Removes the one at a place, which the last one takes.
    pub(super) fn swap_remove(&mut self, place: usize) -> Option<Held> {
        let removed = if place == 0 {
            std::mem::replace(&mut self.first, self.more.pop())
        } else {
            (place <= self.more.len()).then(|| self.more.swap_remove(place - 1))
        };
        self.bytes -= removed.map_or(0, |held| held.bytes);
        removed
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held> {
        self.first.iter().chain(&self.more)
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Address, FilterTable, Names, Parents, Scope, SubscriberId, Subscription};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_are_those_of_a_list(ops in prop::collection::vec(prop::option::of(0..5usize), 0..40)) {
            let organization = OrganizationId(0);
            let address = Address::Organization;
            let wanted = Subscription {
                scope: Scope { organization, address },
                parents: Parents::default(),
                names: Names::Every,
                properties: Vec::new(),
            };
            let mut table = FilterTable::new(1);
            let (mut list, mut naive) = (Subscriptions::new(organization), Vec::new());
            for (number, op) in (0..).zip(ops) {
                match op {
                    None => {
                        let id = table.subscribe(SubscriberId(0), &wanted);
                        list.push(Held { id, number, counted: 0, bytes: number });
                        naive.push(number);
                    }
                    Some(place) => {
                        let expected = (place < naive.len()).then(|| naive.swap_remove(place));
                        prop_assert_eq!(list.swap_remove(place).map(|held| held.number), expected);
                    }
                }
                let numbers: Vec<u32> = list.iter().map(|held| held.number).collect();
                prop_assert_eq!(&numbers, &naive);
                prop_assert_eq!(list.len(), naive.len());
                prop_assert_eq!(list.bytes(), numbers.iter().sum::<u32>() as usize);
            }
        }
    }
}

//! The lengths of texts, counted: lookups try only the few lengths there are.

/// The number of entries of each length; few lengths.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths(Vec<(usize, u32)>);

impl Lengths {
    pub(super) fn add(&mut self, length: usize) {
        match self.0.binary_search_by_key(&length, |entry| entry.0) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (length, 1)),
        }
    }

    pub(super) fn remove(&mut self, length: usize) {
        if let Ok(at) = self.0.binary_search_by_key(&length, |entry| entry.0) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.remove(at);
            }
        }
    }

    pub(super) fn up_to(&self, max: usize) -> impl Iterator<Item = usize> {
        let lengths = self.0.iter().map(|entry| entry.0);
        lengths.take_while(move |&length| length <= max)
    }
}

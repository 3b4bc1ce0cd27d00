//! Random numbers that are the same run after run: what happened once can be had again from its seed.

/// A generator: `SplitMix64` (Steele, Lea and Flood 2014), good enough to choose who leaves next.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
    /// Numbers that were drawn.
    drawn: u64,
}

impl Random {
    /// A generator that begins anywhere.
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds should have nothing in common.
        let seed = scatter(0, seed);
        Self { seed, drawn: 0 }
    }

    /// A number below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        scatter(self.seed, self.drawn) % end
    }
}

/// A number that depends on a seed and on this one, and on nothing else: the output function of `SplitMix64`.
fn scatter(seed: u64, number: u64) -> u64 {
    let mut bits = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// One of so many, at random.
pub(crate) fn one_of(count: usize, seed: u64, number: u64) -> usize {
    let place = scatter(seed, number) % count.max(1) as u64;
    // Less than a count.
    usize::try_from(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_all_of_them() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..10).all(|number| draw(0).contains(&number)));
    }

    #[test]
    fn what_is_at_random_is_spread_and_repeats() {
        let mut hits = [0_u32; 100];
        (0..100_000).for_each(|number| hits[one_of(100, 7, number)] += 1);
        assert!(
            hits.iter().all(|hits| (800..1_200).contains(hits)),
            "{hits:?}"
        );
        assert_eq!(one_of(100, 7, 5), one_of(100, 7, 5));
        let differs = (0..100).filter(|&number| scatter(7, number) != scatter(8, number));
        assert_eq!(differs.count(), 100);
    }
}

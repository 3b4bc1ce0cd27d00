//! Everything random that the hub gives away: session tokens, epochs, event ids.
//!
//! Seeded, so that a simulation repeats. Tokens are capabilities (knowing one permits listening),
//! so they come from `ChaCha20`, all rounds of it. Event ids are `UUIDv7` with a counter (RFC 9562
//! §6.2, method 1); they must be unique, not secret, so they come from a faster generator of their
//! own. They grow on each shard; nothing is shared that would make them grow across shards, which
//! read the clock once a turn, each at its own time.

use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use uuid::Uuid;

use super::event::{Epoch, EventId};
use super::scope::{ScopeName, ShardId};
use crate::auth::{LOGIN_TOKEN_CHARS, LoginToken};

/// Bits of the counter in an event id: `rand_a` (12) and the start of `rand_b` (14).
const COUNTER_BITS: u32 = 26;
/// Largest start of the counter: the 16 random bits that the rest of the id does not use.
const COUNTER_START_MAX: u32 = 0xffff;
/// Largest time that fits the 48 bits of a `UUIDv7`: the year 10889.
const UNIX_MS_MAX: u64 = (1 << 48) - 1;

/// The generators of one shard.
pub struct Ids {
    secret: ChaCha20Rng,
    public: ChaCha8Rng,
    /// Time in the last event id; ahead of the clock when that stepped back.
    last_ms: u64,
    /// Counter in the last event id.
    counter: u32,
}

impl std::fmt::Debug for Ids {
    /// Without the generators' state: it would foretell every token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}

impl Ids {
    /// Generators for a shard. All shards may share a seed: each gets a stream of its own.
    pub fn new(seed: [u8; 32], shard: ShardId) -> Self {
        let mut secret = ChaCha20Rng::from_seed(seed);
        secret.set_stream(u64::from(shard.0));
        let mut public_seed = [0; 32];
        secret.fill_bytes(&mut public_seed);
        Self {
            secret,
            public: ChaCha8Rng::from_seed(public_seed),
            last_ms: 0,
            counter: 0,
        }
    }

    /// Returns an unguessable token: a `UUIDv4`, lower case with hyphens.
    pub fn session_token(&mut self) -> ScopeName {
        let mut bytes = [0; 16];
        self.secret.fill_bytes(&mut bytes);
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let mut text = Uuid::encode_buffer();
        ScopeName::new(uuid.hyphenated().encode_lower(&mut text))
    }

    /// Returns an unguessable token for a login: letters and digits, about 119 bits.
    pub fn login_token(&mut self) -> LoginToken {
        const ALPHABET: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut token = [0; LOGIN_TOKEN_CHARS];
        for letter in &mut token {
            // 64 bits over 62 letters: the bias is below 2^-57.
            *letter = ALPHABET[(self.secret.next_u64() % 62) as usize];
        }
        LoginToken(token)
    }

    /// Returns a number below `bound`, which is above zero and far below 2^64; not secret.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.public.next_u64() % bound
    }

    /// Returns the name of a new life of a log.
    pub fn epoch(&mut self) -> Epoch {
        Epoch(self.secret.next_u64())
    }

    /// Returns a seed for tables that outsiders must not be able to flood.
    pub fn table_seed(&mut self) -> u64 {
        self.secret.next_u64()
    }

    /// Returns an id for an event accepted at `unix_ms`; larger than every id that this shard gave
    /// before.
    pub fn event_id(&mut self, unix_ms: u64) -> EventId {
        let random = self.public.next_u64();
        let unix_ms = unix_ms.min(UNIX_MS_MAX);
        if unix_ms > self.last_ms {
            self.last_ms = unix_ms;
            // A random start keeps ids of several shards apart; it leaves most of the counter free.
            self.counter = (random >> 48) as u32 & COUNTER_START_MAX;
        } else {
            self.counter += 1;
            if self.counter >> COUNTER_BITS != 0 {
                // RFC 9562 §6.2: the timestamp may run ahead of the clock when the counter is full.
                self.counter = 0;
                self.last_ms = (self.last_ms + 1).min(UNIX_MS_MAX);
            }
        }
        EventId(compose(self.last_ms, self.counter, random))
    }
}

/// `UUIDv7` of RFC 9562 §5.7 with a counter in `rand_a` and the start of `rand_b`.
fn compose(unix_ms: u64, counter: u32, random: u64) -> Uuid {
    let counter = u64::from(counter);
    let high = (unix_ms << 16) | 0x7000 | (counter >> 14);
    let low = (0b10 << 62) | ((counter & 0x3fff) << 48) | (random & 0xffff_ffff_ffff);
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_seed_repeats_and_shards_differ() {
        let make = |shard| {
            let mut ids = Ids::new([7; 32], ShardId(shard));
            (ids.session_token(), ids.epoch(), ids.event_id(5))
        };
        assert_eq!(make(0), make(0));
        let (a, b) = (make(0), make(1));
        assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2);
    }

    #[test]
    fn ids_are_what_they_say() {
        let mut ids = Ids::new([1; 32], ShardId(0));
        let token = Uuid::parse_str(ids.session_token().as_str()).unwrap();
        assert_eq!(token.get_version(), Some(uuid::Version::Random));
        assert_eq!(token.get_variant(), uuid::Variant::RFC4122);
        let id = ids.event_id(1_700_000_000_123).0;
        assert_eq!(id.get_version(), Some(uuid::Version::SortRand));
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
    }

    #[test]
    fn a_full_counter_borrows_from_the_clock() {
        let mut ids = Ids::new([1; 32], ShardId(0));
        ids.event_id(100);
        ids.counter = (1 << COUNTER_BITS) - 1;
        let before = compose(100, ids.counter, u64::MAX);
        let after = ids.event_id(100);
        assert!(after.0 > before);
        assert_eq!(after.0.as_u128() >> 80, 101);
    }

    #[test]
    fn tokens_do_not_repeat() {
        let mut ids = Ids::new([2; 32], ShardId(3));
        let tokens: BTreeSet<_> = (0..1_000).map(|_| ids.session_token()).collect();
        assert_eq!(tokens.len(), 1_000);
    }

    proptest! {
        #[test]
        fn event_ids_rise_whatever_the_clock_does(times in prop::collection::vec(
            prop_oneof![0..5u64, 1_000..1_010u64, Just(u64::MAX)], 1..200)) {
            let mut ids = Ids::new([9; 32], ShardId(0));
            let all: Vec<_> = times.iter().map(|&ms| ids.event_id(ms)).collect();
            prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}

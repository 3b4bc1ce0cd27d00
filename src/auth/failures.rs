//! Wrong passwords, counted by network: five in ten minutes block an address for an hour, or as
//! long as the operator configures.
//!
//! Only passwords count. An API token and a login token are random and far too long to be guessed,
//! so counting those would protect nothing; and one stale page that comes back with a token that
//! has ended would lock out everybody behind the same address. For the same reason a block keeps
//! out passwords only. This machine is never blocked.
//!
//! The table is bounded. When it is full it forgets the entry that would be the first to end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::network::Network;
use crate::limits::{LOGIN_FAILURE_WINDOW, LOGIN_FAILURES_MAX, LOGIN_NETWORKS_MAX};
use crate::time::Instant;

/// Expired entries forgotten when one is made: more than one, so that a backlog shrinks.
const EXPIRED_PER_FAILURE: usize = 16;

/// The networks from which wrong passwords came lately.
#[derive(Debug)]
pub(super) struct Failures {
    /// Duration of a block; `None` is never.
    block: Option<Duration>,
    entries: BTreeMap<Network, Entry>,
    /// The networks in the order in which their entries end.
    by_end: BTreeSet<(Instant, Network)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Times of the last wrong passwords, oldest first; `count` of them.
    times: [Instant; LOGIN_FAILURES_MAX],
    count: usize,
    blocked_until: Option<Instant>,
    /// Time at which the entry expires.
    end: Instant,
}

impl Failures {
    pub(super) fn new(block: Option<Duration>) -> Self {
        Self {
            block,
            entries: BTreeMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    /// Returns how much longer a network is blocked; `None` if it is not.
    pub(super) fn blocked(&self, now: Instant, network: Network) -> Option<Duration> {
        let until = self.entries.get(&network)?.blocked_until?;
        (now < until).then(|| until.since(now))
    }

    /// Whether wrong passwords came from a network lately.
    pub(super) fn any(&self, now: Instant, network: Network) -> bool {
        let entry = self.entries.get(&network);
        entry.is_some_and(|entry| now < entry.end)
    }

    /// Records a wrong password. Returns whether its network is blocked from now on.
    pub(super) fn record(&mut self, now: Instant, network: Network) -> bool {
        self.expire(now);
        let mut entry = self.entries.get(&network).copied().unwrap_or_default();
        self.by_end.remove(&(entry.end, network));
        if entry.count == LOGIN_FAILURES_MAX {
            entry.times.rotate_left(1);
            entry.count -= 1;
        }
        entry.times[entry.count] = now;
        entry.count += 1;
        entry.end = now + LOGIN_FAILURE_WINDOW;
        let too_many =
            entry.count == LOGIN_FAILURES_MAX && now.since(entry.times[0]) < LOGIN_FAILURE_WINDOW;
        let blocked = match self.block {
            Some(block) if too_many && !network.is_loopback() => {
                entry.count = 0;
                entry.end = now + block;
                entry.blocked_until = Some(entry.end);
                true
            }
            _ => false,
        };
        if !self.entries.contains_key(&network) && self.entries.len() >= LOGIN_NETWORKS_MAX {
            self.forget_first();
        }
        self.entries.insert(network, entry);
        self.by_end.insert((entry.end, network));
        blocked
    }

    fn expire(&mut self, now: Instant) {
        for _ in 0..EXPIRED_PER_FAILURE {
            match self.by_end.first() {
                Some(&(end, _)) if end <= now => self.forget_first(),
                _ => return,
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some((_, network)) = self.by_end.pop_first() {
            self.entries.remove(&network);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.by_end.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn network(number: u32) -> Network {
        Network::of(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000 * seconds)
    }

    #[test]
    fn five_in_ten_minutes_block_for_an_hour() {
        let mut failures = Failures::new(Some(HOUR));
        for time in [0, 100, 200, 300] {
            assert!(!failures.record(at(time), network(1)));
            assert_eq!(failures.blocked(at(time), network(1)), None);
        }
        // Another address is counted apart.
        assert!(!failures.record(at(300), network(2)));
        assert!(failures.record(at(599), network(1)));
        let left = |time| failures.blocked(at(time), network(1));
        assert_eq!(left(599), Some(HOUR));
        assert_eq!(left(600), Some(Duration::from_secs(3_599)));
        assert_eq!(left(599 + 3_600), None);
        assert_eq!(failures.blocked(at(600), network(2)), None);
        // From then on counting begins anew.
        assert!(!failures.record(at(599 + 3_600), network(1)));
    }

    #[test]
    fn five_in_more_than_ten_minutes_do_not() {
        let mut failures = Failures::new(Some(HOUR));
        for time in [0, 1, 2, 3, 600, 601, 602, 1_200, 1_201, 1_202] {
            assert!(!failures.record(at(time), network(1)), "{time}");
        }
        // The last five: 601, 602, 1200, 1201, 1202; one more within ten minutes of the first.
        assert!(!failures.record(at(1_203), network(1)));
        assert!(failures.record(at(1_204), network(1)));
    }

    #[test]
    fn loopback_is_never_blocked_and_an_operator_may_want_no_block() {
        let mut failures = Failures::new(Some(HOUR));
        let mut lenient = Failures::new(None);
        for time in 0..20 {
            assert!(!failures.record(at(time), Network::LOOPBACK));
            assert!(!lenient.record(at(time), network(1)));
        }
        assert_eq!(failures.blocked(at(20), Network::LOOPBACK), None);
        assert!(failures.any(at(20), Network::LOOPBACK));
        assert!(!failures.any(at(19 + 600), Network::LOOPBACK));
        assert_eq!(lenient.blocked(at(20), network(1)), None);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_would_end_first() {
        let mut failures = Failures::new(Some(HOUR));
        for _ in 0..LOGIN_FAILURES_MAX {
            failures.record(at(0), network(0));
        }
        for number in 1..=LOGIN_NETWORKS_MAX as u32 {
            failures.record(at(1), network(number));
        }
        assert_eq!(failures.len(), LOGIN_NETWORKS_MAX);
        assert!(failures.blocked(at(1), network(0)).is_some());
        let known = (1..=LOGIN_NETWORKS_MAX as u32).filter(|&n| failures.any(at(1), network(n)));
        assert_eq!(known.count(), LOGIN_NETWORKS_MAX - 1);
        for _ in 0..=LOGIN_NETWORKS_MAX / EXPIRED_PER_FAILURE {
            failures.record(at(700), network(0));
        }
        assert_eq!(failures.len(), 1);
    }
}

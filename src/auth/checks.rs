//! The queue of passwords to be checked, which takes tens of milliseconds each, and its fair order:
//! no client keeps others from logging in.
//!
//! ```text
//!  submit ─► blocked? ─► Verdict::Blocked
//!            no room? ─► Verdict::Busy
//!            the same is waiting already ─► joins it
//!            otherwise ─► network's line ─► fresh networks in turn ─┐
//!                                           suspect ones in turn   ─┴► begin ─► finish ─► Verdicts
//! ```
//!
//! * Networks have their turns one after the other, however many checks each has waiting. Those
//!   from which no wrong password came lately go first, but for one turn in [`SUSPECT_TURNS`]: so a
//!   stranger waits for the check under way and one or two more, whatever guessers at other
//!   addresses send.
//! * If many fresh networks wait, every other turn is that of the newest. A guesser with many
//!   addresses has each of them fresh only once, but many at a time; a newcomer is not behind all
//!   of them.
//! * A network has at most one check waiting for each name, and the same attempt again (one
//!   person's many pages, after a restart) gets the same answer. Guesses at one address never keep
//!   a name from logging in at another.
//! * Each bound refuses by saying when to try again.
//!
//! The clock is an argument, and so is the duration of a check. One of these serves the whole node.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::failures::Failures;
use super::identity::{Secret, UserId};
use super::network::Network;
use crate::limits::{
    PASSWORD_CHECKS_MAX, PASSWORD_CHECKS_PER_NETWORK_MAX, PASSWORD_CHECKS_PER_SUSPECT_MAX,
    PASSWORD_WAITERS_MAX,
};
use crate::time::Instant;

/// One turn in this many is a suspect network's while others wait too.
const SUSPECT_TURNS: u32 = 4;
/// With more fresh networks waiting than this, the newest has every other turn.
const FRESH_IN_ORDER: usize = 8;
/// Assumed duration of a check before one was timed.
const CHECK_TIME_GUESS: Duration = Duration::from_millis(50);

/// An attempt to log in: a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The user. `None` stands for an unknown name: the check fails, in the same time (no user
    /// enumeration).
    pub user: Option<UserId>,
    /// The name that was given, so that an unknown one is treated like any other.
    pub name: Box<str>,
    /// The password that was given.
    pub password: Secret,
}

/// The result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the user's.
    Right,
    /// It is not, or there is no such user.
    Wrong,
    /// It was not checked: too many wrong passwords came from this network.
    Blocked {
        /// Seconds until the network may try again.
        retry_after: u32,
    },
    /// It was not checked: too many wait.
    Busy {
        /// Seconds until there should be room.
        retry_after: u32,
    },
}

/// The checks of one node. `W` identifies a client that waits for an outcome.
#[derive(Debug)]
pub struct Checks<W> {
    failures: Failures,
    /// The line of each network; never empty.
    lines: BTreeMap<Network, Line<W>>,
    /// The networks of `lines` in the order of their turns.
    fresh: VecDeque<Network>,
    suspect: VecDeque<Network>,
    turns: u32,
    /// Checks in all lines of fresh networks, and of suspect ones.
    waiting: [usize; 2],
    running: Option<(Network, Check<W>)>,
    /// Recent duration of a check.
    check_time: Duration,
}

/// The waiting attempts of one network.
#[derive(Debug)]
struct Line<W> {
    checks: VecDeque<Check<W>>,
    is_suspect: bool,
}

#[derive(Debug)]
struct Check<W> {
    attempt: Attempt,
    waiters: Vec<W>,
}

impl<W> Checks<W> {
    /// An empty queue. Networks that fail too often are blocked for `block`, or never.
    pub fn new(block: Option<Duration>) -> Self {
        Self {
            failures: Failures::new(block),
            lines: BTreeMap::new(),
            fresh: VecDeque::new(),
            suspect: VecDeque::new(),
            turns: 0,
            waiting: [0; 2],
            running: None,
            check_time: CHECK_TIME_GUESS,
        }
    }

    /// Takes an attempt, to be checked in its turn: `waiter` comes out of [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// [`Verdict::Blocked`] or [`Verdict::Busy`], at once.
    pub fn submit(
        &mut self,
        now: Instant,
        network: Network,
        attempt: Attempt,
        waiter: W,
    ) -> Result<(), Verdict> {
        if let Some(left) = self.failures.blocked(now, network) {
            return Err(blocked(left));
        }
        let running = self.running.as_mut().filter(|(of, _)| *of == network);
        if let Some((_, check)) = running
            && check.attempt == attempt
        {
            return check.join(waiter).map_err(|()| self.busy(1));
        }
        let line = self.lines.get_mut(&network);
        let length = line.as_ref().map_or(0, |line| line.checks.len());
        let mut checks = line.into_iter().flat_map(|line| &mut line.checks);
        if let Some(check) = checks.find(|check| check.attempt.name == attempt.name) {
            let joined = check.attempt == attempt && check.join(waiter).is_ok();
            return if joined { Ok(()) } else { Err(self.busy(1)) };
        }
        let is_suspect = self.failures.any(now, network);
        let length_max = if is_suspect {
            PASSWORD_CHECKS_PER_SUSPECT_MAX
        } else {
            PASSWORD_CHECKS_PER_NETWORK_MAX
        };
        if length >= length_max {
            return Err(self.busy(length));
        }
        let waiting = self.waiting[usize::from(is_suspect)];
        if waiting >= PASSWORD_CHECKS_MAX {
            return Err(self.busy(waiting));
        }
        let waiters = vec![waiter];
        self.put(network, is_suspect, Check { attempt, waiters });
        Ok(())
    }

    fn put(&mut self, network: Network, is_suspect: bool, check: Check<W>) {
        let line = self.lines.entry(network).or_insert_with(|| {
            let turns = if is_suspect {
                &mut self.suspect
            } else {
                &mut self.fresh
            };
            turns.push_back(network);
            Line {
                checks: VecDeque::new(),
                is_suspect,
            }
        });
        self.waiting[usize::from(line.is_suspect)] += 1;
        line.checks.push_back(check);
    }

    /// Returns the next attempt to be checked; [`finish`](Self::finish) follows.
    pub fn begin(&mut self) -> Option<&Attempt> {
        debug_assert!(self.running.is_none(), "one check at a time");
        self.turns = self.turns.wrapping_add(1);
        let is_suspect = self.fresh.is_empty()
            || !self.suspect.is_empty() && self.turns.is_multiple_of(SUSPECT_TURNS);
        let newest = !is_suspect && self.fresh.len() > FRESH_IN_ORDER && self.turns % 2 == 1;
        let turns = if is_suspect {
            &mut self.suspect
        } else {
            &mut self.fresh
        };
        let network = if newest {
            turns.pop_back()
        } else {
            turns.pop_front()
        }?;
        let line = self.lines.get_mut(&network)?;
        let check = line.checks.pop_front()?;
        self.waiting[usize::from(is_suspect)] -= 1;
        if line.checks.is_empty() {
            self.lines.remove(&network);
        } else if newest {
            turns.push_front(network);
        } else {
            turns.push_back(network);
        }
        let (_, check) = self.running.insert((network, check));
        Some(&check.attempt)
    }

    /// Takes the result of the attempt that [`begin`](Self::begin) returned, and its duration.
    /// Returns all clients that now have their verdict, each once.
    pub fn finish(&mut self, now: Instant, right: bool, took: Duration) -> Vec<(W, Verdict)> {
        let Some((network, check)) = self.running.take() else {
            return Vec::new();
        };
        self.check_time = (self.check_time * 7 + took) / 8;
        let verdict = if right {
            Verdict::Right
        } else {
            Verdict::Wrong
        };
        let mut verdicts = check.verdicts(verdict);
        if !right {
            let is_blocked = self.failures.record(now, network);
            let length = self.distrust(network);
            if is_blocked {
                self.dismiss(now, network, length, &mut verdicts);
            }
        }
        verdicts
    }

    /// Moves a network's waiting attempts to the suspects, after a wrong password. Returns their
    /// number.
    fn distrust(&mut self, network: Network) -> usize {
        let Some(line) = self.lines.get_mut(&network) else {
            return 0;
        };
        let length = line.checks.len();
        if !std::mem::replace(&mut line.is_suspect, true) {
            self.fresh.retain(|other| *other != network);
            self.suspect.push_back(network);
            self.waiting[0] -= length;
            self.waiting[1] += length;
        }
        length
    }

    /// Drops a blocked network's waiting attempts unchecked.
    fn dismiss(
        &mut self,
        now: Instant,
        network: Network,
        length: usize,
        verdicts: &mut Vec<(W, Verdict)>,
    ) {
        let verdict = blocked(self.failures.blocked(now, network).unwrap_or_default());
        let line = self.lines.remove(&network);
        self.suspect.retain(|other| *other != network);
        self.waiting[1] -= length;
        for check in line.into_iter().flat_map(|line| line.checks) {
            verdicts.extend(check.verdicts(verdict));
        }
    }

    /// Whether nothing waits to be checked.
    pub fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.running.is_none()
    }

    /// Returns the refusal for a queue with room again after about that many checks.
    fn busy(&self, checks: usize) -> Verdict {
        let wait = self
            .check_time
            .saturating_mul(u32::try_from(checks).unwrap_or(u32::MAX));
        Verdict::Busy {
            retry_after: seconds(wait),
        }
    }
}

impl<W> Check<W> {
    fn join(&mut self, waiter: W) -> Result<(), ()> {
        if self.waiters.len() >= PASSWORD_WAITERS_MAX {
            return Err(());
        }
        self.waiters.push(waiter);
        Ok(())
    }

    fn verdicts(self, verdict: Verdict) -> Vec<(W, Verdict)> {
        let all = self.waiters.into_iter();
        all.map(|waiter| (waiter, verdict)).collect()
    }
}

fn blocked(left: Duration) -> Verdict {
    Verdict::Blocked {
        retry_after: seconds(left),
    }
}

/// Returns whole seconds, at least one: RFC 9110 §10.2.3 has no fractions.
fn seconds(duration: Duration) -> u32 {
    let seconds = duration.as_millis().div_ceil(1_000).max(1);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

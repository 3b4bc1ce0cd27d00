//! Subscribers that stop reading, leave, come back or are thrown out: every published event times
//! every subscriber entitled to it was heard once and in order, or its loss is explained.
//!
//! A loss is explained by a gap that says which numbers are missing, a reset (the cursor is from
//! another life of the log), news of how many were dropped, or, where there is no cursor, by the
//! subscriber's absence. A topic is a session whose events have sequences from 0 in their payload,
//! all published by one publisher. Of each subscriber it is known what comes next and which loss
//! was explained before that, so memory does not grow with what was heard. The log's own numbers
//! are checked as well.

use std::collections::BTreeMap;
use std::time::Instant;

use super::DeliveryCheck;
use crate::load::Timing;
use crate::voice::{Heard, Hole};

/// Unexplained holes that are remembered of a subscriber, so that what comes late is told from what
/// comes twice.
const MISSING_REMEMBERED: usize = 4;

/// The losses already explained before the next event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Explained {
    #[default]
    Nothing,
    /// A range of numbers, or several.
    Gap(u64),
    /// So many that were dropped.
    Dropped(u64),
    /// Whatever there is.
    Reset,
}

/// Whether a subscriber does as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// It reads whatever comes, at once; its latencies count.
    Healthy,
    /// It will stop reading.
    Slow,
}

/// What happened to a group of subscribers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Times that one was told that it listens.
    pub(crate) opened: u64,
    /// Gaps that were told.
    pub(crate) gaps: u64,
    /// Times that one was told how many were dropped.
    pub(crate) drops: u64,
    /// Connections that the server ended, by close code; 0 without one.
    pub(crate) endings: BTreeMap<u16, u64>,
}

impl Tally {
    /// Connections that the server ended.
    pub(crate) fn ended(&self) -> u64 {
        self.endings.values().sum()
    }
}

/// One subscriber.
#[derive(Clone, Debug)]
struct Account {
    topic: u32,
    group: Group,
    /// Since when it listens, while it does.
    open_since: Option<Instant>,
    /// Whether it comes back to where it was.
    has_cursor: bool,
    /// It is entitled to what is published from here on, and perhaps heard of what was before.
    entitled: u64,
    /// The sequence number that comes next.
    next: u64,
    /// The log's number that comes next, if that can be said.
    number: Option<u64>,
    explained: Explained,
    /// Holes without an explanation, the last ones.
    missing: Vec<(u64, u64)>,
}

/// What became of all deliveries, in events times subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// All that were due.
    pub(crate) due: u64,
    /// Heard once, in order.
    pub(crate) delivered: u64,
    /// Missing, and a gap said so.
    pub(crate) by_gaps: u64,
    /// Missing, and a reset said that something may be.
    pub(crate) by_resets: u64,
    /// Missing, and it was said how many were dropped.
    pub(crate) by_drops: u64,
    /// Missing while a subscriber without a cursor was away, or was closed.
    pub(crate) by_closes: u64,
    /// Missing, and nobody said so.
    pub(crate) missing: u64,
    /// Heard twice.
    pub(crate) repeated: u64,
    /// Heard after a later one.
    pub(crate) late: u64,
    /// Gaps, drops or numbers that say something else than what was heard.
    pub(crate) misstated: u64,
    /// Heard and never published.
    pub(crate) unknown: u64,
}

impl Totals {
    /// How many things are wrong.
    pub(crate) fn violations(&self) -> u64 {
        self.missing + self.repeated + self.late + self.misstated + self.unknown
    }

    /// What is accounted for; `due` if nothing was counted twice.
    fn accounted(&self) -> u64 {
        let explained = self.by_gaps + self.by_resets + self.by_drops + self.by_closes;
        self.delivered + self.late + explained + self.missing
    }

    /// One line.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "audit: {} due = {} delivered + explained ({} by gaps, {} by resets, {} by drops, {} by closes); violations: {} missing, \
             {} repeated, {} late, {} misstated, {} never published",
            self.due,
            self.delivered,
            self.by_gaps,
            self.by_resets,
            self.by_drops,
            self.by_closes,
            self.missing,
            self.repeated,
            self.late,
            self.misstated,
            self.unknown
        )
    }
}

/// All subscribers.
#[derive(Clone, Debug)]
pub(crate) struct Resumable {
    /// Events of each topic that were published so far.
    published: Vec<u64>,
    accounts: Vec<Account>,
    totals: Totals,
    /// Of the healthy, and of the slow.
    tallies: [Tally; 2],
    /// What was wrong first.
    first_violation: Option<String>,
}

impl Resumable {
    /// So many topics, to which nothing was published.
    pub(crate) fn new(topics: usize) -> Self {
        Self {
            published: vec![0; topics],
            accounts: Vec::new(),
            totals: Totals::default(),
            tallies: Default::default(),
            first_violation: None,
        }
    }

    /// Adds a subscriber who is away. With a cursor it is entitled to all that is ever published.
    pub(crate) fn subscribe(&mut self, topic: usize, group: Group, has_cursor: bool) {
        let topic = u32::try_from(topic).unwrap_or(u32::MAX);
        self.accounts.push(Account {
            topic,
            group,
            open_since: None,
            has_cursor,
            entitled: if has_cursor { 0 } else { u64::MAX },
            next: 0,
            number: Some(0),
            explained: Explained::Nothing,
            missing: Vec::new(),
        });
    }

    /// The group of a subscriber.
    pub(crate) fn group(&self, index: usize) -> Group {
        self.accounts[index].group
    }

    /// What happened to a group.
    pub(crate) fn tally(&self, group: Group) -> &Tally {
        &self.tallies[group as usize]
    }

    /// Events that were published, to one topic after the other.
    pub(crate) fn started(&self) -> u64 {
        self.published.iter().sum()
    }

    /// One more event is on its way: returns its topic, and its sequence there.
    pub(crate) fn start(&mut self) -> (usize, u64) {
        let topic = self.started() % self.published.len() as u64;
        // Less than a length.
        let topic = usize::try_from(topic).unwrap_or_default();
        self.published[topic] += 1;
        (topic, self.published[topic] - 1)
    }

    /// A subscriber was told that it listens. Without a cursor it is entitled to what is published
    /// from now on.
    fn attach(&mut self, index: usize, now: Instant) {
        let account = &mut self.accounts[index];
        account.open_since = Some(now);
        if !account.has_cursor {
            account.entitled = self.published[account.topic as usize];
        }
    }

    /// A subscriber is gone. One without a cursor has no claim to what it has not heard.
    fn detach(&mut self, index: usize) {
        let account = &mut self.accounts[index];
        account.open_since = None;
        if !account.has_cursor {
            account.explained = Explained::Nothing;
            account.entitled = u64::MAX;
        }
    }

    /// Whether a subscriber has heard all that was published and that it is entitled to.
    pub(crate) fn is_current(&self, index: usize) -> bool {
        let account = &self.accounts[index];
        let published = self.published[account.topic as usize];
        account.next.max(account.entitled.min(published)) == published
    }

    /// A subscriber is told that events are missing.
    fn hole(&mut self, index: usize, hole: Hole) {
        let account = &mut self.accounts[index];
        match hole {
            Hole::Range { first, last } => {
                let expected = account.number.replace(last + 1);
                if expected.is_some_and(|expected| expected != first) {
                    self.totals.misstated += 1;
                    let why = format!("a gap {first}-{last} before number {expected:?}");
                    self.note(index, &why);
                }
                let count = last - first + 1;
                let account = &mut self.accounts[index];
                account.explained = match account.explained {
                    Explained::Gap(before) => Explained::Gap(before + count),
                    Explained::Reset => Explained::Reset,
                    Explained::Nothing | Explained::Dropped(_) => Explained::Gap(count),
                };
            }
            Hole::Reset => {
                account.number = None;
                account.explained = Explained::Reset;
            }
            Hole::Dropped(count) => {
                account.explained = match account.explained {
                    Explained::Dropped(before) => Explained::Dropped(before + count),
                    _ => Explained::Dropped(count),
                };
            }
        }
    }

    /// A subscriber hears an event. Whether it was the one it should be.
    fn hear(&mut self, index: usize, sequence: u64, number: Option<u64>) -> bool {
        let account = &mut self.accounts[index];
        if sequence >= self.published[account.topic as usize] {
            self.totals.unknown += 1;
            self.note(index, &format!("event {sequence} was never published"));
            return false;
        }
        if let Some(found) = number {
            let expected = account.number.replace(found + 1);
            if expected.is_some_and(|expected| expected != found) {
                self.totals.misstated += 1;
                self.note(index, &format!("number {found} instead of {expected:?}"));
            }
        }
        let account = &mut self.accounts[index];
        if sequence < account.next {
            return self.hear_again(index, sequence);
        }
        self.pass(index, sequence);
        let account = &mut self.accounts[index];
        account.next = sequence + 1;
        account.explained = Explained::Nothing;
        self.totals.delivered += 1;
        true
    }

    /// Ends the check: all who are present should have heard all. Returns the totals, and what was
    /// wrong first.
    pub(crate) fn finish(mut self) -> (Totals, Option<String>) {
        for index in 0..self.accounts.len() {
            let end = self.published[self.accounts[index].topic as usize];
            self.pass(index, end);
            self.totals.due += end;
        }
        debug_assert_eq!(
            self.totals.due,
            self.totals.accounted(),
            "every delivery is accounted for"
        );
        (self.totals, self.first_violation)
    }

    /// What was found so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Judges the events before `sequence` that an account has not heard.
    fn pass(&mut self, index: usize, sequence: u64) {
        let Account {
            next,
            entitled,
            explained,
            ..
        } = self.accounts[index];
        // Who was away has no claim to what was published meanwhile.
        let away = entitled.min(sequence).saturating_sub(next);
        self.totals.by_closes += away;
        let first = next + away;
        let hole = sequence - first;
        let (told, explains) = match explained {
            Explained::Nothing => (0, None),
            Explained::Reset => (hole, Some(&mut self.totals.by_resets)),
            Explained::Gap(count) => (count, Some(&mut self.totals.by_gaps)),
            Explained::Dropped(count) => (count, Some(&mut self.totals.by_drops)),
        };
        if let Some(total) = explains {
            *total += told.min(hole);
        }
        if told > hole {
            self.totals.misstated += 1;
            self.note(
                index,
                &format!("told of {told} missing before {sequence}, missed {hole}"),
            );
        }
        if hole > told {
            self.totals.missing += hole - told;
            self.note(
                index,
                &format!("events {first}..{sequence} are missing, told of {told}"),
            );
            if told == 0 {
                let missing = &mut self.accounts[index].missing;
                missing.truncate(MISSING_REMEMBERED - 1);
                missing.insert(0, (first, sequence));
            }
        }
        self.accounts[index].next = sequence;
    }

    /// An event that is not the next one was heard before, or is late.
    fn hear_again(&mut self, index: usize, sequence: u64) -> bool {
        let missing = &mut self.accounts[index].missing;
        let within = |&(first, end): &(u64, u64)| (first..end).contains(&sequence);
        if let Some(place) = missing.iter().position(within) {
            let (first, end) = missing.remove(place);
            let parts = [(first, sequence), (sequence + 1, end)];
            missing.extend(parts.into_iter().filter(|(first, end)| first < end));
            self.totals.missing -= 1;
            self.totals.late += 1;
            self.note(index, &format!("event {sequence} came late"));
        } else {
            self.totals.repeated += 1;
            self.note(index, &format!("event {sequence} came again"));
        }
        false
    }

    fn note(&mut self, index: usize, what: &str) {
        let topic = self.accounts[index].topic;
        self.first_violation
            .get_or_insert_with(|| format!("subscriber {index} of topic {topic}: {what}"));
    }
}

impl DeliveryCheck for Resumable {
    fn heard(&mut self, index: usize, heard: Heard<'_>, timing: &mut Timing) -> Result<(), String> {
        let group = self.accounts[index].group;
        let tally = &mut self.tallies[group as usize];
        match heard {
            Heard::Opened => {
                tally.opened += 1;
                self.attach(index, timing.now());
            }
            Heard::Answered => {}
            Heard::Hole(hole) => {
                match hole {
                    Hole::Dropped(_) => tally.drops += 1,
                    Hole::Range { .. } | Hole::Reset => tally.gaps += 1,
                }
                self.hole(index, hole);
            }
            Heard::Event(event) => {
                let sequence = event
                    .sequence
                    .ok_or("an event that nobody published here")?;
                let is_new = self.hear(index, sequence, event.number);
                let Account {
                    topic, open_since, ..
                } = self.accounts[index];
                // Of those that fell due before it listened nobody knows how long they would have
                // taken.
                let place = sequence * self.published.len() as u64 + u64::from(topic);
                if let Some(due) = timing.due(place)
                    && is_new
                    && group == Group::Healthy
                    && open_since.is_some_and(|since| since <= due)
                {
                    timing.since(due);
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, index: usize, code: u16, _: &str) -> Result<(), String> {
        let group = self.accounts[index].group;
        let endings = &mut self.tallies[group as usize].endings;
        *endings.entry(code).or_default() += 1;
        Ok(())
    }

    fn left(&mut self, index: usize) {
        self.detach(index);
    }

    fn progress(&self) -> String {
        let first = self.first_violation.as_deref().unwrap_or("none");
        let totals = self.totals.sentence();
        format!("the first violation: {first}; {totals}")
    }
}

#[cfg(test)]
#[path = "resumable_tests.rs"]
mod tests;

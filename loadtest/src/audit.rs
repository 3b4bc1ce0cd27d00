//! Every published event times every subscriber entitled to it: heard once and in order, or explained.
//!
//! What explains a loss is a gap that says which numbers are missing, a reset (the cursor is from another life of the
//! log), news of how many were dropped, or, where there is no cursor, that the subscriber was away. A topic is a
//! session whose events have sequence numbers from 0 in their payload, all published by one publisher. An account is
//! one subscriber of a topic: what it is to hear next, and what was owned up to before that; so memory does not grow with
//! what was heard. The log's own numbers are a second set of books. No sockets, no clocks.

use crate::listener::Hole;

/// Unexplained holes that an account remembers, so that what comes late is told from what comes twice.
const MISSING_REMEMBERED: usize = 4;

/// What was owned up to before the next event.
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

/// One subscriber.
#[derive(Clone, Debug)]
struct Account {
    topic: u32,
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

    /// What is accounted for; `due` if the books are right.
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

/// All accounts.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    /// Events of each topic that were published so far.
    published: Vec<u64>,
    accounts: Vec<Account>,
    totals: Totals,
    /// What was wrong first, for whoever looks into it.
    first_violation: Option<String>,
}

impl Audit {
    /// Books of so many topics, to which nothing was published.
    pub(crate) fn new(topics: usize) -> Self {
        Self {
            published: vec![0; topics],
            accounts: Vec::new(),
            totals: Totals::default(),
            first_violation: None,
        }
    }

    /// Opens the account of a subscriber who is away, and gives its index. With a cursor it is entitled to all that is
    /// ever published.
    pub(crate) fn subscribe(&mut self, topic: usize, has_cursor: bool) -> usize {
        let topic = u32::try_from(topic).unwrap_or(u32::MAX);
        self.accounts.push(Account {
            topic,
            has_cursor,
            entitled: if has_cursor { 0 } else { u64::MAX },
            next: 0,
            number: Some(0),
            explained: Explained::Nothing,
            missing: Vec::new(),
        });
        self.accounts.len() - 1
    }

    /// So many more events are on their way to a topic.
    pub(crate) fn publish(&mut self, topic: usize, events: u64) {
        self.published[topic] += events;
    }

    /// A subscriber was told that it listens. Without a cursor it is entitled to what is published from now on.
    pub(crate) fn attach(&mut self, index: usize) {
        let account = &mut self.accounts[index];
        if !account.has_cursor {
            account.entitled = self.published[account.topic as usize];
        }
    }

    /// A subscriber is gone. One without a cursor has no claim to what it has not heard.
    pub(crate) fn detach(&mut self, index: usize) {
        let account = &mut self.accounts[index];
        if !account.has_cursor {
            account.explained = Explained::Nothing;
            account.entitled = u64::MAX;
        }
    }

    /// The last number that a subscriber heard or was told of, -1 if none: its cursor.
    pub(crate) fn cursor(&self, index: usize) -> i64 {
        let number = self.accounts[index].number.unwrap_or(0);
        i64::try_from(number).map_or(i64::MAX, |next| next - 1)
    }

    /// Whether a subscriber has heard all that was published and that it is entitled to.
    pub(crate) fn is_current(&self, index: usize) -> bool {
        let account = &self.accounts[index];
        let published = self.published[account.topic as usize];
        account.next.max(account.entitled.min(published)) == published
    }

    /// A subscriber is told that events are missing.
    pub(crate) fn hole(&mut self, index: usize, hole: Hole) {
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
    pub(crate) fn hear(&mut self, index: usize, sequence: u64, number: Option<u64>) -> bool {
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

    /// Closes the books: all who are present should have heard all. Gives the totals, and what was wrong first.
    pub(crate) fn finish(mut self) -> (Totals, Option<String>) {
        for index in 0..self.accounts.len() {
            let end = self.published[self.accounts[index].topic as usize];
            self.pass(index, end);
            self.totals.due += end;
        }
        debug_assert_eq!(
            self.totals.due,
            self.totals.accounted(),
            "books that balance"
        );
        (self.totals, self.first_violation)
    }

    /// What was wrong first.
    pub(crate) fn first_violation(&self) -> Option<&str> {
        self.first_violation.as_deref()
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

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;

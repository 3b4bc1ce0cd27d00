//! What is known about every log, from whoever saw it, and what must hold.
//!
//! Every payload is published once, so a payload names its event. A position (token, epoch, number)
//! holds one payload, whoever reads it, and a payload stands at one position, except those that
//! were told to the group, which stand once in each log.

use std::collections::{BTreeMap, HashMap, HashSet};

/// One life of one log.
type Life = (String, String);

/// Everything that was seen so far.
#[derive(Default)]
pub(crate) struct Oracle {
    logs: BTreeMap<Life, BTreeMap<u64, String>>,
    positions: HashMap<(String, String), (String, u64)>,
    refused: HashSet<String>,
    pub(crate) facts: Facts,
}

/// How much happened, so that a simulation in which nothing happens fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) seen: u64,
    pub(crate) accepted: u64,
    pub(crate) gaps: u64,
    pub(crate) resets: u64,
    pub(crate) resumed: u64,
    pub(crate) gone: u64,
    /// Sessions that were ended and that reading did not bring back.
    pub(crate) stayed_gone: u64,
    /// Answers to polls that were not all there is.
    pub(crate) parts: u64,
    pub(crate) repeats: u64,
    pub(crate) told_to_group: u64,
    /// Events that a live subscriber had to receive, and did.
    pub(crate) heard: u64,
    /// Events that a live subscriber must not receive, and did not.
    pub(crate) withheld: u64,
    /// Changes of subscriptions that were answered.
    pub(crate) changes: u64,
    /// Events that a live subscriber was told that it missed.
    pub(crate) missed: u64,
    /// Subscribers that were told exactly how many they missed, as far as one can say.
    pub(crate) exact: u64,
    /// Subscribers that were disconnected because they were slow.
    pub(crate) slow: u64,
    /// Subscribers that left, and were let go.
    pub(crate) polite: u64,
    /// Events that were kept for a new subscriber.
    pub(crate) retained: u64,
    /// Events that came by gRPC.
    pub(crate) called: u64,
    /// Events that came in a room.
    pub(crate) in_rooms: u64,
    /// Scenes in which every delivery that was counted was seen.
    pub(crate) balanced: u64,
}

impl Facts {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.seen += other.seen;
        self.accepted += other.accepted;
        self.gaps += other.gaps;
        self.resets += other.resets;
        self.resumed += other.resumed;
        self.gone += other.gone;
        self.stayed_gone += other.stayed_gone;
        self.parts += other.parts;
        self.repeats += other.repeats;
        self.told_to_group += other.told_to_group;
        self.heard += other.heard;
        self.withheld += other.withheld;
        self.changes += other.changes;
        self.missed += other.missed;
        self.exact += other.exact;
        self.slow += other.slow;
        self.polite += other.polite;
        self.retained += other.retained;
        self.called += other.called;
        self.in_rooms += other.in_rooms;
        self.balanced += other.balanced;
    }

    pub(crate) fn assert_eventful(&self) {
        let all = [
            self.seen,
            self.accepted,
            self.gaps,
            self.resets,
            self.resumed,
            self.gone,
            self.stayed_gone,
            self.parts,
            self.repeats,
            self.told_to_group,
            self.heard,
            self.withheld,
            self.changes,
            self.missed,
            self.exact,
            self.slow,
            self.polite,
            self.retained,
            self.called,
            self.in_rooms,
            self.balanced,
        ];
        assert!(
            all.iter().all(|&count| count > 0),
            "the scenes are too quiet: {self:?}"
        );
    }
}

impl Oracle {
    /// Somebody saw, or was promised, a payload at a position.
    pub(crate) fn saw(&mut self, token: &str, epoch: &str, number: u64, payload: &str) {
        let at = format!("{token} {epoch}:{number}");
        assert!(
            !self.refused.contains(payload),
            "{payload} was refused and is at {at}"
        );
        let log = self
            .logs
            .entry((token.to_owned(), epoch.to_owned()))
            .or_default();
        let known = log.entry(number).or_insert_with(|| payload.to_owned());
        assert_eq!(known, payload, "two events at {at}");
        let scope = if payload.contains("group") {
            format!("{token} {epoch}")
        } else {
            String::new()
        };
        let place = (format!("{token} {epoch}"), number);
        let first = self
            .positions
            .entry((scope, payload.to_owned()))
            .or_insert_with(|| place.clone());
        assert_eq!(*first, place, "{payload} is there twice");
    }

    /// A publisher was told that nothing was published.
    pub(crate) fn refuse(&mut self, payload: &str) {
        let key = (String::new(), payload.to_owned());
        assert!(
            !self.positions.contains_key(&key),
            "{payload} was refused and published"
        );
        self.refused.insert(payload.to_owned());
    }

    /// What is known of one life of a session's log.
    pub(crate) fn log(&self, token: &str, epoch: &str) -> &BTreeMap<u64, String> {
        static NOTHING: BTreeMap<u64, String> = BTreeMap::new();
        let life = (token.to_owned(), epoch.to_owned());
        self.logs.get(&life).unwrap_or(&NOTHING)
    }

    /// Where an event that was told to one session stands: in which life of which log, and its
    /// number.
    pub(crate) fn place(&self, payload: &str) -> Option<(String, u64)> {
        let key = (String::new(), payload.to_owned());
        self.positions.get(&key).cloned()
    }

    /// Each publisher's events stand in each log in the order in which it sent them.
    pub(crate) fn check_order(&self) {
        for (life, log) in &self.logs {
            let mut last: HashMap<String, u64> = HashMap::new();
            for (number, payload) in log {
                let value: serde_json::Value = serde_json::from_str(payload).expect("JSON");
                let Some(count) = value["n"].as_u64() else {
                    continue;
                };
                let before = last.insert(value["by"].to_string(), count);
                assert!(
                    before < Some(count),
                    "{payload} at {number} of {life:?} comes after {before:?}"
                );
            }
        }
    }
}

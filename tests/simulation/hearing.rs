//! A naive hub: which client had to hear which event, may have, or must not.
//!
//! An event is matched on a client's shard at some moment that nobody outside sees: after it was
//! sent, and before the node next came to rest after its publisher had the answer. A filter is in
//! force from some moment between its request and its answer on. Where all filters that may have
//! been in force then agree, so must the node.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::oracle::Facts;

/// A moment of the scene: a count of steps.
pub(crate) type Moment = u64;

/// What was published.
#[derive(Debug)]
pub(crate) struct Told {
    name: String,
    /// The session it was told to, or else the group.
    token: Option<String>,
    payload: Value,
    sent: Moment,
    /// When it was known to be accepted.
    accepted: Option<Moment>,
    refused: bool,
}

/// What a client asked to hear.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    /// Nothing, not yet.
    Nothing,
    /// Of the live dialect: properties and values.
    Properties(Vec<(String, Value)>),
    /// Of the sysadm dialect: names.
    Classes(BTreeSet<String>),
    /// Of the stream dialect: names and where.
    Subscriptions(BTreeSet<(&'static str, Target)>),
}

/// Where the stream dialect listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Everywhere.
    Organization,
    /// In the group.
    Collection,
    /// In a session.
    Layout(String),
}

/// A filter, and when it came into force.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) filter: Filter,
    pub(crate) sent: Moment,
    pub(crate) answered: Option<Moment>,
}

/// How a client's connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not at all: in the end it has everything.
    Open,
    /// The client said goodbye at that moment, and read all until the answer.
    Polite(Moment),
    /// By the server's policy for slow consumers.
    Slow,
    /// Any other way.
    Broken,
}

/// One connection of one client.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) changes: Vec<Change>,
    /// Payloads, in order.
    pub(crate) received: Vec<String>,
    /// Further events that were kept for newcomers.
    pub(crate) retained: u64,
    /// How many events it was told that it missed.
    pub(crate) missed: u64,
    pub(crate) end: End,
}

/// Whether an event is to be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Must,
    May,
    MustNot,
}

/// Everything that was published, and everyone who listened.
#[derive(Default)]
pub(crate) struct Hearing {
    told: HashMap<String, Told>,
    /// Sessions of the group that were never deleted since, and all that ever were.
    faithful: HashSet<String>,
    beneath: HashSet<String>,
    rests: Vec<Moment>,
    /// When the clock moved.
    moves: Vec<Moment>,
    pub(crate) lives: Vec<Life>,
}

impl Life {
    pub(crate) fn new(filter: Filter, sent: Moment) -> Self {
        let nothing = Change {
            filter: Filter::Nothing,
            sent: 0,
            answered: Some(0),
        };
        let first = Change {
            filter,
            sent,
            answered: None,
        };
        Self {
            changes: vec![nothing, first],
            received: Vec::new(),
            retained: 0,
            missed: 0,
            end: End::Broken,
        }
    }
}

impl Hearing {
    pub(crate) fn new(beneath: &[String]) -> Self {
        let beneath: HashSet<String> = beneath.iter().cloned().collect();
        Self {
            faithful: beneath.clone(),
            beneath,
            ..Self::default()
        }
    }

    /// Somebody sends an event; again, if it is known.
    pub(crate) fn tell(&mut self, name: &str, token: Option<&str>, payload: &str, at: Moment) {
        self.told.entry(payload.to_owned()).or_insert_with(|| Told {
            name: name.to_owned(),
            token: token.map(str::to_owned),
            payload: serde_json::from_str(payload).expect("JSON"),
            sent: at,
            accepted: None,
            refused: false,
        });
    }

    pub(crate) fn accept(&mut self, payload: &str, at: Moment) {
        let told = self.told.get_mut(payload).expect("what was sent");
        told.accepted.get_or_insert(at);
    }

    pub(crate) fn refuse(&mut self, payload: &str) {
        self.told.get_mut(payload).expect("what was sent").refused = true;
    }

    /// A session is to be deleted: who uses its name again is in no group.
    pub(crate) fn delete(&mut self, token: &str) {
        self.faithful.remove(token);
    }

    /// Everything that was under way has arrived.
    pub(crate) fn rest(&mut self, at: Moment) {
        self.rests.push(at);
    }

    /// The clock moves.
    pub(crate) fn pass(&mut self, at: Moment) {
        self.moves.push(at);
    }

    /// The name of an event that was sent.
    pub(crate) fn name_of(&self, payload: &str) -> &str {
        let told = self.told.get(payload);
        &told
            .unwrap_or_else(|| panic!("{payload} was never sent"))
            .name
    }

    /// The latest moment at which an event may have been matched.
    fn matched_until(&self, told: &Told) -> Moment {
        let Some(accepted) = told.accepted else {
            return Moment::MAX;
        };
        let next = self.rests.partition_point(|&rest| rest < accepted);
        self.rests.get(next).copied().unwrap_or(Moment::MAX)
    }

    /// An event that was kept came before the answer to a request of that moment. Nothing newer may
    /// have been known then; of events of one millisecond, any may be the last.
    pub(crate) fn check_retained(&self, name: &str, payload: Option<&str>, asked: Moment) {
        let kept = payload.map(|payload| &self.told[payload]);
        let until = kept.map(|kept| {
            let until = self.matched_until(kept);
            let next = self.moves.partition_point(|&at| at < until);
            self.moves.get(next).copied().unwrap_or(Moment::MAX)
        });
        for (other, told) in &self.told {
            let older = told.name == name && self.matched_until(told) < asked;
            assert!(
                !older || until.is_some_and(|until| told.sent <= until),
                "{other} is the last {name}, and not {payload:?}"
            );
        }
    }

    fn group_of(&self, told: &Told) -> Option<bool> {
        match &told.token {
            None => Some(true),
            Some(token) if self.faithful.contains(token) => Some(true),
            Some(token) => (!self.beneath.contains(token)).then_some(false),
        }
    }

    /// Whether an event passes a filter, if that can be said.
    fn passes(&self, filter: &Filter, told: &Told) -> Option<bool> {
        let Filter::Subscriptions(subscriptions) = filter else {
            return filter.passes(told, self.group_of(told));
        };
        let mut passes = Some(false);
        for (names, target) in subscriptions {
            if !names.split('|').any(|name| named(name, &told.name)) {
                continue;
            }
            match self.is_heard_at(target, told) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => passes = None,
            }
        }
        passes
    }

    /// Scopes hear what is addressed to them, beneath them and above them.
    fn is_heard_at(&self, target: &Target, told: &Told) -> Option<bool> {
        match (target, &told.token) {
            (Target::Organization, _) => Some(true),
            (Target::Collection, _) => self.group_of(told),
            (Target::Layout(layout), Some(token)) => Some(layout == token),
            (Target::Layout(layout), None) if self.faithful.contains(layout) => Some(true),
            (Target::Layout(layout), None) => (!self.beneath.contains(layout)).then_some(false),
        }
    }

    fn judge(&self, life: &Life, told: &Told) -> Verdict {
        let until = self.matched_until(told);
        let (mut all, mut any) = (told.accepted.is_some(), false);
        for (index, change) in life.changes.iter().enumerate() {
            let next = life.changes.get(index + 1);
            let replaced = next.map_or(Moment::MAX, |n| n.answered.unwrap_or(Moment::MAX));
            if change.sent > until || replaced < told.sent {
                continue;
            }
            let passes = self.passes(&change.filter, told);
            all &= passes == Some(true);
            any |= passes != Some(false);
        }
        match life.end {
            End::Polite(at) => all &= until < at,
            End::Open | End::Slow | End::Broken => {}
        }
        match (all, any) {
            (true, _) => Verdict::Must,
            (false, true) => Verdict::May,
            (false, false) => Verdict::MustNot,
        }
    }

    /// Compares what everyone received with what they had to. `places` knows where an event stands
    /// in its session's log.
    pub(crate) fn check(&self, places: impl Fn(&str) -> Option<(String, u64)>, facts: &mut Facts) {
        let mut places_of = HashMap::new();
        for payload in self.told.keys() {
            places_of.insert(payload.as_str(), places(payload));
        }
        for life in &self.lives {
            self.check_life(life, &places_of, facts);
        }
    }

    fn check_life(
        &self,
        life: &Life,
        places: &HashMap<&str, Option<(String, u64)>>,
        facts: &mut Facts,
    ) {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut seen = HashSet::new();
        for payload in &life.received {
            let told = self.told.get(payload);
            let told = told.unwrap_or_else(|| panic!("{payload} was never sent"));
            assert!(!told.refused, "{payload} was refused");
            assert!(seen.insert(payload.as_str()), "{payload} came twice");
            let verdict = self.judge(life, told);
            assert_ne!(verdict, Verdict::MustNot, "{told:?} for {:?}", life.changes);
            facts.heard += u64::from(verdict == Verdict::Must);
            if let Some((log, number)) = &places[payload.as_str()] {
                let before = last.insert(log, *number);
                assert!(before < Some(*number), "{payload} came after {before:?}");
            }
        }
        let (mut must, mut may) = (0, 0);
        for (payload, told) in &self.told {
            if seen.contains(payload.as_str()) {
                continue;
            }
            match self.judge(life, told) {
                Verdict::MustNot => facts.withheld += 1,
                Verdict::May => may += 1,
                Verdict::Must => {
                    must += 1;
                    let place = places[payload.as_str()].as_ref();
                    let later = place.and_then(|(log, number)| {
                        last.get(log.as_str()).filter(|last| *last > number)
                    });
                    assert!(
                        later.is_none() || life.missed > 0,
                        "{told:?} is missing in front of {later:?}: {:?}",
                        life.changes
                    );
                }
            }
        }
        if matches!(life.end, End::Open | End::Polite(_)) {
            assert!(
                must <= life.missed && life.missed <= must + may,
                "{} events are said to be missing: {must} are, and of {may} more one cannot say",
                life.missed
            );
            facts.exact += u64::from(life.missed > 0 && may == 0);
        }
        facts.missed += life.missed;
    }
}

impl Filter {
    /// Whether an event passes, if that can be said. `group`: whether it is the group's.
    fn passes(&self, told: &Told, group: Option<bool>) -> Option<bool> {
        match self {
            Self::Nothing | Self::Subscriptions(_) => Some(false),
            Self::Classes(classes) => Some(classes.contains(&told.name)),
            Self::Properties(filters) => {
                let mut properties: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
                for (property, value) in filters {
                    properties.entry(property).or_default().push(value);
                }
                let mut passes = Some(true);
                for (property, values) in properties {
                    let fits = |value: &Value| values.iter().any(|wanted| fits(wanted, value));
                    match property {
                        "groupId" => match group {
                            Some(true) if fits(&Value::from(crate::world::GROUP)) => {}
                            Some(_) => return Some(false),
                            None => passes = None,
                        },
                        _ => {
                            if !value_of(told, property).is_some_and(|value| fits(&value)) {
                                return Some(false);
                            }
                        }
                    }
                }
                passes
            }
        }
    }
}

/// Whether a name is meant by a pattern that may end in a star.
fn named(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

fn value_of(told: &Told, property: &str) -> Option<Value> {
    match property {
        "type" => Some(Value::from(told.name.as_str())),
        "sessionId" => told.token.clone().map(Value::from),
        _ => match property.split_once('.') {
            Some((outer, inner)) => told.payload.get(outer)?.get(inner).cloned(),
            None => told.payload.get(property).cloned(),
        },
    }
}

fn fits(wanted: &Value, value: &Value) -> bool {
    match (wanted, value) {
        (Value::String(star), value) if star == "*" => !value.is_null(),
        (Value::String(text), Value::Bool(_) | Value::Number(_)) => {
            let json = value.to_string();
            *text == json
        }
        (wanted, value) => wanted == value && !value.is_array() && !value.is_object(),
    }
}

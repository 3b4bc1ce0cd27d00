//! Byte strings, read as calls to a filter table, and the table compared with a scan.
//!
//! Besides what `tests/model/filters.rs` does, callers here contradict one another about what
//! stands above a scope, and payloads are whatever a publish lets pass. What the table promises of
//! contradictions: what a subscription says of its scope's parents holds for all subscriptions
//! there, and what is learned replaces what was known, of the scope and of the sessions in it. What
//! a scope without subscriptions remembers is not promised: the first subscription at a project is
//! followed by learning what it said.

use std::collections::BTreeMap;

use bytes::Bytes;
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names,
    OrganizationId, Parents, Property, PropertyFilter, Scope, ScopeName, SubscriberId,
    Subscription, SubscriptionId, ValueFilter,
};

use crate::Fuzzer;
use crate::json::CORPUS;
use crate::naive_filters::{Fact, Json, Place, level_of, name_fits, passes, related};
use crate::naive_json;

const ROUNDS: u64 = 60;
const BYTES: usize = 6_000;

const SCOPES: [&str; 4] = ["0", "1", "2", "same"];
const PATTERNS: [&str; 16] = [
    "a",
    "ab",
    "",
    "5",
    "\u{fffd}",
    "*",
    "a*",
    "*b",
    "a*b*",
    "{\"a\":*",
    "**",
    "*a*",
    "*a*b*",
    "a*b*b",
    "*\"*:*",
    "*\u{fffd}*",
];
/// Names as JSON: some are no strings, some say the same in other words.
const NAMES: [&str; 11] = [
    r#""a""#,
    r#""ab""#,
    r#""\u0061b""#,
    r#""""#,
    "5",
    r#""5""#,
    r#""\ud800""#,
    "{ \"a\" :\t1 }",
    r#"{"a":1}"#,
    "[\n]",
    "null",
];
const FIELDS: [&str; 14] = [
    "x",
    "y",
    "a",
    "b",
    "c",
    "a.b",
    "a.b.c",
    "data",
    "q\"u",
    "",
    ".",
    "\u{fffd}",
    "\\",
    "a.a.a.a.a.a",
];
const TEXTS: [&str; 12] = [
    "1",
    "1.0",
    "x",
    "true",
    "null",
    "",
    "\u{fffd}",
    "a\"b",
    "é\u{1f600}",
    "1000",
    "0",
    "same",
];
const LITERALS: [&str; 8] = [
    "1",
    "1.0",
    "true",
    "-0",
    "1e5",
    "1000",
    "1e999999",
    "123456789012345678901234567890.000",
];

/// Bytes that decisions are read from, until there are none.
struct Tape<'t>(std::slice::Iter<'t, u8>);

impl Tape<'_> {
    fn below(&mut self, bound: usize) -> usize {
        self.0.next().map_or(0, |&byte| usize::from(byte) % bound)
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn scope_name(&mut self) -> ScopeName {
        ScopeName::new(self.pick(&SCOPES))
    }

    fn scope(&mut self) -> Scope {
        let organization = OrganizationId(self.below(10) as u32 / 8);
        let address = match self.below(8) {
            0 => Address::Organization,
            1 => Address::Group(self.scope_name()),
            2..5 => Address::Project(self.scope_name()),
            _ => Address::Session(self.scope_name()),
        };
        Scope {
            organization,
            address,
        }
    }

    /// What somebody says of what stands above; nothing that cannot.
    fn parents(&mut self, address: &Address) -> Parents {
        let level = level_of(address).0;
        let mut maybe =
            |above: usize| (above < level && self.below(3) > 0).then(|| self.scope_name());
        Parents {
            group: maybe(1),
            project: maybe(2),
        }
    }

    fn names(&mut self) -> Names {
        if self.below(3) == 0 {
            return Names::Every;
        }
        let count = self.below(4);
        Names::Any(
            (0..count)
                .map(|_| NamePattern::parse(self.pick(&PATTERNS)))
                .collect(),
        )
    }

    fn filter(&mut self) -> PropertyFilter {
        let property = match self.below(13) {
            0 => Property::Time,
            1 => Property::Group,
            2 => Property::Project,
            3 => Property::Session,
            4 => Property::Field(self.pick(&FIELDS).into()),
            _ => Property::Payload(self.pick(&FIELDS).into()),
        };
        let value = |tape: &mut Self| match tape.below(6) {
            0 => ValueFilter::Null,
            1 => ValueFilter::Present,
            2 => ValueFilter::Literal(tape.pick(&LITERALS).into()),
            _ => ValueFilter::Text(tape.pick(&TEXTS).into()),
        };
        let count = [0, 1, 1, 1, 1, 2, 2, 5][self.below(8)];
        PropertyFilter {
            property,
            values: (0..count).map(|_| value(self)).collect(),
        }
    }
}

/// A subscription that is held; what it says of parents holds no longer than until others speak.
struct Held {
    id: SubscriptionId,
    subscriber: SubscriberId,
    wanted: Subscription,
}

type Known = BTreeMap<(u32, usize, String), [Option<ScopeName>; 2]>;

struct World {
    fuzzer: Fuzzer,
    table: FilterTable,
    scratch: MatchScratch,
    held: Vec<Held>,
    /// The group and project above each scope that has subscriptions.
    known: Known,
    heard: usize,
}

fn key(organization: OrganizationId, address: &Address) -> (u32, usize, String) {
    let (level, name) = level_of(address);
    (organization.0, level, name.to_owned())
}

fn place(address: &Address, above: &[Option<ScopeName>; 2]) -> Place {
    let text = |name: &Option<ScopeName>| name.as_ref().map(|name| name.as_str().to_owned());
    let mut path = [text(&above[0]), text(&above[1]), None];
    let (level, name) = level_of(address);
    if level > 0 {
        path[level - 1] = Some(name.to_owned());
    }
    Place { path, level }
}

impl World {
    fn subscribe(&mut self, tape: &mut Tape<'_>) {
        let scope = tape.scope();
        let parents = tape.parents(&scope.address);
        let filters = tape.below(4);
        let wanted = Subscription {
            scope,
            parents,
            names: tape.names(),
            properties: (0..filters).map(|_| tape.filter()).collect(),
        };
        let subscriber = SubscriberId(tape.below(40) as u32);
        let id = self.table.subscribe(subscriber, &wanted);
        let (scope, parents) = (wanted.scope.clone(), wanted.parents.clone());
        let key = key(scope.organization, &scope.address);
        let is_first = !self.known.contains_key(&key);
        let [group, project] = self.known.entry(key).or_default();
        for (known, said) in [(group, &parents.group), (project, &parents.project)] {
            if said.is_some() {
                known.clone_from(said);
            }
        }
        self.held.push(Held {
            id,
            subscriber,
            wanted,
        });
        if is_first && matches!(scope.address, Address::Project(_)) {
            self.learn(scope.organization, &scope.address, &parents);
        }
    }

    fn unsubscribe(&mut self, at: usize) {
        let held = self.held.swap_remove(at);
        self.table.unsubscribe(held.id);
        let scope = &held.wanted.scope;
        if !self.held.iter().any(|other| other.wanted.scope == *scope) {
            self.known.remove(&key(scope.organization, &scope.address));
        }
    }

    fn learn(&mut self, organization: OrganizationId, child: &Address, parents: &Parents) {
        self.table.learn(organization, child, parents);
        if let Some(known) = self.known.get_mut(&key(organization, child)) {
            *known = [parents.group.clone(), parents.project.clone()];
        }
        if let Address::Project(project) = child {
            for ((theirs, level, _), known) in &mut self.known {
                if (*theirs, *level) == (organization.0, 3) && known[1].as_ref() == Some(project) {
                    known[0].clone_from(&parents.group);
                }
            }
        }
    }

    /// Text that a publish takes: now and then mutated, if that leaves it valid.
    fn payload(&mut self, tape: &mut Tape<'_>) -> (String, Json) {
        let (text, other) = (tape.pick(&CORPUS), tape.pick(&CORPUS));
        if tape.below(3) > 0 {
            for _ in 0..8 {
                let mutated = self.fuzzer.mutate(text.as_bytes(), other.as_bytes());
                if let Ok(mutated) = String::from_utf8(mutated)
                    && mutated != text
                    && let Some(json) = naive_json::read(&mutated)
                {
                    return (mutated, json);
                }
            }
        }
        let nesting = [0, 0, 0, 60, 115][tape.below(5)];
        let text = format!("{}{text}{}", "{\"a\":".repeat(nesting), "}".repeat(nesting));
        let json = naive_json::read(&text).expect("valid");
        (text, json)
    }

    fn check(&mut self, tape: &mut Tape<'_>) {
        let scope = tape.scope();
        let parents = tape.parents(&scope.address);
        let (text, payload) = self.payload(tape);
        let name = tape.pick(&NAMES);
        let time_ms = 1_000 + tape.below(2) as u64;
        let fact = Fact {
            organization: scope.organization.0,
            place: place(
                &scope.address,
                &[parents.group.clone(), parents.project.clone()],
            ),
            name: match name.strip_prefix('"') {
                Some(_) => naive_json::text(name),
                None => naive_json::compact(name),
            },
            payload,
            time_ms,
        };
        let event = Event {
            id: EventId(uuid::Uuid::nil()),
            name: EventName::from_json(Bytes::from_static(name.as_bytes())),
            payload: Bytes::from(text.clone()),
            metadata: None,
            origin: None,
            correlation: None,
            scope,
            parents,
            time_ms,
        };
        self.table.matches(&event, &mut self.scratch);
        let mut told = self.scratch.subscribers.clone();
        told.sort_unstable();
        let hearing = self
            .held
            .iter()
            .filter(|held| self.hears(&held.wanted, &fact));
        let mut expected: Vec<_> = hearing.map(|held| held.subscriber).collect();
        expected.sort_unstable();
        expected.dedup();
        self.heard += expected.len();
        assert_eq!(told, expected, "{fact:?}\n{text}");
    }

    fn hears(&self, wanted: &Subscription, fact: &Fact) -> bool {
        let Scope {
            organization,
            address,
        } = &wanted.scope;
        let known = &self.known[&key(*organization, address)];
        organization.0 == fact.organization
            && related(&place(address, known), &fact.place)
            && name_fits(&wanted.names, &fact.name)
            && wanted.properties.iter().all(|filter| passes(filter, fact))
    }

    fn run(&mut self, mut tape: Tape<'_>, held_max: usize) {
        while !tape.0.as_slice().is_empty() {
            match tape.below(12) {
                0..5 if self.held.len() < held_max => self.subscribe(&mut tape),
                0..7 if !self.held.is_empty() => {
                    let at = tape.below(self.held.len().min(256));
                    self.unsubscribe(at);
                }
                7 => {
                    let scope = tape.scope();
                    let parents = tape.parents(&scope.address);
                    self.learn(scope.organization, &scope.address, &parents);
                }
                _ => self.check(&mut tape),
            }
            assert_eq!(self.table.len(), self.held.len());
        }
    }
}

#[test]
fn a_filter_table_tells_whom_a_scan_would_tell() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let mut bytes =
        |count: usize| -> Vec<u8> { (0..count).map(|_| fuzzer.below(256) as u8).collect() };
    let (input, other) = (bytes(BYTES), bytes(BYTES / 10));
    let input = fuzzer.mutate(&input, &other);
    let mut world = World {
        fuzzer,
        table: FilterTable::new(seed),
        scratch: MatchScratch::default(),
        held: Vec::new(),
        known: Known::new(),
        heard: 0,
    };
    world.run(Tape(input.iter()), [6, 60, 250][(seed % 3) as usize]);
    while !world.held.is_empty() {
        world.unsubscribe(0);
    }
    assert!(world.table.is_empty() && world.table.programs() == 0);
    assert!(
        world.heard > 0 || input.len() < BYTES / 2,
        "nothing is shown"
    );
}

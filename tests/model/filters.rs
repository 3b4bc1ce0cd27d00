//! `hub::FilterTable` against evaluating every subscription by itself.
//!
//! Small alphabets, so that programs are shared, lists burst, names collide and scopes are learned
//! in every order. `FANFARE_SEED` repeats one run, `FANFARE_ROUNDS` sets how many there are.

use std::fmt::Write as _;

use bytes::Bytes;
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names,
    OrganizationId, Parents, Property, PropertyFilter, Scope, ScopeName, SubscriberId,
    Subscription, SubscriptionId, ValueFilter,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::naive_filters::{Fact, Json, Place, level_of, name_fits, passes, related};

const ROUNDS: u64 = 60;
const NAMES: [&str; 11] = [
    "a", "ab", "abc", "b", "a:b", "", "é", "a\"b", "5", "abcabc", "bébc",
];
const PATTERNS: [&str; 22] = [
    "*", "a*", "*b", "a*b", "a*c", "*b*", "ab*", "**", "a:*", "é*", "*\"*", "", "*a*b*", "*b*a*",
    "a*b*c", "*b*c", "ab*ca*", "*é*", "*bc*bc*", "a*a*", "*b*b*c*", "b*é*b*",
];
const FIELDS: [&str; 11] = [
    "x", "y", "a", "b", "c", "a.b", "b.c", "a.b.c", "data", "q\"u", "",
];
const TEXTS: [&str; 12] = [
    "1",
    "1.0",
    "true",
    "x",
    "a\"b",
    "é\u{1f600}",
    "",
    "g0",
    "p1",
    "s2",
    "null",
    "1000",
];
const LITERALS: [&str; 7] = ["1", "1.0", "true", "false", "-0", "1e5", "1000"];
const GROUPS: [&str; 2] = ["g0", "same"];
const PROJECTS: [&str; 3] = ["p0", "p1", "same"];
const SESSIONS: [&str; 5] = ["s0", "s1", "s2", "s3", "same"];

/// What is known of one organization's tree.
#[derive(Default)]
struct Tree {
    /// The group of each project.
    projects: [Option<usize>; PROJECTS.len()],
    /// The project of each session, or at least the group.
    sessions: [(Option<usize>, Option<usize>); SESSIONS.len()],
}

fn index(names: &[&str], name: &str) -> usize {
    names.iter().position(|n| *n == name).unwrap()
}

impl Tree {
    fn parents(&self, address: &Address) -> Parents {
        let (project, group) = match level_of(address) {
            (2, name) => (None, self.projects[index(&PROJECTS, name)]),
            (3, name) => match self.sessions[index(&SESSIONS, name)] {
                (Some(project), _) => (Some(project), self.projects[project]),
                (None, group) => (None, group),
            },
            _ => (None, None),
        };
        Parents {
            group: group.map(|group| ScopeName::new(GROUPS[group])),
            project: project.map(|project| ScopeName::new(PROJECTS[project])),
        }
    }

    fn place(&self, address: &Address) -> Place {
        let parents = self.parents(address);
        let text = |name: Option<ScopeName>| name.map(|name| name.as_str().to_owned());
        let mut path = [text(parents.group), text(parents.project), None];
        let (level, name) = level_of(address);
        if level > 0 {
            path[level - 1] = Some(name.to_owned());
        }
        Place { path, level }
    }
}

struct Held {
    id: SubscriptionId,
    subscriber: SubscriberId,
    wanted: Subscription,
}

struct World {
    rng: ChaCha8Rng,
    table: FilterTable,
    scratch: MatchScratch,
    trees: [Tree; 2],
    held: Vec<Held>,
    heard: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            table: FilterTable::new(seed),
            scratch: MatchScratch::default(),
            trees: Default::default(),
            held: Vec::new(),
            heard: 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn maybe(&mut self, bound: usize) -> Option<usize> {
        let at = self.below(bound + 1);
        (at < bound).then_some(at)
    }

    fn address(&mut self) -> Address {
        match self.below(7) {
            0 => Address::Organization,
            1 => Address::Group(ScopeName::new(self.pick(&GROUPS))),
            2 | 3 => Address::Project(ScopeName::new(self.pick(&PROJECTS))),
            _ => Address::Session(ScopeName::new(self.pick(&SESSIONS))),
        }
    }

    fn names(&mut self) -> Names {
        if self.below(4) == 0 {
            return Names::Every;
        }
        let pattern = |world: &mut Self| match world.below(2) {
            0 => NamePattern::Exact(world.pick(&NAMES).into()),
            _ => NamePattern::parse(world.pick(&PATTERNS)),
        };
        let count = self.below(12).min(3);
        Names::Any((0..count).map(|_| pattern(self)).collect())
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
        let value = |world: &mut Self| match world.below(7) {
            0 => ValueFilter::Null,
            1 => ValueFilter::Present,
            2 | 3 => ValueFilter::Literal(world.pick(&LITERALS).into()),
            _ => ValueFilter::Text(world.pick(&TEXTS).into()),
        };
        let count = match self.below(20) {
            0 => 0,
            1..14 => 1,
            n => n - 12,
        };
        PropertyFilter {
            property,
            values: (0..count).map(|_| value(self)).collect(),
        }
    }

    fn subscribe(&mut self) {
        let (organization, address) = (self.below(10) / 8, self.address());
        let filters = self.below(4);
        let parents = self.trees[organization].parents(&address);
        let wanted = Subscription {
            scope: Scope {
                organization: OrganizationId(organization as u32),
                address,
            },
            parents,
            names: self.names(),
            properties: (0..filters).map(|_| self.filter()).collect(),
        };
        let subscriber = SubscriberId(self.below(40) as u32);
        let id = self.table.subscribe(subscriber, &wanted);
        let held = Held {
            id,
            subscriber,
            wanted,
        };
        self.held.push(held);
    }

    /// Sessions move and projects come to groups, in any order.
    fn learn(&mut self) {
        let organization = self.below(2);
        let (project, group) = (self.maybe(PROJECTS.len()), self.maybe(GROUPS.len()));
        let child = if self.below(2) == 0 {
            let at = self.below(PROJECTS.len());
            self.trees[organization].projects[at] = group;
            Address::Project(ScopeName::new(PROJECTS[at]))
        } else {
            let at = self.below(SESSIONS.len());
            self.trees[organization].sessions[at] = (project, group);
            Address::Session(ScopeName::new(SESSIONS[at]))
        };
        let parents = self.trees[organization].parents(&child);
        let organization = OrganizationId(organization as u32);
        self.table.learn(organization, &child, &parents);
    }

    fn json(&mut self, depth: usize) -> Json {
        match self.below(if depth == 0 { 7 } else { 12 }) {
            0 => Json::Null,
            1 | 2 => Json::Literal(self.pick(&LITERALS).to_owned()),
            3..7 => Json::Text(self.pick(&TEXTS).to_owned()),
            7 => {
                let count = self.below(3);
                Json::List((0..count).map(|_| self.json(depth - 1)).collect())
            }
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Json {
        let count = self.below(6);
        let field = |world: &mut Self| (world.pick(&FIELDS).to_owned(), world.json(depth));
        Json::Object((0..count).map(|_| field(self)).collect())
    }

    /// A string as JSON, with escapes that nobody asked for.
    fn quote(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            if self.below(6) == 0 {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").unwrap();
                }
            } else if character == '"' {
                out.push_str("\\\"");
            } else {
                out.push(character);
            }
        }
        out.push('"');
    }

    fn space(&mut self, out: &mut String) {
        out.push_str(["", "", "", " ", "\n\t"][self.below(5)]);
    }

    fn write(&mut self, json: &Json, out: &mut String) {
        self.space(out);
        match json {
            Json::Null => out.push_str("null"),
            Json::Literal(text) => out.push_str(text),
            Json::Text(text) => self.quote(text, out),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    self.write(item, out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                self.space(out);
                for (at, (key, value)) in fields.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    self.space(out);
                    self.quote(key, out);
                    self.space(out);
                    out.push(':');
                    self.write(value, out);
                }
                out.push('}');
            }
        }
        self.space(out);
    }

    fn event(&mut self) -> (Event, Fact) {
        let organization = self.below(10) / 8;
        let address = self.address();
        let tree = &self.trees[organization];
        let (parents, place) = (tree.parents(&address), tree.place(&address));
        let payload = if self.below(8) == 0 {
            self.json(1)
        } else {
            self.object(3)
        };
        let mut text = String::new();
        self.write(&payload, &mut text);
        let name = self.pick(&NAMES).to_owned();
        let mut json = String::new();
        match &*name {
            "5" => json.push('5'),
            name => self.quote(name, &mut json),
        }
        let time_ms = 1_000 + self.below(2) as u64;
        let event = Event {
            id: EventId(uuid::Uuid::nil()),
            name: EventName::from_json(Bytes::from(json)),
            payload: Bytes::from(text),
            metadata: None,
            origin: None,
            correlation: None,
            scope: Scope {
                organization: OrganizationId(organization as u32),
                address,
            },
            parents,
            time_ms,
        };
        let fact = Fact {
            organization: organization as u32,
            place,
            name,
            payload,
            time_ms,
        };
        (event, fact)
    }

    fn hears(&self, wanted: &Subscription, fact: &Fact) -> bool {
        let organization = wanted.scope.organization.0;
        let place = self.trees[organization as usize].place(&wanted.scope.address);
        organization == fact.organization
            && related(&place, &fact.place)
            && name_fits(&wanted.names, &fact.name)
            && wanted.properties.iter().all(|filter| passes(filter, fact))
    }

    fn check(&mut self) {
        let (event, fact) = self.event();
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
        let text = String::from_utf8_lossy(&event.payload);
        assert_eq!(told, expected, "{fact:?}\n{text}");
    }

    fn run(&mut self, steps: usize, held_max: usize) {
        for _ in 0..steps {
            let is_full = self.held.len() >= held_max;
            match self.below(12) {
                0..5 if !is_full => self.subscribe(),
                0..7 if !self.held.is_empty() => {
                    let at = self.below(self.held.len());
                    let held = self.held.swap_remove(at);
                    self.table.unsubscribe(held.id);
                }
                7 => self.learn(),
                _ => self.check(),
            }
            assert_eq!(self.table.len(), self.held.len());
        }
    }
}

fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    // Few subscriptions and many events, or enough that lists burst.
    let held_max = [5, 40, 1_500][(seed % 3) as usize];
    for _ in 0..held_max * 2 / 3 {
        world.subscribe();
    }
    let checks = 1_500 - held_max / 2;
    world.run(checks, held_max);
    let heard = world.heard;
    for held in std::mem::take(&mut world.held) {
        world.table.unsubscribe(held.id);
        if world.below(100) == 0 {
            world.learn();
        }
    }
    assert!(world.table.is_empty() && world.table.programs() == 0);
    world.run(200, 5);
    heard
}

#[test]
fn the_filter_table_tells_whom_a_scan_would_tell() {
    let number = |name: &str| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_ROUNDS").unwrap_or(ROUNDS),
    };
    let mut heard = 0;
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        heard += result.unwrap_or_else(|_| panic!("failed; repeat with FANFARE_SEED={seed}"));
    }
    assert!(heard > 10_000, "nothing is shown by {heard} deliveries");
}

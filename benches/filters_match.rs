//! The filter table: matching, by itself and beside two crates for the same task, and changing.
//!
//! Everything is generated from one seed; see `support::filters` for the mix. Matching is measured
//! without reading JSON (properties already found in the payload) and with it.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark measures time"
)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use a_tree::{ATree, AttributeDefinition};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::hub::{
    Address, Event, FilterTable, MatchScratch, NamePattern, Names, OrganizationId, Parents,
    ScopeName, SubscriberId, Subscription, ValueFilter,
};
use fanfare::limits::{NAME_STARS_MAX, WILDCARD_NAME_CHARS_MAX, WILDCARDS_PER_ORGANIZATION_MAX};
use quamina::Quamina;
use support::filters::{
    Filter, PROPERTIES, Random, asks, event, events, filters, of_mix, payload, subscription, text,
    value_json, value_text, values,
};

const SEED: u64 = 7;
/// Distinct events that are matched in turn.
const EVENTS: usize = 4_096;
/// Events whose properties are read before the clock starts: few enough to stay in the cache.
const READ_AHEAD: usize = 16;
/// Most filters that quamina is given: with 10,000 of this mix it panics.
const QUAMINA_MAX: usize = 1_000;
/// Most filters that a-tree is given: 100,000 take minutes to build.
const A_TREE_MAX: usize = 10_000;

/// Whether this only has to work: `cargo test --benches`.
fn is_test() -> bool {
    !std::env::args().any(|arg| arg == "--bench")
}

/// A number of filters, or few when testing.
fn scaled(count: usize) -> usize {
    if is_test() { count.min(500) } else { count }
}

fn table(subscriptions: impl Iterator<Item = Subscription>) -> FilterTable {
    let mut table = FilterTable::new(SEED);
    for (at, wanted) in subscriptions.enumerate() {
        table.subscribe(SubscriberId(at as u32), &wanted);
    }
    table
}

/// Average matches of an event.
fn matches_each(table: &mut FilterTable, events: &[Event]) -> f64 {
    let mut scratch = MatchScratch::default();
    let mut matches = 0;
    for event in events {
        table.matches(event, &mut scratch);
        matches += scratch.subscribers.len();
    }
    matches as f64 / events.len() as f64
}

#[expect(clippy::print_stderr, reason = "figures that criterion has no row for")]
fn note(text: &str) {
    if !is_test() {
        eprintln!("filters_match: {text}");
    }
}

/// Two rows: matching events in turn, with and without reading their JSON.
fn rows(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    table: &mut FilterTable,
    events: &[Event],
) {
    note(&format!(
        "{name}: {} subscriptions, {} programs, {:.2} matches each",
        table.len(),
        table.programs(),
        matches_each(table, events)
    ));
    let mut scratch = MatchScratch::default();
    let mut at = 0;
    group.bench_function(format!("{name}, with JSON"), |b| {
        b.iter(|| {
            at = (at + 1) % events.len();
            table.matches(&events[at], &mut scratch);
            scratch.subscribers.len()
        });
    });
    let mut scratches: Vec<_> = (0..READ_AHEAD).map(|_| MatchScratch::default()).collect();
    group.bench_function(name, |b| {
        b.iter_custom(|count| {
            let (mut left, mut elapsed) = (count, Duration::ZERO);
            while left > 0 {
                let batch = left.min(READ_AHEAD as u64) as usize;
                at = (at + READ_AHEAD) % events.len();
                let of = |i: usize| &events[(at + i) % events.len()];
                for (i, scratch) in scratches[..batch].iter_mut().enumerate() {
                    table.read(of(i), scratch);
                }
                let start = Instant::now();
                for (i, scratch) in scratches[..batch].iter_mut().enumerate() {
                    table.find(of(i), scratch);
                    black_box(scratch.subscribers.len());
                }
                elapsed += start.elapsed();
                left -= batch as u64;
            }
            elapsed
        });
    });
}

fn mix(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/mix");
    group.throughput(Throughput::Elements(1));
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let mut random = Random::new(SEED);
        let filters = filters(scaled(count), &mut random);
        let mut table = table(filters.iter().map(of_mix));
        let events = events(EVENTS, &mut random);
        rows(&mut group, &format!("{count} filters"), &mut table, &events);
        if count <= QUAMINA_MAX {
            quamina(&mut group, count, &filters);
        }
        if count <= A_TREE_MAX {
            a_tree(&mut group, count, &filters);
        }
    }
    group.finish();
}

/// Returns the property and value pairs that a filter asks for.
fn asked(filter: &Filter) -> impl Iterator<Item = (usize, u32)> {
    let asked = filter.iter().enumerate();
    asked.filter_map(|(at, value)| value.map(|value| (at, value)))
}

fn quamina(group: &mut BenchmarkGroup<'_, WallTime>, count: usize, filters: &[Filter]) {
    let mut quamina = Quamina::new();
    for (id, filter) in filters.iter().enumerate() {
        let fields = asked(filter).map(|(at, value)| {
            let value = value_json(at, value);
            format!("\"{}\": [{value}]", PROPERTIES[at].0)
        });
        let pattern = format!("{{{}}}", fields.collect::<Vec<_>>().join(", "));
        quamina.add_pattern(id, &pattern).expect("a valid pattern");
    }
    let mut random = Random::new(SEED + 1);
    let events = events(EVENTS, &mut random);
    let mut at = 0;
    group.bench_function(format!("{count} filters, with JSON, quamina"), |b| {
        b.iter(|| {
            at = (at + 1) % EVENTS;
            let matches = quamina.matches_for_event(&events[at].payload);
            matches.expect("a JSON object").len()
        });
    });
}

fn a_tree(group: &mut BenchmarkGroup<'_, WallTime>, count: usize, filters: &[Filter]) {
    let definitions = PROPERTIES.map(|(name, _)| AttributeDefinition::string(name));
    let mut tree = ATree::new(&definitions).expect("distinct names");
    for (id, filter) in filters.iter().enumerate() {
        let terms = asked(filter).map(|(at, value)| {
            let value = value_text(at, value);
            format!("{} = \"{value}\"", PROPERTIES[at].0)
        });
        let expression = terms.collect::<Vec<_>>().join(" and ");
        tree.insert(&id, &expression).expect("a valid expression");
    }
    let mut random = Random::new(SEED + 1);
    let built = (0..EVENTS).map(|_| {
        let mut builder = tree.make_event();
        for (at, value) in values(&mut random).into_iter().enumerate() {
            let text = value_text(at, value);
            let known = builder.with_string(PROPERTIES[at].0, &text);
            known.expect("a known property");
        }
        builder.build().expect("all properties")
    });
    let built: Vec<_> = built.collect();
    let mut at = 0;
    group.bench_function(format!("{count} filters, a-tree"), |b| {
        b.iter(|| {
            at = (at + 1) % EVENTS;
            tree.search(&built[at]).expect("an event").matches().len()
        });
    });
}

fn named(name: &str) -> Names {
    Names::Any(vec![NamePattern::parse(name)])
}

/// Values that do not select, which ruin simple indexes.
fn unselective(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/unselective");
    let mut random = Random::new(SEED);
    let mixed = events(EVENTS, &mut random);
    let heard = [event("status", payload(&[0; 5]))];

    let crowd = scaled(1_000_000);
    let everyone = asks("kind", vec![text(&value_text(0, 0))]);
    let same = subscription(Names::Every, vec![everyone]);
    let mut crowded = table((0..crowd).map(|_| same.clone()));
    group.throughput(Throughput::Elements(crowd as u64));
    rows(&mut group, "one filter of a million", &mut crowded, &heard);
    drop(crowded);

    let count = scaled(100_000);
    let flag = |at: usize| asks("priority", vec![text(&value_text(4, at as u32 % 2))]);
    let flags = (0..count).map(|at| subscription(Names::Every, vec![flag(at)]));
    group.throughput(Throughput::Elements(count as u64 / 2));
    rows(&mut group, "two values", &mut table(flags), &heard);
    group.throughput(Throughput::Elements(1));
    let user = |at: usize| asks("user", vec![text(&format!("us-{at:05}"))]);
    let flags = (0..count).map(|at| subscription(Names::Every, vec![flag(at), user(at)]));
    let mut flags = table(flags);
    rows(
        &mut group,
        "two values and one that selects",
        &mut flags,
        &mixed,
    );

    let star = |random: &mut Random| {
        let name = format!("field{}", random.below(200));
        asks(&name, vec![ValueFilter::Present])
    };
    let stars = |random: &mut Random| (0..3).map(|_| star(random)).collect();
    let stars = (0..count).map(|_| subscription(Names::Every, stars(&mut random)));
    let mut stars = table(stars);
    let starred = |random: &mut Random| {
        let field = |random: &mut Random| format!("\"field{}\": 1", random.below(200));
        let fields: Vec<_> = (0..5).map(|_| field(random)).collect();
        event("status", format!("{{{}}}", fields.join(", ")).into())
    };
    let starred: Vec<_> = (0..EVENTS).map(|_| starred(&mut random)).collect();
    rows(&mut group, "only stars", &mut stars, &starred);
    group.finish();
}

/// Patterns, and alternatives.
fn alternatives(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/alternatives");
    group.throughput(Throughput::Elements(1));
    let mut random = Random::new(SEED);
    let mixed = events(EVENTS, &mut random);
    let count = scaled(10_000);
    let prefixes = (0..count).map(|at| subscription(named(&format!("app{at}:*")), Vec::new()));
    let said = |random: &mut Random| {
        let name = format!("app{}:user_chat", random.below(count as u32));
        event(&name, payload(&[0; 5]))
    };
    let said: Vec<_> = (0..EVENTS).map(|_| said(&mut random)).collect();
    rows(
        &mut group,
        "10000 prefix patterns",
        &mut table(prefixes),
        &said,
    );

    let many = |random: &mut Random| {
        let users = (0..50).map(|_| text(&value_text(2, random.below(10_000))));
        let users = asks("user", users.collect());
        let kind = asks("kind", vec![text(&value_text(0, random.below(20)))]);
        subscription(Names::Every, vec![users, kind])
    };
    let mut many = table((0..count).map(|_| many(&mut random)));
    rows(&mut group, "10000 filters of 50 values", &mut many, &mixed);
    group.finish();
}

/// Names of [`WILDCARD_NAME_CHARS_MAX`] letters, and of no sense.
fn long_name(random: &mut Random) -> String {
    let letter = |_| char::from(b'a' + random.below(26) as u8);
    (0..WILDCARD_NAME_CHARS_MAX).map(letter).collect()
}

/// A pattern with as many stars as are allowed, all of whose pieces are in the name: in this order,
/// or, if it is not to fit, all but the last, which is only where the first is.
fn pieces_of(name: &str, fits: bool, random: &mut Random) -> String {
    let pieces = NAME_STARS_MAX - 1;
    let part = name.len() / pieces;
    let mut pattern = String::from("*");
    for at in 0..pieces {
        let wide = 2 + random.below(3) as usize;
        let start = at * part + random.below((part - wide) as u32) as usize;
        let start = if at + 1 == pieces && !fits {
            start % part
        } else {
            start
        };
        pattern += &name[start..start + wide];
        pattern.push('*');
    }
    pattern
}

/// The subscriptions of hostile clients: as many wildcards as the bounds let them, each as costly
/// as can be.
fn wild(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/wild");
    group.throughput(Throughput::Elements(1));
    let mut random = Random::new(SEED);
    let name = long_name(&mut random);
    let told = event(&name, payload(&[0; 5]));
    let all = scaled(65_536);
    let most = scaled(WILDCARDS_PER_ORGANIZATION_MAX);
    let every_piece: Vec<String> = (0..name.len())
        .flat_map(|start| (start + 1..=name.len()).map(move |end| (start, end)))
        .map(|(start, end)| format!("*{}*", &name[start..end]))
        .take(most)
        .collect();
    let families: [(&str, Vec<String>); 3] = [
        (
            "no one fits",
            (0..all)
                .map(|_| pieces_of(&name, false, &mut random))
                .collect(),
        ),
        (
            "all fit",
            (0..all)
                .map(|_| pieces_of(&name, true, &mut random))
                .collect(),
        ),
        ("all that is in the name", every_piece),
    ];
    for (what, patterns) in families {
        for names_each in [64, 1] {
            let subscriptions = patterns.chunks(names_each).enumerate().map(|(at, names)| {
                let names = names.iter().map(|name| NamePattern::parse(name)).collect();
                let mut wanted = subscription(Names::Any(names), Vec::new());
                wanted.scope.organization = OrganizationId((at * names_each / most) as u32);
                wanted
            });
            let mut table = table(subscriptions);
            // No subscriber hears it, so that nothing is the same as for the event before.
            let mut other = told.clone();
            other.scope.organization = OrganizationId(1_000);
            let mut scratch = MatchScratch::default();
            table.matches(&told, &mut scratch);
            let matches = scratch.subscribers.len();
            let count = patterns.len();
            note(&format!(
                "{what}: {count} names, {matches} of {} subscriptions",
                table.len()
            ));
            group.bench_function(format!("{count} names, {names_each} each, {what}"), |b| {
                b.iter(|| {
                    table.matches(&told, &mut scratch);
                    table.matches(&other, &mut scratch);
                    scratch.subscribers.len()
                });
            });
        }
    }
    group.finish();
}

/// 100,000 sessions in 1,000 projects in 50 groups; each session asks for one of 2,000 names.
fn tree(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/tree");
    group.throughput(Throughput::Elements(1));
    let count = scaled(100_000);
    let parents = |session: usize| Parents {
        group: Some(ScopeName::new(&format!("group-{}", session % 50))),
        project: Some(ScopeName::new(&format!("project-{}", session % 1_000))),
    };
    let address = |at: usize| Address::Session(ScopeName::new(&format!("session-{at}")));
    let sessions = (0..count).map(|at| {
        let names = named(&format!("name-{}", at / 50 % 2_000));
        let mut wanted = subscription(names, Vec::new());
        wanted.scope.address = address(at);
        wanted.parents = parents(at);
        wanted
    });
    let mut table = table(sessions);
    let mut random = Random::new(SEED);
    let mut at_session = Vec::new();
    let mut at_group = Vec::new();
    for _ in 0..EVENTS {
        let session = random.below(count as u32) as usize;
        let name = format!("name-{}", session / 50 % 2_000);
        let mut told = event(&name, "{}".into());
        told.scope.address = address(session);
        told.parents = parents(session);
        at_session.push(told.clone());
        told.scope.address = Address::Group(ScopeName::new(&format!("group-{}", session % 50)));
        told.parents = Parents::default();
        at_group.push(told);
    }
    rows(&mut group, "events of sessions", &mut table, &at_session);
    rows(&mut group, "events of groups", &mut table, &at_group);
    group.finish();
}

/// Adding and removing, and matching meanwhile.
fn change(c: &mut Criterion) {
    let mut group = c.benchmark_group("filters_match/change");
    let count = scaled(1_000_000);
    let mut random = Random::new(SEED);
    let wanted: Vec<_> = filters(count + count / 10, &mut random)
        .iter()
        .map(of_mix)
        .collect();
    let events = events(EVENTS, &mut random);
    let (first, spare) = wanted.split_at(count);
    let mut table = FilterTable::new(SEED);
    let mut ids: Vec<_> = (0..count).map(|_| None).collect();
    for (at, wanted) in first.iter().enumerate() {
        ids[at] = Some(table.subscribe(SubscriberId(at as u32), wanted));
    }
    let (mut at, mut total) = (0usize, 0usize);
    let mut swap = |table: &mut FilterTable, wanted: &[Subscription]| {
        at = (at + 7_919) % ids.len();
        let wanted = &wanted[total % wanted.len()];
        total += 1;
        if let Some(id) = ids[at].take() {
            table.unsubscribe(id);
        }
        ids[at] = Some(table.subscribe(SubscriberId(at as u32), wanted));
    };
    group.throughput(Throughput::Elements(2));
    group.bench_function("remove and add one of 1000000", |b| {
        b.iter(|| swap(&mut table, spare));
    });
    let (mut at, mut scratch) = (0, MatchScratch::default());
    group.throughput(Throughput::Elements(10));
    // 10,000 changes a second among 50,000 events.
    group.bench_function("match 10 events, remove and add one of 1000000", |b| {
        b.iter(|| {
            for _ in 0..10 {
                at = (at + 1) % events.len();
                table.matches(&events[at], &mut scratch);
                black_box(scratch.subscribers.len());
            }
            swap(&mut table, spare);
        });
    });
    group.finish();
    drop(table);
    pauses(first);
}

/// The longest single change while a table grows to its full size and shrinks to nothing. A change
/// counts as the shortest of its three repetitions: pauses by the rest of the machine are not ours.
fn pauses(wanted: &[Subscription]) {
    let mut adding = vec![u128::MAX; wanted.len()];
    let mut removing = adding.clone();
    for _ in 0..3 {
        let mut table = FilterTable::new(SEED);
        let mut ids = Vec::with_capacity(wanted.len());
        for (at, wanted) in wanted.iter().enumerate() {
            let start = Instant::now();
            let id = table.subscribe(SubscriberId(at as u32), wanted);
            adding[at] = adding[at].min(start.elapsed().as_nanos());
            ids.push(id);
        }
        for (at, id) in ids.into_iter().enumerate() {
            let start = Instant::now();
            table.unsubscribe(id);
            removing[at] = removing[at].min(start.elapsed().as_nanos());
        }
    }
    for (what, mut all) in [("adding", adding), ("removing", removing)] {
        let mean = all.iter().sum::<u128>() / all.len() as u128;
        all.sort_unstable();
        let (high, worst) = (all[all.len() - 1 - all.len() / 10_000], all[all.len() - 1]);
        note(&format!(
            "{what}: mean {mean} ns, 99.99 % {high} ns, worst {worst} ns"
        ));
    }
}

/// The memory of a filter, in the mix and if no two have anything in common. The first of the
/// benchmarks: memory that another freed would be used again and not be counted.
fn memory(_: &mut Criterion) {
    let count = scaled(1_000_000);
    let mixed = filters(count, &mut Random::new(SEED));
    let apart = |at: usize, property| asks(property, vec![text(&format!("us-{at:07}"))]);
    memory_of("the mix", count, |at| of_mix(&mixed[at]));
    memory_of("one value of its own", count, |at| {
        subscription(Names::Every, vec![apart(at, "user")])
    });
    memory_of("one value of its own, one shared", count, |at| {
        let shared = asks("priority", vec![text(&value_text(4, at as u32 % 5))]);
        subscription(Names::Every, vec![apart(at, "user"), shared])
    });
}

/// Builds a table and prints its memory. It is forgotten, not freed: see [`memory`].
fn memory_of(what: &str, count: usize, wanted: impl Fn(usize) -> Subscription) {
    let before = resident_bytes();
    let table = table((0..count).map(wanted));
    let each = resident_bytes().saturating_sub(before) / count;
    note(&format!(
        "{what}: {each} bytes for each of {} filters, strings included",
        table.programs()
    ));
    std::mem::forget(table);
}

/// Memory of this process that is in use.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    4_096 * resident.unwrap_or(0usize)
}

criterion_group!(
    benches,
    memory,
    mix,
    unselective,
    alternatives,
    wild,
    tree,
    change
);
criterion_main!(benches);

//! Every way between two dialects: what is published in one is heard in all, as one and the same
//! event.
//!
//! Five dialects are twenty-five pairs, and most dialects have several forms. All are made from two
//! tables, [`SPEAKERS`] and [`listeners::open`]; each fact is published once, and every listener
//! must have heard it once, with the name, payload, id and number that it has, in the order of its
//! scope. Two dialects have no way to publish: what their clients try is refused and heard by
//! nobody, and what the node itself says in the sysadm dialect goes to live subscribers and into no
//! log.

mod fact;
mod listeners;
mod speakers;

use std::collections::{BTreeMap, BTreeSet};

use fact::{Dialect, Fact, Heard, Place};
use listeners::Listener;
use speakers::{SPEAKERS, Speakers};

use crate::server::{Server, Setting};

on_every_setting!(what_is_published_in_one_dialect_is_heard_in_all);

/// Classes must be known to a server of the sysadm dialect.
const CONFIG: &str = "[sysadm]\nclasses = [\"matrix:*\", \"7\"]\nstate_first = \"2s\"\n";

/// What the node says by itself.
const OWN: &str = "system-state";

fn what_is_published_in_one_dialect_is_heard_in_all(setting: Setting) {
    let (server, _config) = configured(setting);
    let facts = fact::all();
    let mut listeners = listeners::open(&server, &facts);
    let own = listeners::await_own(&mut listeners);
    let mut speakers = Speakers::new(&server);
    let published: Vec<Fact> = facts
        .into_iter()
        .map(|fact| speakers.publish(fact))
        .collect();
    speakers.try_where_nothing_is_published();
    let heard: Vec<Vec<Heard>> = listeners
        .iter_mut()
        .map(|listener| listener.collect(published.iter().filter(|f| listener.hears(f)).count()))
        .collect();
    let mut pairs = BTreeSet::new();
    for (listener, heard) in listeners.iter().zip(&heard) {
        judge(listener, heard, &published, &mut pairs);
    }
    judge_numbers(&listeners, &heard);
    judge_silence(&listeners, &own, &mut pairs);
    assert_eq!(pairs.len(), 25, "{pairs:?}");
}

fn configured(setting: Setting) -> (Server, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), CONFIG).expect("written");
    let path = file.path().to_str().expect("a plain path").to_owned();
    (Server::start(setting, &["--config", &path]), file)
}

/// What one listener heard is what was published where it listens, in the order of each scope.
fn judge(
    listener: &Listener,
    heard: &[Heard],
    published: &[Fact],
    pairs: &mut BTreeSet<(Dialect, Dialect)>,
) {
    let wanted: Vec<&Fact> = published.iter().filter(|f| listener.hears(f)).collect();
    let by_name: BTreeMap<&str, &Fact> = wanted.iter().map(|f| (&*f.name, *f)).collect();
    let mut order: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
    for heard in heard {
        let fact = by_name.get(&*heard.name);
        let fact = fact.unwrap_or_else(|| panic!("{}: not for it: {heard:?}", listener.name));
        let who = format!("{} published, {} heard", fact.speaker, listener.name);
        listener.compare(heard, fact, &who);
        order.entry(fact.place).or_default().push(&fact.name);
        pairs.insert((fact.dialect, listener.dialect));
    }
    for (place, names) in &order {
        let expected: Vec<&str> = wanted
            .iter()
            .filter(|fact| fact.place == *place)
            .map(|fact| &*fact.name)
            .collect();
        assert_eq!(*names, expected, "{} at {place:?}", listener.name);
    }
    assert_eq!(heard.len(), wanted.len(), "{}", listener.name);
}

/// All readers of one session were given the same numbers: dense, from 0, and those that publishers
/// were told.
fn judge_numbers(listeners: &[Listener], heard: &[Vec<Heard>]) {
    let readers = listeners.iter().zip(heard);
    let mut logs: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for (listener, heard) in readers.filter(|(listener, _)| listener.reads_a_log()) {
        let numbered: Vec<(u64, &str)> = heard
            .iter()
            .map(|heard| (heard.number.expect("logs number"), &*heard.name))
            .collect();
        let numbers = numbered.iter().map(|&(number, _)| number);
        assert!(numbers.eq(0..heard.len() as u64), "{}", listener.name);
        let first = logs
            .entry(listener.session)
            .or_insert_with(|| numbered.clone());
        assert_eq!(*first, numbered, "{}", listener.name);
    }
    assert_eq!(logs.len(), 2, "a session and one beside it");
}

/// Who cannot publish was not heard; what the node says by itself was heard by those who keep no
/// log.
fn judge_silence(listeners: &[Listener], own: &[bool], pairs: &mut BTreeSet<(Dialect, Dialect)>) {
    for (listener, &heard_own) in listeners.iter().zip(own) {
        assert_eq!(
            heard_own,
            !listener.reads_a_log(),
            "{}: {OWN}",
            listener.name
        );
        for dialect in [Dialect::Sysadm, Dialect::Live] {
            pairs.insert((dialect, listener.dialect));
        }
    }
    assert!(
        SPEAKERS
            .iter()
            .all(|speaker| { !matches!(speaker.dialect, Dialect::Sysadm | Dialect::Live) })
    );
}

//! Circles between the files of a folder: two files that need each other are one thing in two
//! places.
//!
//! A folder beneath counts as one file. A folder's door is looked through: what it re-exports is
//! the file that has it. A type's own `impl` may stand in several files: to name the type that one
//! extends is no need. Files that are only tests may look at everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{crate_paths, paths_from};
use crate::source::Source;

/// Folder, and the name of a file or folder in it.
type Place = (Vec<String>, String);

/// A folder and the files in it that form a circle, in order of their names.
pub(crate) type Circle = (String, Vec<String>);

/// All circles between the shipped files of a set of sources.
pub(crate) fn circles(all: &[Source]) -> BTreeSet<Circle> {
    let tests: Vec<String> = all.iter().flat_map(Source::test_files).collect();
    let shipped: Vec<&Source> = all
        .iter()
        .filter(|source| !tests.iter().any(|test| is_at(&source.path, test)))
        .collect();
    let exports = exports(&shipped);
    let mut needs: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for source in &shipped {
        let from: Vec<String> = source.module().into_iter().map(str::to_owned).collect();
        for path in crate_paths(source) {
            let extends = path
                .segments
                .last()
                .is_some_and(|name| extends(source, name));
            if extends {
                continue;
            }
            let target = looked_through(&path.segments[1..], &exports);
            let common = from.iter().zip(&target).take_while(|(a, b)| a == b).count();
            // What stands in a door belongs to the folder, not to one of its files.
            if let (Some(one), Some(other)) = (from.get(common), target.get(common)) {
                let place = (from[..common].to_vec(), one.clone());
                needs.entry(place).or_default().insert(other.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    for place in needs.keys() {
        let circle = circle_of(place, &needs);
        if circle.len() > 1 {
            found.insert((place.0.join("/"), circle));
        }
    }
    found
}

fn is_at(path: &str, prefix: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.starts_with(['.', '/']))
}

/// Whether a file has an inherent `impl` of a type.
fn extends(source: &Source, name: &str) -> bool {
    let blocks = source.shipped.match_indices(name);
    let mut before = blocks.map(|(position, _)| &source.shipped[..position]);
    before.any(|before| before.ends_with("\nimpl "))
}

/// The names that doors re-export, and the file each comes from.
fn exports(shipped: &[&Source]) -> BTreeMap<Vec<String>, Vec<String>> {
    let modules: BTreeSet<Vec<&str>> = shipped.iter().map(|source| source.module()).collect();
    let mut exports = BTreeMap::new();
    for door in shipped {
        let folder = door.module();
        let children = modules
            .iter()
            .filter(|module| module.len() == folder.len() + 1 && module.starts_with(&folder));
        for child in children {
            for path in paths_from(&door.shipped, child[folder.len()]) {
                if let [.., name] = &path.segments[..]
                    && path.segments.len() > 1
                {
                    let owned =
                        |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect();
                    let mut exported: Vec<String> = owned(&folder);
                    exported.push(name.clone());
                    exports.insert(exported, owned(child));
                }
            }
        }
    }
    exports
}

/// The path with its first re-exported name replaced by the file that has it.
fn looked_through(path: &[String], exports: &BTreeMap<Vec<String>, Vec<String>>) -> Vec<String> {
    let prefixes = (1..=path.len()).map(|length| &path[..length]);
    let found = prefixes.rev().find_map(|prefix| exports.get(prefix));
    found.cloned().unwrap_or_else(|| path.to_vec())
}

/// The files that a file needs and that need it, itself with them.
fn circle_of(place: &Place, needs: &BTreeMap<Place, BTreeSet<String>>) -> Vec<String> {
    let reach = |from: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(name) = next.pop() {
            let Some(others) = needs.get(&(place.0.clone(), name)) else {
                continue;
            };
            for other in others {
                if seen.insert(other.clone()) {
                    next.push(other.clone());
                }
            }
        }
        seen
    };
    let reached = reach(&place.1);
    let circle = reached
        .into_iter()
        .filter(|name| reach(name).contains(&place.1));
    circle.collect()
}

#[test]
fn a_circle_is_found_through_a_door() {
    let sources = [
        Source::new(
            "src/a/mod.rs",
            "mod b;\nmod c;\nmod d;\npub use c::Thing;\n",
        ),
        Source::new("src/a/b.rs", "use super::Thing;\n"),
        Source::new("src/a/c.rs", "use super::b::Other;\npub struct Thing;\n"),
        Source::new("src/a/d.rs", "use super::c;\nuse crate::a::Thing;\n"),
    ];
    let found: Vec<Circle> = circles(&sources).into_iter().collect();
    assert_eq!(
        found,
        [("a".to_owned(), vec!["b".to_owned(), "c".to_owned()])]
    );
}

#[test]
fn what_a_door_says_itself_is_no_circle() {
    let sources = [
        Source::new(
            "src/a/mod.rs",
            "mod b;\npub struct Thing;\npub use b::Other;\n",
        ),
        Source::new(
            "src/a/b.rs",
            "use super::Thing;\n#[cfg(test)]\nmod tests;\n",
        ),
        Source::new("src/a/b/tests.rs", "use crate::a::c::Seen;\n"),
        Source::new("src/a/c.rs", "use super::Other;\n"),
    ];
    assert_eq!(circles(&sources), BTreeSet::new());
}

//! Name patterns with a `*`, found from a name without trying each.
//!
//! A pattern is filed under what stands before its first `*` and, within that, under what stands after
//! its last. A name asks for each length of such beginnings that exists, and in the groups it finds for
//! each length of endings; what is left is verified. Only patterns like `*a*` are all tried.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::atoms::{Atom, fold};
use super::index::{Handle, Index};
use super::pages::Pool;
use crate::hub::subscription::NamePattern;

/// How many things of each length there are; few lengths.
#[derive(Debug, Default)]
struct Lengths(Vec<(usize, u32)>);

impl Lengths {
    fn add(&mut self, length: usize) {
        match self.0.binary_search_by_key(&length, |entry| entry.0) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (length, 1)),
        }
    }

    fn remove(&mut self, length: usize) {
        if let Ok(at) = self.0.binary_search_by_key(&length, |entry| entry.0) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.remove(at);
            }
        }
    }

    fn up_to(&self, max: usize) -> impl Iterator<Item = usize> {
        let lengths = self.0.iter().map(|entry| entry.0);
        lengths.take_while(move |&length| length <= max)
    }
}

/// Patterns that begin alike.
#[derive(Debug, Default)]
struct Beginning {
    text: Box<[u8]>,
    endings: Lengths,
    patterns: u32,
}

/// Patterns that begin and end alike.
#[derive(Debug, Default)]
struct Family {
    beginning: u32,
    text: Box<[u8]>,
    patterns: Vec<(Atom, NamePattern)>,
}

/// All patterns of a table.
#[derive(Debug)]
pub(super) struct WildNames {
    hasher: FixedState,
    beginnings: Pool<Beginning>,
    beginning_index: Index<Handle>,
    lengths: Lengths,
    families: Pool<Family>,
    family_index: Index<Handle>,
}

/// What stands before the first `*` and after the last.
fn ends(pattern: &str) -> (&[u8], &[u8]) {
    let (first, last) = (pattern.find('*'), pattern.rfind('*'));
    let before = &pattern[..first.unwrap_or(0)];
    let after = &pattern[last.map_or(0, |at| at + 1)..];
    (before.as_bytes(), after.as_bytes())
}

impl WildNames {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            beginnings: Pool::default(),
            beginning_index: Index::default(),
            lengths: Lengths::default(),
            families: Pool::default(),
            family_index: Index::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lengths.0.is_empty()
    }

    fn hash(&self, beginning: u32, text: &[u8]) -> u32 {
        fold(self.hasher.hash_one((beginning, text)))
    }

    fn beginning(&self, hash: u32, text: &[u8]) -> Option<u32> {
        let is = |entry: &Handle| *self.beginnings[entry.id].text == *text;
        self.beginning_index.find(hash, is).map(|entry| entry.id)
    }

    fn family(&self, hash: u32, beginning: u32, text: &[u8]) -> Option<u32> {
        let is = |entry: &Handle| {
            let family = &self.families[entry.id];
            family.beginning == beginning && *family.text == *text
        };
        self.family_index.find(hash, is).map(|entry| entry.id)
    }

    /// Files a pattern that is not there.
    pub(super) fn insert(&mut self, pattern: &str, atom: Atom) {
        let (before, after) = ends(pattern);
        let hash = self.hash(u32::MAX, before);
        let beginning = self.beginning(hash, before).unwrap_or_else(|| {
            let id = self.beginnings.insert(Beginning {
                text: before.into(),
                ..Beginning::default()
            });
            self.beginning_index.insert(Handle { hash, id });
            self.lengths.add(before.len());
            id
        });
        self.beginnings[beginning].patterns += 1;
        let hash = self.hash(beginning, after);
        let family = self.family(hash, beginning, after).unwrap_or_else(|| {
            let id = self.families.insert(Family {
                beginning,
                text: after.into(),
                patterns: Vec::new(),
            });
            self.family_index.insert(Handle { hash, id });
            self.beginnings[beginning].endings.add(after.len());
            id
        });
        let text = NamePattern::Wild(pattern.into());
        self.families[family].patterns.push((atom, text));
    }

    /// Takes out a pattern that was filed.
    pub(super) fn remove(&mut self, pattern: &str, atom: Atom) {
        let (before, after) = ends(pattern);
        let hash = self.hash(u32::MAX, before);
        let Some(beginning) = self.beginning(hash, before) else {
            return;
        };
        let family_hash = self.hash(beginning, after);
        if let Some(family) = self.family(family_hash, beginning, after) {
            let patterns = &mut self.families[family].patterns;
            patterns.retain(|entry| entry.0 != atom);
            if patterns.is_empty() {
                self.family_index.remove(family_hash, |e| e.id == family);
                self.families.remove(family);
                self.beginnings[beginning].endings.remove(after.len());
            }
        }
        self.beginnings[beginning].patterns -= 1;
        if self.beginnings[beginning].patterns == 0 {
            self.beginning_index.remove(hash, |e| e.id == beginning);
            self.beginnings.remove(beginning);
            self.lengths.remove(before.len());
        }
    }

    /// All patterns that fit a name.
    pub(super) fn matches(&self, name: &str, mut found: impl FnMut(Atom)) {
        let bytes = name.as_bytes();
        for length in self.lengths.up_to(bytes.len()) {
            let before = &bytes[..length];
            let Some(beginning) = self.beginning(self.hash(u32::MAX, before), before) else {
                continue;
            };
            let rest = &bytes[length..];
            for length in self.beginnings[beginning].endings.up_to(rest.len()) {
                let after = &rest[rest.len() - length..];
                let hash = self.hash(beginning, after);
                let Some(family) = self.family(hash, beginning, after) else {
                    continue;
                };
                for (atom, pattern) in &self.families[family].patterns {
                    if pattern.matches(name) {
                        found(*atom);
                    }
                }
            }
        }
    }
}

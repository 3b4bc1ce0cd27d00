//! Name patterns with a `*`, found from a name without trying each. One organization's.
//!
//! A pattern with one star is filed under the text before it and, within that, under the text
//! after. A name is looked up once for each length of such beginnings that exists, and if one is
//! found, once for each length of endings. Patterns with text between stars are in [`Pieces`].

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::atom::{Atom, fold};
use super::ends::Ends;
use super::index::{Handle, Index};
use super::lengths::Lengths;
use super::pages::Pool;
use super::pieces::{Pieces, PiecesScratch};

/// Patterns that begin alike.
#[derive(Debug, Default)]
struct Beginning {
    text: Box<[u8]>,
    ends: Ends,
    endings: Lengths,
    patterns: u32,
}

/// A pattern with one star.
#[derive(Debug, Default)]
struct OneStar {
    beginning: u32,
    /// The text after the star.
    text: Box<[u8]>,
    ends: Ends,
    atom: Option<Atom>,
}

/// Scratch memory of matching.
#[derive(Debug, Default)]
pub(super) struct WildScratch(PiecesScratch);

/// All patterns of an organization.
#[derive(Debug)]
pub(super) struct WildNames {
    hasher: FixedState,
    beginnings: Pool<Beginning>,
    beginning_index: Index<Handle>,
    lengths: Lengths,
    one_star: Pool<OneStar>,
    one_star_index: Index<Handle>,
    /// Number of patterns that are only a beginning: `x*`.
    prefixes: usize,
    pieces: Pieces,
}

/// Returns the text before the first `*`, between that and the last, and after the last.
fn parts(pattern: &str) -> (&str, &str, &str) {
    let (before, rest) = pattern.split_once('*').unwrap_or((pattern, ""));
    let (between, after) = rest.rsplit_once('*').unwrap_or(("", rest));
    (before, between.trim_matches('*'), after)
}

impl WildNames {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            beginnings: Pool::default(),
            beginning_index: Index::default(),
            lengths: Lengths::default(),
            one_star: Pool::default(),
            one_star_index: Index::default(),
            prefixes: 0,
            pieces: Pieces::new(seed),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.one_star.len() + self.pieces.patterns() == 0
    }

    /// Returns the number of patterns that are more than a beginning.
    pub(super) fn costly(&self) -> usize {
        self.one_star.len() - self.prefixes + self.pieces.patterns()
    }

    fn hash(&self, beginning: u32, text: &[u8]) -> u32 {
        fold(self.hasher.hash_one((beginning, text)))
    }

    fn beginning(&self, hash: u32, text: &[u8]) -> Option<u32> {
        let ends = Ends::of(text);
        let is = |entry: &Handle| {
            let beginning = &self.beginnings[entry.id];
            entry.hash == hash && beginning.ends.same(&beginning.text, ends, text)
        };
        self.beginning_index.find(hash, is).map(|entry| entry.id)
    }

    fn one_star(&self, hash: u32, beginning: u32, text: &[u8]) -> Option<u32> {
        let ends = Ends::of(text);
        let is = |entry: &Handle| {
            let pattern = &self.one_star[entry.id];
            entry.hash == hash
                && pattern.beginning == beginning
                && pattern.ends.same(&pattern.text, ends, text)
        };
        self.one_star_index.find(hash, is).map(|entry| entry.id)
    }

    /// Files a pattern that is not there.
    pub(super) fn insert(&mut self, pattern: &str, atom: Atom) {
        let (before, between, after) = parts(pattern);
        if !between.is_empty() {
            return self.pieces.insert(before, between, after, atom);
        }
        self.prefixes += usize::from(after.is_empty());
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let hash = self.hash(u32::MAX, before);
        let beginning = self.beginning(hash, before).unwrap_or_else(|| {
            let id = self.beginnings.insert(Beginning {
                text: before.into(),
                ends: Ends::of(before),
                ..Beginning::default()
            });
            self.beginning_index.insert(Handle { hash, id });
            self.lengths.add(before.len());
            id
        });
        self.beginnings[beginning].patterns += 1;
        self.beginnings[beginning].endings.add(after.len());
        let id = self.one_star.insert(OneStar {
            beginning,
            text: after.into(),
            ends: Ends::of(after),
            atom: Some(atom),
        });
        let hash = self.hash(beginning, after);
        self.one_star_index.insert(Handle { hash, id });
    }

    /// Takes out a pattern that was filed.
    pub(super) fn remove(&mut self, pattern: &str, atom: Atom) {
        let (before, between, after) = parts(pattern);
        if !between.is_empty() {
            return self.pieces.remove(before, between, after, atom);
        }
        self.prefixes -= usize::from(after.is_empty());
        let (before, after) = (before.as_bytes(), after.as_bytes());
        let hash = self.hash(u32::MAX, before);
        let Some(beginning) = self.beginning(hash, before) else {
            return;
        };
        let own_hash = self.hash(beginning, after);
        if let Some(id) = self.one_star(own_hash, beginning, after) {
            self.one_star_index.remove(own_hash, |e| e.id == id);
            self.one_star.remove(id);
            self.beginnings[beginning].endings.remove(after.len());
        }
        self.beginnings[beginning].patterns -= 1;
        if self.beginnings[beginning].patterns == 0 {
            self.beginning_index.remove(hash, |e| e.id == beginning);
            self.beginnings.remove(beginning);
            self.lengths.remove(before.len());
        }
    }

    /// All patterns that fit a name.
    pub(super) fn matches(
        &self,
        name: &str,
        scratch: &mut WildScratch,
        mut found: impl FnMut(Atom),
    ) {
        for length in self.lengths.up_to(name.len()) {
            let Some((before, rest)) = name.split_at_checked(length) else {
                continue;
            };
            let before = before.as_bytes();
            let Some(beginning) = self.beginning(self.hash(u32::MAX, before), before) else {
                continue;
            };
            for length in self.beginnings[beginning].endings.up_to(rest.len()) {
                let Some(after) = rest.get(rest.len() - length..) else {
                    continue;
                };
                let hash = self.hash(beginning, after.as_bytes());
                let id = self.one_star(hash, beginning, after.as_bytes());
                if let Some(atom) = id.and_then(|id| self.one_star[id].atom) {
                    found(atom);
                }
            }
        }
        if self.pieces.patterns() > 0 {
            self.pieces.matches(name, &mut scratch.0, found);
        }
    }
}

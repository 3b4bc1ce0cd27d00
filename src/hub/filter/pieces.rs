//! Patterns with text between stars, as `*a*b*`: sequences of pieces that a name must have, in this
//! order.
//!
//! A name is searched once for all pieces that any pattern has: for each, a bit for each character
//! at which it begins. The substrings that may be pieces are looked up by a polynomial hash, of
//! which a substring's is a difference (Karp and Rabin), and only those of a length that a piece
//! with the same first byte has. Each pattern is filed under its longest piece and looked at if the
//! name has that; then a step of it costs a look at a word: the first place at or after where the
//! last piece ended. That is as good as any other, so nothing is tried twice.
//!
//! The cost of a name is bounded by the length of names in which pieces are sought, how many
//! patterns an organization may have, and how many stars each of them: see
//! [`limits`](crate::limits).

use super::atom::Atom;
use super::ends::Ends;
use super::index::{Handle, Index};
use super::lengths::Lengths;
use super::pages::Pool;
use crate::limits::WILDCARD_NAME_CHARS_MAX;

/// The prime 2^61 − 1. Modulo a power of two, anybody could write texts that collide whatever the
/// base is.
const PRIME: u64 = (1 << 61) - 1;

/// Returns the product of two numbers below the prime.
#[inline]
fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let sum = (product as u64 & PRIME) + (product >> 61) as u64;
    if sum >= PRIME { sum - PRIME } else { sum }
}

#[inline]
fn plus(a: u64, b: u64) -> u64 {
    let sum = a + b;
    if sum >= PRIME { sum - PRIME } else { sum }
}

/// Returns a hash of which every bit counts.
#[inline]
fn mix(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A text that patterns ask for.
#[derive(Debug, Default)]
struct Piece {
    text: Box<str>,
    ends: Ends,
    references: u32,
    /// The patterns filed here, one after the other: the atom, [`Head`], the steps.
    filed: Vec<u32>,
}

/// The number of a pattern's steps, and whether the first is tied to the beginning and the last to
/// the end.
#[derive(Clone, Copy, Debug)]
struct Head(u32);

impl Head {
    fn new(steps: usize, begins: bool, ends: bool) -> Self {
        Self((steps as u32) << 2 | u32::from(begins) << 1 | u32::from(ends))
    }

    const fn steps(self) -> usize {
        (self.0 >> 2) as usize
    }

    const fn begins(self) -> bool {
        self.0 & 2 != 0
    }

    const fn ends(self) -> bool {
        self.0 & 1 != 0
    }
}

/// A piece of a pattern: its number, and its length in characters.
#[derive(Clone, Copy, Debug)]
struct Step(u32);

impl Step {
    fn new(piece: u32, chars: usize) -> Self {
        Self(piece << 8 | chars as u32)
    }

    const fn piece(self) -> usize {
        (self.0 >> 8) as usize
    }

    const fn chars(self) -> u32 {
        self.0 & 0xff
    }
}

/// Scratch memory of matching.
#[derive(Debug, Default)]
pub(super) struct PiecesScratch {
    /// The starts of each piece in the name, as bits; zero between two events.
    places: Vec<u128>,
    /// The pieces found in the name.
    present: Vec<u32>,
    /// The hash of the text before each byte.
    hashes: Vec<u64>,
    /// The base to the power of each length.
    powers: Vec<u64>,
}

/// All pieces, and the patterns that consist of them.
#[derive(Debug)]
pub(super) struct Pieces {
    base: u64,
    pool: Pool<Piece>,
    index: Index<Handle>,
    /// The lengths in bytes of the pieces that begin with each byte; nothing if there are no
    /// pieces.
    lengths: Vec<Lengths>,
    patterns: usize,
}

/// Returns the pieces of a pattern in order, and whether they could be in a name at all.
fn pieces<'p>(before: &'p str, between: &'p str, after: &'p str) -> (Vec<&'p str>, bool) {
    let all = [before]
        .into_iter()
        .chain(between.split('*'))
        .chain([after]);
    let all: Vec<&str> = all.filter(|piece| !piece.is_empty()).collect();
    let chars: usize = all.iter().map(|piece| piece.chars().count()).sum();
    (all, chars <= WILDCARD_NAME_CHARS_MAX)
}

impl Pieces {
    pub(super) fn new(seed: u64) -> Self {
        // Not a small one: the base must not be guessed by outsiders.
        let base = seed.wrapping_mul(0xd6e8_feb8_6659_fd93) % (PRIME - 1_000) + 500;
        Self {
            base,
            pool: Pool::default(),
            index: Index::default(),
            lengths: Vec::new(),
            patterns: 0,
        }
    }

    /// Returns the number of patterns.
    pub(super) fn patterns(&self) -> usize {
        self.patterns
    }

    fn append(&self, hash: u64, byte: u8) -> u64 {
        plus(times(hash, self.base), u64::from(byte) + 1)
    }

    fn hash(&self, text: &str) -> u32 {
        mix(text.bytes().fold(0, |hash, byte| self.append(hash, byte)))
    }

    fn find(&self, hash: u32, text: &[u8]) -> Option<u32> {
        let is = |entry: &Handle| {
            entry.hash == hash && {
                let piece = &self.pool[entry.id];
                let ends = Ends::of(text);
                piece.ends.same(piece.text.as_bytes(), ends, text)
            }
        };
        self.index.find(hash, is).map(|entry| entry.id)
    }

    fn acquire(&mut self, text: &str) -> u32 {
        let hash = self.hash(text);
        let id = self.find(hash, text.as_bytes()).unwrap_or_else(|| {
            let id = self.pool.insert(Piece {
                text: text.into(),
                ends: Ends::of(text.as_bytes()),
                ..Piece::default()
            });
            self.index.insert(Handle { hash, id });
            self.lengths.resize(256, Lengths::default());
            self.lengths[usize::from(text.as_bytes()[0])].add(text.len());
            id
        });
        self.pool[id].references += 1;
        id
    }

    fn release(&mut self, id: u32) {
        self.pool[id].references -= 1;
        if self.pool[id].references == 0 {
            let text = self.pool.remove(id).text;
            self.index.remove(self.hash(&text), |entry| entry.id == id);
            self.lengths[usize::from(text.as_bytes()[0])].remove(text.len());
        }
    }

    /// Files a pattern that is not there: the texts before the first star, between that and the
    /// last, and after.
    pub(super) fn insert(&mut self, before: &str, between: &str, after: &str, atom: Atom) {
        self.patterns += 1;
        let (pieces, can_fit) = pieces(before, between, after);
        if !can_fit {
            return;
        }
        let steps: Vec<Step> = pieces
            .iter()
            .map(|piece| Step::new(self.acquire(piece), piece.chars().count()))
            .collect();
        let longest = steps.iter().max_by_key(|step| step.chars());
        if let Some(longest) = longest {
            let head = Head::new(steps.len(), !before.is_empty(), !after.is_empty());
            let filed = &mut self.pool[longest.piece() as u32].filed;
            filed.extend([atom.0, head.0]);
            filed.extend(steps.iter().map(|step| step.0));
        }
    }

    /// Takes out a pattern that was filed.
    pub(super) fn remove(&mut self, before: &str, between: &str, after: &str, atom: Atom) {
        self.patterns -= 1;
        let (pieces, can_fit) = pieces(before, between, after);
        if !can_fit {
            return;
        }
        let ids = pieces
            .iter()
            .filter_map(|piece| self.find(self.hash(piece), piece.as_bytes()));
        let ids: Vec<u32> = ids.collect();
        let chars = pieces.iter().map(|piece| piece.chars().count());
        let longest = chars.zip(&ids).max_by_key(|(chars, _)| *chars);
        if let Some((_, &longest)) = longest {
            let filed = &mut self.pool[longest].filed;
            let mut at = 0;
            while let [own, head, ..] = filed[at..] {
                let end = at + 2 + Head(head).steps();
                if own == atom.0 {
                    filed.drain(at..end);
                    if filed.len() <= filed.capacity() / 4 {
                        filed.shrink_to(2 * filed.len());
                    }
                    break;
                }
                at = end;
            }
        }
        for id in ids {
            self.release(id);
        }
    }

    /// All patterns that fit a name.
    pub(super) fn matches(
        &self,
        name: &str,
        scratch: &mut PiecesScratch,
        mut found: impl FnMut(Atom),
    ) {
        let Some(chars) = chars_of(name) else {
            return;
        };
        self.search(name, scratch);
        for &piece in &scratch.present {
            let mut filed = &*self.pool[piece].filed;
            while let [atom, head, rest @ ..] = filed {
                let head = Head(*head);
                let (steps, rest) = rest.split_at(head.steps());
                if fits(steps, head, &scratch.places, chars) {
                    found(Atom(*atom));
                }
                filed = rest;
            }
        }
        for piece in scratch.present.drain(..) {
            scratch.places[piece as usize] = 0;
        }
    }

    /// Finds all places of all pieces.
    fn search(&self, name: &str, scratch: &mut PiecesScratch) {
        let PiecesScratch {
            places,
            present,
            hashes,
            powers,
        } = scratch;
        places.resize(places.len().max(self.pool.slots() as usize), 0);
        powers.clear();
        powers.push(1);
        hashes.clear();
        hashes.push(0);
        for (at, byte) in name.bytes().enumerate() {
            hashes.push(self.append(hashes[at], byte));
            powers.push(times(powers[at], self.base));
        }
        let bytes = name.as_bytes();
        for (char, (start, _)) in name.char_indices().enumerate() {
            // No pieces at all, if no pattern is short enough to fit.
            let Some(lengths) = self.lengths.get(usize::from(bytes[start])) else {
                break;
            };
            for length in lengths.up_to(bytes.len() - start) {
                let end = start + length;
                if !name.is_char_boundary(end) {
                    continue;
                }
                let before = times(hashes[start], powers[length]);
                let hash = mix(plus(hashes[end], PRIME - before));
                if let Some(piece) = self.find(hash, &bytes[start..end]) {
                    let places = &mut places[piece as usize];
                    if *places == 0 {
                        present.push(piece);
                    }
                    *places |= 1 << char;
                }
            }
        }
    }
}

/// Returns the length of a name in characters, if it is not too long.
fn chars_of(name: &str) -> Option<u32> {
    if name.len() > 4 * WILDCARD_NAME_CHARS_MAX {
        return None;
    }
    let chars = name.chars().count();
    (chars <= WILDCARD_NAME_CHARS_MAX).then_some(chars as u32)
}

/// Whether a name of that many characters has these steps one behind the other.
#[inline]
fn fits(steps: &[u32], head: Head, places: &[u128], chars: u32) -> bool {
    // First place at which the next step may begin.
    let mut at = 0;
    let (mut first, mut last) = (0, steps.len());
    if head.begins() {
        let step = Step(steps[0]);
        if places[step.piece()] & 1 == 0 {
            return false;
        }
        (first, at) = (1, step.chars());
    }
    last -= usize::from(head.ends());
    for &step in &steps[first..last] {
        let step = Step(step);
        let Some(left) = places[step.piece()].checked_shr(at) else {
            return false;
        };
        if left == 0 {
            return false;
        }
        at += left.trailing_zeros() + step.chars();
    }
    if !head.ends() {
        return true;
    }
    let step = Step(steps[last]);
    let place = chars.checked_sub(step.chars());
    place.is_some_and(|place| place >= at && places[step.piece()] >> place & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::subscription::NamePattern;
    use proptest::prelude::*;

    fn split(pattern: &str) -> (&str, &str, &str) {
        let (before, rest) = pattern.split_once('*').unwrap();
        let (between, after) = rest.rsplit_once('*').unwrap();
        (before, between, after)
    }

    fn found(pieces: &Pieces, name: &str, scratch: &mut PiecesScratch) -> Vec<u32> {
        let mut found = Vec::new();
        pieces.matches(name, scratch, |atom| found.push(atom.0));
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn those_are_found_that_fit(
            patterns in prop::collection::btree_set("[abé]{0,3}(\\*[abé]{1,3}){1,7}\\*[abé]{0,3}", 0..40),
            kept in any::<u64>(),
            names in prop::collection::vec("[abé]{0,40}", 1..10),
        ) {
            let (mut pieces, mut scratch) = (Pieces::new(7), PiecesScratch::default());
            for (at, pattern) in patterns.iter().enumerate() {
                let (before, between, after) = split(pattern);
                pieces.insert(before, between, after, Atom(at as u32));
            }
            let is_kept = |at: usize| kept >> at & 1 != 0;
            for (at, pattern) in patterns.iter().enumerate().filter(|(at, _)| !is_kept(*at)) {
                let (before, between, after) = split(pattern);
                pieces.remove(before, between, after, Atom(at as u32));
            }
            for name in names {
                let fits = |(at, pattern): (usize, &String)| {
                    (is_kept(at) && NamePattern::parse(pattern).matches(&name)).then_some(at as u32)
                };
                let expected: Vec<u32> = patterns.iter().enumerate().filter_map(fits).collect();
                prop_assert_eq!(found(&pieces, &name, &mut scratch), expected, "{}", name);
            }
            for (at, pattern) in patterns.iter().enumerate().filter(|(at, _)| is_kept(*at)) {
                let (before, between, after) = split(pattern);
                pieces.remove(before, between, after, Atom(at as u32));
            }
            prop_assert_eq!((pieces.patterns(), pieces.pool.len()), (0, 0));
        }
    }

    #[test]
    fn the_last_place_counts_too() {
        let (mut pieces, mut scratch) = (Pieces::new(1), PiecesScratch::default());
        let longest = "x".repeat(WILDCARD_NAME_CHARS_MAX);
        pieces.insert("", &longest, "", Atom(1));
        pieces.insert("", "x*x", "x", Atom(2));
        pieces.insert("", &format!("{longest}x"), "", Atom(3));
        pieces.insert("", &longest, "x", Atom(4));
        assert_eq!(found(&pieces, &longest, &mut scratch), [1, 2]);
        assert_eq!(found(&pieces, &format!("{longest}x"), &mut scratch), [0; 0]);
        assert_eq!(found(&pieces, "xx", &mut scratch), [0; 0]);
        assert_eq!(found(&pieces, "xxx", &mut scratch), [2]);
    }
}

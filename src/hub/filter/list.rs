//! A list of programs that are tried one by one, fast.
//!
//! Beside the entries stand tags, the low byte of the first atom that must hold: most entries that
//! do not match are passed over by these alone, 64 to a cache line, without being touched.

use super::atom::Atom;
use super::atoms::Facts;
use super::programs::{Clauses, Programs};

/// An entry whose program has clauses that do not fit the entry.
const MORE: u32 = 1 << 31;

/// A program in a list, with up to two atoms that must hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The program's number, and [`MORE`].
    program: u32,
    first: Atom,
    second: Atom,
}

impl Entry {
    /// An entry that asks for these clauses of a program.
    pub(super) fn new(program: u32, clauses: Clauses<'_>) -> Self {
        let mut atoms = [Atom::ALWAYS; 2];
        let (mut taken, mut more) = (0, 0);
        for clause in clauses {
            if taken < 2 && clause.len() == 1 {
                atoms[taken] = Atom(clause[0]);
                taken += 1;
            } else {
                more = MORE;
            }
        }
        Self {
            program: program | more,
            first: atoms[0],
            second: atoms[1],
        }
    }

    pub(super) fn program(self) -> u32 {
        self.program & !MORE
    }

    /// Whether the program cannot be excluded by an atom alone.
    pub(super) fn is_blind(self) -> bool {
        self.first == Atom::ALWAYS
    }

    #[inline]
    fn matches(self, facts: &Facts, programs: &Programs) -> bool {
        facts.hold(self.first)
            && facts.hold(self.second)
            && (self.program & MORE == 0 || programs.holds(self.program(), facts))
    }
}

/// Entries in order of program.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The tag of each first atom.
    tags: Vec<u8>,
    entries: Vec<Entry>,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the program, if there is but one.
    pub(super) fn only(&self) -> Option<u32> {
        match *self.entries {
            [entry] => Some(entry.program()),
            _ => None,
        }
    }

    /// Returns at most how many entries are blind; a few that are not are counted too.
    pub(super) fn blind(&self) -> usize {
        let is_blind = |tag: &&u8| **tag == Atom::ALWAYS.tag();
        self.tags.iter().filter(is_blind).count()
    }

    /// Adds an entry whose program is not there.
    pub(super) fn insert(&mut self, entry: Entry) {
        let program = entry.program();
        let at = self.entries.partition_point(|e| e.program() < program);
        self.tags.insert(at, entry.first.tag());
        self.entries.insert(at, entry);
    }

    /// Removes a program's entry. Returns whether it was there.
    pub(super) fn remove(&mut self, program: u32) -> bool {
        let found = self.entries.binary_search_by_key(&program, |e| e.program());
        let Ok(at) = found else {
            return false;
        };
        self.tags.remove(at);
        self.entries.remove(at);
        if self.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.len());
            self.tags.shrink_to(2 * self.len());
        }
        true
    }

    /// Takes all entries out.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(self).entries
    }

    /// Adds the programs that match.
    #[inline]
    pub(super) fn matches(&self, facts: &Facts, programs: &Programs, found: &mut Vec<u32>) {
        facts.each_tagged(&self.tags, |at| {
            let entry = self.entries[at];
            if entry.matches(facts, programs) {
                found.push(entry.program());
            }
        });
    }
}

//! Programs: compiled filters at a scope, each kept once however many subscribe to it.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::atom::{Atom, fold};
use super::atoms::{Atoms, Facts};
use super::compile::Clause;
use super::index::{Handle, Index};
use super::pages::Pool;

/// Flag of a word that is no atom but the number of words following as the alternatives of one
/// clause.
const MANY: u32 = 1 << 31;
/// Words that are kept within the program: three predicates of one value each.
const INLINE_WORDS: usize = 3;

/// The clauses of a program as words, most of the time without an allocation.
#[derive(Debug)]
enum Words {
    Inline(u8, [u32; INLINE_WORDS]),
    // Twice boxed: a thin pointer keeps the many that are inline small.
    Boxed(Box<Box<[u32]>>),
}

impl Default for Words {
    fn default() -> Self {
        Self::Inline(0, [0; INLINE_WORDS])
    }
}

#[derive(Debug, Default)]
struct Program {
    scope: u32,
    /// Its place among the programs of its scope, kept by [`Scopes`](super::scopes::Scopes).
    place: u32,
    words: Words,
    /// Events that it matched, and the one counted last: an event may find a program twice.
    matched: u32,
    event: u32,
}

/// The clauses of a program: each the words of its alternatives.
#[derive(Clone, Debug)]
pub(super) struct Clauses<'p>(&'p [u32]);

impl<'p> Iterator for Clauses<'p> {
    type Item = &'p [u32];

    #[inline]
    fn next(&mut self) -> Option<&'p [u32]> {
        let &first = self.0.first()?;
        let (skip, count) = if first & MANY == 0 {
            (0, 1)
        } else {
            (1, (first & !MANY) as usize)
        };
        let (clause, rest) = self.0[skip..].split_at(count);
        self.0 = rest;
        Some(clause)
    }
}

/// All programs of a table.
#[derive(Debug)]
pub(super) struct Programs {
    hasher: FixedState,
    pool: Pool<Program>,
    index: Index<Handle>,
}

impl Programs {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            pool: Pool::default(),
            index: Index::default(),
        }
    }

    /// Programs in the table.
    pub(super) fn len(&self) -> usize {
        self.pool.len()
    }

    /// Returns the program of these clauses at a scope. `None` stands for a filter that never
    /// matches.
    pub(super) fn find(&self, scope: u32, clauses: Option<&[Clause]>) -> Option<u32> {
        let parts = clauses.into_iter().flatten();
        let hash = self.hash(scope, clauses.is_none(), parts.map(|c| self.hash_clause(c)));
        let same = |program: u32| {
            self.pool[program].scope == scope
                && match clauses {
                    None => self.is_never(program),
                    Some(clauses) => self.consists_of(program, clauses),
                }
        };
        let found = self.index.find(hash, |e| e.hash == hash && same(e.id));
        found.map(|entry| entry.id)
    }

    /// Adds a program that is not there. Its clauses are put in the order in which they give
    /// access: the one with fewest alternatives first, and of those the one that fewest programs
    /// ask for.
    pub(super) fn insert(
        &mut self,
        scope: u32,
        clauses: Option<Vec<Clause>>,
        atoms: &Atoms,
    ) -> u32 {
        let words = match clauses {
            None => vec![MANY],
            Some(mut clauses) => {
                clauses.sort_by_cached_key(|clause| {
                    let references = clause.iter().map(|&a| u64::from(atoms.references(a)));
                    (clause.len(), references.sum::<u64>())
                });
                encode(&clauses)
            }
        };
        let words = if words.len() <= INLINE_WORDS {
            let mut inline = [0; INLINE_WORDS];
            inline[..words.len()].copy_from_slice(&words);
            Words::Inline(words.len() as u8, inline)
        } else {
            Words::Boxed(Box::new(words.into()))
        };
        let place = 0;
        let id = self.pool.insert(Program {
            scope,
            place,
            words,
            matched: 0,
            event: 0,
        });
        let hash = self.hash_of(id);
        self.index.insert(Handle { hash, id });
        id
    }

    /// Removes a program. Returns its clauses, whose references the caller must give up.
    pub(super) fn remove(&mut self, program: u32) -> Vec<Clause> {
        let hash = self.hash_of(program);
        self.index.remove(hash, |entry| entry.id == program);
        let atoms = |clause: &[u32]| clause.iter().map(|&word| Atom(word)).collect();
        let clauses = self.clauses(program).map(atoms).collect();
        self.pool.remove(program);
        clauses
    }

    /// Counts an event that a program matches.
    #[inline]
    pub(super) fn count(&mut self, program: u32, event: u32) {
        let program = &mut self.pool[program];
        if program.event != event {
            program.event = event;
            program.matched = program.matched.wrapping_add(1);
        }
    }

    /// Returns how many events a program has matched; it wraps, so the difference of two readings
    /// counts.
    pub(super) fn matched(&self, program: u32) -> u32 {
        self.pool[program].matched
    }

    pub(super) fn scope(&self, program: u32) -> u32 {
        self.pool[program].scope
    }

    pub(super) fn place(&self, program: u32) -> u32 {
        self.pool[program].place
    }

    pub(super) fn set_place(&mut self, program: u32, place: u32) {
        self.pool[program].place = place;
    }

    #[inline]
    pub(super) fn clauses(&self, program: u32) -> Clauses<'_> {
        match &self.pool[program].words {
            Words::Inline(len, words) => Clauses(&words[..usize::from(*len)]),
            Words::Boxed(words) => Clauses(words),
        }
    }

    /// Whether no event can match.
    pub(super) fn is_never(&self, program: u32) -> bool {
        self.clauses(program).any(<[u32]>::is_empty)
    }

    /// Whether every clause is met.
    pub(super) fn holds(&self, program: u32, facts: &Facts) -> bool {
        let met = |clause: &[u32]| clause.iter().any(|&word| facts.hold(Atom(word)));
        self.clauses(program).all(met)
    }

    fn consists_of(&self, program: u32, clauses: &[Clause]) -> bool {
        self.clauses(program).count() == clauses.len()
            && self.clauses(program).all(|words| {
                let is = |clause: &Clause| clause.iter().map(|a| a.0).eq(words.iter().copied());
                clauses.iter().any(is)
            })
    }

    fn hash_of(&self, program: u32) -> u32 {
        let parts = self
            .clauses(program)
            .map(|words| self.hasher.hash_one(words));
        self.hash(self.scope(program), self.is_never(program), parts)
    }

    fn hash_clause(&self, clause: &Clause) -> u64 {
        // In the same way as the words of the clause are hashed.
        let mut words = [0; 8];
        if clause.len() <= words.len() {
            let words = &mut words[..clause.len()];
            words.iter_mut().zip(clause).for_each(|(w, a)| *w = a.0);
            return self.hasher.hash_one(&*words);
        }
        let words: Vec<u32> = clause.iter().map(|a| a.0).collect();
        self.hasher.hash_one(&*words)
    }

    /// Returns a hash that does not depend on the order of the clauses.
    fn hash(&self, scope: u32, is_never: bool, parts: impl Iterator<Item = u64>) -> u32 {
        let sum = parts.fold(u64::from(is_never), u64::wrapping_add);
        let sum = if is_never { 1 } else { sum };
        fold(self.hasher.hash_one((scope, sum)))
    }
}

fn encode(clauses: &[Clause]) -> Vec<u32> {
    let mut words = Vec::with_capacity(clauses.len());
    for clause in clauses {
        if clause.len() != 1 {
            words.push(MANY | clause.len() as u32);
        }
        words.extend(clause.iter().map(|atom| atom.0));
    }
    words
}

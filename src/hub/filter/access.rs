//! Access lists that burst: from what holds for an event to the programs that match it.
//!
//! A node has a short list of programs and, once that grew too long, children by atom: programs move
//! down to the children of their next clause's atoms. Matching visits a node only if all atoms on the
//! way to it hold, so every list is short, or consists of programs that nothing tells apart. The order
//! of a program's clauses is fixed when it is made; so is its way through the nodes, and it is found
//! again without being searched for. (Bursting as in a burst trie; access predicates as in Le Subscribe;
//! clauses that several atoms can meet as in a BE-tree.)

use super::atoms::{Atom, Facts};
use super::index::{Index, Keyed};
use super::pages::Pool;
use super::programs::{Clauses, Programs};
use crate::limits::{FILTER_LIST_ENTRIES, FILTER_PLACES_MAX};

/// An entry whose program has clauses that do not fit the entry.
const MORE: u32 = 1 << 31;

/// A program in a list, with up to two atoms that must hold.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The program's number, and [`MORE`].
    program: u32,
    first: Atom,
    second: Atom,
}

impl Entry {
    fn new(program: u32, rest: Clauses<'_>) -> Self {
        let mut atoms = [Atom::ALWAYS; 2];
        let (mut taken, mut more) = (0, 0);
        for clause in rest {
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

    fn program(self) -> u32 {
        self.program & !MORE
    }
}

#[derive(Debug, Default)]
struct Node {
    /// In order of program.
    entries: Vec<Entry>,
    /// A bit for the atom of each child: most atoms without one are refused by one look.
    signature: u64,
    children: u32,
    /// How many clauses are known to be met here.
    depth: u32,
    /// Whether programs that can move down do.
    is_burst: bool,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    node: u32,
    atom: Atom,
    child: u32,
}

fn child_hash(node: u32, atom: Atom) -> u32 {
    // Both numbers are ours: nobody outside can choose them to collide.
    let key = u64::from(node) << 32 | u64::from(atom.0);
    let product = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product >> 64) as u32 ^ product as u32
}

fn child_bit(atom: Atom) -> u64 {
    1 << (atom.0.wrapping_mul(0x9e37_79b9) >> 26)
}

impl Keyed for Child {
    fn hash(&self) -> u32 {
        child_hash(self.node, self.atom)
    }
}

/// All nodes of a table, of many roots.
#[derive(Debug, Default)]
pub(super) struct Access {
    nodes: Pool<Node>,
    children: Index<Child>,
}

/// The alternatives by which a program leaves a node of some depth, if it may.
fn way_down<'p>(clauses: Clauses<'p>, depth: u32) -> Option<&'p [u32]> {
    let mut places = 1usize;
    for (at, clause) in clauses.enumerate() {
        // The first clause gives access whatever it costs: otherwise the filter is tried always.
        if at > 0 {
            places = places.saturating_mul(clause.len());
        }
        if at == depth as usize {
            return (at == 0 || places <= FILTER_PLACES_MAX).then_some(clause);
        }
    }
    None
}

impl Access {
    /// A new root.
    pub(super) fn root(&mut self) -> u32 {
        self.nodes.insert(Node::default())
    }

    /// Frees a root that is empty.
    pub(super) fn free(&mut self, root: u32) {
        self.nodes.remove(root);
    }

    fn child(&self, node: u32, atom: Atom) -> Option<u32> {
        let is = |entry: &Child| entry.node == node && entry.atom == atom;
        let found = self.children.find(child_hash(node, atom), is);
        found.map(|entry| entry.child)
    }

    /// Adds a program beneath a node.
    pub(super) fn insert(&mut self, node: u32, program: u32, programs: &Programs) {
        let depth = self.nodes[node].depth;
        if self.nodes[node].is_burst
            && let Some(alternatives) = way_down(programs.clauses(program), depth)
        {
            self.insert_below(node, program, alternatives, programs);
            return;
        }
        let mut rest = programs.clauses(program);
        for _ in 0..depth {
            rest.next();
        }
        let entry = Entry::new(program, rest);
        let entries = &mut self.nodes[node].entries;
        let at = entries.partition_point(|e| e.program() < program);
        entries.insert(at, entry);
        if entries.len() > FILTER_LIST_ENTRIES && !self.nodes[node].is_burst {
            self.burst(node, programs);
        }
    }

    fn insert_below(&mut self, node: u32, program: u32, alternatives: &[u32], programs: &Programs) {
        for &atom in alternatives {
            let atom = Atom(atom);
            let child = self.child(node, atom).unwrap_or_else(|| {
                let depth = self.nodes[node].depth + 1;
                let child = self.nodes.insert(Node {
                    depth,
                    ..Node::default()
                });
                self.children.insert(Child { node, atom, child });
                self.nodes[node].children += 1;
                self.nodes[node].signature |= child_bit(atom);
                child
            });
            self.insert(child, program, programs);
        }
    }

    fn burst(&mut self, node: u32, programs: &Programs) {
        let depth = self.nodes[node].depth;
        self.nodes[node].is_burst = true;
        let entries = std::mem::take(&mut self.nodes[node].entries);
        let mut staying = Vec::new();
        for entry in entries {
            match way_down(programs.clauses(entry.program()), depth) {
                Some(clause) => self.insert_below(node, entry.program(), clause, programs),
                None => staying.push(entry),
            }
        }
        self.nodes[node].entries = staying;
    }

    /// Removes a program that was added beneath a node; whether the node is empty.
    pub(super) fn remove(&mut self, node: u32, program: u32, programs: &Programs) -> bool {
        let entries = &mut self.nodes[node].entries;
        if let Ok(at) = entries.binary_search_by_key(&program, |e| e.program()) {
            entries.remove(at);
            if entries.len() < entries.capacity() / 4 {
                entries.shrink_to(entries.len() * 2);
            }
        } else if let Some(alternatives) =
            way_down(programs.clauses(program), self.nodes[node].depth)
        {
            self.remove_below(node, program, alternatives, programs);
        }
        let node = &self.nodes[node];
        node.entries.is_empty() && node.children == 0
    }

    fn remove_below(&mut self, node: u32, program: u32, alternatives: &[u32], programs: &Programs) {
        for &atom in alternatives {
            let atom = Atom(atom);
            let Some(child) = self.child(node, atom) else {
                continue;
            };
            if self.remove(child, program, programs) {
                self.nodes.remove(child);
                self.children
                    .remove(child_hash(node, atom), |e| e.node == node && e.atom == atom);
                self.nodes[node].children -= 1;
            }
        }
        let node = &mut self.nodes[node];
        if node.children == 0 {
            node.signature = 0;
            // A list that would burst at once again had better stay as it is.
            node.is_burst = node.entries.len() > FILTER_LIST_ENTRIES / 2;
        }
    }

    /// Adds the programs beneath a root that match; one may be added several times.
    pub(super) fn matches(
        &self,
        root: u32,
        facts: &Facts,
        programs: &Programs,
        to_visit: &mut Vec<u32>,
        found: &mut Vec<u32>,
    ) {
        to_visit.push(root);
        while let Some(at) = to_visit.pop() {
            let node = &self.nodes[at];
            for entry in &node.entries {
                let may = facts.may_hold(entry.first) && facts.may_hold(entry.second);
                if may
                    && facts.hold(entry.first)
                    && facts.hold(entry.second)
                    && (entry.program & MORE == 0 || programs.holds(entry.program(), facts))
                {
                    found.push(entry.program());
                }
            }
            if node.children == 0 {
                continue;
            }
            for &atom in facts.atoms() {
                if node.signature & child_bit(atom) != 0
                    && let Some(child) = self.child(at, atom)
                {
                    to_visit.push(child);
                }
            }
        }
    }
}

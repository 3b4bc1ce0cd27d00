//! Access lists that burst: from the atoms of an event to the programs that match it.
//!
//! A node has a short list of programs and, once that grew too long, children by atom: programs
//! move down to the children of their next clause's atoms. Matching visits a node only if all atoms
//! on the way to it hold, so every list is short, or consists of programs that nothing tells apart.
//! The order of a program's clauses is fixed when it is made; so is its way through the nodes, and
//! it is found again without being searched for. A program that would be alone in a child stands in
//! place of a node, in the index of children: most values are asked for by few. (Bursting as in a
//! burst trie; access predicates as in Le Subscribe; clauses that several atoms can meet as in a
//! BE-tree.)

use super::atom::Atom;
use super::atoms::Facts;
use super::index::{Index, Keyed};
use super::list::{Entry, List};
use super::pages::Pool;
use super::programs::{Clauses, Programs};
use crate::limits::{FILTER_LIST_BLIND, FILTER_LIST_ENTRIES, FILTER_PLACES_MAX};

/// A node fills one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Node {
    list: List,
    /// A bit for the atom of each child: one look excludes most atoms without a child.
    signature: u64,
    children: u32,
    /// Number of clauses known to be met here.
    depth: u16,
    /// Whether programs that can move down do.
    is_burst: bool,
    /// Whether there may be a child of a wildcard's atom.
    has_wild: bool,
}

const _: () = assert!(size_of::<Node>() == 64);

impl Node {
    /// Whether the list is too long to try one by one, once `new` has been added.
    fn is_long(&self, new: Entry) -> bool {
        self.list.len() > FILTER_LIST_ENTRIES
            || new.is_blind() && self.list.blind() > FILTER_LIST_BLIND
    }

    /// Returns the program, if there is but one.
    fn only(&self) -> Option<u32> {
        self.list.only().filter(|_| self.children == 0)
    }
}

/// The meaning of a number in the index: a node, or a program with or without clauses that are not
/// yet met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    Node(u32),
    One { program: u32, is_met: bool },
}

/// A child, packed into four bytes: there may be a million.
#[derive(Clone, Copy, Debug)]
struct Packed(u32);

impl Packed {
    /// Bit of a program, as opposed to a node.
    const ONE: u32 = 1 << 31;
    /// A program whose clauses are all met.
    const MET: u32 = 1 << 30;

    fn node(node: u32) -> Self {
        debug_assert!(node & Self::ONE == 0);
        Self(node)
    }

    /// A program beneath a node of this depth.
    fn one(program: u32, depth: u16, programs: &Programs) -> Self {
        debug_assert!(program & (Self::ONE | Self::MET) == 0);
        let is_met = programs.clauses(program).count() <= usize::from(depth) + 1;
        Self(Self::ONE | program | if is_met { Self::MET } else { 0 })
    }

    #[inline]
    fn open(self) -> Below {
        if self.0 & Self::ONE == 0 {
            return Below::Node(self.0);
        }
        Below::One {
            program: self.0 & !(Self::ONE | Self::MET),
            is_met: self.0 & Self::MET != 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Child {
    node: u32,
    atom: Atom,
    to: Packed,
}

fn child_hash(node: u32, atom: Atom) -> u32 {
    // Both numbers are ours: outsiders cannot choose them to collide.
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

/// Returns the alternatives by which a program leaves a node of this depth, if it may.
fn way_down(clauses: Clauses<'_>, depth: u16) -> Option<&[u32]> {
    let mut places = 1usize;
    for (at, clause) in clauses.enumerate() {
        // The first clause gives access whatever it costs: otherwise the filter is tried always.
        if at > 0 {
            places = places.saturating_mul(clause.len());
        }
        if at == usize::from(depth) {
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

    #[inline]
    fn child(&self, node: u32, atom: Atom) -> Option<Below> {
        let is = |entry: &Child| entry.node == node && entry.atom == atom;
        let found = self.children.find(child_hash(node, atom), is);
        found.map(|entry| entry.to.open())
    }

    /// Replaces a child that is there.
    fn put(&mut self, node: u32, atom: Atom, to: Packed) {
        let is = |entry: &Child| entry.node == node && entry.atom == atom;
        let found = self.children.find_mut(child_hash(node, atom), is);
        found.expect("a child").to = to;
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
        self.nodes[node].list.insert(entry);
        if !self.nodes[node].is_burst && self.nodes[node].is_long(entry) {
            self.burst(node, programs);
        }
    }

    fn insert_below(&mut self, node: u32, program: u32, alternatives: &[u32], programs: &Programs) {
        let depth = self.nodes[node].depth;
        for &atom in alternatives {
            let atom = Atom(atom);
            match self.child(node, atom) {
                None => {
                    let to = Packed::one(program, depth, programs);
                    self.children.insert(Child { node, atom, to });
                    self.nodes[node].children += 1;
                    self.nodes[node].signature |= child_bit(atom);
                    self.nodes[node].has_wild |= atom.is_wild();
                }
                Some(Below::One { program: first, .. }) => {
                    let child = self.nodes.insert(Node {
                        depth: depth + 1,
                        ..Node::default()
                    });
                    self.put(node, atom, Packed::node(child));
                    self.insert(child, first, programs);
                    self.insert(child, program, programs);
                }
                Some(Below::Node(child)) => self.insert(child, program, programs),
            }
        }
    }

    fn burst(&mut self, node: u32, programs: &Programs) {
        let depth = self.nodes[node].depth;
        self.nodes[node].is_burst = true;
        for entry in self.nodes[node].list.take() {
            match way_down(programs.clauses(entry.program()), depth) {
                Some(clause) => self.insert_below(node, entry.program(), clause, programs),
                None => self.nodes[node].list.insert(entry),
            }
        }
    }

    /// Removes a program that was added beneath a node. Returns whether the node is empty.
    pub(super) fn remove(&mut self, node: u32, program: u32, programs: &Programs) -> bool {
        if !self.nodes[node].list.remove(program)
            && let Some(alternatives) = way_down(programs.clauses(program), self.nodes[node].depth)
        {
            self.remove_below(node, program, alternatives, programs);
        }
        let node = &self.nodes[node];
        node.list.is_empty() && node.children == 0
    }

    fn remove_below(&mut self, node: u32, program: u32, alternatives: &[u32], programs: &Programs) {
        for &atom in alternatives {
            let atom = Atom(atom);
            let is_empty = match self.child(node, atom) {
                None => false,
                Some(Below::One { program: one, .. }) => one == program,
                Some(Below::Node(child)) => {
                    let is_empty = self.remove(child, program, programs);
                    if let Some(last) = self.nodes[child].only() {
                        let to = Packed::one(last, self.nodes[node].depth, programs);
                        self.put(node, atom, to);
                        self.nodes.remove(child);
                    } else if is_empty {
                        self.nodes.remove(child);
                    }
                    is_empty
                }
            };
            if is_empty {
                self.children
                    .remove(child_hash(node, atom), |e| e.node == node && e.atom == atom);
                self.nodes[node].children -= 1;
            }
        }
        let node = &mut self.nodes[node];
        if node.children == 0 {
            node.signature = 0;
            node.has_wild = false;
            // A list that would burst at once again had better stay as it is.
            node.is_burst = node.list.len() > FILTER_LIST_ENTRIES / 2;
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
            node.list.matches(facts, programs, found);
            if node.children == 0 {
                continue;
            }
            let wild = if node.has_wild { facts.wild() } else { &[] };
            for &atom in facts.atoms().iter().chain(wild) {
                if node.signature & child_bit(atom) == 0 {
                    continue;
                }
                match self.child(at, atom) {
                    Some(Below::Node(child)) => to_visit.push(child),
                    Some(Below::One { program, is_met })
                        if is_met || programs.holds(program, facts) =>
                    {
                        found.push(program);
                    }
                    _ => {}
                }
            }
        }
    }
}

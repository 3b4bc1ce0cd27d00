//! Atoms: every elementary fact that some filter asks for, as a small number.
//!
//! "The property `userId` is the string `5`" is an atom, and so are "is the literal `5`", "is
//! there", "is null", "the name is `status`" and "the name fits `app:*`". A filter is a conjunction
//! of alternatives of atoms; an event is the set of atoms that hold for it. An atom lives as long
//! as programs refer to it; the number of references tells how selective it is.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::atom::{Atom, Kind, fold};
use super::ends::{Ends, Known};
use super::index::{Handle, Index};
use super::pages::Pool;
use super::wild::{WildNames, WildScratch};
use crate::hub::scope::OrganizationId;

#[derive(Debug, Default)]
struct Record {
    text: Known,
    property: u32,
    hash: u32,
    /// Programs that ask for it.
    references: u32,
    kind: Kind,
}

/// All atoms of a table.
#[derive(Debug)]
pub(super) struct Atoms {
    hasher: FixedState,
    records: Pool<Record>,
    index: Index<Handle>,
    seed: u64,
    /// Each organization's own wildcards: they cost other organizations nothing.
    wild: Vec<WildNames>,
    exact_names: u32,
}

impl Atoms {
    pub(super) fn new(seed: u64) -> Self {
        let mut records = Pool::default();
        let always = records.insert(Record::default());
        assert_eq!(always, Atom::ALWAYS.0);
        Self {
            hasher: FixedState::with_seed(seed),
            records,
            index: Index::default(),
            seed,
            wild: Vec::new(),
            exact_names: 0,
        }
    }

    #[inline]
    fn hash(&self, kind: Kind, property: u32, text: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u64(u64::from(property) << 8 | kind as u64);
        hasher.write(text);
        fold(hasher.finish())
    }

    /// Returns the atom of a fact, which lives until it is released as often as it was acquired.
    pub(super) fn acquire(&mut self, kind: Kind, property: u32, text: &str) -> Atom {
        let hash = self.hash(kind, property, text.as_bytes());
        let atom = self
            .lookup(hash, kind, property, text.as_bytes())
            .unwrap_or_else(|| {
                // A pattern is found again by its text when it is removed.
                let known = match kind {
                    Kind::Wild => Known::whole(text),
                    _ => Known::of(text),
                };
                let id = self.records.insert(Record {
                    text: known,
                    property,
                    hash,
                    references: 0,
                    kind,
                });
                self.index.insert(Handle { hash, id });
                match kind {
                    Kind::Wild => {
                        let at = property as usize;
                        while self.wild.len() <= at {
                            self.wild.push(WildNames::new(self.seed));
                        }
                        self.wild[at].insert(text, Atom::new(kind, id));
                    }
                    Kind::Name => self.exact_names += 1,
                    _ => {}
                }
                Atom::new(kind, id)
            });
        self.records[atom.slot()].references += 1;
        atom
    }

    /// Returns the number of an organization's different patterns that are
    /// [costly](crate::hub::NamePattern::is_costly).
    pub(super) fn costly_of(&self, organization: OrganizationId) -> usize {
        let wild = self.wild.get(organization.0 as usize);
        wild.map_or(0, WildNames::costly)
    }

    /// Gives up an atom. Returns its kind and property, and whether that was the last reference.
    pub(super) fn release(&mut self, atom: Atom) -> (Kind, u32, bool) {
        let record = &mut self.records[atom.slot()];
        record.references -= 1;
        if record.references > 0 {
            return (record.kind, record.property, false);
        }
        let record = self.records.remove(atom.slot());
        self.index
            .remove(record.hash, |entry| entry.id == atom.slot());
        match (record.kind, &record.text) {
            (Kind::Wild, Known::Whole(text, _)) => {
                self.wild[record.property as usize].remove(text, atom);
            }
            (Kind::Name, _) => self.exact_names -= 1,
            _ => {}
        }
        (record.kind, record.property, true)
    }

    /// Returns how many programs ask for an atom.
    pub(super) fn references(&self, atom: Atom) -> u32 {
        self.records[atom.slot()].references
    }

    /// The atom of a fact, if some program asks for it.
    #[inline]
    pub(super) fn find(&self, kind: Kind, property: u32, text: &[u8]) -> Option<Atom> {
        self.lookup(self.hash(kind, property, text), kind, property, text)
    }

    #[inline]
    fn lookup(&self, hash: u32, kind: Kind, property: u32, text: &[u8]) -> Option<Atom> {
        let ends = Ends::of(text);
        let found = self.index.find(hash, |entry| {
            entry.hash == hash && {
                let record = &self.records[entry.id];
                record.property == property && record.kind == kind && record.text.is(ends, text)
            }
        });
        found.map(|entry| Atom::new(kind, entry.id))
    }

    /// Whether some program asks for a name that an organization may publish.
    pub(super) fn reads_names(&self, organization: OrganizationId) -> bool {
        self.exact_names > 0 || self.wild_of(organization).is_some()
    }

    fn wild_of(&self, organization: OrganizationId) -> Option<&WildNames> {
        let wild = self.wild.get(organization.0 as usize);
        wild.filter(|wild| !wild.is_empty())
    }

    /// All atoms that hold for a name that an organization published.
    pub(super) fn of_name(
        &self,
        organization: OrganizationId,
        name: &str,
        scratch: &mut WildScratch,
        mut found: impl FnMut(Atom),
    ) {
        if self.exact_names > 0
            && let Some(atom) = self.find(Kind::Name, 0, name.as_bytes())
        {
            found(atom);
        }
        if let Some(wild) = self.wild_of(organization) {
            wild.matches(name, scratch, found);
        }
    }
}

/// The atoms that hold for one event.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// All atoms but those of wildcards.
    atoms: Vec<Atom>,
    wild: Vec<Atom>,
    /// A bit for each of `wild`, by its slot.
    wild_bits: Vec<u64>,
    /// A bit for each atom by its low byte: one look excludes most atoms that do not hold.
    signature: [u64; 4],
}

/// Tags that are compared at once.
const LANES: usize = 16;

/// Calls `found` with the index of each non-zero lane.
#[inline]
fn each_hit(hits: [u8; LANES], mut found: impl FnMut(usize)) {
    let (words, _) = hits.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let mut word = u64::from_le_bytes(*word);
        while word != 0 {
            found(at * 8 + word.trailing_zeros() as usize / 8);
            word &= word - 1;
        }
    }
}

/// Largest set that is searched linearly.
const LINEAR_MAX: usize = 16;

impl Facts {
    pub(super) fn clear(&mut self) {
        self.atoms.clear();
        for atom in self.wild.drain(..) {
            self.wild_bits[atom.slot() as usize / 64] = 0;
        }
        self.signature = [0; 4];
        self.add(Atom::ALWAYS);
    }

    pub(super) fn add(&mut self, atom: Atom) {
        self.signature[(atom.0 >> 6) as usize & 3] |= 1 << (atom.0 & 63);
        if !atom.is_wild() {
            return self.atoms.push(atom);
        }
        let word = atom.slot() as usize / 64;
        if self.wild_bits.len() <= word {
            self.wild_bits.resize(word + 1, 0);
        }
        self.wild_bits[word] |= 1 << (atom.slot() % 64);
        self.wild.push(atom);
    }

    pub(super) fn extend(&mut self, atom: Option<Atom>) {
        if let Some(atom) = atom {
            self.add(atom);
        }
    }

    /// Prepares for lookups, once all atoms have been added, each once.
    pub(super) fn seal(&mut self) {
        if self.atoms.len() > LINEAR_MAX {
            self.atoms.sort_unstable();
        }
    }

    /// The atoms but those of wildcards and [`Atom::ALWAYS`], which comes first.
    #[inline]
    pub(super) fn atoms(&self) -> &[Atom] {
        &self.atoms[1..]
    }

    /// The atoms of wildcards.
    #[inline]
    pub(super) fn wild(&self) -> &[Atom] {
        &self.wild
    }

    /// Calls `found` with the index of each tag that an atom of the event has.
    #[inline]
    pub(super) fn each_tagged(&self, tags: &[u8], mut found: impl FnMut(usize)) {
        let (chunks, mut rest) = tags.as_chunks::<LANES>();
        if self.atoms.len() + self.wild.len() > LINEAR_MAX {
            rest = tags;
        } else {
            for (chunk, tags) in chunks.iter().enumerate() {
                each_hit(self.compare(tags), |at| found(chunk * LANES + at));
            }
        }
        let first = tags.len() - rest.len();
        for (at, &tag) in rest.iter().enumerate() {
            if self.may_hold(tag) {
                found(first + at);
            }
        }
    }

    /// Written so that the compiler compares all lanes at once: 1 where an atom has the tag.
    #[inline]
    fn compare(&self, tags: &[u8; LANES]) -> [u8; LANES] {
        let mut hits = [0; LANES];
        for atom in self.atoms.iter().chain(&self.wild) {
            let wanted = [atom.tag(); LANES];
            for lane in 0..LANES {
                hits[lane] |= u8::from(tags[lane] == wanted[lane]);
            }
        }
        hits
    }

    #[inline]
    pub(super) fn may_hold(&self, tag: u8) -> bool {
        self.signature[usize::from(tag >> 6)] >> (tag & 63) & 1 != 0
    }

    #[inline]
    pub(super) fn hold(&self, atom: Atom) -> bool {
        if !self.may_hold(atom.tag()) {
            return false;
        }
        if atom.is_wild() {
            let word = self.wild_bits.get(atom.slot() as usize / 64);
            word.is_some_and(|word| word >> (atom.slot() % 64) & 1 != 0)
        } else if self.atoms.len() > LINEAR_MAX {
            self.atoms.binary_search(&atom).is_ok()
        } else {
            self.atoms.contains(&atom)
        }
    }
}

//! The properties that filters read, and where in a payload each may stand.
//!
//! A property `a.b.c` may be the field `a.b.c`, or `b.c` in the object `a`, or `c` in the object
//! `b` in `a`; the first of these that exists counts. So a property has a site for each of its dots
//! and one more, unless it is a field by its whole name only. A site is a field name within a
//! context; context 0 is the payload, and a site whose field holds an object with further sites has
//! a context of its own.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::atom::{Atom, Kind, fold};
use super::ends::Ends;
use super::index::{Handle, Index};
use super::pages::Pool;
use crate::hub::subscription::Property;
use crate::limits::JSON_DEPTH_MAX;

/// The properties that every event has numbers for; those of payloads follow.
pub(super) const TIME: u32 = 0;
pub(super) const GROUP: u32 = 1;
pub(super) const PROJECT: u32 = 2;
pub(super) const SESSION: u32 = 3;
const FIRST_OF_PAYLOADS: u32 = 4;

/// The payload itself as a context.
pub(super) const PAYLOAD: u32 = 0;

/// A property that filters read.
#[derive(Debug, Default)]
pub(super) struct Record {
    name: Arc<str>,
    /// References to atoms about it.
    references: u32,
    /// References to atoms of a text, as a string or otherwise.
    texts: u32,
    /// References to atoms of a number or boolean.
    literals: u32,
    /// The atom "is there and not null", if that is asked for.
    pub(super) present: Option<Atom>,
    /// The atom "is null", if that is asked for.
    pub(super) null: Option<Atom>,
    /// The event that it was last found in, as [`Properties::next_event`] counts.
    pub(super) event: u32,
    /// Its place among the properties found in that event.
    pub(super) place: u32,
    /// The depth, in objects, at which it was found there.
    pub(super) depth: u32,
    /// Whether it is only a field with its whole name.
    is_flat: bool,
}

impl Record {
    pub(super) fn is_read(&self) -> bool {
        self.references > 0
    }

    pub(super) fn reads_texts(&self) -> bool {
        self.texts > 0
    }

    pub(super) fn reads_literals(&self) -> bool {
        self.literals > 0
    }
}

/// A field name within a context.
#[derive(Debug, Default)]
struct Site {
    context: u32,
    ends: Ends,
    /// A part of some property's name: `start..end`.
    name: Arc<str>,
    start: u32,
    end: u32,
    /// The property that such a field is.
    property: Option<u32>,
    /// The property that such a field is, and no nested one may be.
    flat: Option<u32>,
    /// The context of an object in such a field, and the number of sites that ask for it.
    inner: Option<u32>,
    inner_references: u32,
}

impl Site {
    fn text(&self) -> &str {
        &self.name[self.start as usize..self.end as usize]
    }
}

/// The meaning of a payload's field for the filters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) property: Option<u32>,
    pub(super) flat: Option<u32>,
    pub(super) inner: Option<u32>,
}

/// All properties of a table.
#[derive(Debug)]
pub(super) struct Properties {
    hasher: FixedState,
    records: Pool<Record>,
    sites: Pool<Site>,
    index: Index<Handle>,
    contexts: Pool<()>,
    of_payloads: u32,
    event: u32,
}

/// One way to a property: the context and name it may stand under, as a range of the property's
/// name.
struct Steps<'n> {
    name: &'n str,
    start: usize,
    left: usize,
}

impl Iterator for Steps<'_> {
    /// The start of the rest, and the end of its first part if the rest has a dot.
    type Item = (usize, Option<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        // A payload is no deeper than this.
        self.left = self.left.checked_sub(1)?;
        let start = self.start;
        let dot = self.name[start..].find('.').map(|at| start + at);
        match dot {
            Some(dot) => self.start = dot + 1,
            None => self.left = 0,
        }
        Some((start, dot.filter(|_| self.left > 0)))
    }
}

fn steps(name: &str) -> Steps<'_> {
    Steps {
        name,
        start: 0,
        left: JSON_DEPTH_MAX,
    }
}

impl Properties {
    pub(super) fn new(seed: u64) -> Self {
        let mut records = Pool::default();
        for _ in 0..FIRST_OF_PAYLOADS {
            records.insert(Record::default());
        }
        let mut contexts = Pool::default();
        assert_eq!(contexts.insert(()), PAYLOAD);
        Self {
            hasher: FixedState::with_seed(seed),
            records,
            sites: Pool::default(),
            index: Index::default(),
            contexts,
            of_payloads: 0,
            event: 0,
        }
    }

    /// Whether some filter reads payloads.
    pub(super) fn read_payloads(&self) -> bool {
        self.of_payloads > 0
    }

    /// Forgets the values found. Returns the number of the new event.
    pub(super) fn next_event(&mut self) -> u32 {
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            for id in 0..self.records.slots() {
                self.records[id].event = 0;
            }
            self.event = 1;
        }
        self.event
    }

    #[inline]
    pub(super) fn record(&self, property: u32) -> &Record {
        &self.records[property]
    }

    #[inline]
    pub(super) fn record_mut(&mut self, property: u32) -> &mut Record {
        &mut self.records[property]
    }

    /// Returns the number of a property, which is known from now on; it is freed with its last
    /// atom.
    pub(super) fn number(&mut self, property: &Property) -> u32 {
        match property {
            Property::Time => TIME,
            Property::Group => GROUP,
            Property::Project => PROJECT,
            Property::Session => SESSION,
            Property::Field(name) if name.contains('.') => {
                let known = self.site(PAYLOAD, name.as_bytes());
                let known = known.and_then(|site| self.sites[site].flat);
                known.unwrap_or_else(|| self.introduce_flat(name))
            }
            Property::Payload(name) | Property::Field(name) => {
                let known = self.site(PAYLOAD, name.as_bytes());
                let known = known.and_then(|site| self.sites[site].property);
                known.unwrap_or_else(|| self.introduce(name))
            }
        }
    }

    /// One more reference to an atom about a property.
    pub(super) fn acquire(&mut self, property: u32, kind: Kind, atom: Atom) {
        let record = &mut self.records[property];
        record.references += 1;
        match kind {
            Kind::Text => record.texts += 1,
            Kind::Literal => record.literals += 1,
            Kind::Present => record.present = Some(atom),
            Kind::Null => record.null = Some(atom),
            Kind::Name | Kind::Wild => {}
        }
    }

    /// Removes a reference, which may be the last to that atom.
    pub(super) fn release(&mut self, property: u32, kind: Kind, was_last: bool) {
        let record = &mut self.records[property];
        record.references -= 1;
        match kind {
            Kind::Text => record.texts -= 1,
            Kind::Literal => record.literals -= 1,
            Kind::Present if was_last => record.present = None,
            Kind::Null if was_last => record.null = None,
            _ => {}
        }
        if record.references == 0 && property >= FIRST_OF_PAYLOADS {
            self.forget(property);
        }
    }

    /// Finds a field by its decoded name.
    #[inline]
    pub(super) fn field(&self, context: u32, name: &[u8]) -> Option<Found> {
        let site = &self.sites[self.site(context, name)?];
        Some(Found {
            property: site.property,
            flat: site.flat,
            inner: site.inner,
        })
    }

    #[inline]
    fn hash(&self, context: u32, name: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(context);
        hasher.write(name);
        fold(hasher.finish())
    }

    #[inline]
    fn site(&self, context: u32, name: &[u8]) -> Option<u32> {
        let hash = self.hash(context, name);
        let ends = Ends::of(name);
        let is = |entry: &Handle| {
            entry.hash == hash && {
                let site = &self.sites[entry.id];
                site.context == context && site.ends.same(site.text().as_bytes(), ends, name)
            }
        };
        self.index.find(hash, is).map(|entry| entry.id)
    }

    fn introduce(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        self.of_payloads += 1;
        let property = self.records.insert(Record {
            name: Arc::clone(&name),
            ..Record::default()
        });
        let mut context = PAYLOAD;
        for (start, dot) in steps(&name) {
            let site = self.site_or_new(context, &name, start, name.len());
            self.sites[site].property = Some(property);
            if let Some(dot) = dot {
                let head = self.site_or_new(context, &name, start, dot);
                let inner = match self.sites[head].inner {
                    Some(inner) => inner,
                    None => self.contexts.insert(()),
                };
                let head = &mut self.sites[head];
                head.inner = Some(inner);
                head.inner_references += 1;
                context = inner;
            }
        }
        property
    }

    fn introduce_flat(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        self.of_payloads += 1;
        let property = self.records.insert(Record {
            name: Arc::clone(&name),
            is_flat: true,
            ..Record::default()
        });
        let site = self.site_or_new(PAYLOAD, &name, 0, name.len());
        self.sites[site].flat = Some(property);
        property
    }

    fn site_or_new(&mut self, context: u32, name: &Arc<str>, start: usize, end: usize) -> u32 {
        let text = &name.as_bytes()[start..end];
        self.site(context, text).unwrap_or_else(|| {
            let hash = self.hash(context, text);
            let id = self.sites.insert(Site {
                context,
                ends: Ends::of(text),
                name: Arc::clone(name),
                start: start as u32,
                end: end as u32,
                ..Site::default()
            });
            self.index.insert(Handle { hash, id });
            id
        })
    }

    fn forget(&mut self, property: u32) {
        self.of_payloads -= 1;
        let Record { name, is_flat, .. } = self.records.remove(property);
        if is_flat {
            if let Some(site) = self.site(PAYLOAD, name.as_bytes()) {
                self.sites[site].flat = None;
                self.drop_site(site);
            }
            return;
        }
        let mut context = PAYLOAD;
        for (start, dot) in steps(&name) {
            let bytes = name.as_bytes();
            if let Some(site) = self.site(context, &bytes[start..]) {
                self.sites[site].property = None;
                self.drop_site(site);
            }
            let head = dot.and_then(|dot| self.site(context, &bytes[start..dot]));
            let Some(head) = head else { continue };
            let site = &mut self.sites[head];
            let inner = site.inner;
            site.inner_references -= 1;
            if site.inner_references == 0 {
                site.inner = None;
            }
            if let Some(inner) = inner {
                if self.sites[head].inner.is_none() {
                    self.contexts.remove(inner);
                }
                context = inner;
            }
            self.drop_site(head);
        }
    }

    /// Frees a site that is no longer used.
    fn drop_site(&mut self, id: u32) {
        let site = &self.sites[id];
        if site.property.is_none() && site.flat.is_none() && site.inner.is_none() {
            let hash = self.hash(site.context, site.text().as_bytes());
            self.index.remove(hash, |entry| entry.id == id);
            self.sites.remove(id);
        }
    }
}

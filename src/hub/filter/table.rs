//! The table: subscriptions in, subscribers of events out.
//!
//! A subscription is compiled to a program of atoms ([`compile`]), equal programs are one
//! ([`Programs`]), and each stands in access lists by scope and by atom ([`Access`]). An event is
//! read once ([`Values`]), turned into atoms ([`Facts`]) and looked up. Nothing here grows or
//! splits in large steps: adding one subscription takes microseconds, however many there are.

use super::access::Access;
use super::atom::Kind;
use super::atoms::{Atoms, Facts};
use super::audience::Audience;
use super::compile::{Clause, compile, release};
use super::programs::Programs;
use super::properties::Properties;
use super::scan::Values;
use super::scopes::{Level, Scopes, place};
use super::wild::WildScratch;
use crate::hub::event::Event;
use crate::hub::scope::{Address, OrganizationId, Parents, Scope, ScopeName};
use crate::hub::subscription::{NamePattern, SubscriberId, Subscription, SubscriptionId};

/// Scratch memory of matching, kept by the caller for one table, so that matching allocates
/// nothing.
#[derive(Debug, Default)]
pub struct MatchScratch {
    /// The subscribers of the event that was matched last, each once.
    pub subscribers: Vec<SubscriberId>,
    /// Whether they are, in this order, those of the event before, and none joined or left in
    /// between.
    pub repeats: bool,
    /// The programs of `subscribers`, and [`Audience::changes`] at that time.
    told: Vec<u32>,
    told_at: Option<u64>,
    values: Values,
    wild: WildScratch,
    facts: Facts,
    to_visit: Vec<u32>,
    programs: Vec<u32>,
}

/// All of a shard's subscriptions.
#[derive(Debug)]
pub struct FilterTable {
    scopes: Scopes,
    properties: Properties,
    atoms: Atoms,
    programs: Programs,
    access: Access,
    audience: Audience,
    /// Number of the event that is matched; not 0.
    event: u32,
}

impl FilterTable {
    /// An empty table. `seed` keeps outsiders from choosing texts that collide.
    pub fn new(seed: u64) -> Self {
        Self {
            scopes: Scopes::new(seed),
            properties: Properties::new(seed),
            atoms: Atoms::new(seed),
            programs: Programs::new(seed),
            access: Access::default(),
            audience: Audience::default(),
            event: 0,
        }
    }

    /// Subscriptions in the table.
    pub fn len(&self) -> usize {
        self.audience.len()
    }

    /// Whether there are subscriptions at a scope or beneath it.
    pub fn knows(&self, scope: &Scope) -> bool {
        let (level, name) = place(&scope.address);
        self.scopes.find(scope.organization, level, name).is_some()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Distinct filters among the subscriptions: equal ones at the same scope are one.
    pub fn programs(&self) -> usize {
        self.programs.len()
    }

    /// Returns how many different wildcards an organization would have with these names added:
    /// those that are [costly](NamePattern::is_costly).
    pub fn wildcards_with<'p>(
        &self,
        organization: OrganizationId,
        names: impl Iterator<Item = &'p NamePattern>,
    ) -> usize {
        let is_new = |text: &&str| {
            self.atoms
                .find(Kind::Wild, organization.0, text.as_bytes())
                .is_none()
        };
        let costly = names.filter(|pattern| pattern.is_costly());
        let texts = costly.filter_map(|pattern| match pattern {
            NamePattern::Wild(text) => Some(&**text),
            NamePattern::Exact(_) => None,
        });
        let mut new: Vec<&str> = texts.filter(is_new).collect();
        new.sort_unstable();
        new.dedup();
        self.atoms.costly_of(organization) + new.len()
    }

    /// Adds a subscription. Its statements about its scope's parents hold for all subscriptions
    /// there.
    pub fn subscribe(&mut self, subscriber: SubscriberId, wanted: &Subscription) -> SubscriptionId {
        let scope = self.scopes.acquire_scope(&wanted.scope);
        self.tell_above(scope, wanted.scope.organization, &wanted.parents, false);
        let clauses = compile(wanted, &mut self.properties, &mut self.atoms);
        if let Some(program) = self.programs.find(scope, clauses.as_deref()) {
            self.release(clauses.unwrap_or_default());
            self.scopes.release(scope);
            return self.audience.join(program, subscriber);
        }
        let program = self.programs.insert(scope, clauses, &self.atoms);
        let programs = &mut self.scopes.record_mut(scope).programs;
        programs.push(program);
        self.programs.set_place(program, programs.len() as u32 - 1);
        self.enter(scope, program);
        self.audience.join(program, subscriber)
    }

    /// Removes a subscription that was added and not removed.
    pub fn unsubscribe(&mut self, id: SubscriptionId) {
        let (program, is_empty) = self.audience.leave(id);
        if !is_empty {
            return;
        }
        let scope = self.programs.scope(program);
        self.leave(scope, program);
        let place = self.programs.place(program);
        let programs = &mut self.scopes.record_mut(scope).programs;
        programs.swap_remove(place as usize);
        if (place as usize) < programs.len() {
            let moved = programs[place as usize];
            self.programs.set_place(moved, place);
        }
        let clauses = self.programs.remove(program);
        self.release(clauses);
        self.scopes.release(scope);
    }

    /// Returns how many events a subscription, or an equal one, has matched; it wraps, so the
    /// difference of two readings counts.
    pub fn matched(&self, id: SubscriptionId) -> u32 {
        self.programs.matched(self.audience.program(id))
    }

    /// Notes a project's group, or a session's project or group: subscriptions at `child` and
    /// beneath it match events there from now on. Replaces earlier parents.
    pub fn learn(&mut self, organization: OrganizationId, child: &Address, parents: &Parents) {
        let (level, name) = place(child);
        let Some(scope) = self.scopes.find(organization, level, name) else {
            return;
        };
        self.tell_above(scope, organization, parents, true);
        if level == Level::Project {
            for at in 0..self.scopes.record(scope).sessions.len() {
                let session = self.scopes.record(scope).sessions[at];
                self.put_below(session, Level::Group, organization, parents.group.as_ref());
            }
        }
    }

    /// Finds the subscribers of an event: `scratch.subscribers`.
    pub fn matches(&mut self, event: &Event, scratch: &mut MatchScratch) {
        self.read(event, scratch);
        self.find(event, scratch);
    }

    /// The first half of [`Self::matches`]: reads the properties that some filter asks for.
    pub fn read(&mut self, event: &Event, scratch: &mut MatchScratch) {
        scratch.values.read(event, &mut self.properties);
    }

    /// The second half of [`Self::matches`]: from the values read to the event's subscribers.
    pub fn find(&mut self, event: &Event, scratch: &mut MatchScratch) {
        scratch.programs.clear();
        self.find_candidates(event, scratch);
        let (address, parents) = (&event.scope.address, &event.parents);
        let (level, name) = place(address);
        let at = self.scopes.find(event.scope.organization, level, name);
        if let Some(scope) = at {
            self.visit(self.scopes.record(scope).own, scratch);
            self.visit(self.scopes.record(scope).beneath, scratch);
        }
        let above = [
            (Level::Organization, Some("")),
            (Level::Group, parents.group.as_ref().map(ScopeName::as_str)),
            (
                Level::Project,
                parents.project.as_ref().map(ScopeName::as_str),
            ),
        ];
        for (above, name) in above {
            if above < level
                && let Some(name) = name
                && let Some(scope) = self.scopes.find(event.scope.organization, above, name)
            {
                self.visit(self.scopes.record(scope).own, scratch);
            }
        }
        self.event = self.event.wrapping_add(1).max(1);
        for &program in &scratch.programs {
            self.programs.count(program, self.event);
        }
        let now = Some(self.audience.changes());
        scratch.repeats = scratch.told_at == now && scratch.told == scratch.programs;
        if !scratch.repeats {
            scratch.subscribers.clear();
            self.audience
                .tell(&scratch.programs, &mut scratch.subscribers);
            scratch.told.clone_from(&scratch.programs);
            scratch.told_at = now;
        }
    }

    /// Collects the atoms that hold for the values read, and for the name.
    fn find_candidates(&self, event: &Event, scratch: &mut MatchScratch) {
        let facts = &mut scratch.facts;
        facts.clear();
        let organization = event.scope.organization;
        if self.atoms.reads_names(organization) {
            let name = scratch.values.name(&event.name);
            let wild = &mut scratch.wild;
            self.atoms
                .of_name(organization, &name, wild, |atom| facts.add(atom));
        }
        scratch
            .values
            .facts(event, &self.properties, &self.atoms, facts);
        facts.seal();
    }

    fn visit(&self, root: Option<u32>, scratch: &mut MatchScratch) {
        let MatchScratch {
            facts,
            to_visit,
            programs,
            ..
        } = scratch;
        if let Some(root) = root {
            self.access
                .matches(root, facts, &self.programs, to_visit, programs);
        }
    }

    fn release(&mut self, clauses: Vec<Clause>) {
        for clause in clauses {
            release(&clause, &mut self.properties, &mut self.atoms);
        }
    }

    /// Puts a program beneath the roots of its scope.
    fn enter(&mut self, scope: u32, program: u32) {
        self.enter_own(scope, program);
        for above in self.scopes.record(scope).above.into_iter().flatten() {
            self.enter_beneath(above, program);
        }
    }

    fn enter_own(&mut self, scope: u32, program: u32) {
        if self.programs.is_never(program) {
            return;
        }
        let own = &mut self.scopes.record_mut(scope).own;
        let root = *own.get_or_insert_with(|| self.access.root());
        self.access.insert(root, program, &self.programs);
    }

    fn enter_beneath(&mut self, above: u32, program: u32) {
        if self.programs.is_never(program) {
            return;
        }
        let beneath = &mut self.scopes.record_mut(above).beneath;
        let root = *beneath.get_or_insert_with(|| self.access.root());
        self.access.insert(root, program, &self.programs);
    }

    /// Undoes [`Self::enter`].
    fn leave(&mut self, scope: u32, program: u32) {
        let own = &mut self.scopes.record_mut(scope).own;
        if let Some(root) = *own
            && self.access.remove(root, program, &self.programs)
        {
            self.access.free(root);
            *own = None;
        }
        for above in self.scopes.record(scope).above.into_iter().flatten() {
            self.leave_beneath(above, program);
        }
    }

    fn leave_beneath(&mut self, above: u32, program: u32) {
        let beneath = &mut self.scopes.record_mut(above).beneath;
        if let Some(root) = *beneath
            && self.access.remove(root, program, &self.programs)
        {
            self.access.free(root);
            *beneath = None;
        }
    }

    /// Notes the scopes above a scope; those that are not given are kept, or forgotten if
    /// `replaces`.
    fn tell_above(
        &mut self,
        scope: u32,
        organization: OrganizationId,
        parents: &Parents,
        replaces: bool,
    ) {
        let level = self.scopes.record(scope).level;
        for (above, name) in [
            (Level::Group, &parents.group),
            (Level::Project, &parents.project),
        ] {
            if above < level && (replaces || name.is_some()) {
                self.put_below(scope, above, organization, name.as_ref());
            }
        }
    }

    /// Puts a scope beneath another of level `above`, or beneath none, wherever it was.
    fn put_below(
        &mut self,
        scope: u32,
        above: Level,
        organization: OrganizationId,
        name: Option<&ScopeName>,
    ) {
        let new = self.scopes.acquire_above(organization, above, name);
        let old = std::mem::replace(
            &mut self.scopes.record_mut(scope).above[above as usize],
            new,
        );
        if old != new {
            let is_session = self.scopes.record(scope).level == Level::Session;
            let lists = is_session && above == Level::Project;
            for at in 0..self.scopes.record(scope).programs.len() {
                let program = self.scopes.record(scope).programs[at];
                if let Some(old) = old {
                    self.leave_beneath(old, program);
                }
                if let Some(new) = new {
                    self.enter_beneath(new, program);
                }
            }
            if let (true, Some(old)) = (lists, old) {
                self.scopes.leave_project(scope, old);
            }
            if let (true, Some(new)) = (lists, new) {
                self.scopes.enter_project(scope, new);
            }
        }
        if let Some(old) = old {
            self.scopes.release(old);
        }
    }
}

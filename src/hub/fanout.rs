//! Fan-out: accepted events on their way to live subscriptions, here and on other shards.
//!
//! An event is offered once: to this shard's filter table, if its organization has subscriptions
//! here, and by [`News::Hear`] to every shard that listens to that organization. Shards without
//! listeners get no mail. Events of retained names go to all shards, so that a later subscriber
//! finds the last one without a question to another shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Full, Table, Whose};
use super::command::Answer;
use super::event::{Draft, Event, EventName};
use super::filter::{FilterTable, MatchScratch};
use super::hub::Hub;
use super::news::News;
use super::scope::{Address, OrganizationId, Parents, Scope, ShardId};
use super::subscription::{Names, SubscriberId, Subscription, SubscriptionId};
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::time::Now;

/// A shard's knowledge of live subscriptions: its own, and which other shards have any.
#[derive(Debug)]
pub(super) struct Fanout {
    filters: FilterTable,
    /// Subscriptions of each organization here.
    counts: Vec<u32>,
    /// The other shards that listen to each organization.
    listeners: Vec<Vec<ShardId>>,
    /// The names whose last event is kept.
    retained_names: Vec<Box<str>>,
    /// The last event of each, by organization and position in `retained_names`.
    retained: BTreeMap<(OrganizationId, usize), Arc<Event>>,
    /// Events to be matched with this shard's subscriptions, oldest first.
    heard: Vec<Arc<Event>>,
}

impl Fanout {
    pub(super) fn new(seed: u64, retained_names: &[Box<str>]) -> Self {
        Self {
            filters: FilterTable::new(seed),
            counts: Vec::new(),
            listeners: Vec::new(),
            retained_names: retained_names.to_vec(),
            retained: BTreeMap::new(),
            heard: Vec::new(),
        }
    }

    fn place_of(&self, name: &EventName) -> Option<usize> {
        // However it was escaped; a name that is no string is identified by its JSON text.
        let (text, json) = (name.as_text(), name.as_json());
        self.retained_names.iter().position(|kept| match &text {
            Some(text) => **text == **kept,
            None => json == kept.as_bytes(),
        })
    }

    /// Keeps an event if it is the last of a retained name. Returns whether the name is retained.
    fn retain(&mut self, event: &Arc<Event>) -> bool {
        let Some(place) = self.place_of(&event.name) else {
            return false;
        };
        let key = (event.scope.organization, place);
        // Events of different homes may overtake one another: the greatest id is the last, on all
        // shards.
        if self
            .retained
            .get(&key)
            .is_none_or(|last| last.id < event.id)
        {
            self.retained.insert(key, Arc::clone(event));
        }
        true
    }

    /// The other shards that listen to an organization.
    fn listeners_of(&self, organization: OrganizationId) -> &[ShardId] {
        let listeners = self.listeners.get(organization.0 as usize);
        listeners.map_or(&[], Vec::as_slice)
    }

    fn hear(&mut self, event: &Arc<Event>) {
        if count(&self.counts, event.scope.organization) > 0 {
            self.heard.push(Arc::clone(event));
        }
    }
}

fn count(counts: &[u32], organization: OrganizationId) -> u32 {
    counts.get(organization.0 as usize).copied().unwrap_or(0)
}

/// Returns the organization's entry in a table; organizations are configured, and few.
fn slot<T: Clone + Default>(table: &mut Vec<T>, organization: OrganizationId) -> &mut T {
    let index = organization.0 as usize;
    if table.len() <= index {
        table.resize(index + 1, T::default());
    }
    &mut table[index]
}

impl Hub {
    /// Errors if the new subscriptions, added to the organization's own less `given_up`, exceed a
    /// bound.
    pub fn check_subscriptions(
        &self,
        organization: OrganizationId,
        new: &[Subscription],
        given_up: usize,
    ) -> Result<(), Full> {
        let bounds = Bounds::of(&self.config.bounds, organization);
        let full = |table, whose| Err(Full::new(table, whose, Duration::ZERO));
        let held = count(&self.fanout.counts, organization) as usize;
        if (held + new.len()).saturating_sub(given_up) > bounds.subscriptions {
            return full(Table::Subscriptions, Whose::Organization);
        }
        if (self.subscriptions() + new.len()).saturating_sub(given_up) > SUBSCRIPTIONS_MAX {
            return full(Table::Subscriptions, Whose::Everyone);
        }
        let patterns = new.iter().flat_map(|wanted| match &wanted.names {
            Names::Every => &[],
            Names::Any(patterns) => &**patterns,
        });
        let wildcards = self.fanout.filters.wildcards_with(organization, patterns);
        if wildcards > bounds.wildcards {
            return full(Table::Wildcards, Whose::Organization);
        }
        Ok(())
    }

    /// Adds a live subscription that was [checked](Self::check_subscriptions). Its parents are the
    /// answer of the scope's home to [`Command::Place`](super::Command::Place), used at once: later
    /// news is mailed to this shard.
    pub fn subscribe(
        &mut self,
        subscriber: SubscriberId,
        subscription: &Subscription,
    ) -> SubscriptionId {
        let scope = &subscription.scope;
        *slot(&mut self.fanout.counts, scope.organization) += 1;
        let id = self.fanout.filters.subscribe(subscriber, subscription);
        if let Some(parents) = self.with_group(subscription) {
            self.teach_filters(scope, &parents);
        }
        id
    }

    /// Returns the parents of a subscription's scope, if this shard's tree knows a group that the
    /// subscription does not: it may have been learned while the scope's home, which did not know
    /// it either, had its answer under way.
    fn with_group(&self, subscription: &Subscription) -> Option<Parents> {
        let (scope, parents) = (&subscription.scope, &subscription.parents);
        let project = match (&scope.address, &parents.project) {
            _ if parents.group.is_some() => None,
            (Address::Project(name), _) | (Address::Session(_), Some(name)) => Some(name),
            _ => None,
        };
        let project = Scope {
            organization: scope.organization,
            address: Address::Project(project?.clone()),
        };
        let group = self.tree.parents_of(&project).group?;
        Some(Parents {
            group: Some(group),
            project: parents.project.clone(),
        })
    }

    /// Removes a live subscription of an organization.
    pub fn unsubscribe(&mut self, organization: OrganizationId, id: SubscriptionId) {
        *slot(&mut self.fanout.counts, organization) -= 1;
        self.fanout.filters.unsubscribe(id);
    }

    /// Returns how many events a live subscription has matched; it wraps, so the difference of two
    /// readings counts.
    pub fn matched(&self, id: SubscriptionId) -> u32 {
        self.fanout.filters.matched(id)
    }

    /// Whether there are subscriptions at a group or project, or beneath it.
    pub(super) fn hears_at(&self, scope: &Scope) -> bool {
        self.fanout.filters.knows(scope)
    }

    /// Live subscriptions of an organization on this shard.
    pub fn subscriptions_of(&self, organization: OrganizationId) -> u32 {
        count(&self.fanout.counts, organization)
    }

    /// Live subscriptions on this shard.
    pub fn subscriptions(&self) -> usize {
        self.fanout.filters.len()
    }

    /// Notes whether another shard has subscriptions of an organization.
    pub fn set_listener(&mut self, organization: OrganizationId, shard: ShardId, listens: bool) {
        let listeners = slot(&mut self.fanout.listeners, organization);
        listeners.retain(|&other| other != shard);
        if listens {
            listeners.push(shard);
        }
    }

    /// Returns the other shards that an event of this organization is mailed to.
    pub fn listeners(&self, organization: OrganizationId) -> &[ShardId] {
        self.fanout.listeners_of(organization)
    }

    /// Whether the last event of a name is kept on all shards.
    pub fn retains(&self, name: &EventName) -> bool {
        self.fanout.place_of(name).is_some()
    }

    /// Returns the last event of a retained name.
    pub fn retained(&self, organization: OrganizationId, name: &str) -> Option<Arc<Event>> {
        let names = &self.fanout.retained_names;
        let place = names.iter().position(|kept| **kept == *name)?;
        self.fanout.retained.get(&(organization, place)).cloned()
    }

    /// Hears an event that another shard accepted: [`News::Hear`].
    pub fn hear_from_mail(&mut self, event: &Arc<Event>) {
        self.offer_here(event);
    }

    /// Whether there are effects, or events to be matched, that were not taken.
    pub fn has_news(&self) -> bool {
        !self.effects.is_empty() || !self.fanout.heard.is_empty()
    }

    /// Appends the events to be matched to `out`, oldest first, and forgets them.
    pub fn take_heard(&mut self, out: &mut Vec<Arc<Event>>) {
        out.append(&mut self.fanout.heard);
    }

    /// Finds the subscribers of an event.
    pub fn match_event(&mut self, event: &Event, scratch: &mut MatchScratch) {
        self.fanout.filters.matches(event, scratch);
    }

    /// Tells an organization's live subscribers something that concerns no session: no log gets it.
    pub(super) fn notify(
        &mut self,
        now: Now,
        organization: OrganizationId,
        draft: Draft,
    ) -> Answer {
        let scope = Scope {
            organization,
            address: Address::Organization,
        };
        let event = self.accept(now, (scope, Parents::default()), draft);
        let id = event.id;
        self.offer(&event);
        let position = None;
        Answer::Published { id, position }
    }

    /// Offers an accepted event to live subscriptions, here and elsewhere.
    pub(super) fn offer(&mut self, event: &Arc<Event>) {
        let is_retained = self.offer_here(event);
        if self.placement.shards() == 1 {
            return;
        }
        if is_retained {
            let others = (0..self.placement.shards()).map(ShardId);
            let others = others.filter(|&shard| shard != self.shard);
            self.effects
                .extend(others.map(|shard| News::Hear(shard, Arc::clone(event))));
            return;
        }
        for &shard in self.fanout.listeners_of(event.scope.organization) {
            self.effects.push(News::Hear(shard, Arc::clone(event)));
        }
    }

    /// Offers an event to this shard's subscriptions. Returns whether its name is retained.
    pub(super) fn offer_here(&mut self, event: &Arc<Event>) -> bool {
        let is_retained = self.fanout.retain(event);
        self.fanout.hear(event);
        is_retained
    }

    /// Tells subscriptions what the tree learned.
    pub(super) fn teach_filters(&mut self, scope: &Scope, parents: &Parents) {
        self.fanout
            .filters
            .learn(scope.organization, &scope.address, parents);
    }
}

//! Who listens on this shard, and what they hear: connections and subscriptions, in the order in
//! which they came to the node. What listens belongs to an organization; what is between two
//! requests belongs to nobody.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use uuid::Uuid;

use super::answering::{AddressOf, Job, Outcome, Place, organization_of};
use crate::connection::{Connection, Listening, Transport};
use crate::dialect::{Client, ConnectionState, SubscriptionState};
use crate::hub::{
    Identity, Item, Kind, Named, OrganizationId, Question, Report, ScopeName, Set, Why,
    subscription_key,
};
use crate::limits::INSPECT_STEPS_PER_ITEM;
use crate::shard::ConnectionId;
use crate::shard::Shard;
use crate::shard::connections::Entry;
use crate::time::Now;

/// Who a connection is, if it listens.
struct Listener<'s> {
    organization: OrganizationId,
    dialect: &'static str,
    transport: &'static str,
    session: Option<&'s ScopeName>,
}

impl Shard {
    /// Goes on putting the connections in order. Whether they are.
    fn order_connections(&mut self, now: Now, budget: &mut usize) -> bool {
        let connections = &self.connections;
        let places = connections.capacity();
        self.overview.order.build(now, places, budget, |index| {
            let index = index as u32;
            Some((connections.get(index)?.identity, index))
        })
    }

    /// Who a connection is; none if it does not listen, or reads for a stream of another shard,
    /// which shows it.
    fn listener<'s>(&'s self, entry: &'s Entry) -> Option<Listener<'s>> {
        if entry.relay.is_some() {
            return None;
        }
        match entry.connection.listening()? {
            Listening::Client(client, transport) => {
                let reader = entry.connection.reader();
                let key = reader.and_then(|reader| self.hub.key_of(reader));
                // Whose client reads a log, if it has not said who it is, is whose log that is.
                let whose = client.organization().or(key.map(|key| key.organization));
                Some(Listener {
                    organization: whose?,
                    dialect: client.dialect(),
                    transport: transport.as_str(),
                    session: key.map(|key| &key.token),
                })
            }
            Listening::Elsewhere => {
                let served = entry.stream.as_ref()?.served.as_ref()?;
                let transport = if served.polls {
                    Transport::Poll
                } else {
                    Transport::EventStream
                };
                Some(Listener {
                    organization: served.organization?,
                    dialect: served.dialect,
                    transport: transport.as_str(),
                    session: Some(&served.token),
                })
            }
        }
    }

    pub(super) fn list_listeners(
        &mut self,
        now: Now,
        job: &mut Job,
        set: &Set,
        (after, limit): (Option<Uuid>, usize),
        (budget, address): (&mut usize, AddressOf<'_>),
    ) -> Outcome {
        if !self.order_connections(now, budget) {
            return ControlFlow::Continue(());
        }
        let question = Arc::clone(&job.question);
        let subscriptions = matches!(set, Set::All(Kind::Subscription));
        let (mut identity, mut number) = match (job.place, after) {
            (Place::Connection(identity, number), _) => (identity, number),
            // Of the connection that is gone on after there is nothing more, of a subscription's
            // there may be.
            (_, Some(after)) if subscriptions => Identity::of_id(after),
            (_, Some(after)) => (Identity::of_id(after).0, u32::MAX),
            (_, None) => (Identity::FIRST, 0),
        };
        while *budget > 0 {
            *budget -= 1;
            let bound = if subscriptions && number < u32::MAX {
                Bound::Included((identity, 0))
            } else {
                Bound::Excluded((identity, u32::MAX))
            };
            let Some((next, index)) = self.overview.order.next(bound) else {
                return ControlFlow::Break(job.page(false));
            };
            let above = (next == identity && subscriptions).then_some(number);
            job.place = Place::Connection(next, u32::MAX);
            (identity, number) = (next, u32::MAX);
            let items = if subscriptions {
                self.subscription_items(&question, index, above)
            } else {
                let item = self.connection_item(&question, index, set, address);
                item.into_iter().collect()
            };
            for item in items {
                *budget = budget.saturating_sub(INSPECT_STEPS_PER_ITEM);
                job.take(item, limit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn connection_item(
        &self,
        question: &Question,
        index: u32,
        set: &Set,
        address: AddressOf<'_>,
    ) -> Option<Item> {
        let entry = self.connections.get(index)?;
        let who = self.listener(entry)?;
        let organization = organization_of(question);
        if who.organization != organization {
            return None;
        }
        if let Set::Subscribers(token) = set
            && who.session != Some(token)
        {
            return None;
        }
        let connection = &entry.connection;
        let room = match connection.listening() {
            Some(Listening::Client(client, _)) if entry.subscriptions.is_none() => {
                usize::from(client.heard(0).is_some() && connection.hears().is_none())
            }
            _ => 0,
        };
        let held = entry.subscriptions.as_ref().map_or(room, |held| held.len());
        let client = match &entry.stream {
            Some(stream) => self.connections.id_of(stream.parent),
            None => Some(ConnectionId {
                index,
                serial: entry.serial,
            }),
        };
        let id = entry.identity.id();
        let state = ConnectionState {
            id,
            dialect: who.dialect,
            transport: who.transport,
            address: client.and_then(address),
            since_ms: entry.identity.since_ms(),
            session: who.session,
            bytes_sent: connection.send_queue.sent(),
            events_sent: connection.events(),
            queue_bytes: connection.send_queue.len(),
            subscriptions: held,
        };
        Some(Item {
            key: entry.identity.key(),
            id,
            name: None,
            json: self.dialects.show_connection(organization, &state).into(),
        })
    }

    /// A connection's subscriptions, those with larger numbers than `above`, in order.
    fn subscription_items(&self, question: &Question, index: u32, above: Option<u32>) -> Vec<Item> {
        let Some(entry) = self.connections.get(index) else {
            return Vec::new();
        };
        let organization = organization_of(question);
        let Some(who) = self
            .listener(entry)
            .filter(|who| who.organization == organization)
        else {
            return Vec::new();
        };
        let Some(Listening::Client(client, _)) = entry.connection.listening() else {
            return Vec::new();
        };
        let mut items = Vec::new();
        for (place, (number, deliveries)) in self.numbered(entry).into_iter().enumerate() {
            if above.is_some_and(|above| number <= above) {
                continue;
            }
            let Some(heard) = client.heard(place) else {
                continue;
            };
            let id = entry.identity.subscription_id(number);
            let state = SubscriptionState {
                id,
                connection: entry.identity.id(),
                dialect: who.dialect,
                heard,
                deliveries,
            };
            items.push(Item {
                key: subscription_key(entry.identity, number),
                id,
                name: None,
                json: self.dialects.show_subscription(organization, &state).into(),
            });
        }
        items.sort_unstable_by_key(|item| item.key);
        items
    }

    /// The numbers of a client's subscriptions and what each has brought, by place. A room's only
    /// one is read from its log, and has brought all it was sent.
    fn numbered(&self, entry: &Entry) -> Vec<(u32, u32)> {
        if let Some(held) = &entry.subscriptions {
            let of_table = held.iter().map(|held| {
                let matched = self.hub.matched(held.id);
                (held.number, matched.wrapping_sub(held.counted))
            });
            return of_table.collect();
        }
        match entry.connection.listening() {
            Some(Listening::Client(..)) if entry.connection.hears().is_none() => {
                vec![(1, entry.connection.events())]
            }
            _ => Vec::new(),
        }
    }

    /// Shows a connection or subscription, or ends it.
    pub(super) fn look_at_listener(
        &mut self,
        now: Now,
        question: &Question,
        (kind, named, ends): (Kind, &Named, bool),
        (budget, address): (&mut usize, AddressOf<'_>),
    ) -> Outcome {
        let id = match named {
            Named::Id(id) if kind.may_have(*id) => *id,
            // They have no names.
            _ => return ControlFlow::Break(Report::Not(Why::Absent)),
        };
        if !self.order_connections(now, budget) {
            return ControlFlow::Continue(());
        }
        let (identity, number) = Identity::of_id(id);
        let first = Bound::Included((identity, 0));
        let found = self.overview.order.next(first);
        let Some((_, index)) = found.filter(|&(found, _)| found == identity) else {
            return ControlFlow::Break(Report::Not(Why::Absent));
        };
        let report = match (kind, ends) {
            (Kind::Connection, true) => self.disconnect(now, question, index),
            (Kind::Connection, false) => {
                let set = Set::All(kind);
                let item = self.connection_item(question, index, &set, address);
                item.map_or(Report::Not(Why::Absent), Report::One)
            }
            (_, true) => self.cancel(now, question, index, number),
            (_, false) => {
                let mut items = self.subscription_items(question, index, None).into_iter();
                let item = items.find(|item| item.id == id);
                item.map_or(Report::Not(Why::Absent), Report::One)
            }
        };
        ControlFlow::Break(report)
    }

    fn disconnect(&mut self, now: Now, question: &Question, index: u32) -> Report {
        let Some(entry) = self.connections.get(index) else {
            return Report::Not(Why::Absent);
        };
        let Some(who) = self.listener(entry) else {
            let leaving = entry.connection.leaving();
            let whose = leaving.and_then(Client::organization);
            let is_its = whose == Some(organization_of(question));
            return Report::Not(if is_its { Why::Closing } else { Why::Absent });
        };
        if who.organization != organization_of(question) {
            return Report::Not(Why::Absent);
        }
        // What was published until now is shown before.
        self.pull(index);
        let entry = self.connections.get(index);
        let was_parked = entry.is_some_and(|entry| entry.connection.parked().is_some());
        self.work_on(now, index, Connection::dismiss);
        if was_parked {
            self.refresh_log(now, index);
            self.answer_poll(now, index);
        }
        Report::Done
    }

    fn cancel(&mut self, now: Now, question: &Question, index: u32, number: u32) -> Report {
        let Some(entry) = self.connections.get(index) else {
            return Report::Not(Why::Absent);
        };
        let organization = organization_of(question);
        let is_its = self
            .listener(entry)
            .is_some_and(|who| who.organization == organization);
        let numbers = self.numbered(entry);
        let place = numbers.iter().position(|&(own, _)| own == number);
        let Some(place) = place.filter(|_| is_its) else {
            return Report::Not(Why::Absent);
        };
        let Some(Listening::Client(client, _)) = entry.connection.listening() else {
            return Report::Not(Why::Absent);
        };
        if client.heard(place).is_none() {
            return Report::Not(Why::Absent);
        }
        let then = self.work_on(now, index, |connection, ctx| connection.cancel(place, ctx));
        match then.flatten() {
            None => Report::Not(Why::Changing),
            Some(then) => {
                self.carry_on(now, index, then);
                Report::Done
            }
        }
    }
}

//! Clients of the dialects that talk over a WebSocket: what they hear, and from when on.
//!
//! A change of subscriptions is in force, everywhere, before the client is told: the first one of
//! an organization on this shard waits until every other shard has said that it knows
//! ([`interest`](super::interest)).

use bytes::{Bytes, BytesMut};

use super::carry_on::Next;
use super::interest::Waiter;
use super::subscriptions::{Held, Subscriptions};
use super::{ConnectionId, Shard};
use crate::connection::Connection;
use crate::dialect::{Change, Encoding, Exchange, Open, Rendering, Subscribe};
use crate::hub::{Full, OrganizationId, SubscriberId, Subscription};
use crate::time::Now;

impl Shard {
    pub(super) fn open(&mut self, now: Now, index: u32, open: Open, exchange: Exchange) -> Next {
        let opened = self.work_on(now, index, |connection, ctx| {
            connection.open(open, exchange, ctx)
        });
        let Some((answer, first)) = opened else {
            return Next::Ready;
        };
        self.subscribe(now, index, Box::new(first), answer)
    }

    /// Changes what a client hears, and then sends `first`, the retained events and the reply.
    pub(super) fn subscribe(
        &mut self,
        now: Now,
        index: u32,
        change: Box<Subscribe>,
        first: Bytes,
    ) -> Next {
        let organization = organization_of(&change.change);
        if let (Some(organization), Some(connection)) =
            (organization, self.connections.id_of(index))
            && !self.announce(organization)
        {
            self.work_on(now, index, |connection, _| {
                connection.wait_for_subscription();
            });
            let waiter = Waiter::Subscribe {
                connection,
                change,
                first,
            };
            self.fanout.interest.wait(organization, waiter);
            return Next::Wait;
        }
        self.put_in_force(now, index, *change, first)
    }

    /// Every shard knows now that this one listens: who waited for it hears from now on.
    pub(super) fn subscribe_waiter(
        &mut self,
        now: Now,
        connection: ConnectionId,
        change: Subscribe,
        first: Bytes,
    ) {
        if !self.connections.has(connection) {
            return;
        }
        let next = self.put_in_force(now, connection.index, change, first);
        if self.follow_up(now, connection.index, next) {
            self.go_on(now, connection.index);
        }
    }

    /// A change of subscriptions is in force from now on.
    fn put_in_force(&mut self, now: Now, index: u32, change: Subscribe, first: Bytes) -> Next {
        // What was heard until now comes before the answer, and is not for who only subscribes now.
        self.fan_out(now);
        self.settle_group(now, index);
        let Subscribe {
            change,
            retained,
            reply,
            undo,
        } = change;
        let organization = organization_of(&change);
        if let Err(full) = self.check_change(index, &change) {
            let then = self.work_on(now, index, |connection, ctx| {
                connection.not_subscribed(first, undo, full, ctx)
            });
            return Next::of(then);
        }
        let entry = self.connections.get(index);
        let encoding = entry.and_then(|entry| entry.connection.hears());
        let mut before = first;
        if let Some(encoding) = encoding {
            self.change_subscriptions(index, &change, encoding);
            if let (Some(organization), false) = (organization, retained.is_empty()) {
                let mut out = BytesMut::from(before);
                let mut count = 0;
                for event in retained
                    .iter()
                    .filter_map(|name| self.hub.retained(organization, name))
                {
                    let mut rendering = Rendering::default();
                    self.dialects
                        .encode_event(encoding, &event, &mut rendering, &mut out);
                    self.metrics().events_delivered.add(1);
                    count += 1;
                }
                before = out.freeze();
                if let Some(entry) = self.connections.get_mut(index) {
                    entry.connection.count_events(count);
                }
            }
        } else {
            self.unsubscribe(index);
        }
        let then = self.work_on(now, index, |connection, ctx| {
            connection.subscribed(before, &reply, ctx)
        });
        then.map_or(Next::Ready, Next::InForce)
    }

    /// Whether there is room for what a change adds.
    fn check_change(&self, index: u32, change: &Change) -> Result<(), Full> {
        let held = self.connections.get(index);
        let held = held.and_then(|entry| entry.subscriptions.as_ref());
        let new = match change {
            Change::Replace(all) => &**all,
            Change::Add(one) => std::slice::from_ref(one),
            Change::Remove(_) => &[],
        };
        match organization_of(change) {
            Some(organization) => {
                let is_replaced = matches!(change, Change::Replace(_));
                let given_up = held.filter(|_| is_replaced).map_or(0, |held| held.len());
                self.hub.check_subscriptions(organization, new, given_up)
            }
            None => Ok(()),
        }
    }

    /// Adds, removes or replaces the subscriptions of a client.
    fn change_subscriptions(&mut self, index: u32, change: &Change, encoding: Encoding) {
        if let Change::Replace(_) = change {
            self.unsubscribe(index);
        }
        let Some(organization) = organization_of(change) else {
            if let Change::Remove(place) = change {
                self.remove_subscription(index, *place);
            }
            return;
        };
        let Some(entry) = self.connections.get_mut(index) else {
            return;
        };
        let subscriptions = entry
            .subscriptions
            .get_or_insert_with(|| Box::new(Subscriptions::new(organization)));
        let mut add = |wanted: &Subscription| {
            let id = self.hub.subscribe(SubscriberId(index), wanted);
            let bytes = wanted.bytes() as u32;
            self.budget.subscription_bytes += bytes as usize;
            subscriptions.push(Held {
                id,
                number: self.fanout.number_subscription(),
                counted: self.hub.matched(id),
                bytes,
            });
        };
        match change {
            Change::Replace(all) => all.iter().for_each(add),
            Change::Add(one) => add(one),
            Change::Remove(_) => {}
        }
        self.fanout.listen(index, entry.serial, encoding);
    }

    fn remove_subscription(&mut self, index: u32, place: usize) {
        let entry = self.connections.get_mut(index);
        let Some(subscriptions) = entry.and_then(|entry| entry.subscriptions.as_mut()) else {
            return;
        };
        if let Some(held) = subscriptions.swap_remove(place) {
            self.budget.subscription_bytes -= held.bytes as usize;
            self.hub.unsubscribe(subscriptions.organization, held.id);
        }
    }

    /// Removes all subscriptions of a connection.
    pub(super) fn unsubscribe(&mut self, index: u32) {
        let entry = self.connections.get_mut(index);
        let subscriptions = entry.and_then(|entry| entry.subscriptions.take());
        self.drop_subscriptions(subscriptions);
    }

    pub(super) fn drop_subscriptions(&mut self, subscriptions: Option<Box<Subscriptions>>) {
        let Some(subscriptions) = subscriptions else {
            return;
        };
        self.budget.subscription_bytes -= subscriptions.bytes();
        for held in subscriptions.iter() {
            self.hub.unsubscribe(subscriptions.organization, held.id);
        }
    }

    /// A client's own time is up. It may be sent away, so it is shown first what was published
    /// until now.
    pub(super) fn expire_client(&mut self, now: Now, index: u32) {
        self.pull(index);
        let then = self.work_on(now, index, Connection::expire_client);
        if let Some(then) = then {
            self.carry_on(now, index, then);
        }
    }
}

/// Whose events a change makes a client hear, if it hears any.
fn organization_of(change: &Change) -> Option<OrganizationId> {
    let subscription = match change {
        Change::Replace(all) => all.first(),
        Change::Add(one) => Some(one),
        Change::Remove(_) => None,
    };
    subscription.map(|subscription| subscription.scope.organization)
}

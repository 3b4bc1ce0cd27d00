//! Clients of the dialects that talk over a WebSocket: what they hear, and from when on.
//!
//! A change of subscriptions is in force, everywhere, before the client is told: the first one of an
//! organization on this shard waits until every other shard has said that it knows
//! ([`interest`](super::interest)).

use bytes::{Bytes, BytesMut};

use super::fanout::Listener;
use super::interest::Waiter;
use super::subscriptions::{Held, Subscriptions};
use super::{ConnectionId, Shard};
use crate::connection::{Connection, Then};
use crate::dialect::{Change, Encoding, Exchange, Open, Rendering, Subscribe};
use crate::hub::{Full, OrganizationId, SubscriberId, Subscription};
use crate::time::Now;

impl Shard {
    /// Does what a connection's step or answer left to do. No if the connection has to wait before its next
    /// input is looked at.
    pub(super) fn carry_on(&mut self, now: Now, index: u32, then: Then) -> bool {
        match then {
            Then::Again | Then::More { .. } | Then::Streams => true,
            Then::Call(call, exchange) => self.call(now, index, *call, exchange),
            Then::Open(open, exchange) => self.open(now, index, *open, exchange),
            Then::Subscribe(change) => self.subscribe(now, index, change, Bytes::new()),
            Then::Follow(follow, exchange) => self.follow(now, index, follow, exchange),
            Then::Show(show) => {
                self.change_view(now, index, *show);
                true
            }
        }
    }

    fn open(&mut self, now: Now, index: u32, open: Open, exchange: Exchange) -> bool {
        let opened = self.with(now, index, |connection, ctx| {
            connection.open(open, exchange, ctx)
        });
        let Some((answer, first)) = opened else {
            return true;
        };
        self.subscribe(now, index, Box::new(first), answer)
    }

    /// Changes what a client hears, and then sends `first`, the retained events and the reply. No if that
    /// has to wait.
    fn subscribe(&mut self, now: Now, index: u32, change: Box<Subscribe>, first: Bytes) -> bool {
        let organization = organization_of(&change.change);
        if let (Some(organization), Some(connection)) = (organization, self.id_of(index))
            && !self.announce(organization)
        {
            self.with(now, index, |connection, _| {
                connection.wait_for_subscription();
            });
            let waiter = Waiter::Subscribe {
                connection,
                change,
                first,
            };
            self.interest.wait(organization, waiter);
            return false;
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
        if self.entry(connection).is_some()
            && self.put_in_force(now, connection.index, change, first)
        {
            self.go_on(now, connection.index);
        }
    }

    /// A change of subscriptions is in force from now on. No if what follows from it has to wait.
    fn put_in_force(&mut self, now: Now, index: u32, change: Subscribe, first: Bytes) -> bool {
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
            let then = self.with(now, index, |connection, ctx| {
                connection.not_subscribed(first, undo, full, ctx)
            });
            return then.is_none_or(|then| self.carry_on(now, index, then));
        }
        let entry = self.connections.get(index as usize);
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
                if let Some(entry) = self.connections.get_mut(index as usize) {
                    entry.connection.count_events(count);
                }
            }
        } else {
            self.unsubscribe(index);
        }
        let then = self.with(now, index, |connection, ctx| {
            connection.subscribed(before, &reply, ctx)
        });
        let go_on = then.is_none_or(|then| self.carry_on(now, index, then));
        if self.draining {
            self.drain_connection(now, index);
        }
        go_on
    }

    /// Whether there is room for what a change adds.
    fn check_change(&self, index: u32, change: &Change) -> Result<(), Full> {
        let held = self.connections.get(index as usize);
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
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let subscriptions = entry
            .subscriptions
            .get_or_insert_with(|| Box::new(Subscriptions::new(organization)));
        let mut add = |wanted: &Subscription| {
            let id = self.hub.subscribe(SubscriberId(index), wanted);
            self.last_subscription = self.last_subscription.wrapping_add(1).max(1);
            let bytes = wanted.bytes() as u32;
            self.budget.subscription_bytes += bytes as usize;
            subscriptions.push(Held {
                id,
                number: self.last_subscription,
                counted: self.hub.matched(id),
                bytes,
            });
        };
        match change {
            Change::Replace(all) => all.iter().for_each(add),
            Change::Add(one) => add(one),
            Change::Remove(_) => {}
        }
        if self.listeners.len() <= index as usize {
            self.listeners
                .resize(index as usize + 1, Listener::nobody(encoding));
        }
        let listener = &mut self.listeners[index as usize];
        listener.encoding = encoding;
        listener.serial = entry.serial;
    }

    fn remove_subscription(&mut self, index: u32, place: usize) {
        let entry = self.connections.get_mut(index as usize);
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
        let entry = self.connections.get_mut(index as usize);
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

    /// A client's own time is up. It may be sent away, so it is shown first what was published until now.
    pub(super) fn expire_client(&mut self, now: Now, index: u32) {
        self.pull(index);
        let then = self.with(now, index, Connection::expire_client);
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

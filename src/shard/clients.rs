//! Clients of the dialects that talk over a WebSocket: what they hear, and from when on.
//!
//! A change of subscriptions is in force, everywhere, before the client is told: the first one of an
//! organization on this shard waits until every other shard has said that it knows
//! ([`interest`](super::interest)).

use bytes::{Bytes, BytesMut};

use super::fanout::Listener;
use super::interest::Waiter;
use super::{ConnectionId, Shard};
use crate::connection::{Connection, Then};
use crate::dialect::{Open, Subscribe};
use crate::hub::{OrganizationId, SubscriberId, SubscriptionId};
use crate::time::Now;

/// What one connection hears.
#[derive(Debug)]
pub(super) struct Subscriptions {
    organization: OrganizationId,
    ids: Vec<SubscriptionId>,
}

impl Shard {
    /// Does what a connection's step or answer left to do. No if the connection has to wait before its next
    /// input is looked at.
    pub(super) fn carry_on(&mut self, now: Now, index: u32, then: Then) -> bool {
        match then {
            Then::Again | Then::More { .. } => true,
            Then::Call(call, exchange) => self.call(now, index, *call, exchange),
            Then::Listen(listen, exchange) => self.try_listen(now, index, &listen, exchange),
            Then::Open(open) => self.open(now, index, *open),
            Then::Subscribe(change) => self.subscribe(now, index, change, Bytes::new()),
        }
    }

    fn open(&mut self, now: Now, index: u32, open: Open) -> bool {
        let opened = self.with(now, index, |connection, ctx| connection.open(open, ctx));
        let Some((answer, first)) = opened else {
            return true;
        };
        self.subscribe(now, index, Box::new(first), answer)
    }

    /// Changes what a client hears, and then sends `first`, the retained events and the reply. No if that
    /// has to wait.
    fn subscribe(&mut self, now: Now, index: u32, change: Box<Subscribe>, first: Bytes) -> bool {
        let organization = change.subscriptions.first().map(|s| s.scope.organization);
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
        self.put_in_force(now, index, &change, first);
        true
    }

    /// Every shard knows now that this one listens: who waited for it hears from now on.
    pub(super) fn subscribe_waiter(
        &mut self,
        now: Now,
        connection: ConnectionId,
        change: &Subscribe,
        first: Bytes,
    ) {
        if self.entry(connection).is_some() {
            self.put_in_force(now, connection.index, change, first);
            self.consume_held(now, connection.index);
        }
    }

    fn put_in_force(&mut self, now: Now, index: u32, change: &Subscribe, first: Bytes) {
        // What was heard until now comes before the answer, and is not for who only subscribes now.
        self.fan_out(now);
        self.settle_group(now, index);
        self.unsubscribe(index);
        let Some(entry) = self.connections.get_mut(index as usize) else {
            return;
        };
        let encoding = entry.connection.hears();
        let organization = change.subscriptions.first().map(|s| s.scope.organization);
        let mut before = BytesMut::from(first);
        if let (Some(encoding), Some(organization)) = (encoding, organization) {
            let wanted = change.subscriptions.iter();
            let ids = wanted.map(|wanted| self.hub.subscribe(SubscriberId(index), wanted));
            entry.subscriptions = Some(Box::new(Subscriptions {
                organization,
                ids: ids.collect(),
            }));
            if self.listeners.len() <= index as usize {
                self.listeners
                    .resize_with(index as usize + 1, Listener::default);
            }
            self.listeners[index as usize].encoding = encoding;
            let retained = change.retained.iter();
            for event in retained.filter_map(|name| self.hub.retained(organization, name)) {
                self.dialects.encode_event(encoding, &event, &mut before);
                self.metrics().events_delivered.add(1);
            }
        }
        self.with(now, index, |connection, ctx| {
            connection.subscribed(before.freeze(), &change.reply, ctx);
        });
        if self.draining {
            self.drain_connection(now, index);
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
        for id in subscriptions.ids {
            self.hub.unsubscribe(subscriptions.organization, id);
        }
    }

    /// A client's own time is up.
    pub(super) fn expire_client(&mut self, now: Now, index: u32) {
        let then = self.with(now, index, Connection::expire_client);
        if let Some(then) = then {
            self.carry_on(now, index, then);
        }
    }
}

//! What those see who look after a server: things as values here, as JSON in the dialect that is
//! asked for them.
//!
//! Each dialect says of its own clients who they are, what they hear, and how one subscription of
//! theirs ends.

use std::net::SocketAddr;

use uuid::Uuid;

use super::client::Reaction;
use super::contract::Dialect;
use super::{Client, Dialects, dispatch, live};
use crate::hub::{
    Address, Event, NamePattern, NodeState, Number, OrganizationId, ScopeName, SessionState,
    ValueFilter,
};

/// Somebody who listens.
#[derive(Clone, Debug)]
pub struct ConnectionState<'s> {
    /// Its id.
    pub id: Uuid,
    /// The API it speaks.
    pub dialect: &'static str,
    /// How.
    pub transport: &'static str,
    /// From where.
    pub address: Option<SocketAddr>,
    /// Since when its connection is there, unix milliseconds.
    pub since_ms: u64,
    /// The session whose log it reads, if it does.
    pub session: Option<&'s ScopeName>,
    /// Bytes that it was sent.
    pub bytes_sent: u64,
    /// Events that it was given.
    pub events_sent: u32,
    /// Bytes that wait to be sent.
    pub queue_bytes: usize,
    /// How many subscriptions it has.
    pub subscriptions: usize,
}

/// What somebody hears.
#[derive(Clone, Debug)]
pub struct SubscriptionState {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub connection: Uuid,
    /// The API that asked for it.
    pub dialect: &'static str,
    /// What is heard.
    pub heard: Heard,
    /// Events that it has brought.
    pub deliveries: u32,
}

/// What a subscription asks for, as its client said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Where.
    pub scope: Address,
    /// Which names; a star stands for any text.
    pub names: Vec<Box<str>>,
    /// Which properties have which of these values.
    pub filters: Vec<(Box<str>, ValueFilter)>,
}

impl Heard {
    /// Events of some names, with any properties.
    pub(super) fn names(scope: Address, names: impl IntoIterator<Item = Box<str>>) -> Self {
        Self {
            scope,
            names: names.into_iter().collect(),
            filters: Vec::new(),
        }
    }
}

/// A pattern as it is written.
pub(super) fn pattern_text(pattern: &NamePattern) -> Box<str> {
    match pattern {
        NamePattern::Exact(text) | NamePattern::Wild(text) => text.clone(),
    }
}

impl Client {
    /// The organization whose client this is, as far as it is known.
    pub fn organization(&self) -> Option<OrganizationId> {
        dispatch!(Client, self, |D, client| D::organization(client))
    }

    /// The API it speaks.
    pub fn dialect(&self) -> &'static str {
        dispatch!(Client, self, |D, _| D::NAME)
    }

    /// What its subscription at that place asks for. Who reads a log has at most one.
    pub fn heard(&self, place: usize) -> Option<Heard> {
        dispatch!(Client, self, |D, client| D::heard(client, place))
    }
}

impl Dialects {
    /// Ends a client's subscription at that place, which it has.
    pub fn cancel(&self, client: &mut Client, place: usize) -> Reaction {
        dispatch!(self, Client, client, |dialect, client| Dialect::cancel(
            dialect, client, place
        ))
    }

    /// A session as JSON text.
    pub fn show_session(&self, organization: OrganizationId, state: &SessionState) -> Vec<u8> {
        live::show::session(self.live.server(organization), state)
    }

    /// A group or project as JSON text.
    pub fn show_node(&self, organization: OrganizationId, state: &NodeState) -> Vec<u8> {
        live::show::node(self.live.server(organization), state)
    }

    /// A connection as JSON text.
    pub fn show_connection(
        &self,
        organization: OrganizationId,
        state: &ConnectionState<'_>,
    ) -> Vec<u8> {
        live::show::connection(self.live.server(organization), state)
    }

    /// A subscription as JSON text.
    pub fn show_subscription(
        &self,
        organization: OrganizationId,
        state: &SubscriptionState,
    ) -> Vec<u8> {
        live::show::subscription(self.live.server(organization), state)
    }

    /// An event of a log as JSON text.
    pub fn show_event(&self, number: Number, event: &Event) -> Vec<u8> {
        live::show::event(&self.live, number, event)
    }
}

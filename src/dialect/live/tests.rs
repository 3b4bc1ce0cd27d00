//! The socket's contract, sentence by sentence, without connection or shard; hearing is tried on a
//! real filter table.

mod filters;
mod handshakes;
mod rendering;

use std::sync::Arc;

use super::*;
use crate::dialect::testing::{event, organizations, replaced, reply, subscribe};
use crate::hub::{Event, FilterTable, MatchScratch, SubscriberId, Subscription};

/// A client of the first of two organizations, and its server.
pub(super) struct Tester {
    pub(super) dialect: Live,
    pub(super) client: Client,
    /// What it hears.
    pub(super) subscriptions: Vec<Subscription>,
}

impl Tester {
    pub(super) fn new() -> Self {
        let dialect = Live::new(&LiveConfig::default(), Arc::new(organizations()));
        let organization = OrganizationId(0);
        let subscriptions = dialect.subscriptions(organization, &[]);
        Self {
            dialect,
            client: Client {
                organization,
                cancelled: false,
                heard: Heard::default(),
            },
            subscriptions,
        }
    }

    /// Sends what is replied to and changes nothing.
    #[track_caller]
    pub(super) fn ask(&mut self, text: &str) -> String {
        reply(self.dialect.read_message(&mut self.client, text.as_bytes()))
    }

    /// Sets filters, each a property and the JSON text of its value.
    #[track_caller]
    pub(super) fn filter(&mut self, filters: &[(&str, &str)]) -> String {
        let filters: Vec<String> = filters
            .iter()
            .map(|(name, value)| format!(r#"{{"property":"{name}","value":{value}}}"#))
            .collect();
        let text = format!(r#"{{"type":"filter","filters":[{}]}}"#, filters.join(","));
        let change = subscribe(self.dialect.read_message(&mut self.client, text.as_bytes()));
        assert!(change.retained.is_empty());
        self.subscriptions = replaced(change.change);
        String::from_utf8(change.reply).expect("text")
    }

    /// Whether it hears an event.
    pub(super) fn hears(&self, event: &Event) -> bool {
        let mut table = FilterTable::new(1);
        for subscription in &self.subscriptions {
            table.subscribe(SubscriberId(1), subscription);
        }
        let mut scratch = MatchScratch::default();
        table.matches(event, &mut scratch);
        !scratch.subscribers.is_empty()
    }

    /// Whether it hears an event of this name and payload.
    pub(super) fn hears_of(&self, name: &str, payload: &str) -> bool {
        self.hears(&event(&format!("{name:?}"), payload))
    }
}

//! What the tests of dialects with a socket share: a place to stand on, without shards and
//! connections.

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::{Action, Change, Exchange, Reaction, Responder, Subscribe, Tools};
use crate::auth::{Directory, TokenDigest};
use crate::config::{HubConfig, OrganizationConfig, TokenConfig, UserConfig};
use crate::hub::{
    Address, Event, EventId, EventName, Ids, OrganizationId, Parents, Placement, Scope, ScopeName,
    ShardId, Subscription,
};
use crate::protocol::Parsed;
use crate::protocol::http1::{DateCache, Head, Scratch, parse_head};
use crate::time::{Instant, Now};

/// A handshake as it should be; what it lacks is for the test to say.
pub(super) const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Two organizations. Tokens and users are called after what they may do: `a-all`, `a-nothing` and
/// `a-listens` in the first, `b-listens` in the second.
pub(super) fn organizations() -> Directory {
    let all: &[&str] = &["publish", "subscribe", "admin"];
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let organization = |name: &str, logins: &[(&str, &[&str])]| OrganizationConfig {
        name: name.to_owned(),
        id: Some(format!("00000000-0000-0000-0000-00000000000{name}")),
        tokens: logins
            .iter()
            .map(|(token, grants)| TokenConfig {
                sha256: TokenDigest::of(token).to_string(),
                grants: words(grants),
            })
            .collect(),
        users: logins
            .iter()
            .map(|(user, grants)| UserConfig {
                name: (*user).to_owned(),
                // Answers about passwords are the test's to give.
                password: String::new(),
                grants: words(grants),
            })
            .collect(),
        ..OrganizationConfig::default()
    };
    let listens: &[&str] = &["subscribe"];
    let organizations = vec![
        organization(
            "a",
            &[("a-all", all), ("a-nothing", &[]), ("a-listens", listens)],
        ),
        organization("b", &[("b-listens", listens)]),
    ];
    Directory::from_config(&HubConfig::default(), &organizations)
}

/// The time, and what else tools are made of.
pub(super) struct Ground {
    pub(super) now: Now,
    placement: Placement,
    ids: Ids,
}

impl Ground {
    pub(super) fn new() -> Self {
        Self {
            now: Now {
                instant: Instant::from_millis(1_000),
                unix_ms: 1_700_000_000_000,
            },
            placement: Placement::new(1, 1),
            ids: Ids::new([7; 32], ShardId(0)),
        }
    }

    pub(super) fn tools(&mut self) -> Tools<'_> {
        Tools {
            now: self.now,
            placement: &self.placement,
            ids: &mut self.ids,
            draining: false,
            denied: None,
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now.instant = self.now.instant + std::time::Duration::from_secs(seconds);
    }

    /// Hands a request, its line and its header lines, to a handler; what it wrote comes with its
    /// action.
    pub(super) fn request(
        &mut self,
        request: &str,
        handle: impl FnOnce(&Head<'_, '_>, &mut Tools<'_>, &mut Responder<'_>) -> Action,
    ) -> (Action, String) {
        self.request_with(b"", request, handle)
    }

    /// The same, where every answer begins with these lines.
    pub(super) fn request_with(
        &mut self,
        lines: &[u8],
        request: &str,
        handle: impl FnOnce(&Head<'_, '_>, &mut Tools<'_>, &mut Responder<'_>) -> Action,
    ) -> (Action, String) {
        let text = format!("{request}\r\nHost: a\r\n\r\n").replace("\r\n\r\nHost", "\r\nHost");
        let mut scratch = Scratch::new();
        let Ok(Parsed::Complete(head, _)) = parse_head(text.as_bytes(), &mut scratch) else {
            panic!("no request: {text}");
        };
        respond(lines, Exchange::of(&head), |to| {
            handle(&head, &mut self.tools(), to)
        })
    }
}

/// What a handler does and writes.
pub(super) fn respond(
    lines: &[u8],
    exchange: Exchange,
    handle: impl FnOnce(&mut Responder<'_>) -> Action,
) -> (Action, String) {
    let (mut out, date) = (BytesMut::new(), DateCache::new(0));
    let mut to = Responder {
        out: &mut out,
        date: &date,
        now: Now::default(),
        exchange,
        origin: None,
        lines,
        status: 0,
        denied: None,
    };
    let action = handle(&mut to);
    (action, String::from_utf8(out.to_vec()).expect("text"))
}

/// The text of a plain reply.
#[track_caller]
pub(super) fn reply(reaction: Reaction) -> String {
    match reaction {
        Reaction::Reply(text) => String::from_utf8(text).expect("text"),
        other => panic!("no reply: {other:?}"),
    }
}

/// The change of subscriptions.
#[track_caller]
pub(super) fn subscribe(reaction: Reaction) -> Subscribe {
    match reaction {
        Reaction::Subscribe(subscribe) => *subscribe,
        other => panic!("no subscription: {other:?}"),
    }
}

/// The subscriptions that take the place of all others.
#[track_caller]
pub(super) fn replaced(change: Change) -> Vec<Subscription> {
    match change {
        Change::Replace(subscriptions) => subscriptions,
        other => panic!("not all are replaced: {other:?}"),
    }
}

/// An event of the first organization.
pub(super) fn event(name: &str, payload: &str) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        name: EventName::from_json(Bytes::copy_from_slice(name.as_bytes())),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        metadata: None,
        origin: None,
        correlation: None,
        scope: scope(Address::Organization),
        parents: Parents::default(),
        time_ms: 1_700_000_000_123,
    }
}

pub(super) fn scope(address: Address) -> Scope {
    Scope {
        organization: OrganizationId(0),
        address,
    }
}

pub(super) fn name(text: &str) -> ScopeName {
    ScopeName::new(text)
}

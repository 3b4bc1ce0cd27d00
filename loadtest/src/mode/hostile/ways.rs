//! Ways of making a server hold things: their names, how many attack so, and what they say.

use std::net::SocketAddr;

use crate::hostile::http1::post;
use crate::hostile::socket::{After, Dialect};
use crate::hostile::{Attacker, Says};

use super::wants::{Wants, key, node, session};

/// A way of making the server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Way {
    /// An unfinished message, sessions dialect.
    FragmentSessions,
    /// The same, sysadm dialect.
    FragmentSysadm,
    /// The same, live dialect.
    FragmentLive,
    /// The same, stream dialect.
    FragmentStream,
    /// The same, in a room.
    FragmentPubsub,
    /// A body of a length that is not reached.
    BodyLength,
    /// A chunk that is not finished.
    BodyChunked,
    /// A head that is not finished.
    Heads,
    /// HTTP/2 headers that are not finished.
    Http2Headers,
    /// Many HTTP/2 streams with unfinished bodies.
    Http2Bodies,
    /// Subscriptions to many names, stream dialect.
    Subscriptions,
    /// Filters with long values, live dialect.
    Filters,
    /// Names of a room.
    RoomNames,
    /// Sessions that are created.
    Sessions,
    /// Groups and projects that are named.
    Nodes,
    /// Idempotency keys.
    Keys,
}

impl Way {
    /// Whether what it makes the server hold is input that waits, not entries of a table.
    pub(super) fn waits(self) -> bool {
        !matches!(
            self,
            Self::Subscriptions
                | Self::Filters
                | Self::RoomNames
                | Self::Sessions
                | Self::Nodes
                | Self::Keys
        )
    }

    /// How many do it, unless somebody asks for another number.
    pub(super) fn connections(self) -> usize {
        match self {
            Self::Heads | Self::Http2Headers => 1_000,
            Self::Http2Bodies
            | Self::Subscriptions
            | Self::Filters
            | Self::RoomNames
            | Self::Sessions
            | Self::Nodes
            | Self::Keys => 20,
            _ => 200,
        }
    }

    /// An attacker that wants this.
    pub(super) fn attacker(self, wants: &Wants) -> Box<dyn Attacker> {
        let fragment = |dialect| wants.socket(dialect, After::Fragment(wants.bytes));
        let unreached = wants.bytes + 1;
        match self {
            Self::FragmentSessions => fragment(Dialect::Sessions),
            Self::FragmentSysadm => fragment(Dialect::Sysadm),
            Self::FragmentLive => fragment(Dialect::Live),
            Self::FragmentStream => fragment(Dialect::Stream),
            Self::FragmentPubsub => fragment(Dialect::Pubsub),
            Self::BodyLength => wants.body(&format!("Content-Length: {unreached}\r\n\r\n")),
            Self::BodyChunked => wants.body(&format!(
                "Transfer-Encoding: chunked\r\n\r\n{unreached:x}\r\n"
            )),
            Self::Heads => wants.head(),
            Self::Http2Headers => wants.http2_headers(),
            Self::Http2Bodies => wants.http2_bodies(),
            Self::Subscriptions => wants.subscriptions(),
            Self::Filters => wants.filters(),
            Self::RoomNames => wants.room_names(),
            Self::Sessions => wants.requests(session),
            Self::Nodes => wants.requests(node),
            Self::Keys => wants.requests(key),
        }
    }

    /// What a bystander publishes meanwhile, who presents itself with `fields`; where it
    /// `shares`, what it asks for takes an entry of the table that is attacked each time.
    pub(super) fn calmly(self, host: SocketAddr, fields: &str, shares: bool) -> Says<Vec<u8>> {
        let make = match self {
            Self::Sessions if shares => session,
            Self::Nodes if shares => node,
            Self::Keys if shares => key,
            _ => {
                let body = r#"{"type":"calm","data":{"n":1}}"#;
                return Says::Same(post(host, "/api/sessions/calm/events", fields, body));
            }
        };
        let fields = fields.to_owned();
        Says::Numbered(Box::new(move |number| make(host, &fields, "calm", number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::hostile::organization::bearer;

    fn wants(index: usize, token: Option<&str>) -> Wants {
        Wants {
            host: SocketAddr::from(([127, 0, 0, 1], 7400)),
            index,
            bytes: 100_000,
            count: 5,
            token: token.map(str::to_owned),
        }
    }

    /// Everything that is said without being answered.
    fn said(way: Way, wants: &Wants) -> String {
        let mut attacker = way.attacker(wants);
        let mut all = Vec::new();
        loop {
            let mut piece = Vec::new();
            attacker.say(&mut piece);
            if piece.is_empty() {
                return String::from_utf8_lossy(&all).into_owned();
            }
            all.append(&mut piece);
        }
    }

    #[test]
    fn bodies_lack_their_end() {
        let wants = wants(3, None);
        let text = said(Way::BodyLength, &wants);
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        assert!(head.ends_with("Content-Length: 100001"), "{head}");
        assert_eq!(body.len(), 100_000);
        let text = said(Way::BodyChunked, &wants);
        let (_, chunk) = text
            .split_once("\r\n186a1\r\n")
            .expect("a chunk of 100,001");
        assert_eq!(chunk.len(), 100_000);
        assert!(!said(Way::Heads, &wants).contains("\r\n\r\n"));
    }

    #[test]
    fn what_is_named_is_named_once() {
        for way in [Way::Sessions, Way::Nodes, Way::Keys] {
            let text = said(way, &wants(3, None));
            for number in 0..5 {
                assert!(
                    text.contains(&format!("held-3-{number}")),
                    "{way:?}: {text}"
                );
            }
            assert_eq!(text.matches("POST ").count(), 5);
            assert_ne!(text, said(way, &wants(4, None)));
        }
    }

    #[test]
    fn members_present_their_token_and_bystanders_theirs() {
        let member = wants(0, Some("ff_a"));
        for way in [Way::Keys, Way::BodyLength, Way::FragmentPubsub, Way::Heads] {
            let text = said(way, &member);
            assert!(
                text.contains("\r\nAuthorization: Bearer ff_a\r\n"),
                "{way:?}"
            );
        }
        for way in [Way::Sessions, Way::Nodes, Way::Keys] {
            let mut requests = way.calmly(member.host, &bearer("ff_b"), true);
            let mut text = |number| {
                let request = requests.with(number, Clone::clone);
                String::from_utf8(request).expect("text")
            };
            let (first, second) = (text(1), text(2));
            assert_ne!(first, second, "{way:?}");
            assert!(
                first.contains("ff_b") && first.contains("calm-1"),
                "{first}"
            );
            let requests = way.calmly(member.host, "", false);
            assert!(matches!(requests, Says::Same(_)));
        }
    }
}

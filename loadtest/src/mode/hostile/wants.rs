//! What is said to make a server hold things: messages, bodies and heads that are not finished, and
//! requests each of which asks for something of its own.

use std::net::SocketAddr;

use crate::hostile::http1::{Pipelined, Unfinished, post};
use crate::hostile::http2::{Call, EndlessHeaders, Habits, Streams, block};
use crate::hostile::socket::{After, Dialect, Socket};
use crate::hostile::{Attacker, Filler, Says};

use super::organization::bearer;

/// Bytes of a head that is not finished: fewer than a server lets pass.
const HEAD_BYTES: usize = 15_000;
/// Streams of a connection whose bodies are not finished.
const BODY_STREAMS: u64 = 200;
/// Bytes of each of those: within a stream's window.
const BODY_BYTES: usize = 60_000;
/// Requests on the way at a time, where each asks for something of its own.
const WINDOW: u64 = 64;
/// Subscriptions of one connection, and the names of each.
const SUBSCRIPTIONS: u64 = 1_024;
const NAMES: u64 = 64;
/// Filters of one connection, and the bytes of each value.
const FILTERS: u64 = 240;
const VALUE_BYTES: usize = 4_000;
/// Names that one room is subscribed to, and the bytes of each.
const ROOM_NAMES: u64 = 256;
const ROOM_NAME_BYTES: usize = 1_000;

/// What one attacker wants to be held.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    /// By whom.
    pub(super) host: SocketAddr,
    /// Its number among its like.
    pub(super) index: usize,
    /// Bytes that it leaves unfinished.
    pub(super) bytes: usize,
    /// Things that it names.
    pub(super) count: u64,
    /// What it presents, if anything.
    pub(super) token: Option<String>,
}

impl Wants {
    /// The header line that presents its token.
    fn fields(&self) -> String {
        self.token.as_deref().map_or(String::new(), bearer)
    }

    /// A WebSocket.
    pub(super) fn socket(&self, dialect: Dialect, after: After) -> Box<dyn Attacker> {
        let session = format!("held-{}", self.index);
        let handshake = dialect.handshake(self.host, &session, &self.fields());
        Box::new(Socket::new(handshake, after))
    }

    fn many(
        &self,
        dialect: Dialect,
        message: impl FnMut(u64) -> String + Send + 'static,
        count: u64,
    ) -> Box<dyn Attacker> {
        let messages = Says::Numbered(Box::new(message));
        self.socket(dialect, After::Messages(messages, count))
    }

    /// A WebSocket of the stream dialect with as many subscriptions as it is let.
    pub(super) fn subscriptions(&self) -> Box<dyn Attacker> {
        let index = self.index;
        let message = move |number| subscribe(index, number);
        self.many(Dialect::Stream, message, SUBSCRIPTIONS)
    }

    /// A WebSocket of the live dialect with one large filter.
    pub(super) fn filters(&self) -> Box<dyn Attacker> {
        self.many(Dialect::Live, |_| filters(), 1)
    }

    /// A room with many long names.
    pub(super) fn room_names(&self) -> Box<dyn Attacker> {
        self.many(Dialect::Pubsub, room_name, ROOM_NAMES)
    }

    /// Requests, each of which names something new.
    pub(super) fn requests(
        &self,
        make: fn(SocketAddr, &str, &str, u64) -> Vec<u8>,
    ) -> Box<dyn Attacker> {
        let (host, fields) = (self.host, self.fields());
        let name = format!("held-{}", self.index);
        let request = move |number| make(host, &fields, &name, number);
        let attacker = Pipelined::endless(Says::Numbered(Box::new(request)));
        Box::new(attacker.with_window(WINDOW).with_limit(self.count))
    }

    /// A publish whose body, framed so, is not finished.
    pub(super) fn body(&self, framing: &str) -> Box<dyn Attacker> {
        let (host, fields) = (self.host, self.fields());
        let head =
            format!("POST /api/sessions/held/events HTTP/1.1\r\nHost: {host}\r\n{fields}{framing}");
        Box::new(Unfinished::new(head, Filler::Bytes(self.bytes)))
    }

    /// A head that is not finished.
    pub(super) fn head(&self) -> Box<dyn Attacker> {
        let (host, fields) = (self.host, self.fields());
        let start = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n{fields}X-Pad: ");
        Box::new(Unfinished::new(start, Filler::Bytes(HEAD_BYTES)))
    }

    /// The same in HTTP/2.
    pub(super) fn http2_headers(&self) -> Box<dyn Attacker> {
        Box::new(EndlessHeaders::new(&self.host.to_string(), HEAD_BYTES))
    }

    /// Many publishes on one connection whose bodies are not finished.
    pub(super) fn http2_bodies(&self) -> Box<dyn Attacker> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let fields: Vec<(&str, &str)> = bearer
            .iter()
            .map(|bearer| ("authorization", bearer.as_str()))
            .collect();
        let host = self.host.to_string();
        let call = Call {
            block: block(true, "/api/sessions/held/events", &host, &fields),
            body: vec![b'a'; BODY_BYTES],
            ends: false,
        };
        let habits = Habits {
            streams: BODY_STREAMS,
            limit: BODY_STREAMS,
            window: 1 << 20,
            reads: true,
        };
        Box::new(Streams::new(Says::Same(call), habits))
    }
}

/// A subscription to many names, none of which anybody else asks for; some have stars.
fn subscribe(index: usize, number: u64) -> String {
    let names: Vec<String> = (0..NAMES)
        .map(|name| format!("held-{index}-{number}-{name}:*:end"))
        .collect();
    let names = names.join("|");
    format!(r#"{{"subscribe":{{"name":"{names}"}},"correlationId":"{number}"}}"#)
}

fn filters() -> String {
    let filters: Vec<String> = (0..FILTERS)
        .map(|number| {
            let value = format!("{number:v<VALUE_BYTES$}");
            format!(r#"{{"property":"p{number}","value":"{value}"}}"#)
        })
        .collect();
    let filters = filters.join(",");
    format!(r#"{{"type":"filter","filters":[{filters}]}}"#)
}

fn room_name(number: u64) -> String {
    let name = format!("{number:n<ROOM_NAME_BYTES$}");
    format!(r#"{{"action":"subscribe-event","data":{{"eventName":"{name}"}},"ref":{number}}}"#)
}

/// A publish to a session that nobody has heard of.
pub(super) fn session(host: SocketAddr, fields: &str, name: &str, number: u64) -> Vec<u8> {
    let path = format!("/api/sessions/{name}-{number}/events");
    post(host, &path, fields, r#"{"type":"held","data":0}"#)
}

/// A publish to a group and a project that nobody has heard of.
pub(super) fn node(host: SocketAddr, fields: &str, name: &str, number: u64) -> Vec<u8> {
    let target =
        format!(r#"{{"collectionId":"c-{name}-{number}","projectId":"p-{name}-{number}"}}"#);
    let body = format!(r#"{{"name":"held","payload":{{}},"target":{target}}}"#);
    post(host, "/event/v2/publish", fields, &body)
}

/// A publish with an idempotency key that nobody has used.
pub(super) fn key(host: SocketAddr, fields: &str, name: &str, number: u64) -> Vec<u8> {
    let fields = format!("{fields}Idempotency-Key: {name}-{number}\r\n");
    let body = r#"{"type":"held","data":0}"#;
    post(host, &format!("/api/sessions/{name}/events"), &fields, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_json_that_a_dialect_may_accept() {
        for text in [subscribe(1, 2), filters(), room_name(3)] {
            serde_json::from_str::<serde_json::Value>(&text).expect("JSON");
            assert!(text.len() < 1024 * 1024, "{} bytes", text.len());
        }
        let value: serde_json::Value = serde_json::from_str(&subscribe(1, 2)).expect("JSON");
        let names = value["subscribe"]["name"].as_str().expect("text");
        assert_eq!(names.split('|').count() as u64, NAMES);
        assert!(names.split('|').all(|name| name.len() <= 128));
        let host = SocketAddr::from(([127, 0, 0, 1], 7400));
        let node = String::from_utf8(node(host, "", "n", 1)).expect("text");
        let (_, body) = node.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}

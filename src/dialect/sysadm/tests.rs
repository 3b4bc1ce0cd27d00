//! The dialect's contract, sentence by sentence, on one socket without connection or shard.

mod access;
mod classes;
mod coming_and_going;

use std::sync::Arc;

use super::*;
use crate::auth::Secret;
use crate::dialect::testing::{Ground, UPGRADE, event, organizations, reply};
use crate::dialect::{self, Call, Operation, Outcome};

/// A client and its server.
pub(super) struct Tester {
    pub(super) dialect: Sysadm,
    pub(super) client: Box<Client>,
    pub(super) ground: Ground,
}

impl Tester {
    /// Nobody is logged in.
    pub(super) fn stranger() -> Self {
        Self::connect(&SysadmConfig::default(), organizations(), "")
    }

    /// Logged in by API token.
    pub(super) fn bearer(token: &str) -> Self {
        let header = format!("Authorization: Bearer {token}\r\n");
        Self::connect(&SysadmConfig::default(), organizations(), &header)
    }

    /// On a server without organizations.
    pub(super) fn open() -> Self {
        Self::connect(&SysadmConfig::default(), Directory::open(), "")
    }

    pub(super) fn connect(config: &SysadmConfig, directory: Directory, headers: &str) -> Self {
        let dialect = Sysadm::new(config, Arc::new(directory), "node-1".into());
        let mut ground = Ground::new();
        let request = format!("GET /sysadm HTTP/1.1\r\n{UPGRADE}{headers}");
        let (action, _) = ground.request(&request, |head, tools, to| {
            dialect.handle(Route, head, b"", tools, to)
        });
        let Action::Open(open) = action else {
            panic!("not opened: {action:?}");
        };
        assert!(open.subscriptions.is_empty());
        let dialect::Client::Sysadm(client) = open.client else {
            panic!("not of this dialect");
        };
        Self {
            dialect,
            client,
            ground,
        }
    }

    pub(super) fn send(&mut self, text: &str) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect
            .message(&mut self.client, Message::Text(text.as_bytes()), tools)
    }

    /// Sends what is replied to at once.
    #[track_caller]
    pub(super) fn ask(&mut self, text: &str) -> String {
        reply(self.send(text))
    }

    pub(super) fn answer(&mut self, pending: Pending, outcome: Outcome) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect
            .answered(&mut self.client, pending, outcome, tools)
    }

    pub(super) fn expire(&mut self) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect.expire(&mut self.client, tools)
    }
}

/// An operation and what waits for it.
#[track_caller]
pub(super) fn call(reaction: Reaction) -> (Operation, Pending) {
    match reaction {
        Reaction::Execute(call) => match *call {
            Call {
                operation,
                pending: dialect::Pending::Sysadm(pending),
                ..
            } => (operation, *pending),
            other => panic!("not of this dialect: {other:?}"),
        },
        other => panic!("no call: {other:?}"),
    }
}

fn rpc(name: &str, args: &str) -> String {
    format!(r#"{{"namespace":"rpc","name":"{name}","id":"1","args":{args}}}"#)
}

#[test]
fn replies_echo_id_and_namespace_and_have_sorted_keys() {
    let mut tester = Tester::open();
    let identify = tester.ask(r#"{"namespace":"rPc","name":"identify","id":"a\"b","args":{}}"#);
    let expected = r#"{"args":{"hostname":"node-1","type":"server"},"id":"a\"b","name":"response","namespace":"rPc"}"#;
    assert_eq!(identify, expected);
    for id in ["", r#","id":"""#, r#","id":7"#, r#","id":null"#] {
        let text = format!(r#"{{"namespace":"rpc","name":"query"{id}}}"#);
        let expected = r#"{"args":{"events/*":"read"},"id":"","name":"query","namespace":"rpc"}"#;
        assert_eq!(tester.ask(&text), expected);
    }
}

#[test]
fn errors_have_two_forms() {
    let mut tester = Tester::open();
    let unknown = r#"{"namespace":"Sysadm","name":"x","id":"7"}"#;
    let malformed = [
        "",
        "7",
        "{",
        r#"{"name":"x","id":"7"}"#,
        r#"{"namespace":"x","id":"7"}"#,
    ];
    let original = r#"{"args":{"code":"404","message":"Not Found"},"id":"7","name":"error","namespace":"error"}"#;
    assert_eq!(tester.ask(unknown), original);
    for text in malformed {
        let expected = r#"{"args":{"code":"400","message":"Bad Request"},"id":"","name":"error","namespace":"error"}"#;
        assert_eq!(tester.ask(text), expected, "{text}");
    }
    let config = SysadmConfig {
        errors: SysadmErrors::Documented,
        ..SysadmConfig::default()
    };
    let mut tester = Tester::connect(&config, Directory::open(), "");
    let documented = r#"{"args":{"code":404,"message":"Not Found"},"id":"7","name":"error","namespace":"Sysadm"}"#;
    assert_eq!(tester.ask(unknown), documented);
    for text in malformed {
        let expected = r#"{"args":{"code":400,"message":"Bad Request"},"id":"","name":"error","namespace":"error"}"#;
        assert_eq!(tester.ask(text), expected, "{text}");
    }
}

#[test]
fn nothing_is_executed_and_names_have_their_case() {
    let mut tester = Tester::open();
    for (namespace, name) in [
        ("rpc", "dispatcher"),
        ("rpc", "Query"),
        ("rpc", "subscribe"),
        ("events", "Subscribe"),
        ("events", "query"),
        ("event", "subscribe"),
    ] {
        let text = format!(r#"{{"namespace":"{namespace}","name":"{name}","args":["x"]}}"#);
        assert!(tester.ask(&text).contains(r#""code":"404""#), "{text}");
    }
}

#[test]
fn events_and_dropped_events() {
    let dialect = Tester::open().dialect;
    let render = |name, payload| {
        let mut out = Vec::new();
        dialect.render(&event(name, payload), &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        render(
            r#""life-preserver""#,
            r#"{"class": "snapshot","priority":1}"#
        ),
        r#"{"args":{"class": "snapshot","priority":"1 - Information"},"id":"","name":"life-preserver","namespace":"events"}"#
    );
    assert_eq!(
        render(r#"{"a": "b"}"#, "[1.50]"),
        r#"{"args":[1.50],"id":"","name":"{\"a\":\"b\"}","namespace":"events"}"#
    );
    assert_eq!(
        dialect.render_dropped(12),
        r#"{"args":{"count":"12"},"id":"","name":"dropped","namespace":"fanfare"}"#
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_get_a_documented_error(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        text in "[ \\[\\]{}\",:a1\\\\]{0,60}",
    ) {
        let mut tester = Tester::open();
        for message in [&bytes[..], text.as_bytes()] {
            let tools = &mut tester.ground.tools();
            let reaction = tester
                .dialect
                .message(&mut tester.client, Message::Text(message), tools);
            let text = reply(reaction);
            let expected = r#""code":"400","message":"Bad Request""#;
            proptest::prop_assert!(text.contains(expected));
        }
    }

    #[test]
    fn arbitrary_requests_get_a_reply(
        namespace in "rpc|events|[a-z]{0,3}",
        name in "query|identify|subscribe|unsubscribe|auth_x|[a-z]{0,3}",
        args in "\\[\"dispatcher\"\\]|\\[1\\]|\"[a-z]{0,3}\"|null|\\{\\}|\\[\\]",
    ) {
        let mut tester = Tester::open();
        let message = format!(
            r#"{{"namespace":"{namespace}","name":"{name}","id":"7","args":{args}}}"#
        );
        let text = match tester.send(&message) {
            Reaction::Reply(text) => text,
            Reaction::Subscribe(subscribe) => subscribe.reply,
            other => panic!("{other:?}"),
        };
        let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        proptest::prop_assert_eq!(keys, ["args", "id", "name", "namespace"]);
    }
}

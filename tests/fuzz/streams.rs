//! Mutated requests at a JSON stream of the stream dialect, in arbitrary pieces.
//!
//! Every message is answered, in order, by its own kind or by an error, with its correlation id if
//! that could be read. What could be read is judged by `serde_json`. Meanwhile events are
//! published, by requests and by the stream itself, and in the end the stream still works.

use fanfare::config::Scopes;
use fanfare::dialect::Config;
use fanfare::limits::STREAM_CORRELATION_BYTES_MAX;
use serde_json::Value;

use crate::Fuzzer;
use crate::support::http::request;
use crate::support::node::TestNode;
use crate::support::web_socket::{Client, Message, upgrade};

const ROUNDS: u64 = 150;
const STEPS: usize = 40;

/// Requests that are as they should be.
const REQUESTS: [&str; 14] = [
    r#"{"ping":"hello","correlationId":"c1"}"#,
    r#"{"ping":"\u00e9\"\\","correlation_id":"\u0063\n"}"#,
    r#"{"subscribe":{"name":"*"},"correlationId":"c2"}"#,
    r#"{"subscribe":{"name":"a|b:*","target":{"projectId":"p"},"events":["c","*d"]},"correlationId":"c3"}"#,
    r#"{"subscribe":{"name":"n","target":{"layoutId":"l","projectId":"p","collectionId":"c"}},"correlationId":"c4"}"#,
    r#"{"correlationId":"c5","subscribe":{"name":"n","target":{"layoutId":"l","projectId":"q"}}}"#,
    r#"{"unsubscribe":{"name":"*"},"correlationId":"c6"}"#,
    r#"{"unsubscribe":{"name":"b:*|a","events":["*d","c"],"target":{"project_id":"p"}}}"#,
    r#"{"publish":{"name":"n","payload":{"a":[1,{"b":null}],"c":1.50}},"correlationId":"c7"}"#,
    r#"{"publish":{"name":"b:x","payload":{},"target":{"layoutId":"l"},"requestMetadata":[true]},"correlationId":"c8"}"#,
    r#"{"publish":{"name":"n","payload":{},"target":{"layoutId":"m","projectId":"p","collectionId":"c"}}}"#,
    r#"{"publish":{"name":"d","payload":{"payload":{}},"target":{"collectionId":"c"}},"correlationId":null}"#,
    r#"{"ping":"a","subscribe":{"name":"n"},"correlationId":"c9"}"#,
    r#"{"correlationId":"c10","pong":"a"}"#,
];

/// What the server says to a request of each kind.
const REPLIES: [(&str, &str); 4] = [
    ("ping", "pong"),
    ("subscribe", "subscribed"),
    ("unsubscribe", "unsubscribed"),
    ("publish", "published"),
];

/// Fields as the dialect reads them: by either name, the last one of a repeated pair counts.
#[derive(Default)]
struct Expected {
    correlation_id: Option<String>,
    kinds: Vec<&'static str>,
}

#[test]
fn every_message_is_answered_by_its_own_kind_or_by_an_error() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let shards = 1 + fuzzer.below(3);
    let mut config = Config::default();
    if fuzzer.below(4) == 0 {
        config.hub.scopes = Scopes::Declared;
    }
    let mut node = TestNode::new(shards as u16, seed, &config);
    let peer = node.connect(fuzzer.below(shards));
    assert_eq!(node.ask(peer, upgrade("/event/v2/stream")).status, 101);
    let mut client = Client::new();
    let publisher = node.connect(fuzzer.below(shards));
    for _ in 0..STEPS {
        let mut expected = Vec::new();
        for _ in 0..=fuzzer.below(4) {
            let text = request_text(&mut fuzzer);
            expected.push(expect(&text));
            client.write(Message::text(text));
        }
        if fuzzer.below(3) == 0 {
            let event = r#"{"name":"n","payload":{"a":1},"target":{"layoutId":"l"}}"#;
            node.send(publisher, request("POST /event/v2/publish", "", event));
        }
        let bytes = client.output();
        for piece in bytes.chunks(1 + fuzzer.below(bytes.len())) {
            node.send(peer, piece);
            if fuzzer.below(2) == 0 {
                node.receive(peer, usize::MAX);
            }
            if fuzzer.below(4) == 0 {
                node.settle();
            }
        }
        node.settle();
        let texts = client.texts(&mut node.peers[peer].received);
        judge(&texts, &expected);
        assert!(!node.peers[peer].is_over(), "the stream was ended");
    }
    node.break_off(peer);
    node.break_off(publisher);
    node.pass(std::time::Duration::from_secs(1));
    for gauge in ["connections", "subscriptions", "buffered_bytes"] {
        assert_eq!(node.sum(gauge), 0, "{gauge}");
    }
}

/// A request, mutated more often than not. What is no UTF-8 would be the end of a WebSocket.
fn request_text(fuzzer: &mut Fuzzer) -> String {
    let text = REQUESTS[fuzzer.below(REQUESTS.len())].as_bytes();
    if fuzzer.below(3) == 0 {
        return String::from_utf8_lossy(text).into_owned();
    }
    let other = REQUESTS[fuzzer.below(REQUESTS.len())].as_bytes();
    String::from_utf8_lossy(&fuzzer.mutate(text, other)).into_owned()
}

/// What the answer to a text must have.
fn expect(text: &str) -> Expected {
    let Ok(fields) = serde_json::from_str::<Fields>(text) else {
        return Expected::default();
    };
    let mut expected = Expected::default();
    let mut kinds = [false; REPLIES.len()];
    for (name, value) in &fields.0 {
        match &**name {
            "correlationId" | "correlation_id" => match value {
                Value::Null => expected.correlation_id = None,
                Value::String(id) => expected.correlation_id = Some(id.clone()),
                // Not known to be readable: the message as a whole is refused.
                _ => expected.correlation_id = Some(String::from("\0")),
            },
            name => {
                if let Some(kind) = REPLIES.iter().position(|(kind, _)| *kind == name) {
                    kinds[kind] = !value.is_null();
                }
            }
        }
    }
    let unreadable = |id: &String| id == "\0" || id.len() > STREAM_CORRELATION_BYTES_MAX;
    if expected.correlation_id.as_ref().is_some_and(unreadable) {
        return Expected::default();
    }
    let given = REPLIES.iter().zip(kinds).filter(|(_, given)| *given);
    expected.kinds = given.map(|((_, reply), _)| *reply).collect();
    expected
}

/// Checks answers one by one, passing over events.
fn judge(texts: &[String], expected: &[Expected]) {
    let mut answers = 0;
    for text in texts {
        let message: Value = serde_json::from_str(text).expect("JSON");
        let result = message["result"].as_object().expect("a result");
        let mut names = result.keys().map(String::as_str);
        let kind = names.find(|name| !["correlationId", "sessionId"].contains(name));
        let kind = kind.expect("a kind");
        if kind == "event" {
            continue;
        }
        let Some(expected) = expected.get(answers) else {
            panic!("answers to nothing: {texts:?}");
        };
        answers += 1;
        let id = result.get("correlationId").and_then(Value::as_str);
        assert_eq!(id, expected.correlation_id.as_deref(), "{text}");
        let own = expected.kinds == [kind];
        assert!(
            own || kind == "error",
            "{text} to one of {:?}",
            expected.kinds
        );
    }
    assert_eq!(answers, expected.len(), "{texts:?}");
}

/// The fields of an object, repeated ones too.
struct Fields(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

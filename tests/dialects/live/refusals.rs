//! Contract: what is refused is refused by name, old filters stay in force, the connection stays
//! open.

use fanfare::dialect::Config;
use tungstenite::Bytes;

use super::{PATH, accepted, filter, set, types};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::socket::Socket;
use crate::support::web_socket::Message;

/// A socket that hears `kept` only.
fn listener(stage: &mut Stage) -> Socket {
    let mut socket = stage.open(PATH, "");
    set(stage, &mut socket, &[("type", "\"kept\"")]);
    socket
}

/// The connection is as it was.
#[track_caller]
fn assert_unchanged(stage: &mut Stage, socket: &mut Socket) {
    stage.publish("t", "\"kept\"", "{}");
    stage.publish("t", "\"other\"", "{}");
    assert_eq!(types(stage, socket), ["kept"]);
}

/// The error that a message is answered with, and the answer's type.
#[track_caller]
fn error(stage: &mut Stage, socket: &mut Socket, message: &str) -> (String, String) {
    let text = socket.ask(&mut stage.node, message);
    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let member = |name: &str| answer[name].as_str().expect(name).to_owned();
    if member("type") == "filterResponse" {
        assert_eq!(answer["success"], false);
    }
    (member("type"), member("error"))
}

#[test]
fn a_refused_filter_message_says_what_and_where() {
    everywhere(|stage| {
        let mut socket = listener(stage);
        let good = r#"{"property":"a","value":1}"#;
        let long = "x".repeat(4_097);
        let name = "x".repeat(1_025);
        let many = vec![good; 257].join(",");
        for (filters, expected) in [
            (
                format!(r#"[{good},{good},{{"property":"a"}}]"#),
                r#"filters[2]: "value" is missing"#,
            ),
            (
                r#"[{"value":1}]"#.to_owned(),
                r#"filters[0]: "property" is missing"#,
            ),
            (
                r#"[{"property":7,"value":1}]"#.to_owned(),
                r#"filters[0]: "property" is not a string"#,
            ),
            (
                r#"[{"property":"a","value":[1]}]"#.to_owned(),
                r#"filters[0]: "value" is an array"#,
            ),
            (
                format!(r#"[{good},{{"property":"a","value":{{}}}}]"#),
                r#"filters[1]: "value" is an object"#,
            ),
            ("[7]".to_owned(), "filters[0] is not an object"),
            ("{}".to_owned(), r#""filters" is not an array"#),
            ("null".to_owned(), r#""filters" is not an array"#),
            (
                format!("[{many}]"),
                "257 filters in one message; at most 256 (live.filters_max)",
            ),
            (
                format!(r#"[{{"property":"a","value":"{long}"}}]"#),
                r#"filters[0]: "value" is longer than 4096 bytes (live.value_bytes_max)"#,
            ),
            (
                format!(r#"[{{"property":"{name}","value":1}}]"#),
                r#"filters[0]: "property" is longer than 1024 bytes"#,
            ),
        ] {
            let message = format!(r#"{{"type":"filter","filters":{filters}}}"#);
            let (r#type, error) = error(stage, &mut socket, &message);
            assert_eq!((&*r#type, &*error), ("filterResponse", expected));
            assert_unchanged(stage, &mut socket);
        }
        let exact = socket.ask(&mut stage.node, r#"{"type":"filter"}"#);
        let expected =
            r#"{"type":"filterResponse","success":false,"error":"\"filters\" is missing"}"#;
        assert_eq!(exact, expected);
    });
}

#[test]
fn the_bounds_are_the_operators() {
    let mut config = Config::default();
    config.live.filters_max = 2;
    config.live.value_bytes_max = 3;
    everywhere_with(&config, |stage| {
        let mut socket = listener_of(stage, "\"abc\"");
        let (_, many) = error(stage, &mut socket, &filter(&[("a", "1"); 3]));
        assert!(many.starts_with("3 filters in one message; at most 2"));
        let (_, long) = error(stage, &mut socket, &filter(&[("a", "\"four\"")]));
        assert!(long.contains("longer than 3 bytes"), "{long}");
        let (_, long) = error(stage, &mut socket, &filter(&[("a", "1234")]));
        assert!(long.contains("longer than 3 bytes"), "{long}");
        set(stage, &mut socket, &[("a", "123"), ("b", "\"abc\"")]);
    });
}

fn listener_of(stage: &mut Stage, value: &str) -> Socket {
    let mut socket = stage.open(PATH, "");
    set(stage, &mut socket, &[("type", value)]);
    socket
}

#[test]
fn what_is_no_message_of_this_dialect_is_an_error() {
    everywhere(|stage| {
        let mut socket = listener(stage);
        let brackets = "[".repeat(1_000_000);
        for (message, expected) in [
            ("7", "a message is an object"),
            ("[]", "a message is an object"),
            ("{}", "\"type\" is missing"),
            (r#"{"type":7}"#, "\"type\" is not a string"),
            (r#"{"type":"Filter"}"#, "unknown type \"Filter\""),
            (r#"{"type":"login"}"#, "unknown type \"login\""),
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            (r#"{"type":"filter","filters":[]} x"#, "trailing characters"),
            (
                r#"{"type":"filter","type":"filter","filters":[]}"#,
                "name repeated in one object at byte 17",
            ),
            (
                r#"{"type":"filter","filters":[{"property":"a","value":1,"value":2}]}"#,
                "name repeated in one object at byte",
            ),
            (
                r#"{"type":"filter","filters":[{"property":"\ud800","value":1}]}"#,
                "half of a surrogate pair at byte",
            ),
            (
                r#"{"type":"filter","filters":[{"property":"a","value":1e400}]}"#,
                "number out of range",
            ),
            (&brackets, "nested deeper than 128 at byte 128"),
        ] {
            let (r#type, error) = error(stage, &mut socket, message);
            let shown = &message[..message.len().min(80)];
            assert_eq!(r#type, "error", "{shown}");
            assert!(error.starts_with(expected), "{shown}: {error}");
            assert!(!error.is_empty() && error.len() < 200, "{error}");
            assert_unchanged(stage, &mut socket);
        }
        let exact = socket.ask(&mut stage.node, "{}");
        assert_eq!(exact, r#"{"type":"error","error":"\"type\" is missing"}"#);
    });
}

#[test]
fn a_binary_message_is_read_like_a_text() {
    everywhere(|stage| {
        let mut socket = listener(stage);
        let text = Bytes::from(filter(&[("type", "\"kept\"")]));
        for (bytes, expected) in [
            (text, accepted(1)),
            (
                Bytes::from_static(b"{\"type\":\"\xff\"}"),
                r#"{"type":"error","error":"not UTF-8 at byte 9"}"#.to_owned(),
            ),
        ] {
            socket.send_message(&mut stage.node, Message::Binary(bytes));
            stage.node.settle();
            assert_eq!(stage.texts(&mut socket), [expected]);
            assert_unchanged(stage, &mut socket);
        }
    });
}

#[test]
fn what_breaks_the_frame_layer_ends_the_connection_and_no_other() {
    everywhere(|stage| {
        let mut other = listener(stage);
        // A text that is not UTF-8: masked with zeros, so it stands as it is.
        let mut bad = listener(stage);
        stage.node.send(bad.peer, b"\x81\x82\0\0\0\0\xc3\x28");
        stage.node.settle();
        assert_eq!(bad.close_code(&mut stage.node), 1_007);
        // One byte more than a message may have.
        let mut long = listener(stage);
        let mut just = filter(&[("type", "\"kept\"")]);
        just.push_str(&" ".repeat(1024 * 1024 - just.len()));
        assert_eq!(long.ask(&mut stage.node, &just), accepted(1));
        long.say(&mut stage.node, &format!("{just} "));
        assert_eq!(long.close_code(&mut stage.node), 1_009);
        stage.node.settle();
        for socket in [&bad, &long] {
            stage.node.settle();
            assert!(stage.node.peers[socket.peer].is_over());
        }
        assert_unchanged(stage, &mut other);
        // A moment later the gauge says so too.
        stage.node.pass(std::time::Duration::from_secs(3));
        assert_eq!(stage.node.sum("subscriptions"), 1);
        assert_eq!(stage.node.sum("buffered_bytes"), 0);
    });
}

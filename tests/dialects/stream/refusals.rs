//! Design: "Bad input" — on a stream, one by one: an error that says what was wrong, and the stream
//! goes on.

use tungstenite::Bytes;

use super::{PATH, ask, assert_alive, body, error_of, http_error_of, names, publish, subscribe};
use crate::stage::{Stage, everywhere};
use crate::support::socket::Socket;
use crate::support::web_socket::Message;

/// Says something wrong, which is answered by an error with this correlation id.
#[track_caller]
fn refused(stage: &mut Stage, socket: &mut Socket, text: &str, id: Option<&str>, why: &str) {
    let (said, code, message) = error_of(&ask(stage, socket, text));
    assert_eq!((said.as_deref(), code), (id, 3), "{text}");
    assert!(message.contains(why), "{text}: {message}");
}

/// Says things that are wrong, with the correlation id before and after; then the stream works as
/// before.
#[track_caller]
fn all_refused(stage: &mut Stage, cases: &[(&str, &str)]) {
    let mut socket = stage.open(PATH, "");
    subscribe(stage, &mut socket, "n", "");
    for (asked, why) in cases {
        let before = format!(r#"{{"correlationId":"c\"é",{asked}}}"#);
        refused(stage, &mut socket, &before, Some("c\"é"), why);
        let after = format!(r#"{{{asked},"correlationId":"c"}}"#);
        refused(stage, &mut socket, &after, Some("c"), why);
    }
    assert_alive(stage, &mut socket);
    publish(stage, "n", "");
    assert_eq!(names(stage, &mut socket), ["n"]);
    assert_eq!(super::subscriptions(stage), 1);
}

/// JSON that is nested deeper than is allowed.
fn deep() -> String {
    format!(r#"{{"a":{}1{}}}"#, "[".repeat(1_000), "]".repeat(1_000))
}

#[test]
fn a_message_asks_one_thing_that_is_known() {
    everywhere(|stage| {
        all_refused(
            stage,
            &[
                (r#""ping":null"#, "nothing is asked"),
                (r#""subscribed":{}"#, "\"subscribed\" is not known"),
                (r#""ping":"""#, "\"ping\" is empty"),
                (r#""ping":7"#, "\"ping\" must be a string"),
                (
                    r#""ping":"a","subscribe":{"name":"n"}"#,
                    "\"subscribe\" and \"ping\" are both set",
                ),
            ],
        );
        let mut socket = stage.open(PATH, "");
        let nothing = "nothing is asked";
        refused(stage, &mut socket, "{}", None, nothing);
        let text = r#"{"correlationId":"c"}"#;
        refused(stage, &mut socket, text, Some("c"), nothing);
    });
}

#[test]
fn a_subscription_that_is_wrong_is_told_so() {
    everywhere(|stage| {
        let long = format!(r#""subscribe":{{"name":"{}"}}"#, "x".repeat(129));
        let scope = "x".repeat(257);
        let scope = format!(r#""subscribe":{{"name":"n","target":{{"layoutId":"{scope}"}}}}"#);
        all_refused(
            stage,
            &[
                (r#""subscribe":{}"#, "a name of the subscription is empty"),
                (
                    r#""subscribe":{"name":"*a*a*a*a*a*a*a*a*a"}"#,
                    "a name of the subscription has more than 8 \"*\"",
                ),
                (
                    r#""unsubscribe":{"name":""}"#,
                    "a name of the subscription is empty",
                ),
                (r#""subscribe":"n""#, "\"subscribe\" must be an object"),
                (
                    r#""subscribe":{"name":["n"]}"#,
                    "\"subscribe.name\" must be a string",
                ),
                (
                    r#""subscribe":{"name":"n","events":"m"}"#,
                    "\"subscribe.events\"",
                ),
                (
                    r#""subscribe":{"name":"n","events":[1]}"#,
                    "\"subscribe.events\"",
                ),
                (
                    r#""subscribe":{"name":"n","target":"p"}"#,
                    "\"subscribe.target\" must be an object",
                ),
                (&long, "longer than 128 characters"),
                (&scope, "layout id is longer than 256 bytes"),
            ],
        );
    });
}

#[test]
fn a_publish_that_is_wrong_is_told_so() {
    everywhere(|stage| {
        let publish =
            |name: &str, payload: &str| format!(r#""publish":{}"#, body(name, payload, ""));
        let metadata = deep();
        let metadata =
            format!(r#""publish":{{"name":"n","payload":{{}},"requestMetadata":{metadata}}}"#);
        all_refused(
            stage,
            &[
                (&publish("", "{}"), "\"publish.name\" is empty"),
                (
                    &publish(&"x".repeat(129), "{}"),
                    "longer than 128 characters",
                ),
                (
                    r#""publish":{"name":"n"}"#,
                    "\"publish.payload\" is missing",
                ),
                (r#""publish":{"payload":{}}"#, "\"publish.name\" is missing"),
                (&publish("n", "[]"), "\"publish.payload\" must be an object"),
                (
                    &publish("n", &deep()),
                    "\"publish.payload\" is nested deeper than 128",
                ),
                (
                    &metadata,
                    "\"publish.requestMetadata\" is nested deeper than 128",
                ),
            ],
        );
    });
}

#[test]
fn what_cannot_be_read_is_told_without_a_correlation_id() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let long = format!(r#"{{"ping":"a","correlationId":"{}"}}"#, "x".repeat(257));
        for (text, why) in [
            ("", "the message is empty"),
            ("  ", "the message is empty"),
            ("[]", "not a JSON object"),
            ("7", "not a JSON object"),
            (
                r#"{"ping":"a","correlationId":"c""#,
                "the message is not JSON",
            ),
            (
                r#"{"ping":"a","correlationId":"c"}{"ping":"b"}"#,
                "the message is not JSON",
            ),
            (
                r#"{"ping":"a","correlationId":"c"} x"#,
                "the message is not JSON",
            ),
            (
                r#"{"ping":"a","correlationId":7}"#,
                "\"correlationId\" must be a string",
            ),
            (&long, "the correlation id is longer than 256 bytes"),
        ] {
            refused(stage, &mut socket, text, None, why);
        }
        assert_alive(stage, &mut socket);
        let longest = "x".repeat(256);
        let pong = ask(
            stage,
            &mut socket,
            &format!(r#"{{"ping":"a","correlationId":"{longest}"}}"#),
        );
        assert_eq!(
            pong,
            format!(r#"{{"result":{{"correlationId":"{longest}","pong":"a"}}}}"#)
        );
    });
}

#[test]
fn a_binary_frame_is_refused_and_the_stream_goes_on() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for bytes in [&br#"{"ping":"a"}"#[..], b"", b"\xff"] {
            let frame = Message::Binary(Bytes::copy_from_slice(bytes));
            socket.send_message(&mut stage.node, frame);
            stage.node.settle();
            let texts = stage.texts(&mut socket);
            assert_eq!(texts.len(), 1, "{texts:?}");
            let (id, code, message) = error_of(&texts[0]);
            assert_eq!((id, code), (None, 3));
            assert!(message.contains("binary"), "{message}");
        }
        assert_alive(stage, &mut socket);
    });
}

#[test]
fn a_message_may_be_a_mebibyte_and_no_more() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let ping = r#"{"ping":"a"}"#;
        let longest = ping.to_owned() + &" ".repeat(1024 * 1024 - ping.len());
        let answer = ask(stage, &mut socket, &longest);
        assert_eq!(answer, r#"{"result":{"pong":"a"}}"#);
        socket.say(&mut stage.node, &format!("{longest} "));
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        assert_eq!(socket.close_code(&mut stage.node), 1_009);
    });
}

#[test]
fn a_stream_has_at_most_1024_subscriptions() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for number in 0..1_024 {
            subscribe(stage, &mut socket, &format!("n{number}"), "");
        }
        let more = r#"{"subscribe":{"name":"more"},"correlationId":"c"}"#;
        let (id, code, _) = error_of(&ask(stage, &mut socket, more));
        assert_eq!((id.as_deref(), code), (Some("c"), 8));
        // One that is there already is no further one.
        subscribe(stage, &mut socket, "n7", "");
        super::unsubscribe(stage, &mut socket, "n7", "");
        subscribe(stage, &mut socket, "more", "");
        publish(stage, "more", "");
        assert_eq!(names(stage, &mut socket), ["more"]);
    });
}

#[test]
fn a_handshake_that_is_none_is_refused_in_this_dialects_form() {
    everywhere(|stage| {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (headers, status) in [
            (format!("{upgrade}Sec-WebSocket-Version: 13\r\n"), 400),
            (format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"), 426),
            (
                format!("Upgrade: websocket\r\n{key}Sec-WebSocket-Version: 13\r\n"),
                400,
            ),
        ] {
            let answer = stage.ask("t", &format!("GET {PATH}"), &headers, "");
            assert_eq!(answer.status, status, "{headers}: {answer:?}");
            http_error_of(&answer.body);
        }
    });
}

#[test]
fn a_session_id_that_is_too_long_is_told_on_the_open_socket() {
    everywhere(|stage| {
        let longest = format!("{PATH}?sessionId={}", "x".repeat(128));
        let mut socket = stage.open(&longest, "");
        let pong = ask(stage, &mut socket, r#"{"ping":"a"}"#);
        assert!(pong.contains(&"x".repeat(128)), "{pong}");
        for path in [format!("{longest}x"), format!("{PATH}?sessionId=%ff")] {
            let mut socket = stage.open(&path, "");
            let texts = stage.texts(&mut socket);
            assert_eq!(texts.len(), 1);
            assert_eq!(super::fatal_of(&texts[0]).0, 3);
            assert_eq!(socket.close_code(&mut stage.node), 1_008);
        }
    });
}

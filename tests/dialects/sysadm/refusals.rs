//! Contract: "Errors" — both forms, what each answers, and that the connection stays as it was.

use fanfare::dialect::Config;
use fanfare::dialect::sysadm::SysadmErrors;
use tungstenite::Bytes;

use super::{PATH, call, error, error_of, event, response, subscribe};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::organizations::{organization, organized};
use crate::support::socket::Socket;
use crate::support::web_socket::Message;

#[track_caller]
fn assert_unchanged(stage: &mut Stage, socket: &mut Socket) {
    stage.publish("t", "\"dispatcher\"", "1");
    assert_eq!(stage.texts(socket), [event("dispatcher", "1")]);
}

#[test]
fn what_is_no_request_is_a_bad_request_without_an_id() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["dispatcher"]);
        let brackets = "[".repeat(1_000_000);
        for message in [
            "",
            "{",
            "7",
            "[]",
            "{}",
            r#"{"namespace":"events","id":"1"}"#,
            r#"{"name":"subscribe","id":"1"}"#,
            r#"{"namespace":7,"name":"subscribe","id":"1"}"#,
            r#"{"namespace":"","name":"subscribe","id":"1"}"#,
            r#"{"namespace":"events","name":"subscribe","name":"subscribe","args":"dispatcher"}"#,
            r#"{"namespace":"events","name":"subscribe","args":["\ud800"]}"#,
            r#"{"namespace":"events","name":"subscribe","args":1e400}"#,
            r#"{"namespace":"events","name":"subscribe","args":{"a":1,"a":1}}"#,
            r#"{"namespace":"events","name":"subscribe"} {}"#,
            &brackets,
        ] {
            let answer = socket.ask(&mut stage.node, message);
            assert_eq!(answer, error_of("", 400), "{message:.80}");
            assert_unchanged(stage, &mut socket);
        }
    });
}

#[test]
fn a_class_has_at_most_so_many_stars() {
    let mut config = Config::default();
    config.sysadm.classes = vec!["backup:*".to_owned()];
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        let ask = |stars: usize| {
            let class = format!("backup:{}", "*a".repeat(stars));
            call("events", "subscribe", &format!("[{class:?}]"))
        };
        let answer = socket.ask(&mut stage.node, &ask(9));
        assert!(
            answer.contains("Bad Request: a class of more than 8 \\\"*\\\""),
            "{answer}"
        );
        let answer = socket.ask(&mut stage.node, &ask(8));
        assert!(answer.contains("\"subscribe\""), "{answer}");
    });
}

#[test]
fn an_answer_repeats_the_id_or_else_the_name() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for id in [
            "",
            r#""id":"","#,
            r#""id":7,"#,
            r#""id":null,"#,
            r#""id":["1"],"#,
        ] {
            let text =
                format!(r#"{{"namespace":"Events",{id}"name":"subscribe","args":"dispatcher"}}"#);
            let answer = socket.ask(&mut stage.node, &text);
            let expected = r#"{"args":{"subscribe":"dispatcher"},"id":"","name":"subscribe","namespace":"Events"}"#;
            assert_eq!(answer, expected, "{id}");
            let text = text.replace("dispatcher", "").replace(r#""""#, "[]");
            if id.is_empty() {
                assert_eq!(socket.ask(&mut stage.node, &text), error_of("", 400));
            }
        }
        let text = r#"{"namespace":"RPC","name":"identify","id":"a \"b\" \u00e9"}"#;
        let answer = socket.ask(&mut stage.node, text);
        let expected = r#"{"args":{"hostname":"host","type":"server"},"id":"a \"b\" é","name":"response","namespace":"RPC"}"#;
        assert_eq!(answer, expected);
    });
}

#[test]
fn namespaces_compare_without_case_and_names_with_it() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for namespace in ["events", "EVENTS", "eVents"] {
            let answer = socket.ask(
                &mut stage.node,
                &call(namespace, "subscribe", "[\"dispatcher\"]"),
            );
            assert_eq!(answer, response(namespace, r#"{"subscribe":"dispatcher"}"#));
        }
        for (namespace, name) in [
            ("events", "SUBSCRIBE"),
            ("rpc", "Query"),
            ("event", "subscribe"),
        ] {
            let answer = socket.ask(&mut stage.node, &call(namespace, name, "[\"dispatcher\"]"));
            assert_eq!(answer, error(404));
        }
    });
}

#[test]
fn the_documented_form_has_a_number_and_the_requests_namespace() {
    let mut config = Config::default();
    config.sysadm.errors = SysadmErrors::Documented;
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        let answer = socket.ask(&mut stage.node, &call("RPC", "nothing", "{}"));
        let expected = r#"{"args":{"code":404,"message":"Not Found"},"id":"1","name":"error","namespace":"RPC"}"#;
        assert_eq!(answer, expected);
        let answer = socket.ask(&mut stage.node, &call("events", "subscribe", "[]"));
        let expected = r#"{"args":{"code":400,"message":"Bad Request"},"id":"1","name":"error","namespace":"events"}"#;
        assert_eq!(answer, expected);
        let answer = socket.ask(&mut stage.node, "nonsense");
        let expected = r#"{"args":{"code":400,"message":"Bad Request"},"id":"","name":"error","namespace":"error"}"#;
        assert_eq!(answer, expected);
    });
    let mut config = organized([organization("one", &[])]);
    config.sysadm.errors = SysadmErrors::Documented;
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        let answer = socket.ask(&mut stage.node, &call("rpc", "query", "{}"));
        let expected = r#"{"args":{"code":401,"message":"Unauthorized"},"id":"1","name":"error","namespace":"rpc"}"#;
        assert_eq!(answer, expected);
    });
}

#[test]
fn bounds_are_named() {
    let mut config = Config::default();
    config.sysadm.classes = vec!["c*".to_owned()];
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["dispatcher"]);
        let many: Vec<String> = (0..1_024).map(|number| format!("c{number}")).collect();
        let list = serde_json::to_string(&many).expect("JSON");
        let answer = socket.ask(&mut stage.node, &call("events", "subscribe", &list));
        assert!(
            answer.contains("Bad Request: more than 1024 classes"),
            "{answer}"
        );
        let list = serde_json::to_string(&many[..1_023]).expect("JSON");
        let answer = socket.ask(&mut stage.node, &call("events", "subscribe", &list));
        assert_eq!(answer, response("events", r#"{"subscribe":"c1022"}"#));
        let long = format!("[\"c{}\"]", "x".repeat(1_024));
        let answer = socket.ask(&mut stage.node, &call("events", "subscribe", &long));
        assert!(
            answer.contains("a class of more than 1024 bytes"),
            "{answer}"
        );
        assert_unchanged(stage, &mut socket);
        stage.publish("t", "\"c77\"", "2");
        assert_eq!(stage.texts(&mut socket), [event("c77", "2")]);
    });
}

#[test]
fn binary_messages_are_as_good_as_texts() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let text = Bytes::from(call("events", "subscribe", "[\"dispatcher\"]"));
        let subscribed = response("events", r#"{"subscribe":"dispatcher"}"#);
        for (bytes, expected) in [
            (text, subscribed),
            (Bytes::from_static(b"\xff"), error_of("", 400)),
        ] {
            socket.send_message(&mut stage.node, Message::Binary(bytes));
            stage.node.settle();
            assert_eq!(stage.texts(&mut socket), [expected]);
        }
        assert_unchanged(stage, &mut socket);
    });
}

#[test]
fn what_breaks_the_frame_layer_ends_the_connection() {
    everywhere(|stage| {
        let mut other = stage.open(PATH, "");
        subscribe(stage, &mut other, &["dispatcher"]);
        let mut bad = stage.open(PATH, "");
        stage.node.send(bad.peer, b"\x81\x81\0\0\0\0\xff");
        stage.node.settle();
        assert_eq!(bad.close_code(&mut stage.node), 1_007);
        let mut long = stage.open(PATH, "");
        long.say(&mut stage.node, &" ".repeat(1024 * 1024 + 1));
        assert_eq!(long.close_code(&mut stage.node), 1_009);
        stage.node.settle();
        assert_unchanged(stage, &mut other);
    });
}

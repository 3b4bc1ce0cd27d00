//! Contract: "Chunked HTTP" — a response that streams newline-delimited `{"result":…}`.

use std::time::Duration;

use super::body::Streaming;
use super::{PATH, body, fatal_of, http_error_of, post, publish};
use crate::stage::{Stage, everywhere};
use crate::support::http::request;

/// What a client of this form asks.
fn get(query: &str, headers: &str) -> String {
    request(&format!("GET {PATH}?{query}"), headers, "")
}

#[track_caller]
fn open(stage: &mut Stage, query: &str) -> Streaming {
    Streaming::open(stage, get(query, ""))
}

#[test]
fn the_query_subscribes_and_every_message_is_a_line() {
    everywhere(|stage| {
        let mut listener = open(
            stage,
            "subscribe.name=n&subscribe.target.projectId=p&sessionId=own",
        );
        let head = &listener.head;
        assert_eq!(head.header("content-type"), Some("application/json"));
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        assert_eq!(head.header("access-control-allow-origin"), Some("*"));
        let subscribed = r#"{"result":{"subscribed":{"name":"n","target":{"projectId":"p"}}}}"#;
        assert_eq!(listener.lines(stage), [subscribed]);
        let event = body("n", r#"{"a":1}"#, r#"{"projectId":"p"}"#);
        for _ in 0..2 {
            assert_eq!(post(stage, "SessionId: s\r\n", &event).status, 200);
        }
        publish(stage, "m", r#"{"projectId":"p"}"#);
        publish(stage, "n", r#"{"projectId":"q"}"#);
        let line = r#"{"result":{"sessionId":"s","event":{"id":"<uuid>","name":"n","payload":{"a":1},"target":{"projectId":"p"}}}}"#;
        assert_eq!(listener.lines(stage), [line, line]);
        assert!(!listener.ended);
    });
}

#[test]
fn a_payload_of_several_lines_is_sent_on_one() {
    everywhere(|stage| {
        let mut listener = open(stage, "subscribe.name=n");
        listener.lines(stage);
        let event =
            "{\"name\":\"n\",\"requestMetadata\":[\n1],\"payload\":{\r\n \"a\":\t\"\\n\"\n}}";
        assert_eq!(post(stage, "", event).status, 200);
        let heard = "{\"result\":{\"event\":{\"id\":\"<uuid>\",\"name\":\"n\",\
                     \"payload\":{   \"a\":\t\"\\n\" },\"requestMetadata\":[ 1]}}}";
        assert_eq!(listener.lines(stage), [heard]);
    });
}

#[test]
fn the_query_may_list_names_and_every_level() {
    everywhere(|stage| {
        let query = "subscribe.name=a%7Cb*&subscribe.events=c&subscribe.events=d%20e\
                     &subscribe.target.layout_id=l&Subscribe.Target.ProjectId=p&subscribe.target.collectionId=c";
        let mut listener = open(stage, query);
        let subscribed = r#"{"result":{"subscribed":{"name":"a|b*","target":{"layoutId":"l","projectId":"p","collectionId":"c"},"events":["c","d e"]}}}"#;
        assert_eq!(listener.lines(stage), [subscribed]);
        for name in ["a", "bb", "c", "d e", "f"] {
            publish(stage, name, r#"{"layoutId":"l"}"#);
        }
        let lines = listener.lines(stage);
        let names: Vec<String> = lines.iter().map(|line| super::name_of(line)).collect();
        assert_eq!(names, ["a", "bb", "c", "d e"]);
    });
}

#[test]
fn a_query_that_asks_for_nothing_or_the_impossible_is_refused() {
    everywhere(|stage| {
        let long = format!("subscribe.name={}", "x".repeat(129));
        let id = format!("subscribe.name=n&sessionId={}", "x".repeat(129));
        for query in [
            "",
            "subscribe.target.projectId=p",
            "subscribe.name=",
            "subscribe.name=a%7C",
            "subscribe.name=%ff",
            &long,
            &id,
        ] {
            let answer = stage.ask("t", &format!("GET {PATH}?{query}"), "", "");
            assert_eq!(answer.status, 400, "{query}: {answer:?}");
            assert_eq!(http_error_of(&answer.body).0, 3, "{query}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        }
        assert_eq!(super::subscriptions(stage), 0);
    });
}

#[test]
fn a_target_that_contradicts_what_is_known_ends_the_response_with_a_fatal_error() {
    everywhere(|stage| {
        publish(stage, "x", r#"{"projectId":"p","collectionId":"c"}"#);
        let query = "subscribe.name=n&subscribe.target.projectId=p&subscribe.target.collectionId=d";
        let mut listener = open(stage, query);
        let lines = listener.lines(stage);
        let expected = (3, "the project is in another collection".to_owned());
        assert_eq!(
            lines.iter().map(|line| fatal_of(line)).collect::<Vec<_>>(),
            [expected]
        );
        assert!(listener.ended);
        assert!(stage.node.peers[listener.peer].is_over());
    });
}

#[test]
fn what_the_client_still_says_is_not_listened_to() {
    everywhere(|stage| {
        let mut listener = open(stage, "subscribe.name=n");
        listener.lines(stage);
        let more = request("POST /event/v2/publish", "", &body("n", "{}", ""));
        stage.node.send(listener.peer, more);
        stage.node.settle();
        assert_eq!(listener.lines(stage), [""; 0]);
        publish(stage, "n", "");
        assert_eq!(listener.lines(stage).len(), 1);
    });
}

#[test]
fn whoever_leaves_leaves_nothing_behind() {
    everywhere(|stage| {
        let broken = open(stage, "subscribe.name=n");
        let halved = open(stage, "subscribe.name=n&subscribe.target.layoutId=l");
        assert_eq!(super::subscriptions(stage), 2);
        stage.node.break_off(broken.peer);
        stage.node.close_half(halved.peer);
        stage.node.settle();
        publish(stage, "n", "");
        stage.node.pass(Duration::from_secs(3));
        for gauge in ["connections", "subscriptions", "buffered_bytes"] {
            assert_eq!(stage.node.sum(gauge), 0, "{gauge}");
        }
    });
}

#[test]
fn a_client_of_http_1_0_gets_lines_without_chunks() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        let text = get("subscribe.name=n", "").replacen("HTTP/1.1", "HTTP/1.0", 1);
        stage.node.send(peer, text);
        stage.node.settle();
        publish(stage, "n", "");
        let received = std::mem::take(&mut stage.node.peers[peer].received);
        let received = String::from_utf8(received).expect("UTF-8");
        let (head, lines) = received.split_once("\r\n\r\n").expect("a head");
        assert!(
            !head.to_ascii_lowercase().contains("transfer-encoding"),
            "{head}"
        );
        let lines: Vec<String> = lines.lines().map(super::normalized).collect();
        assert_eq!(
            lines,
            [
                r#"{"result":{"subscribed":{"name":"n"}}}"#,
                r#"{"result":{"event":{"id":"<uuid>","name":"n","payload":{}}}}"#,
            ]
        );
        assert!(!stage.node.peers[peer].is_over());
    });
}

#[test]
fn a_silent_stream_has_an_empty_line_when_it_was_asked_for() {
    everywhere(|stage| {
        let mut listener = open(stage, "subscribe.name=n&Heartbeat=5");
        let mut silent = open(stage, "subscribe.name=n");
        assert_eq!(listener.lines(stage).len(), 1);
        silent.lines(stage);
        let mut pass = |stage: &mut Stage, seconds: u64| {
            stage.node.pass(Duration::from_secs(seconds));
            listener.chunks(stage)
        };
        assert!(pass(stage, 4).is_empty());
        assert_eq!(pass(stage, 1), [b"\n"]);
        assert!(pass(stage, 4).is_empty());
        // What is heard breaks the silence.
        publish(stage, "n", "");
        assert_eq!(pass(stage, 4).len(), 1, "the event");
        assert_eq!(pass(stage, 1), [b"\n"]);
        assert_eq!(pass(stage, 60).len(), 12);
        assert_eq!(silent.lines(stage).len(), 1, "nobody else gets any");
        // A client that takes nothing is not given more and more of it.
        let peer = listener.peer;
        stage.node.open_window(peer, 0);
        stage.node.pass(Duration::from_secs(20));
        stage.node.open_window(peer, usize::MAX);
        stage.node.settle();
        assert_eq!(listener.chunks(stage), [b"\n"]);
    });
}

#[test]
fn a_heartbeat_is_a_number_of_seconds() {
    everywhere(|stage| {
        for wrong in [
            "",
            "0",
            "3601",
            "65537",
            "-1",
            "+1",
            "1.5",
            "x",
            "%ff",
            "1&heartbeat=",
        ] {
            let query = format!("subscribe.name=n&heartbeat={wrong}");
            let answer = stage.ask("t", &format!("GET {PATH}?{query}"), "", "");
            assert_eq!(answer.status, 400, "{wrong}");
            let (code, message) = http_error_of(&answer.body);
            let expected = "heartbeat is a whole number of seconds, 1 to 3600";
            assert_eq!((code, &*message), (3, expected), "{wrong}");
        }
        open(stage, "subscribe.name=n&heartbeat=1&heartbeat=3600");
    });
}

#[test]
fn the_query_of_a_web_socket_subscribes_too() {
    everywhere(|stage| {
        let mut socket = stage.open(&format!("{PATH}?subscribe.name=n&sessionId=s"), "");
        let subscribed = r#"{"result":{"subscribed":{"name":"n"}}}"#;
        assert_eq!(super::texts(stage, &mut socket), [subscribed]);
        publish(stage, "n", "");
        assert_eq!(super::names(stage, &mut socket), ["n"]);
        super::unsubscribe(stage, &mut socket, "n", "");
        publish(stage, "n", "");
        assert_eq!(super::names(stage, &mut socket), [""; 0]);
    });
}

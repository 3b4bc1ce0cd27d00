//! Contract: "Publish", and the idempotency of the design.

use fanfare::config::Scopes;
use fanfare::dialect::Config;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::request;

const EVENT: &str = r#"{"type":1,"data":1}"#;

#[test]
fn one_event_is_answered_with_its_place() {
    everywhere(|stage| {
        let body = r#" {"x":[],"data":{"n":1.50,"s":"\u00e9 é"} , "type":{"a" : 1}} "#;
        // The content type is not looked at.
        let line = "POST /api/sessions/t/events";
        let answer = stage.ask("t", line, "Content-Type: image/png\r\n", body);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(answer.header("content-length"), Some("0"));
        assert_eq!(answer.header("fanfare-number"), Some("0"));
        assert_eq!(answer.header("fanfare-id").map(str::len), Some(36));
        let events = stage.get("t", "?last_event=-1");
        assert_eq!(
            events.header("fanfare-epoch"),
            answer.header("fanfare-epoch")
        );
        assert_eq!(
            events.body,
            r#"[{"type":{"a" : 1},"data":{"n":1.50,"s":"\u00e9 é"},"number":0}]"#
        );
    });
}

#[test]
fn an_array_is_published_all_or_none() {
    everywhere(|stage| {
        let thousand = vec![EVENT; 1_000].join(",");
        let answer = stage.post("t", &format!("[{thousand}]"));
        assert_eq!(answer.header("fanfare-number"), Some("0"));
        let next = stage.post("t", &format!("[{EVENT},{EVENT}]"));
        assert_eq!(next.header("fanfare-number"), Some("1000"));
        for bad in [
            "[]".to_owned(),
            format!("[{EVENT},{{\"type\":1}}]"),
            format!("[{EVENT},{EVENT}"),
            format!("[{EVENT},7]"),
            format!("[{thousand},{EVENT}]"),
        ] {
            assert_eq!(stage.post("t", &bad).status, 400, "{bad:.60}");
        }
        let rest = stage.get("t", "?last_event=1000");
        assert_eq!(rest.body, r#"[{"type":1,"data":1,"number":1001}]"#);
        assert_eq!(rest.header("fanfare-next"), Some("1002"));
    });
}

#[test]
fn bad_input_is_told_what_and_where() {
    everywhere(|stage| {
        let table = [
            ("", "invalid_json", "at byte 0"),
            (" \r\n", "invalid_json", "at byte"),
            ("x", "invalid_json", "at byte 0"),
            (r#"{"type":"a","data":!}"#, "invalid_json", "at byte 19"),
            (r#"{"type":"a","dat"#, "invalid_json", "at byte 16"),
            (r#"{"type":1,"data":1}{"#, "invalid_json", "at byte 19"),
            (r#"{"data":1}"#, "missing_field", "\"type\""),
            (r#"{"type":1,"Data":1}"#, "missing_field", "\"data\""),
            ("7", "missing_field", ""),
            ("null", "missing_field", ""),
            (
                r#"[{"type":1,"data":1},{"type":1}]"#,
                "missing_field",
                "[1]",
            ),
        ];
        for (body, code, part) in table {
            let refused = stage.post("t", body);
            assert_eq!(refused.status, 400, "{body:?}");
            assert_eq!(refused.error_code(), code, "{body:?}");
            assert!(
                refused.body.contains(&part.replace('"', "\\\"")),
                "{body:?}: {refused:?}"
            );
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        }
        // Not even the session was created.
        assert_eq!(stage.ask("t", "GET /api/sessions/t", "", "").status, 404);
        assert_eq!(stage.post("t", r#"{"type":null,"data":null}"#).status, 200);
    });
}

#[test]
fn not_utf8_is_not_json() {
    everywhere(|stage| {
        for body in [
            &b"{\"type\":1,\"data\":\"\xff\"}"[..],
            b"\xef\xbb\xbf{\"type\":1,\"data\":1}",
        ] {
            let peer = stage.connect("t");
            let head = format!(
                "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let answer = stage.node.ask(peer, [head.as_bytes(), body].concat());
            assert_eq!(
                (answer.status, &*answer.error_code()),
                (400, "invalid_json")
            );
        }
    });
}

#[test]
fn too_large_is_refused_before_the_body() {
    let mut config = Config::default();
    config.sessions.publish_bytes_max = 100;
    everywhere_with(&config, |stage| {
        let peer = stage.connect("t");
        let head = "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n";
        let refused = stage
            .node
            .ask(peer, format!("{head}Expect: 100-continue\r\n\r\n"));
        assert_eq!((refused.status, &*refused.error_code()), (413, "too_large"));
        assert_eq!(refused.header("connection"), Some("close"));
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        assert!(stage.node.peers[peer].is_over());
        let padded = |bytes: usize| format!("{EVENT}{}", " ".repeat(bytes - EVENT.len()));
        assert_eq!(stage.post("t", &padded(100)).status, 200);
        assert_eq!(stage.post("t", &padded(101)).status, 413);
        // A chunked body is refused as soon as it is too large.
        let peer = stage.connect("t");
        let chunked = "POST /api/sessions/t/events HTTP/1.1\r\nHost: x\r\n\
                       Transfer-Encoding: chunked\r\n\r\n60\r\n";
        stage
            .node
            .send(peer, format!("{chunked}{}\r\n", "1".repeat(0x60)));
        stage.node.settle();
        assert!(stage.node.response_is_absent(peer));
        let refused = stage.node.ask(peer, "5\r\n");
        assert_eq!((refused.status, &*refused.error_code()), (413, "too_large"));
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        assert_eq!(
            stage.get("t", "?last_event=-1").header("fanfare-next"),
            Some("1")
        );
    });
}

#[test]
fn undeclared_sessions_are_not_found() {
    let mut config = Config::default();
    config.hub.scopes = Scopes::Declared;
    everywhere_with(&config, |stage| {
        for refused in [
            stage.post("t", EVENT),
            stage.get("t", "?last_event=-1"),
            stage.get("t", ""),
        ] {
            assert_eq!((refused.status, &*refused.error_code()), (404, "not_found"));
        }
        let token = stage.create("");
        assert_eq!(stage.publish(&token, "1", "1"), 0);
        assert_eq!(stage.get(&token, "?last_event=-1").status, 200);
    });
}

fn keyed(stage: &mut Stage, token: &str, key: &str, body: &str) -> (u16, Option<String>) {
    let line = format!("POST /api/sessions/{token}/events");
    let answer = stage.ask(token, &line, &format!("Idempotency-Key: {key}\r\n"), body);
    (
        answer.status,
        answer.header("fanfare-id").map(str::to_owned),
    )
}

#[test]
fn a_repeated_key_gets_the_first_answer_and_publishes_nothing() {
    everywhere(|stage| {
        for key in ["a", "b", "c", &"k".repeat(255)] {
            let first = keyed(stage, "t", key, EVENT);
            assert_eq!(first.0, 200);
            assert_eq!(keyed(stage, "t", key, EVENT), first, "the same again");
            let elsewhere = keyed(stage, "another-session", key, EVENT);
            assert_eq!(elsewhere.0, 200);
            assert_ne!(elsewhere, first, "there it is another key");
        }
        assert_eq!(
            stage.get("t", "?last_event=2").header("fanfare-next"),
            Some("4")
        );
        assert_eq!(keyed(stage, "t", "", EVENT).0, 400);
        assert_eq!(keyed(stage, "t", &"k".repeat(256), EVENT).0, 400);
        // What was refused may be tried again.
        assert_eq!(keyed(stage, "t", "d", "{}").0, 400);
        assert_eq!(keyed(stage, "t", "d", EVENT).0, 200);
        // Five minutes later it is a new key.
        let first = keyed(stage, "t", "a", EVENT);
        stage.node.pass(std::time::Duration::from_secs(301));
        assert_ne!(keyed(stage, "t", "a", EVENT), first);
    });
}

#[test]
fn repeats_while_the_first_is_under_way_publish_once() {
    everywhere(|stage| {
        for key in ["a", "b", "c", "d"] {
            let header = format!("Idempotency-Key: {key}\r\n");
            let text = request("POST /api/sessions/t/events", &header, EVENT);
            let shards = stage.node.shards.len();
            let peers: Vec<usize> = (0..12).map(|i| stage.node.connect(i % shards)).collect();
            for &peer in &peers {
                // All are received before any letter is carried.
                stage.node.send(peer, &text);
                stage.node.receive(peer, usize::MAX);
            }
            stage.node.break_off(peers[0]);
            stage.node.settle();
            let ids = peers[1..].iter().map(|&peer| {
                let answer = stage.answer(peer);
                assert_eq!(answer.status, 200);
                answer.header("fanfare-id").unwrap().to_owned()
            });
            let mut ids: Vec<String> = ids.collect();
            ids.dedup();
            assert_eq!(ids.len(), 1, "one event for all of them");
        }
        assert_eq!(
            stage.get("t", "?last_event=-1").header("fanfare-next"),
            Some("4")
        );
    });
}

//! Contract: "Lifecycle".

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{Stage, everywhere};
use crate::support::http::{Response, request};

/// A call on a session.
fn call(stage: &mut Stage, method: &str, token: &str, rest: &str, body: &str) -> Response {
    let response = stage.ask(
        token,
        &format!("{method} /api/sessions/{token}{rest}"),
        "",
        body,
    );
    assert_eq!(
        response.header("access-control-allow-origin"),
        Some("*"),
        "{response:?}"
    );
    response
}

fn read(stage: &mut Stage, token: &str, rest: &str) -> Value {
    let response = call(stage, "GET", token, rest, "");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(&response.body).expect("JSON")
}

/// All retained events as pairs of type and data.
fn events(stage: &mut Stage, token: &str) -> Vec<(Value, Value)> {
    let response = stage.get(token, "?last_event=-1&timeout=0");
    let events: Vec<Value> = serde_json::from_str(&response.body).expect("an array");
    events
        .iter()
        .map(|e| (e["type"].clone(), e["data"].clone()))
        .collect()
}

#[test]
fn create_and_read() {
    everywhere(|stage| {
        let body = r#"{"labels":["a","b"],"expiration_date":"2023-11-14T23:00:00+00:00",
            "event_id":"e","project_id":"p","retention":"2m","unknown":{"ignored":true}}"#;
        let token = stage.create(body);
        assert_eq!(token.len(), 36);
        let view = read(stage, &token, "");
        assert_eq!(view["token"], *token);
        assert_eq!(view["labels"], json!(["a", "b"]));
        assert_eq!(view["date_created"], "2023-11-14T22:13:20+00:00");
        assert_eq!(view["status"], "pending");
        assert_eq!(view["event_id"], "e");
        assert_eq!(view["project_id"], "p");
        let status = call(stage, "GET", &token, "/status", "");
        let expected = json!({"token": token, "status": "pending", "date_started": null,
            "date_finished": null, "expiration_date": "2023-11-14T23:00:00+00:00"});
        assert_eq!(
            serde_json::from_str::<Value>(&status.body).unwrap(),
            expected
        );
        for body in ["", "{}", " \n"] {
            let token = stage.create(body);
            assert_eq!(read(stage, &token, "")["labels"], json!([]));
        }
        // The session's own retention.
        stage.publish(&token, "1", "1");
        stage.node.pass(Duration::from_secs(100));
        assert_eq!(events(stage, &token).len(), 1);
        stage.node.pass(Duration::from_secs(30));
        assert_eq!(events(stage, &token).len(), 0);
    });
}

#[test]
fn bad_creations() {
    everywhere(|stage| {
        for date in [
            r#""tomorrow""#,
            "-5",
            "1e300",
            "true",
            "{}",
            r#""1699999999000""#,
            "[]",
            r#""2023-13-01T00:00:00Z""#,
            r#""""#,
        ] {
            let body = format!("{{\"expiration_date\":{date}}}");
            let refused = stage.ask("x", "POST /api/sessions", "", &body);
            assert_eq!(refused.status, 400, "{date}");
            assert_eq!(refused.body, r#"{"error":"Invalid input data!"}"#, "{date}");
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        }
        for body in [
            "x",
            "{",
            "[1]",
            "7",
            r#"{"labels":7}"#,
            r#"{"labels":[1]}"#,
            r#"{"event_id":""}"#,
        ] {
            let refused = stage.ask("x", "POST /api/sessions", "", body);
            assert_eq!(refused.status, 400, "{body}");
        }
        assert_eq!(stage.node.sum("sessions"), 0);
        // A project has one group for good.
        stage.create(r#"{"event_id":"e","project_id":"p"}"#);
        let body = r#"{"event_id":"other","project_id":"p"}"#;
        assert_eq!(stage.ask("x", "POST /api/sessions", "", body).status, 409);
        let token = stage.create(r#"{"project_id":"p"}"#);
        assert_eq!(read(stage, &token, "")["event_id"], "e");
    });
}

#[test]
fn unknown_sessions_are_not_found() {
    everywhere(|stage| {
        let calls = [
            ("GET", "", ""),
            ("GET", "/status", ""),
            ("POST", "/start", ""),
            ("POST", "/pause", ""),
            ("POST", "/stop", ""),
            ("POST", "/resume", r#"{"resume_token":"x"}"#),
            ("PUT", "/labels", "[]"),
            ("DELETE", "", ""),
            ("GET", "/nothing", ""),
            ("POST", "/events/more", ""),
        ];
        for (method, rest, body) in calls {
            for token in ["unknown", "unknown-of-8-and-more"] {
                let response = call(stage, method, token, rest, body);
                assert_eq!(response.status, 404, "{method} {rest}");
                assert_eq!(response.error_code(), "not_found");
            }
        }
    });
}

#[test]
fn every_transition_and_its_event() {
    // What was done before, the call, its status code, and the status afterwards.
    let table: [(&[&str], &str, u16, &str); 15] = [
        (&[], "/start", 200, "running"),
        (&[], "/pause", 409, "pending"),
        (&[], "/stop", 200, "aborted"),
        (&["/start"], "/start", 200, "running"),
        (&["/start"], "/pause", 200, "paused"),
        (&["/start"], "/stop", 200, "aborted"),
        (&["/start", "/pause"], "/start", 200, "running"),
        (&["/start", "/pause"], "/pause", 200, "paused"),
        (&["/start", "/pause"], "/stop", 200, "aborted"),
        (&["/stop"], "/start", 409, "aborted"),
        (&["/stop"], "/pause", 409, "aborted"),
        (&["/stop"], "/stop", 200, "aborted"),
        (&["/start", "/stop"], "/start", 409, "aborted"),
        (&["/start", "/stop"], "/pause", 409, "aborted"),
        (&["/start", "/stop"], "/stop", 200, "aborted"),
    ];
    everywhere(|stage| {
        for (before, rest, code, status) in table {
            let token = stage.create("");
            for rest in before {
                assert_eq!(call(stage, "POST", &token, rest, "").status, 200);
            }
            let was = read(stage, &token, "/status");
            let told = events(stage, &token).len();
            stage.node.pass(Duration::from_secs(1));
            let response = call(stage, "POST", &token, rest, "");
            assert_eq!(response.status, code, "{before:?} {rest}");
            if code == 200 {
                assert_eq!(response.body, "");
            }
            let is = read(stage, &token, "/status");
            let started = before.contains(&"/start") || (rest, code) == ("/start", 200);
            assert_eq!(is["status"], status, "{before:?} {rest}");
            let events = events(stage, &token);
            if was["status"] == is["status"] {
                assert_eq!(events.len(), told, "no event without a change");
                assert_eq!(was, is);
            } else {
                assert_eq!(events.len(), told + 1);
                assert_eq!(events[told], (json!("status"), json!(status)));
            }
            assert_eq!(!started, is["date_started"].is_null());
            assert_eq!(is["date_finished"].is_null(), status != "aborted");
        }
    });
}

#[test]
fn transitions_wake_polls() {
    everywhere(|stage| {
        let token = stage.create("");
        let peer = stage.park(&token, "");
        assert_eq!(call(stage, "POST", &token, "/start", "").status, 200);
        let body = stage.answer(peer).body;
        assert_eq!(body, r#"[{"type":"status","data":"running","number":0}]"#);
    });
}

#[test]
fn resume_tells_then_deletes() {
    everywhere(|stage| {
        let token = stage.create("");
        let bad = call(stage, "POST", &token, "/resume", "{}");
        assert_eq!(bad.status, 400, "{bad:?}");
        let peer = stage.park(&token, "");
        let body = r#"{"resume_token": "another-one"}"#;
        let done = call(stage, "POST", &token, "/resume", body);
        assert_eq!((done.status, done.body.as_str()), (200, ""));
        let told = stage.answer(peer);
        assert_eq!(
            told.body,
            r#"[{"type":"resume","data":"another-one","number":0}]"#
        );
        assert_eq!(call(stage, "GET", &token, "/status", "").status, 404);
        let running = stage.create("");
        assert_eq!(call(stage, "POST", &running, "/start", "").status, 200);
        assert_eq!(call(stage, "POST", &running, "/resume", body).status, 409);
        assert_eq!(read(stage, &running, "/status")["status"], "running");
        assert_eq!(stage.node.sum("readers"), 0);
    });
}

#[test]
fn labels_are_replaced() {
    everywhere(|stage| {
        let token = stage.create(r#"{"labels":["a"]}"#);
        for (body, expected) in [
            (r#"["b","c"]"#, json!(["b", "c"])),
            (r#"{"labels":["d"]}"#, json!(["d"])),
            ("[]", json!([])),
        ] {
            let done = call(stage, "PUT", &token, "/labels", body);
            assert_eq!((done.status, done.body.as_str()), (200, ""));
            assert_eq!(read(stage, &token, "")["labels"], expected);
        }
        for body in [
            "",
            "{}",
            "7",
            r#"["a",7]"#,
            &format!("[\"{}\"]", "x".repeat(257)),
        ] {
            assert_eq!(
                call(stage, "PUT", &token, "/labels", body).status,
                400,
                "{body}"
            );
        }
    });
}

#[test]
fn delete_forgets() {
    everywhere(|stage| {
        let token = stage.create("");
        let done = call(stage, "DELETE", &token, "", "");
        assert_eq!((done.status, done.body.as_str()), (200, ""));
        assert_eq!(call(stage, "DELETE", &token, "", "").status, 404);
        assert_eq!(call(stage, "GET", &token, "/status", "").status, 404);
    });
}

#[test]
fn a_fragment_finds_exactly_one() {
    everywhere(|stage| {
        let tokens: Vec<String> = (0..20).map(|_| stage.create("")).collect();
        for token in &tokens {
            let found = call(stage, "GET", &token[..8], "", "");
            assert_eq!(found.status, 200);
            assert_eq!(found.body, format!("{{\"token\":\"{token}\"}}"));
            assert_eq!(
                call(stage, "GET", &token[..7], "", "").status,
                404,
                "too short"
            );
            assert_eq!(
                call(stage, "GET", &token[1..], "", "").status,
                404,
                "not its beginning"
            );
        }
        // Two that begin alike, wherever they live.
        for i in 0..8 {
            stage.publish(&format!("twins-of-a-kind-{i}"), "1", "1");
        }
        assert_eq!(call(stage, "GET", "twins-of", "", "").status, 404);
        let one = call(stage, "GET", "twins-of-a-kind-3", "", "");
        assert!(
            one.body.contains("\"status\""),
            "a whole token is described: {one:?}"
        );
    });
}

#[test]
fn sessions_expire_by_date() {
    everywhere(|stage| {
        let token = stage.create(r#"{"expiration_date":"2023-11-14T22:14:20"}"#);
        let peer = stage.park(&token, "");
        stage.node.pass(Duration::from_secs(59));
        assert_eq!(call(stage, "GET", &token, "/status", "").status, 200);
        stage.node.pass(Duration::from_secs(2));
        assert_eq!(stage.answer(peer).status, 410);
        assert_eq!(call(stage, "GET", &token, "/status", "").status, 404);
        assert_eq!(stage.node.sum("sessions"), 0);
    });
}

#[test]
fn sessions_expire_when_nobody_uses_them() {
    everywhere(|stage| {
        let (idle, used, heard) = (stage.create(""), stage.create(""), stage.create(""));
        let peer = stage.park(&heard, "");
        stage.node.pass(Duration::from_secs(3_000));
        assert_eq!(call(stage, "GET", &used, "/status", "").status, 200);
        stage.node.pass(Duration::from_secs(700));
        assert_eq!(call(stage, "GET", &idle, "/status", "").status, 404);
        assert_eq!(call(stage, "GET", &used, "/status", "").status, 200);
        assert!(stage.node.response_is_absent(peer), "who listens uses it");
        assert_eq!(call(stage, "GET", &heard, "/status", "").status, 200);
    });
}

#[test]
fn who_listens_to_the_next_life_is_not_detached_with_the_last() {
    everywhere(|stage| {
        let token = stage.create(r#"{"expiration_date":"2023-11-14T22:14:20+00:00"}"#);
        let old = stage.park(&token, "");
        let home = stage.node.home(&token);
        let new = stage.node.connect(home);
        // No sweep comes between the date and the next use.
        stage.node.now.unix_ms += 61_000;
        let path = format!("/api/sessions/{token}/events");
        let publish = request(&format!("POST {path}"), "", r#"{"type":1,"data":1}"#);
        stage.node.send(new, publish);
        stage
            .node
            .send(new, request(&format!("GET {path}?last_event=0"), "", ""));
        stage.node.receive(new, usize::MAX);
        stage.node.break_off(old);
        stage.node.settle();
        let published = stage.answer(new);
        assert_eq!(published.header("fanfare-number"), Some("0"));
        assert!(stage.node.response_is_absent(new));
        stage.publish(&token, "1", "2");
        let answer = stage.answer(new);
        assert_eq!(answer.body, r#"[{"type":1,"data":2,"number":1}]"#);
    });
}

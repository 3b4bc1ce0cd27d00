//! Contract: the origin's own client, as it calls: the landing page, the page that configures a
//! session, and the pages that watch it. Requests are what a browser makes of its
//! `XMLHttpRequest`s.

use std::time::Duration;

use serde_json::Value;

use crate::stage::{Stage, everywhere};
use crate::support::http::{Response, request};

/// Both places where the client may look for the interface: its default web root, and the top.
const ROOTS: [&str; 2] = ["/_wave/", "/"];

/// What the clock of a node says at its start.
const START_MS: u64 = 1_700_000_000_000;

/// A request as Chromium sends it for a page of the same origin: a body that is null is none, but a
/// `POST` and a `PUT` say so.
fn xhr(method: &str, uri: &str, body: Option<&str>) -> String {
    let length = match (method, body) {
        ("POST" | "PUT", None) => "Content-Length: 0\r\n".to_owned(),
        (_, None) => String::new(),
        (_, Some(body)) => format!(
            "Content-Length: {}\r\nContent-Type: application/json\r\n",
            body.len()
        ),
    };
    let origin = match method {
        "GET" => "",
        _ => "Origin: http://web-platform.test:8000\r\n",
    };
    let body = body.unwrap_or("");
    format!(
        "{method} {uri} HTTP/1.1\r\nHost: web-platform.test:8000\r\nConnection: keep-alive\r\n\
         {length}User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: */*\r\n{origin}\
         Referer: http://web-platform.test:8000/_wave/index.html\r\nAccept-Encoding: gzip, deflate\r\n\
         Accept-Language: en-US,en;q=0.9\r\n\r\n{body}"
    )
}

/// A page: one connection for its calls, one for its poll.
struct Page {
    root: &'static str,
    calls: usize,
    polls: usize,
}

impl Page {
    fn open(stage: &mut Stage, root: &'static str) -> Self {
        Self {
            root,
            calls: stage.connect("t"),
            polls: stage.connect("t"),
        }
    }

    fn call(&self, stage: &mut Stage, method: &str, uri: &str, body: Option<&str>) -> Response {
        let text = xhr(method, &format!("{}{uri}", self.root), body);
        stage.node.ask(self.calls, text)
    }

    /// A call whose success is all that the client looks at: it compares with 200.
    #[track_caller]
    fn done(&self, stage: &mut Stage, method: &str, uri: &str, body: Option<&str>) {
        let answer = self.call(stage, method, uri, body);
        assert_eq!((answer.status, &*answer.body), (200, ""), "{method} {uri}");
    }

    /// A call whose answer the client parses.
    #[track_caller]
    fn read(&self, stage: &mut Stage, uri: &str) -> Value {
        let answer = self.call(stage, "GET", uri, None);
        assert_eq!(answer.status, 200, "{uri}: {answer:?}");
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// `createSession`: the token.
    fn create(&self, stage: &mut Stage, body: &str) -> String {
        let answer = self.call(stage, "POST", "api/sessions", Some(body));
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        let created: Value = serde_json::from_str(&answer.body).expect("JSON");
        created["token"].as_str().expect("a token").to_owned()
    }

    /// `listenSessionEvents`: goes on after the last number that the client has seen; 0 is none to
    /// it.
    fn listen(&self, stage: &mut Stage, token: &str, last: u64) {
        let query = match last {
            0 => "?id=1700000000001".to_owned(),
            last => format!("?last_event={last}&id=1700000000001"),
        };
        let uri = format!("{}api/sessions/{token}/events{query}", self.root);
        stage.node.send(self.polls, xhr("GET", &uri, None));
        stage.node.settle();
    }

    /// The events that the poll was answered with.
    #[track_caller]
    fn heard(&self, stage: &mut Stage) -> Vec<(Value, Value, u64)> {
        let answer = stage.answer(self.polls);
        assert_eq!(answer.status, 200, "{answer:?}");
        let events: Vec<Value> = serde_json::from_str(&answer.body).expect("an array");
        let events = events.into_iter();
        let triple = |event: Value| {
            let number = event["number"].as_u64().expect("a number");
            (event["type"].clone(), event["data"].clone(), number)
        };
        events.map(triple).collect()
    }
}

fn status(data: &str, number: u64) -> (Value, Value, u64) {
    ("status".into(), data.into(), number)
}

#[test]
fn a_session_from_the_landing_page_to_its_end() {
    for root in ROOTS {
        everywhere(|stage| {
            // The landing page: it sends the date as a number, thirty minutes from now.
            let landing = Page::open(stage, root);
            let expires_ms = START_MS + 30 * 60 * 1_000;
            let body = format!("{{\"expiration_date\":{expires_ms}}}");
            let token = landing.create(stage, &body);
            let session = format!("api/sessions/{token}");
            assert_eq!(landing.read(stage, &session)["token"], *token);
            landing.listen(stage, &token, 0);

            // Another device configures and starts it.
            let second = Page::open(stage, root);
            assert_eq!(second.read(stage, &token_search(&token))["token"], *token);
            let state = second.read(stage, &format!("{session}/status"));
            assert_eq!(state["status"], "pending");
            assert_eq!(state["date_started"], Value::Null);
            assert_eq!(state["expiration_date"], "2023-11-14T22:43:20+00:00");
            let tests = r#"{"tests":{"include":["/dom"],"exclude":[]},"types":["automatic","manual"],"timeouts":{"automatic":60000,"manual":300000},"reference_tokens":[],"expiration_date":null,"type":"wmas"}"#;
            second.done(stage, "PUT", &session, Some(tests));
            let labels = Some(r#"{"labels":["a tv","nightly"]}"#);
            second.done(stage, "PUT", &format!("{session}/labels"), labels);
            second.done(stage, "POST", &format!("{session}/start"), None);
            assert_eq!(landing.heard(stage), [status("running", 0)]);
            landing.listen(stage, &token, 0);

            // It runs past the date: that was for sessions that nobody starts.
            stage.node.pass(Duration::from_secs(40 * 60));
            let second = Page::open(stage, root);
            let state = second.read(stage, &format!("{session}/status"));
            assert_eq!(state["status"], "running");
            assert_eq!(state["date_started"], "2023-11-14T22:13:20+00:00");
            assert_eq!(state["expiration_date"], Value::Null);

            // The page that watches it: pause, go on, an event of its own, stop.
            second.done(stage, "POST", &format!("{session}/pause"), None);
            assert_eq!(landing.heard(stage), [status("paused", 1)]);
            landing.listen(stage, &token, 1);
            second.done(stage, "POST", &format!("{session}/start"), None);
            assert_eq!(landing.heard(stage), [status("running", 2)]);
            landing.listen(stage, &token, 2);
            let event = Some(r#"{"type":"test_completed","data":"/dom/a.html"}"#);
            second.done(stage, "POST", &format!("{session}/events"), event);
            let completed = ("test_completed".into(), "/dom/a.html".into(), 3);
            assert_eq!(landing.heard(stage), [completed]);
            landing.listen(stage, &token, 3);
            second.done(stage, "POST", &format!("{session}/stop"), None);
            assert_eq!(landing.heard(stage), [status("aborted", 4)]);
            let view = second.read(stage, &session);
            assert_eq!(view["labels"], serde_json::json!(["a tv", "nightly"]));
            let state = second.read(stage, &format!("{session}/status"));
            assert!(state["date_finished"].is_string(), "{state}");

            // The overview deletes it.
            landing.listen(stage, &token, 4);
            second.done(stage, "DELETE", &session, None);
            assert_eq!(stage.answer(landing.polls).status, 410);
            for (method, uri) in [
                ("GET", session.clone()),
                ("GET", format!("{session}/status")),
                ("DELETE", session.clone()),
                ("PUT", session),
            ] {
                assert_eq!(second.call(stage, method, &uri, None).status, 404);
            }
        });
    }
}

/// `findToken`, of who typed the beginning of a token.
fn token_search(token: &str) -> String {
    format!("api/sessions/{}", &token[..8])
}

#[test]
fn a_landing_page_gives_way_to_a_session_that_is_resumed() {
    for root in ROOTS {
        everywhere(|stage| {
            let landing = Page::open(stage, root);
            let expires_ms = START_MS + 30 * 60 * 1_000;
            let token = landing.create(stage, &format!("{{\"expiration_date\":{expires_ms}}}"));
            landing.listen(stage, &token, 0);
            let second = Page::open(stage, root);
            let resume = format!("api/sessions/{token}/resume");
            let body = Some(r#"{"resume_token":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}"#);
            second.done(stage, "POST", &resume, body);
            let data = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".into();
            assert_eq!(landing.heard(stage), [("resume".into(), data, 0)]);
        });
    }
}

#[test]
fn a_landing_page_that_nobody_answers_expires() {
    for root in ROOTS {
        everywhere(|stage| {
            let landing = Page::open(stage, root);
            let expires_ms = START_MS + 30 * 60 * 1_000;
            let token = landing.create(stage, &format!("{{\"expiration_date\":{expires_ms}}}"));
            landing.listen(stage, &token, 0);
            stage.node.pass(Duration::from_secs(30 * 60 - 1));
            assert!(stage.node.response_is_absent(landing.polls));
            stage.node.pass(Duration::from_secs(2));
            assert_eq!(stage.answer(landing.polls).status, 410);
            // It goes on asking every second, which does not bring the session back.
            for _ in 0..5 {
                stage.node.pass(Duration::from_secs(1));
                landing.listen(stage, &token, 0);
                assert_eq!(stage.answer(landing.polls).status, 410);
            }
            assert_eq!(stage.node.sum("sessions"), 0);
        });
    }
}

#[test]
fn a_date_is_a_number_or_text_and_what_is_null_is_absent() {
    everywhere(|stage| {
        for (date, shown) in [
            ("1700003600000", Some("2023-11-14T23:13:20+00:00")),
            ("1700003600123", Some("2023-11-14T23:13:20.123000+00:00")),
            ("1700003600123.75", Some("2023-11-14T23:13:20.123000+00:00")),
            ("1.7000036e12", Some("2023-11-14T23:13:20+00:00")),
            (
                r#""2023-11-14T23:13:20Z""#,
                Some("2023-11-14T23:13:20+00:00"),
            ),
            (
                r#""2023-11-15T00:13:20+01:00""#,
                Some("2023-11-14T23:13:20+00:00"),
            ),
            ("null", None),
        ] {
            let token = stage.create(&format!("{{\"expiration_date\":{date}}}"));
            let line = format!("GET /api/sessions/{token}/status");
            let state = stage.ask(&token, &line, "", "");
            let state: Value = serde_json::from_str(&state.body).expect("JSON");
            assert_eq!(state["expiration_date"].as_str(), shown, "{date}");
        }
        let all = r#"{"tests":null,"types":null,"timeouts":null,"reference_tokens":null,
            "expiration_date":null,"labels":null,"event_id":null,"project_id":null,"retention":null}"#;
        let token = stage.create(all);
        let line = format!("GET /api/sessions/{token}");
        let view: Value = serde_json::from_str(&stage.ask(&token, &line, "", "").body).unwrap();
        assert_eq!(view["labels"], serde_json::json!([]));
        for absent in ["expiration_date", "event_id", "project_id"] {
            assert_eq!(view[absent], Value::Null);
        }
    });
}

#[test]
fn only_the_first_start_takes_the_date_away() {
    everywhere(|stage| {
        let body = r#"{"expiration_date":"2023-11-14T23:13:20Z"}"#;
        for (calls, shown) in [
            (&["/stop"][..], true),
            (&["/start"], false),
            (&["/start", "/pause", "/start"], false),
        ] {
            let token = stage.create(body);
            for call in calls {
                let line = format!("POST /api/sessions/{token}{call}");
                assert_eq!(stage.ask(&token, &line, "", "").status, 200);
            }
            let line = format!("GET /api/sessions/{token}/status");
            let state = stage.ask(&token, &line, "", "").body;
            assert_eq!(
                state.contains("\"expiration_date\":null"),
                !shown,
                "{state}"
            );
        }
    });
}

#[test]
fn a_configuration_is_an_object_or_nothing() {
    everywhere(|stage| {
        let token = stage.create("");
        let line = format!("PUT /api/sessions/{token}");
        for body in ["", " ", "{}", r#"{"tests":{}}"#] {
            assert_eq!(stage.ask(&token, &line, "", body).status, 200, "{body}");
        }
        for body in ["x", "[]", "7", "{\"a\":}"] {
            let refused = stage.ask(&token, &line, "", body);
            assert_eq!(refused.status, 400, "{body}");
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        }
        let unknown = stage.ask("u", "PUT /api/sessions/u", "", "{}");
        assert_eq!((unknown.status, &*unknown.error_code()), (404, "not_found"));
        let peer = stage.connect("u");
        let options = request("OPTIONS /api/sessions/u", "", "");
        assert_eq!(stage.node.ask(peer, options).status, 200);
    });
}

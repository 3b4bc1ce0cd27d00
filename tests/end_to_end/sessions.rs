//! The sessions dialect as others meet it: the origin's client, a polyfill, a log that is read in
//! parts, and what comes after the end of a session.

use std::io::Read as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::clients::{EventStream, agent, counted, field, get, pause, publish};
use crate::server::{Server, Setting, curl, curl_output, fanfare};

on_both_drivers!(
    the_origin_s_client_gets_through,
    a_polyfill_s_cursor_resumes,
    a_long_log_is_read_in_parts,
    tail_ends_with_its_session,
    who_names_a_token_does_not_cut_off_its_readers,
);

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}

/// A call of the origin's client, which takes 200 for success and nothing else; the answer's body.
#[track_caller]
fn call(agent: &ureq::Agent, method: &str, url: &str, body: Option<&str>) -> String {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let answer = match body {
        Some(body) => {
            let request = request.header("Content-Type", "application/json");
            agent.run(request.body(body.to_owned()).expect("a request"))
        }
        None if method == "GET" || method == "DELETE" => {
            agent.run(request.body(()).expect("a request"))
        }
        // A browser says of these that there is no body.
        None => agent.run(request.body(String::new()).expect("a request")),
    };
    let mut answer = answer.expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    assert_eq!(answer.status(), 200, "{method} {url}: {text}");
    text
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn the_origin_s_client_gets_through(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    for root in ["/_wave/", "/"] {
        let sessions = server.url(&format!("{root}api/sessions"));
        let date = unix_ms() + 1_500;
        let body = format!("{{\"expiration_date\":{date}}}");
        let created = json(&call(&agent, "POST", &sessions, Some(&body)));
        let session = format!("{sessions}/{}", created["token"].as_str().expect("a token"));
        let left = created["token"].clone();
        assert_eq!(json(&call(&agent, "GET", &session, None))["token"], left);
        let state = json(&call(&agent, "GET", &format!("{session}/status"), None));
        assert!(state["expiration_date"].is_string(), "{state}");
        let poll = std::thread::spawn({
            let url = format!("{session}/events?id={date}");
            move || get(&crate::clients::agent(), &url)
        });
        server.await_metric("readers", 1);
        let tests =
            r#"{"tests":{"include":["/"]},"types":null,"timeouts":{},"reference_tokens":[]}"#;
        call(&agent, "PUT", &session, Some(tests));
        let labels = r#"{"labels":["a tv"]}"#;
        call(&agent, "PUT", &format!("{session}/labels"), Some(labels));
        call(&agent, "POST", &format!("{session}/start"), None);
        let (status, told) = poll.join().expect("it ends");
        assert_eq!(status, 200);
        assert_eq!(told, r#"[{"type":"status","data":"running","number":0}]"#);
        // Another of the same date that nobody starts does not outlive it.
        let created = json(&call(&agent, "POST", &sessions, Some(&body)));
        let never = format!("{sessions}/{}", created["token"].as_str().expect("a token"));
        pause(2_000);
        assert_eq!(get(&agent, &never).0, 404);
        let state = json(&call(&agent, "GET", &format!("{session}/status"), None));
        assert_eq!(state["status"], "running");
        assert_eq!(state["expiration_date"], Value::Null);
        for (end, status) in [
            ("pause", "paused"),
            ("start", "running"),
            ("stop", "aborted"),
        ] {
            call(&agent, "POST", &format!("{session}/{end}"), None);
            let state = json(&call(&agent, "GET", &format!("{session}/status"), None));
            assert_eq!(state["status"], status);
        }
        call(&agent, "DELETE", &session, None);
        assert_eq!(get(&agent, &session).0, 404);
        assert_eq!(
            get(&agent, &format!("{session}/events?last_event=3")).0,
            410
        );
    }
}

fn a_polyfill_s_cursor_resumes(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("polyfilled");
    let agent = agent();
    for n in 0..3 {
        publish(&agent, &events, &counted(n));
    }
    let mut url = format!("{events}?last_event=-1");
    let mut told = Vec::new();
    for _ in 0..3 {
        let request = agent.get(&url).header("Accept", "text/event-stream");
        let answer = request.call().expect("an answer");
        let mut stream = EventStream::new(answer.into_body().into_reader());
        let event = stream.next().expect("another event");
        told.push(field(&event, "data").expect("data").to_owned());
        let id = field(&event, "id").expect("an id").replace(':', "%3A");
        url = format!("{events}?last_event=-1&lastEventId={id}");
    }
    assert_eq!(told, ["0", "1", "2"]);
}

fn a_long_log_is_read_in_parts(setting: Setting) {
    let server = Server::start(setting, &[]);
    let events = server.events("long");
    let agent = agent();
    let text = "x".repeat(300_000);
    for n in 0..15 {
        let body = format!(r#"{{"type":{n},"data":"{text}"}}"#);
        publish(&agent, &events, &body);
    }
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let (mut last, mut parts) = (-1, 0);
        loop {
            let url = format!("{events}?last_event={last}");
            let Some(child) = curl(&["-i", protocol, &url]) else {
                return;
            };
            let answer = curl_output(child);
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(body.len() <= 1024 * 1024, "{} bytes", body.len());
            let told = json(body);
            for event in told.as_array().expect("an array") {
                last += 1;
                assert_eq!(event["number"], last);
            }
            parts += 1;
            if !head.to_lowercase().contains("\r\nfanfare-more: true") {
                break;
            }
        }
        assert_eq!((last, parts), (14, 5), "{protocol}");
    }
}

fn tail_ends_with_its_session(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    publish(&agent, &server.events("room"), &counted(0));
    let url = server.url("");
    let mut command = fanfare(&["tail", "room", "--from", "-1", "--url", &url]);
    let piped = std::process::Stdio::piped;
    let mut tail = command
        .stdout(piped())
        .stderr(piped())
        .spawn()
        .expect("it starts");
    server.await_metric("readers", 1);
    let session = server.url("/api/sessions/room");
    call(&agent, "DELETE", &session, None);
    let status = crate::child::await_exit(&mut tail);
    let mut said = String::new();
    let mut stderr = tail.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(status.code(), Some(1), "{said}");
    let last = "fanfare: the server answered 410 Gone: the session was deleted (gone)\n";
    assert!(said.ends_with(last), "{said}");
    assert_eq!(get(&agent, &session).0, 404, "it was not brought back");
    // A gauge is set by the housekeeping, some time after.
    server.await_metric("sessions", 0);
    // Who publishes begins anew.
    assert_eq!(publish(&agent, &server.events("room"), &counted(1)), 0);
    let (status, told) = get(&agent, &format!("{}?last_event=-1", server.events("room")));
    assert_eq!(
        (status, &*told),
        (200, r#"[{"type":"count","data":1,"number":0}]"#)
    );
}

fn who_names_a_token_does_not_cut_off_its_readers(setting: Setting) {
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    let mut tokens = Vec::new();
    for name in ["acme", "other"] {
        let drawn = fanfare(&["token", "new"]).output().expect("it starts");
        let drawn = String::from_utf8(drawn.stdout).expect("UTF-8");
        let (token, table) = drawn.split_once("\n\n").expect("a token and a table");
        writeln!(file, "[[organizations]]\nname = \"{name}\"\n{table}").expect("written");
        tokens.push(format!("Bearer {token}"));
    }
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let agent = agent();
    let create = agent
        .post(server.url("/api/sessions"))
        .header("Authorization", &tokens[0]);
    let mut created = create.send_empty().expect("an answer");
    let created = json(&created.body_mut().read_to_string().expect("text"));
    let events = server.events(created["token"].as_str().expect("a token"));
    let past = format!("{events}?last_event=-1&timeout=0");
    assert_eq!(get(&agent, &past), (200, "[]".to_owned()));
    for token in [&tokens[1], &tokens[0]] {
        let read = agent.get(&past).header("Authorization", token);
        assert_eq!(read.call().expect("an answer").status(), 200);
        let publish = agent.post(&events).header("Authorization", token);
        let body = format!(
            r#"{{"type":"of","data":{}}}"#,
            u8::from(*token == tokens[0])
        );
        assert_eq!(publish.send(&body).expect("an answer").status(), 200);
    }
    let (status, told) = get(&agent, &past);
    assert_eq!(
        (status, &*told),
        (200, r#"[{"type":"of","data":1,"number":0}]"#)
    );
}

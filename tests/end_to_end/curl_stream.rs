//! The stream dialect and HTTP/2, spoken to by the `curl` program.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command};

use serde_json::{Value, json};

use crate::clients::{agent, data_of, publish};
use crate::server::{Server, Setting, curl, curl_output, skip};
use crate::tokens::server_with_tokens;

on_every_setting!(
    chunks_over_http_1,
    chunks_over_http_2,
    polls_are_answered_whatever_shard_they_are_on,
);
on_both_drivers!(refusals_say_why, silence_is_broken_when_it_was_asked_for);

/// Speaks HTTP/2 from the first byte on, as to a server that is known to (RFC 9113 §3.3).
const HTTP2: &str = "--http2-prior-knowledge";

fn chunks_over_http_1(setting: Setting) {
    publish_and_hear(setting, "--http1.1", "1.1");
}

fn chunks_over_http_2(setting: Setting) {
    if curl_has_http2() {
        publish_and_hear(setting, HTTP2, "2");
    }
}

fn silence_is_broken_when_it_was_asked_for(setting: Setting) {
    let server = Server::start(setting, &[]);
    let url = server.url("/event/v2/stream?subscribe.name=n&heartbeat=1");
    let Some(child) = curl(&["-i", "-N", "--max-time", "3.5", &url]) else {
        return;
    };
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (head, lines) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("X-Accel-Buffering: no"), "{head}");
    assert!(
        head.contains("Cache-Control: no-store, no-transform"),
        "{head}"
    );
    let lines: Vec<&str> = lines.lines().collect();
    let (subscribed, silence) = lines.split_first().expect("a line");
    assert!(subscribed.contains("subscribed"), "{subscribed}");
    assert!((2..=3).contains(&silence.len()), "{silence:?}");
    assert!(silence.iter().all(|line| line.is_empty()), "{silence:?}");
}

/// Whether this curl was built with HTTP/2; if not, says so.
fn curl_has_http2() -> bool {
    let features = match Command::new("curl").arg("--version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => error.to_string(),
    };
    if features.split_whitespace().any(|word| word == "HTTP2") {
        return true;
    }
    skip("no curl with HTTP/2", &features);
    false
}

/// A curl that goes on until its test is over.
struct Listener {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Listener {
    fn start(args: &[&str]) -> Option<Self> {
        let mut child = curl(args)?;
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Self { child, lines })
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("UTF-8");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // It would go on for ever.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn publish_and_hear(setting: Setting, version: &str, version_said: &str) {
    let server = Server::start(setting, &[]);
    let stream = server.url(
        "/event/v2/stream?sessionId=listener&subscribe.name=chat:*&subscribe.target.projectId=p",
    );
    let listeners: Option<Vec<Listener>> = (0..4)
        .map(|_| Listener::start(&[version, "-N", &stream]))
        .collect();
    let Some(mut listeners) = listeners else {
        return;
    };
    let wanted = json!({"name": "chat:*", "target": {"projectId": "p"}});
    for listener in &mut listeners {
        assert_eq!(listener.next(), json!({"result": {"subscribed": wanted}}));
    }
    let publish = server.url("/event/v2/publish");
    for n in 0..5 {
        let target = json!({"layoutId": "l", "projectId": "p"});
        let event = json!({"name": "chat:a", "payload": {"n": n}, "target": target});
        let answer = curl(&[
            version,
            "-H",
            "SessionId: me",
            "-d",
            &event.to_string(),
            "-w",
            "\n%{http_code} %{http_version}",
            &publish,
        ]);
        let answer = curl_output(answer.expect("it was there a moment ago"));
        let (body, status) = answer.rsplit_once('\n').expect("two lines");
        assert_eq!(status, format!("200 {version_said}"), "{body}");
        let mut published: Value = serde_json::from_str(body).expect("JSON");
        for listener in &mut listeners {
            let heard = listener.next();
            assert_eq!(heard["result"]["event"], published);
            assert_eq!(heard["result"]["sessionId"], "me");
        }
        let id = published
            .as_object_mut()
            .and_then(|event| event.remove("id"));
        assert!(id.is_some_and(|id| id.is_string()));
        assert_eq!(published, event);
    }
    drop(listeners);
    server.await_metric("subscriptions", 0);
}

/// Sessions that are at home on all shards are polled from connections that cannot move there. One
/// curl for each: a connection that was known to speak HTTP/2 is broken when curl 7.88 uses it
/// again (<https://github.com/curl/curl/issues/10634>).
fn polls_are_answered_whatever_shard_they_are_on(setting: Setting) {
    if !curl_has_http2() {
        return;
    }
    let server = Server::start(setting, &[]);
    let polls: Vec<Child> = (0..8)
        .map(|n| {
            let url = format!("{}?last_event=-1", server.events(&format!("poll-{n}")));
            curl(&[HTTP2, "-w", "\n%{http_version}", &url]).expect("it was there a moment ago")
        })
        .collect();
    server.await_metric("readers", 8);
    for n in 0..8 {
        let body = format!(r#"{{"type":"t","data":{n}}}"#);
        publish(&agent(), &server.events(&format!("poll-{n}")), &body);
    }
    for (n, poll) in (0..).zip(polls) {
        let answer = curl_output(poll);
        let body = answer.strip_suffix("\n2").expect("HTTP/2");
        assert_eq!(data_of(body), [n]);
    }
    server.await_metric("readers", 0);
    let metrics = curl(&[HTTP2, "-w", "%{http_version}", &server.url("/metrics")]);
    let metrics = curl_output(metrics.expect("it was there a moment ago"));
    assert!(metrics.ends_with("\n2"), "{metrics}");
    assert!(metrics.contains("fanfare_http2_streams{"), "{metrics}");
}

fn refusals_say_why(setting: Setting) {
    let (server, tokens) = server_with_tokens(setting);
    let (stream, publish) = ("/event/v2/stream", "/event/v2/publish");
    let subscriber = format!("Authorization: Bearer {}", tokens.subscriber);
    let publisher = format!("Authorization: Bearer {}", tokens.publisher);
    let event = r#"{"name":"a","payload":{}}"#;
    let nothing = "X-Nothing: 1";
    let hear = "?subscribe.name=a";
    let mut versions = vec!["--http1.1"];
    versions.extend(curl_has_http2().then_some(HTTP2));
    for version in versions {
        for (header, path, query, body, status, code) in [
            (nothing, stream, hear, None, 401, 16),
            (&*publisher, stream, hear, None, 403, 7),
            (&*subscriber, stream, "", None, 400, 3),
            (nothing, publish, "", Some(event), 401, 16),
            (&*subscriber, publish, "", Some(event), 403, 7),
            (&*publisher, publish, "", Some("{"), 400, 3),
        ] {
            let url = server.url(&format!("{path}{query}"));
            let mut args = vec![version, "-N", "-H", header, "-w", "\n%{http_code}", &url];
            args.extend(body.map(|body| ["-d", body]).into_iter().flatten());
            let Some(child) = curl(&args) else { return };
            let answer = curl_output(child);
            let (body, said) = answer.rsplit_once('\n').expect("two lines");
            let body: Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(said, status.to_string(), "{body}");
            assert_eq!(body["code"], code, "{body}");
            assert!(body["message"].is_string(), "{body}");
        }
    }
}

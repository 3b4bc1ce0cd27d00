//! Publishing by POST, and the files for browsers: what `ureq`, `curl` and the pages of others
//! meet.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};
use ureq::Body;
use ureq::http::Response;

use super::{configured, event, post};
use crate::clients::{agent, get};
use crate::server::{Server, Setting, curl, curl_output};
use crate::tokens::organization;

on_both_drivers!(
    what_is_wrong_with_a_body_is_told_with_its_place,
    what_is_wrong_has_a_status_and_a_code,
    who_may_not_publish_is_told_so,
    a_server_without_room_says_when_to_come_back,
    curl_does_not_send_what_is_too_large,
    a_key_counts_once_on_all_shards,
    a_page_of_another_origin_may_publish,
    files_may_be_kept_until_they_change,
    a_closed_server_has_no_demo,
);

const ROOM: (&str, &str) = ("e", "s");

/// Status, and code and pointer of each error.
fn refusal((status, answer): &(u16, Value)) -> (u16, Vec<(&str, &str)>) {
    let errors = answer["errors"].as_array();
    let errors = errors.unwrap_or_else(|| panic!("no refusal: {answer}"));
    let pairs = errors.iter().map(|error| {
        let pointer = error["source"]["pointer"].as_str().unwrap_or("");
        (error["code"].as_str().expect("a code"), pointer)
    });
    (*status, pairs.collect())
}

/// A header field of an answer.
fn field(answer: &Response<Body>, name: &str) -> String {
    let value = answer.headers().get(name);
    let value = value.unwrap_or_else(|| panic!("no {name}"));
    value.to_str().expect("ASCII").to_owned()
}

/// A body with this scope.
fn with(scope: &str) -> String {
    format!(r#"{{"scope":{scope},"payload":{{"event":{{"eventName":"n","data":1}}}}}}"#)
}

fn what_is_wrong_with_a_body_is_told_with_its_place(setting: Setting) {
    let server = Server::start(setting, &[]);
    let agent = agent();
    let good = event(ROOM, "n", &json!(1));
    assert_eq!(post(&agent, &server, &[], &good).1["number"], 0);
    let everyone = with(r#"{"type":"organization"}"#);
    let nameless = everyone.replace("eventName", "name");
    let deep = format!(":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let deep = everyone.replace(":1}", &deep);
    let group = |id: &str| with(&format!(r#"{{"type":"event","event_id":{id}}}"#));
    for (body, code, pointer) in [
        (
            with(r#"{"type":"world"}"#),
            "unknown_scope_type",
            "/scope/type",
        ),
        (
            with(r#"{"type":"event"}"#),
            "missing_field",
            "/scope/event_id",
        ),
        (group("7"), "wrong_type", "/scope/event_id"),
        (group("\"\""), "empty", "/scope/event_id"),
        (
            group(&format!("\"{}\"", "x".repeat(257))),
            "too_long",
            "/scope/event_id",
        ),
        (nameless, "missing_field", "/payload/event/eventName"),
        (deep, "too_deep", "/payload/event/data"),
        (
            event(("f", "s"), "n", &json!(1)),
            "contradiction",
            "/scope/event_id",
        ),
    ] {
        let answer = post(&agent, &server, &[], &body);
        assert_eq!(refusal(&answer), (422, vec![(code, pointer)]), "{body}");
    }
    let answer = post(&agent, &server, &[], "hello");
    assert_eq!(refusal(&answer), (400, vec![("invalid_json", "")]));
    // Nothing of that was published.
    assert_eq!(post(&agent, &server, &[], &good).1["number"], 1);
}

fn what_is_wrong_has_a_status_and_a_code(setting: Setting) {
    let config = "[pubsub]\npublish_bytes_max = 1000\n[hub]\nscopes = \"declared\"\n";
    let server = configured(setting, config);
    let agent = agent();
    let unknown = post(&agent, &server, &[], &event(ROOM, "n", &json!(1)));
    assert_eq!(
        refusal(&unknown),
        (404, vec![("not_found", "/scope/session_id")])
    );
    let unknown = post(
        &agent,
        &server,
        &[],
        &with(r#"{"type":"event","event_id":"e"}"#),
    );
    assert_eq!(
        refusal(&unknown),
        (404, vec![("not_found", "/scope/event_id")])
    );
    let large = post(
        &agent,
        &server,
        &[],
        &event(ROOM, "n", &json!("x".repeat(1_000))),
    );
    assert_eq!(refusal(&large), (413, vec![("too_large", "")]));
    let everyone = with(r#"{"type":"organization"}"#);
    let keyless = post(&agent, &server, &[("Idempotency-Key", "")], &everyone);
    assert_eq!(
        refusal(&keyless),
        (400, vec![("invalid_idempotency_key", "")])
    );
    let (status, text) = get(&agent, &server.url("/api/v1/pub_subs"));
    assert!(
        status == 405 && text.contains("method_not_allowed"),
        "{text}"
    );
    assert_eq!(post(&agent, &server, &[], &everyone).0, 201);
}

fn who_may_not_publish_is_told_so(setting: Setting) {
    let (text, tokens) = organization("acme", &["publish", "subscribe"]);
    let server = configured(setting, &text);
    let [publisher, subscriber] = [&*tokens[0], &*tokens[1]];
    let agent = agent();
    let body = event(ROOM, "n", &json!(1));
    let basic = "Basic bWlrZXk6c2VjcmV0";
    for (token, status, code) in [
        (None, 401, "unauthorized"),
        (Some("ff_wrong"), 401, "unauthorized"),
        (Some(basic), 401, "unauthorized"),
        (Some(subscriber), 403, "forbidden"),
    ] {
        let field = token.map(|token| ("Authorization", token));
        let answer = post(&agent, &server, field.as_slice(), &body);
        assert_eq!(refusal(&answer), (status, vec![(code, "")]), "{token:?}");
    }
    let foreign = r#"{"scope":{"type":"organization","organization_id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
        "payload":{"event":{"eventName":"n"}}}"#;
    let answer = post(&agent, &server, &[("Authorization", publisher)], foreign);
    assert_eq!(
        refusal(&answer),
        (403, vec![("forbidden", "/scope/organization_id")])
    );
    for (number, token) in [publisher.to_owned(), format!("Bearer {publisher}")]
        .iter()
        .enumerate()
    {
        let (status, answer) = post(&agent, &server, &[("Authorization", token)], &body);
        assert_eq!((status, &answer["number"]), (201, &json!(number)));
    }
}

fn a_server_without_room_says_when_to_come_back(setting: Setting) {
    let config = "[hub]\nlogs_bytes_max = \"8KB\"\n[hub.retention]\nbytes = \"8KB\"\n";
    let server = configured(setting, config);
    let agent = agent();
    let body = event(ROOM, "n", &json!("x".repeat(10_000)));
    let request = agent.post(server.url("/api/v1/publish"));
    let mut answer = request.send(&body).expect("an answer");
    let retry = field(&answer, "Retry-After");
    assert_eq!((answer.status().as_u16(), &*retry), (503, "61"));
    let text = answer.body_mut().read_to_string().expect("text");
    assert!(text.contains(r#""code":"busy""#), "{text}");
    assert_eq!(
        post(&agent, &server, &[], &event(ROOM, "n", &json!(1))).0,
        201
    );
}

fn curl_does_not_send_what_is_too_large(setting: Setting) {
    let server = Server::start(setting, &[]);
    let body = event(ROOM, "n", &json!("x".repeat(2_000_000)));
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), body).expect("written");
    let data = format!("@{}", file.path().display());
    let url = server.url("/api/v1/pub_subs");
    let asks = [
        "-H",
        "Expect: 100-continue",
        "-w",
        " %{http_code} %{size_upload}",
    ];
    let Some(child) = curl(&[&asks[..], &["--data-binary", &data, &url]].concat()) else {
        return;
    };
    let said = curl_output(child);
    assert!(said.contains(r#""code":"too_large""#), "{said}");
    assert!(said.ends_with(" 413 0"), "{said}");
}

fn a_key_counts_once_on_all_shards(setting: Setting) {
    let server = Server::start(setting, &[]);
    let scopes = [
        (
            "session",
            r#"{"type":"session","event_id":"e","session_id":"s"}"#,
        ),
        ("event", r#"{"type":"event","event_id":"e"}"#),
        ("organization", r#"{"type":"organization"}"#),
    ];
    for (name, scope) in scopes {
        let publish = |_: usize| {
            // A connection of its own, which lands on any shard.
            let event = json!({"eventName": name, "data": {"n": 1}});
            let body = format!(r#"{{"scope":{scope},"payload":{{"event":{event}}}}}"#);
            let (status, answer) = post(&agent(), &server, &[("Idempotency-Key", name)], &body);
            assert_eq!(status, 201, "{answer}");
            answer.to_string()
        };
        // Some while the first is under way, others later.
        let mut answers: BTreeSet<String> = thread::scope(|threads| {
            let all = [0; 8].map(|_| threads.spawn(|| (0..4).map(publish).collect::<Vec<_>>()));
            all.into_iter()
                .flat_map(|one| one.join().expect("answered"))
                .collect()
        });
        answers.extend((0..8).map(publish));
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        let event = json!({"eventName": name, "data": {"n": 2}});
        let body = format!(r#"{{"scope":{scope},"payload":{{"event":{event}}}}}"#);
        let (status, answer) = post(&agent(), &server, &[("Idempotency-Key", name)], &body);
        assert_eq!(status, 422, "{answer}");
        assert_eq!(answer["errors"][0]["code"], "idempotency_key_reused");
    }
    let history = server.url("/api/sessions/s/events?last_event=-1");
    // What is addressed above the session comes from other shards.
    let log = std::iter::repeat_with(|| get(&agent(), &history).1);
    let log = log
        .take(1_000)
        .find(|log| log.matches("number").count() >= 3);
    let log = log.expect("all three arrive");
    for (name, _) in scopes {
        assert_eq!(
            log.matches(&format!(r#""type":"{name}""#)).count(),
            1,
            "{log}"
        );
    }
}

fn a_page_of_another_origin_may_publish(setting: Setting) {
    let open = configured(
        setting,
        "[pubsub.cors]\nallow_origin = \"https://page.example\"\n",
    );
    let (text, _) = organization("acme", &["publish"]);
    let closed = configured(setting, &text);
    for (server, origin, fields) in [
        (open, "https://page.example", "*"),
        (closed, "*", "*, Authorization"),
    ] {
        let request = agent().options(server.url("/api/v1/pub_subs"));
        let answer = request
            .header("Origin", "https://page.example")
            .header("Access-Control-Request-Method", "POST")
            .header(
                "Access-Control-Request-Headers",
                "authorization,content-type",
            )
            .call()
            .expect("an answer");
        assert_eq!(answer.status(), 204);
        for (name, value) in [("Origin", origin), ("Headers", fields), ("Methods", "*")] {
            let name = format!("Access-Control-Allow-{name}");
            assert_eq!(field(&answer, &name), value, "{name}");
        }
    }
}

/// Status, `ETag`, `Cache-Control` and body of a file.
fn file(url: &str, known: Option<&str>) -> (u16, String, String, String) {
    let mut request = agent().get(url);
    if let Some(known) = known {
        request = request.header("If-None-Match", known);
    }
    let mut answer = request.call().expect("an answer");
    let [etag, kept] = ["ETag", "Cache-Control"].map(|name| field(&answer, name));
    let text = answer.body_mut().read_to_string().expect("text");
    (answer.status().as_u16(), etag, kept, text)
}

fn files_may_be_kept_until_they_change(setting: Setting) {
    let server = Server::start(setting, &[]);
    // `/pubsub` leads to the demo, which names the client by what is in it.
    let (status, _, _, page) = file(&server.url("/pubsub/demo"), None);
    assert_eq!(
        (status, &page),
        (200, &get(&agent(), &server.url("/pubsub")).1)
    );
    let named = page
        .find("/pubsub/client.js?v=")
        .expect("it loads the client");
    let named = page[named..].split('"').next().expect("it is quoted");
    let plain = server.url("/pubsub/client.js");
    let mut etags = BTreeSet::new();
    for _ in 0..8 {
        let (status, etag, kept, text) = file(&plain, None);
        assert_eq!((status, &*kept), (200, "no-cache"));
        assert!(text.contains("export function connect("));
        let (status, same, _, nothing) = file(&plain, Some(&etag));
        assert_eq!((status, &*nothing), (304, ""));
        assert_eq!(same, etag);
        let (status, same, kept, again) = file(&server.url(named), None);
        assert_eq!(
            (status, &kept[..]),
            (200, "public, max-age=31536000, immutable")
        );
        assert_eq!((same, again), (etag.clone(), text));
        etags.insert(etag);
    }
    assert_eq!(etags.len(), 1, "all shards have the same file");
}

fn a_closed_server_has_no_demo(setting: Setting) {
    let (text, _) = organization("acme", &["publish"]);
    let server = configured(setting, &text);
    for path in ["/pubsub/demo", "/pubsub"] {
        assert_eq!(get(&agent(), &server.url(path)).0, 404, "{path}");
    }
    assert!(
        !server.banner.concat().contains("/pubsub/demo"),
        "{:?}",
        server.banner
    );
    // The client is no secret.
    for path in ["/pubsub/client.js", "/pubsub/client.d.ts"] {
        assert_eq!(get(&agent(), &server.url(path)).0, 200, "{path}");
    }
}

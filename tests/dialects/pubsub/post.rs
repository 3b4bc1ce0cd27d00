//! Contract: "Publish" — one event by one request, heard in every dialect, and what it is refused
//! for.

use std::time::Duration;

use fanfare::config::Scopes;
use fanfare::dialect::Config;
use fanfare::limits::{HTTP_BODY_TIMEOUT, IDEMPOTENCY_TTL};
use serde_json::Value;

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::http::{Response, request};
use crate::support::organizations::{organization, organized};

const PUBLISH: &str = "POST /api/v1/pub_subs";
const ORGANIZATION: &str = r#"{"type":"organization"}"#;

/// The scope of a group.
fn group(event_id: &str) -> String {
    format!(r#"{{"type":"event","event_id":"{event_id}"}}"#)
}

/// The scope of a session in a group.
fn session(event_id: &str, session_id: &str) -> String {
    format!(r#"{{"type":"session","event_id":"{event_id}","session_id":"{session_id}"}}"#)
}

fn body(scope: &str, name: &str, data: &str) -> String {
    format!(r#"{{"scope":{scope},"payload":{{"event":{{"eventName":"{name}","data":{data}}}}}}}"#)
}

/// Publishes, whatever comes of it.
fn post(stage: &mut Stage, headers: &str, body: &str) -> Response {
    stage.ask("s", PUBLISH, headers, body)
}

/// The number that a publish is answered with, if any, and its id.
#[track_caller]
fn placed(answer: &Response) -> (String, Option<u64>) {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    let id = body["id"].as_str().expect("an id").to_owned();
    let version = id.parse::<uuid::Uuid>().expect("a UUID").get_version_num();
    assert_eq!(version, 7);
    let number = body["number"].as_u64();
    let exact = match number {
        Some(number) => format!(r#"{{"id":"{id}","number":{number}}}"#),
        None => format!(r#"{{"id":"{id}"}}"#),
    };
    assert_eq!(answer.body, exact);
    (id, number)
}

/// The status of a refusal, and the codes and pointers of its errors.
#[track_caller]
fn refused(answer: &Response) -> (u16, Vec<(String, String)>) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    let errors = body["errors"].as_array().expect("errors").iter();
    let texts = errors.map(|error| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        assert!(error["title"].is_string() && error["detail"].is_string());
        (text(&error["code"]), text(&error["source"]["pointer"]))
    });
    (answer.status, texts.collect())
}

#[track_caller]
fn assert_refused(answer: &Response, status: u16, code: &str, pointer: &str) {
    let expected = vec![(code.to_owned(), pointer.to_owned())];
    assert_eq!(refused(answer), (status, expected), "{answer:?}");
}

/// The types of a session's events, in the order of its log.
fn log(stage: &mut Stage, token: &str) -> Vec<String> {
    let answer = stage.get(token, "?last_event=-1");
    let events: Vec<Value> = serde_json::from_str(&answer.body).expect("JSON");
    let named = events.iter().enumerate().map(|(place, event)| {
        assert_eq!(event["number"].as_u64(), Some(place as u64));
        event["type"].as_str().expect("a type").to_owned()
    });
    named.collect()
}

#[test]
fn an_event_of_a_session_is_heard_in_every_dialect() {
    everywhere(|stage| {
        let poll = stage.park("s", "");
        let mut live = stage.open("/live/ws", "");
        let mut stream = stage.open("/event/v2/stream?subscribe.name=*", "");
        stage.texts(&mut stream);
        let sent = body(&session("e", "s"), "hello", r#"{ "foo" : 1.50 }"#);
        let answer = post(stage, "", &sent);
        let (id, number) = placed(&answer);
        assert_eq!(number, Some(0));
        let polled = stage.answer(poll);
        assert_eq!(
            polled.body,
            r#"[{"type":"hello","data":{ "foo" : 1.50 },"number":0}]"#
        );
        let texts = stage.texts(&mut live);
        let [text] = &texts[..] else {
            panic!("{texts:?}");
        };
        let event: Value = serde_json::from_str(text).expect("JSON");
        for (property, value) in [("type", "hello"), ("groupId", "e"), ("sessionId", "s")] {
            assert_eq!(event[property], value, "{text}");
        }
        assert!(text.contains(r#" "foo" : 1.50 "#), "{text}");
        let texts = stage.texts(&mut stream);
        let target = r#"{"layoutId":"s","collectionId":"e"}"#;
        let event = format!(
            r#"{{"id":"{id}","name":"hello","payload":{{ "foo" : 1.50 }},"target":{target}}}"#
        );
        assert_eq!(texts, [format!(r#"{{"result":{{"event":{event}}}}}"#)]);
    });
}

#[test]
fn an_event_reaches_all_beneath_its_scope_and_no_others() {
    everywhere(|stage| {
        for (event_id, session_id) in [("e", "s"), ("e", "t"), ("f", "u")] {
            let sent = body(&session(event_id, session_id), "first", "1");
            assert_eq!(placed(&post(stage, "", &sent)).1, Some(0));
        }
        stage.publish("v", "\"first\"", "1");
        for (scope, name) in [(&*group("e"), "group"), (ORGANIZATION, "all")] {
            // Only in a session it has one number.
            assert_eq!(placed(&post(stage, "", &body(scope, name, "1"))).1, None);
        }
        assert_eq!(log(stage, "s"), ["first", "group", "all"]);
        assert_eq!(log(stage, "t"), ["first", "group", "all"]);
        assert_eq!(log(stage, "u"), ["first", "all"]);
        assert_eq!(log(stage, "v"), ["first", "all"]);
        let sent = body(&session("e", "s"), "last", "1");
        assert_eq!(placed(&post(stage, "", &sent)).1, Some(3));
    });
}

#[test]
fn both_paths_are_the_same_and_answers_come_in_order() {
    everywhere(|stage| {
        let peer = stage.connect("s");
        for (number, line) in [PUBLISH, "POST /api/v1/publish", PUBLISH]
            .iter()
            .enumerate()
        {
            let sent = body(&session("e", "s"), "n", &number.to_string());
            stage.node.send(peer, request(line, "", &sent));
        }
        stage.node.settle();
        for number in 0..3 {
            let answer = stage.node.response(peer).expect("an answer");
            assert_eq!(placed(&answer).1, Some(number));
        }
        for path in ["/api/v1/pub_subs/", "/api/v1", "/api/v1/Publish"] {
            let answer = stage.ask("s", &format!("POST {path}"), "", "{}");
            assert_eq!(answer.status, 404, "{path}");
        }
    });
}

#[test]
fn data_may_be_absent_or_anything() {
    everywhere(|stage| {
        let scope = session("e", "s");
        let without = format!(r#"{{"scope":{scope},"payload":{{"event":{{"eventName":"n"}}}}}}"#);
        placed(&post(stage, "", &without));
        for data in ["null", "[ ]", "\"\\u00e9\""] {
            placed(&post(stage, "", &body(&scope, "n", data)));
        }
        let events = stage.get("s", "?last_event=-1").body;
        let expected: Vec<String> = ["{}", "null", "[ ]", "\"\\u00e9\""]
            .iter()
            .enumerate()
            .map(|(number, data)| format!(r#"{{"type":"n","data":{data},"number":{number}}}"#))
            .collect();
        assert_eq!(events, format!("[{}]", expected.join(",")));
    });
}

#[test]
fn a_session_stays_in_its_event() {
    everywhere(|stage| {
        placed(&post(stage, "", &body(&session("e", "s"), "a", "1")));
        let answer = post(stage, "", &body(&session("f", "s"), "b", "1"));
        assert_refused(&answer, 422, "contradiction", "/scope/event_id");
        // Nor was anything learned from it: no event of the other group comes here.
        placed(&post(stage, "", &body(&group("f"), "c", "1")));
        placed(&post(stage, "", &body(&group("e"), "d", "1")));
        assert_eq!(log(stage, "s"), ["a", "d"]);
        // A session that stands nowhere yet learns its event from the first that names it.
        stage.publish("t", "\"a\"", "1");
        placed(&post(stage, "", &body(&session("e", "t"), "b", "1")));
        let answer = post(stage, "", &body(&session("f", "t"), "c", "1"));
        assert_refused(&answer, 422, "contradiction", "/scope/event_id");
        placed(&post(stage, "", &body(&group("e"), "d", "1")));
        assert_eq!(log(stage, "t"), ["a", "b", "d"]);
    });
}

#[test]
fn unknown_scopes_are_404_where_scopes_are_declared() {
    let mut config = Config::default();
    config.hub.scopes = Scopes::Declared;
    everywhere_with(&config, |stage| {
        let answer = post(stage, "", &body(&session("e", "s"), "n", "1"));
        assert_refused(&answer, 404, "not_found", "/scope/session_id");
        let answer = post(stage, "", &body(&group("e"), "n", "1"));
        assert_refused(&answer, 404, "not_found", "/scope/event_id");
        placed(&post(stage, "", &body(ORGANIZATION, "n", "1")));
        let token = stage.create(r#"{"event_id":"e"}"#);
        placed(&post(stage, "", &body(&session("e", &token), "a", "1")));
        placed(&post(stage, "", &body(&group("e"), "b", "1")));
        assert_eq!(log(stage, &token), ["a", "b"]);
    });
}

#[test]
fn a_repeated_idempotency_key_gets_the_first_answer_and_publishes_nothing() {
    everywhere(|stage| {
        for (at, scope) in [ORGANIZATION, &*group("e"), &*session("e", "s")]
            .iter()
            .enumerate()
        {
            let key = format!("Idempotency-Key: {at}\r\n");
            let first = post(stage, &key, &body(scope, "n", "1"));
            placed(&first);
            for _ in 0..2 {
                let answer = post(stage, &key, &body(scope, "n", "1"));
                assert_eq!((answer.status, &answer.body), (201, &first.body));
            }
        }
        assert_eq!(log(stage, "s"), ["n"]);
        // What was refused may be tried again, and what is refused now says so.
        let key = "Idempotency-Key: x\r\n";
        let answer = post(stage, key, &body(&session("f", "s"), "n", "1"));
        assert_refused(&answer, 422, "contradiction", "/scope/event_id");
        assert_refused(
            &post(stage, "Idempotency-Key: \r\n", ""),
            400,
            "invalid_idempotency_key",
            "-",
        );
        let (id, number) = placed(&post(stage, key, &body(&session("e", "s"), "n", "1")));
        assert_eq!(number, Some(1));
        stage.node.pass(IDEMPOTENCY_TTL + Duration::from_secs(1));
        let again = placed(&post(stage, key, &body(&session("e", "s"), "n", "1")));
        assert!(again.0 != id, "five minutes later it is a new key");
    });
}

#[test]
fn a_server_that_has_no_room_says_503_and_when_to_try_again() {
    let mut config = Config::default();
    config.hub.logs_bytes_max = 4_000;
    config.hub.retention.bytes = 4_000;
    everywhere_with(&config, |stage| {
        let large = format!("\"{}\"", "x".repeat(5_000));
        let answer = post(stage, "", &body(&session("e", "s"), "n", &large));
        assert_refused(&answer, 503, "busy", "-");
        assert_eq!(answer.header("retry-after"), Some("61"));
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(exposed, Some("Retry-After"));
        let unknown = stage.ask("s", "GET /api/sessions/s", "", "");
        assert_eq!(unknown.status, 404, "nothing was created");
        placed(&post(stage, "", &body(&session("e", "s"), "n", "1")));
    });
}

#[test]
fn a_body_that_cannot_be_published_says_all_that_is_wrong() {
    everywhere(|stage| {
        let pair = |code: &str, pointer: &str| (code.to_owned(), pointer.to_owned());
        let answer = post(stage, "", r#"{"scope":{"type":"session","event_id":7}}"#);
        let expected = vec![
            pair("wrong_type", "/scope/event_id"),
            pair("missing_field", "/scope/session_id"),
            pair("missing_field", "/payload"),
        ];
        assert_eq!(refused(&answer), (422, expected));
        let answer = post(stage, "", "{\"scope\":");
        assert_refused(&answer, 400, "invalid_json", "-");
        assert!(answer.body.contains("at byte 9"), "{answer:?}");
        assert_refused(&post(stage, "", ""), 400, "invalid_json", "-");
    });
}

#[test]
fn what_is_wrong_with_the_framing_is_told_in_the_same_form() {
    let mut config = Config::default();
    config.pubsub.publish_bytes_max = 200;
    everywhere_with(&config, |stage| {
        let fits = format!("{:<200}", body(&session("e", "s"), "n", "1"));
        placed(&post(stage, "", &fits));
        let answer = post(stage, "", &format!("{fits} "));
        assert_refused(&answer, 413, "too_large", "-");
        let chunked = request(PUBLISH, "Transfer-Encoding: chunked\r\n", "");
        for (rest, status, code) in [("c9\r\n", 413, "too_large"), ("x\r\n", 400, "bad_body")] {
            let peer = stage.connect("s");
            let answer = stage.node.ask(peer, format!("{chunked}{rest}"));
            assert_refused(&answer, status, code, "-");
        }
        let peer = stage.connect("s");
        let answer = stage
            .node
            .ask(peer, "POST /api/v1/publish HTTP/1.0\r\n\r\n");
        assert_refused(&answer, 411, "length_required", "-");
        // A body that does not come.
        let peer = stage.connect("s");
        let whole = request(PUBLISH, "", &fits);
        stage.node.send(peer, &whole[..whole.len() - 1]);
        stage.node.settle();
        stage.node.pass(HTTP_BODY_TIMEOUT + Duration::from_secs(1));
        let answer = stage.node.response(peer).expect("an answer");
        assert_refused(&answer, 408, "request_timeout", "-");
        let answer = stage.ask("s", "GET /api/v1/pub_subs", "", "");
        assert_refused(&answer, 405, "method_not_allowed", "-");
        assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
    });
}

#[test]
fn who_may_not_publish_is_told_before_the_body() {
    let id = "00000000-0000-0000-0000-00000000000a";
    let mut one = organization(
        "one",
        &[("all", "publish,subscribe"), ("hears", "subscribe")],
    );
    one.id = Some(id.to_owned());
    let two = organization("two", &[("other", "publish")]);
    everywhere_with(&organized([one, two]), |stage| {
        let mut live = stage.open("/live/ws", "Authorization: Bearer all\r\n");
        for (line, status, code) in [
            ("", 401, "unauthorized"),
            ("Authorization: nobody\r\n", 401, "unauthorized"),
            ("Authorization: Basic YTpi\r\n", 401, "unauthorized"),
            (
                "Authorization: all\r\nAuthorization: hears\r\n",
                400,
                "contradictory_credentials",
            ),
            ("Authorization: hears\r\n", 403, "forbidden"),
        ] {
            let head = format!("{line}Content-Length: 9\r\nExpect: 100-continue\r\n");
            let peer = stage.connect("s");
            let answer = stage.node.ask(peer, request(PUBLISH, &head, ""));
            assert_refused(&answer, status, code, "-");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, (status == 401).then_some("Bearer"));
        }
        let named = |id: &str| format!(r#"{{"type":"organization","organization_id":"{id}"}}"#);
        let foreign = body(&named(&id.replace("0a", "0b")), "n", "1");
        let answer = post(stage, "Authorization: all\r\n", &foreign);
        assert_refused(&answer, 403, "forbidden", "/scope/organization_id");
        assert_eq!(stage.texts(&mut live), [""; 0]);
        placed(&post(
            stage,
            "Authorization: all\r\n",
            &body(&named(id), "n", "1"),
        ));
        placed(&post(
            stage,
            "Authorization: Bearer all\r\n",
            &body(ORGANIZATION, "n", "1"),
        ));
        // Organizations never hear each other.
        placed(&post(
            stage,
            "Authorization: other\r\n",
            &body(ORGANIZATION, "n", "1"),
        ));
        assert_eq!(stage.texts(&mut live).len(), 2);
    });
}

#[test]
fn a_preflight_needs_no_token() {
    let closed = organized([organization("one", &[("token", "publish")])]);
    for (config, allowed) in [(Config::default(), "*"), (closed, "*, Authorization")] {
        everywhere_with(&config, |stage| {
            let asked = "Origin: http://x\r\nAccess-Control-Request-Method: POST\r\n\
                Access-Control-Request-Headers: authorization,idempotency-key\r\n";
            for path in ["/api/v1/pub_subs", "/api/v1/publish"] {
                let answer = stage.ask("s", &format!("OPTIONS {path}"), asked, "");
                assert_eq!((answer.status, &*answer.body), (204, ""));
                for (name, value) in [("origin", "*"), ("methods", "*"), ("headers", allowed)] {
                    let name = format!("access-control-allow-{name}");
                    assert_eq!(answer.header(&name), Some(value));
                }
            }
        });
    }
}

#[test]
fn the_files_are_served_by_any_shard() {
    everywhere(|stage| {
        for path in ["/pubsub/client.js", "/pubsub/client.d.ts", "/pubsub/demo"] {
            let answer = stage.ask("s", &format!("GET {path}"), "", "");
            assert_eq!(answer.status, 200);
            let etag = answer.header("etag").expect("one").to_owned();
            let known = format!("If-None-Match: {etag}\r\n");
            assert_eq!(
                stage.ask("s", &format!("GET {path}"), &known, "").status,
                304
            );
        }
        let answer = stage.ask("s", "GET /pubsub", "", "");
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, Some("/pubsub/demo"))
        );
    });
}

//! Organizations never hear each other: the same names in two of them are two of everything.

use fanfare::config::Scopes;
use fanfare::dialect::Config;

use crate::stage::{Stage, everywhere_with};
use crate::support::http::{Response, request};
use crate::support::organizations::{bearer, organization, organized};
use crate::support::web_socket::upgrade;

const UUID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

fn config() -> Config {
    let all = "publish,subscribe,admin";
    organized([
        organization("one", &[("one", all)]),
        organization("two", &[("two", all)]),
    ])
}

fn ask(stage: &mut Stage, who: &str, line: &str, body: &str) -> Response {
    let token = line.split('/').nth(3).unwrap_or("x");
    let token = token.split(['?', ' ']).next().unwrap_or("x").to_owned();
    stage.ask(&token, line, &bearer(who), body)
}

fn publish(stage: &mut Stage, who: &str, token: &str, data: &str) -> Response {
    let line = format!("POST /api/sessions/{token}/events");
    let body = format!("{{\"type\":1,\"data\":{data}}}");
    let sent = ask(stage, who, &line, &body);
    assert_eq!(sent.status, 200, "{sent:?}");
    sent
}

fn events(stage: &mut Stage, who: &str, token: &str) -> Response {
    let line = format!("GET /api/sessions/{token}/events?last_event=-1&timeout=0");
    ask(stage, who, &line, "")
}

/// A poll that waits, of a member.
fn park(stage: &mut Stage, who: &str, token: &str) -> usize {
    let peer = stage.connect(token);
    let line = format!("GET /api/sessions/{token}/events");
    stage.node.send(peer, request(&line, &bearer(who), ""));
    stage.node.settle();
    assert!(stage.node.response_is_absent(peer));
    peer
}

#[test]
fn the_same_token_is_two_sessions() {
    everywhere_with(&config(), |stage| {
        for token in ["t", UUID] {
            let one = park(stage, "one", token);
            let two = park(stage, "two", token);
            publish(stage, "one", token, "\"for one\"");
            let heard = stage.answer(one);
            assert!(heard.body.contains("for one"), "{heard:?}");
            assert!(
                stage.node.response_is_absent(two),
                "the other hears nothing"
            );
            // Two logs: each counts by itself, in a life of its own.
            let sent = publish(stage, "two", token, "\"for two\"");
            assert_eq!(sent.header("fanfare-number"), Some("0"));
            assert!(stage.answer(two).body.contains("for two"));
            let of_one = events(stage, "one", token);
            let of_two = events(stage, "two", token);
            assert_eq!(of_one.body, r#"[{"type":1,"data":"for one","number":0}]"#);
            assert_eq!(of_two.body, r#"[{"type":1,"data":"for two","number":0}]"#);
            let epoch = |response: &Response| response.header("fanfare-epoch").map(str::to_owned);
            assert_ne!(epoch(&of_one), epoch(&of_two));
        }
    });
}

#[test]
fn what_one_changes_is_the_others_as_it_was() {
    everywhere_with(&config(), |stage| {
        publish(stage, "one", "t", "1");
        publish(stage, "two", "t", "2");
        let labels = ask(stage, "one", "PUT /api/sessions/t/labels", "[\"mine\"]");
        assert_eq!(labels.status, 200);
        assert_eq!(
            ask(stage, "one", "POST /api/sessions/t/start", "").status,
            200
        );
        let other = ask(stage, "two", "GET /api/sessions/t", "");
        assert!(
            !other.body.contains("mine") && other.body.contains("pending"),
            "{other:?}"
        );
        let waiting = park(stage, "two", "t");
        assert_eq!(ask(stage, "one", "DELETE /api/sessions/t", "").status, 200);
        assert!(
            stage.node.response_is_absent(waiting),
            "nobody is told of it"
        );
        assert_eq!(ask(stage, "one", "GET /api/sessions/t", "").status, 404);
        assert_eq!(ask(stage, "two", "GET /api/sessions/t", "").status, 200);
        for line in ["DELETE /api/sessions/t", "POST /api/sessions/t/start"] {
            assert_eq!(ask(stage, "one", line, "").status, 404);
        }
        publish(stage, "two", "t", "3");
        assert!(stage.answer(waiting).body.contains("\"data\":3"));
    });
}

#[test]
fn idempotency_keys_are_an_organizations_own() {
    everywhere_with(&config(), |stage| {
        for key in ["a", "b", "c", "d"] {
            let keyed = |stage: &mut Stage, who: &str| {
                let headers = format!("Idempotency-Key: {key}\r\n{}", bearer(who));
                let line = "POST /api/sessions/t/events";
                let answer = stage.ask("t", line, &headers, r#"{"type":1,"data":1}"#);
                assert_eq!(answer.status, 200);
                answer.header("fanfare-id").expect("an id").to_owned()
            };
            let one = keyed(stage, "one");
            let two = keyed(stage, "two");
            assert_ne!(one, two, "each publishes its own");
            assert_eq!(keyed(stage, "one"), one);
            assert_eq!(keyed(stage, "two"), two);
        }
        for who in ["one", "two"] {
            let next = events(stage, who, "t");
            assert_eq!(next.header("fanfare-next"), Some("4"), "{who}");
        }
    });
}

#[test]
fn fragments_find_an_organizations_own() {
    everywhere_with(&config(), |stage| {
        publish(stage, "one", "a-long-name-1", "1");
        publish(stage, "two", "a-long-name-2", "1");
        for (who, own, others) in [("one", 1, 2), ("two", 2, 1)] {
            let found = ask(stage, who, "GET /api/sessions/a-long-name", "");
            assert_eq!(found.body, format!("{{\"token\":\"a-long-name-{own}\"}}"));
            let line = format!("GET /api/sessions/a-long-name-{others}");
            assert_eq!(
                ask(stage, who, &line, "").status,
                404,
                "not even by its name"
            );
        }
    });
}

#[test]
fn parents_are_learned_by_each() {
    everywhere_with(&config(), |stage| {
        let body = |group: &str| format!("{{\"project_id\":\"p\",\"event_id\":\"{group}\"}}");
        let create = "POST /api/sessions";
        assert_eq!(ask(stage, "one", create, &body("g")).status, 200);
        assert_eq!(ask(stage, "one", create, &body("h")).status, 409);
        assert_eq!(ask(stage, "two", create, &body("h")).status, 200);
        assert_eq!(ask(stage, "two", create, &body("g")).status, 409);
    });
}

#[test]
fn what_two_merely_named_is_nobodys_to_read_by_its_token() {
    everywhere_with(&config(), |stage| {
        publish(stage, "one", UUID, "1");
        assert_eq!(stage.get(UUID, "?last_event=-1").status, 404);
        publish(stage, "two", UUID, "2");
        for function in ["", "/status", "/events", "/events?last_event=-1"] {
            let line = format!("GET /api/sessions/{UUID}{function}");
            assert_eq!(stage.ask(UUID, &line, "", "").status, 404, "{function}");
        }
        // Whoever belongs to one of them reads that one's.
        assert!(events(stage, "one", UUID).body.contains("\"data\":1"));
        assert!(events(stage, "two", UUID).body.contains("\"data\":2"));
        let line = format!("DELETE /api/sessions/{UUID}");
        assert_eq!(ask(stage, "one", &line, "").status, 200);
        assert_eq!(stage.get(UUID, "?last_event=-1").status, 404);
    });
}

/// Every way to name a session, so that it comes to be if it may.
fn name_it(stage: &mut Stage, who: &str, token: &str) {
    events(stage, who, token);
    publish(stage, who, token, "\"foreign\"");
    let scope = format!(r#"{{"type":"session","event_id":"e","session_id":"{token}"}}"#);
    let body = format!(r#"{{"scope":{scope},"payload":{{"event":{{"eventName":"foreign"}}}}}}"#);
    let posted = stage.ask(token, "POST /api/v1/pub_subs", &bearer(who), &body);
    assert_eq!(posted.status, 201, "{posted:?}");
    for path in [
        format!("/pubsub/ws?event_id=e&session_id={token}"),
        format!("/api/sessions/{token}/events"),
    ] {
        let peer = stage.connect(token);
        let handshake = upgrade(&path).replacen("\r\n", &format!("\r\n{}", bearer(who)), 1);
        stage.node.send(peer, handshake);
        stage.node.settle();
        assert_eq!(stage.node.response(peer).expect("a head").status, 101);
    }
}

/// What an anonymous reader of a token gets: a poll of what is retained, a description, the head of
/// a stream.
fn read_anonymously(stage: &mut Stage, token: &str) -> Vec<(u16, String)> {
    let functions = ["/events?last_event=-1&timeout=0", "", "/status"];
    let answers = functions.map(|function| {
        let line = format!("GET /api/sessions/{token}{function}");
        stage.ask(token, &line, "", "")
    });
    let answers = answers.map(|answer| (answer.status, answer.body));
    answers.to_vec()
}

#[test]
fn who_merely_names_a_token_neither_cuts_off_nor_captures_its_readers() {
    everywhere_with(&config(), |stage| {
        let created = ask(stage, "one", "POST /api/sessions", "");
        let created: serde_json::Value = serde_json::from_str(&created.body).expect("JSON");
        let token = created["token"].as_str().expect("a token").to_owned();
        publish(stage, "one", &token, "\"own\"");
        let before = read_anonymously(stage, &token);
        assert!(before.iter().all(|(status, _)| *status == 200));
        assert_eq!(before[0].1, r#"[{"type":1,"data":"own","number":0}]"#);
        let waiting = stage.park(&token, "");
        name_it(stage, "two", &token);
        assert!(stage.node.response_is_absent(waiting));
        assert_eq!(read_anonymously(stage, &token), before);
        // What the other does to its own session of that name is nothing to these readers.
        for line in [
            format!("POST /api/sessions/{token}/start"),
            format!("DELETE /api/sessions/{token}"),
        ] {
            assert_eq!(ask(stage, "two", &line, "").status, 200);
            assert_eq!(read_anonymously(stage, &token), before);
        }
        name_it(stage, "two", &token);
        publish(stage, "one", &token, "2");
        assert!(stage.answer(waiting).body.contains("\"data\":2"));
        // Nor are they handed to the other when their session is gone, whoever names it.
        let line = format!("DELETE /api/sessions/{token}");
        assert_eq!(ask(stage, "one", &line, "").status, 200);
        publish(stage, "one", &token, "3");
        for (status, body) in read_anonymously(stage, &token) {
            assert_eq!(status, 404, "{body}");
        }
        assert!(events(stage, "two", &token).body.contains("foreign"));
    });
}

#[test]
fn what_one_declared_the_other_did_not() {
    let mut config = config();
    config.hub.scopes = Scopes::Declared;
    everywhere_with(&config, |stage| {
        let created = ask(stage, "one", "POST /api/sessions", "");
        let created: serde_json::Value = serde_json::from_str(&created.body).expect("JSON");
        let token = created["token"].as_str().expect("a token").to_owned();
        publish(stage, "one", &token, "1");
        let line = format!("POST /api/sessions/{token}/events");
        let refused = ask(stage, "two", &line, r#"{"type":1,"data":1}"#);
        assert_eq!((refused.status, &*refused.error_code()), (404, "not_found"));
        assert_eq!(events(stage, "two", &token).status, 404);
        assert!(
            stage
                .get(&token, "?last_event=-1")
                .body
                .contains("\"data\":1")
        );
    });
}

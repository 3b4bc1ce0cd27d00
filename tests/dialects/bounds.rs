//! Design: "Fairness" — every table has a bound per organization; each dialect says in its own form
//! whose it is, and when to try again, and nobody else is refused.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare_tonic::event::EventTarget;
use serde_json::{Value, json};

use crate::stage::{Stage, everywhere_with};
use crate::support::grpc::{PUBLISH, event, head};
use crate::support::http::Response;
use crate::support::http2::Client;
use crate::support::organizations::{bearer, organization, organized};

const SCOPES: &str = "this organization has as many groups and projects as it may";
const SUBSCRIPTIONS: &str = "this organization has as many subscriptions as it may";

/// `one` may have one group, and one subscription and one reader on each shard; `two` its share.
fn config() -> Config {
    let all = "publish,subscribe,admin";
    let mut one = organization("one", &[("one", all)]);
    one.bounds.scopes_max = Some(1);
    one.bounds.subscriptions_max = Some(1);
    one.bounds.readers_max = Some(1);
    let mut config = organized([one, organization("two", &[("two", all)])]);
    config.hub.scope_ttl = Duration::from_secs(60);
    config
}

fn create(stage: &mut Stage, who: &str, group: &str) -> Response {
    let body = format!(r#"{{"event_id":"{group}"}}"#);
    stage.ask("x", "POST /api/sessions", &bearer(who), &body)
}

fn post(stage: &mut Stage, who: &str, group: &str) -> Response {
    let scope = json!({"type": "event", "event_id": group});
    let body = json!({"scope": scope, "payload": {"event": {"eventName": "n"}}}).to_string();
    stage.ask("t", "POST /api/v1/pub_subs", &bearer(who), &body)
}

fn in_collection(group: &str) -> String {
    json!({"name": "n", "payload": {}, "target": {"collectionId": group, "layoutId": "t"}})
        .to_string()
}

/// The one group that `one` may have is known.
fn fill(stage: &mut Stage) {
    let created = create(stage, "one", "g");
    assert_eq!(created.status, 200, "{created:?}");
    stage.node.settle();
}

#[test]
fn sessions_are_told_503_and_when_to_come_back() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let refused = create(stage, "one", "h");
        assert_eq!(refused.status, 503);
        let expected = json!({"error": {"code": "busy", "message": SCOPES}});
        assert_eq!(refused.body, expected.to_string());
        assert_eq!(refused.header("retry-after"), Some("71"));
        assert_eq!(create(stage, "one", "g").status, 200, "it is known");
        assert_eq!(create(stage, "two", "h").status, 200, "two has its own");
    });
}

#[test]
fn pubsub_is_told_in_the_form_of_json_api() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let body = |group: &str| {
            let scope = json!({"type": "session", "event_id": group, "session_id": "t"});
            json!({"scope": scope, "payload": {"event": {"eventName": "n"}}}).to_string()
        };
        let line = "POST /api/v1/pub_subs";
        let refused = stage.ask("t", line, &bearer("one"), &body("h"));
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.header("retry-after"), Some("71"));
        let error = format!(r#"{{"title":"Busy","detail":"{SCOPES}","code":"busy"}}"#);
        assert_eq!(refused.body, format!(r#"{{"errors":[{error}]}}"#));
        assert_eq!(stage.ask("t", line, &bearer("two"), &body("h")).status, 201);
        assert_eq!(post(stage, "one", "g").status, 201);
    });
}

#[test]
fn the_stream_dialect_is_told_8_and_a_post_503() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let mut stream = stage.open("/event/v2/stream", &bearer("one"));
        let ask = format!(
            r#"{{"publish":{},"correlationId":"c"}}"#,
            in_collection("h")
        );
        let refused = stream.ask(&mut stage.node, &ask);
        let error = format!(r#""error":{{"code":8,"message":"{SCOPES}"}}"#);
        assert_eq!(
            refused,
            format!(r#"{{"result":{{"correlationId":"c",{error}}}}}"#)
        );
        let line = "POST /event/v2/publish";
        let refused = stage.ask("t", line, &bearer("one"), &in_collection("h"));
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.header("retry-after"), Some("71"));
        let expected: Value = serde_json::from_str(&refused.body).expect("JSON");
        assert_eq!(
            expected,
            json!({"code": 14, "message": SCOPES, "details": []})
        );
        assert_eq!(
            stage
                .ask("t", line, &bearer("two"), &in_collection("h"))
                .status,
            200
        );
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.open(head(PUBLISH, &[("authorization", "Bearer one")]), false);
        let mut message = event("n", 1, "");
        message.target = Some(EventTarget {
            layout_id: Some("t".to_owned()),
            collection_id: Some("h".to_owned()),
            ..EventTarget::default()
        });
        client.send_message(call, &message);
        client.half_close(call);
        client.settle(&mut stage.node);
        assert_eq!(
            client.calls[call].grpc_status(),
            Some((8, SCOPES.to_owned()))
        );
    });
}

#[test]
fn a_subscription_too_many_is_refused_in_each_dialect_and_leaves_what_there_was() {
    everywhere_with(&config(), |stage| {
        let stream = "/event/v2/stream";
        let mut first = stage.open(stream, &bearer("one"));
        let ask = |name: &str| format!(r#"{{"subscribe":{{"name":"{name}"}}}}"#);
        let subscribed = first.ask(&mut stage.node, &ask("n"));
        assert!(subscribed.contains("subscribed"), "{subscribed}");
        let error = format!(r#"{{"result":{{"error":{{"code":8,"message":"{SUBSCRIPTIONS}"}}}}}}"#);
        for _ in 0..2 {
            assert_eq!(first.ask(&mut stage.node, &ask("m")), error);
        }
        let mut other = stage.open("/sysadm", &bearer("one"));
        let request = r#"{"namespace":"events","name":"subscribe","id":"a","args":["dispatcher"]}"#;
        let refused = other.ask(&mut stage.node, request);
        let expected = format!(
            r#"{{"args":{{"code":"503","message":"Service Unavailable: {SUBSCRIPTIONS}"}},"id":"a","name":"error","namespace":"error"}}"#
        );
        assert_eq!(refused, expected);
        // Two is not concerned.
        let mut two = stage.open(stream, &bearer("two"));
        for name in ["n", "m"] {
            assert!(two.ask(&mut stage.node, &ask(name)).contains("subscribed"));
        }
        // Who gives up its own may have another.
        let unsubscribe = r#"{"unsubscribe":{"name":"n"}}"#;
        assert!(
            first
                .ask(&mut stage.node, unsubscribe)
                .contains("unsubscribed")
        );
        let subscribed = other.ask(&mut stage.node, request);
        assert!(
            subscribed.contains(r#"{"subscribe":"dispatcher"}"#),
            "{subscribed}"
        );
        assert_eq!(first.ask(&mut stage.node, &ask("n")), error);
    });
}

#[test]
fn a_reader_too_many_is_refused_and_two_finds_room() {
    everywhere_with(&config(), |stage| {
        let line = "GET /api/sessions/t/events?last_event=-1";
        let parked = stage.connect("t");
        let request = crate::support::http::request(line, &bearer("one"), "");
        stage.node.send(parked, request);
        stage.node.settle();
        let refused = stage.ask("t", line, &bearer("one"), "");
        assert_eq!(refused.status, 503, "{refused:?}");
        let message = "this organization has as many readers of sessions as it may";
        let expected = json!({"error": {"code": "busy", "message": message}});
        assert_eq!(refused.body, expected.to_string());
        assert_eq!(refused.header("retry-after"), Some("1"));
        stage.node.break_off(parked);
    });
}

#[test]
fn a_group_that_nobody_uses_makes_room() {
    everywhere_with(&config(), |stage| {
        assert_eq!(post(stage, "one", "g").status, 201);
        let mut stream = stage.open("/event/v2/stream", &bearer("one"));
        let ask = |group: &str| {
            format!(r#"{{"subscribe":{{"name":"n","target":{{"collectionId":"{group}"}}}}}}"#)
        };
        assert!(
            stream
                .ask(&mut stage.node, &ask("g"))
                .contains("subscribed")
        );
        // While somebody hears it, it stays.
        stage.pass(Duration::from_secs(200), &mut [&mut stream]);
        assert_eq!(create(stage, "one", "h").status, 503);
        stage.node.break_off(stream.peer);
        stage.node.pass(Duration::from_secs(120));
        assert_eq!(create(stage, "one", "h").status, 200);
    });
}

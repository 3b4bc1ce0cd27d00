//! Design: "Fairness" — what an organization may retain in logs and have on its way to sessions:
//! each dialect says in its own form whose bound it is and when to try again, and another
//! organization publishes meanwhile.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::BROADCASTS_PENDING_MAX;
use fanfare::shard::Slices;
use serde_json::{Value, json};

use crate::stage::{Stage, everywhere_with};
use crate::support::http::{Response, request};
use crate::support::node::TestNode;
use crate::support::organizations::{bearer, organization, organized};
use crate::support::socket::Socket;

const LOGS: &str = "this organization has as many bytes in logs as it may";
const BROADCASTS: &str = "this organization has as many broadcasts under way as it may";
const STREAM: &str = "/event/v2/stream";

/// Two organizations; the logs of `one` may retain three events of [`large`].
fn config() -> Config {
    let all = "publish,subscribe,admin";
    let mut one = organization("one", &[("one", all)]);
    one.logs_bytes_max = Some(4_000);
    organized([one, organization("two", &[("two", all)])])
}

fn large() -> String {
    "x".repeat(1_000)
}

fn to_session(stage: &mut Stage, who: &str) -> Response {
    let body = json!({"type": "a", "data": large()}).to_string();
    stage.ask("t", "POST /api/sessions/t/events", &bearer(who), &body)
}

/// `one` has as much in the log of `t` as it may.
fn fill(stage: &mut Stage) {
    for _ in 0..3 {
        let answer = to_session(stage, "one");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn assert_busy(refused: &Response, retry_after: &str, body: &Value) {
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.header("retry-after"), Some(retry_after));
    let found: Value = serde_json::from_str(&refused.body).expect("JSON");
    assert_eq!(found, *body);
}

fn json_api(message: &str) -> Value {
    json!({"errors": [{"title": "Busy", "detail": message, "code": "busy"}]})
}

fn rpc(message: &str) -> Value {
    json!({"code": 14, "message": message, "details": []})
}

fn on_stream(message: &str) -> String {
    let error = format!(r#""error":{{"code":8,"message":"{message}"}}"#);
    format!(r#"{{"result":{{"correlationId":"c",{error}}}}}"#)
}

#[test]
fn sessions_are_told_whose_logs_are_full_until_their_events_are_too_old() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let body = json!({"error": {"code": "busy", "message": LOGS}});
        assert_busy(&to_session(stage, "one"), "61", &body);
        assert_eq!(to_session(stage, "two").status, 200);
        stage.node.pass(Duration::from_secs(61));
        assert_eq!(to_session(stage, "one").status, 200);
    });
}

#[test]
fn one_of_two_has_half_and_an_only_one_all() {
    let mut config = config();
    config.organizations[0].logs_bytes_max = None;
    config.hub.logs_bytes_max = 8_000;
    config.hub.retention.bytes = 8_000;
    everywhere_with(&config, |stage| {
        for who in ["one", "two"] {
            let all = [0; 4].map(|_| to_session(stage, who).status);
            assert_eq!(all, [200, 200, 200, 503], "{who}");
        }
    });
    config.organizations.pop();
    everywhere_with(&config, |stage| {
        let all = [0; 6].map(|_| to_session(stage, "one").status);
        assert_eq!(all, [200; 6]);
    });
}

#[test]
fn pubsub_is_told_whose_logs_are_full() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let scope = json!({"type": "session", "event_id": "g", "session_id": "t"});
        let event = json!({"eventName": "n", "data": large()});
        let body = json!({"scope": scope, "payload": {"event": event}}).to_string();
        let line = "POST /api/v1/pub_subs";
        let refused = stage.ask("t", line, &bearer("one"), &body);
        assert_busy(&refused, "61", &json_api(LOGS));
        assert_eq!(stage.ask("t", line, &bearer("two"), &body).status, 201);
    });
}

#[test]
fn the_stream_dialect_is_told_whose_logs_are_full() {
    everywhere_with(&config(), |stage| {
        fill(stage);
        let target = json!({"layoutId": "t"});
        let event = json!({"name": "n", "payload": {"fill": large()}, "target": target});
        let mut socket = stage.open(STREAM, &bearer("one"));
        let ask = json!({"publish": event, "correlationId": "c"}).to_string();
        assert_eq!(socket.ask(&mut stage.node, &ask), on_stream(LOGS));
        let line = "POST /event/v2/publish";
        let refused = stage.ask("t", line, &bearer("one"), &event.to_string());
        assert_busy(&refused, "61", &rpc(LOGS));
        let accepted = stage.ask("t", line, &bearer("two"), &event.to_string());
        assert_eq!(accepted.status, 200, "{accepted:?}");
    });
}

/// A publish for a group.
fn to_group(who: &str, group: &str) -> String {
    let scope = json!({"type": "event", "event_id": group});
    let body = json!({"scope": scope, "payload": {"event": {"eventName": "n"}}}).to_string();
    request("POST /api/v1/pub_subs", &bearer(who), &body)
}

/// A shard on which an event for two sessions is a broadcast. Both organizations have two in each
/// of two groups.
fn slow_node() -> TestNode {
    let mut config = config();
    config.organizations[0].logs_bytes_max = None;
    let slices = Slices {
        appends: 1,
        steps: 100,
        ..Slices::default()
    };
    let mut node = TestNode::with_slices(1, 11, &config, slices);
    for who in ["one", "two"] {
        for group in ["g", "g", "h", "h"] {
            let peer = node.connect(0);
            let body = format!(r#"{{"event_id":"{group}"}}"#);
            let created = node.ask(peer, request("POST /api/sessions", &bearer(who), &body));
            assert_eq!(created.status, 200, "{created:?}");
            node.break_off(peer);
        }
    }
    node
}

/// As many as `one` may have under way, for both groups in turns: none brings the one before along.
fn share() -> String {
    let groups = ["g", "h"].into_iter().cycle();
    let all = groups.take(BROADCASTS_PENDING_MAX / 2);
    all.map(|group| to_group("one", group)).collect()
}

#[test]
fn whose_broadcasts_are_too_many_is_told_in_each_form_and_others_begin_theirs() {
    let mut node = slow_node();
    let target = json!({"collectionId": "g"});
    let event = json!({"name": "n", "payload": {}, "target": target});
    let one = node.connect(0);
    let socket = Socket::open(&mut node, 0, STREAM, &bearer("one"));
    let mut socket = socket.expect("a socket");
    let two = node.connect(0);
    let line = "POST /event/v2/publish";
    let posted = request(line, &bearer("one"), &event.to_string());
    // All of it comes in one turn.
    node.send(one, share() + &to_group("one", "g") + &posted);
    let ask = json!({"publish": event, "correlationId": "c"}).to_string();
    socket.send(&mut node, &ask);
    node.send(two, to_group("two", "g") + &to_group("two", "h"));
    node.settle();
    for _ in 0..BROADCASTS_PENDING_MAX / 2 {
        assert_eq!(node.response(one).expect("an answer").status, 201);
    }
    let refused = node.response(one).expect("an answer");
    assert_busy(&refused, "1", &json_api(BROADCASTS));
    let refused = node.response(one).expect("an answer");
    assert_busy(&refused, "1", &rpc(BROADCASTS));
    assert_eq!(socket.texts(&mut node), [on_stream(BROADCASTS)]);
    for _ in 0..2 {
        assert_eq!(node.response(two).expect("an answer").status, 201);
    }
    // A few turns later all have arrived, well within the second.
    assert_eq!(node.ask(one, to_group("one", "g")).status, 201);
    assert!(!socket.ask(&mut node, &ask).contains("error"));
}

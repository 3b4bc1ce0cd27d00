//! Design: "Idempotent publish" — a key belongs to its target, whichever dialect and shard it is
//! used on: a repeat gets the first answer, anything else is refused and never swallowed, and how
//! many keys there are has bounds.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::IDEMPOTENCY_TTL;
use fanfare_tonic::event::{EventTarget, PublishEventRequest, PublishEventResponse};
use fanfare_tonic::prost::Message as _;
use serde_json::{Value, json};

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::grpc::{PUBLISH, event, framed, head};
use crate::support::http::{Response, request};
use crate::support::http2::Client;
use crate::support::organizations::{bearer, organization, organized};

const REUSED: &str =
    "this Idempotency-Key was used here to publish something else, so nothing was published";

fn key(key: &str) -> String {
    format!("Idempotency-Key: {key}\r\n")
}

/// Publishes to a session by the sessions dialect.
fn sessions(stage: &mut Stage, headers: &str, session: &str, body: &str) -> Response {
    let line = format!("POST /api/sessions/{session}/events");
    stage.ask("t", &line, headers, body)
}

/// Publishes by the pubsub dialect.
fn pubsub(stage: &mut Stage, headers: &str, scope: &str, data: &str) -> Response {
    let event = format!(r#"{{"eventName":"n","data":{data}}}"#);
    let body = format!(r#"{{"scope":{scope},"payload":{{"event":{event}}}}}"#);
    stage.ask("t", "POST /api/v1/pub_subs", headers, &body)
}

/// Publishes by the stream dialect.
fn stream(stage: &mut Stage, headers: &str, target: &str, payload: &str) -> Response {
    let body = format!(r#"{{"name":"n","target":{target},"payload":{payload}}}"#);
    stage.ask("t", "POST /event/v2/publish", headers, &body)
}

/// Publishes by gRPC: the id, or the status.
fn grpc(
    stage: &mut Stage,
    shard: usize,
    fields: &[(&str, &str)],
    event: &PublishEventRequest,
) -> Result<String, (u16, String)> {
    let mut client = Client::connect(&mut stage.node, shard);
    let call = client.open(head(PUBLISH, fields), false);
    client.send_message(call, event);
    client.half_close(call);
    client.settle(&mut stage.node);
    let call = &mut client.calls[call];
    let (code, message) = call.grpc_status().expect("a status");
    if code != 0 {
        return Err((code, message));
    }
    let published = call.take_messages::<PublishEventResponse>();
    Ok(published[0].id.clone())
}

/// Publishes by gRPC-web: what is answered after the head.
fn web(stage: &mut Stage, headers: &str, event: &PublishEventRequest) -> (String, Vec<u8>) {
    let body = framed(&event.encode_to_vec());
    let fields = format!(
        "{headers}Content-Type: application/grpc-web+proto\r\nContent-Length: {}\r\n",
        body.len()
    );
    let peer = stage.connect("t");
    let call = [
        request(&format!("POST {PUBLISH}"), &fields, "").into_bytes(),
        body,
    ]
    .concat();
    stage.node.send(peer, call);
    stage.node.settle();
    let mut received = std::mem::take(&mut stage.node.peers[peer].received);
    let end = received.windows(4).position(|four| four == b"\r\n\r\n");
    let rest = received.split_off(end.expect("a head") + 4);
    stage.node.break_off(peer);
    (String::from_utf8(received).expect("text"), rest)
}

/// How many events a session's log has had.
fn published(stage: &mut Stage, session: &str) -> String {
    let line = format!("GET /api/sessions/{session}/events?last_event=-1&timeout=0");
    let answer = stage.ask("t", &line, "", "");
    answer.header("fanfare-next").expect("a number").to_owned()
}

fn id_of(answer: &Response) -> String {
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    body["id"].as_str().expect("an id").to_owned()
}

#[test]
fn another_target_is_another_key() {
    everywhere(|stage| {
        let event = r#"{"type":"n","data":{}}"#;
        for session in ["a", "b", "c", "d"] {
            let first = sessions(stage, &key("k"), session, event);
            assert_eq!(
                (first.status, first.header("fanfare-number")),
                (200, Some("0"))
            );
            let again = sessions(stage, &key("k"), session, event);
            assert_eq!(again.header("fanfare-id"), first.header("fanfare-id"));
        }
        for session in ["a", "b", "c", "d"] {
            assert_eq!(published(stage, session), "1");
        }
        let mut ids = Vec::new();
        for target in [
            "{}",
            r#"{"layoutId":"x"}"#,
            r#"{"projectId":"x"}"#,
            r#"{"collectionId":"x"}"#,
        ] {
            let first = stream(stage, &key("k"), target, "{}");
            assert_eq!(first.status, 200, "{first:?}");
            assert_eq!(stream(stage, &key("k"), target, "{}").body, first.body);
            ids.push(id_of(&first));
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    });
}

#[test]
fn a_target_is_the_same_in_every_dialect() {
    everywhere(|stage| {
        let first = sessions(stage, &key("k"), "s", r#"{"data":{},"type":"n"}"#);
        let id = first.header("fanfare-id").expect("an id").to_owned();
        let scope = r#"{"type":"session","event_id":"e","session_id":"s"}"#;
        let again = pubsub(stage, &key("k"), scope, "{}");
        assert_eq!((again.status, &id_of(&again)), (201, &id));
        let again = stream(stage, &key("k"), r#"{"layoutId":"s"}"#, "{}");
        assert_eq!((again.status, &id_of(&again)), (200, &id));
        assert_eq!(published(stage, "s"), "1");
        // A group is a collection, and the organization is where no target is.
        for (scope, target) in [
            (
                r#"{"type":"event","event_id":"g"}"#,
                r#"{"collectionId":"g"}"#,
            ),
            (r#"{"type":"organization"}"#, "{}"),
        ] {
            let first = id_of(&pubsub(stage, &key("k"), scope, "{}"));
            let again = stream(stage, &key("k"), target, "{}");
            assert_eq!(id_of(&again), first, "{scope}");
            let other = stream(stage, &key("k"), target, r#"{"a":1}"#);
            assert_eq!(other.status, 422, "{scope}");
        }
    });
}

#[test]
fn something_else_with_the_same_key_is_refused_in_each_dialects_form() {
    everywhere(|stage| {
        let event = r#"{"type":"n","data":1}"#;
        assert_eq!(sessions(stage, &key("k"), "s", event).status, 200);
        for other in [
            r#"{"type":"n","data":2}"#,
            r#"{"type":"m","data":1}"#,
            r#"{"type":"n","data":1.0}"#,
            r#"[{"type":"n","data":1},{"type":"n","data":1}]"#,
        ] {
            let refused = sessions(stage, &key("k"), "s", other);
            assert_eq!(refused.status, 422, "{other}");
            let error = json!({"error": {"code": "idempotency_key_reused", "message": REUSED}});
            assert_eq!(refused.body, error.to_string());
            assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        }
        let scope = r#"{"type":"session","event_id":"e","session_id":"s"}"#;
        let refused = pubsub(stage, &key("k"), scope, "2");
        assert_eq!(refused.status, 422);
        let error = format!(
            r#"{{"title":"Idempotency-Key reused","detail":"{REUSED}","code":"idempotency_key_reused"}}"#
        );
        assert_eq!(refused.body, format!(r#"{{"errors":[{error}]}}"#));
        let layout = r#"{"layoutId":"s"}"#;
        for payload in ["{}", r#"{"a":1}"#, r#"{},"requestMetadata":1"#] {
            let refused = stream(stage, &key("k"), layout, payload);
            assert_eq!(refused.status, 422, "{payload}");
            let error = json!({"code": 3, "message": REUSED, "details": []});
            assert_eq!(
                serde_json::from_str::<Value>(&refused.body).expect("JSON"),
                error
            );
        }
        assert_eq!(published(stage, "s"), "1", "nothing else was published");
        // What was refused leaves the first answer as it was.
        let again = sessions(stage, &key("k"), "s", event);
        assert_eq!(
            (again.status, again.header("fanfare-number")),
            (200, Some("0"))
        );
    });
}

#[test]
fn a_batch_counts_with_all_its_events() {
    everywhere(|stage| {
        let batch = r#"[{"type":"a","data":1},{"type":"b","data":2}]"#;
        let first = sessions(stage, &key("k"), "s", batch);
        let again = sessions(stage, &key("k"), "s", batch);
        assert_eq!(again.header("fanfare-id"), first.header("fanfare-id"));
        for other in [
            r#"[{"type":"a","data":1},{"type":"b","data":3}]"#,
            r#"[{"type":"b","data":2},{"type":"a","data":1}]"#,
            r#"{"type":"a","data":1}"#,
        ] {
            assert_eq!(
                sessions(stage, &key("k"), "s", other).status,
                422,
                "{other}"
            );
        }
        assert_eq!(published(stage, "s"), "2");
    });
}

#[test]
fn something_else_while_the_first_is_under_way_is_refused_and_repeats_wait() {
    everywhere(|stage| {
        for name in ["a", "b", "c", "d"] {
            let shards = stage.node.shards.len();
            let text = |data: u32| {
                let body = format!(r#"{{"type":"n","data":{data}}}"#);
                request("POST /api/sessions/t/events", &key(name), &body)
            };
            let peers: Vec<usize> = (0..12).map(|i| stage.node.connect(i % shards)).collect();
            for (at, &peer) in peers.iter().enumerate() {
                // All are received before any letter is carried.
                stage.node.send(peer, text(at as u32 % 2));
                stage.node.receive(peer, usize::MAX);
            }
            stage.node.settle();
            let statuses: Vec<u16> = peers
                .iter()
                .map(|&peer| stage.answer(peer).status)
                .collect();
            let count = |status| statuses.iter().filter(|&&other| other == status).count();
            assert_eq!((count(200), count(422)), (6, 6), "{statuses:?}");
        }
        assert_eq!(published(stage, "t"), "4");
    });
}

#[test]
fn a_call_of_grpc_takes_the_key_from_its_metadata() {
    everywhere(|stage| {
        let fields = [("idempotency-key", "k")];
        let shards = stage.shards();
        let first = grpc(stage, 0, &fields, &event("n", 1, "")).expect("published");
        for shard in 0..shards {
            let again = grpc(stage, shard, &fields, &event("n", 1, ""));
            assert_eq!(again, Ok(first.clone()));
            let other = grpc(stage, shard, &fields, &event("n", 2, ""));
            assert_eq!(other, Err((3, REUSED.to_owned())));
        }
        let mut all_three = event("n", 1, "");
        all_three.target = Some(EventTarget {
            layout_id: Some("l".to_owned()),
            project_id: Some("p".to_owned()),
            collection_id: Some("c".to_owned()),
        });
        let layout = grpc(stage, 0, &fields, &all_three).expect("published");
        assert!(layout != first, "another target");
        assert_eq!(grpc(stage, 0, &fields, &all_three), Ok(layout));
        assert_eq!(published(stage, "l"), "1");
        // By gRPC-web it is the same key.
        let (head, body) = web(stage, &key("k"), &event("n", 1, ""));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(String::from_utf8_lossy(&body).contains(&first));
        let (_, body) = web(stage, &key("k"), &event("n", 2, ""));
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(
            body.contains("grpc-status:3\r\n") && body.contains(REUSED),
            "{body}"
        );
        for wrong in ["", &"x".repeat(256)] {
            let refused = grpc(stage, 0, &[("idempotency-key", wrong)], &event("n", 1, ""));
            let message = "Idempotency-Key has 1 to 255 bytes";
            assert_eq!(refused, Err((3, message.to_owned())));
        }
        let twice = [fields[0], ("idempotency-key", "l")];
        assert_eq!(grpc(stage, 0, &twice, &event("n", 1, "")).unwrap_err().0, 3);
    });
}

/// Two organizations that may each hold two keys on a shard.
fn two_keys_each() -> Config {
    let all = "publish,subscribe,admin";
    let mut config = organized([
        organization("one", &[("one", all)]),
        organization("two", &[("two", all)]),
    ]);
    config.hub.idempotency_keys_max = 2;
    config
}

#[test]
fn an_organization_that_holds_all_keys_it_may_is_told_until_when() {
    let node = |scene: &dyn Fn(&mut Stage)| everywhere_with(&two_keys_each(), scene);
    node(&|stage| {
        let keyed = |who: &str, name: &str| bearer(who) + &key(name);
        let event = r#"{"type":"n","data":1}"#;
        let scope = r#"{"type":"organization"}"#;
        // Every shard's share is used up, ten seconds ago.
        for name in 0..100 {
            sessions(stage, &keyed("one", &name.to_string()), "s", event);
        }
        stage.node.pass(Duration::from_secs(10));
        let message = "as many idempotency keys of this organization are remembered as may be, \
                       try again in 290 s or without a key";
        let refused = sessions(stage, &keyed("one", "x"), "s", event);
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("290"))
        );
        let error = json!({"error": {"code": "busy", "message": message}});
        assert_eq!(refused.body, error.to_string());
        let refused = pubsub(stage, &keyed("one", "x"), scope, "1");
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("290"))
        );
        assert!(refused.body.contains(message), "{refused:?}");
        let refused = stream(stage, &keyed("one", "x"), "{}", "{}");
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, Some("290"))
        );
        assert!(refused.body.contains(message), "{refused:?}");
        let fields = [("idempotency-key", "x"), ("authorization", "Bearer one")];
        let sent = crate::support::grpc::event("n", 1, "");
        let refused = grpc(stage, 0, &fields, &sent);
        assert_eq!(refused, Err((8, message.to_owned())));
        let (head, body) = web(stage, &keyed("one", "x"), &sent);
        assert!(head.contains("Retry-After: 290\r\n"), "{head}");
        assert!(String::from_utf8_lossy(&body).contains("grpc-status:8\r\n"));
        // Without a key, and for others, there is room.
        assert_eq!(sessions(stage, &bearer("one"), "s", event).status, 200);
        assert_eq!(sessions(stage, &keyed("two", "x"), "s", event).status, 200);
        // And the time was true.
        stage.node.pass(Duration::from_secs(289));
        assert_eq!(sessions(stage, &keyed("one", "x"), "s", event).status, 503);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(sessions(stage, &keyed("one", "x"), "s", event).status, 200);
    });
}

#[test]
fn five_minutes_later_a_key_may_stand_for_something_else() {
    everywhere(|stage| {
        let one = |data: u32| format!(r#"{{"type":"n","data":{data}}}"#);
        assert_eq!(sessions(stage, &key("k"), "s", &one(1)).status, 200);
        stage
            .node
            .pass(IDEMPOTENCY_TTL.saturating_sub(Duration::from_secs(1)));
        assert_eq!(sessions(stage, &key("k"), "s", &one(2)).status, 422);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(sessions(stage, &key("k"), "s", &one(2)).status, 200);
        let twice = key("k") + &key("l");
        let refused = sessions(stage, &twice, "s", &one(2));
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (400, "invalid_idempotency_key")
        );
    });
}

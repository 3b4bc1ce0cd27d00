//! Design: "Overload", a rate limit — it is the organization's, whichever dialect and shard its
//! publishers speak to, and each dialect says so in its own form.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare_tonic::prost::Message as _;
use serde_json::{Value, json};

use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::grpc::{PUBLISH, event, framed, head};
use crate::support::http::{Response, request};
use crate::support::http2::Client;
use crate::support::organizations::{bearer, organization, organized};

/// What `one` may publish in a second; `two` may publish what it likes.
const RATE: u64 = 3;
/// What is said to whoever would have to wait for a third of a second.
const MESSAGE: &str = "this organization publishes faster than it may, try again in 1 s";
const GROUP: &str = r#"{"type":"event","event_id":"e"}"#;

fn config() -> Config {
    let all = "publish,subscribe";
    let mut one = organization("one", &[("one", all)]);
    one.publishes_per_second = Some(RATE as usize);
    let mut two = organization("two", &[("two", all)]);
    two.publishes_per_second = Some(0);
    let mut config = organized([one, two]);
    config.hub.publishes_per_second = 1;
    config
}

/// The body of so many events for a session.
fn events(count: u64) -> String {
    let events: Vec<Value> = (0..count)
        .map(|n| json!({"type": "n", "data": n}))
        .collect();
    Value::from(events).to_string()
}

/// Publishes to a session, landing on one shard.
fn publish_on(stage: &mut Stage, shard: usize, headers: &str, body: &str) -> Response {
    let peer = stage.node.connect(shard);
    let post = request("POST /api/sessions/t/events", headers, body);
    let answer = stage.node.ask(peer, post);
    stage.node.break_off(peer);
    answer
}

/// Publishes so many events to a session; the status.
fn publish(stage: &mut Stage, who: &str, count: u64) -> u16 {
    publish_on(stage, 0, &bearer(who), &events(count)).status
}

/// Publishes a second's worth at once.
#[track_caller]
fn use_up(stage: &mut Stage) {
    assert_eq!(publish(stage, "one", RATE), 200);
}

/// After a second as much may be published as before.
#[track_caller]
fn recover(stage: &mut Stage) {
    stage.node.pass(Duration::from_secs(1));
    use_up(stage);
    assert_eq!(publish(stage, "one", 1), 429);
}

#[test]
fn a_session_is_told_429_and_when_to_come_back() {
    everywhere_with(&config(), |stage| {
        use_up(stage);
        let refused = publish_on(stage, 0, &bearer("one"), &events(1));
        assert_eq!(refused.status, 429);
        let expected = json!({"error": {"code": "rate_limited", "message": MESSAGE}});
        assert_eq!(refused.body, expected.to_string());
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        let exposed = refused.header("access-control-expose-headers");
        assert!(exposed.is_some_and(|fields| fields.ends_with(", Retry-After")));
        assert_eq!(stage.node.sum("publishes_limited"), 1);
        assert_eq!(stage.node.sum("publishes_refused"), 0);
        assert_eq!(stage.node.sum("events_published"), RATE);
        // Nobody else is slowed down.
        for _ in 0..100 {
            assert_eq!(publish(stage, "two", 10), 200);
        }
        stage.node.pass(Duration::from_secs(1));
        let accepted = publish_on(stage, 0, &bearer("one"), &events(1));
        assert_eq!(accepted.header("fanfare-number"), Some("3"));
    });
}

#[test]
fn all_shards_together_accept_what_the_limit_allows() {
    everywhere_with(&config(), |stage| {
        for second in 1..=3 {
            let shards = stage.shards();
            let mut accepted = 0;
            for turn in 0..4 * shards {
                let answer = publish_on(stage, turn % shards, &bearer("one"), &events(1));
                accepted += u64::from(answer.status == 200);
            }
            assert_eq!(accepted, RATE, "second {second}");
            stage.node.pass(Duration::from_secs(1));
        }
    });
}

#[test]
fn a_publish_is_accepted_whole_or_refused_whole_and_then_free() {
    everywhere_with(&config(), |stage| {
        assert_eq!(publish(stage, "one", 2), 200);
        for _ in 0..10 {
            assert_eq!(publish(stage, "one", 2), 429);
        }
        assert_eq!(publish(stage, "one", 1), 200);
        assert_eq!(stage.node.sum("events_published"), 3);
        assert_eq!(stage.node.sum("publishes_limited"), 10);
    });
}

#[test]
fn more_than_a_seconds_worth_is_accepted_after_a_pause_and_paid_for_afterwards() {
    everywhere_with(&config(), |stage| {
        assert_eq!(publish(stage, "one", 1), 200);
        assert_eq!(publish(stage, "one", 2 * RATE + 1), 429);
        stage.node.pass(Duration::from_millis(334));
        assert_eq!(publish(stage, "one", 2 * RATE + 1), 200);
        let refused = publish_on(stage, 0, &bearer("one"), &events(1));
        // Two of seven may be unpaid: five are paid for in 1,667 ms.
        assert_eq!(refused.header("retry-after"), Some("2"));
        stage.node.pass(Duration::from_millis(1_666));
        assert_eq!(publish(stage, "one", 1), 429);
        stage.node.pass(Duration::from_millis(1));
        assert_eq!(publish(stage, "one", 1), 200);
    });
}

#[test]
fn a_repeat_costs_nothing_and_a_refusal_does_not_use_up_its_key() {
    everywhere_with(&config(), |stage| {
        let keyed = |key: &str| bearer("one") + &format!("Idempotency-Key: {key}\r\n");
        let shards = stage.shards();
        for turn in 0..10 {
            let answer = publish_on(stage, turn % shards, &keyed("a"), &events(1));
            assert_eq!(answer.header("fanfare-number"), Some("0"), "{answer:?}");
        }
        assert_eq!(publish(stage, "one", RATE - 1), 200);
        for turn in 0..shards {
            let refused = publish_on(stage, turn, &keyed("b"), &events(1));
            assert_eq!(refused.status, 429);
            assert_eq!(refused.header("retry-after"), Some("1"));
            let repeat = publish_on(stage, turn, &keyed("a"), &events(1));
            assert_eq!(repeat.header("fanfare-number"), Some("0"));
        }
        stage.node.pass(Duration::from_secs(1));
        let accepted = publish_on(stage, 0, &keyed("b"), &events(1));
        assert_eq!(accepted.header("fanfare-number"), Some("3"));
    });
}

#[test]
fn pubsub_says_it_in_the_form_of_json_api() {
    everywhere_with(&config(), |stage| {
        use_up(stage);
        let post = |stage: &mut Stage, who: &str| {
            let event = r#"{"event":{"eventName":"n"}}"#;
            let body = format!(r#"{{"scope":{GROUP},"payload":{event}}}"#);
            stage.ask("t", "POST /api/v1/pub_subs", &bearer(who), &body)
        };
        let refused = post(stage, "one");
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let error =
            format!(r#"{{"title":"Rate limited","detail":"{MESSAGE}","code":"rate_limited"}}"#);
        assert_eq!(refused.body, format!(r#"{{"errors":[{error}]}}"#));
        assert_eq!(post(stage, "two").status, 201);
        recover(stage);
    });
}

#[test]
fn a_room_goes_on_after_its_error() {
    everywhere_with(&config(), |stage| {
        let mut room = stage.open("/pubsub/ws?event_id=e&session_id=t", &bearer("one"));
        assert_eq!(stage.texts(&mut room).len(), 1, "welcome");
        use_up(stage);
        let ask = r#"{"action":"publish-event","data":{"eventName":"n","data":1},"ref":7}"#;
        let refused = room.ask(&mut stage.node, ask);
        let data = format!(r#"{{"code":"rate_limited","message":"{MESSAGE}"}}"#);
        assert_eq!(
            refused,
            format!(r#"{{"action":"error","ref":7,"data":{data}}}"#)
        );
        stage.node.pass(Duration::from_secs(1));
        let published = room.ask(&mut stage.node, ask);
        assert!(
            published.starts_with(r#"{"action":"published","ref":7,"#),
            "{published}"
        );
        assert_eq!(publish(stage, "one", RATE), 429);
    });
}

#[test]
fn a_stream_gets_an_error_with_code_8_and_a_post_429() {
    everywhere_with(&config(), |stage| {
        let mut stream = stage.open("/event/v2/stream", &bearer("one"));
        use_up(stage);
        let event = r#"{"name":"n","payload":{}}"#;
        let ask = format!(r#"{{"publish":{event},"correlationId":"c"}}"#);
        let refused = stream.ask(&mut stage.node, &ask);
        let error = format!(r#""error":{{"code":8,"message":"{MESSAGE}"}}"#);
        assert_eq!(
            refused,
            format!(r#"{{"result":{{"correlationId":"c",{error}}}}}"#)
        );
        let post = |stage: &mut Stage, who: &str| {
            stage.ask("t", "POST /event/v2/publish", &bearer(who), event)
        };
        let refused = post(stage, "one");
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), Some("1"));
        let expected = format!(r#"{{"code":8,"message":"{MESSAGE}","details":[]}}"#);
        assert_eq!(refused.body, expected);
        assert_eq!(post(stage, "two").status, 200);
        stage.node.pass(Duration::from_secs(1));
        let published = stream.ask(&mut stage.node, &ask);
        assert!(published.contains("\"published\""), "{published}");
        assert_eq!(post(stage, "one").status, 200);
        assert_eq!(post(stage, "one").status, 200);
        assert_eq!(post(stage, "one").status, 429);
    });
}

#[test]
fn a_call_of_grpc_ends_with_resource_exhausted() {
    everywhere_with(&config(), |stage| {
        let shard = stage.shards() - 1;
        let mut client = Client::connect(&mut stage.node, shard);
        let mut publish = |stage: &mut Stage, who: &str| {
            let token = format!("Bearer {who}");
            let call = client.open(head(PUBLISH, &[("authorization", &token)]), false);
            client.send_message(call, &event("n", 1, ""));
            client.half_close(call);
            client.settle(&mut stage.node);
            client.calls[call].grpc_status().expect("a status")
        };
        use_up(stage);
        assert_eq!(publish(stage, "one"), (8, MESSAGE.to_owned()));
        assert_eq!(publish(stage, "two").0, 0);
        let web = "Content-Type: application/grpc-web+proto\r\n".to_owned() + &bearer("one");
        let message = framed(&event("n", 1, "").encode_to_vec());
        let line = "POST /apis.event.v2.EventService/Publish";
        let length = format!("{web}Content-Length: {}\r\n", message.len());
        let peer = stage.connect("t");
        let call = [request(line, &length, "").as_bytes(), &message].concat();
        stage.node.send(peer, call);
        stage.node.settle();
        let answer = String::from_utf8_lossy(&stage.node.peers[peer].received);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let trailers = format!("grpc-status:8\r\ngrpc-message:{MESSAGE}\r\n");
        assert!(answer.ends_with(&trailers), "{answer}");
        stage.node.pass(Duration::from_secs(1));
        for _ in 0..RATE {
            assert_eq!(publish(stage, "one").0, 0);
        }
        assert_eq!(publish(stage, "one").0, 8);
    });
}

#[test]
fn open_mode_has_the_limit_of_the_hub_which_its_own_events_do_not_use_up() {
    let mut config = Config::default();
    config.hub.publishes_per_second = 1;
    config.sysadm.state_first = Duration::from_secs(1);
    config.sysadm.state_interval = Some(Duration::from_secs(1));
    everywhere_with(&config, |stage| {
        let mut live = stage.open("/live/ws", "");
        // From here on the node counts the seconds to its first system-state.
        stage.node.pass(Duration::from_millis(500));
        for _ in 0..3 {
            stage.node.pass(Duration::from_secs(1));
            let heard = stage.texts(&mut live);
            assert!(
                heard.iter().any(|text| text.contains("system-state")),
                "{heard:?}"
            );
            assert_eq!(publish_on(stage, 0, "", &events(1)).status, 200);
            assert_eq!(publish_on(stage, 0, "", &events(1)).status, 429);
        }
    });
}

#[test]
fn nothing_is_limited_by_default() {
    everywhere(|stage| {
        for _ in 0..20 {
            assert_eq!(publish_on(stage, 0, "", &events(1_000)).status, 200);
        }
        assert_eq!(stage.node.sum("publishes_limited"), 0);
    });
}

//! Design: "Reserved names" — what begins with `fanfare:` is the server's own, and nobody else
//! publishes it.

use fanfare_tonic::event::events_stream_request::Message as Ask;
use fanfare_tonic::event::events_stream_response::Message as Say;
use serde_json::{Value, json};

use crate::stage::{Stage, everywhere};
use crate::support::grpc::{PUBLISH, STREAM, ask, event};
use crate::support::http::Response;
use crate::support::http2::Client;

const MESSAGE: &str = "event names that begin with \"fanfare:\" are the server's own";

fn body_of(answer: &Response) -> Value {
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The types of what a session's log has.
fn heard(stage: &mut Stage) -> Vec<Value> {
    let answer = stage.get("s", "?last_event=-1&timeout=0");
    let events: Vec<Value> = serde_json::from_str(&answer.body).expect("JSON");
    events
        .into_iter()
        .map(|event| event["type"].clone())
        .collect()
}

#[test]
fn by_one_request_they_are_refused_in_each_dialects_form() {
    everywhere(|stage| {
        for name in [r#""fanfare:gap""#, r#""fanfare:""#, r#""\u0066anfare:gap""#] {
            let refused = stage.post("s", &format!(r#"{{"type":{name},"data":1}}"#));
            let error = json!({"error": {"code": "reserved_name", "message": MESSAGE}});
            assert_eq!((refused.status, body_of(&refused)), (400, error));
            let batch = format!(r#"[{{"type":"a","data":1}},{{"type":{name},"data":1}}]"#);
            let refused = stage.post("s", &batch);
            assert_eq!(refused.status, 400);
            let message = body_of(&refused)["error"]["message"].clone();
            assert_eq!(message, format!("[1]: {MESSAGE}"));
            for scope in [
                r#"{"type":"organization"}"#,
                r#"{"type":"event","event_id":"e"}"#,
                r#"{"type":"session","event_id":"e","session_id":"s"}"#,
            ] {
                let event = format!(r#"{{"event":{{"eventName":{name}}}}}"#);
                let body = format!(r#"{{"scope":{scope},"payload":{event}}}"#);
                let refused = stage.ask("s", "POST /api/v1/pub_subs", "", &body);
                assert_eq!(refused.status, 422);
                let error = json!({
                    "title": "Reserved name", "detail": MESSAGE, "code": "reserved_name",
                    "source": {"pointer": "/payload/event/eventName"},
                });
                assert_eq!(body_of(&refused), json!({"errors": [error]}));
            }
            let body = format!(r#"{{"name":{name},"payload":{{}},"target":{{"layoutId":"s"}}}}"#);
            let refused = stage.ask("s", "POST /event/v2/publish", "", &body);
            let error = json!({"code": 3, "message": MESSAGE, "details": []});
            assert_eq!((refused.status, body_of(&refused)), (400, error));
        }
        assert_eq!(
            stage.post("s", r#"{"type":"fanfare","data":1}"#).status,
            200
        );
        let other = r#"{"type":["fanfare:gap"],"data":1}"#;
        assert_eq!(
            stage.post("s", other).status,
            200,
            "no text, so not such a name"
        );
        assert_eq!(heard(stage), [json!("fanfare"), json!(["fanfare:gap"])]);
    });
}

#[test]
fn on_a_socket_they_are_refused_and_it_lives_on() {
    everywhere(|stage| {
        let mut room = stage.open("/pubsub/ws?event_id=e&session_id=s", "");
        stage.texts(&mut room);
        let publish = |name: &str| {
            let data = format!(r#"{{"eventName":"{name}","data":1}}"#);
            format!(r#"{{"action":"publish-event","data":{data},"ref":1}}"#)
        };
        let refused = room.ask(&mut stage.node, &publish("fanfare:gap"));
        let refused: Value = serde_json::from_str(&refused).expect("JSON");
        let data = json!({"code": "invalid", "message": MESSAGE});
        assert_eq!(refused, json!({"action": "error", "ref": 1, "data": data}));
        let published = room.ask(&mut stage.node, &publish("a"));
        assert!(published.contains(r#""action":"published""#), "{published}");

        let mut socket = stage.open("/event/v2/stream", "");
        let publish = r#"{"publish":{"name":"fanfare:gap","payload":{},"target":{"layoutId":"s"}},"correlationId":"c"}"#;
        let refused = socket.ask(&mut stage.node, publish);
        let refused: Value = serde_json::from_str(&refused).expect("JSON");
        let error = json!({"code": 3, "message": MESSAGE});
        let expected = json!({"result": {"correlationId": "c", "error": error}});
        assert_eq!(refused, expected);
        let pong = socket.ask(&mut stage.node, r#"{"ping":"p"}"#);
        assert_eq!(pong, r#"{"result":{"pong":"p"}}"#);
        assert_eq!(heard(stage), [json!("a")]);
    });
}

#[test]
fn by_grpc_they_are_invalid_arguments() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.unary(&mut stage.node, PUBLISH, &event("fanfare:gap", 1, ""));
        let status = client.calls[call].grpc_status();
        assert_eq!(status, Some((3, MESSAGE.to_owned())));
        let call = client.call(STREAM);
        let publish = ask("c", Ask::Publish(event("fanfare:gap", 1, "")));
        client.send_message(call, &publish);
        client.settle(&mut stage.node);
        let said = client.calls[call].take_said();
        assert!(
            matches!(&said[..], [Say::Error(error)] if error.code == 3),
            "{said:?}"
        );
    });
}

//! Contract: "Events" — what an event published in another dialect looks like here, byte for byte.

use super::{PATH, types};
use crate::stage::{Stage, everywhere};
use crate::support::socket::Socket;

/// When `TestNode` begins.
const TIME: &str = "1700000000000";
/// The organization of open mode.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// The text of an event of a session without parents.
fn event(name: &str, token: &str, rest: &str) -> String {
    format!(r#"{{"type":{name},"time":{TIME},"coreServerId":"{NIL}","sessionId":"{token}"{rest}}}"#)
}

/// Publishes and returns what each socket got.
fn heard(stage: &mut Stage, sockets: &mut [Socket], name: &str, data: &str) -> Vec<String> {
    stage.publish("t", name, data);
    let heard = sockets.iter_mut().map(|socket| {
        let mut texts = socket.texts(&mut stage.node);
        assert_eq!(texts.len(), 1, "{texts:?}");
        texts.remove(0)
    });
    heard.collect()
}

#[test]
fn both_paths_lead_here() {
    everywhere(|stage| {
        for path in [PATH, "/communication_manager/ws/event"] {
            let mut socket = stage.open(path, "");
            stage.publish("t", "\"a\"", "{}");
            assert_eq!(stage.texts(&mut socket), [event("\"a\"", "t", "")]);
        }
    });
}

#[test]
fn base_properties_come_first_then_the_payloads_own_fields() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        // Numbers keep their digits, fields may be null, white space is the publisher's.
        let payload = r#"{ "b" : 1.50, "a":null,"c":{"d":[1e2]} }"#;
        for text in heard(stage, &mut sockets, r#""login""#, payload) {
            let rest = r#", "b" : 1.50, "a":null,"c":{"d":[1e2]} "#;
            assert_eq!(text, event(r#""login""#, "t", rest));
        }
        for empty in ["{}", "{ }"] {
            for text in heard(stage, &mut sockets, r#""login""#, empty) {
                assert_eq!(text, event(r#""login""#, "t", ""));
            }
        }
    });
}

#[test]
fn a_payload_field_never_overwrites_a_base_property() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        let payload = r#"{"type":"x","a":1,"time":2,"coreServerId":3,"groupId":4,
            "projectId":5,"sessionId":6,"\u0074ype":7,"b":8}"#;
        for text in heard(stage, &mut sockets, "\"n\"", &payload.replace('\n', "")) {
            assert_eq!(text, event("\"n\"", "t", r#","a":1,"b":8"#));
        }
        // Of a repeated field the last one counts.
        for text in heard(stage, &mut sockets, "\"n\"", r#"{"a":1,"b":2,"a":3}"#) {
            assert_eq!(text, event("\"n\"", "t", r#","b":2,"a":3"#));
        }
    });
}

#[test]
fn a_payload_that_is_no_object_becomes_the_property_data() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for payload in ["7", "null", "\"text\"", "[{\"type\":1}, 2]", "1.0"] {
            for text in heard(stage, &mut sockets, "\"n\"", payload) {
                assert_eq!(text, event("\"n\"", "t", &format!(",\"data\":{payload}")));
            }
        }
    });
}

#[test]
fn a_type_that_is_no_string_is_its_compact_json_text() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for (name, text) in [
            ("7", r#""7""#),
            ("null", r#""null""#),
            ("{ \"a\" : [ 1 ] }", r#""{\"a\":[1]}""#),
            // A string stays as it was written.
            (r#""st\u0061tus""#, r#""st\u0061tus""#),
        ] {
            for heard in heard(stage, &mut sockets, name, "{}") {
                assert_eq!(heard, event(text, "t", ""));
            }
        }
    });
}

#[test]
fn an_event_says_what_is_above_its_session() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        let token = stage.create(r#"{"event_id":"g \"1\"","project_id":"p"}"#);
        stage.publish(&token, "\"n\"", r#"{"groupId":1}"#);
        for socket in &mut sockets {
            let expected = format!(
                r#"{{"type":"n","time":{TIME},"coreServerId":"{NIL}","groupId":"g \"1\"","projectId":"p","sessionId":"{token}"}}"#
            );
            assert_eq!(socket.texts(&mut stage.node), [expected]);
        }
    });
}

#[test]
fn the_servers_own_events_are_heard_too() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        let token = stage.create("");
        for (call, status) in [
            ("start", "running"),
            ("pause", "paused"),
            ("stop", "aborted"),
        ] {
            let line = format!("POST /api/sessions/{token}/{call}");
            // Asking for the status that is there already is done without an event.
            for _ in 0..2 {
                assert_eq!(stage.ask(&token, &line, "", "").status, 200);
            }
            for socket in &mut sockets {
                let rest = format!(r#","data":"{status}""#);
                let expected = event("\"status\"", &token, &rest);
                assert_eq!(socket.texts(&mut stage.node), [expected]);
            }
        }
    });
}

#[test]
fn events_come_from_any_shard_to_any_shard() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        // Enough sessions that every shard is home to some.
        let tokens: Vec<String> = (0..24).map(|number| format!("s{number}")).collect();
        for token in &tokens {
            stage.publish(token, "\"n\"", "{}");
        }
        for socket in &mut sockets {
            let texts = socket.texts(&mut stage.node);
            let expected: Vec<_> = tokens.iter().map(|t| event("\"n\"", t, "")).collect();
            assert_eq!(texts, expected);
        }
        // Each once, as its metric says.
        let delivered = tokens.len() * sockets.len();
        assert_eq!(stage.node.sum("events_delivered"), delivered as u64);
    });
}

#[test]
fn all_events_of_one_publish_come_in_order() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        let names: Vec<String> = (0..1_000).map(|number| format!("e{number}")).collect();
        let events: Vec<String> = names
            .iter()
            .map(|name| format!(r#"{{"type":"{name}","data":{{}}}}"#))
            .collect();
        let posted = stage.post("t", &format!("[{}]", events.join(",")));
        assert_eq!(posted.status, 200);
        for socket in &mut sockets {
            assert_eq!(types(stage, socket), names);
        }
    });
}

//! Design: "The event and the five dialects" — events of other dialects here, and events from here
//! there.

use super::{PATH, body, post, subscribe, texts};
use crate::stage::everywhere;

/// An event at a session without parents, as a message.
fn event(name: &str, payload: &str) -> String {
    format!(
        r#"{{"result":{{"event":{{"id":"<uuid>","name":{name},"payload":{payload},"target":{{"layoutId":"t"}}}}}}}}"#
    )
}

#[test]
fn a_payload_that_is_no_object_becomes_the_field_data() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, "n", r#"{"layoutId":"t"}"#);
        }
        for payload in [
            "7",
            "-1.50e3",
            "null",
            "true",
            "\"text\"",
            "[{\"a\":1}, 2]",
            "\"{}\"",
        ] {
            stage.publish("t", "\"n\"", payload);
            for socket in &mut sockets {
                let expected = event("\"n\"", &format!(r#"{{"data":{payload}}}"#));
                assert_eq!(texts(stage, socket), [expected]);
            }
        }
        for payload in ["{}", r#"{ "data" : 1.0 }"#, r#"{"b":1,"a":{"b":[]},"b":2}"#] {
            stage.publish("t", "\"n\"", payload);
            for socket in &mut sockets {
                assert_eq!(texts(stage, socket), [event("\"n\"", payload)]);
            }
        }
    });
}

#[test]
fn a_type_that_is_no_string_is_named_by_its_compact_json_text() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "*", "");
        for (name, text) in [
            ("7", r#""7""#),
            ("null", r#""null""#),
            (r#"{ "a" : [ 1, "b" ] }"#, r#""{\"a\":[1,\"b\"]}""#),
            (r#""st\u0061tus""#, r#""st\u0061tus""#),
        ] {
            stage.publish("t", name, "{}");
            assert_eq!(texts(stage, &mut socket), [event(text, "{}")], "{name}");
        }
        // By that text it is found.
        let mut by_name = stage.open(PATH, "");
        subscribe(stage, &mut by_name, r#"status|{\"a\":1}"#, "");
        stage.publish("t", r#"{ "a": 1 }"#, "{}");
        stage.publish("t", r#""\u0073tatus""#, "{}");
        let expected = [
            event(r#""{\"a\":1}""#, "{}"),
            event(r#""\u0073tatus""#, "{}"),
        ];
        assert_eq!(texts(stage, &mut by_name), expected);
    });
}

#[test]
fn a_session_reader_hears_what_is_published_to_its_layout_and_above() {
    everywhere(|stage| {
        let token = stage.create(r#"{"event_id":"c","project_id":"p"}"#);
        let payload = r#"{ "a" : 1.50, "b":[1e2] }"#;
        let targets = [
            format!(r#"{{"layoutId":"{token}"}}"#),
            r#"{"projectId":"p"}"#.to_owned(),
            r#"{"collectionId":"c"}"#.to_owned(),
            "{}".to_owned(),
        ];
        for target in &targets {
            assert_eq!(post(stage, "", &body("é:n", payload, target)).status, 200);
        }
        let read = stage.get(&token, "?last_event=-1");
        let events = (0..targets.len())
            .map(|number| format!(r#"{{"type":"é:n","data":{payload},"number":{number}}}"#));
        let expected = format!("[{}]", events.collect::<Vec<_>>().join(","));
        assert_eq!(read.body, expected);
    });
}

#[test]
fn a_live_client_hears_the_payload_flat_with_the_ids_of_the_target() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere("/live/ws");
        let target = r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#;
        let answer = post(stage, "", &body("n", r#"{ "a" : 1.50, "b":null }"#, target));
        assert_eq!(answer.status, 200);
        let nil = "00000000-0000-0000-0000-000000000000";
        for socket in &mut sockets {
            let expected = format!(
                r#"{{"type":"n","time":1700000000000,"coreServerId":"{nil}","groupId":"c","projectId":"p","sessionId":"l", "a" : 1.50, "b":null }}"#
            );
            assert_eq!(socket.texts(&mut stage.node), [expected]);
        }
    });
}

#[test]
fn a_sysadm_client_hears_the_payload_as_the_args() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere("/sysadm");
        let text = r#"{"namespace":"events","name":"subscribe","args":["dispatcher"]}"#;
        for socket in &mut sockets {
            socket.ask(&mut stage.node, text);
        }
        let payload = r#"{ "state" : "running", "n":1.0 }"#;
        let answer = post(stage, "", &body("dispatcher", payload, ""));
        assert_eq!(answer.status, 200);
        for socket in &mut sockets {
            let expected =
                format!(r#"{{"args":{payload},"id":"","name":"dispatcher","namespace":"events"}}"#);
            assert_eq!(socket.texts(&mut stage.node), [expected]);
        }
    });
}

#[test]
fn what_a_stream_publishes_is_heard_as_what_a_request_publishes() {
    everywhere(|stage| {
        let mut live = stage.open("/live/ws", "");
        let mut socket = stage.open(PATH, "");
        let event = body("n", r#"{"a":1}"#, r#"{"layoutId":"t"}"#);
        assert_eq!(post(stage, "", &event).status, 200);
        socket.ask(&mut stage.node, &format!(r#"{{"publish":{event}}}"#));
        let texts = live.texts(&mut stage.node);
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[0], texts[1]);
    });
}

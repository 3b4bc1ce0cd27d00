//! Contract: "JSON form" and "Replies" — the transcripts, byte for byte.

use super::{PATH, ask, body, error_of, post, subscribe, texts};
use crate::stage::everywhere;

const S: &str = "/event/v2/stream?version=2.0.3&sessionid=s&clienttype=js";

#[test]
fn a_ping_is_answered_by_a_pong_with_the_session_id() {
    everywhere(|stage| {
        let mut socket = stage.open(S, "");
        let pong = ask(
            stage,
            &mut socket,
            r#"{"ping":"hello","correlationId":"c1"}"#,
        );
        let expected = r#"{"result":{"correlationId":"c1","sessionId":"s","pong":"hello"}}"#;
        assert_eq!(pong, expected);
        // Who has no id is told none, and the text comes back as it was meant.
        let mut socket = stage.open(PATH, "");
        let pong = ask(stage, &mut socket, r#"{"ping":"\u0061\"é"}"#);
        assert_eq!(pong, r#"{"result":{"pong":"a\"é"}}"#);
    });
}

#[test]
fn subscribed_is_what_was_asked() {
    everywhere(|stage| {
        let mut socket = stage.open(S, "");
        let text =
            r#"{"subscribe":{"name":"my_app:*","target":{"projectId":"p"}},"correlationId":"c2"}"#;
        let expected = r#"{"result":{"correlationId":"c2","subscribed":{"name":"my_app:*","target":{"projectId":"p"}}}}"#;
        assert_eq!(ask(stage, &mut socket, text), expected);
        let text = text.replacen("subscribe", "unsubscribe", 1);
        let expected = expected.replacen("subscribed", "unsubscribed", 1);
        assert_eq!(ask(stage, &mut socket, &text), expected);
    });
}

#[test]
fn published_comes_before_the_publishers_own_copy_which_has_its_correlation_id() {
    everywhere(|stage| {
        let mut socket = stage.open(S, "");
        subscribe(stage, &mut socket, "my_app:*", r#"{"projectId":"p"}"#);
        let text = r#"{"publish":{"name":"my_app:user_chat","payload":{"custom_event":true},"requestMetadata":{},"target":{}},"correlationId":"c4"}"#;
        socket.say(&mut stage.node, text);
        let event = r#"{"id":"<uuid>","name":"my_app:user_chat","payload":{"custom_event":true},"requestMetadata":{}}"#;
        let published = event.replacen(
            r#","requestMetadata"#,
            r#","target":{},"requestMetadata"#,
            1,
        );
        assert_eq!(
            texts(stage, &mut socket),
            [
                format!(r#"{{"result":{{"correlationId":"c4","published":{published}}}}}"#),
                format!(r#"{{"result":{{"correlationId":"c4","sessionId":"s","event":{event}}}}}"#),
            ]
        );
    });
}

#[test]
fn the_copies_of_others_have_no_correlation_id() {
    everywhere(|stage| {
        let mut others = stage.open_everywhere(PATH);
        for other in &mut others {
            subscribe(stage, other, "n", r#"{"layoutId":"t"}"#);
        }
        // From every shard, whoever is home to the layout.
        let mut publishers = stage.open_everywhere(S);
        for publisher in &mut publishers {
            subscribe(stage, publisher, "*", "");
            let text = format!(
                r#"{{"publish":{},"correlationId":"mine"}}"#,
                body("n", "{}", r#"{"layoutId":"t"}"#)
            );
            publisher.say(&mut stage.node, &text);
            let event = r#"{"id":"<uuid>","name":"n","payload":{},"target":{"layoutId":"t"}}"#;
            assert_eq!(
                texts(stage, publisher),
                [
                    format!(r#"{{"result":{{"correlationId":"mine","published":{event}}}}}"#),
                    format!(
                        r#"{{"result":{{"correlationId":"mine","sessionId":"s","event":{event}}}}}"#
                    ),
                ]
            );
            for other in &mut others {
                let copy = format!(r#"{{"result":{{"sessionId":"s","event":{event}}}}}"#);
                assert_eq!(texts(stage, other), [copy]);
            }
            stage.node.break_off(publisher.peer);
        }
    });
}

#[test]
fn published_and_event_have_the_same_id() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "n", "");
        let text = format!(r#"{{"publish":{}}}"#, body("n", "{}", ""));
        socket.say(&mut stage.node, &text);
        let texts = stage.texts(&mut socket);
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[0].replacen("published", "event", 1), texts[1]);
    });
}

#[test]
fn ids_grow() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "n", "");
        let mut last = String::new();
        for _ in 0..20 {
            let answer = post(stage, "", &body("n", "{}", r#"{"layoutId":"t"}"#));
            let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
            let id = answer["id"].as_str().expect("an id").to_owned();
            assert!(id > last, "{id} after {last}");
            last = id;
        }
        assert_eq!(stage.texts(&mut socket).len(), 20);
    });
}

#[test]
fn the_session_id_of_an_event_is_its_publishers() {
    everywhere(|stage| {
        let mut listener = stage.open("/event/v2/stream?sessionId=listener", "");
        subscribe(stage, &mut listener, "n", "");
        let text = format!(r#"{{"publish":{}}}"#, body("n", "{}", ""));
        let heard = |id: &str| {
            let event = r#"{"id":"<uuid>","name":"n","payload":{}}"#;
            vec![format!(r#"{{"result":{{{id}"event":{event}}}}}"#)]
        };
        for (query, header, id) in [
            ("", "", ""),
            ("?sessionId=a%20b", "", r#""sessionId":"a b","#),
            ("?sessionid=c", "", r#""sessionId":"c","#),
            ("?x=1&SESSIONID=d", "", r#""sessionId":"d","#),
            ("?sessionId=", "", ""),
            ("", "SessionId: e\r\n", r#""sessionId":"e","#),
            ("", "sessionid: f\r\n", r#""sessionId":"f","#),
            (
                "?sessionId=query",
                "SessionId: g\r\n",
                r#""sessionId":"g","#,
            ),
        ] {
            let mut publisher = stage.open(&format!("{PATH}{query}"), header);
            publisher.ask(&mut stage.node, &text);
            assert_eq!(texts(stage, &mut listener), heard(id), "{query} {header}");
            let line = format!("{}{query}", super::PUBLISH);
            let answer = stage.ask("t", &line, header, &body("n", "{}", ""));
            assert_eq!(answer.status, 200);
            assert_eq!(texts(stage, &mut listener), heard(id), "{query} {header}");
        }
    });
}

#[test]
fn a_request_that_is_not_carried_out_is_answered_by_an_error_with_its_correlation_id() {
    everywhere(|stage| {
        let mut socket = stage.open(S, "");
        let text = r#"{"publish":{"name":"n"},"correlationId":"c4"}"#;
        let error = ask(stage, &mut socket, text);
        let (correlation_id, code, message) = error_of(&error);
        assert_eq!((correlation_id.as_deref(), code), (Some("c4"), 3));
        assert_eq!(message, "\"publish.payload\" is missing");
    });
}

#[test]
fn names_of_fields_are_camel_or_snake_case_and_unknown_ones_are_ignored() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let text = r#"{"x":[{}],"correlation_id":"c","subscribe":{"y":1,"name":"n","target":{"layout_id":"l","project_id":"p","collection_id":"c","z":null}}}"#;
        let expected = r#"{"result":{"correlationId":"c","subscribed":{"name":"n","target":{"layoutId":"l","projectId":"p","collectionId":"c"}}}}"#;
        assert_eq!(ask(stage, &mut socket, text), expected);
        let text = r#"{"publish":{"name":"m","payload":{},"request_metadata":[1]}}"#;
        let expected = r#"{"result":{"published":{"id":"<uuid>","name":"m","payload":{},"requestMetadata":[1]}}}"#;
        assert_eq!(ask(stage, &mut socket, text), expected);
    });
}

#[test]
fn payload_and_metadata_keep_the_bytes_sent() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "n", "");
        let payload = "{ \"a\" : 1.50,\n\"b\":\"\\u00e9\", \"b\":1e400 }";
        let text = format!(
            r#"{{"publish":{{"requestMetadata": [ 1.0 ] ,"payload": {payload} ,"name":"n"}}}}"#
        );
        socket.say(&mut stage.node, &text);
        let event = format!(
            r#"{{"id":"<uuid>","name":"n","payload":{payload},"requestMetadata":[ 1.0 ]}}"#
        );
        assert_eq!(
            texts(stage, &mut socket),
            [
                format!(r#"{{"result":{{"published":{event}}}}}"#),
                format!(r#"{{"result":{{"event":{event}}}}}"#),
            ]
        );
    });
}

#[test]
fn replies_come_in_the_order_of_requests() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let requests = [
            r#"{"ping":"a","correlationId":"1"}"#,
            r#"{"subscribe":{"name":"n","target":{"layoutId":"l","projectId":"p","collectionId":"c"}},"correlationId":"2"}"#,
            r#"{"publish":{"name":"m","payload":{},"target":{"layoutId":"k","projectId":"p","collectionId":"c"}},"correlationId":"3"}"#,
            r#"{"ping":"","correlationId":"4"}"#,
            r#"{"unsubscribe":{"name":"n"},"correlationId":"5"}"#,
            r#"{"publish":{"name":"m","payload":{}},"correlationId":"6"}"#,
            r#"{"ping":"b","correlationId":"7"}"#,
        ];
        // All at once, before any is answered.
        for request in requests {
            socket.send(&mut stage.node, request);
        }
        stage.node.settle();
        let texts = stage.texts(&mut socket);
        let ids = texts.iter().map(|text| {
            let reply: serde_json::Value = serde_json::from_str(text).expect("JSON");
            reply["result"]["correlationId"]
                .as_str()
                .expect("an id")
                .to_owned()
        });
        assert_eq!(ids.collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "6", "7"]);
    });
}

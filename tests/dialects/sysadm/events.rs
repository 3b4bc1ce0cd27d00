//! Contract: "Events" — published in another dialect, in this dialect's form, byte for byte.

use fanfare::dialect::Config;

use super::{PATH, call, event, subscribe};
use crate::stage::{everywhere, everywhere_with};

#[test]
fn the_payload_is_the_args_from_any_shard_to_any_shard() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, &["dispatcher"]);
        }
        let tokens: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
        for payload in [
            r#"{"process_id":"id","state":"running"}"#,
            r#"{ "cmd_list" : ["a", "b"],"return_codes/a":"0" }"#,
            "7",
            "null",
            r#""text""#,
            "[1.0,1e2]",
        ] {
            for token in &tokens {
                stage.publish(token, "\"dispatcher\"", payload);
            }
            for socket in &mut sockets {
                let texts = socket.texts(&mut stage.node);
                assert_eq!(texts, vec![event("dispatcher", payload); tokens.len()]);
            }
        }
    });
}

#[test]
fn a_class_is_known_however_its_publisher_escaped_it() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["life-preserver"]);
        stage.publish("t", r#""life\u002dpreserver""#, "1");
        let expected = event(r"life\u002dpreserver", "1");
        assert_eq!(stage.texts(&mut socket), [&*expected]);
        // And it is retained as any other of that class.
        let mut later = stage.open(PATH, "");
        assert_eq!(
            subscribe(stage, &mut later, &["life-preserver"]),
            [expected]
        );
    });
}

#[test]
fn priorities_are_text() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["life-preserver"]);
        for number in 0..=11 {
            let payload = format!(
                r#"{{"class":"snapshot","message":"m","priority":{number},"x":{{"priority":1}}}}"#
            );
            stage.publish("t", "\"life-preserver\"", &payload);
            let word = match number {
                0..=2 => "Information",
                3..=5 => "Warning",
                6..=8 => "Critical",
                _ => "Urgent",
            };
            let spelled = format!("\"{number} - {word}\"");
            let expected = match number {
                // No such priority.
                11 => payload,
                _ => payload.replacen(&number.to_string(), &spelled, 1),
            };
            assert_eq!(
                stage.texts(&mut socket),
                [event("life-preserver", &expected)]
            );
        }
        let text = r#"{"priority":"3 - Warning"}"#;
        stage.publish("t", "\"life-preserver\"", text);
        assert_eq!(stage.texts(&mut socket), [event("life-preserver", text)]);
    });
}

#[test]
fn names_that_are_no_strings_and_the_servers_own_events() {
    let mut config = Config::default();
    config.sysadm.classes = vec!["*".to_owned()];
    everywhere_with(&config, |stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, &["*"]);
        }
        let token = stage.create(r#"{"event_id":"g","project_id":"p"}"#);
        stage.publish(&token, "7", "1");
        stage.publish(&token, "{ \"a\" : [ 1 ] }", "2");
        for call in ["start", "pause"] {
            let line = format!("POST /api/sessions/{token}/{call}");
            assert_eq!(stage.ask(&token, &line, "", "").status, 200);
        }
        for socket in &mut sockets {
            let expected = [
                event("7", "1"),
                event(r#"{\"a\":[1]}"#, "2"),
                event("status", "\"running\""),
                event("status", "\"paused\""),
            ];
            assert_eq!(socket.texts(&mut stage.node), expected);
        }
    });
}

#[test]
fn the_same_event_reaches_both_sockets_each_in_its_form() {
    everywhere(|stage| {
        let mut lives = stage.open_everywhere("/live/ws");
        let mut sysadms = stage.open_everywhere(PATH);
        for socket in &mut sysadms {
            subscribe(stage, socket, &["dispatcher"]);
        }
        // Many in one tick, so that both encodings' frames are put together.
        let event_text = r#"{"type":"dispatcher","data":{"n":1}}"#;
        let posted = stage.post("t", &format!("[{}]", [event_text; 50].join(",")));
        assert_eq!(posted.status, 200);
        for socket in &mut sysadms {
            let texts = socket.texts(&mut stage.node);
            assert_eq!(texts, vec![event("dispatcher", r#"{"n":1}"#); 50]);
        }
        for socket in &mut lives {
            let texts = socket.texts(&mut stage.node);
            let expected = r#"{"type":"dispatcher","time":1700000000000,"coreServerId":"00000000-0000-0000-0000-000000000000","sessionId":"t","n":1}"#;
            assert_eq!(texts, vec![expected; 50]);
        }
    });
}

#[test]
fn clients_cannot_publish_and_nothing_is_executed() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for (namespace, name) in [
            ("rpc", "dispatcher"),
            ("rpc", "syscache"),
            ("events", "publish"),
            ("events", "dispatcher"),
            ("events", "Subscribe"),
            ("nothing", "subscribe"),
        ] {
            let answer = socket.ask(&mut stage.node, &call(namespace, name, r#"["dispatcher"]"#));
            assert_eq!(answer, super::error(404), "{namespace} {name}");
        }
        assert_eq!(stage.node.sum("events_published"), 0);
    });
}

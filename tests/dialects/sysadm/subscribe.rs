//! Contract: "Subscribe" — classes, lists and single names, what is answered.

use fanfare::dialect::Config;

use super::{PATH, call, error, event, response, subscribe};
use crate::stage::{everywhere, everywhere_with};

#[test]
fn both_paths_lead_here() {
    everywhere(|stage| {
        for path in [PATH, "/sysadm/ws"] {
            let mut socket = stage.open(path, "");
            subscribe(stage, &mut socket, &["dispatcher"]);
        }
    });
}

#[test]
fn no_subprotocol_is_chosen_whatever_is_offered() {
    everywhere(|stage| {
        for offered in ["", "Sec-WebSocket-Protocol: sysadm, Bearer, token\r\n"] {
            let mut socket = stage.open(PATH, offered);
            assert_eq!(socket.protocol, None);
            subscribe(stage, &mut socket, &["dispatcher"]);
        }
    });
}

#[test]
fn the_contracts_example() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let text = r#"{"namespace":"events","name":"subscribe","id":"a","args":["dispatcher","life-preserver"]}"#;
        let answer = socket.ask(&mut stage.node, text);
        let expected = r#"{"args":{"subscribe":"life-preserver"},"id":"a","name":"response","namespace":"events"}"#;
        assert_eq!(answer, expected);
        let text = text.replace("subscribe", "unsubscribe");
        let answer = socket.ask(&mut stage.node, &text);
        assert_eq!(answer, expected.replace("subscribe", "unsubscribe"));
    });
}

#[test]
fn known_classes_are_exact_and_unknown_ones_are_skipped() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for (args, answered) in [
            (r#""dispatcher""#, r#"{"subscribe":"dispatcher"}"#),
            (
                r#"["nothing","system-state","Dispatcher"]"#,
                r#"{"subscribe":"system-state"}"#,
            ),
            (r#"["nothing"]"#, "{}"),
            (r#""nothing""#, "{}"),
            (r#"["*"]"#, "{}"),
            (r#"["life-*"]"#, "{}"),
            (r#"[""]"#, "{}"),
        ] {
            let answer = socket.ask(&mut stage.node, &call("events", "subscribe", args));
            assert_eq!(answer, response("events", answered), "{args}");
        }
        for name in ["nothing", "Dispatcher", "life-preserver", "dispatcher"] {
            stage.publish("t", &format!("\"{name}\""), "{}");
        }
        assert_eq!(stage.texts(&mut socket), [event("dispatcher", "{}")]);
    });
}

#[test]
fn the_operator_lists_further_classes_and_patterns() {
    let mut config = Config::default();
    config.sysadm.classes = vec!["backup:*".to_owned(), "alarm".to_owned()];
    everywhere_with(&config, |stage| {
        let mut all = stage.open(PATH, "");
        let mut some = stage.open(PATH, "");
        subscribe(stage, &mut all, &["alarm", "backup:*"]);
        subscribe(stage, &mut some, &["backup:daily", "backup:home:*"]);
        for name in [
            "backup:daily",
            "backup:home:rob",
            "backup:weekly",
            "alarm",
            "alarms",
        ] {
            stage.publish("t", &format!("\"{name}\""), "1");
        }
        let expected = ["backup:daily", "backup:home:rob", "backup:weekly", "alarm"];
        assert_eq!(stage.texts(&mut all), expected.map(|name| event(name, "1")));
        let expected = ["backup:daily", "backup:home:rob"];
        assert_eq!(
            stage.texts(&mut some),
            expected.map(|name| event(name, "1"))
        );
        // Wider than what is listed is unknown.
        let answer = some.ask(&mut stage.node, &call("events", "subscribe", r#""back*""#));
        assert_eq!(answer, response("events", "{}"));
    });
}

#[test]
fn what_is_no_list_of_names_is_a_bad_request() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["dispatcher"]);
        for name in ["subscribe", "unsubscribe"] {
            for args in ["[]", "{}", "7", "null", "true", r#"["dispatcher",7]"#] {
                let answer = socket.ask(&mut stage.node, &call("events", name, args));
                assert_eq!(answer, error(400), "{name} {args}");
            }
            let absent = format!(r#"{{"namespace":"events","name":"{name}","id":"1"}}"#);
            assert_eq!(socket.ask(&mut stage.node, &absent), error(400));
        }
        stage.publish("t", "\"dispatcher\"", "1");
        assert_eq!(stage.texts(&mut socket).len(), 1);
    });
}

#[test]
fn subscribing_twice_delivers_once_and_unsubscribing_removes_all() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["dispatcher", "dispatcher"]);
        subscribe(stage, &mut socket, &["dispatcher", "life-preserver"]);
        stage.publish("t", "\"dispatcher\"", "1");
        assert_eq!(stage.texts(&mut socket), [event("dispatcher", "1")]);
        let text = call("events", "unsubscribe", r#"["dispatcher","nothing"]"#);
        let answer = socket.ask(&mut stage.node, &text);
        assert_eq!(
            answer,
            response("events", r#"{"unsubscribe":"dispatcher"}"#)
        );
        stage.publish("t", "\"dispatcher\"", "2");
        stage.publish("t", "\"life-preserver\"", "3");
        assert_eq!(stage.texts(&mut socket), [event("life-preserver", "3")]);
        let text = call("events", "unsubscribe", r#""life-preserver""#);
        socket.ask(&mut stage.node, &text);
        stage.publish("t", "\"life-preserver\"", "4");
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        // It may come back.
        let retained = subscribe(stage, &mut socket, &["life-preserver"]);
        assert_eq!(retained, [event("life-preserver", "4")]);
    });
}

#[test]
fn subscriptions_end_with_the_connection() {
    everywhere(|stage| {
        for round in 0..3 {
            let mut socket = stage.open(PATH, "");
            stage.publish("t", "\"dispatcher\"", "1");
            assert_eq!(stage.texts(&mut socket), [""; 0], "round {round}");
            subscribe(stage, &mut socket, &["dispatcher"]);
            stage.node.break_off(socket.peer);
        }
        stage.node.pass(std::time::Duration::from_secs(1));
        assert_eq!(stage.node.sum("subscriptions"), 0);
    });
}

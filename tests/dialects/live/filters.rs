//! Contract: "Filter" — which events pass, on every shard.

use super::{PATH, accepted, filter, set, types};
use crate::stage::{Stage, everywhere};
use crate::support::socket::Socket;

/// The events that a socket with these filters gets, of those published: pairs of name and payload.
#[track_caller]
fn passing(stage: &mut Stage, filters: &[(&str, &str)], events: &[(&str, &str)]) -> Vec<usize> {
    let mut sockets = stage.open_everywhere(PATH);
    for socket in &mut sockets {
        set(stage, socket, filters);
    }
    let mut passed: Option<Vec<usize>> = None;
    let mut counts = vec![Vec::new(); sockets.len()];
    for (index, (name, payload)) in events.iter().enumerate() {
        stage.publish("t", &format!("\"{name}\""), payload);
        for (socket, counts) in sockets.iter_mut().zip(&mut counts) {
            counts.extend(socket.texts(&mut stage.node).iter().map(|_| index));
        }
    }
    for counts in counts {
        let first = passed.get_or_insert_with(|| counts.clone());
        assert_eq!(*first, counts, "shards differ");
    }
    for socket in sockets {
        stage.node.break_off(socket.peer);
    }
    passed.expect("there is a shard")
}

#[test]
fn the_four_examples_of_the_original() {
    everywhere(|stage| {
        let events = [
            ("dial", r#"{"username":"mikey"}"#),
            ("login", r#"{"username":"mikey"}"#),
            ("logout", r#"{"username":"mikey"}"#),
            ("login", r#"{"username":"rob"}"#),
            ("logout", "{}"),
            ("idle", r#"{"username":null}"#),
        ];
        let dial = [("type", "\"dial\"")];
        assert_eq!(passing(stage, &dial, &events), [0]);
        let either = [("type", "\"login\""), ("type", "\"logout\"")];
        assert_eq!(passing(stage, &either, &events), [1, 2, 3, 4]);
        let [login, logout] = either;
        let mikeys = [login, logout, ("username", "\"mikey\"")];
        assert_eq!(passing(stage, &mikeys, &events), [1, 2]);
        let anybody = [("username", "\"*\"")];
        assert_eq!(passing(stage, &anybody, &events), [0, 1, 2, 3]);
    });
}

#[test]
fn comparison_is_exact_and_case_sensitive() {
    everywhere(|stage| {
        let events = [
            ("a", r#"{"p":"x"}"#),
            ("A", r#"{"p":"X"}"#),
            ("aa", r#"{"P":"x"}"#),
            ("a*", r#"{"p":"x "}"#),
        ];
        assert_eq!(passing(stage, &[("type", "\"a\"")], &events), [0]);
        assert_eq!(passing(stage, &[("type", "\"a*\"")], &events), [3]);
        assert_eq!(passing(stage, &[("p", "\"x\"")], &events), [0]);
    });
}

#[test]
fn a_text_also_matches_a_number_or_boolean_with_that_json_text() {
    everywhere(|stage| {
        let events = [
            ("n", r#"{"p":1.50}"#),
            ("n", r#"{"p":"1.50"}"#),
            ("n", r#"{"p":1.5}"#),
            ("n", r#"{"p":true}"#),
            ("n", r#"{"p":"true"}"#),
            ("n", r#"{"p":null}"#),
            ("n", r#"{"p":"null"}"#),
            ("n", r#"{"p":[1.50]}"#),
        ];
        assert_eq!(passing(stage, &[("p", "\"1.50\"")], &events), [0, 1]);
        assert_eq!(passing(stage, &[("p", "1.50")], &events), [0]);
        assert_eq!(passing(stage, &[("p", "\"true\"")], &events), [3, 4]);
        assert_eq!(passing(stage, &[("p", "true")], &events), [3]);
        assert_eq!(passing(stage, &[("p", "\"null\"")], &events), [6]);
        assert_eq!(passing(stage, &[("p", "null")], &events), [5]);
        let present = [0, 1, 2, 3, 4, 6, 7];
        assert_eq!(passing(stage, &[("p", "\"*\"")], &events), present);
    });
}

#[test]
fn a_dotted_property_looks_into_nested_objects() {
    everywhere(|stage| {
        let events = [
            ("n", r#"{"caller":{"number":7}}"#),
            ("n", r#"{"caller.number":7}"#),
            ("n", r#"{"caller.number":8,"caller":{"number":7}}"#),
            ("n", r#"{"caller":7}"#),
            ("n", r#"{"caller":[{"number":7}]}"#),
        ];
        let seven = [("caller.number", "\"7\"")];
        assert_eq!(passing(stage, &seven, &events), [0, 1]);
    });
}

#[test]
fn a_dotted_property_does_not_look_into_what_a_base_property_hides() {
    everywhere(|stage| {
        let events = [
            ("n", r#"{"sessionId":{"x":1},"type":{"x":1}}"#),
            ("n", r#"{"sessionId.x":1,"type.x":1}"#),
            ("n", r#"{"a":{"sessionId":{"x":1}}}"#),
        ];
        assert_eq!(passing(stage, &[("sessionId.x", "1")], &events), [1]);
        assert_eq!(passing(stage, &[("type.x", "\"*\"")], &events), [1]);
        assert_eq!(passing(stage, &[("a.sessionId.x", "1")], &events), [2]);
    });
}

#[test]
fn base_properties_are_filtered_like_any_other() {
    everywhere(|stage| {
        let token = stage.create(r#"{"event_id":"g","project_id":"p"}"#);
        let nil = "\"00000000-0000-0000-0000-000000000000\"";
        let session = format!("\"{token}\"");
        let cases: [(&[(&str, &str)], bool); 12] = [
            (&[("groupId", "\"g\"")], true),
            (&[("groupId", "\"p\"")], false),
            (&[("groupId", "\"other\""), ("groupId", "\"g\"")], true),
            (&[("projectId", "\"p\"")], true),
            (&[("sessionId", &session)], true),
            (&[("sessionId", &session), ("groupId", "\"x\"")], false),
            (&[("time", "1700000000000")], true),
            (&[("time", "\"1700000000000\"")], true),
            (&[("time", "1")], false),
            (&[("coreServerId", nil)], true),
            (&[("coreServerId", "\"another\"")], false),
            (&[("coreServerId", "\"*\""), ("groupId", "\"*\"")], true),
        ];
        for (filters, hears) in cases {
            let mut sockets = stage.open_everywhere(PATH);
            for socket in &mut sockets {
                set(stage, socket, filters);
            }
            stage.publish(&token, "\"n\"", r#"{"time":1,"groupId":"x"}"#);
            for mut socket in sockets {
                let texts = socket.texts(&mut stage.node);
                assert_eq!(texts.len(), usize::from(hears), "{filters:?}");
                stage.node.break_off(socket.peer);
            }
        }
    });
}

#[test]
fn a_new_message_replaces_the_old_set_and_an_empty_one_lets_all_in() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let publish = |stage: &mut Stage, socket: &mut Socket| {
            for name in ["\"a\"", "\"b\""] {
                stage.publish("t", name, "{}");
            }
            types(stage, socket)
        };
        // Before any filter message every event is received.
        assert_eq!(publish(stage, &mut socket), ["a", "b"]);
        set(stage, &mut socket, &[("type", "\"a\"")]);
        assert_eq!(publish(stage, &mut socket), ["a"]);
        set(stage, &mut socket, &[("type", "\"b\"")]);
        assert_eq!(publish(stage, &mut socket), ["b"]);
        // What can never match is a filter all the same.
        set(stage, &mut socket, &[("coreServerId", "\"x\"")]);
        assert_eq!(publish(stage, &mut socket), [""; 0]);
        set(stage, &mut socket, &[]);
        assert_eq!(publish(stage, &mut socket), ["a", "b"]);
    });
}

#[test]
fn an_event_comes_once_however_often_a_filter_is_repeated() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let same = ("type", "\"a\"");
        set(stage, &mut socket, &[same, same, ("p", "1"), ("p", "1")]);
        stage.publish("t", "\"a\"", r#"{"p":1}"#);
        assert_eq!(types(stage, &mut socket), ["a"]);
        // The most that there may be, of the greatest length.
        let value = format!("\"{}\"", "v".repeat(4_096));
        let most = vec![("p", &*value); 256];
        let answer = socket.ask(&mut stage.node, &filter(&most[..200]));
        assert_eq!(answer, accepted(200));
        stage.publish("t", "\"a\"", &format!(r#"{{"p":{value}}}"#));
        assert_eq!(types(stage, &mut socket), ["a"]);
        let short = vec![("p", "1"); 256];
        set(stage, &mut socket, &short);
    });
}

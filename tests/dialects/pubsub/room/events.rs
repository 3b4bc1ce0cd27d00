//! Contract: event names match exactly; a room hears its own session, its group and its
//! organization, and no other room; a publisher hears itself.

use super::{enter, enter_as, expect, heard, news, publish, published, subscribe};
use crate::stage::everywhere;

#[test]
fn events_of_the_subscribed_names_come_to_the_letter() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        assert_eq!((member.next, &*member.more), (0, &[][..]));
        assert_eq!(subscribe(stage, &mut member, &["hello", "[7]"]), []);
        stage.publish("t", "\"hello\"", r#"{"a" : 1.50}"#);
        let texts = stage.texts(&mut member.socket);
        assert_eq!(texts.len(), 1);
        let data = r#"{"eventName":"hello","data":{"a" : 1.50},"id":""#;
        assert!(texts[0].starts_with(data), "{}", texts[0]);
        assert!(texts[0].ends_with("\",\"number\":0}"), "{}", texts[0]);
        for other in ["\"Hello\"", "\"hello2\"", "\"hell\"", "\"*\"", "7"] {
            stage.publish("t", other, "{}");
        }
        assert_eq!(news(stage, &mut member), []);
        // What a name is that is no string, is its compact text.
        stage.publish("t", "[ 7 ]", "{}");
        assert_eq!(news(stage, &mut member), expect(&[("[7]", 6)]));
        let text = r#"{"action":"unsubscribe-event","data":{"eventName":"hello"},"ref":2}"#;
        let reply = member.socket.ask(&mut stage.node, text);
        assert_eq!(reply, r#"{"action":"unsubscribed","ref":2}"#);
        stage.publish("t", "\"hello\"", "1");
        stage.publish("t", "[7]", "1");
        assert_eq!(news(stage, &mut member), expect(&[("[7]", 8)]));
    });
}

#[test]
fn a_message_of_a_mebibyte_is_taken_and_no_longer_one() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        let frame = publish("n", "\"\"", "").len();
        let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - frame));
        let data = long(1024 * 1024);
        let text = publish("n", &data, "");
        member.socket.say(&mut stage.node, &text);
        let texts = stage.texts(&mut member.socket);
        published(&texts[0]);
        assert_eq!(heard(&texts[1]).data, data);
        let text = publish("n", &long(1024 * 1024 + 1), "");
        member.socket.say(&mut stage.node, &text);
        assert_eq!(member.socket.close_code(&mut stage.node), 1_009);
    });
}

#[test]
fn a_publisher_hears_itself_after_the_reply() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["hello"]);
        for (scope, at) in [("", 0), ("session", 1), ("event", 2), ("organization", 3)] {
            let text = publish("hello", r#"{"foo":"bar"}"#, scope);
            member.socket.say(&mut stage.node, &text);
            let texts = stage.texts(&mut member.socket);
            assert_eq!(texts.len(), 2, "{texts:?}");
            let (id, number) = published(&texts[0]);
            let event = heard(&texts[1]);
            assert_eq!((&event.id, event.number), (&id, at), "{scope}");
            assert_eq!(event.data, r#"{"foo":"bar"}"#);
            // A number is the room's, so an event above it has none.
            assert_eq!(number, (at < 2).then_some(at), "{scope}");
        }
    });
}

#[test]
fn a_room_hears_what_is_above_it_and_no_other_room() {
    everywhere(|stage| {
        let rooms = [("e", "t"), ("e", "u"), ("f", "v")];
        let mut members = rooms.map(|room| {
            let mut member = enter_as(stage, room, "", "");
            subscribe(stage, &mut member, &["n"]);
            member
        });
        let mut scenes = [0; 3];
        for (scope, reached) in [
            ("session", [true, false, false]),
            ("event", [true, true, false]),
            ("organization", [true, true, true]),
        ] {
            members[0]
                .socket
                .say(&mut stage.node, &publish("n", "1", scope));
            let first = stage.texts(&mut members[0].socket);
            published(&first[0]);
            assert_eq!(heard(&first[1]).number, scenes[0], "{scope}");
            scenes[0] += 1;
            for at in [1, 2] {
                let expected = expect(&[("n", scenes[at])][..usize::from(reached[at])]);
                assert_eq!(news(stage, &mut members[at]), expected, "{scope}");
                scenes[at] += u64::from(reached[at]);
            }
        }
    });
}

#[test]
fn other_dialects_hear_what_a_room_publishes() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        let mut live = stage.open("/live/ws", "");
        let filter = r#"{"type":"filter","filters":[{"property":"type","value":"n"}]}"#;
        live.ask(&mut stage.node, filter);
        let reply = member
            .socket
            .ask(&mut stage.node, &publish("n", r#"{"a":1}"#, ""));
        assert_eq!(published(&reply).1, Some(0));
        let texts = stage.texts(&mut live);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains("\"groupId\":\"e\""), "{texts:?}");
        let poll = stage.get("t", "?last_event=-1&timeout=0");
        assert_eq!(poll.body, r#"[{"type":"n","data":{"a":1},"number":0}]"#);
    });
}

#[test]
fn requests_are_answered_in_their_order() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        for at in 0..20 {
            let scope = ["session", "event", "organization"][at % 3];
            let text = publish("n", "1", scope).replace("\"ref\":7", &format!("\"ref\":{at}"));
            member.socket.send(&mut stage.node, &text);
            member.socket.send(
                &mut stage.node,
                &format!(r#"{{"action":"dance","ref":{at}}}"#),
            );
        }
        stage.node.settle();
        let texts = stage.texts(&mut member.socket);
        let replies = texts.iter().filter(|text| text.starts_with("{\"action\""));
        let refs: Vec<i64> = replies
            .map(|text| {
                let reply: serde_json::Value = serde_json::from_str(text).expect("JSON");
                reply["ref"].as_i64().expect("a ref")
            })
            .collect();
        let expected: Vec<i64> = (0..20).flat_map(|at| [at, at]).collect();
        assert_eq!(refs, expected);
        let events = texts
            .iter()
            .filter(|text| text.starts_with("{\"eventName\""));
        let numbers: Vec<u64> = events.map(|text| heard(text).number).collect();
        assert_eq!(numbers, (0..20).collect::<Vec<u64>>());
    });
}

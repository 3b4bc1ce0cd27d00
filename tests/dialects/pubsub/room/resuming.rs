//! Contract: "With `last_event`, subscriptions made in the first message after `welcome` replay
//! from the log before live events; numbers then never go backwards."

use std::time::Duration;

use fanfare::dialect::Config;
use serde_json::Value;

use super::{Member, enter, expect, heard, news, pairs, publish, subscribe};
use crate::stage::{Stage, everywhere, everywhere_with};

fn publish_some(stage: &mut Stage, names: &[&str]) {
    for name in names {
        stage.publish("t", &format!("\"{name}\""), "{}");
    }
}

#[test]
fn the_first_message_replays_from_the_cursor_on() {
    everywhere(|stage| {
        publish_some(stage, &["a", "b", "a", "c"]);
        let mut member = enter(stage, "&last_event=0");
        assert_eq!((member.next, &*member.more), (4, &[][..]));
        // Published after the welcome and before the first message.
        publish_some(stage, &["a"]);
        assert_eq!(news(stage, &mut member), []);
        let replayed = subscribe(stage, &mut member, &["a", "b"]);
        assert_eq!(pairs(replayed), expect(&[("b", 1), ("a", 2), ("a", 4)]));
        publish_some(stage, &["c", "a"]);
        assert_eq!(news(stage, &mut member), expect(&[("a", 6)]));
        // A later subscription hears what comes.
        assert_eq!(subscribe(stage, &mut member, &["c"]), []);
        publish_some(stage, &["c"]);
        assert_eq!(news(stage, &mut member), expect(&[("c", 7)]));
    });
}

#[test]
fn without_a_cursor_the_first_message_hears_from_the_welcome_on() {
    everywhere(|stage| {
        publish_some(stage, &["a"]);
        let mut member = enter(stage, "");
        publish_some(stage, &["a"]);
        let replayed = subscribe(stage, &mut member, &["a"]);
        assert_eq!(pairs(replayed), expect(&[("a", 1)]));
    });
}

#[test]
fn after_any_other_request_it_is_too_late() {
    let unsubscribe = r#"{"action":"unsubscribe-event","data":{"eventName":"none"},"ref":1}"#;
    for first in [unsubscribe, &publish("other", "1", "")] {
        everywhere(|stage| {
            publish_some(stage, &["a"]);
            let mut member = enter(stage, "&last_event=-1");
            let reply = member.socket.ask(&mut stage.node, first);
            assert!(!reply.contains("error"), "{reply}");
            publish_some(stage, &["a"]);
            assert_eq!(subscribe(stage, &mut member, &["a"]), []);
            let next = stage.publish("t", "\"a\"", "{}");
            assert_eq!(news(stage, &mut member), expect(&[("a", next)]));
        });
    }
}

#[test]
fn what_is_not_carried_out_is_no_first_message() {
    everywhere(|stage| {
        publish_some(stage, &["a"]);
        let mut member = enter(stage, "&last_event=-1");
        for nothing in [
            r#"{"action":"authenticate","data":{"token":"x"}}"#,
            "nonsense",
            r#"{"action":"subscribe-event","data":{"eventName":"b"}}"#,
            r#"{"action":"publish-event","data":{"eventName":""},"ref":1}"#,
        ] {
            member.socket.say(&mut stage.node, nothing);
        }
        assert_eq!(stage.texts(&mut member.socket).len(), 3);
        publish_some(stage, &["a"]);
        let replayed = subscribe(stage, &mut member, &["a"]);
        assert_eq!(pairs(replayed), expect(&[("a", 0), ("a", 1)]));
    });
}

#[test]
fn what_grows_too_old_before_the_first_message_is_missed() {
    everywhere(|stage| {
        publish_some(stage, &["a", "a"]);
        let mut member = enter(stage, "&last_event=-1");
        // The time has come, and nobody has tidied up yet.
        let age = Config::default().hub.retention.age + Duration::from_millis(1);
        stage.node.now.instant = stage.node.now.instant + age;
        let text = r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":1}"#;
        member.socket.say(&mut stage.node, text);
        let texts = stage.texts(&mut member.socket);
        let gap = r#"{"action":"gap","data":{"from":0,"to":1}}"#;
        assert_eq!(texts[1..], [gap]);
        publish_some(stage, &["a"]);
        assert_eq!(news(stage, &mut member), expect(&[("a", 2)]));
    });
}

#[test]
fn what_is_missed_is_told() {
    let mut config = Config::default();
    config.hub.retention.events = 3;
    everywhere_with(&config, |stage| {
        publish_some(stage, &["a", "a", "a", "a", "a"]);
        let mut member = enter(stage, "&last_event=0");
        let gap = r#"{"action":"gap","data":{"from":1,"to":1}}"#;
        assert_eq!(member.more, [gap]);
        // Two more are lost while its position waits.
        publish_some(stage, &["a", "a"]);
        let text = r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":1}"#;
        member.socket.say(&mut stage.node, text);
        let texts = stage.texts(&mut member.socket);
        let gap = r#"{"action":"gap","data":{"from":2,"to":3}}"#;
        assert_eq!(&texts[1], gap);
        let numbers: Vec<u64> = texts[2..].iter().map(|text| heard(text).number).collect();
        assert_eq!(numbers, [4, 5, 6]);
    });
}

#[test]
fn a_cursor_of_another_life_is_a_reset() {
    everywhere(|stage| {
        publish_some(stage, &["a"]);
        let epoch = enter(stage, "").epoch;
        let reset = [r#"{"action":"gap","data":{"reset":true}}"#];
        for cursor in [
            "&last_event=0&epoch=0000000000000001".to_owned(),
            "&last_event=0&epoch=x".to_owned(),
            "&last_event=7".to_owned(),
            format!("&last_event=7&epoch={epoch}"),
        ] {
            let mut member = enter(stage, &cursor);
            assert_eq!(member.more, reset, "{cursor}");
            // What is still there is shown.
            let replayed = subscribe(stage, &mut member, &["a"]);
            assert_eq!(pairs(replayed), expect(&[("a", 0)]), "{cursor}");
        }
        let member = enter(stage, &format!("&last_event=0&epoch={epoch}"));
        assert_eq!(member.more, [""; 0]);
    });
}

#[test]
fn numbers_never_go_backwards_and_nothing_is_lost() {
    everywhere(|stage| {
        let mut publisher = enter(stage, "");
        let send = |stage: &mut Stage, publisher: &mut Member, at: usize| {
            let scope = ["session", "event", "organization"][at % 3];
            let text = publish("n", "1", scope);
            publisher.socket.send(&mut stage.node, &text);
        };
        for at in 0..10 {
            send(stage, &mut publisher, at);
        }
        stage.node.settle();
        // Everything at once, without a rest between: the handshake, the first message, further
        // events.
        let mut member = enter(stage, "&last_event=1");
        let text = r#"{"action":"subscribe-event","data":{"eventName":"n"},"ref":1}"#;
        member.socket.send(&mut stage.node, text);
        for at in 0..10 {
            send(stage, &mut publisher, at);
        }
        stage.node.settle();
        let texts = stage.texts(&mut member.socket);
        let numbers: Vec<u64> = texts[1..].iter().map(|text| heard(text).number).collect();
        assert_eq!(numbers, (2..20).collect::<Vec<u64>>());
        // Back again, as a client that was away.
        let (epoch, last) = (&member.epoch, 14);
        let mut again = enter(stage, &format!("&last_event={last}&epoch={epoch}"));
        let replayed = subscribe(stage, &mut again, &["n"]);
        let numbers: Vec<u64> = replayed.iter().map(|event| event.number).collect();
        assert_eq!(numbers, (15..20).collect::<Vec<u64>>());
    });
}

#[test]
fn who_takes_nothing_for_too_long_is_told_of_each_gap_once() {
    let mut config = Config::default();
    config.hub.retention.events = 5;
    everywhere_with(&config, |stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        let data = format!("\"{}\"", "x".repeat(20_000));
        for _ in 0..3 {
            stage.node.open_window(member.socket.peer, 100);
            for _ in 0..20 {
                stage.publish("t", "\"n\"", &data);
            }
            stage.node.open_window(member.socket.peer, usize::MAX);
            stage.node.settle();
        }
        let (mut next, mut gaps) = (0, 0);
        for text in stage.texts(&mut member.socket) {
            let said: Value = serde_json::from_str(&text).expect("JSON");
            if said["action"] == "gap" {
                assert_eq!(said["data"]["from"], next);
                next = said["data"]["to"].as_u64().expect("a number") + 1;
                gaps += 1;
            } else {
                assert_eq!(heard(&text).number, next);
                next += 1;
            }
        }
        assert_eq!((next, gaps), (60, 3));
    });
}

#[test]
fn what_nobody_wanted_is_neither_shown_nor_missed_later() {
    let mut config = Config::default();
    config.hub.retention.events = 30;
    everywhere_with(&config, |stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        stage.node.open_window(member.socket.peer, 100);
        let data = format!("\"{}\"", "x".repeat(20_000));
        for _ in 0..10 {
            stage.publish("t", "\"n\"", &data);
        }
        // It has more to take than it is given at a time, and wants nothing more.
        let text = r#"{"action":"unsubscribe-event","data":{"eventName":"n"},"ref":1}"#;
        member.socket.send(&mut stage.node, text);
        stage.node.settle();
        for _ in 0..30 {
            stage.publish("t", "\"m\"", "1");
        }
        let text = r#"{"action":"subscribe-event","data":{"eventName":"m"},"ref":2}"#;
        member.socket.send(&mut stage.node, text);
        stage.node.settle();
        stage.node.open_window(member.socket.peer, usize::MAX);
        stage.node.settle();
        stage.publish("t", "\"m\"", "2");
        let texts = stage.texts(&mut member.socket);
        let replies = texts
            .iter()
            .position(|text| text.contains("\"unsubscribed\""));
        let rest = &texts[replies.expect("a reply")..];
        assert_eq!(rest.len(), 3, "{rest:?}");
        assert_eq!(rest[1], r#"{"action":"subscribed","ref":2}"#);
        assert_eq!(heard(&rest[2]).number, 40);
    });
}

#[test]
fn who_takes_nothing_for_a_while_misses_nothing_that_is_retained() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        stage.node.open_window(member.socket.peer, 100);
        let data = format!("\"{}\"", "x".repeat(20_000));
        for _ in 0..40 {
            stage.publish("t", "\"n\"", &data);
        }
        stage.node.pass(Duration::from_secs(1));
        stage.node.open_window(member.socket.peer, usize::MAX);
        stage.node.settle();
        let numbers: Vec<u64> = news(stage, &mut member).iter().map(|(_, n)| *n).collect();
        assert_eq!(numbers, (0..40).collect::<Vec<u64>>());
    });
}

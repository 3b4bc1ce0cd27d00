//! Contract: "Retained event" — the last of its class arrives before the reply, on whichever shard.

use fanfare::dialect::Config;

use super::{PATH, call, event, response, subscribe};
use crate::stage::{everywhere, everywhere_with};

#[test]
fn the_last_event_of_a_class_comes_before_the_reply() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        // Nothing retained, nothing sent.
        assert_eq!(subscribe(stage, &mut socket, &["life-preserver"]), [""; 0]);
        for token in ["a", "b", "c", "d"] {
            // Within a millisecond, which is the last of two shards' events is anybody's guess.
            stage.node.jump(1);
            stage.publish(token, "\"dispatcher\"", "0");
            stage.publish(token, "\"life-preserver\"", &format!("\"{token}\""));
            stage.publish(token, "\"system-state\"", "1");
        }
        for mut socket in stage.open_everywhere(PATH) {
            let classes = ["dispatcher", "system-state", "life-preserver"];
            let retained = subscribe(stage, &mut socket, &classes);
            let expected = [event("system-state", "1"), event("life-preserver", "\"d\"")];
            assert_eq!(retained, expected, "in the order that was asked for");
            // Whoever subscribes again gets it again, and live events once.
            let again = subscribe(stage, &mut socket, &["life-preserver", "life-preserver"]);
            assert_eq!(again, expected[1..]);
            stage.publish("a", "\"life-preserver\"", "\"d\"");
            assert_eq!(stage.texts(&mut socket), expected[1..]);
        }
    });
}

#[test]
fn an_event_is_either_retained_or_live_never_both_nor_neither() {
    everywhere(|stage| {
        // On the way from shard to shard while the subscriptions are made.
        let mut sockets = stage.open_everywhere(PATH);
        let text = call("events", "subscribe", r#""life-preserver""#);
        for socket in &mut sockets {
            socket.send(&mut stage.node, &text);
        }
        let publisher = stage.connect("t");
        let body = r#"{"type":"life-preserver","data":1}"#;
        let post = crate::support::http::request("POST /api/sessions/t/events", "", body);
        stage.node.send(publisher, post);
        stage.node.settle();
        let reply = response("events", r#"{"subscribe":"life-preserver"}"#);
        let event = event("life-preserver", "1");
        for socket in &mut sockets {
            let texts = stage.texts(socket);
            let count = |text: &String| texts.iter().filter(|other| *other == text).count();
            assert_eq!((count(&reply), count(&event), texts.len()), (1, 1, 2));
        }
    });
}

#[test]
fn the_operator_says_what_is_retained() {
    let mut config = Config::default();
    config.sysadm.classes = vec!["backup:*".to_owned()];
    config.sysadm.retained = vec!["backup:a".to_owned(), "backup:b".to_owned()];
    everywhere_with(&config, |stage| {
        for name in ["life-preserver", "backup:a", "backup:b", "backup:c"] {
            stage.publish("t", &format!("\"{name}\""), "1");
        }
        for mut socket in stage.open_everywhere(PATH) {
            assert_eq!(subscribe(stage, &mut socket, &["life-preserver"]), [""; 0]);
            // A pattern subscribes to all of them.
            let retained = subscribe(stage, &mut socket, &["backup:*"]);
            assert_eq!(retained, [event("backup:a", "1"), event("backup:b", "1")]);
        }
    });
}

#[test]
fn what_is_retained_is_mailed_even_where_nobody_listens() {
    everywhere(|stage| {
        let before = stage.node.sum("mail_sent");
        let home = stage.node.home("t");
        let peer = stage.node.connect(home);
        let body = r#"{"type":"life-preserver","data":1}"#;
        let post = crate::support::http::request("POST /api/sessions/t/events", "", body);
        assert_eq!(stage.node.ask(peer, post).status, 200);
        let others = stage.shards() as u64 - 1;
        assert_eq!(stage.node.sum("mail_sent") - before, others);
    });
}

//! Retained events, replies and live events on one connection, in order; slow clients of this
//! dialect.

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;

use super::{PATH, call, event, response, subscribe};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;

#[test]
fn all_that_one_tick_says_is_in_order_and_one_write() {
    everywhere(|stage| {
        let home = stage.node.home("t");
        let mut socket = stage.open_on(home, PATH, "");
        // The shard is known to listen.
        subscribe(stage, &mut socket, &["system-state"]);
        let publisher = stage.node.connect(home);
        let publish = |stage: &mut crate::stage::Stage, name: &str, data: &str| {
            let body = format!(r#"{{"type":"{name}","data":{data}}}"#);
            let post = request("POST /api/sessions/t/events", "", &body);
            stage.node.send(publisher, post);
            stage.node.receive(publisher, usize::MAX);
        };
        let before = stage.node.metrics[home].writes.value();
        let class = r#""life-preserver""#;
        publish(stage, "life-preserver", "1");
        publish(stage, "system-state", "2");
        socket.send(&mut stage.node, &call("events", "subscribe", class));
        stage.node.receive(socket.peer, usize::MAX);
        publish(stage, "life-preserver", "3");
        socket.send(&mut stage.node, &call("events", "unsubscribe", class));
        stage.node.receive(socket.peer, usize::MAX);
        publish(stage, "life-preserver", "4");
        publish(stage, "system-state", "5");
        stage.node.turn(home);
        assert_eq!(stage.node.metrics[home].writes.value() - before, 2);
        let expected = [
            event("system-state", "2"),
            event("life-preserver", "1"),
            response("events", r#"{"subscribe":"life-preserver"}"#),
            event("life-preserver", "3"),
            response("events", r#"{"unsubscribe":"life-preserver"}"#),
            event("system-state", "5"),
        ];
        assert_eq!(stage.texts(&mut socket), expected);
    });
}

#[test]
fn a_slow_client_is_told_what_it_missed_in_this_dialects_form() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 16 * 1024;
    config.hub.slow_consumer = SlowConsumer::DropOldest;
    everywhere_with(&config, |stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, &["dispatcher"]);
        stage.node.open_window(socket.peer, 10);
        let fill = "x".repeat(3_000);
        for number in 0..20 {
            stage.publish("t", "\"dispatcher\"", &format!("[{number},\"{fill}\"]"));
        }
        // In the place of what is missing: before the reply to what was asked after it.
        socket.say(&mut stage.node, &call("rpc", "identify", "{}"));
        stage.node.open_window(socket.peer, usize::MAX);
        stage.node.settle();
        let texts = stage.texts(&mut socket);
        let count = stage.node.sum("events_dropped");
        let notice = format!(
            r#"{{"args":{{"count":"{count}"}},"id":"","name":"dropped","namespace":"fanfare"}}"#
        );
        assert_eq!(texts[1], notice);
        assert_eq!(texts.len() as u64, 20 - count + 2);
        let expected = |number: u64| event("dispatcher", &format!("[{number},\"{fill}\"]"));
        assert_eq!(texts[0], expected(0));
        for (text, number) in texts[2..].iter().zip(count + 1..20) {
            assert_eq!(*text, expected(number));
        }
        assert!(texts.last().is_some_and(|text| text.contains("hostname")));
    });
}

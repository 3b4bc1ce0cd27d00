//! Pings, goodbyes, the drain, and what is left behind: nothing.

use std::time::Duration;

use fanfare::dialect::Config;
use tungstenite::Bytes;

use super::{PATH, filter, types};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http::request;
use crate::support::socket::Socket;
use crate::support::web_socket::Message;

/// Without events of the server's own.
fn quiet() -> Config {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    config
}

#[test]
fn a_client_is_pinged_and_dropped_when_it_is_dead() {
    everywhere_with(&quiet(), |stage| {
        let mut alive = stage.open(PATH, "");
        let dead = stage.open(PATH, "");
        stage.pass(Duration::from_secs(300), &mut [&mut alive]);
        assert_eq!(alive.pings(&mut stage.node), 12);
        assert!(!stage.node.peers[alive.peer].is_over());
        assert!(stage.node.peers[dead.peer].is_over());
        stage.publish("t", "\"n\"", "{}");
        assert_eq!(types(stage, &mut alive), ["n"]);
        assert_eq!(stage.node.sum("subscriptions"), 1);
    });
}

#[test]
fn a_client_that_only_takes_events_is_not_taken_for_dead() {
    everywhere_with(&quiet(), |stage| {
        let home = stage.node.home("t");
        let mut socket = stage.open_on(home, PATH, "");
        let publisher = stage.node.connect(home);
        let event = request(
            "POST /api/sessions/t/events",
            "",
            r#"{"type":"n","data":1}"#,
        );
        for _ in 0..1_200 {
            // Events are on their way whenever a ping is due.
            stage.node.send(publisher, &event);
            stage.node.receive(publisher, usize::MAX);
            stage.node.jump(100);
            stage.node.settle();
            socket.keep_alive(&mut stage.node);
        }
        assert!(!stage.node.peers[socket.peer].is_over());
        assert_eq!(types(stage, &mut socket).len(), 1_200);
    });
}

#[test]
fn a_ping_is_answered() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        let ping = Message::Ping(Bytes::from_static(b"are you there"));
        socket.send_message(&mut stage.node, ping);
        stage.node.settle();
        let received = std::mem::take(&mut stage.node.peers[socket.peer].received);
        assert_eq!(received, b"\x8a\x0dare you there");
    });
}

#[test]
fn a_client_leaves_by_itself() {
    everywhere(|stage| {
        let leavers = stage.open_everywhere(PATH);
        for mut socket in leavers {
            socket.send_message(&mut stage.node, Message::Close(None));
            stage.node.settle();
            assert_eq!(stage.node.peers[socket.peer].received, b"\x88\x00");
            assert!(stage.node.peers[socket.peer].is_over());
        }
        let broken = stage.open(PATH, "");
        stage.node.break_off(broken.peer);
        let halved = stage.open(PATH, "");
        stage.node.close_half(halved.peer);
        stage.node.settle();
        assert!(stage.node.peers[halved.peer].is_over());
        stage.node.pass(Duration::from_secs(3));
        for gauge in ["connections", "subscriptions", "buffered_bytes"] {
            assert_eq!(stage.node.sum(gauge), 0, "{gauge}");
        }
    });
}

#[test]
fn a_server_that_leaves_says_so_after_what_was_published() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        let home = stage.node.home("t");
        let publisher = stage.node.connect(home);
        let event = request(
            "POST /api/sessions/t/events",
            "",
            r#"{"type":"n","data":1}"#,
        );
        stage.node.send(publisher, event);
        stage.node.receive(publisher, usize::MAX);
        let now = stage.node.now;
        stage.node.shards[home].drain(now);
        stage.node.settle();
        for shard in &mut stage.node.shards {
            shard.drain(now);
        }
        stage.node.settle();
        for socket in &mut sockets {
            assert_eq!(types(stage, socket), ["n"]);
            let goodbye = socket.goodbye(&mut stage.node);
            let expected = (1_001, "the server is leaving".to_owned());
            assert_eq!(goodbye, Some(expected));
        }
        stage.node.settle();
        for socket in &sockets {
            assert!(stage.node.peers[socket.peer].is_over());
        }
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn messages_after_the_goodbye_are_not_looked_at() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for shard in &mut stage.node.shards {
            shard.drain(stage.node.now);
        }
        // Nobody is told before all shards have come so far.
        stage.node.settle();
        socket.say(&mut stage.node, &filter(&[("type", "\"a\"")]));
        assert_eq!(stage.texts(&mut socket), [""; 0]);
        assert_eq!(socket.close_code(&mut stage.node), 1_001);
    });
}

#[test]
fn a_place_that_was_left_is_anothers_with_its_own_encoding() {
    everywhere(|stage| {
        let shard = stage.node.home("t");
        for _ in 0..3 {
            for path in [PATH, "/sysadm"] {
                let mut socket = stage.open_on(shard, path, "");
                if path != PATH {
                    let text = r#"{"namespace":"events","name":"subscribe","args":"dispatcher"}"#;
                    socket.ask(&mut stage.node, text);
                }
                // Published while it is still there, but it is gone before the tick ends.
                stage.publish("t", "\"dispatcher\"", "1");
                assert_eq!(stage.texts(&mut socket).len(), 1);
                let publisher = stage.node.connect(shard);
                let body = r#"{"type":"dispatcher","data":2}"#;
                let post = request("POST /api/sessions/t/events", "", body);
                stage.node.send(publisher, post);
                stage.node.receive(publisher, usize::MAX);
                stage.node.break_off(socket.peer);
                let next = Socket::open(&mut stage.node, shard, PATH, "");
                let mut next = next.expect("it is opened");
                assert_eq!(stage.texts(&mut next), [""; 0]);
                stage.node.break_off(next.peer);
                stage.node.break_off(publisher);
            }
        }
    });
}

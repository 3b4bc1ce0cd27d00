//! Contract: heartbeats, a session that ends, a server that leaves, and what is left behind:
//! nothing.

use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{
    Member, dismissed, enter, expect, heard, news, path, publish, published, subscribe, welcome,
};
use crate::stage::{Stage, everywhere};
use crate::support::socket::{Socket, upgrade_with};
use crate::support::web_socket::Message;

/// No client is given longer than that.
const WINDOW_MS: u64 = 5_000;

fn drain(stage: &mut Stage) {
    for shard in &mut stage.node.shards {
        shard.drain(stage.node.now);
    }
    stage.node.settle();
}

/// How long from now a message gives its reader, in milliseconds.
#[track_caller]
fn told(stage: &Stage, text: &str) -> u64 {
    let message: Value = serde_json::from_str(text).expect("JSON");
    let before = message["data"]["before"].as_u64();
    let before = before.unwrap_or_else(|| panic!("something else: {text}"));
    let exact = format!(r#"{{"action":"reconnect","data":{{"before":{before}}}}}"#);
    assert_eq!(text, exact);
    before - stage.node.now.unix_ms
}

#[test]
fn a_heartbeat_comes_with_each_ping() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["m"]);
        for next in 1..5 {
            // Not wanted, but not missed either.
            stage.publish("t", "\"n\"", "1");
            stage.pass(Duration::from_secs(25), &mut [&mut member.socket]);
            assert_eq!(member.socket.pings(&mut stage.node), 1);
            let texts = stage.texts(&mut member.socket);
            let heartbeat = format!(r#"{{"action":"heartbeat","data":{{"next":{next}}}}}"#);
            assert_eq!(texts, [heartbeat]);
        }
    });
}

#[test]
fn a_session_that_is_deleted_takes_its_rooms_along() {
    everywhere(|stage| {
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        let mut waiting = enter(stage, "");
        stage.publish("t", "\"n\"", "1");
        let deleted = stage.ask("t", "DELETE /api/sessions/t", "", "");
        assert!(deleted.status < 300, "{deleted:?}");
        assert_eq!(news(stage, &mut member), expect(&[("n", 0)]));
        for socket in [&mut member.socket, &mut waiting.socket] {
            let goodbye = socket.goodbye(&mut stage.node);
            assert_eq!(goodbye, Some((4_410, "the session is gone".to_owned())));
        }
        stage.node.settle();
        assert!(stage.node.peers[member.socket.peer].is_over());
        // To enter does not bring it back.
        let mut gone = stage.open(&path("e", "t", ""), "");
        let expected = ("not_found".to_owned(), 4_404);
        assert_eq!(dismissed(stage, &mut gone), expected);
        // Its next life is another room.
        stage.publish("t", "\"n\"", "1");
        let again = enter(stage, &format!("&last_event=0&epoch={}", member.epoch));
        assert_eq!(again.more, [r#"{"action":"gap","data":{"reset":true}}"#]);
    });
}

#[test]
fn a_leaving_server_says_until_when_and_closes_then() {
    everywhere(|stage| {
        let mut members: Vec<_> = (0..20).map(|_| enter(stage, "")).collect();
        for member in &mut members {
            subscribe(stage, member, &["n"]);
        }
        stage.publish("t", "\"n\"", "1");
        drain(stage);
        let mut times = Vec::new();
        for member in &mut members {
            let texts = stage.texts(&mut member.socket);
            assert_eq!(texts.len(), 2, "{texts:?}");
            assert_eq!(heard(&texts[0]).number, 0);
            times.push(told(stage, &texts[1]));
        }
        assert!(times.iter().all(|time| (1..=WINDOW_MS).contains(time)));
        let mut distinct = times.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 10, "the times are not spread: {times:?}");
        // Until then everything works but publishing: some who would hear it are gone.
        assert_refused(stage, &mut members[0]);
        subscribe(stage, &mut members[0], &["m"]);
        for member in &mut members {
            assert_eq!(news(stage, member), expect(&[]));
        }
        stage.node.pass(Duration::from_millis(WINDOW_MS + 500));
        for member in &mut members {
            let goodbye = member.socket.goodbye(&mut stage.node);
            assert_eq!(goodbye, Some((1_001, "the server is leaving".to_owned())));
        }
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn what_was_published_until_a_server_speaks_comes_before_its_words() {
    everywhere(|stage| {
        let home = stage.node.home("t");
        let mut member = enter(stage, "");
        subscribe(stage, &mut member, &["n"]);
        let feed = stage.node.connect(home);
        let ask =
            "GET /api/sessions/t/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
        stage.node.send(feed, ask);
        let mut publisher = enter(stage, "");
        stage.node.settle();
        stage.node.peers[feed].received.clear();
        let mut publish = |stage: &mut Stage| {
            let text = publish("n", "1", "");
            publisher.socket.send(&mut stage.node, &text);
            assert!(stage.node.receive(publisher.socket.peer, usize::MAX));
        };
        publish(stage);
        for shard in &mut stage.node.shards {
            shard.drain(stage.node.now);
        }
        stage.node.settle();
        let texts = stage.texts(&mut member.socket);
        assert_eq!(heard(&texts[0]).number, 0);
        told(stage, &texts[1]);
        // A feed that is told when to come back is told no more.
        let shown = String::from_utf8_lossy(&stage.node.peers[feed].received).into_owned();
        let (event, retry) = (shown.find("data:"), shown.find("retry:"));
        assert!(event.is_some() && event < retry, "{shown}");
        assert_refused(stage, &mut member);
        stage.node.jump(WINDOW_MS);
        stage.node.settle();
        let goodbye = member.socket.goodbye(&mut stage.node);
        assert_eq!(goodbye.map(|(code, _)| code), Some(1_001));
    });
}

#[test]
fn what_is_sent_together_with_a_close_is_carried_out_before() {
    everywhere(|stage| {
        for scope in ["session", "event", "organization"] {
            let mut member = enter(stage, "");
            let mut witness = enter(stage, "");
            subscribe(stage, &mut witness, &["n"]);
            member
                .socket
                .send(&mut stage.node, &publish("n", "1", scope));
            let close = CloseFrame {
                code: CloseCode::Normal,
                reason: "done".into(),
            };
            let close = Message::Close(Some(close));
            member.socket.send_message(&mut stage.node, close);
            stage.node.settle();
            let texts = stage.texts(&mut member.socket);
            assert_eq!(texts.len(), 1, "{texts:?}");
            published(&texts[0]);
            assert_eq!(news(stage, &mut witness).len(), 1, "{scope}");
            assert!(stage.node.peers[member.socket.peer].is_over());
        }
    });
}

#[test]
fn who_comes_to_a_leaving_server_is_welcomed_and_told() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        // Half of its request is there.
        let peer = stage.connect("t");
        let upgrade = upgrade_with(&path("e", "t", ""), "");
        let (first, rest) = upgrade.split_at(40);
        stage.node.send(peer, first);
        stage.node.settle();
        drain(stage);
        stage.node.send(peer, rest);
        stage.node.settle();
        let socket = Socket::opened(&mut stage.node, peer);
        let member = welcome(stage, socket.expect("it is opened"));
        assert_eq!(member.more.len(), 1);
        told(stage, &member.more[0]);
    });
}

#[test]
fn who_leaves_by_itself_leaves_nothing_behind() {
    everywhere(|stage| {
        let mut polite = enter(stage, "");
        subscribe(stage, &mut polite, &["n"]);
        polite
            .socket
            .send_message(&mut stage.node, Message::Close(None));
        stage.node.settle();
        assert!(stage.node.peers[polite.socket.peer].is_over());
        let mut broken = enter(stage, "");
        subscribe(stage, &mut broken, &["n"]);
        stage.node.break_off(broken.socket.peer);
        stage.publish("t", "\"n\"", "1");
        stage.node.pass(Duration::from_secs(3));
        for gauge in ["connections", "readers", "subscriptions", "buffered_bytes"] {
            assert_eq!(stage.node.sum(gauge), 0, "{gauge}");
        }
    });
}

/// A publish is refused, and may be tried elsewhere.
fn assert_refused(stage: &mut Stage, member: &mut Member) {
    let text = publish("n", "2", "");
    member.socket.say(&mut stage.node, &text);
    let replies = stage.texts(&mut member.socket);
    let [reply] = &replies[..] else {
        panic!("{replies:?}");
    };
    assert!(reply.contains(r#""code":"busy""#), "{reply}");
}

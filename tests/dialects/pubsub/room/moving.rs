//! A room is at its session's home: whatever comes with the handshake, or while the connection is
//! on its way, is neither lost nor served twice.

use std::time::Duration;

use super::{dismissed, enter, expect, heard, news, pairs, path, subscribe, welcome};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::organizations::{organization, organized};
use crate::support::socket::{Socket, upgrade_with};
use crate::support::web_socket::{Client, Message};

const SUBSCRIBE: &str = r#"{"action":"subscribe-event","data":{"eventName":"n"},"ref":1}"#;
const PUBLISH: &str = r#"{"action":"publish-event","data":{"eventName":"n","data":1},"ref":2}"#;

/// A peer that says all of this before it is answered, in one segment.
fn say_at_once(stage: &mut Stage, query: &str, texts: &[&str]) -> usize {
    let peer = stage.connect("t");
    let mut bytes = upgrade_with(&path("e", "t", query), "").into_bytes();
    let mut client = Client::new();
    for text in texts {
        client.write(Message::text(*text));
    }
    bytes.extend(client.output());
    stage.node.send(peer, bytes);
    peer
}

/// Lets its connection leave the shard where it landed, if that is not its home.
fn set_out(stage: &mut Stage, peer: usize) {
    stage.node.receive(peer, usize::MAX);
    for shard in 0..stage.shards() {
        stage.node.turn(shard);
    }
}

#[track_caller]
fn opened(stage: &mut Stage, peer: usize) -> Socket {
    stage.node.settle();
    Socket::opened(&mut stage.node, peer).expect("it is opened")
}

#[test]
fn what_comes_with_the_handshake_is_served_once_and_in_order() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "0");
        let peer = say_at_once(stage, "&last_event=-1", &[SUBSCRIBE, PUBLISH]);
        let socket = opened(stage, peer);
        let member = welcome(stage, socket);
        assert_eq!(member.next, 1);
        assert_eq!(member.more[0], r#"{"action":"subscribed","ref":1}"#);
        assert_eq!(heard(&member.more[1]).number, 0);
        assert!(member.more[2].contains("\"published\""));
        assert_eq!(heard(&member.more[3]).number, 1);
        assert_eq!(member.more.len(), 4);
    });
}

#[test]
fn a_stranger_says_at_once_who_it_is() {
    let config = organized([organization("one", &[("all", "publish,subscribe")])]);
    everywhere_with(&config, |stage| {
        let right = r#"{"action":"authenticate","data":{"token":"all"}}"#;
        let peer = say_at_once(stage, "", &[SUBSCRIBE, right, SUBSCRIBE]);
        let mut socket = opened(stage, peer);
        let texts = stage.texts(&mut socket);
        let actions = ["error", "welcome", "subscribed"];
        assert_eq!(texts.len(), actions.len(), "{texts:?}");
        for (text, action) in texts.iter().zip(actions) {
            let begin = format!("{{\"action\":\"{action}\"");
            assert!(text.starts_with(&begin), "{text}");
        }
        // Of a repeated field the last one counts.
        let wrong = r#"{"action":"authenticate","data":{"token":"all","token":"x"}}"#;
        let peer = say_at_once(stage, "", &[wrong, SUBSCRIBE]);
        let mut socket = opened(stage, peer);
        let expected = ("unauthorized".to_owned(), 4_401);
        assert_eq!(dismissed(stage, &mut socket), expected);
    });
}

#[test]
fn a_server_that_leaves_while_somebody_moves_tells_them_there() {
    everywhere(|stage| {
        let peer = say_at_once(stage, "", &[SUBSCRIBE]);
        set_out(stage, peer);
        for shard in &mut stage.node.shards {
            shard.drain(stage.node.now);
        }
        let socket = opened(stage, peer);
        let member = welcome(stage, socket);
        let told = |action: &str| {
            let begin = format!("{{\"action\":\"{action}\"");
            let all = member.more.iter();
            all.filter(|text| text.starts_with(&begin)).count()
        };
        assert_eq!((told("reconnect"), told("subscribed")), (1, 1));
        assert_eq!(member.more.len(), 2);
    });
}

#[test]
fn a_session_that_is_deleted_meanwhile_begins_anew_or_is_gone() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "0");
        let epoch = enter(stage, "").epoch;
        let deleting = stage.connect("t");
        let peer = say_at_once(stage, &format!("&last_event=-1&epoch={epoch}"), &[]);
        set_out(stage, peer);
        let delete = "DELETE /api/sessions/t HTTP/1.1\r\nHost: a\r\n\r\n";
        stage.node.send(deleting, delete);
        let socket = opened(stage, peer);
        let mut member = welcome(stage, socket);
        // Whether it was on its way: it was not if it landed where it belongs.
        if member.epoch == epoch {
            let goodbye = member.socket.goodbye(&mut stage.node);
            assert_eq!(goodbye.map(|(code, _)| code), Some(4_410));
        } else {
            assert_eq!(member.more, [r#"{"action":"gap","data":{"reset":true}}"#]);
            assert_eq!(subscribe(stage, &mut member, &["n"]), []);
            stage.publish("t", "\"n\"", "1");
            assert_eq!(news(stage, &mut member), expect(&[("n", 0)]));
        }
    });
}

#[test]
fn who_is_gone_on_the_way_leaves_nothing_behind() {
    everywhere(|stage| {
        let peer = say_at_once(stage, "", &[SUBSCRIBE]);
        set_out(stage, peer);
        stage.node.break_off(peer);
        stage.node.settle();
        stage.publish("t", "\"n\"", "1");
        stage.node.pass(Duration::from_secs(1));
        for gauge in ["connections", "readers", "buffered_bytes"] {
            assert_eq!(stage.node.sum(gauge), 0, "{gauge}");
        }
        let mut other = enter(stage, "&last_event=-1");
        let replayed = subscribe(stage, &mut other, &["n"]);
        assert_eq!(pairs(replayed), expect(&[("n", 0)]));
    });
}

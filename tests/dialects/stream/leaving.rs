//! Contract: `reconnect_before` — a server that leaves says until when, spreads the times, and then
//! goes.

use std::time::Duration;

use serde_json::Value;

use super::body::Streaming;
use super::{PATH, body, names, post, subscribe};
use crate::stage::{Stage, everywhere};
use crate::support::http::request;
use crate::support::socket::{Socket, upgrade_with};
use crate::support::web_socket::Message;

/// No client is given longer than that.
const WINDOW_MS: u64 = 5_000;
/// How precisely times are kept.
const STEP_MS: u64 = 50;

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
    let before = message["result"]["reconnectBefore"]["beforeTimestamp"].as_str();
    let before = before.unwrap_or_else(|| panic!("something else: {text}"));
    let exact = format!(
        r#"{{"result":{{"reconnectBefore":{{"reauthenticate":false,"beforeTimestamp":"{before}"}}}}}}"#
    );
    assert_eq!(text, exact);
    let before: u64 = before.parse().expect("milliseconds");
    before - stage.node.now.unix_ms
}

#[test]
fn every_stream_is_told_its_own_time_and_closed_then() {
    everywhere(|stage| {
        let mut sockets: Vec<_> = (0..40).map(|_| stage.open(PATH, "")).collect();
        drain(stage);
        let mut times = Vec::new();
        for socket in &mut sockets {
            let texts = stage.texts(socket);
            assert_eq!(texts.len(), 1, "{texts:?}");
            times.push(told(stage, &texts[0]));
            assert_eq!(socket.goodbye(&mut stage.node), None);
        }
        assert!(
            times.iter().all(|&time| (1..=WINDOW_MS).contains(&time)),
            "{times:?}"
        );
        let mut distinct = times.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 30, "the times are not spread: {times:?}");
        for _ in 0..=WINDOW_MS / STEP_MS {
            stage.node.jump(STEP_MS);
            stage.node.settle();
            for (socket, left) in sockets.iter_mut().zip(&mut times) {
                match socket.goodbye(&mut stage.node) {
                    None => assert!(*left > 0, "it is still there a step after its time"),
                    Some(goodbye) => {
                        assert!(*left <= STEP_MS, "it is closed {left} ms too early");
                        assert_eq!(goodbye, (1_001, "the server is leaving".to_owned()));
                    }
                }
                *left = left.saturating_sub(STEP_MS);
            }
        }
        for socket in &mut sockets {
            assert_eq!(socket.close_code(&mut stage.node), 1_001);
        }
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn until_then_everything_works() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "n", "");
        drain(stage);
        assert_eq!(stage.texts(&mut socket).len(), 1);
        // But publishing: some who would hear it are gone.
        let text = format!(r#"{{"publish":{}}}"#, body("n", "{}", ""));
        socket.say(&mut stage.node, &text);
        let replies = super::texts(stage, &mut socket);
        assert!(
            matches!(&replies[..], [reply] if reply.contains(r#""code":14"#)),
            "{replies:?}"
        );
        subscribe(stage, &mut socket, "m", r#"{"layoutId":"l"}"#);
        super::unsubscribe(stage, &mut socket, "n", "");
        super::assert_alive(stage, &mut socket);
    });
}

#[test]
fn what_was_published_before_comes_before() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, "n", "");
        }
        assert_eq!(post(stage, "", &body("n", "{}", "")).status, 200);
        drain(stage);
        for socket in &mut sockets {
            let mut texts = stage.texts(socket);
            told(stage, &texts.pop().expect("the advice"));
            let names: Vec<String> = texts.iter().map(|text| super::name_of(text)).collect();
            assert_eq!(names, ["n"]);
        }
    });
}

#[test]
fn a_response_is_told_and_ends_with_its_last_chunk() {
    everywhere(|stage| {
        let get = request(&format!("GET {PATH}?subscribe.name=n"), "", "");
        let mut listener = Streaming::open(stage, get);
        assert_eq!(listener.lines(stage).len(), 1);
        drain(stage);
        let lines = listener.lines(stage);
        assert_eq!(lines.len(), 1);
        told(stage, &lines[0]);
        assert!(!listener.ended);
        stage.node.pass(Duration::from_millis(WINDOW_MS + 100));
        assert_eq!(listener.lines(stage), [""; 0]);
        assert!(listener.ended);
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.node.sum("connections"), 0);
    });
}

#[test]
fn who_comes_while_the_server_leaves_is_told_at_once() {
    everywhere(|stage| {
        let peer = stage.connect("t");
        let handshake = upgrade_with(PATH, "");
        let (first, rest) = handshake.split_at(40);
        stage.node.send(peer, first);
        stage.node.settle();
        drain(stage);
        stage.node.send(peer, rest);
        stage.node.settle();
        let mut socket = Socket::opened(&mut stage.node, peer).expect("it is opened");
        let texts = stage.texts(&mut socket);
        assert_eq!(texts.len(), 1);
        told(stage, &texts[0]);
    });
}

#[test]
fn a_client_that_leaves_by_itself_leaves_nothing_behind() {
    everywhere(|stage| {
        for way in 0..3 {
            let mut socket = stage.open(PATH, "");
            subscribe(stage, &mut socket, "n", "");
            subscribe(stage, &mut socket, "n", r#"{"layoutId":"l"}"#);
            match way {
                0 => {
                    socket.send_message(&mut stage.node, Message::Close(None));
                    stage.node.settle();
                    assert_eq!(stage.node.peers[socket.peer].received, b"\x88\x00");
                }
                1 => stage.node.break_off(socket.peer),
                _ => {
                    stage.node.close_half(socket.peer);
                    stage.node.settle();
                }
            }
            assert!(way == 1 || stage.node.peers[socket.peer].is_over());
        }
        assert_eq!(post(stage, "", &body("n", "{}", "")).status, 200);
        stage.node.pass(Duration::from_secs(3));
        for gauge in ["connections", "subscriptions", "buffered_bytes"] {
            assert_eq!(stage.node.sum(gauge), 0, "{gauge}");
        }
    });
}

#[test]
fn a_client_is_pinged_and_dropped_when_it_is_dead() {
    everywhere(|stage| {
        let mut alive = stage.open(PATH, "");
        let dead = stage.open(PATH, "");
        subscribe(stage, &mut alive, "n", "");
        stage.pass(Duration::from_secs(60), &mut [&mut alive]);
        assert!(alive.pings(&mut stage.node) >= 2);
        assert!(stage.node.peers[dead.peer].is_over());
        super::publish(stage, "n", "");
        assert_eq!(names(stage, &mut alive), ["n"]);
    });
}

//! Who listens, and who knows it: nothing is missed after an answer, nothing is mailed for nobody.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::hub::ShardId;
use fanfare::limits::{INTEREST_IDLE_MAX, MESH_OUTBOX_MESSAGES_MAX};

use super::{PATH, accepted, filter, set, types};
use crate::stage::everywhere;
use crate::support::http::request;
use crate::support::node::TestNode;
use crate::support::socket::Socket;
use crate::support::web_socket::upgrade;

/// A session that lives on a shard.
fn token_on(node: &TestNode, shard: usize) -> String {
    let tokens = (0..).map(|number| format!("s{number}"));
    let mut at_home = tokens.filter(|token| node.home(token) == shard);
    at_home.next().expect("some session lives there")
}

fn publish(node: &mut TestNode, token: &str, name: &str) {
    let peer = node.connect(node.home(token));
    let line = format!("POST /api/sessions/{token}/events");
    let body = format!(r#"{{"type":"{name}","data":{{}}}}"#);
    assert_eq!(node.ask(peer, request(&line, "", &body)).status, 200);
    node.break_off(peer);
}

fn open(node: &mut TestNode, shard: usize) -> Socket {
    Socket::open(node, shard, PATH, "").expect("it is opened")
}

fn names(node: &mut TestNode, socket: &mut Socket) -> usize {
    socket.texts(node).len()
}

#[test]
fn nothing_is_mailed_to_shards_without_listeners() {
    let mut node = TestNode::new(3, 11, &Config::default());
    let tokens: Vec<String> = (0..3).map(|shard| token_on(&node, shard)).collect();
    let mail = |node: &mut TestNode| {
        let before = node.sum("mail_sent");
        for token in &tokens {
            publish(node, token, "n");
        }
        node.sum("mail_sent") - before
    };
    assert_eq!(mail(&mut node), 0);
    let mut first = open(&mut node, 0);
    assert_eq!(mail(&mut node), 2);
    let mut second = open(&mut node, 0);
    assert_eq!(mail(&mut node), 2);
    let mut third = open(&mut node, 1);
    assert_eq!(mail(&mut node), 4);
    for (socket, expected) in [(&mut first, 9), (&mut second, 6), (&mut third, 3)] {
        assert_eq!(names(&mut node, socket), expected);
    }
    // Filters that nothing passes are still filters of somebody who listens; those that ask for
    // another organization are not.
    set_on(&mut node, &mut third, &[("type", "\"x\"")]);
    assert_eq!(mail(&mut node), 4);
    set_on(&mut node, &mut third, &[("coreServerId", "\"x\"")]);
    node.pass(INTEREST_IDLE_MAX + Duration::from_secs(1));
    assert_eq!(mail(&mut node), 2);
    for socket in [first, second] {
        node.break_off(socket.peer);
    }
    // For a while whoever comes back needs nobody's answer.
    node.pass(INTEREST_IDLE_MAX.mul_f32(0.9));
    assert_eq!(mail(&mut node), 2);
    node.pass(Duration::from_secs(2));
    assert_eq!(mail(&mut node), 0);
    set_on(&mut node, &mut third, &[]);
    assert_eq!(mail(&mut node), 2);
    assert_eq!(names(&mut node, &mut third), 3);
}

fn set_on(node: &mut TestNode, socket: &mut Socket, filters: &[(&str, &str)]) {
    assert_eq!(socket.ask(node, &filter(filters)), accepted(filters.len()));
}

/// The first subscriber of shard 0 hears everything from its handshake's answer on, and gets none
/// before all shards know; `token` lives on shard 1, from where the word that it knows comes late.
fn comes_first(node: &mut TestNode, token: &str) -> Socket {
    let peer = node.connect(0);
    node.stuck = Some((1, 0));
    node.send(peer, upgrade(PATH));
    node.settle();
    assert!(node.response_is_absent(peer), "answered too early");
    publish(node, token, "early");
    assert!(node.response_is_absent(peer), "answered too early");
    // It arrives, and in the same moment something is published over there.
    let publisher = node.connect(1);
    let line = format!("POST /api/sessions/{token}/events");
    node.send(
        publisher,
        request(&line, "", r#"{"type":"late","data":{}}"#),
    );
    node.stuck = None;
    node.turn(1);
    while node.deliver(1, 0) {}
    node.turn(0);
    let mut socket = Socket::opened(node, peer).expect("it is opened");
    assert!(node.receive(publisher, usize::MAX));
    node.settle();
    // Its home knew already when the early one came: that it is heard too is more than was
    // promised.
    let texts = socket.texts(node);
    assert_eq!(texts.len(), 2, "{texts:?}");
    for (text, name) in texts.iter().zip(["early", "late"]) {
        assert!(text.starts_with(&format!(r#"{{"type":"{name}""#)), "{text}");
    }
    socket
}

#[test]
fn the_very_first_subscriber_misses_nothing_after_its_answer() {
    let mut node = TestNode::new(3, 11, &Config::default());
    let token = token_on(&node, 1);
    comes_first(&mut node, &token);
}

#[test]
fn who_comes_after_all_had_left_misses_nothing_either() {
    let mut node = TestNode::new(3, 11, &Config::default());
    let token = token_on(&node, 1);
    for pause in [11, 30, 11] {
        let socket = comes_first(&mut node, &token);
        node.break_off(socket.peer);
        node.pass(Duration::from_secs(pause));
    }
}

#[test]
fn several_who_wait_are_all_answered() {
    let mut node = TestNode::new(3, 11, &Config::default());
    let token = token_on(&node, 2);
    node.stuck = Some((2, 0));
    let peers: Vec<usize> = (0..5).map(|_| node.connect(0)).collect();
    for &peer in &peers {
        node.send(peer, upgrade(PATH));
    }
    node.settle();
    // One of them leaves.
    node.break_off(peers[3]);
    node.stuck = None;
    node.settle();
    publish(&mut node, &token, "n");
    for peer in [0, 1, 2, 4].map(|index| peers[index]) {
        let mut socket = Socket::opened(&mut node, peer).expect("it is opened");
        assert_eq!(names(&mut node, &mut socket), 1);
    }
    assert_eq!(node.sum("connections"), 4);
}

#[test]
fn nothing_goes_before_the_handshakes_answer() {
    let mut node = TestNode::new(2, 11, &Config::default());
    node.stuck = Some((1, 0));
    let peer = node.connect(0);
    node.send(peer, upgrade(PATH));
    // Neither a ping, however long it takes,
    node.pass(Duration::from_secs(80));
    assert!(node.response_is_absent(peer));
    // nor the goodbye.
    for shard in &mut node.shards {
        shard.drain(node.now);
    }
    node.settle();
    assert!(node.response_is_absent(peer));
    node.stuck = None;
    node.settle();
    let mut socket = Socket::opened(&mut node, peer).expect("it is opened");
    assert_eq!(socket.close_code(&mut node), 1_001);
    node.settle();
    assert!(node.peers[peer].is_over());
}

#[test]
fn filters_set_on_three_shards_at_once_are_all_in_force() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            socket.send(&mut stage.node, &filter(&[("type", "\"x\"")]));
            socket.send(&mut stage.node, &filter(&[("type", "\"n\"")]));
        }
        stage.node.settle();
        for socket in &mut sockets {
            assert_eq!(stage.texts(socket), [accepted(1), accepted(1)]);
        }
        stage.publish("t", "\"n\"", "{}");
        stage.publish("t", "\"x\"", "{}");
        for socket in &mut sockets {
            assert_eq!(types(stage, socket), ["n"]);
            set(stage, socket, &[]);
        }
    });
}

#[test]
fn a_listener_that_cannot_be_told_stops_every_kind_of_publish() {
    let mut node = TestNode::new(2, 11, &Config::default());
    let token = token_on(&node, 1);
    let peer = node.connect(1);
    let call =
        |line: &str, body: &str| request(&format!("POST /api/sessions/{token}/{line}"), "", body);
    assert_eq!(
        node.ask(peer, call("events", r#"{"type":1,"data":1}"#))
            .status,
        200
    );
    let mut socket = open(&mut node, 0);
    node.stuck = Some((1, 0));
    let event = r#"{"type":1,"data":1}"#;
    let full = vec![event; MESH_OUTBOX_MESSAGES_MAX / 16].join(",");
    for _ in 0..16 {
        assert_eq!(
            node.ask(peer, call("events", &format!("[{full}]"))).status,
            200
        );
    }
    let waiting = node.shards[1].outbox(ShardId(0)).len();
    assert_eq!(waiting, MESH_OUTBOX_MESSAGES_MAX);
    for (line, body) in [("events", event), ("start", "")] {
        let refused = node.ask(peer, call(line, body));
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (503, "busy"),
            "{line}"
        );
    }
    assert_eq!(node.shards[1].outbox(ShardId(0)).len(), waiting);
    node.stuck = None;
    node.settle();
    assert_eq!(names(&mut node, &mut socket), MESH_OUTBOX_MESSAGES_MAX);
    assert_eq!(node.ask(peer, call("start", "")).status, 200);
    // Retained events go to all shards, listening or not.
    let mut node = TestNode::new(2, 11, &Config::default());
    let peer = node.connect(1);
    node.stuck = Some((1, 0));
    let event = r#"{"type":"life\u002dpreserver","data":{}}"#;
    let full = vec![event; MESH_OUTBOX_MESSAGES_MAX / 16].join(",");
    for _ in 0..16 {
        assert_eq!(
            node.ask(peer, call("events", &format!("[{full}]"))).status,
            200
        );
    }
    assert_eq!(node.ask(peer, call("events", event)).status, 503);
}

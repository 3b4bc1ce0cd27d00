//! Faults that chance seldom brings together, each as a scene of its own: clients that come while
//! the mesh is silent, and clients that do not read.

use std::time::Duration;

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use fanfare::hub::ShardId;
use fanfare::limits::{
    LOGIN_TIMEOUT, MESH_OUTBOX_MESSAGES_MAX, SEND_QUEUE_PAUSE_BYTES, WEBSOCKET_CLOSE_TIMEOUT,
    WEBSOCKET_PING_INTERVAL,
};

use crate::support::http::{request, take_response};
use crate::support::node::TestNode;
use crate::support::organizations::{organization, organized};
use crate::support::web_socket::{Client, Message, upgrade};

/// The session that events are published to.
const TOKEN: &str = "session";

/// The default configuration of a node that says nothing of itself: whoever counts events counts
/// those of the scene.
fn quiet() -> Config {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    config
}

fn publish(data: &str) -> String {
    let line = format!("POST /api/sessions/{TOKEN}/events");
    request(&line, "", &format!("{{\"type\":\"t\",\"data\":{data}}}"))
}

/// A live client that is answered.
fn subscriber(node: &mut TestNode, shard: usize) -> (usize, Client) {
    let peer = node.connect(shard);
    assert_eq!(node.ask(peer, upgrade("/live/ws")).status, 101);
    (peer, Client::new())
}

/// A live client of the first of two shards, whose question whether the second knows of it is
/// stuck.
fn newcomer(node: &mut TestNode) -> usize {
    node.stuck = Some((0, 1));
    let peer = node.connect(0);
    node.send(peer, upgrade("/live/ws"));
    node.settle();
    assert!(node.response_is_absent(peer));
    peer
}

/// Lets the mesh go on; the newcomer's messages, after its handshake's answer.
fn come_in(node: &mut TestNode, peer: usize) -> Vec<Message> {
    node.stuck = None;
    node.settle();
    let received = &mut node.peers[peer].received;
    let end = received.windows(4).position(|w| w == b"\r\n\r\n");
    let frames = received.split_off(end.expect("a head") + 4);
    let head = take_response(received, true).expect("a head");
    assert_eq!(head.status, 101);
    *received = frames;
    Client::new().read(&mut node.peers[peer].received)
}

#[test]
fn nobody_is_pinged_before_the_handshake_is_answered() {
    let mut node = TestNode::new(2, 1, &quiet());
    let peer = newcomer(&mut node);
    node.pass(3 * WEBSOCKET_PING_INTERVAL);
    assert!(node.response_is_absent(peer));
    assert_eq!(come_in(&mut node, peer), []);
    node.pass(WEBSOCKET_PING_INTERVAL);
    let messages = Client::new().read(&mut node.peers[peer].received);
    assert!(matches!(messages[..], [Message::Ping(_)]), "{messages:?}");
}

#[test]
fn nobody_is_told_goodbye_before_the_handshake_is_answered() {
    let mut node = TestNode::new(2, 1, &quiet());
    let peer = newcomer(&mut node);
    let now = node.now;
    node.shards.iter_mut().for_each(|shard| shard.drain(now));
    node.settle();
    assert!(node.response_is_absent(peer));
    let messages = come_in(&mut node, peer);
    let [Message::Close(Some(frame))] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(u16::from(frame.code), 1001);
}

#[test]
fn a_change_that_waits_does_not_keep_a_goodbye_from_being_answered() {
    let mut node = TestNode::new(2, 1, &quiet());
    let peer = node.connect(0);
    assert_eq!(node.ask(peer, upgrade("/sysadm")).status, 101);
    let mut client = Client::new();
    node.stuck = Some((0, 1));
    let text = r#"{"namespace":"events","name":"subscribe","args":"dispatcher"}"#;
    client.write(Message::text(text));
    node.send(peer, client.output());
    node.settle();
    let now = node.now;
    node.shards.iter_mut().for_each(|shard| shard.drain(now));
    node.stuck = None;
    node.settle();
    let messages = client.read(&mut node.peers[peer].received);
    assert!(matches!(messages[..], [Message::Close(_)]), "{messages:?}");
    node.send(peer, client.output());
    node.settle();
    assert!(node.peers[peer].is_over());
}

#[test]
fn a_stranger_whose_time_is_up_is_told_once() {
    let config = organized([organization("acme", &[])]);
    let mut node = TestNode::new(1, 1, &config);
    let peer = node.connect(0);
    assert_eq!(node.ask(peer, upgrade("/sysadm")).status, 101);
    node.pass(LOGIN_TIMEOUT);
    let messages = Client::new().read(&mut node.peers[peer].received);
    let [.., Message::Close(Some(frame))] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert_eq!(u16::from(frame.code), 4401);
    node.pass(WEBSOCKET_CLOSE_TIMEOUT);
    assert!(node.peers[peer].is_over(), "it did not answer");
}

#[test]
fn a_slow_client_gets_its_handshake_and_replies_all_the_same() {
    let mut config = quiet();
    config.hub.send_queue_bytes_max = 1_000;
    let mut node = TestNode::new(1, 1, &config);
    let peer = node.connect(0);
    node.open_window(peer, 0);
    node.send(peer, upgrade("/live/ws"));
    let mut client = Client::new();
    client.write(Message::text("{"));
    node.send(peer, client.output());
    node.settle();
    let publisher = node.connect(0);
    for _ in 0..20 {
        let text = format!("{{\"x\":\"{}\"}}", "x".repeat(100));
        assert_eq!(node.ask(publisher, publish(&text)).status, 200);
    }
    assert_eq!(node.sum("slow_consumers"), 1);
    node.open_window(peer, usize::MAX);
    let messages = come_in(&mut node, peer);
    let [Message::Text(reply), Message::Close(Some(frame))] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert!(reply.starts_with("{\"type\":\"error\""), "{reply}");
    assert_eq!(u16::from(frame.code), 1013);
}

#[test]
fn who_has_much_to_read_is_not_taken_for_silent() {
    let mut config = quiet();
    config.hub.send_queue_bytes_max = 4 * SEND_QUEUE_PAUSE_BYTES;
    let mut node = TestNode::new(1, 1, &config);
    let (peer, mut client) = subscriber(&mut node, 0);
    node.open_window(peer, 0);
    let publisher = node.connect(0);
    let text = format!("\"{}\"", "x".repeat(100_000));
    for _ in 0..20 {
        assert_eq!(node.ask(publisher, publish(&text)).status, 200);
    }
    // It is slow, but it reads, for longer than two pings take.
    let mut events = 0;
    for _ in 0..30 {
        node.open_window(peer, 70_000);
        node.pass(Duration::from_secs(5));
        events += client.texts(&mut node.peers[peer].received).len();
        node.send(peer, client.output());
        assert!(!node.peers[peer].is_over(), "after {events} events");
    }
    assert_eq!(events, 20);
}

#[test]
fn a_write_that_takes_nothing_buys_no_time() {
    let mut node = TestNode::new(1, 1, &quiet());
    let (peer, _) = subscriber(&mut node, 0);
    node.open_window(peer, 0);
    let publisher = node.connect(0);
    assert_eq!(node.ask(publisher, publish("1")).status, 200);
    for _ in 0..8 {
        node.pass(Duration::from_secs(5));
        node.open_window(peer, 0);
    }
    assert!(node.peers[peer].is_over());
    assert_eq!(node.sum("slow_consumers"), 1);
}

#[test]
fn the_newest_events_survive_and_the_rest_is_counted() {
    let mut config = quiet();
    config.hub.send_queue_bytes_max = 1_000;
    config.hub.slow_consumer = SlowConsumer::DropOldest;
    let mut node = TestNode::new(1, 1, &config);
    let (peer, mut client) = subscriber(&mut node, 0);
    node.open_window(peer, 10);
    let publisher = node.connect(0);
    for number in 0..50 {
        assert_eq!(
            node.ask(publisher, publish(&number.to_string())).status,
            200
        );
    }
    node.open_window(peer, usize::MAX);
    node.settle();
    let texts = client.texts(&mut node.peers[peer].received);
    let values = texts
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"));
    let values: Vec<serde_json::Value> = values.collect();
    // The first was begun; then comes the news, then what is left.
    assert_eq!(values[0]["data"], 0);
    let missed = values[1]["count"].as_u64().expect("a count");
    assert_eq!(missed, node.sum("events_dropped"));
    let rest: Vec<u64> = values[2..]
        .iter()
        .map(|v| v["data"].as_u64().unwrap())
        .collect();
    assert_eq!(rest, (1 + missed..50).collect::<Vec<u64>>());
    assert!((2..10).contains(&rest.len()), "{rest:?}");
}

#[test]
fn what_all_shards_must_hear_is_refused_when_one_of_them_cannot_be_told() {
    let mut node = TestNode::new(2, 1, &quiet());
    let home = node.home(TOKEN);
    node.stuck = Some((home, 1 - home));
    let publisher = node.connect(home);
    let one = "{\"type\":\"system-state\",\"data\":1}";
    let body = format!("[{}]", vec![one; 1_000].join(","));
    let line = format!("POST /api/sessions/{TOKEN}/events");
    let mut answers = (0..20).map(|_| node.ask(publisher, request(&line, "", &body)).status);
    assert!(answers.any(|status| status == 503));
    let other = ShardId((1 - home) as u16);
    let waiting = node.shards[home].outbox(other).len();
    assert!(waiting < MESH_OUTBOX_MESSAGES_MAX + 1_000, "{waiting}");
    // Nobody listens there: what is not kept for newcomers concerns only this shard.
    assert_eq!(node.ask(publisher, publish("1")).status, 200);
}

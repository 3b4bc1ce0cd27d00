//! RFC 9113 §6.7 (PING), §6.8 (GOAWAY), §9.1 (connections that are not needed): who stays and who
//! goes.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::{HTTP2_PING_INTERVAL, LINGER_TIMEOUT, PIPELINE_BYTES_MAX};
use fanfare::shard::Shard;
use h2::Reason;
use http::Request;

use crate::support::http2::{Client, End, PREFACE, frame, frames, goodbye};
use crate::support::node::TestNode;

fn node() -> TestNode {
    TestNode::new(1, 5, &Config::default())
}

/// A long poll that nobody answers.
fn park(node: &mut TestNode, client: &mut Client) -> usize {
    let poll = Request::get("http://x/api/sessions/t/events");
    let call = client.open(poll.body(()).expect("a request"), true);
    client.settle(node);
    assert!(client.calls[call].head.is_none(), "it waits");
    call
}

fn get(path: &str) -> Request<()> {
    let request = Request::get(format!("http://x{path}"));
    request.body(()).expect("a request")
}

/// Lets time pass while the client answers what it is sent.
fn pass(node: &mut TestNode, client: &mut Client, time: Duration) {
    for _ in 0..time.as_secs() {
        node.pass(Duration::from_secs(1));
        client.settle(node);
    }
}

#[test]
fn section_6_7_a_peer_that_answers_pings_stays() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let call = park(&mut node, &mut client);
    pass(&mut node, &mut client, 20 * HTTP2_PING_INTERVAL);
    assert_eq!(client.calls[call].end, None);
    assert!(client.ended.is_none());
}

/// Whether it died at once or after it had answered for a while.
#[test]
fn section_6_7_a_peer_that_is_dead_is_dropped() {
    for alive in [0, 1, 2, 5] {
        let mut node = node();
        let mut client = Client::connect(&mut node, 0);
        park(&mut node, &mut client);
        pass(&mut node, &mut client, alive * HTTP2_PING_INTERVAL);
        assert!(!node.peers[client.peer].is_over());
        node.pass(3 * HTTP2_PING_INTERVAL);
        assert!(node.peers[client.peer].is_over(), "{alive} pings answered");
        let left = ["connections", "http2_streams", "readers", "buffered_bytes"];
        assert_eq!(left.map(|name| node.sum(name)), [0; 4]);
    }
}

#[test]
fn section_9_1_who_wants_nothing_is_told_to_leave() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let call = client.open(get("/api/sessions/t"), true);
    client.settle(&mut node);
    assert_eq!(client.calls[call].end, Some(End::Complete));
    pass(&mut node, &mut client, 2 * HTTP2_PING_INTERVAL);
    assert_eq!(client.ended, Some(Ok(())));
    assert!(client.try_open(get("/api/sessions/t"), true).is_none());
    node.close_half(client.peer);
    node.settle();
    assert_eq!(node.shards[0].connections(), 0);
}

/// Between two calls it has no stream, but is not idle.
#[test]
fn section_9_1_who_calls_now_and_then_stays() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    for _ in 0..100 {
        let call = client.open(get("/healthz"), true);
        client.settle(&mut node);
        assert_eq!(client.calls[call].status(), Some(200));
        pass(&mut node, &mut client, HTTP2_PING_INTERVAL / 3);
    }
    assert!(client.ended.is_none());
}

#[test]
fn section_9_1_and_is_dropped_if_it_says_nothing() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    client.settle(&mut node);
    node.pass(3 * HTTP2_PING_INTERVAL + LINGER_TIMEOUT);
    assert_eq!(node.shards[0].connections(), 0);
    // The same with a peer that sent its preface and never its settings.
    let peer = node.connect(0);
    node.send(peer, PREFACE);
    node.pass(3 * HTTP2_PING_INTERVAL + LINGER_TIMEOUT);
    assert_eq!(node.shards[0].connections(), 0);
}

#[test]
fn section_6_8_streams_under_way_finish_when_the_server_leaves() {
    let mut node = node();
    let mut client = Client::connect(&mut node, 0);
    let publish = Request::post("http://x/api/sessions/t/events");
    let publish = client.open(publish.body(()).expect("a request"), false);
    client.send(publish, b"{\"type\":\"a\",");
    let poll = park(&mut node, &mut client);
    let now = node.now;
    node.shards[0].drain(now);
    client.settle(&mut node);
    // The poll is answered with what there is, which is nothing.
    assert_eq!(client.calls[poll].status(), Some(200));
    assert_eq!(client.calls[poll].end, Some(End::Complete));
    assert!(client.try_open(get("/healthz"), true).is_none());
    client.send(publish, b"\"data\":1}");
    client.half_close(publish);
    client.settle(&mut node);
    // It is answered: nobody would hear what it publishes.
    assert_eq!(client.calls[publish].status(), Some(503));
    assert_eq!(client.ended, Some(Ok(())));
    node.close_half(client.peer);
    node.settle();
    assert_eq!(node.shards[0].connections(), 0);
}

#[test]
fn section_6_8_the_first_goaway_names_no_stream() {
    let mut node = node();
    let peer = node.connect(0);
    node.send(peer, [PREFACE, &frame(4, 0, 0, &[])].concat());
    node.settle();
    let now = node.now;
    node.shards[0].drain(now);
    node.settle();
    let received = node.peers[peer].received.clone();
    assert_eq!(goodbye(&received), Some(Reason::NO_ERROR));
    let first = frames(&received).into_iter().find(|frame| frame.kind == 7);
    let last_stream = first.expect("a GOAWAY").payload[..4].to_vec();
    assert_eq!(last_stream, [0x7f, 0xff, 0xff, 0xff]);
}

/// Its first bytes had come before, but not enough of them to tell what it speaks.
#[test]
fn section_6_8_who_begins_while_the_server_leaves_is_told_so() {
    let mut node = node();
    let peer = node.connect(0);
    node.send(peer, &PREFACE[..10]);
    node.settle();
    let now = node.now;
    node.shards[0].drain(now);
    node.send(peer, &PREFACE[10..]);
    node.send(peer, frame(4, 0, 0, &[]));
    node.settle();
    let received = node.peers[peer].received.clone();
    assert_eq!(goodbye(&received), Some(Reason::NO_ERROR));
    let goodbyes = |bytes: &[u8]| frames(bytes).iter().filter(|frame| frame.kind == 7).count();
    assert_eq!(goodbyes(&received), 1);
    let ping = frames(&received).into_iter().find(|frame| frame.kind == 6);
    node.send(peer, frame(6, 1, 0, &ping.expect("a ping").payload));
    node.settle();
    assert!(node.peers[peer].finished);
}

/// RFC 9113 §5.4.1: what still comes is read and forgotten, or closing would take the goodbye from
/// the peer.
#[test]
fn section_5_4_1_what_comes_after_the_goodbye_is_discarded() {
    let mut node = node();
    let peer = node.connect(0);
    // DATA on stream 0.
    let begin = [PREFACE, &frame(4, 0, 0, &[]), &frame(0, 0, 0, b"x")].concat();
    node.send(peer, &begin);
    node.send(peer, vec![0; 4 * PIPELINE_BYTES_MAX]);
    node.receive(peer, begin.len());
    node.turn(0);
    let received = &node.peers[peer].received;
    assert_eq!(goodbye(received), Some(Reason::PROTOCOL_ERROR));
    assert!(node.peers[peer].finished);
    while !node.peers[peer].outgoing.is_empty() {
        assert!(node.receive(peer, 4_096), "it is read");
        assert_eq!(node.sum("buffered_bytes"), 0);
    }
    node.settle();
    assert_eq!(node.shards[0].connections(), 0);
}

#[test]
fn a_connection_that_breaks_leaves_nothing() {
    let mut node = TestNode::new(3, 5, &Config::default());
    for shard in 0..3 {
        let mut client = Client::connect(&mut node, shard);
        for _ in 0..20 {
            park(&mut node, &mut client);
        }
        node.pass(Duration::from_secs(1));
        assert_eq!(node.sum("readers"), 20);
        if shard == 0 {
            node.break_off(client.peer);
        } else {
            node.close_half(client.peer);
        }
        node.pass(Duration::from_secs(1));
        let left = ["connections", "http2_streams", "readers", "buffered_bytes"];
        assert_eq!(left.map(|name| node.sum(name)), [0; 4]);
        assert_eq!(node.shards.iter().map(Shard::connections).sum::<usize>(), 0);
    }
}

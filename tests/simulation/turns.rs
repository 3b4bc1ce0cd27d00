//! Turns: who pours without end is served a little at a time, and who was in time counts as in
//! time, however late the shard is.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::{
    HTTP_BODY_TIMEOUT, HTTP_HEAD_TIMEOUT, HTTP_KEEP_ALIVE_TIMEOUT, HTTP2_SERVING_BYTES_MAX,
    SERVING_STEPS_MAX, WEBSOCKET_PING_INTERVAL, WRITE_TIMEOUT,
};
use http::Request;

use crate::support::http::{request, take_response};
use crate::support::http2::Client;
use crate::support::node::{Place, TestNode};
use crate::support::web_socket::upgrade;

fn node() -> TestNode {
    let mut config = Config::default();
    config.sysadm.state_interval = None;
    TestNode::new(1, 7, &config)
}

/// How many answers a peer has got since the last look.
fn answers(node: &mut TestNode, peer: usize) -> usize {
    let received = &mut node.peers[peer].received;
    std::iter::from_fn(|| take_response(received, false)).count()
}

fn publish() -> String {
    let body = r#"{"type":"t","data":1}"#;
    request("POST /api/sessions/flooded/events", "", body)
}

#[test]
fn pipelined_requests_are_served_a_turn_at_a_time_and_all_of_them() {
    let mut node = node();
    let (flood, probe) = (node.connect(0), node.connect(0));
    let count = 10 * SERVING_STEPS_MAX + 3;
    node.send(flood, publish().repeat(count));
    assert!(node.receive(flood, usize::MAX));
    let (mut served, mut turns) = (0, 0);
    while served < count {
        node.send(probe, request("GET /healthz", "", ""));
        assert!(node.receive(probe, usize::MAX));
        node.turn(0);
        assert_eq!(
            answers(&mut node, probe),
            1,
            "who asks is answered in each turn"
        );
        let now = answers(&mut node, flood);
        assert!(
            (1..=2 * SERVING_STEPS_MAX).contains(&now),
            "{now} in a turn"
        );
        served += now;
        turns += 1;
    }
    assert!(turns >= count / (2 * SERVING_STEPS_MAX), "{turns} turns");
    assert_eq!(served, count);
    assert!(!node.shards[0].has_more_work());
}

#[test]
fn floods_share_the_turns_in_equal_parts() {
    let mut node = node();
    let floods: Vec<usize> = (0..8).map(|_| node.connect(0)).collect();
    let count = 6 * SERVING_STEPS_MAX;
    for &flood in &floods {
        node.send(flood, publish().repeat(count));
        assert!(node.receive(flood, usize::MAX));
    }
    let mut served = vec![0; floods.len()];
    while served.iter().sum::<usize>() < count * floods.len() {
        assert!(node.turn(0));
        for (served, &flood) in served.iter_mut().zip(&floods) {
            *served += answers(&mut node, flood);
        }
        let (least, most) = (served.iter().min(), served.iter().max());
        let (least, most) = (least.expect("some"), most.expect("some"));
        assert!(most - least <= SERVING_STEPS_MAX, "{served:?}");
    }
}

#[test]
fn the_messages_of_a_socket_are_served_a_turn_at_a_time() {
    let mut node = node();
    let peer = node.connect(0);
    assert_eq!(node.ask(peer, upgrade("/event/v2/stream")).status, 101);
    let text = br#"{"ping":"p"}"#;
    // An empty mask (RFC 6455 §5.3).
    let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(text);
    let count = 5 * SERVING_STEPS_MAX;
    node.send(peer, frame.repeat(count));
    assert!(node.receive(peer, usize::MAX));
    let mut pongs = 0;
    while pongs < count {
        assert!(node.turn(0), "{pongs} of {count}");
        let received = std::mem::take(&mut node.peers[peer].received);
        let text = String::from_utf8_lossy(&received);
        let now = text.matches("pong").count();
        assert!(now <= 2 * SERVING_STEPS_MAX, "{now} in a turn");
        pongs += now;
    }
}

#[test]
fn the_streams_of_a_connection_are_served_a_turn_at_a_time() {
    let mut node = node();
    let probe = node.connect(0);
    let mut client = Client::connect(&mut node, 0);
    client.settle(&mut node);
    let calls: Vec<usize> = (0..200)
        .map(|n| {
            // Long, and another one each time: nothing that a table of header fields makes short.
            let uri = format!("http://h/healthz?{}", n.to_string().repeat(60));
            client.open(Request::get(uri).body(()).expect("a request"), true)
        })
        .collect();
    client.turn(&mut node);
    let bytes = node.peers[client.peer].outgoing.len();
    assert!(node.receive(client.peer, usize::MAX));
    let mut turns = 0;
    while node.shards[0].has_more_work() || turns == 0 {
        node.send(probe, request("GET /healthz", "", ""));
        assert!(node.receive(probe, usize::MAX));
        node.turn(0);
        assert_eq!(answers(&mut node, probe), 1);
        turns += 1;
    }
    client.settle(&mut node);
    for call in calls {
        assert_eq!(client.calls[call].status(), Some(200));
    }
    assert!(
        turns >= bytes / (2 * HTTP2_SERVING_BYTES_MAX),
        "{bytes} bytes in {turns} turns"
    );
}

#[test]
fn what_comes_behind_a_flood_ends_it_in_order() {
    let mut node = node();
    let flood = node.connect(0);
    let count = 3 * SERVING_STEPS_MAX;
    node.send(flood, publish().repeat(count));
    node.close_half(flood);
    node.settle();
    assert_eq!(
        answers(&mut node, flood),
        count,
        "all that was sent before the end"
    );
    assert!(node.peers[flood].is_over());
}

#[test]
fn a_request_that_came_in_time_is_served_however_late() {
    let cases = [
        (
            "GET /healthz HTTP/1.1\r\nHo",
            "st: h\r\n\r\n",
            HTTP_HEAD_TIMEOUT,
        ),
        (
            "",
            "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
            HTTP_KEEP_ALIVE_TIMEOUT,
        ),
        (
            "POST /api/sessions/s/events HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n{\"type\":\"t\"",
            ",\"data\":1}",
            HTTP_BODY_TIMEOUT,
        ),
    ];
    for (first, rest, timeout) in cases {
        let mut node = node();
        let peer = node.connect(0);
        node.send(peer, first);
        node.settle();
        // It came, and the process was stopped.
        node.send(peer, rest);
        node.jump((timeout + Duration::from_secs(1)).as_millis() as u64);
        node.settle();
        let response = node.response(peer).expect("an answer");
        assert_eq!(response.status, 200, "{first:?} + {rest:?}: {response:?}");
        assert!(matches!(node.peers[peer].place, Place::On(..)));
    }
}

#[test]
fn a_sign_of_life_that_came_in_time_counts_however_late() {
    let mut node = node();
    let peer = node.connect(0);
    assert_eq!(node.ask(peer, upgrade("/live/ws")).status, 101);
    node.pass(WEBSOCKET_PING_INTERVAL);
    let received = std::mem::take(&mut node.peers[peer].received);
    assert_eq!(received.first(), Some(&0x89), "a ping (RFC 6455 §5.5.2)");
    node.send(peer, [0x8a, 0x80, 0, 0, 0, 0]);
    node.jump(2 * WEBSOCKET_PING_INTERVAL.as_millis() as u64);
    node.settle();
    assert!(
        matches!(node.peers[peer].place, Place::On(..)),
        "it answered"
    );
    let received = std::mem::take(&mut node.peers[peer].received);
    assert_eq!(received.first(), Some(&0x89), "and is asked again");
}

#[test]
fn a_peer_that_has_room_again_is_not_slow_however_late() {
    let mut node = node();
    let peer = node.connect(0);
    node.peers[peer].window = 10;
    node.send(peer, request("GET /healthz", "", ""));
    node.settle();
    assert_eq!(node.peers[peer].received.len(), 10);
    // There was room soon, and nobody heard of it.
    node.peers[peer].window = usize::MAX;
    node.jump((WRITE_TIMEOUT + Duration::from_secs(1)).as_millis() as u64);
    node.settle();
    assert_eq!(node.response(peer).expect("an answer").status, 200);
}

#[test]
fn who_came_together_is_not_pinged_together() {
    const PEERS: usize = 300;
    let mut node = node();
    let peers: Vec<usize> = (0..PEERS).map(|_| node.connect(0)).collect();
    for &peer in &peers {
        assert_eq!(node.ask(peer, upgrade("/live/ws")).status, 101);
    }
    let step = Duration::from_millis(100);
    let (mut most, mut pinged) = (0, 0);
    for _ in 0..WEBSOCKET_PING_INTERVAL.as_millis() / step.as_millis() {
        node.jump(step.as_millis() as u64);
        node.settle();
        let pings = peers.iter().filter(|&&peer| {
            let received = std::mem::take(&mut node.peers[peer].received);
            !received.is_empty()
        });
        let pings = pings.count();
        most = most.max(pings);
        pinged += pings;
    }
    assert_eq!(pinged, PEERS, "each of them once, within the interval");
    assert!(most <= PEERS / 15, "{most} of {PEERS} within {step:?}");
}

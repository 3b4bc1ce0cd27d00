//! Design: "Overload". A publisher is told at once, and nothing has changed.

use fanfare::hub::ShardId;
use fanfare::limits::{MESH_OUTBOX_MESSAGES_MAX, SEND_QUEUE_PAUSE_BYTES};

use fanfare::dialect::Config;

use crate::support::http::request;
use crate::support::node::TestNode;

#[test]
fn a_full_outbox_to_the_home_shard_refuses() {
    let mut node = TestNode::new(2, 5, &Config::default());
    let token = ["a", "b", "c", "d", "e"]
        .into_iter()
        .find(|token| node.home(token) == 1);
    let token = token.expect("one of them lives on shard 1");
    let post = |data: &str| {
        let line = format!("POST /api/sessions/{token}/events");
        request(&line, "", &format!("{{\"type\":1,\"data\":{data}}}"))
    };
    node.stuck = Some((0, 1));
    let waiting: Vec<usize> = (0..MESH_OUTBOX_MESSAGES_MAX)
        .map(|_| node.connect(0))
        .collect();
    for &peer in &waiting {
        node.send(peer, post("1"));
        node.receive(peer, usize::MAX);
    }
    assert_eq!(
        node.shards[0].outbox(ShardId(1)).len(),
        MESH_OUTBOX_MESSAGES_MAX
    );
    let peer = node.connect(0);
    let refused = node.ask(peer, post("2"));
    assert_eq!((refused.status, &*refused.error_code()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(node.metrics[0].publishes_refused.value(), 1);
    // With a key too, which is not used up by it.
    let keys = ["k1", "k2", "k3", "k4"];
    let keyed = |key: &str| post("3").replace("Host:", &format!("Idempotency-Key: {key}\r\nHost:"));
    for key in keys {
        let refused = node.ask(peer, keyed(key));
        assert_eq!(refused.status, 503, "{key}");
    }
    // The other direction is open: who lands at home is served.
    let home = node.connect(1);
    assert_eq!(
        node.ask(home, post("4")).header("fanfare-number"),
        Some("0")
    );
    node.stuck = None;
    node.settle();
    for peer in waiting {
        assert_eq!(node.response(peer).expect("an answer").status, 200);
    }
    let next = (MESH_OUTBOX_MESSAGES_MAX + 1).to_string();
    assert_eq!(
        node.ask(peer, keyed("k1")).header("fanfare-number"),
        Some(&*next)
    );
    assert_eq!(
        node.ask(peer, keyed("k1")).header("fanfare-number"),
        Some(&*next)
    );
}

#[test]
fn a_full_memory_budget_refuses_whole() {
    let mut config = Config::default();
    config.hub.logs_bytes_max = 4_000;
    config.hub.retention.bytes = 4_000;
    let mut node = TestNode::new(1, 5, &config);
    let peer = node.connect(0);
    let event = format!("{{\"type\":1,\"data\":\"{}\"}}", "x".repeat(1_000));
    let post =
        |token: &str, body: &str| request(&format!("POST /api/sessions/{token}/events"), "", body);
    assert_eq!(node.ask(peer, post("a", &event)).status, 200);
    assert_eq!(node.ask(peer, post("b", &event)).status, 200);
    let three = format!("[{event},{event},{event}]");
    let refused = node.ask(peer, post("c", &three));
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("61"))
    );
    let unknown = node.ask(peer, request("GET /api/sessions/c", "", ""));
    assert_eq!(unknown.status, 404, "nothing was created");
    node.pass(std::time::Duration::from_secs(62));
    assert_eq!(node.ask(peer, post("c", &three)).status, 200);
}

/// Nobody else does anything that would begin another tick.
#[test]
fn a_publish_that_waited_for_room_is_shown_though_nothing_else_comes() {
    let mut node = TestNode::new(1, 5, &Config::default());
    let publish = |token: &str, data: &str| {
        let line = format!("POST /api/sessions/{token}/events");
        request(&line, "", &format!("{{\"type\":\"a\",\"data\":{data}}}"))
    };
    let peer = node.connect(0);
    let fill = format!("\"{}\"", "x".repeat(50_000));
    assert_eq!(node.ask(peer, publish("large", &fill)).status, 200);
    let readers: Vec<usize> = (0..2).map(|_| node.connect(0)).collect();
    node.send(readers[0], request("GET /api/sessions/t/events", "", ""));
    let accept = "Accept: text/event-stream\r\n";
    node.send(
        readers[1],
        request("GET /api/sessions/t/events", accept, ""),
    );
    node.settle();
    // More answers than its peer takes, and behind them the publish.
    node.open_window(peer, 0);
    let read = "GET /api/sessions/large/events?last_event=-1&timeout=0";
    for _ in 0..=SEND_QUEUE_PAUSE_BYTES / fill.len() {
        node.send(peer, request(read, "", ""));
    }
    node.send(peer, publish("t", "\"sought\""));
    node.settle();
    for &reader in &readers {
        node.peers[reader].received.clear();
    }
    node.open_window(peer, usize::MAX);
    while node.turn(0) {}
    for &reader in &readers {
        let received = String::from_utf8_lossy(&node.peers[reader].received);
        assert!(received.contains("sought"), "{received:?}");
    }
}

//! Mutated handshakes, frames and messages at the sockets of a whole node, beside others who must
//! not notice.
//!
//! On a node of one shard or several, an honest publisher and four honest subscribers do their work
//! while strangers send what nobody should. Whatever those get or lose, each honest event arrives
//! once, in order, and in the end nothing is left behind.

use std::time::Duration;

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use serde_json::Value;

use crate::Fuzzer;
use crate::support::http::{request, take_response};
use crate::support::node::TestNode;
use crate::support::web_socket::{Client, Message, upgrade};

const ROUNDS: u64 = 60;
const STEPS: usize = 60;
const STRANGERS: usize = 6;

/// Handshakes that are as they should be.
const PATHS: [&str; 6] = [
    "/live/ws",
    "/communication_manager/ws/event",
    "/sysadm",
    "/sysadm/ws",
    "/event/v2/stream",
    "/pubsub/ws?event_id=e&session_id=s&last_event=0",
];

/// Messages that are as they should be.
const MESSAGES: [&str; 25] = [
    r#"{"type":"filter","filters":[{"property":"type","value":"honest"}]}"#,
    r#"{"type":"filter","filters":[{"property":"a.b","value":"*"},{"property":"a","value":null}]}"#,
    r#"{"type":"filter","filters":[{"property":"n","value":1},{"property":"n","value":"2"}]}"#,
    r#"{"type":"filter","filters":[]}"#,
    r#"{"type":"filter","filters":[{"property":"time","value":"*"},{"property":"sessionId","value":"s"}]}"#,
    r#"{"type":"filter","filters":[{"property":"","value":""},{"property":".","value":true}]}"#,
    r#"{"type":"filter","filters":[{"property":"coreServerId","value":"*"}]}"#,
    r#"{"namespace":"events","name":"subscribe","id":"a","args":["dispatcher","life-preserver"]}"#,
    r#"{"namespace":"events","name":"unsubscribe","id":"a","args":"dispatcher"}"#,
    r#"{"namespace":"EVENTS","name":"subscribe","args":["system-state"]}"#,
    r#"{"namespace":"rpc","name":"auth","id":"b","args":{"username":"u","password":"p"}}"#,
    r#"{"namespace":"rpc","name":"auth_token","id":"c","args":{"token":"abcdefghij0123456789"}}"#,
    r#"{"namespace":"rpc","name":"auth_clear"}"#,
    r#"{"namespace":"rpc","name":"identify","id":"d"}"#,
    r#"{"namespace":"rpc","name":"query","id":"e"}"#,
    r#"{"namespace":"rpc","name":"dispatcher","id":"f","args":["ls"]}"#,
    r#"{"subscribe":{"name":"dispatcher|t*","target":{"layoutId":"s"}},"correlationId":"g"}"#,
    r#"{"unsubscribe":{"name":"t*|dispatcher","target":{"layoutId":"s"}},"correlationId":"h"}"#,
    r#"{"publish":{"name":"dispatcher","payload":{"a":{"b":2}},"target":{"layoutId":"s"}},"correlationId":"i"}"#,
    r#"{"ping":"p","correlationId":"j"}"#,
    r#"{"action":"subscribe-event","data":{"eventNames":["dispatcher","t","7"]},"ref":1}"#,
    r#"{"action":"unsubscribe-event","data":{"eventName":"dispatcher"},"ref":"k"}"#,
    r#"{"action":"publish-event","data":{"eventName":"t","data":{"a":[1.50]},"scope":"event"},"ref":2}"#,
    r#"{"action":"publish-event","data":{"eventName":"dispatcher","scope":"organization"},"ref":-3}"#,
    r#"{"action":"authenticate","data":{"token":"l"},"ref":"l"}"#,
];

/// What strangers publish, mutated.
const EVENTS: [&str; 4] = [
    r#"{"type":"dispatcher","data":{"a":{"b":1},"n":2}}"#,
    r#"{"type":"life-preserver","data":{"priority":3}}"#,
    r#"[{"type":"t","data":[1]},{"type":7,"data":null}]"#,
    r#"{"type":"a*b","data":{"type":"x","type":"y","data":"z"}}"#,
];

/// Somebody who subscribed and reads all there is.
struct Honest {
    peer: usize,
    client: Client,
    received: Vec<u64>,
}

impl Honest {
    /// Comes, and says one thing; that many texts come back.
    fn connect(
        node: &mut TestNode,
        shard: usize,
        (path, message, texts): (&str, &str, usize),
    ) -> Self {
        let peer = node.connect(shard);
        node.send(peer, upgrade(path));
        node.settle();
        let answer = take_response(&mut node.peers[peer].received, false);
        assert_eq!(answer.map(|answer| answer.status), Some(101));
        let mut client = Client::new();
        client.write(Message::text(message));
        node.send(peer, client.output());
        node.settle();
        assert_eq!(client.texts(&mut node.peers[peer].received).len(), texts);
        Self {
            peer,
            client,
            received: Vec::new(),
        }
    }

    /// Reads events of the honest publisher, passing over those of strangers.
    fn read(&mut self, node: &mut TestNode) {
        for text in self.client.texts(&mut node.peers[self.peer].received) {
            let event: Value = serde_json::from_str(&text).expect("JSON");
            let payload = event.pointer("/result/event/payload");
            let room = event.get("eventName").and(event.get("data"));
            let payload = payload.or_else(|| event.get("args")).or(room);
            let fields = payload.unwrap_or(&event);
            self.received.extend(fields["honest"].as_u64());
        }
        node.send(self.peer, self.client.output());
        assert!(
            !node.peers[self.peer].is_over(),
            "an honest client was dropped"
        );
    }
}

#[test]
fn strangers_cost_nobody_anything() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let shards = 1 + fuzzer.below(3);
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 2_000;
    if fuzzer.below(2) == 0 {
        config.hub.slow_consumer = SlowConsumer::DropOldest;
    }
    let mut node = TestNode::new(shards as u16, seed, &config);
    let filter = r#"{"type":"filter","filters":[{"property":"honest","value":"*"}]}"#;
    let classes = r#"{"namespace":"events","name":"subscribe","args":"dispatcher"}"#;
    let names = r#"{"subscribe":{"name":"dispatcher"}}"#;
    let exact = r#"{"action":"subscribe-event","data":{"eventName":"dispatcher"},"ref":0}"#;
    let all = [
        (PATHS[0], filter, 1),
        (PATHS[2], classes, 1),
        (PATHS[4], names, 1),
        // A welcome, the news that its cursor is ahead of the log, and the reply.
        (PATHS[5], exact, 3),
    ];
    let mut honest = all.map(|what| {
        let shard = fuzzer.below(shards);
        Honest::connect(&mut node, shard, what)
    });
    let publisher = node.connect(fuzzer.below(shards));
    let mut strangers: Vec<usize> = Vec::new();
    let mut numbers = Vec::new();
    for step in 0..STEPS as u64 {
        strangers.retain(|&peer| !node.peers[peer].is_over());
        if strangers.len() < STRANGERS {
            strangers.push(come(&mut node, &mut fuzzer));
        }
        let stranger = strangers[fuzzer.below(strangers.len())];
        bother(&mut node, &mut fuzzer, stranger);
        if fuzzer.below(3) == 0 {
            let event = format!("{{\"type\":\"dispatcher\",\"data\":{{\"honest\":{step}}}}}");
            let answer = node.ask(
                publisher,
                request("POST /api/sessions/s/events", "", &event),
            );
            assert_eq!(answer.status, 200);
            numbers.push(step);
        }
        node.settle();
        let millis = fuzzer.below(1_000) as u64;
        node.pass(Duration::from_millis(millis));
        for honest in &mut honest {
            honest.read(&mut node);
            assert_eq!(honest.received, numbers);
        }
    }
    for peer in 0..node.peers.len() {
        node.break_off(peer);
    }
    node.pass(Duration::from_secs(1));
    for gauge in ["connections", "readers", "subscriptions", "buffered_bytes"] {
        assert_eq!(node.sum(gauge), 0, "{gauge}");
    }
}

/// A stranger comes, most of the time with a handshake that will do.
fn come(node: &mut TestNode, fuzzer: &mut Fuzzer) -> usize {
    let peer = node.connect(fuzzer.below(node.shards.len()));
    let handshake = upgrade(PATHS[fuzzer.below(PATHS.len())]).into_bytes();
    let handshake = if fuzzer.below(4) == 0 {
        fuzzer.mutate(&handshake, &handshake)
    } else {
        handshake
    };
    if fuzzer.below(3) == 0 {
        node.open_window(peer, fuzzer.below(400));
    }
    node.send(peer, handshake);
    peer
}

fn bother(node: &mut TestNode, fuzzer: &mut Fuzzer, peer: usize) {
    let bytes = match fuzzer.below(8) {
        0 => {
            let event = EVENTS[fuzzer.below(EVENTS.len())];
            let event = fuzzer.mutate(event.as_bytes(), EVENTS[0].as_bytes());
            let head = "POST /api/sessions/s/events HTTP/1.1\r\nHost: h\r\nContent-Length: ";
            let bytes = [format!("{head}{}\r\n\r\n", event.len()).as_bytes(), &event].concat();
            let publisher = node.connect(fuzzer.below(node.shards.len()));
            node.send(publisher, bytes);
            node.close_half(publisher);
            return;
        }
        1 => {
            node.open_window(peer, [0, 1, 300, usize::MAX][fuzzer.below(4)]);
            return;
        }
        2 => {
            if fuzzer.below(2) == 0 {
                node.close_half(peer);
            } else {
                node.break_off(peer);
            }
            return;
        }
        3 => {
            let frame = frame(fuzzer, MESSAGES[0].as_bytes());
            let other = self::frame(fuzzer, MESSAGES[7].as_bytes());
            fuzzer.mutate(&frame, &other)
        }
        4 => {
            let message = MESSAGES[fuzzer.below(MESSAGES.len())];
            frame(fuzzer, message.as_bytes())
        }
        _ => {
            let message = MESSAGES[fuzzer.below(MESSAGES.len())].as_bytes();
            let other = MESSAGES[fuzzer.below(MESSAGES.len())].as_bytes();
            let message = fuzzer.mutate(message, other);
            frame(fuzzer, &message)
        }
    };
    for piece in bytes.chunks(1 + fuzzer.below(bytes.len())) {
        node.send(peer, piece);
        if fuzzer.below(2) == 0 {
            node.receive(peer, usize::MAX);
        }
    }
}

/// A masked frame, of text more often than not.
fn frame(fuzzer: &mut Fuzzer, payload: &[u8]) -> Vec<u8> {
    let first = [0x81, 0x81, 0x81, 0x82, 0x01, 0x80, 0x88, 0x89][fuzzer.below(8)];
    let mask = (fuzzer.below(1 << 32) as u32).to_be_bytes();
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0xfe);
            frame.extend((long as u16).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

//! HTTP/2 conversations at a whole node: mutated frames from strangers, and clients who keep to the
//! protocol but to nothing else.
//!
//! Strangers send frames that were right before they were mutated, in any pieces. The fickle open
//! every kind of stream, read when they like, and cancel; their bytes, the mail between the shards
//! and the kernel's room come a little at a time. Beside them an honest subscriber hears an honest
//! publisher, event by event, and when everyone has left nothing is left behind.

use std::time::Duration;

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use fanfare_tonic::event::events_stream_request::Message as Ask;
use fanfare_tonic::prost::Message as _;
use http::Request;

use crate::Fuzzer;
use crate::support::grpc::{PUBLISH, STREAM, ask, event, framed, head, subscription};
use crate::support::http2::{Client, PREFACE, frame};
use crate::support::node::TestNode;

const ROUNDS: u64 = 60;
const STEPS: usize = 50;
const STRANGERS: usize = 3;
const FICKLE: usize = 3;
/// Paths of requests that are not calls, and what they accept.
const PLAIN: [(&str, &str, &str); 8] = [
    ("GET", "/api/sessions/t/events", "*/*"),
    ("GET", "/api/sessions/u/events?timeout=1", "*/*"),
    (
        "GET",
        "/api/sessions/t/events?last_event=-1",
        "text/event-stream",
    ),
    ("GET", "/api/sessions/v/events", "text/event-stream"),
    ("POST", "/api/sessions/t/events", "*/*"),
    ("POST", "/event/v2/publish", "*/*"),
    ("GET", "/event/v2/stream?subscribe.name=e", "*/*"),
    ("DELETE", "/api/sessions/u", "*/*"),
];
/// Paths of calls.
const CALLS: [&str; 4] = [
    STREAM,
    PUBLISH,
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

#[test]
fn nobody_s_streams_cost_others_anything() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let shards = 1 + fuzzer.below(3);
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 4_000;
    if fuzzer.below(2) == 0 {
        config.hub.slow_consumer = SlowConsumer::DropOldest;
    }
    let mut node = TestNode::new(shards as u16, seed, &config);
    let mut honest = Client::connect(&mut node, fuzzer.below(shards));
    let hears = honest.subscribe(&mut node, "honest");
    let mut publisher = Client::connect(&mut node, fuzzer.below(shards));
    let (mut strangers, mut fickle) = (Vec::new(), Vec::new());
    for step in 0..STEPS as u64 {
        strangers.retain(|&peer: &usize| !node.peers[peer].is_over());
        fickle.retain(|client: &Client| !node.peers[client.peer].is_over());
        if strangers.len() < STRANGERS {
            strangers.push(come(&mut node, &mut fuzzer));
        }
        if fickle.len() < FICKLE {
            let window = [1, 100, 70_000][fuzzer.below(3)];
            let shard = fuzzer.below(shards);
            fickle.push(Client::connect_with(&mut node, shard, window));
        }
        let stranger = strangers[fuzzer.below(strangers.len())];
        bother(&mut node, &mut fuzzer, stranger);
        let client = fuzzer.below(fickle.len());
        whim(&mut node, &mut fuzzer, &mut fickle[client]);
        for _ in 0..fuzzer.below(12) {
            stumble(&mut node, &mut fuzzer, &mut fickle);
        }
        if fuzzer.below(3) == 0 {
            let call = publisher.unary(&mut node, PUBLISH, &event("honest", step, ""));
            let status = publisher.calls[call].grpc_status();
            assert_eq!(status, Some((0, String::new())));
            honest.settle(&mut node);
            assert_eq!(honest.calls[hears].take_numbers(), [step]);
        }
        let millis = fuzzer.below(700) as u64;
        node.pass(Duration::from_millis(millis));
        honest.settle(&mut node);
        publisher.settle(&mut node);
    }
    if fuzzer.below(2) == 0 {
        // Calls are cancelled before their connections end, or not.
        for client in &mut fickle {
            (0..client.calls.len()).for_each(|call| client.cancel(call));
            client.settle(&mut node);
        }
    }
    for peer in 0..node.peers.len() {
        node.break_off(peer);
    }
    node.settle();
    node.pass(Duration::from_secs(1));
    let gauges = [
        "connections",
        "http2_streams",
        "readers",
        "subscriptions",
        "buffered_bytes",
    ];
    for gauge in gauges {
        assert_eq!(node.sum(gauge), 0, "{gauge}");
    }
    for shard in &node.shards {
        assert_eq!(shard.connections(), 0, "streams and relays are connections");
    }
}

/// One step of anything, by itself.
fn stumble(node: &mut TestNode, fuzzer: &mut Fuzzer, fickle: &mut [Client]) {
    let shards = node.shards.len();
    match fuzzer.below(4) {
        0 => {
            let client = fuzzer.below(fickle.len());
            fickle[client].turn(node);
        }
        1 => {
            let peer = fuzzer.below(node.peers.len());
            node.receive(peer, [1, 9, 60, usize::MAX][fuzzer.below(4)]);
        }
        2 => {
            node.deliver(fuzzer.below(shards), fuzzer.below(shards));
        }
        _ => {
            node.turn(fuzzer.below(shards));
        }
    }
}

/// Something that a client may do.
fn whim(node: &mut TestNode, fuzzer: &mut Fuzzer, client: &mut Client) {
    let some_call = |fuzzer: &mut Fuzzer| fuzzer.below(client.calls.len());
    match fuzzer.below(12) {
        0..4 => {
            let path = CALLS[[0, 0, 0, 1, 1, 2, 3][fuzzer.below(7)]];
            let timeout = [("grpc-timeout", "300m")];
            let fields = if fuzzer.below(4) == 0 {
                &timeout[..]
            } else {
                &[]
            };
            let Some(call) = client.try_open(head(path, fields), false) else {
                return;
            };
            for _ in 0..fuzzer.below(4) {
                let message = message(fuzzer, path);
                client.send(call, &message);
            }
            if fuzzer.below(3) == 0 {
                client.half_close(call);
            }
        }
        4..7 => {
            let (method, path, accept) = PLAIN[fuzzer.below(PLAIN.len())];
            let request = Request::builder()
                .method(method)
                .uri(format!("http://x{path}"));
            let request = request
                .header("accept", accept)
                .body(())
                .expect("a request");
            let has_body = method == "POST";
            let Some(call) = client.try_open(request, !has_body) else {
                return;
            };
            if has_body {
                client.send(call, &body(fuzzer));
                if fuzzer.below(4) > 0 {
                    client.half_close(call);
                }
            }
        }
        _ if client.calls.is_empty() => {}
        7 | 8 => client.cancel(some_call(fuzzer)),
        9 => client.half_close(some_call(fuzzer)),
        10 => {
            let call = some_call(fuzzer);
            client.calls[call].appetite = [0, 1, 1_000, usize::MAX][fuzzer.below(4)];
        }
        _ => {
            let room = [0, 1, 300, 5_000, usize::MAX][fuzzer.below(5)];
            node.open_window(client.peer, room);
        }
    }
}

/// A request's body in JSON, of both dialects at once.
fn body(fuzzer: &mut Fuzzer) -> Vec<u8> {
    let fill = "x".repeat(fuzzer.below(2_000));
    format!(r#"{{"type":"e","name":"e","data":"{fill}","payload":{{"fill":"{fill}"}}}}"#)
        .into_bytes()
}

/// A message of a call.
fn message(fuzzer: &mut Fuzzer, path: &str) -> Vec<u8> {
    let fill = "x".repeat(fuzzer.below(1_000));
    if path == PUBLISH {
        return framed(&event("e", 1, &fill).encode_to_vec());
    }
    let asked = match fuzzer.below(5) {
        0 => Ask::Ping("ping".into()),
        1 => Ask::Publish(event("e", 2, &fill)),
        2 => Ask::Unsubscribe(subscription("e", None)),
        _ => Ask::Subscribe(subscription(["e", "*", "e|f"][fuzzer.below(3)], None)),
    };
    framed(&ask("c", asked).encode_to_vec())
}

/// A stranger comes, most of the time as is proper.
fn come(node: &mut TestNode, fuzzer: &mut Fuzzer) -> usize {
    let peer = node.connect(fuzzer.below(node.shards.len()));
    if fuzzer.below(3) == 0 {
        node.open_window(peer, fuzzer.below(400));
    }
    let begin = [PREFACE, &frame(4, 0, 0, &[])].concat();
    let begin = if fuzzer.below(6) == 0 {
        fuzzer.mutate(&begin, PREFACE)
    } else {
        begin
    };
    node.send(peer, begin);
    peer
}

/// A stranger sends some frames, or breaks off.
fn bother(node: &mut TestNode, fuzzer: &mut Fuzzer, peer: usize) {
    if fuzzer.below(12) == 0 {
        match fuzzer.below(3) {
            0 => node.break_off(peer),
            1 => node.close_half(peer),
            _ => node.open_window(peer, [0, 1, 300, usize::MAX][fuzzer.below(4)]),
        }
        return;
    }
    let mut bytes = Vec::new();
    for _ in 0..=fuzzer.below(5) {
        bytes.extend(any_frame(fuzzer));
    }
    if fuzzer.below(3) == 0 {
        let other = any_frame(fuzzer);
        bytes = fuzzer.mutate(&bytes, &other);
    }
    for piece in bytes.chunks(1 + fuzzer.below(bytes.len())) {
        node.send(peer, piece);
        if fuzzer.below(2) == 0 {
            node.receive(peer, usize::MAX);
        }
    }
}

fn any_frame(fuzzer: &mut Fuzzer) -> Vec<u8> {
    let stream = [1, 1, 3, 3, 5, 7, 9, 11, 21, 2, 0][fuzzer.below(11)];
    let word = [0, 1, 100, 70_000, 0x7fff_ffff][fuzzer.below(5)] as u32;
    let flags = [0, 1, 4, 5, 5, 4, 8, 0x20][fuzzer.below(8)];
    match fuzzer.below(14) {
        0..5 => {
            let block = block(fuzzer);
            frame(1, flags | 4, stream, &block)
        }
        5..9 => {
            let path = CALLS[fuzzer.below(CALLS.len())];
            let message = message(fuzzer, path);
            let message = fuzzer.mutate(&message, b"\0\0\0\0\x01");
            frame(0, flags & 9, stream, &message)
        }
        9 => frame(3, 0, stream, &word.to_be_bytes()),
        10 => frame(8, 0, stream, &word.to_be_bytes()),
        11 => {
            let setting = 1 + fuzzer.below(6) as u16;
            let payload = [&setting.to_be_bytes()[..], &word.to_be_bytes()].concat();
            frame(4, flags & 1, 0, &payload)
        }
        12 => frame(6, flags & 1, 0, &[3; 8]),
        _ => frame(fuzzer.below(14) as u8, flags, stream, &word.to_be_bytes()),
    }
}

/// A head, in literals without a table (RFC 7541 §6.2.2).
fn block(fuzzer: &mut Fuzzer) -> Vec<u8> {
    let (method, path, accept) = PLAIN[fuzzer.below(PLAIN.len())];
    let call = CALLS[fuzzer.below(CALLS.len())];
    let plain = [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("accept", accept),
    ];
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", call),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = if fuzzer.below(2) == 0 { plain } else { fields };
    let mut block = Vec::new();
    for (name, value) in fields {
        for text in [name, value] {
            if text == name {
                block.push(0);
            }
            block.push(text.len() as u8);
            block.extend(text.bytes());
        }
    }
    if fuzzer.below(5) == 0 {
        return fuzzer.mutate(&block, b"\0\x01a\x01b");
    }
    block
}

//! Contract: "filters are in force from the answer on" — answers and events on one connection, in
//! order.

use fanfare::dialect::Config;
use fanfare::hub::ShardId;
use fanfare::limits::FANOUT_BYTES_MAX;
use fanfare::shard::{Flushed, Mail};

use super::{PATH, accepted, filter, set, types};
use crate::stage::everywhere;
use crate::support::http::request;
use crate::support::node::{Place, TestNode};
use crate::support::socket::Socket;

/// A request that publishes one event of that name.
fn publish(name: &str) -> String {
    let body = format!(r#"{{"type":"{name}","data":{{}}}}"#);
    request("POST /api/sessions/t/events", "", &body)
}

#[test]
fn a_ticks_events_are_one_write() {
    everywhere(|stage| {
        let home = stage.node.home("t");
        let mut socket = stage.open_on(home, PATH, "");
        let publishers: Vec<usize> = (0..10).map(|_| stage.node.connect(home)).collect();
        let before = stage.node.metrics[home].writes.value();
        for (number, &peer) in publishers.iter().enumerate() {
            stage.node.send(peer, publish(&format!("e{number}")));
            assert!(stage.node.receive(peer, usize::MAX));
        }
        assert_eq!(stage.node.shards[home].addressed(), 1);
        stage.node.turn(home);
        // Ten answers, and ten events at once.
        assert_eq!(stage.node.metrics[home].writes.value() - before, 11);
        let expected: Vec<String> = (0..10).map(|number| format!("e{number}")).collect();
        assert_eq!(types(stage, &mut socket), expected);
        assert_eq!(stage.node.shards[home].addressed(), 0);
    });
}

#[test]
fn answers_and_events_of_one_tick_keep_their_order() {
    everywhere(|stage| {
        let home = stage.node.home("t");
        let mut socket = stage.open_on(home, PATH, "");
        let publisher = stage.node.connect(home);
        let mut expected = Vec::new();
        for round in 0..5 {
            for (name, is_wanted) in [("a", round % 2 == 0), ("b", round % 2 != 0)] {
                stage.node.send(publisher, publish(name));
                stage.node.receive(publisher, usize::MAX);
                if round == 0 || is_wanted {
                    expected.push(name);
                }
            }
            let next = if round % 2 == 0 { "\"b\"" } else { "\"a\"" };
            socket.send(&mut stage.node, &filter(&[("type", next)]));
            stage.node.receive(socket.peer, usize::MAX);
            expected.push("filterResponse");
        }
        let before = stage.node.metrics[home].writes.value();
        stage.node.settle();
        assert_eq!(types(stage, &mut socket), expected);
        // The publisher's answers are one write, all that the socket gets another.
        assert_eq!(stage.node.metrics[home].writes.value() - before, 2);
    });
}

#[test]
fn pipelined_filter_messages_are_answered_one_by_one() {
    everywhere(|stage| {
        // Behind the handshake already, while the shard has yet to tell the others that it listens.
        let shard = (stage.node.home("t") + 1) % stage.shards();
        let peer = stage.node.connect(shard);
        let mut client = crate::support::web_socket::Client::new();
        let mut bytes = crate::support::web_socket::upgrade(PATH).into_bytes();
        for count in 0..20 {
            let filters = vec![("type", "\"a\""); count];
            let text = filter(&filters);
            client.write(crate::support::web_socket::Message::text(text));
            bytes.extend(client.output());
        }
        // Byte by byte, or as much as there is.
        stage.node.send(peer, &bytes);
        while stage.node.receive(peer, 7) {
            stage.node.turn(shard);
        }
        stage.node.settle();
        let socket = crate::support::socket::Socket::opened(&mut stage.node, peer);
        let mut socket = socket.expect("it is opened");
        let expected: Vec<String> = (0..20).map(accepted).collect();
        assert_eq!(socket.texts(&mut stage.node), expected);
        stage.publish("t", "\"a\"", "{}");
        stage.publish("t", "\"b\"", "{}");
        assert_eq!(types(stage, &mut socket), ["a"]);
    });
}

#[test]
fn what_is_published_after_the_answer_is_filtered_and_never_missed() {
    everywhere(|stage| {
        let mut sockets = stage.open_everywhere(PATH);
        for round in 0..10 {
            let name = format!("e{round}");
            let value = format!("\"{name}\"");
            for socket in &mut sockets {
                set(stage, socket, &[("type", &value)]);
            }
            stage.publish("t", "\"other\"", "{}");
            stage.publish("t", &value, "{}");
            for socket in &mut sockets {
                assert_eq!(types(stage, socket), [&*name]);
            }
        }
    });
}

/// What a shard sends to another: answers and events, in order.
fn outbox(node: &mut TestNode, from: usize, to: usize) -> Vec<&'static str> {
    let outbox = node.shards[from].outbox(ShardId(to as u16));
    let kinds = outbox.iter().filter_map(|mail| match mail {
        Mail::Answer { .. } => Some("answer"),
        Mail::Hear(_) | Mail::Append(_) => Some("event"),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn a_publishers_answer_is_mailed_before_its_event() {
    let mut node = TestNode::new(3, 11, &Config::default());
    let home = node.home("t");
    let from = (home + 1) % 3;
    let _socket = Socket::open(&mut node, from, PATH, "").expect("it is opened");
    // With a key whose home is the session's, and with one that is remembered elsewhere.
    let mut seen = [false; 2];
    for number in 0..40 {
        let publisher = node.connect(from);
        let header = match number {
            0 => String::new(),
            _ => format!("Idempotency-Key: k{number}\r\n"),
        };
        let body = r#"{"type":"life-preserver","data":{}}"#;
        let text = request("POST /api/sessions/t/events", &header, body);
        node.send(publisher, text);
        assert!(node.receive(publisher, usize::MAX));
        node.turn(from);
        while node.deliver(from, home) {}
        let direct = outbox(&mut node, home, from);
        if number == 0 {
            assert_eq!(direct, ["answer", "event"]);
        } else if let Some(place) = direct.iter().position(|&kind| kind == "answer") {
            assert_eq!((place, direct.len()), (0, 2), "{direct:?}");
            seen[0] = true;
        } else {
            seen[1] = true;
        }
        node.settle();
        assert_eq!(node.response(publisher).expect("an answer").status, 200);
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn a_publishers_answer_is_written_before_its_event() {
    let mut node = TestNode::new(1, 11, &Config::default());
    let socket = Socket::open(&mut node, 0, PATH, "").expect("it is opened");
    // The last event is one too many for the groups: they are put into the send queues at once.
    let body = format!(r#"{{"type":"n","data":"{}"}}"#, "x".repeat(1_000_000));
    let count = FANOUT_BYTES_MAX / 1_000_000 + 1;
    let mut expected = Vec::new();
    for _ in 0..count {
        let publisher = node.connect(0);
        expected.push(node.peers[publisher].place);
        let text = request("POST /api/sessions/t/events", "", &body);
        node.send(publisher, text);
        assert!(node.receive(publisher, usize::MAX));
    }
    assert_eq!(node.shards[0].addressed(), 0, "nothing waits any more");
    expected.push(node.peers[socket.peer].place);
    let (mut written, now) = (Vec::new(), node.now);
    node.shards[0].end_tick(now);
    node.shards[0].flush(now, |id, queue| {
        written.push(Place::On(0, id));
        Flushed::Sent(queue.len())
    });
    assert_eq!(written, expected);
}

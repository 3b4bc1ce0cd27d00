//! Contract: "filters are in force from the answer on" — answers and events on one connection, in order.

use super::{PATH, accepted, filter, set, types};
use crate::stage::everywhere;
use crate::support::http::request;

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

//! Readers of logs on streams: their session may be at home on any shard, and nobody sees where.

use std::time::Duration;

use fanfare::dialect::Config;
use fanfare::limits::RELAY_BYTES_MAX;
use fanfare::shard::Shard;
use http::Request;

use crate::support::http::{request as text, take_stream};
use crate::support::http2::{Client, End};
use crate::support::node::TestNode;

/// A node, and a client of it on the session's home or not.
fn everywhere(scene: impl Fn(&mut TestNode, Client)) {
    for (shards, away) in [(1, 0), (3, 0), (3, 1)] {
        let mut node = TestNode::new(shards, 5, &Config::default());
        let shard = (node.home("t") + away) % usize::from(shards);
        let client = Client::connect(&mut node, shard);
        scene(&mut node, client);
    }
}

fn get(query: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(format!("http://x/api/sessions/t/events{query}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn event_stream() -> Request<()> {
    get("", &[("accept", "text/event-stream")])
}

fn publish(node: &mut TestNode, data: &str) {
    let shard = node.home("t");
    let peer = node.connect(shard);
    let body = format!(r#"{{"type":"a","data":{data}}}"#);
    let response = node.ask(peer, text("POST /api/sessions/t/events", "", &body));
    assert_eq!(response.status, 200, "{response:?}");
    node.break_off(peer);
}

/// What is left of readers, streams and their bytes, with only the client's connection there.
fn left(node: &mut TestNode) -> [u64; 3] {
    node.pass(Duration::from_secs(1));
    let connections: usize = node.shards.iter().map(Shard::connections).sum();
    assert_eq!(connections, 1 + node.sum("http2_streams") as usize);
    ["readers", "http2_streams", "buffered_bytes"].map(|name| node.sum(name))
}

#[test]
fn a_poll_is_answered_by_the_next_event() {
    everywhere(|node, mut client| {
        let call = client.open(get("", &[]), true);
        client.settle(node);
        node.pass(Duration::from_secs(1));
        assert_eq!(node.sum("readers"), 1);
        publish(node, "1");
        client.settle(node);
        let call = &client.calls[call];
        assert_eq!((call.status(), call.end), (Some(200), Some(End::Complete)));
        assert_eq!(call.field("fanfare-next"), Some("1"), "{:?}", call.head);
        assert!(call.body.starts_with(b"["), "{:?}", call.body);
        assert_eq!(left(node), [0; 3]);
    });
}

#[test]
fn a_poll_is_answered_in_parts() {
    everywhere(|node, mut client| {
        let data = format!("\"{}\"", "x".repeat(400_000));
        (0..5).for_each(|_| publish(node, &data));
        let (mut last, mut parts) = (-1, Vec::new());
        loop {
            let call = client.open(get(&format!("?last_event={last}"), &[]), true);
            client.settle(node);
            let call = &client.calls[call];
            assert_eq!((call.status(), call.end), (Some(200), Some(End::Complete)));
            let events: Vec<serde_json::Value> = serde_json::from_slice(&call.body).unwrap();
            last = events.last().expect("an event")["number"].as_i64().unwrap();
            parts.push(events.len());
            match call.field("fanfare-more") {
                Some(more) => assert_eq!(more, "true"),
                None => break,
            }
        }
        assert_eq!((parts, last), (vec![2, 2, 1], 4));
        assert_eq!(left(node), [0; 3]);
    });
}

#[test]
fn who_reads_what_was_ended_is_told_and_leaves_nothing() {
    everywhere(|node, mut client| {
        publish(node, "1");
        let home = node.home("t");
        let peer = node.connect(home);
        let deleted = node.ask(peer, text("DELETE /api/sessions/t", "", ""));
        assert_eq!(deleted.status, 200);
        node.break_off(peer);
        let calls = [get("", &[]), get("?last_event=-1", &[]), event_stream()];
        for call in calls.map(|request| client.open(request, true)) {
            client.settle(node);
            let call = &client.calls[call];
            assert_eq!((call.status(), call.end), (Some(410), Some(End::Complete)));
            assert!(
                call.field("cache-control")
                    .is_some_and(|value| value.starts_with("no-store"))
            );
        }
        assert_eq!(left(node), [0; 3]);
        assert_eq!(node.sum("sessions"), 0);
    });
}

#[test]
fn a_poll_s_timeout_passes() {
    everywhere(|node, mut client| {
        let call = client.open(get("?timeout=5", &[]), true);
        client.settle(node);
        node.pass(Duration::from_secs(4));
        client.settle(node);
        assert_eq!(client.calls[call].end, None);
        node.pass(Duration::from_secs(2));
        client.settle(node);
        assert_eq!(client.calls[call].end, Some(End::Complete));
        assert_eq!(left(node), [0; 3]);
    });
}

#[test]
fn an_event_stream_follows() {
    everywhere(|node, mut client| {
        let call = client.open(event_stream(), true);
        client.settle(node);
        assert_eq!(client.calls[call].status(), Some(200));
        assert_eq!(
            client.calls[call].field("content-type"),
            Some("text/event-stream")
        );
        for number in 0..20 {
            publish(node, &number.to_string());
            client.settle(node);
            let stream = take_stream(&mut client.calls[call].body);
            assert_eq!(stream.events.len(), 1, "event {number}");
        }
        // It is kept open.
        for _ in 0..60 {
            node.pass(Duration::from_secs(1));
            client.settle(node);
        }
        assert!(take_stream(&mut client.calls[call].body).comments > 0);
        client.cancel(call);
        client.settle(node);
        assert_eq!(left(node), [0; 3]);
    });
}

#[test]
fn readers_that_are_cancelled_leave_nothing() {
    everywhere(|node, mut client| {
        for round in 0..3 {
            let calls: Vec<usize> = (0..10)
                .map(|n| {
                    client.open(
                        if n % 2 == 0 {
                            event_stream()
                        } else {
                            get("", &[])
                        },
                        true,
                    )
                })
                .collect();
            if round > 0 {
                client.settle(node);
            }
            if round > 1 {
                publish(node, "1");
                publish(node, "2");
            }
            for call in calls {
                client.cancel(call);
            }
            client.settle(node);
            assert_eq!(left(node), [0; 3], "round {round}");
        }
    });
}

#[test]
fn a_reader_that_reads_nothing_is_waited_for_and_gets_it_all() {
    everywhere(|node, mut client| {
        let fill = "x".repeat(50_000);
        let call = client.open(event_stream(), true);
        client.calls[call].appetite = 0;
        client.settle(node);
        // More than the window, the relay and the stream's own buffer hold together.
        let count = 3 * RELAY_BYTES_MAX / fill.len() + 40;
        for _ in 0..count {
            publish(node, &format!("\"{fill}\""));
            client.settle(node);
        }
        let mut got = Vec::new();
        for appetite in [100, 100_000, usize::MAX] {
            client.calls[call].appetite = appetite;
            client.settle(node);
            got.extend(take_stream(&mut client.calls[call].body).events);
        }
        assert_eq!(got.len(), count);
        client.cancel(call);
        client.settle(node);
        assert_eq!(left(node), [0; 3]);
    });
}

#[test]
fn a_reader_that_never_reads_is_given_up() {
    everywhere(|node, mut client| {
        let fill = "x".repeat(50_000);
        let call = client.open(event_stream(), true);
        client.calls[call].appetite = 0;
        client.settle(node);
        for _ in 0..60 {
            publish(node, &format!("\"{fill}\""));
            client.settle(node);
        }
        for _ in 0..130 {
            node.pass(Duration::from_secs(1));
            client.settle(node);
        }
        client.calls[call].appetite = usize::MAX;
        client.settle(node);
        assert!(client.calls[call].end.is_some());
        assert_eq!(node.sum("slow_consumers"), 1);
        // So is the connection, on which nothing was left.
        assert!(client.ended.is_some());
        node.close_half(client.peer);
        node.pass(Duration::from_secs(3));
        let names = ["readers", "http2_streams", "buffered_bytes", "connections"];
        assert_eq!(names.map(|name| node.sum(name)), [0; 4]);
    });
}

#[test]
fn a_session_that_is_deleted_ends_its_readers() {
    everywhere(|node, mut client| {
        let poll = client.open(get("", &[]), true);
        let stream = client.open(event_stream(), true);
        publish(node, "1");
        let parked = client.open(get("", &[]), true);
        client.settle(node);
        let shard = node.home("t");
        let peer = node.connect(shard);
        node.ask(peer, text("DELETE /api/sessions/t", "", ""));
        node.break_off(peer);
        client.settle(node);
        for call in [poll, stream, parked] {
            assert!(
                client.calls[call].end.is_some(),
                "{:?}",
                client.calls[call].head
            );
        }
        assert_eq!(left(node), [0; 3]);
    });
}

/// Whichever shard hears of it first.
#[test]
fn readers_are_sent_away_when_the_server_leaves() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        everywhere(|node, mut client| {
            let poll = client.open(get("", &[]), true);
            let stream = client.open(event_stream(), true);
            client.settle(node);
            let now = node.now;
            for shard in order {
                if shard < node.shards.len() {
                    node.shards[shard].drain(now);
                    client.settle(node);
                }
            }
            for call in [poll, stream] {
                assert_eq!(client.calls[call].end, Some(End::Complete), "{order:?}");
            }
            assert_eq!(client.ended, Some(Ok(())));
            node.close_half(client.peer);
            node.pass(Duration::from_secs(3));
            let connections: usize = node.shards.iter().map(Shard::connections).sum();
            assert_eq!(connections, 0);
        });
    }
}

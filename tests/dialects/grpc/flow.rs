//! RFC 9113 §5.2 (flow control) meets the design's slow consumers: who does not read delays nobody.

use std::time::Duration;

use fanfare::config::SlowConsumer;
use fanfare::dialect::Config;
use fanfare::limits::{HTTP2_STREAM_SEND_BYTES_MAX, WRITE_TIMEOUT};
use fanfare_tonic::event::events_stream_request::Message as Ask;
use fanfare_tonic::event::events_stream_response::Message as Say;
use h2::Reason;

use super::publish;
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::grpc::{PUBLISH, STREAM, ask, event};
use crate::support::http2::{Client, End, settle};

/// The window of each stream that is small.
const WINDOW: u32 = 8 * 1024;

fn counters(stage: &Stage) -> [u64; 3] {
    ["slow_consumers", "subscriptions", "http2_streams"].map(|name| stage.node.sum(name))
}

/// A client on the last shard.
fn connect_far(stage: &mut Stage) -> Client {
    let shard = stage.shards() - 1;
    Client::connect(&mut stage.node, shard)
}

#[test]
fn a_stream_that_reads_nothing_delays_no_other() {
    everywhere(|stage| {
        let fill = "x".repeat(1_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        let mut other = connect_far(stage);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let calls = [(); 3].map(|()| client.subscribe(&mut stage.node, "e"));
        let elsewhere = other.subscribe(&mut stage.node, "e");
        client.calls[calls[1]].appetite = 0;
        publish(
            stage,
            &mut publisher,
            0..100,
            &fill,
            &mut [&mut client, &mut other],
        );
        let all: Vec<u64> = (0..100).collect();
        assert_eq!(client.calls[calls[0]].take_numbers(), all);
        assert_eq!(client.calls[calls[2]].take_numbers(), all);
        assert_eq!(other.calls[elsewhere].take_numbers(), all);
        assert_eq!(client.calls[calls[1]].body, b"");
        // A little at a time, then all of it.
        for appetite in [1, 10, 1_000, usize::MAX] {
            client.calls[calls[1]].appetite = appetite;
            client.settle(&mut stage.node);
        }
        assert_eq!(client.calls[calls[1]].take_numbers(), all);
        assert_eq!(counters(stage)[0], 0);
    });
}

#[test]
fn a_stream_that_falls_behind_is_told_to_go() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 16 * 1024;
    everywhere_with(&config, |stage| {
        let fill = "x".repeat(2_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let slow = client.subscribe(&mut stage.node, "e");
        let quick = client.subscribe(&mut stage.node, "e");
        client.calls[slow].appetite = 0;
        publish(stage, &mut publisher, 0..100, &fill, &mut [&mut client]);
        assert_eq!(counters(stage)[0], 1);
        // What was begun is completed, and then it is told why.
        client.calls[slow].appetite = usize::MAX;
        client.settle(&mut stage.node);
        let numbers = client.calls[slow].take_numbers();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
        assert!(client.calls[slow].body.is_empty(), "no half of a message");
        let status = client.calls[slow].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(8));
        assert_eq!(
            client.calls[quick].take_numbers(),
            (0..100).collect::<Vec<_>>()
        );
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(counters(stage), [1, 1, 1]);
    });
}

#[test]
fn a_stream_that_was_told_to_go_and_does_not_is_counted_once() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 16 * 1024;
    everywhere_with(&config, |stage| {
        let fill = "x".repeat(2_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let slow = client.subscribe(&mut stage.node, "e");
        client.subscribe(&mut stage.node, "other");
        client.calls[slow].appetite = 0;
        publish(stage, &mut publisher, 0..100, &fill, &mut [&mut client]);
        assert_eq!(counters(stage)[0], 1);
        for _ in 0..=WRITE_TIMEOUT.as_secs() {
            stage.node.pass(Duration::from_secs(1));
            client.settle(&mut stage.node);
        }
        assert_eq!(counters(stage), [1, 1, 1]);
    });
}

#[test]
fn or_misses_the_oldest_and_is_told_how_many() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 16 * 1024;
    config.hub.slow_consumer = SlowConsumer::DropOldest;
    everywhere_with(&config, |stage| {
        let fill = "x".repeat(2_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let slow = client.subscribe(&mut stage.node, "e");
        client.calls[slow].appetite = 0;
        publish(stage, &mut publisher, 0..100, &fill, &mut [&mut client]);
        let dropped = stage.node.sum("events_dropped");
        assert!(dropped > 50, "{dropped}");
        client.calls[slow].appetite = usize::MAX;
        client.settle(&mut stage.node);
        let said = client.calls[slow].take_said();
        let (events, news): (Vec<_>, Vec<_>) = said
            .iter()
            .partition(|said| matches!(said, Say::Event(event) if event.name == "e"));
        assert_eq!(events.len() as u64 + dropped, 100);
        assert_eq!(news.len(), 1, "{news:?}");
        assert!(
            format!("{news:?}").contains(&dropped.to_string()),
            "{news:?}"
        );
        assert_eq!(client.calls[slow].end, None);
    });
}

#[test]
fn a_stream_that_never_reads_is_reset_in_the_end() {
    everywhere(|stage| {
        let fill = "x".repeat(3_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let slow = client.subscribe(&mut stage.node, "e");
        let quick = client.subscribe(&mut stage.node, "e");
        client.calls[slow].appetite = 0;
        publish(stage, &mut publisher, 0..5, &fill, &mut [&mut client]);
        for _ in 0..=WRITE_TIMEOUT.as_secs() {
            stage.node.pass(Duration::from_secs(1));
            client.settle(&mut stage.node);
        }
        assert_eq!(counters(stage), [1, 1, 1]);
        client.calls[slow].appetite = usize::MAX;
        client.settle(&mut stage.node);
        assert_eq!(client.calls[slow].end, Some(End::Reset(Reason::CANCEL)));
        assert_eq!(client.calls[quick].end, None);
        // The other has gone, for it had nothing to do.
        let mut publisher = Client::connect(&mut stage.node, 0);
        publish(stage, &mut publisher, 5..6, &fill, &mut [&mut client]);
        assert_eq!(
            client.calls[quick].take_numbers(),
            (0..6).collect::<Vec<_>>()
        );
    });
}

/// What they send is not read either, once too much waits for them; the others' requests still are.
#[test]
fn streams_that_read_nothing_keep_no_other_from_being_heard() {
    everywhere(|stage| {
        let text = "x".repeat(30_000);
        let mut client = Client::connect_with(&mut stage.node, 0, WINDOW);
        for _ in 0..20 {
            let call = client.call(STREAM);
            client.calls[call].appetite = 0;
            for number in 0..60 {
                let ping = Ask::Ping(text.clone());
                client.send_message(call, &ask(&format!("{number}"), ping));
            }
            client.settle(&mut stage.node);
        }
        let call = client.unary(&mut stage.node, PUBLISH, &event("e", 0, ""));
        let status = client.calls[call].grpc_status();
        assert_eq!(status, Some((0, String::new())));
    });
}

/// The window of the whole connection is what is short: it is shared, and nobody keeps what it
/// cannot use.
#[test]
fn streams_share_the_window_of_their_connection() {
    everywhere(|stage| {
        let fill = "x".repeat(3_000);
        let peer = stage.node.connect(0);
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(1 << 20)
            .initial_connection_window_size(65_535);
        let mut client = Client::over(peer, &builder);
        let mut publisher = Client::connect(&mut stage.node, 0);
        let calls: Vec<usize> = (0..20)
            .map(|_| client.subscribe(&mut stage.node, "e"))
            .collect();
        // One event of each waits with its reader, then one call is given up with all that it has.
        for &call in &calls {
            client.calls[call].appetite = 0;
        }
        publish(stage, &mut publisher, 0..30, &fill, &mut [&mut client]);
        client.cancel(calls[7]);
        client.cancel(calls[19]);
        for _ in 0..10 {
            for &call in &calls {
                client.calls[call].appetite = usize::MAX;
                client.settle(&mut stage.node);
            }
        }
        for call in calls {
            if client.calls[call].end.is_some() {
                continue;
            }
            let numbers = client.calls[call].take_numbers();
            assert_eq!(numbers, (0..30).collect::<Vec<_>>(), "of call {call}");
        }
    });
}

/// More waits in the streams than their connection writes at once, and nothing comes from the peer.
#[test]
fn a_burst_to_many_streams_arrives_whole() {
    everywhere(|stage| {
        let fill = "x".repeat(2_000);
        let mut client = Client::connect(&mut stage.node, 0);
        let mut publisher = connect_far(stage);
        let calls: Vec<usize> = (0..200)
            .map(|_| client.subscribe(&mut stage.node, "e"))
            .collect();
        for number in 0..16 {
            let call = publisher.call(PUBLISH);
            publisher.send_message(call, &event("e", number, &fill));
            publisher.half_close(call);
        }
        // All of them in one tick, and the peer is silent until they are here.
        publisher.settle(&mut stage.node);
        let received = stage.node.peers[client.peer].received.len();
        assert!(received > 200 * 16 * fill.len(), "{received} bytes came");
        client.settle(&mut stage.node);
        for call in calls {
            let numbers = client.calls[call].take_numbers();
            assert_eq!(numbers.len(), 16);
        }
    });
}

/// The kernel takes nothing, then a little at a time.
#[test]
fn a_slow_socket_loses_nothing_and_holds_little() {
    let mut config = Config::default();
    config.hub.send_queue_bytes_max = 64 * 1024 * 1024;
    for piece in [4_096, 300_000, 1_100_000] {
        everywhere_with(&config, |stage| {
            let fill = "x".repeat(4_000);
            let mut client = Client::connect(&mut stage.node, 0);
            let mut publisher = connect_far(stage);
            let calls: Vec<usize> = (0..50)
                .map(|_| client.subscribe(&mut stage.node, "e"))
                .collect();
            stage.node.open_window(client.peer, 0);
            publish(stage, &mut publisher, 0..60, &fill, &mut []);
            let held = stage.node.sum("buffered_bytes") as usize;
            let expected = calls.len() * 60 * fill.len();
            assert!(held < expected + expected / 4, "{held} bytes wait");
            assert!(expected > calls.len() * HTTP2_STREAM_SEND_BYTES_MAX);
            let mut rounds = 0;
            loop {
                stage.node.open_window(client.peer, piece);
                settle(&mut stage.node, &mut [&mut client]);
                rounds += 1;
                if stage.node.peers[client.peer].window > 0 {
                    break;
                }
            }
            assert!(rounds >= expected / piece, "{rounds} rounds");
            for &call in &calls {
                let numbers = client.calls[call].take_numbers();
                assert_eq!(numbers, (0..60).collect::<Vec<_>>(), "{piece} at a time");
            }
            stage.node.pass(Duration::from_secs(1));
            assert_eq!(stage.node.sum("buffered_bytes"), 0);
        });
    }
}

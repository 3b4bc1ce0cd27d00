//! Whole requests through one shard, without sockets: the cost of the code above the kernel.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use fanfare::auth::{Directory, Network};
use fanfare::dialect::{AllMetrics, Config, Dialects, Parts};
use fanfare::hub::{Placement, ShardId};
use fanfare::metrics::Metrics;
use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{Scratch, parse_head};
use fanfare::shard::{Flushed, Shard, ShardSettings, Slices};
use fanfare::time::{Instant, Now};

const CURL_GET: &[u8] = b"GET /api/sessions/demo/events?last_event=41 HTTP/1.1\r\n\
    Host: 127.0.0.1:7400\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

fn publish_request() -> Vec<u8> {
    let body = format!(r#"{{"type":"bench","data":"{}"}}"#, "x".repeat(100));
    let length = body.len();
    let head = "POST /api/sessions/demo/events HTTP/1.1\r\nHost: 127.0.0.1:7400\r\n";
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// The same event to the same session, as the pubsub dialect has it.
fn pubsub_request() -> Vec<u8> {
    let scope = r#"{"type":"session","event_id":"bench","session_id":"demo"}"#;
    let event = format!(r#"{{"eventName":"bench","data":"{}"}}"#, "x".repeat(100));
    let body = format!(r#"{{"scope":{scope},"payload":{{"event":{event}}}}}"#);
    let length = body.len();
    let head = "POST /api/v1/pub_subs HTTP/1.1\r\nHost: 127.0.0.1:7400\r\n";
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn shard() -> Shard {
    Shard::new(ShardSettings {
        shard: ShardId(0),
        placement: Placement::new(1, 1),
        config: Arc::new(Config::default()),
        directory: Arc::new(Directory::open()),
        metrics: Arc::new([Metrics::default()]),
        hostname: "host".into(),
        seed: [7; 32],
        slices: Slices::default(),
    })
}

fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_millis(millis),
        unix_ms: 1_700_000_000_000 + millis,
    }
}

fn parse_and_route(c: &mut Criterion) {
    let dialects = Dialects::new(&Parts {
        config: &Config::default(),
        directory: &Arc::new(Directory::open()),
        hostname: "host",
        metrics: &(Arc::new([Metrics::default()]) as AllMetrics),
    });
    c.bench_function("shard_request/parse_and_route_curl_get", |b| {
        b.iter(|| {
            let mut scratch = Scratch::new();
            let head = match parse_head(black_box(CURL_GET), &mut scratch) {
                Ok(Parsed::Complete(head, _)) => head,
                other => panic!("not a whole head: {other:?}"),
            };
            black_box(dialects.route(head.path))
        });
    });
}

fn publish(c: &mut Criterion) {
    publish_by(c, "publish_128_bytes", &publish_request());
    publish_by(c, "publish_128_bytes_by_pubsub", &pubsub_request());
}

fn publish_by(c: &mut Criterion, name: &str, request: &[u8]) {
    let mut shard = shard();
    let connection = shard
        .accept(at(0), Network::LOOPBACK)
        .expect("room for one");
    let mut millis = 0u64;
    let mut count = 0u64;
    let mut buf = request.to_vec();
    c.bench_function(&format!("shard_request/{name}"), |b| {
        b.iter(|| {
            count += 1;
            // About 100,000 requests a second of virtual time: retention works as it would.
            if count.is_multiple_of(100) {
                millis += 1;
            }
            if count.is_multiple_of(5_000) {
                shard.advance(at(millis));
            }
            buf.copy_from_slice(request);
            shard.receive(at(millis), connection, &mut buf);
            shard.end_tick(at(millis));
            shard.flush(at(millis), |_, queue| Flushed::Sent(queue.len()));
            while shard.next_effect().is_some() {}
        });
    });
}

fn wake_polls(c: &mut Criterion) {
    const POLLS: usize = 1_000;
    let mut shard = shard();
    let poll = b"GET /api/sessions/demo/events HTTP/1.1\r\nHost: h\r\n\r\n";
    let connections: Vec<_> = (0..POLLS)
        .map(|_| shard.accept(at(0), Network::LOOPBACK).expect("room"))
        .collect();
    let publisher = shard.accept(at(0), Network::LOOPBACK).expect("room");
    let request = publish_request();
    c.bench_function("shard_request/park_and_wake_1000_polls", |b| {
        b.iter(|| {
            for &connection in &connections {
                shard.receive(at(0), connection, &mut poll.to_vec());
            }
            shard.receive(at(0), publisher, &mut request.clone());
            shard.end_tick(at(0));
            let mut answered = 0;
            while answered < POLLS + 1 {
                assert!(answered == 0 || shard.has_more_work());
                shard.flush(at(0), |_, queue| {
                    answered += 1;
                    Flushed::Sent(queue.len())
                });
            }
            while shard.next_effect().is_some() {}
        });
    });
}

criterion_group!(benches, parse_and_route, publish, wake_polls);
criterion_main!(benches);

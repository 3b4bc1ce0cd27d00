//! One event to many live subscribers of one shard, without sockets: the cost per delivery of the
//! code above the kernel.
//!
//! `window` events are received in one tick, so that each subscriber gets them in one write; the
//! figure is per event, to be divided by the number of subscribers.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::auth::{Directory, Network};
use fanfare::dialect::Config;
use fanfare::hub::{Placement, ShardId};
use fanfare::metrics::Metrics;
use fanfare::shard::{ConnectionId, Flushed, Shard, ShardSettings, Slices};
use fanfare::time::{Instant, Now};

const NOW: Now = Now {
    instant: Instant::from_millis(1_000),
    unix_ms: 1_700_000_000_000,
};

const UPGRADE: &[u8] = b"GET /live/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn publishes(count: usize) -> Vec<u8> {
    let body = format!(
        r#"{{"type":"bench","data":{{"text":"{}"}}}}"#,
        "x".repeat(80)
    );
    let length = body.len();
    let head = "POST /api/sessions/demo/events HTTP/1.1\r\nHost: h\r\n";
    let one = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    one.repeat(count).into_bytes()
}

fn shard() -> (Shard, ConnectionId) {
    let mut shard = Shard::new(ShardSettings {
        shard: ShardId(0),
        placement: Placement::new(1, 1),
        config: Arc::new(Config::default()),
        directory: Arc::new(Directory::open()),
        metrics: Arc::new([Metrics::default()]),
        hostname: "host".into(),
        seed: [7; 32],
        slices: Slices::default(),
    });
    let publisher = shard.accept(NOW, Network::LOOPBACK).expect("room for one");
    (shard, publisher)
}

/// Ends the tick. Returns how many writes it took.
fn flush(shard: &mut Shard) -> usize {
    shard.end_tick(NOW);
    let mut writes = 0;
    loop {
        shard.flush(NOW, |_, queue| {
            writes += 1;
            Flushed::Sent(queue.len())
        });
        if !shard.has_more_work() {
            break;
        }
    }
    while shard.next_effect().is_some() {}
    writes
}

/// Fan-out to `subscribers`, all without filters, or each `filtered` to a value of its own besides
/// the one that all share.
fn fan_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("shard_fanout");
    group.measurement_time(Duration::from_secs(3));
    for (subscribers, window, filtered) in [
        (1_000, 1, false),
        (1_000, 16, false),
        (100, 64, false),
        (1_000, 16, true),
    ] {
        let (mut shard, publisher) = shard();
        for subscriber in 0..subscribers {
            let id = shard.accept(NOW, Network::LOOPBACK).expect("room");
            shard.receive(NOW, id, &mut UPGRADE.to_vec());
            if filtered {
                let own = format!(
                    r#"{{"type":"filter","filters":[{{"property":"type","value":"bench"}},{{"property":"type","value":"own-{subscriber}"}}]}}"#
                );
                // Padded, so that its length takes two bytes.
                shard.receive(NOW, id, &mut masked(&format!("{own:<140}")));
            }
        }
        flush(&mut shard);
        let request = publishes(window);
        let kind = if filtered {
            "distinct_filters"
        } else {
            "no_filter"
        };
        let id = BenchmarkId::new(kind, format!("{subscribers}x{window}"));
        group.throughput(Throughput::Elements((subscribers * window) as u64));
        group.bench_function(id, |b| {
            b.iter(|| {
                shard.receive(NOW, publisher, &mut request.clone());
                while shard.serve_next(NOW) {}
                assert_eq!(flush(&mut shard), subscribers + 1);
            });
        });
    }
    group.finish();
}

/// A client's text frame with an empty mask.
fn masked(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short");
    let mut frame = vec![0x81, 0x80 | 0x7e];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

criterion_group!(benches, fan_out);
criterion_main!(benches);

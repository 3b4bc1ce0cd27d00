//! A dialect that only tests have, through a whole shard: what is in the list is served, heard and
//! shown.

use std::sync::Arc;

use super::{ConnectionId, Flushed, Shard, ShardSettings, Slices};
use crate::auth::{Directory, Network};
use crate::dialect::Config;
use crate::hub::{Placement, ShardId};
use crate::metrics::Metrics;
use crate::time::{Instant, Now};

const NOW: Now = Now {
    instant: Instant::from_millis(1_000_000),
    unix_ms: 1_700_000_000_000,
};

fn ask(shard: &mut Shard, request: &str) -> (ConnectionId, String) {
    let id = shard.accept(NOW, Network::LOOPBACK).expect("a connection");
    shard.receive(NOW, id, &mut request.to_owned().into_bytes());
    (id, written(shard, id))
}

fn written(shard: &mut Shard, whose: ConnectionId) -> String {
    let mut bytes = Vec::new();
    shard.end_tick(NOW);
    shard.flush(NOW, |id, queue| {
        if id == whose {
            bytes.extend(queue.chunks().flatten());
        }
        Flushed::Sent(queue.len())
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn what_is_in_the_list_is_served() {
    let config = Arc::new(Config::default());
    let mut shard = Shard::new(ShardSettings {
        shard: ShardId(0),
        placement: Placement::new(1, 1),
        directory: Arc::new(Directory::open()),
        config,
        metrics: Arc::new([Metrics::default()]),
        hostname: "host".into(),
        seed: [7; 32],
        slices: Slices::default(),
    });
    let refused = ask(&mut shard, "GET /lines HTTP/1.1\r\nHost: a\r\n\r\n").1;
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    let (listener, head) = ask(
        &mut shard,
        "GET /lines?session=s HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert!(head.ends_with("\r\n8\r\nhere is\n\r\n"), "{head}");
    let publish = "POST /api/sessions/s/events HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\n\r\n\
        {\"type\":\"hello\",\"data\":\"world\"}";
    let id = shard.accept(NOW, Network::LOOPBACK).expect("a connection");
    shard.receive(NOW, id, &mut publish.to_owned().into_bytes());
    assert_eq!(
        written(&mut shard, listener),
        "10\r\n\"hello\" \"world\"\n\r\n"
    );
}

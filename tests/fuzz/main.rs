//! Mutated requests and frames, thrown at a whole shard.
//!
//! Valid input is cut, repeated, flipped and spliced, and fed in random pieces. Nothing may panic,
//! no connection may hold more than its bounds, and when everyone has left nothing may be left
//! behind. `FANFARE_SEED` repeats one run, `FANFARE_ROUNDS` sets how many there are. `sockets.rs`
//! does the same to the dialects' sockets, `filters.rs` to the filter table, `json.rs` to the
//! readers of JSON, `grpc.rs` to calls of gRPC, `http2.rs` to its streams, `streams.rs` to the
//! stream dialect's JSON.

mod filters;
mod grpc;
mod http2;
mod json;
#[path = "../model/naive_filters.rs"]
mod naive_filters;
mod naive_json;
mod sockets;
mod streams;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use fanfare::auth::{Directory, Network, TokenDigest};
use fanfare::config::{OrganizationConfig, TokenConfig};
use fanfare::dialect::Config;
use fanfare::hub::{Placement, ShardId};
use fanfare::limits::{HTTP_HEAD_BYTES_MAX, PUBLISH_BYTES_MAX, SEND_QUEUE_PAUSE_BYTES};
use fanfare::metrics::Metrics;
use fanfare::shard::{Effect, Flushed, Shard, ShardSettings, Slices};
use fanfare::time::{Instant, Now};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

const ROUNDS: u64 = 300;
const STEPS: usize = 60;

/// What the mutations start from: every route, every framing, both feeds, credentials, and frames.
const CORPUS: [&[u8]; 23] = [
    b"GET /api/sessions/a/events HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /api/sessions/a/events?last_event=-1&timeout=0 HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /_wave/api/sessions/a%2fb/events?last_event=3&epoch=00000000000000ff HTTP/1.0\r\n\r\n",
    b"GET /api/sessions/a/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n",
    b"GET /api/sessions/a/events?last_event=-1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
      Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"GET /echo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"POST /api/sessions/a/events HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n\
      {\"type\":\"x\",\"data\":1}\n",
    b"POST /api/sessions/a/events HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
      a\r\n{\"type\":\"x\r\na\r\n\",\"data\":1}\r\n0\r\n\r\n",
    b"POST /api/sessions/a/events HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\n\
      Content-Length: 43\r\n\r\n[{\"type\":\"x\",\"data\":1},{\"type\":\"y\",\"data\":2}]",
    b"POST /api/sessions HTTP/1.1\r\nHost: h\r\nContent-Length: 34\r\n\r\n\
      {\"labels\":[\"l\"],\"event_id\":\"group\"}",
    b"POST /api/sessions/a/start HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT /api/sessions/a/labels HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n[\"l\"]",
    b"DELETE /api/sessions/a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    b"POST /api/sessions/a/events HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc\r\n\
      Content-Length: 21\r\n\r\n{\"type\":\"x\",\"data\":1}\n",
    b"GET /api/sessions/a HTTP/1.1\r\nHost: h\r\nAuthorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n\r\n",
    b"GET /api/sessions/6ba7b810-9dad-11d1-80b4-00c04fd430c8/events HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\x81\x85\x01\x02\x03\x04igohn\x89\x80\x01\x02\x03\x04\x01\x81\x00\x00\x00\x00a",
    b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    b"GET /live/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
      Authorization: Bearer abc\r\n\r\n",
    b"GET /sysadm HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"\x81\xc2\0\0\0\0{\"type\":\"filter\",\"filters\":[{\"property\":\"type\",\"value\":\"honest\"}]}",
    b"\x81\xb4\0\0\0\0{\"namespace\":\"rpc\",\"name\":\"auth_clear\",\"id\":\"12345\"}",
];

struct Fuzzer {
    rng: ChaCha8Rng,
}

impl Fuzzer {
    fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound.max(1) as u64) as usize
    }

    fn input(&mut self) -> Vec<u8> {
        let input = CORPUS[self.below(CORPUS.len())];
        let other = CORPUS[self.below(CORPUS.len())];
        self.mutate(input, other)
    }

    /// Cuts, repeats and flips parts of an input, or appends the other.
    fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(input.len());
            match self.below(6) {
                0 => input[at] ^= 1 << self.below(8),
                1 => input.truncate(at + 1),
                2 => input.extend_from_slice(other),
                3 => {
                    let byte = self.rng.next_u32() as u8;
                    let count = self.below(40);
                    input.splice(at..at, std::iter::repeat_n(byte, count));
                }
                4 => {
                    let end = at + self.below(input.len() - at);
                    let copy = input[at..end].to_vec();
                    input.extend_from_slice(&copy);
                }
                _ => {
                    input.remove(at);
                    if input.is_empty() {
                        input.push(b'\n');
                    }
                }
            }
        }
        input
    }
}

#[test]
fn a_shard_survives_mutated_input() {
    repeat(ROUNDS, run);
}

/// Runs a scene from many seeds, and says which it was that failed.
fn repeat(rounds: u64, run: fn(u64)) {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let seeds = match number("FANFARE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FANFARE_ROUNDS").unwrap_or(rounds),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "failed; repeat with FANFARE_SEED={seed}");
    }
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let config = config(seed);
    let metrics: Arc<[Metrics]> = Arc::new([Metrics::default()]);
    let mut shard = Shard::new(ShardSettings {
        shard: ShardId(0),
        placement: Placement::new(seed, 1),
        directory: Arc::new(Directory::from_config(&config.hub, &config.organizations)),
        config: Arc::new(config),
        metrics: Arc::clone(&metrics),
        hostname: "host".into(),
        seed: [3; 32],
        slices: Slices::default(),
    });
    let mut connections = Vec::new();
    let mut millis = 0;
    for _ in 0..STEPS {
        millis += fuzzer.below(2_000) as u64;
        let now = at(millis);
        connections.extend(shard.accept(now, Network::LOOPBACK));
        let input = fuzzer.input();
        if let Some(&id) = connections.get(fuzzer.below(connections.len())) {
            let mut rest = &input[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + fuzzer.below(rest.len()));
                shard.receive(now, id, &mut piece.to_vec());
                rest = after;
            }
            match fuzzer.below(12) {
                0 => shard.end_input(now, id),
                1 => shard.broken(now, id),
                _ => {}
            }
        }
        shard.advance(now);
        shard.end_tick(now);
        let stingy = fuzzer.below(3) == 0;
        shard.flush(now, |_, queue| {
            if stingy {
                Flushed::Blocked(queue.len() / 2)
            } else {
                Flushed::Sent(queue.len())
            }
        });
        for &id in &connections {
            shard.writable(id);
        }
        while let Some(effect) = shard.next_effect() {
            if let Effect::Close(gone) = effect {
                connections.retain(|&id| id != gone);
            }
        }
        assert_eq!(shard.connections(), connections.len());
        let held = metrics[0].buffered_bytes.value() as usize;
        let each = HTTP_HEAD_BYTES_MAX + PUBLISH_BYTES_MAX + 2 * SEND_QUEUE_PAUSE_BYTES;
        assert!(held <= connections.len() * each, "{held} bytes are held");
    }
    for id in connections {
        shard.broken(at(millis), id);
    }
    shard.end_tick(at(millis));
    shard.advance(at(millis));
    for gauge in [
        &metrics[0].connections,
        &metrics[0].readers,
        &metrics[0].buffered_bytes,
        &metrics[0].subscriptions,
    ] {
        assert_eq!(gauge.value(), 0);
    }
}

/// Every second run asks who is there. One token of the corpus is known, so that some requests
/// pass.
fn config(seed: u64) -> Config {
    let mut config = Config::default();
    config.server.echo = true;
    config.server.connections_max = 6;
    if seed % 2 == 1 {
        let sha256 = TokenDigest::of("abc").to_string();
        let grants = ["publish", "subscribe"].map(String::from).to_vec();
        config.organizations.push(OrganizationConfig {
            name: String::from("fuzz"),
            tokens: vec![TokenConfig { sha256, grants }],
            ..OrganizationConfig::default()
        });
    }
    config
}

fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_millis(millis),
        unix_ms: 1_700_000_000_000 + millis,
    }
}

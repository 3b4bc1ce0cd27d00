//! HTTP/1.1 per request: reading a head and a chunked body, writing an answer.

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{
    ChunkedDecoder, DateCache, Head, Response, Scratch, Version, parse_head,
};

/// A long poll, as curl sends it.
const CURL_GET: &[u8] =
    b"GET /sessions/6f0a1a52-9f3d-4a77-8f0e-6b1f1f3c9e11/events?after=41 HTTP/1.1\r\n\
    Host: localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

/// A publish, as wrk sends it, with the headers that a script sets.
const WRK_POST: &[u8] = b"POST /sessions/6f0a1a52-9f3d-4a77-8f0e-6b1f1f3c9e11/events HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n\
    Authorization: Bearer 0123456789abcdef0123456789abcdef\r\nContent-Length: 34\r\n\r\n\
    {\"type\":\"status\",\"data\":{\"ok\":true}}";

/// An event stream's request, as a browser sends it.
const BROWSER_GET: &[u8] = b"GET /sessions/6f0a1a52-9f3d-4a77-8f0e-6b1f1f3c9e11/events HTTP/1.1\r\n\
    Host: events.example.com\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n\
    Accept: text/event-stream\r\nOrigin: https://www.example.com\r\nSec-Fetch-Site: same-site\r\n\
    Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://www.example.com/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n";

fn parse<'h, 'b>(bytes: &'b [u8], scratch: &'h mut Scratch<'b>) -> Head<'h, 'b> {
    match parse_head(bytes, scratch) {
        Ok(Parsed::Complete(head, _)) => head,
        other => unreachable!("a good head gave {other:?}"),
    }
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("protocol_http1/parse_head");
    for (name, bytes) in [
        ("curl_get", CURL_GET),
        ("wrk_post", WRK_POST),
        ("browser_get", BROWSER_GET),
    ] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut scratch = Scratch::new();
                black_box(parse(black_box(bytes), &mut scratch));
            });
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let date = DateCache::new(784_111_777_000);
    let mut out = BytesMut::with_capacity(4_096);
    criterion.bench_function("protocol_http1/write_response/publish", |bencher| {
        bencher.iter(|| {
            out.clear();
            Response::begin(&mut out, Version::Http11, black_box(201), &date)
                .header("Fanfare-Epoch", black_box(b"00c0ffee00c0ffee"))
                .raw(black_box(b"Cache-Control: no-store\r\n"))
                .body(
                    Some("application/json"),
                    black_box(b"{\"number\":41}"),
                    true,
                    false,
                );
            black_box(&out);
        });
    });
}

fn bodies(criterion: &mut Criterion) {
    let mut wire = Vec::new();
    for _ in 0..4 {
        wire.extend_from_slice(b"400\r\n");
        wire.extend_from_slice(&[b'x'; 0x400]);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    let mut group = criterion.benchmark_group("protocol_http1/decode_chunked");
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("4_chunks_of_1_kib", |bencher| {
        bencher.iter_batched_ref(
            || wire.clone(),
            |buf| ChunkedDecoder::new().decode(black_box(buf), 1 << 20),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = heads, responses, bodies
}
criterion_main!(benches);

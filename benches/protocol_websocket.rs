//! The receiving path of a WebSocket, piece by piece: header, mask, text, one whole message.
//!
//! Unmasking stands beside copying the same number of bytes, which is as fast as the machine moves
//! memory. They are not the same work: copying touches two buffers and may use wider vectors than
//! this program is built for; unmasking touches one, in place. So within the first-level cache
//! copying is ahead, and once two buffers no longer fit the cache but one does, unmasking is.
//! Targets: a header under 10 ns, unmasking at the speed of memory.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use fanfare::protocol::websocket::{FrameHeader, Receiver, Utf8Stream, unmask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const SIZES: [usize; 3] = [128, 4 * 1024, 1024 * 1024];

/// A client's text frame.
fn text_frame(payload_bytes: u16) -> Vec<u8> {
    let mut frame = vec![0x81, 0xfe];
    frame.extend(payload_bytes.to_be_bytes());
    frame.extend(KEY);
    let payload = frame.len();
    frame.resize(payload + usize::from(payload_bytes), b'x');
    unmask(&mut frame[payload..], KEY, 0);
    frame
}

fn header(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    let length_7 = [&[0x81, 0xe4][..], &KEY].concat();
    let length_16 = [&[0x81, 0xfe, 0x10, 0][..], &KEY].concat();
    let length_64 = [&[0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0][..], &KEY].concat();
    for (name, header) in [
        ("7_bit", length_7),
        ("16_bit", length_16),
        ("64_bit", length_64),
    ] {
        group.bench_function(name, |b| b.iter(|| FrameHeader::decode(black_box(&header))));
    }
}

fn mask(c: &mut Criterion) {
    let mut group = c.benchmark_group("unmask");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        // Left to inference these would be of four bytes each, and copying four times as slow.
        let source = vec![7u8; size];
        let mut buf = vec![0u8; size];
        assert_eq!(size_of_val(&source[..]), size);
        group.bench_function(BenchmarkId::new("memcpy", size), |b| {
            b.iter(|| black_box(&mut buf[..]).copy_from_slice(black_box(&source)));
        });
        // Behind a header of 8 bytes, and at an odd address and phase as in the middle of a
        // payload.
        let mut buf = vec![0u8; size + 9];
        for (name, start, offset) in [("unmask", 8, 0), ("unmask_odd", 9, 3)] {
            let payload = &mut buf[start..start + size];
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| unmask(black_box(payload), black_box(KEY), black_box(offset)));
            });
        }
    }
}

fn recv(c: &mut Criterion) {
    let mut group = c.benchmark_group("recv");
    let mut receiver = Receiver::new(WEBSOCKET_MESSAGE_BYTES_MAX);
    for payload_bytes in [128, 4 * 1024] {
        let frame = text_frame(payload_bytes);
        let mut buf = frame.clone();
        group.throughput(Throughput::Bytes(u64::from(payload_bytes)));
        // Receiving unmasks in place, so the frame is written anew each time; `copy` is that alone.
        group.bench_function(BenchmarkId::new("copy", payload_bytes), |b| {
            b.iter(|| black_box(&mut buf[..]).copy_from_slice(black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("copy_and_text", payload_bytes), |b| {
            b.iter(|| {
                buf.copy_from_slice(black_box(&frame));
                let step = receiver.recv(black_box(&mut buf)).expect("a valid frame");
                assert!(step.item.is_some());
                step.consumed
            });
        });
    }
}

fn utf8(c: &mut Criterion) {
    let mut group = c.benchmark_group("utf8_stream");
    let ascii = "All human beings are born free. ".repeat(128);
    let mixed = "Καθε άνθρωπος είναι ελεύθερος 🎺 ".repeat(72);
    for (name, text) in [("ascii", ascii), ("mixed", mixed)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::new(name, "whole"), |b| {
            b.iter(|| Utf8Stream::new().push(black_box(text.as_bytes())));
        });
        // 1,449 bytes, a packet's worth, cuts characters in two.
        group.bench_function(BenchmarkId::new(name, "packets"), |b| {
            b.iter(|| {
                let mut stream = Utf8Stream::new();
                let mut packets = black_box(text.as_bytes()).chunks(1_449);
                packets.all(|packet| stream.push(packet).is_ok())
            });
        });
    }
}

criterion_group!(benches, header, mask, recv, utf8);
criterion_main!(benches);

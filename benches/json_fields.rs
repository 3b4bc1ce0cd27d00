//! Reading JSON in place: a walk over an object's fields beside simd-json's tape of the same text.
//!
//! The two do not do the same: the walk trusts its text and looks at the first level only, the tape
//! is of text that was not checked. The question is whether text that was checked once is worth a
//! tape.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::json::{self, Field};
use simd_json::{Buffers, Tape};

/// Five fields in 128 bytes, as an event of the live dialect has them.
const FLAT: &str = r#"{"type":"my_app:user_joined","groupId":"6f0a1a52-9f3d-4a77-8f0e-6b1f1f3c9e11","name":"M. Mustermann","seat":1742,"price":12.50}"#;

/// Fields with text, numbers and a list each, about `bytes` of it in all.
fn nested(bytes: usize) -> String {
    let mut json = String::from("{\"type\":\"snapshot\"");
    while json.len() < bytes {
        let at = json.len();
        write!(
            json,
            r#","item{at}":{{"id":{at},"name":"Item No. {at}","tags":["new","sold \"out\""],"size":{{"width":1.5,"height":{at}}}}}"#
        )
        .expect("memory");
    }
    json + "}"
}

fn payloads(criterion: &mut Criterion) {
    let payloads = [
        ("128_b_flat", FLAT.to_owned()),
        ("1_kib_nested", nested(1_000)),
        ("16_kib_nested", nested(16_000)),
    ];
    let mut group = criterion.benchmark_group("json_fields");
    for (name, json) in payloads {
        let json = json.into_bytes();
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(format!("fields/{name}"), |bencher| {
            bencher.iter(|| {
                let bytes = json::fields(black_box(&json)).map(|field| {
                    let Field { key, value } = field;
                    key.len() + value.len()
                });
                black_box(bytes.sum::<usize>())
            });
        });
        let mut buffers = Buffers::new(json.len());
        let mut nodes = Some(Tape::null());
        group.bench_function(format!("tape/{name}"), |bencher| {
            bencher.iter_batched_ref(
                || json.clone(),
                |json| {
                    let mut tape = nodes.take().map(Tape::reset).expect("put back");
                    simd_json::fill_tape(json, &mut buffers, &mut tape).expect("valid");
                    black_box(tape.0.len());
                    nodes = Some(tape.reset());
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("message/{name}"), |bencher| {
            bencher.iter(|| json::Message::parse(black_box(&json)).expect("valid"));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = payloads
}
criterion_main!(benches);

//! The hub's hot paths: publish to a session, resume, attach and detach, publish to a group.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanfare::hub::{
    Address, Answer, Command, Cursor, Draft, EventName, Hub, HubConfig, Ids, OrganizationId,
    Parents, Placement, Scope, ScopeName, SessionKey, ShardId,
};
use fanfare::time::{Instant, Now};

const ORGANIZATION: OrganizationId = OrganizationId(0);
const PAYLOAD_BYTES: usize = 128;

fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_millis(millis),
        unix_ms: 1_700_000_000_000 + millis,
    }
}

fn hub(placement: &Placement) -> Hub {
    let config = HubConfig {
        // No session expires, however fast the clock of a benchmark runs.
        session_ttl: Duration::MAX,
        ..HubConfig::default()
    };
    Hub::new(config, placement.clone(), ShardId(0), [7; 32])
}

/// As a dialect makes it: slices of a body that was copied out of the receive buffer.
fn draft(name: &Bytes, payload: &Bytes) -> Draft {
    Draft {
        name: EventName::from_json(name.clone()),
        payload: payload.clone(),
        metadata: None,
        origin: None,
        correlation: None,
    }
}

fn bytes_of_draft() -> (Bytes, Bytes) {
    let body = Bytes::from([b"\"status\"", &[b'1'; PAYLOAD_BYTES][..]].concat());
    (body.slice(..8), body.slice(8..))
}

fn publish(c: &mut Criterion) {
    let placement = Placement::new(7, 1);
    let (name, payload) = bytes_of_draft();
    let none = Parents::default();
    let mut group = c.benchmark_group("hub_log/publish");
    group.throughput(Throughput::Elements(1));
    for sessions in [1u64, 1_000, 100_000] {
        let mut hub = hub(&placement);
        let tokens: Vec<_> = (0..sessions)
            .map(|i| {
                let token = format!("session-{i}");
                let hash = placement.session_hash(&token);
                let drafts = std::iter::once(draft(&name, &payload));
                hub.publish_session(at(0), ORGANIZATION, &token, hash, &none, drafts);
                (token, hash)
            })
            .collect();
        let mut count = 0u64;
        group.bench_function(format!("{sessions} sessions"), |b| {
            b.iter(|| {
                // Two events a microsecond, so that retention by age is at work; sessions in an
                // order that the cache cannot foresee.
                count += 1;
                let (token, hash) = &tokens[(count.wrapping_mul(0x9e37_79b9) % sessions) as usize];
                let drafts = std::iter::once(draft(&name, &payload));
                hub.publish_session(at(count / 2_000), ORGANIZATION, token, *hash, &none, drafts)
            });
        });
    }
    group.finish();
}

fn resume(c: &mut Criterion) {
    let placement = Placement::new(7, 1);
    let mut hub = hub(&placement);
    let hash = placement.session_hash("s");
    let (name, payload) = bytes_of_draft();
    let none = Parents::default();
    let drafts = vec![draft(&name, &payload); 1_000];
    hub.publish_session(at(0), ORGANIZATION, "s", hash, &none, drafts.into_iter());
    let reader = hub.attach(at(0), ORGANIZATION, "s", hash, 1).unwrap();
    let log = hub.log(reader).unwrap();
    let cursor = Cursor {
        epoch: Some(log.epoch()),
        last: 989,
    };
    c.bench_function("hub_log/resume and range, 10 events", |b| {
        b.iter(|| {
            let resume = black_box(log).resume(black_box(cursor));
            let events = log.range(resume.from);
            events.map(|(n, e)| n + e.payload.len() as u64).sum::<u64>()
        });
    });
}

fn attach(c: &mut Criterion) {
    let placement = Placement::new(7, 1);
    let mut hub = hub(&placement);
    let hash = placement.session_hash("s");
    let attach = |hub: &mut Hub, connection| {
        let reader = hub.attach(at(0), ORGANIZATION, "s", hash, connection);
        reader.unwrap()
    };
    let mut readers: Vec<_> = (0..10_000).map(|i| attach(&mut hub, i)).collect();
    let mut count = 0usize;
    c.bench_function("hub_log/detach and attach, 10,000 readers", |b| {
        b.iter(|| {
            count += 1;
            let place = count.wrapping_mul(0x9e37_79b9) % readers.len();
            hub.detach(at(0), readers[place]);
            readers[place] = attach(&mut hub, place as u32);
        });
    });
    let session = hub.session_of(readers[0]).unwrap();
    let mut connections = Vec::new();
    c.bench_function("hub_log/list 10,000 connections", |b| {
        b.iter(|| {
            connections.clear();
            hub.connections(session, &mut connections);
            connections.len()
        });
    });
}

fn publish_to_group(c: &mut Criterion) {
    let mut hub = hub(&Placement::new(7, 1));
    for i in 0..1_000 {
        let command = Command::Create {
            session: SessionKey {
                organization: ORGANIZATION,
                token: ScopeName::new(&format!("session-{i}")),
            },
            parents: Parents {
                group: Some(ScopeName::new("g")),
                project: None,
            },
            labels: Vec::new(),
            expires_ms: None,
            retention: None,
        };
        assert!(matches!(hub.execute(at(0), command), Answer::Created(_)));
    }
    let (name, payload) = bytes_of_draft();
    let scope = Scope {
        organization: ORGANIZATION,
        address: Address::Group(ScopeName::new("g")),
    };
    let mut group = c.benchmark_group("hub_log");
    group.throughput(Throughput::Elements(1_000));
    let mut count = 0u64;
    group.bench_function("publish to a group, 1,000 sessions", |b| {
        b.iter(|| {
            // Ten events a second each: 600 are within retention.
            count += 1;
            let scope = scope.clone();
            let drafts = vec![draft(&name, &payload)];
            hub.execute(
                at(count * 100),
                Command::Publish {
                    scope,
                    parents: Parents::default(),
                    drafts,
                },
            )
        });
    });
    group.finish();
}

fn ids(c: &mut Criterion) {
    let mut ids = Ids::new([7; 32], ShardId(0));
    let mut count = 0;
    c.bench_function("hub_log/event id", |b| {
        b.iter(|| {
            count += 1;
            ids.event_id(count / 1_000)
        });
    });
    c.bench_function("hub_log/session token", |b| b.iter(|| ids.session_token()));
}

criterion_group!(benches, publish, resume, attach, publish_to_group, ids);
criterion_main!(benches);

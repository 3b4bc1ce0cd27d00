//! Fan-out: in steady state an event costs the allocator the same, however many hear it.

use std::sync::Arc;

use fanfare::auth::{Directory, OrganizationId};
use fanfare::config::Config;
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names, Parents,
    Placement, Property, PropertyFilter, Scope, ScopeName, ShardId, SubscriberId, Subscription,
    ValueFilter,
};
use fanfare::metrics::Metrics;
use fanfare::shard::{ConnectionId, Flushed, Shard, ShardSettings};
use fanfare::time::{Instant, Now};

use crate::allocations;

const NOW: Now = Now {
    instant: Instant::from_millis(1_000),
    unix_ms: 1_700_000_000_000,
};

/// Allocations per event, at most: the event, what it holds, its renderings, the publisher's answer.
const PER_EVENT_MAX: u64 = 16;
/// And per tick: pieces of the arena, frames put together.
const PER_TICK_MAX: u64 = 8;

const UPGRADE: &[u8] = b"GET /live/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn shard(subscribers: usize, are_distinct: bool) -> (Shard, ConnectionId) {
    let mut config = Config::default();
    // So few that the log is full at once, and grows no more.
    config.hub.retention.events = 4;
    let mut shard = Shard::new(ShardSettings {
        shard: ShardId(0),
        placement: Placement::new(1, 1),
        config: Arc::new(config),
        directory: Arc::new(Directory::open()),
        metrics: Arc::new([Metrics::default()]),
        hostname: "host".into(),
        seed: [7; 32],
    });
    for subscriber in 0..subscribers {
        let id = shard.accept(NOW).expect("room");
        shard.receive(NOW, id, &mut UPGRADE.to_vec());
        if are_distinct {
            let own = format!(
                r#"{{"type":"filter","filters":[{{"property":"a","value":"b"}},{{"property":"a","value":"{subscriber}"}}]}}"#
            );
            // Padded, so that its length takes two bytes.
            let text = format!("{own:<140}");
            let mut frame = vec![0x81, 0xfe, 0, text.len() as u8, 0, 0, 0, 0];
            frame.extend_from_slice(text.as_bytes());
            shard.receive(NOW, id, &mut frame);
        }
    }
    let publisher = shard.accept(NOW).expect("room");
    flush(&mut shard);
    (shard, publisher)
}

/// Ends the tick and answers how many were written to.
fn flush(shard: &mut Shard) -> usize {
    shard.end_tick(NOW);
    let mut writes = 0;
    shard.flush(NOW, |_, queue| {
        writes += 1;
        Flushed::Sent(queue.len())
    });
    while shard.next_effect().is_some() {}
    writes
}

/// What a tick of so many events costs, once everything has the size that it needs.
fn cost(subscribers: usize, are_distinct: bool, events: usize) -> u64 {
    let (mut shard, publisher) = shard(subscribers, are_distinct);
    let body = r#"{"type":"t","data":{"a":"b"}}"#;
    let head = "POST /api/sessions/s/events HTTP/1.1\r\nHost: h\r\n";
    let one = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut least = u64::MAX;
    for _ in 0..20 {
        let mut requests = one.repeat(events).into_bytes();
        let count = allocations(|| {
            shard.receive(NOW, publisher, &mut requests);
            assert_eq!(flush(&mut shard), subscribers + 1);
        });
        least = least.min(count);
    }
    least
}

#[test]
fn an_event_costs_the_same_however_many_hear_it() {
    for are_distinct in [false, true] {
        for events in [1, 16] {
            let few = cost(10, are_distinct, events);
            let many = cost(1_000, are_distinct, events);
            assert_eq!(
                few, many,
                "{events} events, distinct filters: {are_distinct}"
            );
            let most = events as u64 * PER_EVENT_MAX + PER_TICK_MAX;
            assert!(many <= most, "{many} allocations for {events} events");
        }
    }
}

#[test]
fn matching_does_not_allocate() {
    let organization = OrganizationId(0);
    let mut table = FilterTable::new(1);
    for subscriber in 0..1_000u32 {
        let property = |name: &str, values: &[ValueFilter]| PropertyFilter {
            property: Property::Payload(name.into()),
            values: values.to_vec(),
        };
        let own = ValueFilter::Text(subscriber.to_string().into());
        let names = match subscriber % 3 {
            0 => Names::Every,
            1 => Names::Any(vec![NamePattern::parse("t"), NamePattern::parse("u")]),
            _ => Names::Any(vec![NamePattern::parse("t*"), NamePattern::parse("*x")]),
        };
        let wanted = Subscription {
            scope: Scope {
                organization,
                address: Address::Organization,
            },
            parents: Parents::default(),
            names,
            properties: vec![
                property("a", &[ValueFilter::Text("b".into()), own]),
                property("c.d", &[ValueFilter::Present]),
            ],
        };
        table.subscribe(SubscriberId(subscriber), &wanted);
    }
    let event = Event {
        id: EventId(uuid::Uuid::nil()),
        name: EventName::from_text("t"),
        payload: r#"{"a":"\u0062","c":{"d":[1]},"e":null}"#.into(),
        metadata: None,
        origin: None,
        correlation: None,
        scope: Scope {
            organization,
            address: Address::Session(ScopeName::new("s")),
        },
        parents: Parents::default(),
        time_ms: 0,
    };
    let mut scratch = MatchScratch::default();
    table.matches(&event, &mut scratch);
    assert_eq!(scratch.subscribers.len(), 1_000);
    let count = allocations(|| table.matches(&event, &mut scratch));
    assert_eq!((count, scratch.subscribers.len()), (0, 1_000));
}

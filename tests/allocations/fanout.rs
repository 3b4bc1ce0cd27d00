//! Fan-out: in steady state an event costs the allocator the same, however many hear it.

use std::sync::Arc;

use fanfare::auth::{Directory, Network, OrganizationId};
use fanfare::dialect::Config;
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names, Parents,
    Placement, Property, PropertyFilter, Scope, ScopeName, ShardId, SubscriberId, Subscription,
    ValueFilter,
};
use fanfare::metrics::Metrics;
use fanfare::shard::{ConnectionId, Flushed, Shard, ShardSettings, Slices};
use fanfare::time::{Instant, Now};

use crate::allocations;

const NOW: Now = Now {
    instant: Instant::from_millis(1_000),
    unix_ms: 1_700_000_000_000,
};

/// Allocations per event, at most: the event, what it holds, its renderings, the publisher's
/// answer.
const PER_EVENT_MAX: u64 = 16;
/// And for gRPC-web as text, the frame that becomes base64.
const PER_TEXT_FRAME_MAX: u64 = 1;
/// And per tick: pieces of the arena, frames put together.
const PER_TICK_MAX: u64 = 8;

/// What the subscribers are.
#[derive(Clone, Copy, Debug)]
enum Audience {
    /// Sockets of the live dialect, all alike.
    Live,
    /// The same, each with a filter of its own.
    LiveDistinct,
    /// Sockets of the stream dialect, all alike.
    Stream,
    /// The same, each with names of its own.
    StreamDistinct,
    /// The stream dialect's responses in chunks.
    Chunked,
    /// The same by gRPC-web, as text.
    WebText,
}

impl Audience {
    const ALL: [Self; 6] = [
        Self::Live,
        Self::LiveDistinct,
        Self::Stream,
        Self::StreamDistinct,
        Self::Chunked,
        Self::WebText,
    ];

    /// What a subscriber sends to become one.
    fn request(self, subscriber: usize) -> Vec<u8> {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let get = |path: &str, fields: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes()
        };
        let stream = "/event/v2/stream?subscribe.name=t";
        match self {
            Self::Live => get("/live/ws", upgrade),
            Self::LiveDistinct => {
                let own = format!(
                    r#"{{"type":"filter","filters":[{{"property":"a","value":"b"}},{{"property":"a","value":"{subscriber}"}}]}}"#
                );
                // Padded, so that its length takes two bytes.
                let text = format!("{own:<140}");
                let mut request = get("/live/ws", upgrade);
                request.extend([0x81, 0xfe, 0, text.len() as u8, 0, 0, 0, 0]);
                request.extend_from_slice(text.as_bytes());
                request
            }
            Self::Stream => get(stream, upgrade),
            Self::StreamDistinct => get(&format!("{stream}%7Cu{subscriber}"), upgrade),
            Self::Chunked => get(stream, ""),
            Self::WebText => {
                // `EventsStreamRequest { subscribe: { name: "t" } }`, framed, as base64.
                let body = "AAAAAAaiBgMKAXQ=";
                let head = "POST /apis.event.v2.EventService/Stream HTTP/1.1\r\nHost: h\r\n\
                            Content-Type: application/grpc-web-text\r\nContent-Length: ";
                format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
            }
        }
    }
}

fn shard(subscribers: usize, audience: Audience) -> (Shard, ConnectionId) {
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
        slices: Slices::default(),
    });
    for subscriber in 0..subscribers {
        let id = shard.accept(NOW, Network::LOOPBACK).expect("room");
        shard.receive(NOW, id, &mut audience.request(subscriber));
    }
    let publisher = shard.accept(NOW, Network::LOOPBACK).expect("room");
    flush(&mut shard);
    (shard, publisher)
}

/// Ends the tick and answers how many were written to.
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

/// What a tick of so many events costs, once everything has the size that it needs.
fn cost(subscribers: usize, audience: Audience, events: usize) -> u64 {
    let (mut shard, publisher) = shard(subscribers, audience);
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
    for audience in Audience::ALL {
        for events in [1, 16] {
            let few = cost(10, audience, events);
            let many = cost(1_000, audience, events);
            assert_eq!(few, many, "{events} events, {audience:?}");
            let per_event = match audience {
                Audience::WebText => PER_EVENT_MAX + PER_TEXT_FRAME_MAX,
                _ => PER_EVENT_MAX,
            };
            let most = events as u64 * per_event + PER_TICK_MAX;
            assert!(
                many <= most,
                "{many} allocations for {events} events, {audience:?}"
            );
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
    let other = Event {
        name: EventName::from_text("v"),
        ..event.clone()
    };
    let mut scratch = MatchScratch::default();
    // For others than the event before, or for the same.
    for (event, told, repeats) in [
        (&event, 1_000, false),
        (&other, 334, false),
        (&event, 1_000, false),
        (&event, 1_000, true),
    ] {
        let is_first = scratch.subscribers.is_empty();
        let count = allocations(|| table.matches(event, &mut scratch));
        assert!(is_first || count == 0, "{count} allocations");
        assert_eq!(scratch.subscribers.len(), told);
        assert_eq!(scratch.repeats, repeats);
    }
}

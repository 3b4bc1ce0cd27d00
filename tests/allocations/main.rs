//! What must not allocate, counted by a global allocator: parsing a head and a body, writing into a
//! buffer that has room, finding the subscribers of an event, and telling one more of them
//! (`fanout.rs`).
//!
//! A program has one global allocator, hence a test of its own. The count is per thread: the test
//! harness allocates on others.

mod fanout;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use fanfare::dialect::sessions::{Function, Route};
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names,
    OrganizationId, Parents, Property, PropertyFilter, Scope, SubscriberId, Subscription,
    ValueFilter,
};
use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{
    ChunkedDecoder, DateCache, Response, Scratch, Version, parse_head, query_last,
};
use fanfare::protocol::sse;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

#[allow(
    unsafe_code,
    reason = "implementing an allocator is unsafe by definition"
)]
// SAFETY: every call goes unchanged to the system allocator; counting neither allocates nor
// unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `run` makes.
fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    run();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
    let mut grown = black_box(Vec::<u8>::with_capacity(1));
    assert_eq!(allocations(|| grown.reserve(1_000)), 1);
}

#[test]
fn a_head_is_parsed_and_routed_without_allocating() {
    let bytes = black_box(
        &b"POST /api/sessions/a/events?wait=5&types=x HTTP/1.1\r\nHost: localhost:8080\r\n\
           Connection: keep-alive, Upgrade\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"[..],
    );
    let count = allocations(|| {
        let mut scratch = Scratch::new();
        let Ok(Parsed::Complete(head, _)) = parse_head(bytes, &mut scratch) else {
            panic!("a good head");
        };
        assert!(head.has_token("connection", "upgrade"));
        assert_eq!(head.header_str("host"), Some("localhost:8080"));
        let wait = query_last(head.query.unwrap_or_default(), "wait");
        assert_eq!(wait.ok().flatten().as_deref(), Some("5"));
        let route = Route::parse(head.path);
        assert_eq!(route, Some(Route::Function("a", Function::Events)));
    });
    assert_eq!(count, 0);
}

#[test]
fn a_head_is_refused_or_awaited_without_allocating() {
    let bytes = black_box(&b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"[..]);
    let count = allocations(|| {
        assert!(parse_head(bytes, &mut Scratch::new()).is_err());
        let mut scratch = Scratch::new();
        let partial = parse_head(&bytes[..20], &mut scratch);
        assert!(matches!(partial, Ok(Parsed::Partial)));
    });
    assert_eq!(count, 0);
}

#[test]
fn a_chunked_body_is_decoded_without_allocating() {
    let mut buf = *b"5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n";
    let count = allocations(|| {
        let decoded = ChunkedDecoder::new().decode(black_box(&mut buf), 11);
        assert!(decoded.is_ok_and(|decoded| decoded.done && decoded.produced == 11));
    });
    assert_eq!(count, 0);
}

#[test]
fn responses_and_events_are_written_without_allocating() {
    let mut date = DateCache::new(0);
    let mut out = BytesMut::with_capacity(4_096);
    let count = allocations(|| {
        date.update(1_000);
        Response::begin(&mut out, Version::Http11, 200, &date)
            .header("Fanfare-Epoch", b"00000000000000ff")
            .header_number("Fanfare-Oldest", black_box(7))
            .raw(b"Cache-Control: no-store\r\n")
            .body(Some("application/json"), b"{\"ok\":true}", true, false);
        Response::begin(&mut out, Version::Http10, 200, &date).content_head(None, 5, true);
        Response::begin(&mut out, Version::Http11, 200, &date).finish_streaming();
        Response::begin(&mut out, Version::Http11, 204, &date).empty(true);
        sse::encode_event(&mut out, Some(black_box(5u64)), Some("status"), b"{}\n{}");
        sse::encode_comment(&mut out, "");
        sse::encode_retry(&mut out, 2_000);
    });
    assert_eq!(count, 0);
    assert!(out.len() < 4_096);
}

/// 5,000 filters: by name, by pattern, by number, by two properties, by an escaped text within an
/// object.
fn filters() -> FilterTable {
    let mut table = FilterTable::new(7);
    for i in 0..5_000u32 {
        let asks = |name: &str, value: ValueFilter| PropertyFilter {
            property: Property::Payload(name.into()),
            values: vec![value],
        };
        let text = |text: String| ValueFilter::Text(text.into());
        let any = |name: &str| Names::Any(vec![NamePattern::parse(name)]);
        let (names, properties) = match i % 5 {
            0 => (any(&format!("name-{}", i % 100)), vec![]),
            1 => (any("name*"), vec![asks("n", text((i % 50).to_string()))]),
            2 => (Names::Every, vec![asks("n", ValueFilter::Present)]),
            3 => {
                let user = asks("user", text(format!("u{}", i % 500)));
                (Names::Every, vec![user, asks("n", text(i.to_string()))])
            }
            _ => (Names::Every, vec![asks("in.side", text("\u{e9}\"".into()))]),
        };
        let wanted = Subscription {
            scope: Scope {
                organization: OrganizationId(0),
                address: Address::Organization,
            },
            parents: Parents::default(),
            names,
            properties,
        };
        table.subscribe(SubscriberId(i / 2), &wanted);
    }
    table
}

#[test]
fn subscribers_are_found_without_allocating() {
    let mut table = filters();
    let payload = |i: u32| {
        let inside = r#"{"side": "\u00e9\""}"#;
        format!(r#"{{"n": {i}, "\u0075ser": "u{i}", "in": {inside}}}"#)
    };
    let events: Vec<_> = (0..100)
        .map(|i| Event {
            id: EventId(uuid::Uuid::nil()),
            name: EventName::from_text(&format!("name-{i}")),
            payload: Bytes::from(payload(i)),
            metadata: None,
            origin: None,
            correlation: None,
            scope: Scope {
                organization: OrganizationId(0),
                address: Address::Organization,
            },
            parents: Parents::default(),
            time_ms: 0,
        })
        .collect();
    let mut scratch = MatchScratch::default();
    let mut all = |table: &mut FilterTable| {
        let mut found = 0;
        for event in &events {
            table.matches(event, &mut scratch);
            found += scratch.subscribers.len();
        }
        found
    };
    let expected = all(&mut table);
    assert!(expected > 100_000, "{expected}");
    let mut found = 0;
    let count = allocations(|| found = all(&mut table));
    assert_eq!((count, found), (0, expected));
}

//! What receiving a WebSocket message costs the allocator: nothing on the usual way, and never more
//! than what was received.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fanfare::limits::ECHO_MESSAGE_BYTES_MAX;
use fanfare::protocol::Parsed;
use fanfare::protocol::websocket::{FrameHeader, Item, Message, Receiver, unmask};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, counted per thread, because tests run in parallel.
struct Counting;

fn count(grown: usize, shrunk: usize) {
    if grown > 0 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
    LIVE_BYTES.set(LIVE_BYTES.get().wrapping_add(grown).wrapping_sub(shrunk));
    // What is freed here may have been allocated elsewhere: below zero is no peak.
    if LIVE_BYTES.get() <= usize::MAX / 2 {
        PEAK_BYTES.set(PEAK_BYTES.get().max(LIVE_BYTES.get()));
    }
}

#[allow(
    unsafe_code,
    reason = "the trait is unsafe; every call is passed on to the system's allocator as it came"
)]
// SAFETY: `System` keeps the contract of `GlobalAlloc`, and counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are the ones that `System` wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocated, and how many bytes it held at most beyond what was there.
fn measure<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    LIVE_BYTES.set(0);
    PEAK_BYTES.set(0);
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before, PEAK_BYTES.get())
}

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0xfe];
    bytes.extend((payload.len() as u16).to_be_bytes());
    bytes.extend(KEY);
    bytes.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

#[test]
fn the_counter_counts() {
    let (_, allocations, peak) = measure(|| std::hint::black_box(vec![0u8; 1_000]));
    assert_eq!((allocations, peak), (1, 1_000));
}

#[test]
fn a_header_and_a_mask_allocate_nothing() {
    let mut bytes = frame(0x82, &[7; 300]);
    let (header, allocations, _) = measure(|| {
        let header = FrameHeader::decode(&bytes);
        unmask(&mut bytes[8..], KEY, 0);
        header
    });
    assert!(matches!(header, Ok(Parsed::Complete(_, 8))));
    assert_eq!(bytes[8..], [7; 300]);
    assert_eq!(allocations, 0);
}

#[test]
fn messages_of_one_piece_and_control_frames_allocate_nothing() {
    let mut bytes = [frame(0x81, &[b'x'; 128]), frame(0x82, &[0xff; 4_000])].concat();
    bytes.extend([0x89, 0x83]);
    bytes.extend(KEY);
    bytes.extend([1, 2, 3]);
    let mut receiver = Receiver::new(1 << 20);
    let (items, allocations, _) = measure(|| {
        let mut items = 0;
        let mut start = 0;
        while start < bytes.len() {
            let step = receiver.recv(&mut bytes[start..]).expect("valid frames");
            items += usize::from(step.item.is_some());
            start += step.consumed;
        }
        items
    });
    assert_eq!((items, allocations), (3, 0));
}

#[test]
fn a_promise_of_64_mib_costs_what_was_sent() {
    let mut bytes = vec![0x82, 0xff];
    bytes.extend((ECHO_MESSAGE_BYTES_MAX as u64).to_be_bytes());
    bytes.extend(KEY);
    bytes.extend([7; 1_000]);
    let mut receiver = Receiver::new(ECHO_MESSAGE_BYTES_MAX);
    let (step, _, peak) = measure(|| receiver.recv(&mut bytes).map(|step| step.consumed));
    assert_eq!(step, Ok(1_014));
    // Twice what came, and the box that says so.
    assert!((1_000..=2_064).contains(&peak), "{peak} bytes for 1,000");
}

#[test]
fn an_assembled_message_leaves_nothing_behind() {
    let mut bytes = [frame(0x01, &[b'x'; 200]), frame(0x80, &[b'y'; 200])].concat();
    let mut receiver = Receiver::new(1 << 20);
    let (left, allocations, _) = measure(|| {
        let first = receiver.recv(&mut bytes).expect("a fragment").consumed;
        let last = receiver.recv(&mut bytes[first..]).expect("the last");
        assert!(
            matches!(last.item, Some(Item::Text(Message::Assembled(ref text))) if text.len() == 400)
        );
        drop(last);
        LIVE_BYTES.get()
    });
    assert_eq!((left, receiver.held_bytes()), (0, 0));
    assert!(
        allocations <= 2,
        "{allocations} allocations for two fragments"
    );
}

//! RFC 9113 §5.4 (errors), §10.5 (denial of service): whoever misbehaves is told so and goes, and
//! nobody else on the shard notices.

use fanfare::dialect::Config;
use fanfare::limits::HTTP2_CONTROL_FRAMES_PER_SECOND_MAX;
use h2::Reason;
use http::Request;

use crate::support::http2::{Client, End, PREFACE, frame, goodbye};
use crate::support::node::TestNode;

/// More than a peer may send without use.
const FLOOD: usize = 4 * HTTP2_CONTROL_FRAMES_PER_SECOND_MAX as usize;
/// `GET /api/sessions/t/events`, by HPACK without tables (RFC 7541 §6.2.2).
const POLL: &[u8] = b"\x82\x86\x04\x16/api/sessions/t/events\x01\x01x";
/// The type of HEADERS, and its flags.
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends what a client would, then `bytes`, in pieces, beside somebody who has a request under way.
/// Answers why the server said goodbye.
fn suffer(what: &str, bytes: &[u8]) -> Option<Reason> {
    let mut reasons = Vec::new();
    for piece in [bytes.len().max(1), 4_099] {
        let mut node = TestNode::new(1, 3, &Config::default());
        let mut honest = Client::connect(&mut node, 0);
        let poll = Request::get("http://x/api/sessions/honest/events");
        let poll = honest.open(poll.body(()).expect("a request"), true);
        honest.settle(&mut node);
        let peer = node.connect(0);
        node.send(peer, [PREFACE, &frame(4, 0, 0, &[])].concat());
        node.settle();
        for part in bytes.chunks(piece) {
            node.send(peer, part);
            node.settle();
        }
        let publish = Request::post("http://x/api/sessions/honest/events");
        let publish = honest.open(publish.body(()).expect("a request"), false);
        honest.send(publish, br#"{"type":"a","data":1}"#);
        honest.half_close(publish);
        honest.settle(&mut node);
        assert_eq!(honest.calls[publish].status(), Some(200), "{what}");
        assert_eq!(honest.calls[poll].end, Some(End::Complete), "{what}");
        reasons.push(goodbye(&node.peers[peer].received));
        let goes = node.peers[peer].is_over();
        assert_eq!(goes, reasons[0].is_some(), "{what}: {reasons:?}");
        node.break_off(peer);
        node.break_off(honest.peer);
        node.pass(std::time::Duration::from_secs(1));
        let left = ["connections", "http2_streams", "readers", "buffered_bytes"];
        assert_eq!(left.map(|name| node.sum(name)), [0; 4], "{what}");
    }
    assert_eq!(reasons[0], reasons[1], "{what}, in pieces");
    reasons[0]
}

/// Frames for one stream after the other.
fn streams(count: usize, frames: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count as u32).flat_map(|n| frames(2 * n + 1)).collect()
}

#[test]
fn section_10_5_floods_are_not_suffered() {
    let open = frame(HEADERS, END_HEADERS, 1, POLL);
    let rapid_reset = streams(20_000, |stream| {
        let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, POLL);
        [open, frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    for (what, flood) in [
        ("pings", frame(6, 0, 0, &[7; 8]).repeat(FLOOD)),
        ("settings", frame(4, 0, 0, &[]).repeat(FLOOD)),
        ("priorities", frame(2, 0, 9, &[0, 0, 0, 1, 0]).repeat(FLOOD)),
        (
            "empty data",
            [open.clone(), frame(0, 0, 1, &[]).repeat(FLOOD)].concat(),
        ),
        (
            "windows",
            frame(8, 0, 0, &1_u32.to_be_bytes()).repeat(FLOOD),
        ),
        (
            "windows of a stream",
            [open, frame(8, 0, 1, &1_u32.to_be_bytes()).repeat(FLOOD)].concat(),
        ),
        ("unknown frames", frame(0xfa, 0, 0, &[]).repeat(FLOOD)),
        ("rapid reset", rapid_reset),
    ] {
        let reason = suffer(what, &flood);
        assert_eq!(reason, Some(Reason::ENHANCE_YOUR_CALM), "{what}");
    }
}

#[test]
fn section_6_10_a_head_that_does_not_end_is_not_suffered() {
    let field = [&b"\x00\x01a\x7e"[..], &[b'x'; 126]].concat();
    let begin = frame(HEADERS, END_STREAM, 1, POLL);
    for (what, part, count) in [
        (
            "long continuations",
            frame(9, 0, 1, &field.repeat(120)),
            400,
        ),
        ("short continuations", frame(9, 0, 1, &field), FLOOD),
        ("empty continuations", frame(9, 0, 1, &[]), FLOOD),
    ] {
        let reason = suffer(what, &[begin.clone(), part.repeat(count)].concat());
        let calm = matches!(
            reason,
            Some(Reason::ENHANCE_YOUR_CALM | Reason::PROTOCOL_ERROR | Reason::COMPRESSION_ERROR)
        );
        assert!(calm, "{what}: {reason:?}");
    }
}

/// RFC 7541 §7.3: one entry of the table, named again and again.
#[test]
fn section_10_5_1_a_head_that_swells_is_refused() {
    let entry = [&b"\x40\x01a\x7f\x81\x1e"[..], &[b'x'; 4_000]].concat();
    let bomb = [POLL, &entry, &[0xbe; 10_000]].concat();
    let mut bytes = frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb);
    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 3, POLL));
    let reason = suffer("a bomb", &bytes);
    // The stream is refused; the connection may live.
    let refused = matches!(
        reason,
        None | Some(Reason::ENHANCE_YOUR_CALM | Reason::PROTOCOL_ERROR | Reason::COMPRESSION_ERROR)
    );
    assert!(refused, "{reason:?}");
}

#[test]
fn section_5_4_1_nonsense_ends_the_connection() {
    let too_long = [&[0x7f, 0xff, 0xff, 0, 0, 0, 0, 0, 1][..], &vec![0; 20_000]].concat();
    for (what, bytes, expected) in [
        (
            "data for no stream",
            frame(0, 0, 1, b"x"),
            Reason::PROTOCOL_ERROR,
        ),
        ("a long frame", too_long, Reason::FRAME_SIZE_ERROR),
        (
            "a ping of five bytes",
            frame(6, 0, 0, b"12345"),
            // §6.7 wants FRAME_SIZE_ERROR; `h2` takes the more general one, as §5.4 allows.
            Reason::PROTOCOL_ERROR,
        ),
        (
            "settings of a stream",
            frame(4, 0, 1, &[]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "an even stream",
            frame(HEADERS, END_HEADERS, 2, POLL),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a window that overflows",
            frame(8, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            "a promise",
            frame(5, END_HEADERS, 1, b"\0\0\0\x02\x82"),
            Reason::PROTOCOL_ERROR,
        ),
        (
            "fields that cannot be read",
            frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
            // The same with COMPRESSION_ERROR (§4.3).
            Reason::PROTOCOL_ERROR,
        ),
        (
            "a continuation of nothing",
            frame(9, END_HEADERS, 1, POLL),
            Reason::PROTOCOL_ERROR,
        ),
    ] {
        assert_eq!(suffer(what, &bytes), Some(expected), "{what}");
    }
}

#[test]
fn section_3_4_garbage_behind_the_preface_ends_the_connection() {
    let mut node = TestNode::new(1, 3, &Config::default());
    let peer = node.connect(0);
    node.send(peer, [PREFACE, &[b'x'; 300]].concat());
    node.settle();
    assert!(node.peers[peer].is_over());
}

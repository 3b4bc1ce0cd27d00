//! RFC 9113 §8.1 to §8.3: heads that mean something else to somebody else, bodies of no bytes,
//! interim answers, and answers before the end of a request.
//!
//! Heads are written by hand: `h2`'s client is too polite for most of them.

use fanfare::dialect::Config;
use fanfare::limits::{HTTP2_RESET_DELAY, PUBLISH_BYTES_MAX};
use h2::Reason;

use crate::support::http2::{Client, End, Frame, PREFACE, frame, frames};
use crate::support::node::TestNode;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const EVENT: &str = r#"{"type":"a","data":1}"#;

/// A block of fields, each a literal that is not indexed (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "one byte of length");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A peer that writes frames itself.
struct Raw {
    node: TestNode,
    peer: usize,
    stream: u32,
}

impl Raw {
    fn new() -> Self {
        let mut node = TestNode::new(1, 5, &Config::default());
        let peer = node.connect(0);
        node.send(peer, [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        node.settle();
        node.peers[peer].received.clear();
        Self {
            node,
            peer,
            stream: 1,
        }
    }

    fn send(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let frame = frame(kind, flags, self.stream, payload);
        self.node.send(self.peer, frame);
        self.node.settle();
    }

    /// What came for the stream since it was looked at last.
    fn take(&mut self) -> Vec<Frame> {
        let received = std::mem::take(&mut self.node.peers[self.peer].received);
        let stream = self.stream;
        let of_stream = |frame: &Frame| frame.stream == stream && frame.kind != 8;
        frames(&received).into_iter().filter(of_stream).collect()
    }

    /// Sends a head that ends its stream; the status of the answer, or the reason of the reset.
    fn ask(&mut self, fields: &[(&str, &str)]) -> Result<u16, Reason> {
        self.send(HEADERS, END_HEADERS | END_STREAM, &block(fields));
        let answer = self.take();
        self.stream += 2;
        assert!(!self.node.peers[self.peer].is_over(), "the others go on");
        match answer.first().expect("an answer") {
            first if first.kind == HEADERS => Ok(status(first)),
            first if first.kind == RST_STREAM => {
                let code = first.payload[..4].try_into().expect("four bytes");
                Err(Reason::from(u32::from_be_bytes(code)))
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The status that begins a block of our answers, as `h2` writes it.
fn status(headers: &Frame) -> u16 {
    match headers.payload[..] {
        // RFC 7541, Appendix A: entries of the static table.
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x48, length, ref rest @ ..] if length & 0x80 == 0 => {
            let text = std::str::from_utf8(&rest[..length.into()]).expect("digits");
            text.parse().expect("a status")
        }
        // By the code of Huffman (Appendix B): 0, 1, 2 have five bits, other digits six.
        [0x48, length, ref rest @ ..] => {
            let bits = rest[..usize::from(length & 0x7f)]
                .iter()
                .fold(String::new(), |bits, byte| bits + &format!("{byte:08b}"));
            let mut bits = bits.as_str();
            let mut number = 0;
            for _ in 0..3 {
                let length = if bits.starts_with("000") { 5 } else { 6 };
                let (digit, rest) = bits.split_at(length);
                let code = u16::from_str_radix(digit, 2).expect("bits");
                number = number * 10
                    + if length == 5 {
                        code
                    } else {
                        code - 0b01_1001 + 3
                    };
                bits = rest;
            }
            number
        }
        _ => panic!("no status: {headers:?}"),
    }
}

const GOOD: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/healthz"),
    (":authority", "a.example:80"),
];

fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut fields = GOOD.to_vec();
    for change in changes {
        match fields.iter_mut().find(|(name, _)| *name == change.0) {
            Some(field) => *field = *change,
            None => fields.push(*change),
        }
    }
    fields
}

#[test]
fn section_8_2_1_no_value_begins_or_ends_with_white_space() {
    let mut raw = Raw::new();
    for value in ["a", "", "a b", "a\tb"] {
        assert_eq!(raw.ask(&with(&[("x-a", value)])), Ok(200), "{value:?}");
    }
    for value in [" a", "a ", "\ta", "a\t", " ", "\t"] {
        assert_eq!(raw.ask(&with(&[("x-a", value)])), Ok(400), "{value:?}");
    }
    assert_eq!(raw.ask(&GOOD), Ok(200));
}

#[test]
fn section_8_3_1_whom_a_request_is_for() {
    let mut raw = Raw::new();
    for changes in [
        &[][..],
        &[("host", "a.example:80")],
        &[("host", "A.Example")],
        &[(":authority", "a"), ("host", "a:80")],
        &[(":scheme", "HTTP")],
        &[(":scheme", "https"), (":authority", "a"), ("host", "a:443")],
        &[(":authority", "[::1]:7400"), ("host", "[::1]:7400")],
    ] {
        assert_eq!(raw.ask(&with(changes)), Ok(200), "{changes:?}");
    }
    for changes in [
        &[("host", "b.example")][..],
        &[("host", "a.example:81")],
        &[("host", "")],
        &[("host", "a b")],
        &[(":scheme", "ftp")],
        &[(":scheme", "ws")],
        &[(":authority", "u@a")],
        &[(":authority", "u:p@a.example:80")],
    ] {
        let refused = raw.ask(&with(changes));
        let malformed = Err(Reason::PROTOCOL_ERROR);
        assert!(
            refused == Ok(400) || refused == malformed,
            "{changes:?} {refused:?}"
        );
    }
    // Without an authority a host has to be named otherwise.
    let path = [GOOD[0], GOOD[1], GOOD[2]];
    assert_eq!(raw.ask(&path), Ok(400));
    assert_eq!(raw.ask(&[&path[..], &[("host", "")]].concat()), Ok(400));
    assert_eq!(raw.ask(&[&path[..], &[("host", "a")]].concat()), Ok(200));
    let twice = [&path[..], &[("host", "a"), ("host", "a")]].concat();
    assert_eq!(raw.ask(&twice), Ok(400));
}

#[test]
fn rfc_9110_section_9_3_7_the_server_as_a_whole() {
    let mut raw = Raw::new();
    assert_eq!(
        raw.ask(&with(&[(":method", "OPTIONS"), (":path", "*")])),
        Ok(200)
    );
    assert_eq!(
        raw.ask(&with(&[(":method", "OPTIONS"), (":path", "/")])),
        Ok(200)
    );
    let get = raw.ask(&with(&[(":path", "*")]));
    assert!(
        matches!(get, Ok(400) | Err(Reason::PROTOCOL_ERROR)),
        "{get:?}"
    );
}

/// RFC 3986 §3.3: what HTTP/1.1 refuses to route is not routed here.
#[test]
fn section_8_3_1_bytes_that_no_path_has() {
    let mut raw = Raw::new();
    for path in [
        "/a|b",
        "/a\"b",
        "/a{b}",
        "/a^b",
        "/\u{fc}",
        "/healthz?a=<b>",
    ] {
        let refused = raw.ask(&with(&[(":path", path)]));
        let malformed = Err(Reason::PROTOCOL_ERROR);
        assert!(
            refused == Ok(400) || refused == malformed,
            "{path} {refused:?}"
        );
    }
}

/// The end of the stream may come by itself, behind the head: there is no body all the same.
#[test]
fn section_8_1_an_empty_body_is_no_body() {
    let paths = [
        ("GET", "/healthz", 200),
        ("GET", "/api/sessions/t/events?last_event=-1&timeout=0", 200),
        ("GET", "/api/sessions/none/status", 404),
        ("GET", "/pubsub/client.js", 200),
        ("OPTIONS", "/event/v2/publish", 204),
        ("POST", "/api/sessions", 200),
        ("POST", "/api/sessions/t/events", 400),
    ];
    for (method, path, expected) in paths {
        for fields in [&[][..], &[("content-length", "0")]] {
            let mut raw = Raw::new();
            let head = with(&[(":method", method), (":path", path)]);
            raw.send(HEADERS, END_HEADERS, &block(&[&head, fields].concat()));
            assert!(raw.take().is_empty(), "{method} {path} has not ended");
            raw.send(DATA, END_STREAM, &[]);
            let answer = raw.take();
            assert_eq!(status(&answer[0]), expected, "{method} {path} {fields:?}");
        }
    }
    // A body that is none of ours is refused.
    let mut raw = Raw::new();
    raw.send(
        HEADERS,
        END_HEADERS,
        &block(&with(&[(":path", "/api/sessions/t/events")])),
    );
    raw.send(DATA, 0, b"x");
    assert_eq!(status(&raw.take()[0]), 400);
}

/// RFC 9110 §10.1.1.
#[test]
fn an_expectation_is_answered_before_the_body() {
    let mut raw = Raw::new();
    let path = (":path", "/api/sessions/t/events");
    let post = with(&[(":method", "POST"), path, ("expect", "100-Continue")]);
    raw.send(HEADERS, END_HEADERS, &block(&post));
    let interim = raw.take();
    assert_eq!(interim.len(), 1, "{interim:?}");
    assert_eq!((interim[0].kind, interim[0].flags), (HEADERS, END_HEADERS));
    assert_eq!(status(&interim[0]), 100);
    raw.send(DATA, END_STREAM, EVENT.as_bytes());
    let answer = raw.take();
    assert_eq!(
        (status(&answer[0]), answer[0].flags),
        (200, END_HEADERS | END_STREAM)
    );

    // Who is refused, or says nothing more, need not be told to go on.
    for (changes, expected) in [
        (&[(":path", "/healthz")][..], 405),
        (&[path, ("content-length", "9999999")], 413),
        (&[path, ("expect", "a-miracle")], 417),
    ] {
        let mut raw = Raw::new();
        let post = with(&[(":method", "POST"), ("expect", "100-continue")]);
        let mut head = post.clone();
        for change in changes {
            head.retain(|(name, _)| name != &change.0);
            head.push(*change);
        }
        head.sort_by_key(|(name, _)| !name.starts_with(':'));
        raw.send(HEADERS, END_HEADERS, &block(&head));
        assert_eq!(status(&raw.take()[0]), expected, "{changes:?}");
    }
    let mut raw = Raw::new();
    assert_eq!(raw.ask(&with(&[("expect", "100-continue")])), Ok(200));
}

/// RFC 9113 §8.1: the answer is whole, so the rest of the request is not asked for any more, and
/// its sender is told at once, by a reset that is no error.
#[test]
fn section_8_1_an_early_answer_ends_the_stream() {
    let path = "/api/sessions/t/events";
    for (method, path, length, expected) in [
        ("POST", "/healthz", None, 405),
        ("POST", "/no/such/path", None, 404),
        ("PUT", path, None, 405),
        ("POST", path, Some("99999999"), 413),
        ("DELETE", path, None, 405),
    ] {
        let mut raw = Raw::new();
        let mut head = GOOD.to_vec();
        head[0].1 = method;
        head[2].1 = path;
        head.extend(length.map(|length| ("content-length", length)));
        raw.send(HEADERS, END_HEADERS, &block(&head));
        let answer = raw.take();
        assert_eq!(status(&answer[0]), expected, "{method} {path}");
        let last = answer.last().expect("frames");
        assert_eq!(last.flags & END_STREAM, END_STREAM, "the answer is whole");
        raw.send(DATA, 0, &[b' '; 1_000]);
        raw.node.pass(2 * HTTP2_RESET_DELAY);
        let [reset] = &raw.take()[..] else {
            panic!("one frame");
        };
        assert_eq!((reset.kind, &reset.payload[..]), (RST_STREAM, &[0; 4][..]));
        assert_eq!(raw.node.sum("http2_streams"), 0);
        // What was under way meanwhile is nobody's, and costs the others nothing.
        raw.send(DATA, 0, &[b' '; 1_000]);
        raw.stream += 2;
        assert_eq!(raw.ask(&GOOD), Ok(200));
    }
}

#[test]
fn section_8_1_an_early_answer_is_not_lost_on_who_still_sends() {
    let mut node = TestNode::new(1, 5, &Config::default());
    let mut client = Client::connect(&mut node, 0);
    let request = http::Request::post("http://x/api/sessions/t/events");
    let call = client.open(request.body(()).expect("a request"), false);
    client.send(call, &vec![b' '; 4 * PUBLISH_BYTES_MAX]);
    client.settle(&mut node);
    node.pass(2 * HTTP2_RESET_DELAY);
    client.settle(&mut node);
    let call = &client.calls[call];
    assert_eq!((call.status(), call.end), (Some(413), Some(End::Complete)));
    assert!(String::from_utf8_lossy(&call.body).contains("too_large"));
    assert_eq!(node.sum("http2_streams"), 0);
    assert_eq!(client.ended, None);
}

/// A peer that ends its request on seeing the answer is not reset, but hears something all the
/// same.
#[test]
fn a_peer_that_ends_behind_an_early_answer_is_woken() {
    const PING: u8 = 6;
    let mut raw = Raw::new();
    let mut head = GOOD.to_vec();
    head[0].1 = "POST";
    raw.send(HEADERS, END_HEADERS, &block(&head));
    assert_eq!(status(&raw.take()[0]), 405);
    raw.send(DATA, END_STREAM, &[]);
    raw.node.pass(2 * HTTP2_RESET_DELAY);
    let received = frames(&raw.node.peers[raw.peer].received);
    let kinds: Vec<u8> = received.iter().map(|frame| frame.kind).collect();
    assert!(
        kinds.contains(&PING) && !kinds.contains(&RST_STREAM),
        "{kinds:?}"
    );
    assert_eq!(raw.node.sum("http2_streams"), 0);
}

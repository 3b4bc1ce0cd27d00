//! RFC 6455, the server's half. Suites are named after the sections they test.
//!
//! Every vector is heard whole, byte by byte, cut in two everywhere and cut at random: what comes
//! out must be the same each time.

mod closing;
mod fragmentation;
mod framing;
mod handshake;
mod properties;

use fanfare::limits::WEBSOCKET_PIECE_BYTES_MAX;
use fanfare::protocol::websocket::{Item, Receiver, Step};

/// Longest message in these suites, unless one says otherwise.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Vectors up to this long are cut in two at every place.
const CUT_EVERYWHERE_BYTES_MAX: usize = 600;
/// Random ways to cut each vector.
const RANDOM_CUTS: u64 = 20;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What a receiver said, independent of its input's lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// Failed with this close code.
    Failed(u16),
}

impl From<Item<'_>> for Heard {
    fn from(item: Item<'_>) -> Self {
        match item {
            Item::Text(message) => {
                Self::Text(String::from_utf8(message.to_vec()).expect("text is UTF-8"))
            }
            Item::Binary(message) => Self::Binary(message.to_vec()),
            Item::Ping(payload) => Self::Ping(payload.to_vec()),
            Item::Pong(payload) => Self::Pong(payload.to_vec()),
            Item::Close(close) => Self::Close(close.map(|(code, reason)| (code.0, reason.into()))),
        }
    }
}

/// Feeds a receiver as a connection would: what a step leaves is kept and offered again.
struct Listener {
    receiver: Receiver,
    kept: Vec<u8>,
    received: usize,
    heard: Vec<Heard>,
}

impl Listener {
    fn new(message_bytes_max: usize) -> Self {
        Self {
            receiver: Receiver::new(message_bytes_max),
            kept: Vec::new(),
            received: 0,
            heard: Vec::new(),
        }
    }

    fn feed(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
        self.received += piece.len();
        let mut start = 0;
        loop {
            let before = self.kept[start..].to_vec();
            let step = self.receiver.recv(&mut self.kept[start..]);
            assert!(self.receiver.held_bytes() <= 2 * self.received);
            match step {
                Ok(Step { consumed, item }) => {
                    let done = consumed == 0 && item.is_none();
                    self.heard.extend(item.map(Heard::from));
                    let rest = &self.kept[start + consumed..];
                    assert_eq!(rest, &before[consumed..], "what is left is as it was");
                    start += consumed;
                    if done {
                        break;
                    }
                }
                Err(error) => {
                    assert!(self.receiver.is_closed());
                    assert!(error.code.is_valid_on_wire() && error.reason.len() <= 123);
                    self.heard.push(Heard::Failed(error.code.0));
                }
            }
        }
        self.kept.drain(..start);
        assert!(self.kept.len() < WEBSOCKET_PIECE_BYTES_MAX);
    }
}

/// What is heard when `bytes` come in pieces that end at `cuts` (ascending) and at the end.
fn hear(
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    message_bytes_max: usize,
) -> Vec<Heard> {
    let mut listener = Listener::new(message_bytes_max);
    let mut start = 0;
    for end in cuts.into_iter().chain([bytes.len()]) {
        listener.feed(&bytes[start..end]);
        start = end;
    }
    listener.heard
}

/// Asserts what is heard of `bytes`, however they are cut.
#[track_caller]
fn assert_heard_within(message_bytes_max: usize, bytes: &[u8], expected: &[Heard]) {
    let hear = |cuts: Vec<usize>| hear(bytes, cuts, message_bytes_max);
    assert_eq!(hear(Vec::new()), expected, "whole");
    assert_eq!(hear((1..bytes.len()).collect()), expected, "byte by byte");
    if bytes.len() <= CUT_EVERYWHERE_BYTES_MAX {
        for cut in 1..bytes.len() {
            assert_eq!(hear(vec![cut]), expected, "cut at {cut}");
        }
    }
    for seed in 1..=RANDOM_CUTS {
        let cuts = random_cuts(seed, bytes.len());
        assert_eq!(hear(cuts.clone()), expected, "seed {seed}: cut at {cuts:?}");
    }
}

#[track_caller]
fn assert_heard(bytes: &[u8], expected: &[Heard]) {
    assert_heard_within(MESSAGE_BYTES_MAX, bytes, expected);
}

fn random_cuts(seed: u64, length: usize) -> Vec<usize> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut cuts: Vec<usize> = (0..seed % 8)
        .map(|_| {
            // Xorshift (Marsaglia 2003).
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as usize % (length + 1)
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// A client's frame: `first` is FIN, reserved bits and opcode. Written from RFC 6455 §5.2 and §5.3,
/// independently of the code under test.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = header(first, 0x80, payload.len() as u64);
    bytes.extend(key);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// The same without a mask: what only a server may send.
fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, 0, payload.len() as u64);
    bytes.extend(payload);
    bytes
}

fn header(first: u8, mask_bit: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(mask_bit | length as u8);
    } else if length < 65_536 {
        bytes.push(mask_bit + 126);
        bytes.extend((length as u16).to_be_bytes());
    } else {
        bytes.push(mask_bit + 127);
        bytes.extend(length.to_be_bytes());
    }
    bytes
}

fn text(text: &str) -> Heard {
    Heard::Text(text.to_owned())
}

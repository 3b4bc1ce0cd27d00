//! The messages of `event.proto` as this client needs them, and how gRPC puts them into streams.
//!
//! Written from the definition, not generated from it: of an answer only its kind and what is
//! compared are looked at.

use super::NAME;
use crate::partial::Partial;

/// The prefix of a message: a flag for compression and four bytes of length.
const PREFIX_BYTES: usize = 5;
/// Longest message that is read.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Digits of a sequence number: always the same, so that messages have the same length.
const SEQUENCE_DIGITS: usize = 10;
/// The field `probe` of a payload, up to its digits: the key, and a `Value` with a string.
pub(crate) const SEQUENCE_MARKER: &[u8] = b"\x0a\x05probe\x12\x0c\x1a\x0a";
/// Field `id` of `PublishEventResponse`.
const ID: u64 = 5;
/// Length of a UUID's text.
const ID_BYTES: usize = 36;

/// Appends a message with its prefix.
fn put_message(message: &[u8], buf: &mut Vec<u8>) {
    buf.push(0);
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    buf.extend_from_slice(&length.to_be_bytes());
    buf.extend_from_slice(message);
}

/// Appends a number in groups of seven bits, the lowest first.
pub(crate) fn put_varint(mut value: u64, buf: &mut Vec<u8>) {
    while value > 0x7f {
        buf.push(0x80 | value.to_le_bytes()[0]);
        value >>= 7;
    }
    buf.push(value.to_le_bytes()[0]);
}

fn put_field(number: u64, bytes: &[u8], buf: &mut Vec<u8>) {
    put_varint(number << 3 | 2, buf);
    put_varint(bytes.len() as u64, buf);
    buf.extend_from_slice(bytes);
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut buf = Vec::with_capacity(bytes.len() + 4);
    put_field(number, bytes, &mut buf);
    buf
}

/// Asks for the probe's events: an `EventsStreamRequest` with its prefix.
pub(crate) fn subscribe() -> Vec<u8> {
    subscribe_to(NAME)
}

/// The same for events of any name.
pub(crate) fn subscribe_to(name: &str) -> Vec<u8> {
    let mut request = field(1, b"c1");
    put_field(100, &field(1, name.as_bytes()), &mut request);
    let mut buf = Vec::new();
    put_message(&request, &mut buf);
    buf
}

/// An event to be published, all of them of the same length.
#[derive(Debug)]
pub(crate) struct Template {
    /// With its prefix.
    message: Vec<u8>,
    /// Where its digits are.
    digits: usize,
}

impl Template {
    /// A `PublishEventRequest`, by itself or within an `EventsStreamRequest`. Its payload is
    /// `payload_bytes` long as compact JSON, and at least 40.
    pub(crate) fn new(payload_bytes: usize, is_streamed: bool) -> Self {
        let frame = r#"{"padding":"","probe":"0123456789"}"#.len();
        let padding = "x".repeat(payload_bytes.saturating_sub(frame));
        let mut payload = Vec::new();
        for (name, text) in [("padding", &*padding), ("probe", "0123456789")] {
            let mut entry = field(1, name.as_bytes());
            put_field(2, &field(3, text.as_bytes()), &mut entry);
            put_field(1, &entry, &mut payload);
        }
        let mut request = field(1, NAME.as_bytes());
        put_field(2, &payload, &mut request);
        if is_streamed {
            request = field(102, &request);
        }
        let mut message = Vec::new();
        put_message(&request, &mut message);
        // The payload is the last of everything, and its digits are the last of it.
        let digits = message.len() - SEQUENCE_DIGITS;
        Self { message, digits }
    }

    /// The message of this sequence number.
    pub(crate) fn numbered(&mut self, sequence: u64) -> &[u8] {
        let mut rest = sequence;
        for digit in self.message[self.digits..].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.message
    }
}

/// What an `EventsStreamResponse` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// An event: a `PublishEventResponse`.
    Event(&'a [u8]),
    /// A subscription is made.
    Subscribed,
    /// An event is published.
    Published,
    /// A request was not carried out: an `EventsStreamError`.
    Error(&'a [u8]),
    /// Nothing that was asked for.
    Other,
}

impl<'a> Told<'a> {
    /// Reads a message without its prefix, which must not be an error of the server.
    pub(crate) fn read(message: &'a [u8]) -> Result<Self, String> {
        match Self::parse(message) {
            Some(Self::Error(error)) => Err(String::from_utf8_lossy(error).into_owned()),
            Some(told) => Ok(told),
            None => Err("a message is not protocol buffers".to_owned()),
        }
    }

    /// Reads a message without its prefix; `None` if it is not protocol buffers.
    pub(crate) fn parse(message: &'a [u8]) -> Option<Self> {
        let mut told = Self::Other;
        let mut rest = message;
        while !rest.is_empty() {
            let (number, bytes, after) = split_field(rest)?;
            told = match number {
                100 => Self::Event(bytes),
                201 => Self::Error(bytes),
                202 => Self::Subscribed,
                204 => Self::Published,
                _ => told,
            };
            rest = after;
        }
        Some(told)
    }
}

/// The number of the first field, its bytes if it has a length, and what follows it.
fn split_field(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (key, rest) = split_varint(bytes)?;
    let (length, rest) = match key & 7 {
        0 => (0, split_varint(rest)?.1),
        1 => (8, rest),
        2 => split_varint(rest)?,
        5 => (4, rest),
        _ => return None,
    };
    let (bytes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((key >> 3, bytes, rest))
}

fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// Whether a `PublishEventResponse` carries an id.
pub(crate) fn has_id(mut message: &[u8]) -> bool {
    let mut is_found = false;
    while let Some((number, bytes, after)) = split_field(message) {
        is_found |= number == ID && bytes.len() == ID_BYTES;
        message = after;
    }
    is_found && message.is_empty()
}

/// One stream's bytes, put together to messages however they are cut.
#[derive(Debug, Default)]
pub(crate) struct MessageReader(Partial);

impl MessageReader {
    /// Takes what was received, and tells `each` of every message that ends in it, without prefix.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.0.feed(bytes, |bytes| {
            let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
                return Ok(0);
            };
            let [flag, length @ ..] = *prefix;
            let length = u32::from_be_bytes(length) as usize;
            if flag != 0 || length > MESSAGE_BYTES_MAX {
                return Err("a message is compressed or too long".to_owned());
            }
            let Some(message) = rest.get(..length) else {
                return Ok(0);
            };
            each(message)?;
            Ok(PREFIX_BYTES + length)
        })
    }
}

/// What a server tells of a published event, with its prefix.
#[cfg(test)]
pub(crate) fn told_event(published: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put_message(&field(100, &published[PREFIX_BYTES..]), &mut message);
    message
}

/// The answer to a publish on a stream, or of a call, with its prefix.
#[cfg(test)]
pub(crate) fn told_published(is_streamed: bool) -> Vec<u8> {
    let id = field(ID, &[b'0'; ID_BYTES]);
    let answer = if is_streamed { field(204, &id) } else { id };
    let mut message = Vec::new();
    put_message(&answer, &mut message);
    message
}

/// The answer to a subscription, with its prefix.
#[cfg(test)]
pub(crate) fn told_subscribed() -> Vec<u8> {
    let mut message = Vec::new();
    put_message(&field(202, b""), &mut message);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_after;

    /// What a server makes of an event: other fields before, and the id behind.
    fn event(sequence: u64) -> Vec<u8> {
        let mut template = Template::new(128, false);
        let mut event = template.numbered(sequence)[PREFIX_BYTES..].to_vec();
        put_field(ID, &[b'0'; ID_BYTES], &mut event);
        event
    }

    #[test]
    fn an_event_is_known_by_its_sequence_number() {
        let mut at = 0;
        let mut find = |event: &[u8]| sequence_after(SEQUENCE_MARKER, event, &mut at);
        for sequence in [0, 7, 1_234_567_890] {
            assert_eq!(find(&event(sequence)), Some(sequence));
        }
        let moved = [&field(9, b"before")[..], &event(8)].concat();
        assert_eq!(find(&moved), Some(8));
        assert_eq!(find(b"nothing"), None);
        assert!(has_id(&event(1)));
        assert!(!has_id(
            &Template::new(128, false).numbered(1)[PREFIX_BYTES..]
        ));
    }

    #[test]
    fn answers_are_told_apart() {
        let mut message = field(3, b"session");
        let event = event(3);
        put_field(100, &event, &mut message);
        assert_eq!(Told::parse(&message), Some(Told::Event(&event)));
        assert_eq!(Told::parse(&field(202, b"")), Some(Told::Subscribed));
        assert_eq!(Told::parse(&field(204, b"x")), Some(Told::Published));
        assert_eq!(Told::parse(&field(201, b"no")), Some(Told::Error(b"no")));
        assert_eq!(Told::parse(&field(200, b"pong")), Some(Told::Other));
        assert_eq!(Told::parse(&message[..message.len() - 1]), None);
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let mut bytes = Vec::new();
        let messages: [&[u8]; 3] = [b"one", b"", b"three"];
        for message in messages {
            put_message(message, &mut bytes);
        }
        for size in 1..=bytes.len() {
            let (mut reader, mut found) = (MessageReader::default(), Vec::new());
            for part in bytes.chunks(size) {
                let fed = reader.feed(part, |message| {
                    found.push(message.to_vec());
                    Ok(())
                });
                assert_eq!(fed, Ok(()));
            }
            assert_eq!(found, messages, "in parts of {size}");
        }
        let compressed = [1, 0, 0, 0, 0];
        assert!(
            MessageReader::default()
                .feed(&compressed, |_| Ok(()))
                .is_err()
        );
    }
}

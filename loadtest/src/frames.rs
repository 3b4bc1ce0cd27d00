//! Counts the frames of one WebSocket without reading them: header by header, however bytes are
//! cut.
//!
//! Bytes in, counts out; it must never know sockets. What is inside of a frame is only kept where
//! somebody wants to look at it: a client that parses every event would be slower than the server.

use crate::fault::Fault;
use crate::websocket::{FrameError, HEADER_BYTES_MAX, Header, Opcode, close_code, encode_control};

/// A header, as far as it has come.
#[derive(Debug, Default)]
struct PartialHeader {
    bytes: [u8; HEADER_BYTES_MAX],
    count: usize,
}

impl PartialHeader {
    /// Takes a header or a part of it, and returns the bytes after; `self.bytes` begins with a
    /// header that is complete.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<(Option<Header>, &'b [u8]), FrameError> {
        // Nearly always a header comes in one piece.
        if self.count == 0
            && let Some(header) = Header::parse(bytes)?
        {
            self.bytes[..header.bytes].copy_from_slice(&bytes[..header.bytes]);
            return Ok((Some(header), &bytes[header.bytes..]));
        }
        self.bytes[self.count] = bytes[0];
        self.count += 1;
        let header = Header::parse(&self.bytes[..self.count])?;
        if header.is_some() {
            self.count = 0;
        }
        Ok((header, &bytes[1..]))
    }
}

/// Takes WebSocket messages out of their frames, in the pieces in which they arrive: for protocols
/// that are spoken inside of them, and may begin and end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Unframer {
    header: PartialHeader,
    /// The frame under way and how many bytes of it are to come.
    current: Option<(Header, usize)>,
    /// The payload of a control frame under way.
    control: Vec<u8>,
}

impl Unframer {
    /// Takes what was received. Tells `each` of every piece of a text or binary message, and
    /// whether the message ends with it; what must be sent back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        replies: &mut Vec<u8>,
        mut each: impl FnMut(&[u8], bool) -> Result<(), String>,
    ) -> Result<(), Fault> {
        loop {
            let (header, left) = match self.current {
                Some(current) => current,
                None if bytes.is_empty() => return Ok(()),
                None => {
                    let (header, rest) = self.header.take(bytes)?;
                    bytes = rest;
                    self.current = header.map(|header| (header, header.payload_bytes));
                    continue;
                }
            };
            let (piece, rest) = bytes.split_at(left.min(bytes.len()));
            let is_end = piece.len() == left;
            if piece.is_empty() && !is_end {
                return Ok(());
            }
            bytes = rest;
            self.current = (!is_end).then_some((header, left - piece.len()));
            if matches!(header.opcode, Opcode::Text | Opcode::Binary) {
                each(piece, is_end)?;
                continue;
            }
            self.control.extend_from_slice(piece);
            if is_end {
                match header.opcode {
                    Opcode::Ping => encode_control(Opcode::Pong, &self.control, replies),
                    Opcode::Close => return Err(Fault::Closed(close_code(&self.control))),
                    _ => {}
                }
                self.control.clear();
            }
        }
    }
}

/// Takes frames apart and puts messages together.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    unframer: Unframer,
    /// The beginning of a message that came in pieces.
    begun: Vec<u8>,
}

impl Messages {
    /// Takes what was received. Tells `each` of every text or binary message; what must be sent
    /// back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), Fault> {
        let begun = &mut self.begun;
        self.unframer.feed(bytes, replies, |piece, is_end| {
            if is_end && begun.is_empty() {
                return each(piece);
            }
            begun.extend_from_slice(piece);
            if is_end {
                each(begun)?;
                begun.clear();
            }
            Ok(())
        })
    }
}

/// Why counting ended. It is small, for it comes back for every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountError {
    /// Not RFC 6455.
    Frame(FrameError),
    /// The server closed the WebSocket with this code.
    Closed(u16),
}

impl From<FrameError> for CountError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<CountError> for Fault {
    fn from(error: CountError) -> Self {
        match error {
            CountError::Frame(error) => error.into(),
            CountError::Closed(code) => Self::Closed(code),
        }
    }
}

/// A text frame that has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted<'a> {
    /// Its bytes, header and all.
    pub(crate) bytes: usize,
    /// The frame itself, if frames are kept.
    pub(crate) kept: Option<&'a [u8]>,
}

/// Where in a WebSocket's frames its bytes have arrived.
#[derive(Debug)]
pub(crate) struct FrameCounter {
    header: PartialHeader,
    /// The frame under way and how many bytes of it are to come.
    current: Option<(Header, usize)>,
    keeps: bool,
    /// The frame under way, if it is kept or a control frame.
    kept: Vec<u8>,
}

impl FrameCounter {
    /// A counter at the start of a frame. One that keeps frames lends each when it is complete.
    pub(crate) fn new(keeps: bool) -> Self {
        Self {
            header: PartialHeader::default(),
            current: None,
            keeps,
            kept: Vec::new(),
        }
    }

    /// Takes what was received. Tells `each` of every text frame that ends in it; what must be sent
    /// back is appended to `replies`.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        replies: &mut Vec<u8>,
        mut each: impl FnMut(Counted<'_>),
    ) -> Result<(), CountError> {
        while !bytes.is_empty() {
            let Some((header, left)) = self.current else {
                bytes = self.begin(bytes)?;
                // A frame may be empty, and ends where it begins.
                if let Some((header, 0)) = self.current {
                    self.end(header, replies, &mut each)?;
                }
                continue;
            };
            let (part, rest) = bytes.split_at(left.min(bytes.len()));
            if self.keeps || header.opcode != Opcode::Text {
                self.kept.extend_from_slice(part);
            }
            bytes = rest;
            self.current = Some((header, left - part.len()));
            if part.len() == left {
                self.end(header, replies, &mut each)?;
            }
        }
        Ok(())
    }

    /// Takes a header or a part of it, and returns the bytes after.
    fn begin<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], CountError> {
        let (header, rest) = self.header.take(bytes)?;
        let Some(header) = header else {
            return Ok(rest);
        };
        if header.opcode == Opcode::Binary {
            return Err(FrameError::Opcode.into());
        }
        self.current = Some((header, header.payload_bytes));
        if self.keeps || header.opcode != Opcode::Text {
            self.kept.clear();
            self.kept
                .extend_from_slice(&self.header.bytes[..header.bytes]);
        }
        Ok(rest)
    }

    fn end(
        &mut self,
        header: Header,
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Counted<'_>),
    ) -> Result<(), CountError> {
        self.current = None;
        let payload = self.kept.get(header.bytes..).unwrap_or_default();
        match header.opcode {
            Opcode::Text => each(Counted {
                bytes: header.bytes + header.payload_bytes,
                kept: self.keeps.then_some(&*self.kept),
            }),
            Opcode::Ping => encode_control(Opcode::Pong, payload, replies),
            // Refused where it began.
            Opcode::Binary | Opcode::Pong => {}
            Opcode::Close => return Err(CountError::Closed(close_code(payload))),
        }
        Ok(())
    }
}

/// The digits of [`sequence_field`] in a frame, wherever a dialect puts the payload's fields.
pub(crate) fn sequence(frame: &[u8]) -> Option<u64> {
    sequence_at(frame, &mut 0)
}

/// The same, where messages of one server have the field at the same place: looked for there first,
/// and `at` says where that is from one message to the next.
pub(crate) fn sequence_at(message: &[u8], at: &mut usize) -> Option<u64> {
    sequence_after(SEQUENCE_MARKER, message, at)
}

/// The same, with another marker before the digits.
#[inline]
pub(crate) fn sequence_after(marker: &[u8], message: &[u8], at: &mut usize) -> Option<u64> {
    let is_there = message
        .get(*at..)
        .is_some_and(|rest| rest.starts_with(marker));
    if !is_there {
        *at = place(marker, message)?;
    }
    digits(message, *at + marker.len())
}

/// Where the marker is.
#[cold]
fn place(marker: &[u8], message: &[u8]) -> Option<usize> {
    // Most places are not even like its first byte.
    let mut places = message.windows(marker.len());
    places.position(|part| part[0] == marker[0] && part == marker)
}

/// The number whose digits begin here.
#[inline]
fn digits(message: &[u8], at: usize) -> Option<u64> {
    let digits = message.get(at..)?.first_chunk::<SEQUENCE_DIGITS>()?;
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    Some(number)
}

/// A JSON field by which an event is known; always of the same length, so that frames are too.
pub(crate) fn sequence_field(sequence: u64) -> String {
    format!("\"probe\":\"{sequence:0SEQUENCE_DIGITS$}\"")
}

/// What is before the digits.
pub(crate) const SEQUENCE_MARKER: &[u8] = b"\"probe\":\"";
const SEQUENCE_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::server::text;

    /// Lengths of frames, frames, replies, and how it ended.
    type Outcome = (Vec<usize>, Vec<Vec<u8>>, Vec<u8>, Result<(), CountError>);

    /// All that a transcript amounts to, fed in the given pieces.
    fn count<'b>(keeps: bool, pieces: impl IntoIterator<Item = &'b [u8]>) -> Outcome {
        let mut counter = FrameCounter::new(keeps);
        let (mut lengths, mut frames, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            let fed = counter.feed(piece, &mut replies, |counted| {
                lengths.push(counted.bytes);
                frames.extend(counted.kept.map(<[u8]>::to_vec));
            });
            if fed.is_err() {
                return (lengths, frames, replies, fed);
            }
        }
        (lengths, frames, replies, Ok(()))
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let long = "x".repeat(300);
        let frames = [
            text("a"),
            text(""),
            text(&"y".repeat(125)),
            text(&long),
            text(&"z".repeat(126)),
        ];
        let ping = [0x89, 2, b'h', b'i'];
        let unasked = [0x8a, 0];
        let transcript = [
            &frames[0][..],
            &frames[1],
            &ping,
            &frames[2],
            &frames[3],
            &unasked,
            &frames[4],
        ]
        .concat();
        let lengths: Vec<usize> = frames.iter().map(Vec::len).collect();
        let mut replies = Vec::new();
        encode_control(Opcode::Pong, b"hi", &mut replies);
        for keeps in [false, true] {
            let kept = if keeps { frames.to_vec() } else { Vec::new() };
            let expected = (lengths.clone(), kept, replies.clone(), Ok(()));
            assert_eq!(count(keeps, [&*transcript]), expected);
            assert_eq!(count(keeps, transcript.chunks(1)), expected);
            for cut in 0..transcript.len() {
                let (head, tail) = transcript.split_at(cut);
                assert_eq!(count(keeps, [head, tail]), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_not_complete_does_not_count() {
        let frame = text("abc");
        for end in 0..frame.len() {
            assert!(count(false, [&frame[..end]]).0.is_empty(), "{end}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_the_count() {
        let transcript = [&text("a")[..], &[0x88, 2, 0x03, 0xf5]].concat();
        let (lengths, _, _, result) = count(false, transcript.chunks(1));
        assert_eq!((lengths, result), (vec![3], Err(CountError::Closed(1013))));
        let (_, _, _, result) = count(false, [&[0x88, 0][..]]);
        assert_eq!(result, Err(CountError::Closed(1005)));
        let (_, _, _, result) = count(false, [&[0x82, 0][..]]);
        assert_eq!(result, Err(FrameError::Opcode.into()));
    }

    #[test]
    fn an_event_is_known_wherever_its_field_stands() {
        let field = sequence_field(1_234);
        assert_eq!(
            sequence(format!(r#"{{"type":"probe","data":{{{field},"a":1}}}}"#).as_bytes()),
            Some(1_234)
        );
        assert_eq!(field.len(), sequence_field(9_999_999_999).len());
        assert_eq!(sequence(br#"{"type":"probe"}"#), None);
        assert_eq!(sequence(br#"{"probe":"12"}"#), None);
    }

    #[test]
    fn messages_come_out_of_their_frames_in_pieces() {
        let transcript = [
            &text("")[..],
            &text("abc"),
            &[0x8a, 0],
            &text(&"x".repeat(300)),
            &[0x82, 2, 1, 2],
            &[0x89, 1, b'p'],
        ]
        .concat();
        let unframe = |pieces: &[&[u8]]| {
            let mut unframer = Unframer::default();
            let (mut messages, mut begun, mut replies) = (Vec::new(), Vec::new(), Vec::new());
            for piece in pieces {
                let fed = unframer.feed(piece, &mut replies, |part, is_end| {
                    begun.extend_from_slice(part);
                    if is_end {
                        messages.push(std::mem::take(&mut begun));
                    }
                    Ok(())
                });
                fed.expect("sound");
            }
            (messages, replies)
        };
        let mut pong = Vec::new();
        encode_control(Opcode::Pong, b"p", &mut pong);
        let messages = vec![Vec::new(), b"abc".to_vec(), vec![b'x'; 300], vec![1, 2]];
        let expected = (messages, pong);
        assert_eq!(unframe(&[&transcript]), expected);
        assert_eq!(unframe(&transcript.chunks(1).collect::<Vec<_>>()), expected);
        for cut in 0..transcript.len() {
            let (head, tail) = transcript.split_at(cut);
            assert_eq!(unframe(&[head, tail]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_close_and_a_refusal_end_a_message_stream() {
        let mut unframer = Unframer::default();
        let refuse = |_: &[u8], _| Err("refused".to_owned());
        let fed = unframer.feed(&text("a"), &mut Vec::new(), refuse);
        assert_eq!(fed, Err("refused".into()));
        let mut unframer = Unframer::default();
        let fed = unframer.feed(&[0x88, 2, 0x03, 0xf5], &mut Vec::new(), |_, _| Ok(()));
        assert_eq!(fed, Err(Fault::Closed(1013)));
    }

    #[test]
    fn the_place_of_the_field_is_remembered() {
        let mut at = 0;
        let message = |before: &str, number| format!("{before}{}", sequence_field(number));
        for (before, number) in [("{", 3), ("{", 4), ("{\"probe\":1,", 5), ("", 6)] {
            let message = message(before, number);
            assert_eq!(sequence_at(message.as_bytes(), &mut at), Some(number));
            assert_eq!(at, before.len());
        }
        assert_eq!(sequence_at(b"{\"probe\":\"00000000x1\"}", &mut at), None);
        assert_eq!(sequence_at(b"", &mut at), None);
    }
}

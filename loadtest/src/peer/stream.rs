//! Messages of a protocol that is a stream of bytes, in what one subscriber receives: as it comes, or inside of the
//! frames of a WebSocket, which may begin and end anywhere.
//!
//! A protocol is one function that reads the message its bytes begin with; nothing here knows which. A message is
//! looked at where it was received, unless it was cut: then what there is of it waits for the rest.

use super::fan_out::{Counter, Heard};
use crate::frames::{Unframer, sequence_at};
use crate::partial::Partial;
use crate::websocket::{Opcode, encode_message};

/// A message, as far as a subscriber cares for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// An event, whose number is in here.
    Event(&'a [u8]),
    /// Events that are published from now on are heard.
    Subscribed,
    /// Wants an answer, which is always the same.
    Ping,
    /// Anything else.
    Other,
}

/// Reads the message that bytes begin with, and says how many bytes it took; `None` means that more are needed. Fails
/// with what is wrong.
pub(crate) type Read = fn(&[u8]) -> Result<Option<(Message<'_>, usize)>, String>;

/// Bytes of a protocol as a client sends them: in a frame of a WebSocket, or as they are.
pub(crate) fn wire(is_websocket: bool, bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    if is_websocket {
        encode_message(Opcode::Binary, bytes, &mut message);
    } else {
        message.extend_from_slice(bytes);
    }
    message
}

/// Reads messages, however they are cut.
#[derive(Debug)]
struct Messages {
    read: Read,
    /// What answers [`Message::Ping`], as it goes over the wire.
    pong: Vec<u8>,
    partial: Partial,
    /// Where in an event its number was last.
    at: usize,
}

impl Messages {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        let Self {
            read,
            pong,
            partial,
            at,
        } = self;
        partial.feed(bytes, |rest| {
            let Some((message, taken)) = read(rest)? else {
                return Ok(0);
            };
            match message {
                Message::Event(payload) => {
                    let number = sequence_at(payload, at).ok_or("an event without a number")?;
                    let bytes = taken;
                    each(Heard::Event { number, bytes });
                }
                Message::Subscribed => each(Heard::Subscribed),
                Message::Ping => replies.extend_from_slice(pong),
                Message::Other => {}
            }
            Ok(taken)
        })
    }
}

/// Counts the events of a subscriber.
#[derive(Debug)]
pub(crate) struct StreamCounter {
    /// Where in its frames a WebSocket is.
    unframer: Option<Unframer>,
    messages: Messages,
}

impl StreamCounter {
    /// A counter that has received nothing; `pong` is what answers a ping.
    pub(crate) fn new(read: Read, is_websocket: bool, pong: &[u8]) -> Self {
        Self {
            unframer: is_websocket.then(Unframer::default),
            messages: Messages {
                read,
                pong: wire(is_websocket, pong),
                partial: Partial::default(),
                at: 0,
            },
        }
    }
}

impl Counter for StreamCounter {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        let Some(unframer) = &mut self.unframer else {
            return self.messages.feed(bytes, replies, each);
        };
        // While frames are taken apart their own replies are lent.
        let mut pongs = Vec::new();
        let fed = unframer.feed(bytes, replies, |piece, _| {
            self.messages.feed(piece, &mut pongs, each)
        });
        replies.append(&mut pongs);
        fed
    }
}

/// What a counter makes of these pieces: what it told of, and what it wants to send.
#[cfg(test)]
pub(crate) fn told<'b>(
    mut counter: impl Counter,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<(Vec<Heard>, Vec<u8>), String> {
    let (mut heard, mut replies) = (Vec::new(), Vec::new());
    for piece in pieces {
        counter.feed(piece, &mut replies, &mut |found| heard.push(found))?;
    }
    Ok((heard, replies))
}

/// Fails unless a counter makes the same of a transcript wherever it is cut, and that is this.
#[cfg(test)]
pub(crate) fn assert_told<C: Counter>(
    counter: impl Fn() -> C,
    transcript: &[u8],
    expected: &(Vec<Heard>, Vec<u8>),
) {
    assert_eq!(told(counter(), [transcript]).as_ref(), Ok(expected));
    assert_eq!(told(counter(), transcript.chunks(1)).as_ref(), Ok(expected));
    for cut in 0..transcript.len() {
        let (head, tail) = transcript.split_at(cut);
        let found = told(counter(), [head, tail]);
        assert_eq!(found.as_ref(), Ok(expected), "cut at {cut}");
    }
}

/// A frame as a server sends it, whose payload is at most 65,535 bytes.
#[cfg(test)]
pub(crate) fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("medium");
    let mut frame = vec![first];
    match u8::try_from(length) {
        Ok(short @ ..=125) => frame.push(short),
        _ => frame.extend([&[126], &length.to_be_bytes()[..]].concat()),
    }
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;

    /// Lines; one with a word before the event is not where the last one was.
    fn line(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, String> {
        let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let message = match &bytes[..end] {
            b"ping" => Message::Ping,
            b"hello" => Message::Subscribed,
            b"" => Message::Other,
            b"no" => return Err("no".to_owned()),
            event => Message::Event(event),
        };
        Ok(Some((message, end + 1)))
    }

    fn counter(is_websocket: bool) -> StreamCounter {
        StreamCounter::new(line, is_websocket, b"pong")
    }

    #[test]
    fn messages_are_told_apart_however_they_and_their_frames_are_cut() {
        let text = format!(
            "hello\n{{{}}}\nping\n\nword {{{}}}\n{{{}}}\n",
            sequence_field(7),
            sequence_field(8),
            sequence_field(1_234_567_890)
        );
        let event = |number, bytes| Heard::Event { number, bytes };
        let told = vec![
            Heard::Subscribed,
            event(7, 23),
            event(8, 28),
            event(1_234_567_890, 23),
        ];
        let expected = (told.clone(), b"pong".to_vec());
        assert_told(|| counter(false), text.as_bytes(), &expected);
        // All in one frame, and each byte in one.
        for piece in [text.len(), 1] {
            let frames = text.as_bytes().chunks(piece);
            let frames: Vec<Vec<u8>> = frames.map(|piece| server_frame(0x82, piece)).collect();
            let expected = (told.clone(), wire(true, b"pong"));
            assert_told(|| counter(true), &frames.concat(), &expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(told(counter(false), [&b"no\n"[..]]), Err("no".to_owned()));
        assert!(told(counter(false), [&b"an event\n"[..]]).is_err());
        assert!(told(counter(true), [&server_frame(0x82, b"no\n")[..]]).is_err());
        let closed = told(counter(true), [&[0x88, 2, 0x03, 0xf5][..]]);
        assert_eq!(closed, Err("closed with code 1013".to_owned()));
    }
}

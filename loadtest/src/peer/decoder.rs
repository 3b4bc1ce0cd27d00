//! Events in what one subscriber of a peer receives: messages of a protocol that is a stream of
//! bytes, as it comes or inside of the frames of a WebSocket, which may begin and end anywhere; or
//! one message of a WebSocket each.
//!
//! A protocol is one function that reads the message its bytes begin with; nothing here knows
//! which. A message is looked at where it was received, unless it was cut: then what there is of it
//! waits for the rest. Every event's number is read, not only its length: at the place where the
//! event before had it, so that it costs a comparison of nine bytes and ten digits.

use crate::fault::Fault;
use crate::frames::{Messages, SEQUENCE_MARKER, Unframer, sequence_after};
use crate::partial::Partial;
use crate::voice::Heard;
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

/// Reads the message that bytes begin with, and says how many bytes it took; `None` means that more
/// are needed. Fails with what is wrong.
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

/// What messages are made of.
#[derive(Debug)]
enum Framing {
    /// The bytes as they come.
    Plain(Partial),
    /// The payloads of a WebSocket's frames, one after the other.
    Unframed(Unframer, Partial),
    /// A WebSocket's messages.
    Messages(Messages),
}

/// Counts the events of a subscriber.
#[derive(Debug)]
pub(crate) struct EventDecoder {
    framing: Framing,
    reader: Reader,
}

/// What reads a message.
#[derive(Debug)]
struct Reader {
    read: Read,
    /// What answers [`Message::Ping`], as it goes over the wire.
    pong: Vec<u8>,
    /// What is before the number of an event.
    marker: &'static [u8],
    /// Where in an event its number was last.
    at: usize,
}

impl EventDecoder {
    /// A decoder that has received nothing; `pong` is what answers a ping.
    pub(crate) fn new(read: Read, is_websocket: bool, pong: &[u8]) -> Self {
        let partial = Partial::default();
        let framing = if is_websocket {
            Framing::Unframed(Unframer::default(), partial)
        } else {
            Framing::Plain(partial)
        };
        let pong = wire(is_websocket, pong);
        let (marker, at) = (SEQUENCE_MARKER, 0);
        let reader = Reader {
            read,
            pong,
            marker,
            at,
        };
        Self { framing, reader }
    }

    /// The same for messages of a WebSocket, one of which is an event if it has a number behind
    /// this marker, and is read otherwise.
    pub(crate) fn of_messages(read: Read, marker: &'static [u8], pong: Vec<u8>) -> Self {
        let (framing, at) = (Framing::Messages(Messages::default()), 0);
        let reader = Reader {
            read,
            pong,
            marker,
            at,
        };
        Self { framing, reader }
    }

    /// The same where every message is an event.
    pub(crate) fn of_events() -> Self {
        let no_event = |message: &[u8]| {
            Err(format!(
                "no event of ours: {}",
                String::from_utf8_lossy(message)
            ))
        };
        Self::of_messages(no_event, SEQUENCE_MARKER, Vec::new())
    }
}

impl Reader {
    /// Takes the message that bytes begin with, and says how many bytes it took.
    fn take(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, String> {
        let Some((message, taken)) = (self.read)(bytes)? else {
            return Ok(0);
        };
        match message {
            Message::Event(payload) => {
                let number = sequence_after(self.marker, payload, &mut self.at);
                each(Heard::event(
                    number.ok_or("an event without a number")?,
                    taken,
                ))?;
            }
            Message::Subscribed => each(Heard::Opened)?,
            Message::Ping => replies.extend_from_slice(&self.pong),
            Message::Other => {}
        }
        Ok(taken)
    }
}

impl EventDecoder {
    /// Takes what was received. Tells `each` of what ends in it; what must be sent back (a pong) is
    /// appended to `replies`. Fails with what is wrong, or what `each` refuses.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(Heard<'_>) -> Result<(), String>,
    ) -> Result<(), Fault> {
        let reader = &mut self.reader;
        // While frames are taken apart their own replies are lent.
        let mut pongs = Vec::new();
        let fed = match &mut self.framing {
            Framing::Plain(partial) => {
                return Ok(partial.feed(bytes, |rest| reader.take(rest, replies, each))?);
            }
            Framing::Unframed(unframer, partial) => unframer.feed(bytes, replies, |piece, _| {
                partial.feed(piece, |rest| reader.take(rest, &mut pongs, each))
            }),
            Framing::Messages(messages) => messages.feed(bytes, replies, |message| {
                match sequence_after(reader.marker, message, &mut reader.at) {
                    Some(number) => each(Heard::event(number, message.len())),
                    None => reader.take(message, &mut pongs, each).map(|_| ()),
                }
            }),
        };
        replies.append(&mut pongs);
        fed
    }
}

/// What a decoder has told of, an event by its number and bytes, and what it wants to send.
#[cfg(test)]
pub(crate) type Told = (Vec<Option<(u64, usize)>>, Vec<u8>);

/// What a decoder makes of these pieces.
#[cfg(test)]
pub(crate) fn told<'b>(
    mut decoder: EventDecoder,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Told, String> {
    let (mut told, mut replies) = (Vec::new(), Vec::new());
    for piece in pieces {
        let fed = decoder.feed(piece, &mut replies, &mut |heard| {
            told.push(match heard {
                Heard::Event(event) => event.sequence.map(|number| (number, event.bytes)),
                _ => None,
            });
            Ok(())
        });
        fed.map_err(|fault| fault.to_string())?;
    }
    Ok((told, replies))
}

/// Fails unless a decoder makes the same of a transcript wherever it is cut, and that is this.
#[cfg(test)]
pub(crate) fn assert_told(decoder: impl Fn() -> EventDecoder, transcript: &[u8], expected: &Told) {
    assert_eq!(told(decoder(), [transcript]).as_ref(), Ok(expected));
    assert_eq!(told(decoder(), transcript.chunks(1)).as_ref(), Ok(expected));
    for cut in 0..transcript.len() {
        let (head, tail) = transcript.split_at(cut);
        let found = told(decoder(), [head, tail]);
        assert_eq!(found.as_ref(), Ok(expected), "cut at {cut}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;
    use crate::websocket::server::frame;

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

    fn decoder(is_websocket: bool) -> EventDecoder {
        EventDecoder::new(line, is_websocket, b"pong")
    }

    #[test]
    fn messages_are_told_apart_however_they_and_their_frames_are_cut() {
        let text = format!(
            "hello\n{{{}}}\nping\n\nword {{{}}}\n{{{}}}\n",
            sequence_field(7),
            sequence_field(8),
            sequence_field(1_234_567_890)
        );
        let told = vec![
            None,
            Some((7, 23)),
            Some((8, 28)),
            Some((1_234_567_890, 23)),
        ];
        let expected = (told.clone(), b"pong".to_vec());
        assert_told(|| decoder(false), text.as_bytes(), &expected);
        // All in one frame, and each byte in one.
        for piece in [text.len(), 1] {
            let frames = text.as_bytes().chunks(piece);
            let frames: Vec<Vec<u8>> = frames.map(|piece| frame(0x82, piece)).collect();
            let expected = (told.clone(), wire(true, b"pong"));
            assert_told(|| decoder(true), &frames.concat(), &expected);
        }
    }

    #[test]
    fn a_message_of_a_websocket_is_known_by_its_number() {
        // The field moves from one message to the next, which is slower and no less right.
        let messages = [(0, 0), (1, 0), (2, 90), (3, 7), (9_999_999_999, 7)];
        let messages = messages.map(|(number, before)| {
            let field = sequence_field(number);
            (number, format!(r#"{{{:before$}{field},"more":[1,2]}}"#, ""))
        });
        let mut transcript = vec![0x89, 2, b'h', b'i'];
        for (number, message) in &messages {
            let first = 0x81 + u8::from(number % 2 == 1);
            transcript.extend(frame(first, message.as_bytes()));
        }
        let events = messages.each_ref();
        let events = events.map(|(number, message)| Some((*number, message.len())));
        let (_, pong) = told(EventDecoder::of_events(), [&transcript[..4]]).expect("a ping");
        assert_eq!(pong[..2], [0x8a, 0x82]);
        let expected = (events.to_vec(), pong);
        assert_told(EventDecoder::of_events, &transcript, &expected);
        for (bytes, word) in [
            (frame(0x81, b"hello"), "hello"),
            (vec![0x88, 2, 0x03, 0xf5], "1013"),
            (vec![0x81, 0x80], "masked"),
        ] {
            let why = told(EventDecoder::of_events(), [&*bytes]).expect_err("refused");
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(told(decoder(false), [&b"no\n"[..]]), Err("no".to_owned()));
        assert!(told(decoder(false), [&b"an event\n"[..]]).is_err());
        assert!(told(decoder(true), [&frame(0x82, b"no\n")[..]]).is_err());
        let closed = told(decoder(true), [&[0x88, 2, 0x03, 0xf5][..]]);
        assert_eq!(closed, Err("closed with code 1013".to_owned()));
    }
}

//! Messages of somebody else's protocol in what one subscriber receives: as it comes, or unpacked from the frames of
//! a WebSocket.
//!
//! A protocol is one function that reads the message its bytes begin with; nothing here knows which. A message is
//! looked at where it was received, unless it was cut: then what there is of it waits for the rest.

use crate::frames::{FrameCounter, sequence_at};
use crate::peer::fan_out::{Counter, Heard};
use crate::websocket::Header;

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

/// A protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// How its messages are read.
    pub(crate) read: Read,
    /// What stands before the digits in an event.
    pub(crate) marker: &'static str,
}

/// Reads messages, however they are cut.
#[derive(Debug)]
struct Messages {
    protocol: Protocol,
    /// What answers [`Message::Ping`], as it goes over the wire.
    pong: Vec<u8>,
    /// A message that has not come to its end.
    partial: Vec<u8>,
    /// Where in an event the digits began last; nearly always they begin there again.
    digits_at: usize,
}

impl Messages {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        if self.partial.is_empty() {
            let used = self.consume(bytes, replies, each)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.partial);
        held.extend_from_slice(bytes);
        let used = self.consume(&held, replies, each)?;
        held.drain(..used);
        self.partial = held;
        Ok(())
    }

    /// Takes whole messages, and says how many bytes they took.
    fn consume(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<usize, String> {
        let mut used = 0;
        while let Some((message, taken)) = (self.protocol.read)(&bytes[used..])? {
            used += taken;
            match message {
                Message::Event(payload) => {
                    let bytes = taken;
                    let number = self.number(payload).ok_or("an event without a number")?;
                    each(Heard::Event { number, bytes });
                }
                Message::Subscribed => each(Heard::Subscribed),
                Message::Ping => replies.extend_from_slice(&self.pong),
                Message::Other => {}
            }
        }
        Ok(used)
    }

    fn number(&mut self, payload: &[u8]) -> Option<u64> {
        let marker = self.protocol.marker.as_bytes();
        let before = payload.get(..self.digits_at);
        if !before.is_some_and(|before| before.ends_with(marker)) {
            let mut windows = payload.windows(marker.len());
            self.digits_at = windows.position(|part| part == marker)? + marker.len();
        }
        sequence_at(payload, self.digits_at)
    }
}

/// Counts the events of a subscriber.
#[derive(Debug)]
pub(crate) struct MessageCounter {
    /// What the messages are packed in; nothing on a connection that is theirs alone.
    frames: Option<FrameCounter>,
    messages: Messages,
}

impl MessageCounter {
    /// A counter that has received nothing. Frames must be kept; `pong` is what answers a ping, as it goes over the
    /// wire.
    pub(crate) fn new(protocol: Protocol, frames: Option<FrameCounter>, pong: Vec<u8>) -> Self {
        let messages = Messages {
            protocol,
            pong,
            partial: Vec::new(),
            digits_at: 0,
        };
        Self { frames, messages }
    }
}

impl Counter for MessageCounter {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        let Some(frames) = &mut self.frames else {
            return self.messages.feed(bytes, replies, each);
        };
        let (mut pongs, mut read) = (Vec::new(), Ok(()));
        let fed = frames.feed(bytes, replies, |counted| {
            let frame = counted.kept.unwrap_or_default();
            // It was read before, to find the end of the frame.
            let header_bytes = match Header::parse(frame) {
                Ok(Some(header)) => header.bytes,
                _ => 0,
            };
            if read.is_ok() {
                read = self.messages.feed(&frame[header_bytes..], &mut pongs, each);
            }
        });
        replies.append(&mut pongs);
        read?;
        fed.map_err(|error| error.to_string())
    }
}

/// What a counter makes of these pieces: what it told of, and what it wants to send.
#[cfg(test)]
pub(crate) fn told<'b>(
    mut counter: MessageCounter,
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
pub(crate) fn assert_told(
    counter: impl Fn() -> MessageCounter,
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
    use crate::frames::{SEQUENCE_MARKER, sequence_field};

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

    fn counter(frames: Option<FrameCounter>) -> MessageCounter {
        let protocol = Protocol {
            read: line,
            marker: SEQUENCE_MARKER,
        };
        MessageCounter::new(protocol, frames, b"pong".to_vec())
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
            event(7, 24),
            event(8, 29),
            event(1_234_567_890, 24),
        ];
        let expected = (told, b"pong".to_vec());
        assert_told(|| counter(None), text.as_bytes(), &expected);
        // All in one frame, and each byte in one.
        for piece in [text.len(), 1] {
            let frames = text.as_bytes().chunks(piece);
            let frames: Vec<Vec<u8>> = frames.map(|piece| server_frame(0x82, piece)).collect();
            let of_bytes = || counter(Some(FrameCounter::of_bytes()));
            assert_told(of_bytes, &frames.concat(), &expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(told(counter(None), [&b"no\n"[..]]), Err("no".to_owned()));
        assert!(told(counter(None), [&b"an event\n"[..]]).is_err());
        let frames = Some(FrameCounter::of_bytes());
        assert!(told(counter(frames), [&server_frame(0x82, b"no\n")[..]]).is_err());
        let frames = Some(FrameCounter::of_bytes());
        let closed = told(counter(frames), [&[0x88, 2, 0x03, 0xf5][..]]);
        assert_eq!(closed, Err("closed with code 1013".to_owned()));
    }
}

//! Counts events that come as one WebSocket message each, whatever is around the payload.
//!
//! Every message's number is read, not only its length: at the place where the message before had it, so that it
//! costs a comparison of nine bytes and ten digits.

use super::fan_out::{Counter, Heard};
use crate::frames::{Messages, sequence_at};

/// Where in a subscriber's messages its bytes have arrived.
#[derive(Debug, Default)]
pub(crate) struct MessageCounter {
    messages: Messages,
    /// Where the number was last.
    at: usize,
}

impl Counter for MessageCounter {
    fn feed(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut dyn FnMut(Heard),
    ) -> Result<(), String> {
        let at = &mut self.at;
        self.messages.feed(bytes, replies, |message| {
            let number = sequence_at(message, at)
                .ok_or_else(|| format!("no event of ours: {}", String::from_utf8_lossy(message)))?;
            let bytes = message.len();
            each(Heard::Event { number, bytes });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence_field;

    /// A frame of a server, text or binary by its first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        let mut frame = vec![first];
        if length < 126 {
            frame.push(length);
        } else {
            frame.extend_from_slice(&[126, 0, length]);
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn message(number: u64, before: usize) -> Vec<u8> {
        let field = sequence_field(number);
        format!(r#"{{{:before$}{field},"more":[1,2]}}"#, "").into_bytes()
    }

    /// What a transcript amounts to, fed in the given pieces.
    fn hear<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> (Vec<Heard>, Vec<u8>) {
        let mut counter = MessageCounter::default();
        let (mut heard, mut replies) = (Vec::new(), Vec::new());
        for piece in pieces {
            let fed = counter.feed(piece, &mut replies, &mut |found| heard.push(found));
            fed.expect("sound");
        }
        (heard, replies)
    }

    #[test]
    fn every_message_is_known_by_its_number_however_it_is_cut() {
        // The field moves from one message to the next, which is slower and no less right.
        let messages = [
            message(0, 0),
            message(1, 0),
            message(2, 90),
            message(3, 7),
            message(9_999_999_999, 7),
        ];
        let ping = [0x89, 2, b'h', b'i'];
        let transcript = [
            frame(0x81, &messages[0]),
            frame(0x82, &messages[1]),
            ping.to_vec(),
            frame(0x81, &messages[2]),
            frame(0x81, &messages[3]),
            frame(0x81, &messages[4]),
        ]
        .concat();
        let numbers = [0, 1, 2, 3, 9_999_999_999];
        let events = numbers.iter().zip(&messages);
        let events: Vec<Heard> = events
            .map(|(&number, message)| Heard::Event {
                number,
                bytes: message.len(),
            })
            .collect();
        let expected = hear([&*transcript]);
        assert_eq!(expected.0, events);
        assert_eq!(expected.1[..2], [0x8a, 0x82], "one pong");
        assert_eq!(hear(transcript.chunks(1)), expected);
        for cut in 0..transcript.len() {
            let (head, tail) = transcript.split_at(cut);
            assert_eq!(hear([head, tail]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_event_ends_the_count() {
        let mut counter = MessageCounter::default();
        for (bytes, word) in [
            (frame(0x81, b"hello"), "hello"),
            (vec![0x88, 2, 0x03, 0xf5], "1013"),
            (vec![0x81, 0x80], "masked"),
        ] {
            let fed = counter.feed(&bytes, &mut Vec::new(), &mut |_| {});
            let why = fed.expect_err("refused");
            assert!(why.contains(word), "{why}");
        }
    }
}

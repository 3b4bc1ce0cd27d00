//! The results of a receiver: messages and control frames, and how far it got.

use std::ops::Deref;

use bytes::Bytes;

use super::close::CloseCode;

/// The outcome of one look at the input.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "consumed bytes must not be offered again"]
pub struct Step<'b> {
    /// Bytes at the front of the input that are done with. They may have been overwritten.
    pub consumed: usize,
    /// The item they completed, if any. If there is none and `consumed` is 0, more bytes are
    /// needed.
    pub item: Option<Item<'b>>,
}

impl Step<'_> {
    /// Nothing can be done without more bytes.
    pub(super) const MORE: Self = Self {
        consumed: 0,
        item: None,
    };
}

/// A message or control frame of a client, whole. `'b` is the input it was found in.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'b> {
    /// A text message; its bytes are valid UTF-8.
    Text(Message<'b>),
    /// A binary message.
    Binary(Message<'b>),
    /// Wants a pong with the same payload: at most 125 bytes.
    Ping(&'b [u8]),
    /// Answers a ping, or comes unasked: at most 125 bytes.
    Pong(&'b [u8]),
    /// The client's close frame: a code that is valid on the wire and a reason of at most 123
    /// bytes, or neither.
    Close(Option<(CloseCode, &'b str)>),
}

/// The payload of a message.
#[derive(Debug)]
pub enum Message<'b> {
    /// Came in one frame and one piece: lent from the input, not copied.
    Lent(&'b [u8]),
    /// Put together from fragments or packets.
    Assembled(Vec<u8>),
}

impl Message<'_> {
    /// Returns a payload to keep: copied if lent, moved if assembled.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Lent(payload) => Bytes::copy_from_slice(payload),
            Self::Assembled(mut payload) => {
                // It may be kept for long; room to grow is of no more use.
                payload.shrink_to_fit();
                Bytes::from(payload)
            }
        }
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lent(payload) => payload,
            Self::Assembled(payload) => payload,
        }
    }
}

impl PartialEq for Message<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Message<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_bytes_hold_no_more_than_the_payload() {
        let mut payload = Vec::with_capacity(1_000);
        payload.extend_from_slice(b"abc");
        let kept = Message::Assembled(payload).into_bytes();
        assert_eq!(kept, Message::Lent(b"abc").into_bytes());
        assert_eq!(Vec::from(kept).capacity(), 3);
    }
}

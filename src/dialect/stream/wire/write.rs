//! Messages within messages, written in one pass.
//!
//! A message's length stands before it, in as many bytes as the length needs. So messages are
//! written without their lengths, the places of which are noted; in the end everything is moved
//! apart, last part first, and the lengths are put in. That is one move of each byte however deep
//! it stands.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// Appends one message.
#[derive(Debug)]
pub(in super::super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
    holes: Vec<Hole>,
    /// The holes of messages that have begun and not ended.
    open: Vec<usize>,
    /// Bytes that the lengths known so far will take.
    lengths_bytes: usize,
}

/// A place where a length is missing.
#[derive(Debug)]
struct Hole {
    at: usize,
    /// The length. Until it is known, `lengths_bytes` when the message began.
    bytes: usize,
}

impl<'o> Writer<'o> {
    /// A message at the end of `out`, without a length of its own.
    pub(in super::super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            out,
            holes: Vec::new(),
            open: Vec::new(),
            lengths_bytes: 0,
        }
    }

    /// Begins a message as a field of the innermost one.
    pub(in super::super) fn open(&mut self, field: u32) {
        encode_key(field, WireType::LengthDelimited, self.out);
        self.open.push(self.holes.len());
        self.holes.push(Hole {
            at: self.out.len(),
            bytes: self.lengths_bytes,
        });
    }

    /// Ends the innermost message.
    pub(in super::super) fn close(&mut self) {
        let innermost = self.open.pop();
        debug_assert!(innermost.is_some(), "it was opened");
        if let Some(hole) = innermost.and_then(|hole| self.holes.get_mut(hole)) {
            hole.bytes = self.out.len() - hole.at + self.lengths_bytes - hole.bytes;
            self.lengths_bytes += encoded_len_varint(hole.bytes as u64);
        }
    }

    /// A text, also if it is empty: a field whose presence counts.
    pub(in super::super) fn text(&mut self, field: u32, text: &str) {
        encode_key(field, WireType::LengthDelimited, self.out);
        encode_varint(text.len() as u64, self.out);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A text that is left out if it is empty: a field without presence.
    pub(in super::super) fn plain_text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.text(field, text);
        }
    }

    /// A number that is left out if it is 0, or a truth that is left out if it is false.
    pub(in super::super) fn plain_number(&mut self, field: u32, number: u64) {
        if number != 0 {
            encode_key(field, WireType::Varint, self.out);
            encode_varint(number, self.out);
        }
    }

    /// Where fields are written that are already bytes.
    pub(in super::super) fn raw(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Puts in the lengths.
    pub(in super::super) fn finish(self) {
        debug_assert!(self.open.is_empty(), "every message was ended");
        let Self { out, holes, .. } = self;
        let mut end = out.len();
        let mut moved_end = end + self.lengths_bytes;
        out.resize(moved_end, 0);
        for hole in holes.iter().rev() {
            let moved_at = moved_end - (end - hole.at);
            out.copy_within(hole.at..end, moved_at);
            moved_end = moved_at - encoded_len_varint(hole.bytes as u64);
            encode_varint(hole.bytes as u64, &mut &mut out[moved_end..moved_at]);
            end = hole.at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message as a tree: what it is compared with puts each message together before the one
    /// around it.
    #[derive(Clone, Debug)]
    enum Part {
        Text(String),
        Message(Vec<Part>),
    }

    fn write(parts: &[Part], writer: &mut Writer<'_>) {
        for part in parts {
            match part {
                Part::Text(text) => writer.text(1, text),
                Part::Message(parts) => {
                    writer.open(100);
                    write(parts, writer);
                    writer.close();
                }
            }
        }
    }

    fn naive(parts: &[Part]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            let (field, bytes) = match part {
                Part::Text(text) => (1, text.clone().into_bytes()),
                Part::Message(parts) => (100, naive(parts)),
            };
            encode_key(field, WireType::LengthDelimited, &mut out);
            encode_varint(bytes.len() as u64, &mut out);
            out.extend(bytes);
        }
        out
    }

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let lengths = prop_oneof![0..4usize, 120..130usize, 16_370..16_390usize];
        let leaf = lengths.prop_map(|length| Part::Text("x".repeat(length)));
        let part = leaf.prop_recursive(6, 24, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(Part::Message)
        });
        prop::collection::vec(part, 0..4)
    }

    proptest! {
        #[test]
        fn messages_have_their_lengths(parts in parts(), before in "[a-z]{0,4}") {
            let mut out = before.clone().into_bytes();
            let mut writer = Writer::new(&mut out);
            write(&parts, &mut writer);
            writer.finish();
            prop_assert_eq!(out, [before.as_bytes(), &naive(&parts)].concat());
        }
    }

    #[test]
    fn fields_without_presence_are_left_out_when_they_say_nothing() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.plain_text(1, "");
        writer.plain_number(2, 0);
        writer.plain_text(3, "a");
        writer.plain_number(4, 300);
        writer.text(5, "");
        writer.finish();
        assert_eq!(out, b"\x1a\x01a\x20\xac\x02\x2a\0");
    }
}

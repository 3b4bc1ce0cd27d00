//! The messages of `event.proto`.
//!
//! `google.protobuf.Struct` and `Value` are kept as the bytes they came in ([`RawMessage`]), for
//! payloads are JSON text everywhere else. The server reads requests with these types; what it says
//! it writes without them, and a client that is written in Rust may read that with them.

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_varint, encode_key, encode_varint, skip_field,
};

#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated from event.proto, which has the documentation"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/apis.event.v2.rs"));
}

pub use generated::*;

/// The fields of a message, as on the wire. Merging concatenates them, which is what merging means
/// (Protocol Buffers, "Last One Wins").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMessage(pub Vec<u8>);

impl prost::Message for RawMessage {
    fn encode_raw(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let bytes = match wire_type {
            WireType::Varint => {
                let value = decode_varint(buf)?;
                encode_key(tag, wire_type, &mut self.0);
                encode_varint(value, &mut self.0);
                return Ok(());
            }
            // No field of these messages is a group: one is unknown, and passed over.
            WireType::StartGroup | WireType::EndGroup => {
                return skip_field(wire_type, tag, buf, ctx);
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(buf)?,
        };
        if bytes > buf.remaining() as u64 {
            // What it says is the same for every message that is cut short.
            return skip_field(WireType::ThirtyTwoBit, tag, &mut &b""[..], ctx);
        }
        encode_key(tag, wire_type, &mut self.0);
        if wire_type == WireType::LengthDelimited {
            encode_varint(bytes, &mut self.0);
        }
        self.0.put(buf.take(bytes as usize));
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn fields_are_kept_and_parts_put_after_one_another() {
        // A varint, text, 64 and 32 bits.
        let fields = b"\x08\x96\x01\x1a\x02hi\x11\x01\0\0\0\0\0\0\0\x25\0\0\0\x01";
        let mut message = RawMessage::decode(&fields[..]).expect("decodes");
        assert_eq!(message.encode_to_vec(), fields);
        message.merge(&b"\x28\x00"[..]).expect("decodes");
        assert_eq!(message.0, [&fields[..], b"\x28\x00"].concat());
        message.clear();
        assert_eq!(message, RawMessage::default());
    }

    #[test]
    fn groups_are_passed_over() {
        let message = RawMessage::decode(&b"\x08\x01\x7b\x13\x08\x01\x14\x7c\x10\x02"[..]);
        assert_eq!(message, Ok(RawMessage(b"\x08\x01\x10\x02".to_vec())));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        for fields in [
            &b"\x08"[..],
            b"\x08\x96",
            b"\x1a\x03hi",
            b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi",
            b"\x11\0\0\0\0\0\0\0",
            b"\x25\0\0\0",
            b"\x7b\x08\x01",
        ] {
            assert!(RawMessage::decode(fields).is_err(), "{fields:x?}");
        }
    }
}

//! The fields of a message, one after the other, without a definition of the message.

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Content<'b> {
    /// Type 0.
    Varint(u64),
    /// Type 1: the bits of a double, perhaps.
    Fixed64(u64),
    /// Type 2: text, a message, or packed values.
    Bytes(&'b [u8]),
    /// A group or 32 bits: no message read here has such a field.
    Other,
}

/// The fields of a message: number and content. Ends after an error.
pub(in super::super) fn fields(
    message: &[u8],
) -> impl Iterator<Item = Result<(u32, Content<'_>), DecodeError>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = take_field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

#[inline]
fn take_field<'b>(rest: &mut &'b [u8]) -> Result<(u32, Content<'b>), DecodeError> {
    let (number, wire_type) = decode_key(rest)?;
    let content = match wire_type {
        WireType::Varint => Content::Varint(decode_varint(rest)?),
        WireType::LengthDelimited => {
            let whole = *rest;
            let bytes = decode_varint(rest)?;
            match usize::try_from(bytes)
                .ok()
                .and_then(|at| rest.split_at_checked(at))
            {
                Some((content, after)) => {
                    *rest = after;
                    Content::Bytes(content)
                }
                // It is cut short: the words for that are prost's.
                None => skip(wire_type, number, &mut &*whole)?,
            }
        }
        WireType::SixtyFourBit => match rest.split_first_chunk() {
            Some((bits, after)) => {
                *rest = after;
                Content::Fixed64(u64::from_le_bytes(*bits))
            }
            None => skip(wire_type, number, rest)?,
        },
        _ => skip(wire_type, number, rest)?,
    };
    Ok((number, content))
}

fn skip<'b>(
    wire_type: WireType,
    number: u32,
    rest: &mut &'b [u8],
) -> Result<Content<'b>, DecodeError> {
    skip_field(wire_type, number, rest, DecodeContext::default())?;
    Ok(Content::Other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_type_of_field() {
        let message =
            b"\x08\x96\x01\x11\x01\0\0\0\0\0\0\0\x1a\x02hi\x25\0\0\0\0\x2b\x08\x01\x2c\x30\0";
        let read: Result<Vec<_>, _> = fields(message).collect();
        assert_eq!(
            read.unwrap(),
            [
                (1, Content::Varint(150)),
                (2, Content::Fixed64(1)),
                (3, Content::Bytes(b"hi")),
                (4, Content::Other),
                (5, Content::Other),
                (6, Content::Varint(0)),
            ]
        );
        assert_eq!(fields(b"").count(), 0);
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_the_end() {
        let message = b"\x11\x01\0\0\0\0\0\0\0\x1a\x02hi\x25\0\0\0\0\x2b\x08\x01\x2c\x08\x96\x01";
        let whole = [9, 13, 18, 22];
        for end in 1..message.len() {
            let read: Vec<_> = fields(&message[..end]).collect();
            let complete = whole.contains(&end);
            assert_eq!(read.last().unwrap().is_ok(), complete, "{end}");
            assert!(read.iter().rev().skip(1).all(Result::is_ok));
        }
        assert!(
            fields(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").all(|field| field.is_err())
        );
    }

    proptest! {
        #[test]
        fn bytes_are_read_as_prost_skips_them(bytes in prop::collection::vec(
            prop_oneof![Just(8u8), Just(10), Just(0x0b), Just(0x0c), Just(1), any::<u8>()], 0..40)) {
            let mut rest = &bytes[..];
            for field in fields(&bytes) {
                let skipped = decode_key(&mut rest).and_then(|(number, wire_type)| {
                    skip_field(wire_type, number, &mut rest, DecodeContext::default())?;
                    Ok(number)
                });
                prop_assert_eq!(field.map(|field| field.0), skipped);
            }
        }
    }
}

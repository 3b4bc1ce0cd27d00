//! PROTOCOL-HTTP2, "Length-Prefixed-Message" and "Data Frames"; compression.md, test case 6;
//! statuscodes.md, messages larger than allowed.

use bytes::BytesMut;
use fanfare::protocol::Parsed;
use fanfare::protocol::grpc::{Code, MessageEncoding, MessageError, parse_message, put_message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const MESSAGE_BYTES_MAX: usize = 1_000;

/// What was in a body: messages, and the code it failed with.
type Heard = (Vec<Vec<u8>>, Option<Code>);

/// Feeds a body in pieces that end at `cuts` (ascending), as a connection does: what is left is
/// kept.
fn hear(body: &[u8], cuts: &[usize]) -> Heard {
    let (mut kept, mut messages) = (Vec::new(), Vec::new());
    let mut start = 0;
    for &end in cuts.iter().chain([&body.len()]) {
        kept.extend_from_slice(&body[start..end]);
        start = end;
        loop {
            match parse_message(&kept, MESSAGE_BYTES_MAX, MessageEncoding::Identity) {
                Ok(Parsed::Complete(message, used)) => {
                    messages.push(message.bytes.to_vec());
                    kept.drain(..used);
                }
                Ok(Parsed::Partial) => break,
                Err(error) => return (messages, Some(error.status().code)),
            }
        }
        assert!(
            kept.len() < 5 + MESSAGE_BYTES_MAX,
            "nothing long is waited for"
        );
    }
    (messages, None)
}

/// The same of a whole body, read from the definition.
fn naive(body: &[u8]) -> Heard {
    let mut messages = Vec::new();
    let mut bytes = body.iter().copied();
    while bytes.len() >= 5 {
        let mut next = || u64::from(bytes.next().expect("there is one"));
        let flag = next();
        let length = (0..4).fold(0, |length, _| length * 256 + next());
        if flag != 0 {
            return (messages, Some(Code::Internal));
        }
        if length > MESSAGE_BYTES_MAX as u64 {
            return (messages, Some(Code::ResourceExhausted));
        }
        if (bytes.len() as u64) < length {
            break;
        }
        messages.push(bytes.by_ref().take(length as usize).collect());
    }
    (messages, None)
}

fn cuts(indexes: &[Index], length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = indexes.iter().map(|cut| cut.index(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

#[test]
fn length_prefixed_message_has_a_flag_and_a_big_endian_length() {
    let mut out = BytesMut::new();
    put_message(&mut out, b"");
    put_message(&mut out, &[7; 258]);
    assert_eq!(&out[..10], b"\0\0\0\0\0\0\0\0\x01\x02");
    assert_eq!(out.len(), 5 + 5 + 258);
}

#[test]
fn data_frames_have_no_relation_to_messages() {
    let mut body = BytesMut::new();
    let messages = [&b"abc"[..], b"", b"\0\0\0\0\0", &[9; 1_000]].map(<[u8]>::to_vec);
    for message in &messages {
        put_message(&mut body, message);
    }
    let expected = (messages.to_vec(), None);
    assert_eq!(hear(&body, &[]), expected);
    let byte_by_byte: Vec<usize> = (1..body.len()).collect();
    assert_eq!(hear(&body, &byte_by_byte), expected);
    for cut in 1..body.len() {
        assert_eq!(hear(&body, &[cut]), expected, "cut at {cut}");
    }
}

#[test]
fn compressed_flag_without_encoding_fails_with_internal_and_says_so() {
    let error = parse_message(
        b"\x01\0\0\0\x02..",
        MESSAGE_BYTES_MAX,
        MessageEncoding::Identity,
    )
    .expect_err("compressed");
    let status = error.status();
    assert_eq!(status.code, Code::Internal);
    assert!(status.message.contains("Compressed-Flag"));
}

#[test]
fn compressed_flag_is_0_or_1() {
    for flag in 2..=255 {
        let header = [flag, 0, 0, 0, 0];
        let found = parse_message(&header, MESSAGE_BYTES_MAX, MessageEncoding::Identity);
        assert_eq!(found, Err(MessageError::UnknownFlag(flag)));
    }
}

#[test]
fn a_message_larger_than_configured_is_resource_exhausted_at_its_fifth_byte() {
    for bytes in [1_001_u32, 1 << 24, u32::MAX] {
        let header = [&[0][..], &bytes.to_be_bytes()].concat();
        for end in 0..5 {
            let parsed =
                parse_message(&header[..end], MESSAGE_BYTES_MAX, MessageEncoding::Identity);
            assert_eq!(parsed, Ok(Parsed::Partial));
        }
        let error = parse_message(&header, MESSAGE_BYTES_MAX, MessageEncoding::Identity)
            .expect_err("too long");
        let status = error.status();
        assert_eq!(status.code, Code::ResourceExhausted);
        assert!(status.message.contains(&bytes.to_string()));
        assert!(status.message.contains("1000"));
    }
    let header = b"\0\0\0\x03\xe8";
    assert_eq!(
        parse_message(header, MESSAGE_BYTES_MAX, MessageEncoding::Identity),
        Ok(Parsed::Partial)
    );
}

/// Bytes that get far: mostly messages, some of which lie.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let flag = prop_oneof![20 => Just(0_u8), 1 => Just(1), 1 => any::<u8>()];
    let lie = select(vec![0_u32, 0, 0, 0, 0, 0, 0, 1, 5, 1_000, 1 << 31]);
    let message = (flag, lie, vec(any::<u8>(), 0..60));
    let bodies = vec(message, 0..12).prop_map(|messages| {
        let mut body = Vec::new();
        for (flag, lie, bytes) in messages {
            body.push(flag);
            body.extend((bytes.len() as u32).wrapping_add(lie).to_be_bytes());
            body.extend(bytes);
        }
        body
    });
    prop_oneof![4 => bodies, 1 => vec(any::<u8>(), 0..100)]
}

proptest! {
    #[test]
    fn whatever_comes_is_heard_alike_in_any_pieces(
        body in body(),
        indexes in vec(any::<Index>(), 0..12),
    ) {
        let expected = naive(&body);
        prop_assert_eq!(hear(&body, &[]), expected.clone());
        prop_assert_eq!(hear(&body, &cuts(&indexes, body.len())), expected.clone());
        let byte_by_byte: Vec<usize> = (1..body.len()).collect();
        prop_assert_eq!(hear(&body, &byte_by_byte), expected);
    }
}

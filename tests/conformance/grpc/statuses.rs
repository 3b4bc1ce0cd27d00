//! PROTOCOL-HTTP2, "Responses" (Status, Status-Message, Percent-Encoded); statuscodes.md.

use fanfare::protocol::grpc::{Code, Status};
use proptest::prelude::*;

fn encode(message: &str) -> String {
    let status = Status::new(Code::Unknown, message.to_owned());
    status.encoded_message().to_string()
}

fn decode(message: &[u8]) -> String {
    Status::decode(b"2", message).message.into_owned()
}

#[test]
fn status_message_is_utf_8_with_percents() {
    for (message, encoded) in [
        ("", ""),
        ("plain, with ~ and space", "plain, with ~ and space"),
        ("100%", "100%25"),
        ("a\r\nb\tc\0", "a%0D%0Ab%09c%00"),
        ("\u{7f}", "%7F"),
        ("é€😀", "%C3%A9%E2%82%AC%F0%9F%98%80"),
        ("%41", "%2541"),
    ] {
        assert_eq!(encode(message), encoded);
        assert_eq!(decode(encoded.as_bytes()), message);
    }
}

#[test]
fn percent_byte_unencoded_is_all_visible_ascii_but_the_percent() {
    for byte in 0..=0x7f_u8 {
        let character = char::from(byte).to_string();
        let plain = (0x20..=0x7e).contains(&byte) && byte != b'%';
        let expected = if plain {
            character.clone()
        } else {
            format!("%{byte:02X}")
        };
        assert_eq!(encode(&character), expected);
    }
}

#[test]
fn invalid_values_are_neither_an_error_nor_thrown_away() {
    for (encoded, message) in [
        (&b"100%"[..], "100%"),
        (b"%zz%4", "%zz%4"),
        (b"%e2%82%ac", "€"),
        (b"a%FFb", "a\u{fffd}b"),
        (b"\xff", "\u{fffd}"),
    ] {
        assert_eq!(decode(encoded), message);
    }
}

#[test]
fn status_is_a_number_and_unknown_if_nobody_knows_it() {
    for number in 0..=16_u32 {
        let status = Status::decode(number.to_string().as_bytes(), b"");
        assert_eq!(status.code as u32, number);
    }
    for number in [&b""[..], b"17", b"-1", b"x", b"4294967296", b"0 ", b"\xff"] {
        assert_eq!(Status::decode(number, b"").code, Code::Unknown);
    }
}

/// The 8 KiB of trailers that clients read have room for any message, and for all that goes with
/// it.
#[test]
fn status_message_fits_into_what_clients_read() {
    for character in ["x", "é", "€", "😀", "%"] {
        let message = character.repeat(10_000);
        let encoded = encode(&message);
        assert!(encoded.len() < 7 * 1_024);
        assert!(message.starts_with(&decode(encoded.as_bytes())));
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_visible_and_comes_back(message in any::<String>()) {
        let encoded = encode(&message);
        prop_assert!(encoded.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        prop_assert_eq!(decode(encoded.as_bytes()), message);
    }

    #[test]
    fn whatever_comes_is_some_message(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let message = decode(&bytes);
        prop_assert!(message.is_empty() == bytes.is_empty());
    }
}

//! PROTOCOL-WEB, "Message framing" and "Text-encoded (response) streams".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use fanfare::protocol::grpc::{
    CallFields, Code, Kind, MessageEncoding, Status, decode_text, parse_message, put_message,
    put_text, put_trailers,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::read;

/// The messages and the status in a body, as a browser's client reads them.
fn interpret(mut body: &[u8]) -> (Vec<Vec<u8>>, Option<Status>) {
    let mut messages = Vec::new();
    while let Some((&[flag, a, b, c, d], rest)) = body.split_first_chunk() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (bytes, after) = rest.split_at(length);
        body = after;
        if flag == 0 {
            messages.push(bytes.to_vec());
            continue;
        }
        assert_eq!(flag, 0x80, "the trailers are not compressed");
        assert!(body.is_empty(), "the trailers are last");
        let text = std::str::from_utf8(bytes).expect("ASCII");
        let (mut number, mut message) = ("", "");
        for line in text.split_terminator("\r\n") {
            let (name, value) = line.split_once(':').expect("a field");
            match name {
                "grpc-status" => number = value,
                "grpc-message" => message = value,
                _ => panic!("{name} is not lower-case, or not expected"),
            }
        }
        assert!(text.ends_with("\r\n") && !text.ends_with("\r\n\r\n"));
        let status = Status::decode(number.as_bytes(), message.as_bytes());
        return (messages, Some(status));
    }
    (messages, None)
}

/// Four characters at a time: the definition, by another way.
fn naive_decode(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in body.chunks(4) {
        let piece = STANDARD.decode(group).ok()?;
        bytes.extend(piece);
    }
    Some(bytes)
}

fn answer(content_type: &str, accept: &str) -> Kind {
    let fields: CallFields =
        read(&[("content-type", content_type), ("accept", accept)]).expect("a call");
    fields.answer
}

#[test]
fn message_framing_has_the_status_last() {
    let mut body = BytesMut::new();
    put_message(&mut body, b"a");
    put_message(&mut body, b"");
    let status = Status::new(Code::ResourceExhausted, "too\nmuch: 100 %");
    put_trailers(&mut body, &status);
    let messages = vec![b"a".to_vec(), Vec::new()];
    assert_eq!(interpret(&body), (messages, Some(status)));
}

#[test]
fn message_framing_of_a_status_alone() {
    let mut body = BytesMut::new();
    put_trailers(&mut body, &Status::OK);
    assert_eq!(&body[..], b"\x80\0\0\0\x0fgrpc-status:0\r\n");
    assert_eq!(interpret(&body), (Vec::new(), Some(Status::OK)));
}

#[test]
fn message_framing_keeps_trailers_for_servers() {
    let mut body = BytesMut::new();
    put_trailers(&mut body, &Status::OK);
    let error = parse_message(&body, 100, MessageEncoding::Identity).expect_err("not for clients");
    assert_eq!(error.status().code, Code::Internal);
}

#[test]
fn text_is_asked_for_by_accept_or_by_example() {
    let (web, text) = ("application/grpc-web", "application/grpc-web-text");
    assert_eq!(answer(web, text), Kind::WebText);
    assert_eq!(
        answer(web, "text/html, application/grpc-web-text+proto"),
        Kind::WebText
    );
    assert_eq!(answer(text, text), Kind::WebText);
    assert_eq!(answer(text, ""), Kind::WebText);
    assert_eq!(answer(text, web), Kind::Web);
    assert_eq!(answer(web, "application/json"), Kind::Web);
    assert_eq!(answer("application/grpc", text), Kind::Grpc);
}

#[test]
fn text_is_padded_wherever_it_suits() {
    // The same bytes, cut at each of their places and padded there.
    let bytes: Vec<u8> = (0..20).collect();
    for cut in 0..=bytes.len() {
        let mut body = BytesMut::new();
        put_text(&mut body, &bytes[..cut]);
        put_text(&mut body, &bytes[cut..]);
        assert_eq!(body.len() % 4, 0);
        assert_eq!(decode_text(&body).as_ref(), Ok(&bytes));
    }
}

#[test]
fn text_that_is_not_whole_or_not_base64_is_internal() {
    for body in [
        "A", "AA", "AAA", "AA=", "AAAAA", "AA==A", "A-A=", "AA A", "=AAA",
    ] {
        let error = decode_text(body.as_bytes()).expect_err(body);
        assert_eq!(error.status().code, Code::Internal);
    }
    assert_eq!(decode_text(b""), Ok(Vec::new()));
}

/// Text that gets far: pieces of base64, some of them broken.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = (
        vec(any::<u8>(), 0..30),
        prop::option::weighted(0.1, (any::<Index>(), "[A=+/ -]")),
    );
    let pieces = vec(piece, 0..6).prop_map(|pieces| {
        let mut body = Vec::new();
        for (bytes, broken) in pieces {
            let mut text = STANDARD.encode(bytes).into_bytes();
            if let Some((at, with)) = broken.filter(|_| !text.is_empty()) {
                let at = at.index(text.len());
                text[at] = with.as_bytes()[0];
            }
            body.extend(text);
        }
        body
    });
    prop_oneof![4 => pieces, 1 => "[AQg=+/]{0,24}".prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..24)]
}

proptest! {
    #[test]
    fn what_is_put_as_text_is_read_again(pieces in vec(vec(any::<u8>(), 0..50), 0..6)) {
        let mut body = BytesMut::new();
        for piece in &pieces {
            put_text(&mut body, piece);
        }
        prop_assert_eq!(decode_text(&body), Ok(pieces.concat()));
    }

    #[test]
    fn text_is_what_another_reader_says(body in text()) {
        let decoded = decode_text(&body);
        prop_assert_eq!(decoded.clone().ok(), naive_decode(&body));
        if let Err(error) = decoded {
            prop_assert!(naive_decode(&body[..error.at]).is_some(), "what is before it is right");
        }
    }

    #[test]
    fn a_status_comes_back(number in 0_u32..17, message in any::<String>()) {
        let status = Status::new(Code::from_number(number).expect("a code"), message);
        let mut body = BytesMut::new();
        put_trailers(&mut body, &status);
        prop_assert_eq!(interpret(&body), (Vec::new(), Some(status)));
    }
}

//! RFC 6455 §5.4 (fragmentation) and §8.1 (UTF-8).

use fanfare::protocol::websocket::{CloseCode, Item, Message, Receiver};

use super::*;

#[test]
fn section_5_4_fragments_make_one_message() {
    let bytes = [
        frame(TEXT, b"Hel"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, b"l"),
        frame(FIN | CONTINUATION, b"o"),
        frame(FIN | BINARY, b"next"),
    ]
    .concat();
    assert_heard(&bytes, &[text("Hello"), Heard::Binary(b"next".to_vec())]);
}

#[test]
fn section_5_4_empty_fragments_are_fragments() {
    let empty = [frame(TEXT, b""), frame(FIN | CONTINUATION, b"")].concat();
    assert_heard(&empty, &[text("")]);
    let last_only = [
        frame(BINARY, b""),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, b"end"),
    ]
    .concat();
    assert_heard(&last_only, &[Heard::Binary(b"end".to_vec())]);
}

#[test]
fn section_5_4_control_frames_come_between_fragments() {
    let bytes = [
        frame(TEXT, b"a"),
        frame(FIN | PING, b"1"),
        frame(CONTINUATION, b"b"),
        frame(FIN | PONG, b"2"),
        frame(FIN | PING, b""),
        frame(FIN | CONTINUATION, b"c"),
    ]
    .concat();
    let expected = [
        Heard::Ping(b"1".to_vec()),
        Heard::Pong(b"2".to_vec()),
        Heard::Ping(Vec::new()),
        text("abc"),
    ];
    assert_heard(&bytes, &expected);
}

#[test]
fn section_5_4_a_close_ends_a_message_in_progress() {
    let bytes = [
        frame(TEXT, b"never finished"),
        frame(FIN | CLOSE, b""),
        frame(FIN | CONTINUATION, b"!"),
    ]
    .concat();
    assert_heard(&bytes, &[Heard::Close(None)]);
}

#[test]
fn section_5_4_a_continuation_needs_a_message() {
    for first in [CONTINUATION, FIN | CONTINUATION] {
        assert_heard(&frame(first, b"x"), &[Heard::Failed(1002)]);
        let after = [frame(FIN | TEXT, b"a"), frame(first, b"")].concat();
        assert_heard(&after, &[text("a"), Heard::Failed(1002)]);
    }
    let twice = [
        frame(TEXT, b"a"),
        frame(FIN | CONTINUATION, b"b"),
        frame(FIN | CONTINUATION, b"c"),
    ]
    .concat();
    assert_heard(&twice, &[text("ab"), Heard::Failed(1002)]);
}

#[test]
fn section_5_4_messages_are_not_interleaved() {
    for opcode in [TEXT, BINARY] {
        for fin in [0, FIN] {
            let bytes = [frame(TEXT, b"a"), frame(fin | opcode, b"b")].concat();
            assert_heard(&bytes, &[Heard::Failed(1002)]);
        }
    }
}

#[test]
fn section_5_4_a_message_of_one_piece_is_lent() {
    let mut bytes = frame(FIN | TEXT, b"lent");
    let mut receiver = Receiver::new(MESSAGE_BYTES_MAX);
    let step = receiver.recv(&mut bytes).expect("a message");
    assert!(matches!(
        step.item,
        Some(Item::Text(Message::Lent(b"lent")))
    ));
}

const SAMPLES: [&str; 4] = [
    "κόσμε",
    "Hello-µ@ßöäüàá-UTF-8!!",
    "\u{d7ff}\u{e000}\u{fffd}",
    "🎺\u{10ffff}\0",
];

#[test]
fn section_8_1_text_is_utf8() {
    for sample in SAMPLES {
        assert_heard(&frame(FIN | TEXT, sample.as_bytes()), &[text(sample)]);
    }
}

#[test]
fn section_8_1_a_fragment_may_cut_a_character() {
    for sample in SAMPLES {
        for cut in 0..=sample.len() {
            let (head, tail) = sample.as_bytes().split_at(cut);
            let bytes = [
                frame(TEXT, head),
                frame(FIN | PING, b"\xff"),
                frame(FIN | CONTINUATION, tail),
            ]
            .concat();
            assert_heard(&bytes, &[Heard::Ping(vec![0xff]), text(sample)]);
        }
    }
}

#[test]
fn section_8_1_invalid_text_fails_1007() {
    let broken: [&[u8]; 8] = [
        b"\xff",
        b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"abc\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x8e",
    ];
    for broken in broken {
        assert_heard(&frame(FIN | TEXT, broken), &[Heard::Failed(1007)]);
        for cut in 0..=broken.len() {
            let (head, tail) = broken.split_at(cut);
            let bytes = [frame(TEXT, head), frame(FIN | CONTINUATION, tail)].concat();
            assert_heard(&bytes, &[Heard::Failed(1007)]);
        }
        let binary = frame(FIN | BINARY, broken);
        assert_heard(&binary, &[Heard::Binary(broken.to_vec())]);
    }
}

#[test]
fn section_8_1_text_fails_at_the_first_byte_that_cannot_be() {
    // "κόσμε", a surrogate, "edited": byte 12 is the first that no UTF-8 could have there.
    let payload = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    let bytes = frame(FIN | TEXT, payload);
    let header_bytes = bytes.len() - payload.len();
    let mut receiver = Receiver::new(MESSAGE_BYTES_MAX);
    let mut possible = bytes[..header_bytes + 12].to_vec();
    let step = receiver.recv(&mut possible).expect("valid so far");
    assert_eq!((step.consumed, step.item), (header_bytes + 12, None));
    let mut hopeless = [bytes[header_bytes + 12]];
    let error = receiver.recv(&mut hopeless).expect_err("a surrogate");
    assert_eq!(error.code, CloseCode::INVALID_PAYLOAD);
}

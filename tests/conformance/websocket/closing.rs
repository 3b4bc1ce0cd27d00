//! RFC 6455 §5.5.1 (the close frame) and §7 (closing the connection).

use bytes::BytesMut;
use fanfare::protocol::websocket::{CloseCode, CloseState, Receiver, encode_close};

use super::*;

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn section_5_5_1_a_close_has_no_body_or_a_code_and_a_reason() {
    assert_heard(&frame(FIN | CLOSE, b""), &[Heard::Close(None)]);
    let reason = "ψ".repeat(61);
    for reason in ["", "bye", &reason] {
        let expected = Heard::Close(Some((1000, reason.to_owned())));
        assert_heard(&close(1000, reason.as_bytes()), &[expected]);
    }
}

#[test]
fn section_5_5_1_one_byte_is_no_code() {
    assert_heard(&frame(FIN | CLOSE, b"\x03"), &[Heard::Failed(1002)]);
}

#[test]
fn section_5_5_1_nothing_is_heard_after_a_close() {
    let bytes = [
        frame(FIN | TEXT, b"before"),
        close(1001, b""),
        frame(FIN | TEXT, b"after"),
        frame(FIN | CLOSE, b""),
        b"\xff\xff not even frames".to_vec(),
    ]
    .concat();
    let closed = Heard::Close(Some((1001, String::new())));
    assert_heard(&bytes, &[text("before"), closed]);
}

#[test]
fn section_7_1_7_nothing_is_heard_after_a_failure() {
    let bytes = [
        frame(FIN | 0x3, b""),
        frame(FIN | TEXT, b"after"),
        frame(FIN | 0x3, b""),
    ]
    .concat();
    assert_heard(&bytes, &[Heard::Failed(1002)]);
}

#[test]
fn section_7_1_7_a_failure_frees_the_message_in_progress() {
    let mut receiver = Receiver::new(MESSAGE_BYTES_MAX);
    let mut fragment = frame(BINARY, &[7; 1_000]);
    let step = receiver.recv(&mut fragment).expect("a fragment");
    assert_eq!(step.item, None);
    assert!(receiver.held_bytes() >= 1_000);
    let mut stray = frame(FIN | TEXT, b"");
    receiver.recv(&mut stray).expect_err("interleaved");
    assert_eq!(receiver.held_bytes(), 0);
}

#[test]
fn section_7_4_codes() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ] {
        assert_heard(
            &close(code, b""),
            &[Heard::Close(Some((code, String::new())))],
        );
    }
    for code in [3000, 3999, 4000, 4999] {
        let expected = Heard::Close(Some((code, "private".to_owned())));
        assert_heard(&close(code, b"private"), &[expected]);
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        assert_heard(&close(code, b""), &[Heard::Failed(1002)]);
    }
}

#[test]
fn section_8_1_a_reason_is_utf8() {
    for reason in [&b"\xff"[..], b"\xe2\x82", b"ok\xed\xa0\x80"] {
        assert_heard(&close(1000, reason), &[Heard::Failed(1007)]);
    }
}

/// The bytes that answer what the peer sent.
fn answer(state: &mut CloseState, heard: &[Heard]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let code = match heard {
        [Heard::Close(close)] => state.received(close.as_ref().map(|(code, _)| CloseCode(*code))),
        [Heard::Failed(code)] => state.fail(CloseCode(*code)),
        other => panic!("not an end: {other:?}"),
    };
    if let Some(code) = code {
        encode_close(&mut out, code, "");
    }
    assert!(state.is_done());
    out.to_vec()
}

#[test]
fn section_7_1_the_closing_handshake() {
    let hear = |bytes: &[u8]| hear(bytes, [], MESSAGE_BYTES_MAX);

    let heard = hear(&close(3001, b"bye"));
    let echoed = answer(&mut CloseState::Open, &heard);
    assert_eq!(echoed, [0x88, 2, 0x0b, 0xb9], "the peer's code is echoed");

    let heard = hear(&frame(FIN | CLOSE, b""));
    let echoed = answer(&mut CloseState::Open, &heard);
    assert_eq!(echoed, [0x88, 0], "no code is answered with none");

    let heard = hear(&unmasked(FIN | TEXT, b""));
    let failed = answer(&mut CloseState::Open, &heard);
    assert_eq!(failed, [0x88, 2, 0x03, 0xea], "a failure says why");

    let mut state = CloseState::Open;
    assert_eq!(
        state.start(CloseCode::GOING_AWAY),
        Some(CloseCode::GOING_AWAY)
    );
    assert!(!state.is_done(), "ours waits for the answer");
    let heard = hear(&close(1001, b""));
    assert!(
        answer(&mut state, &heard).is_empty(),
        "an answer is not answered"
    );
}

//! RFC 6455 §5.1 (masking), §5.2 (base framing), §5.5 (control frames), §5.6 (data), §5.7
//! (examples), §10.4 (limits).

use bytes::BytesMut;
use fanfare::protocol::websocket::{Opcode, Receiver, encode_header, encode_ping, encode_text};

use super::*;

#[test]
fn section_5_1_a_server_fails_an_unmasked_frame() {
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        assert_heard(&unmasked(FIN | opcode, b""), &[Heard::Failed(1002)]);
        assert_heard(&unmasked(FIN | opcode, b"\x03\xe8"), &[Heard::Failed(1002)]);
    }
    let fragments = [frame(TEXT, b"a"), unmasked(FIN | CONTINUATION, b"b")].concat();
    assert_heard(&fragments, &[Heard::Failed(1002)]);
}

#[test]
fn section_5_1_what_a_server_sends_is_not_masked() {
    let mut out = BytesMut::new();
    encode_text(&mut out, b"a");
    encode_ping(&mut out, b"");
    assert_eq!(&out[..], [0x81, 1, b'a', 0x89, 0]);
}

#[test]
fn section_5_2_reserved_bits_are_zero() {
    for bits in [0x10, 0x20, 0x40, 0x70] {
        for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
            assert_heard(&frame(FIN | bits | opcode, b""), &[Heard::Failed(1002)]);
        }
        let late = [frame(TEXT, b"a"), frame(FIN | bits | CONTINUATION, b"b")].concat();
        assert_heard(&late, &[Heard::Failed(1002)]);
    }
}

#[test]
fn section_5_2_reserved_opcodes_fail() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        assert_heard(&frame(FIN | opcode, b"x"), &[Heard::Failed(1002)]);
        let after = [frame(FIN | TEXT, b"a"), frame(FIN | opcode, b"")].concat();
        assert_heard(&after, &[text("a"), Heard::Failed(1002)]);
    }
}

#[test]
fn section_5_2_every_form_of_length() {
    for length in [
        0, 1, 124, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 65_537,
    ] {
        let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
        assert_heard(&frame(FIN | BINARY, &payload), &[Heard::Binary(payload)]);
        let letters = "x".repeat(length);
        assert_heard(&frame(FIN | TEXT, letters.as_bytes()), &[text(&letters)]);
    }
}

#[test]
fn section_5_2_lengths_are_minimal() {
    let key = [0; 4];
    let short: &[u8] = &[0x82, 0xfe, 0, 125];
    let long: &[u8] = &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    let top_bit: &[u8] = &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1];
    for header in [short, long, top_bit] {
        assert_heard(&[header, &key].concat(), &[Heard::Failed(1002)]);
    }
}

#[test]
fn section_5_5_control_frames_have_at_most_125_bytes() {
    let longest = vec![0xff; 125];
    assert_heard(
        &frame(FIN | PING, &longest),
        &[Heard::Ping(longest.clone())],
    );
    assert_heard(&frame(FIN | PONG, &longest), &[Heard::Pong(longest)]);
    for opcode in [CLOSE, PING, PONG] {
        assert_heard(&frame(FIN | opcode, &[b'x'; 126]), &[Heard::Failed(1002)]);
    }
}

#[test]
fn section_5_5_control_frames_are_not_fragmented() {
    for opcode in [CLOSE, PING, PONG] {
        assert_heard(&frame(opcode, b""), &[Heard::Failed(1002)]);
    }
}

#[test]
fn section_5_5_2_and_5_5_3_pings_and_unsolicited_pongs() {
    let bytes = [
        frame(FIN | PING, b""),
        frame(FIN | PONG, b"unsolicited"),
        frame(FIN | PING, b"\0\xff\xfe"),
    ]
    .concat();
    let expected = [
        Heard::Ping(Vec::new()),
        Heard::Pong(b"unsolicited".to_vec()),
        Heard::Ping(b"\0\xff\xfe".to_vec()),
    ];
    assert_heard(&bytes, &expected);
}

#[test]
fn section_5_7_examples_a_server_receives() {
    let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_heard(hello, &[text("Hello")]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_heard(pong, &[Heard::Pong(b"Hello".to_vec())]);
}

#[test]
fn section_5_7_examples_a_server_sends() {
    let mut out = BytesMut::new();
    encode_text(&mut out, b"Hello");
    assert_eq!(&out[..], b"\x81\x05Hello");
    out.clear();
    encode_ping(&mut out, b"Hello");
    assert_eq!(&out[..], b"\x89\x05Hello");
    out.clear();
    encode_header(&mut out, Opcode::Binary, 256);
    assert_eq!(&out[..], b"\x82\x7e\x01\x00");
    out.clear();
    encode_header(&mut out, Opcode::Binary, 65_536);
    assert_eq!(&out[..], b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
}

#[test]
fn section_10_4_too_long_a_message_fails_1009() {
    let longest = vec![7; 1_000];
    assert_heard_within(
        1_000,
        &frame(FIN | BINARY, &longest),
        &[Heard::Binary(longest)],
    );
    assert_heard_within(
        1_000,
        &frame(FIN | BINARY, &[7; 1_001]),
        &[Heard::Failed(1009)],
    );

    let fragments = |last: usize| {
        [
            frame(BINARY, &[1; 400]),
            frame(CONTINUATION, &[2; 400]),
            frame(FIN | CONTINUATION, &vec![3; last]),
        ]
        .concat()
    };
    let whole = [vec![1; 400], vec![2; 400], vec![3; 200]].concat();
    assert_heard_within(1_000, &fragments(200), &[Heard::Binary(whole)]);
    assert_heard_within(1_000, &fragments(201), &[Heard::Failed(1009)]);
}

#[test]
fn section_10_4_the_header_alone_is_enough_to_refuse() {
    for length in [1_001, 1 << 26, u64::MAX >> 1] {
        let mut header = header(FIN | TEXT, 0x80, length);
        header.extend([0; 4]);
        assert_heard_within(1_000, &header, &[Heard::Failed(1009)]);
    }
    let mut fragments = frame(TEXT, &[b'x'; 990]);
    fragments.extend(header(FIN | CONTINUATION, 0x80, 11));
    fragments.extend([0; 4]);
    assert_heard_within(1_000, &fragments, &[Heard::Failed(1009)]);
}

#[test]
fn section_10_4_a_promise_costs_nothing() {
    let mut header = header(FIN | BINARY, 0x80, 64 << 20);
    header.extend([0; 4]);
    let mut receiver = Receiver::new(64 << 20);
    let step = receiver.recv(&mut header).expect("within the bound");
    assert_eq!((step.consumed, step.item), (14, None));
    assert_eq!(receiver.held_bytes(), 0);
    for received in 1..=1_000 {
        let mut byte = [7];
        let step = receiver.recv(&mut byte).expect("payload");
        assert_eq!((step.consumed, step.item), (1, None));
        assert!((received..=2 * received).contains(&receiver.held_bytes()));
    }
}

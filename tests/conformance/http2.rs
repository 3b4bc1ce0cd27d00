//! RFC 9113 as far as it is ours: §3.4 (the preface), §4.1 (frames, counted), §10.5 (floods).
//!
//! Here are the parts that look at frames; the folder has what is said to a whole node.

mod floods;
mod heads;
mod leaving;
mod readers;
mod requests;

use fanfare::limits::HTTP2_CONTROL_FRAMES_PER_SECOND_MAX;
use fanfare::protocol::http2::{
    AbuseBudget, FrameKind, FrameScanner, FrameTally, PREFACE, Verdict, is_preface,
};
use fanfare::time::Instant;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// A frame's header and a payload of zeros.
fn frame(kind: u8, payload_bytes: usize) -> Vec<u8> {
    let length = (payload_bytes as u32).to_be_bytes();
    let mut frame = [&length[1..], &[kind, 0, 0, 0, 0, 1]].concat();
    frame.resize(9 + payload_bytes, 0);
    frame
}

/// The frames in all that a client sent, read from the definition.
fn naive(mut bytes: &[u8]) -> FrameTally {
    let mut tally = FrameTally::default();
    let skip = |bytes: &mut &[u8], count: usize| *bytes = &bytes[count.min(bytes.len())..];
    skip(&mut bytes, 24);
    while bytes.len() >= 9 {
        let length = bytes[..3]
            .iter()
            .fold(0, |sum, &byte| sum * 256 + usize::from(byte));
        let kind = match (bytes[3], length) {
            (0, 0) => FrameKind::EmptyData,
            (0, _) => FrameKind::Data,
            (1, _) => FrameKind::Headers,
            (2, _) => FrameKind::Priority,
            (3, _) => FrameKind::RstStream,
            (4, _) => FrameKind::Settings,
            (5, _) => FrameKind::PushPromise,
            (6, _) => FrameKind::Ping,
            (7, _) => FrameKind::Goaway,
            (8, _) => FrameKind::WindowUpdate,
            (9, _) => FrameKind::Continuation,
            _ => FrameKind::Unknown,
        };
        tally.add(kind);
        skip(&mut bytes, 9 + length);
    }
    tally
}

/// What a scanner counts when `bytes` come in pieces that end at `cuts` (ascending).
fn scan(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> FrameTally {
    let mut scanner = FrameScanner::new();
    let mut sum = FrameTally::default();
    let mut start = 0;
    for end in cuts.into_iter().chain([bytes.len()]) {
        let tally = scanner.scan(&bytes[start..end]);
        for kind in FrameKind::ALL {
            (0..tally.count(kind)).for_each(|_| sum.add(kind));
        }
        start = end;
    }
    sum
}

#[test]
fn section_3_4_the_preface_is_24_bytes() {
    let octets: u128 = 0x5052_4920_2a20_4854_5450_2f32_2e30_0d0a;
    assert_eq!(PREFACE[..16], octets.to_be_bytes());
    let octets: u64 = 0x0d0a_534d_0d0a_0d0a;
    assert_eq!(PREFACE[16..], octets.to_be_bytes());
}

#[test]
fn section_3_4_the_preface_is_known_at_its_last_byte() {
    for end in 0..24 {
        assert_eq!(is_preface(&PREFACE[..end]), None, "{end} bytes");
    }
    assert_eq!(is_preface(&PREFACE), Some(true));
    let settings = [&PREFACE[..], &frame(4, 0)].concat();
    assert_eq!(is_preface(&settings), Some(true));
}

#[test]
fn section_3_4_anything_else_is_known_at_the_first_other_byte() {
    for at in 0..24 {
        let mut bytes = PREFACE;
        bytes[at] ^= 0x20;
        for end in 0..=24 {
            let expected = (end > at).then_some(false);
            assert_eq!(is_preface(&bytes[..end]), expected);
        }
    }
}

#[test]
fn section_3_4_methods_are_not_the_preface() {
    for head in [
        "G",
        "GET / HTTP/1.1\r\n",
        "POST",
        "PUT",
        "PATCH",
        "PRO",
        "PROPFIND",
        "PRIX / HTTP/1.1\r\n",
        "PRI /",
        "PRI * HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\nHost: h\r\n\r\n",
        "pri",
        "\r\n",
        "\x16\x03\x01",
    ] {
        assert_eq!(is_preface(head.as_bytes()), Some(false), "{head}");
    }
    for head in ["", "P", "PR", "PRI", "PRI "] {
        assert_eq!(is_preface(head.as_bytes()), None, "{head}");
    }
}

#[test]
fn section_4_1_each_type_is_counted_however_it_is_cut() {
    let mut bytes = PREFACE.to_vec();
    for kind in 0..=12 {
        for payload_bytes in [0, 1, 8, 9, 300] {
            bytes.extend(frame(kind, payload_bytes));
        }
    }
    let expected = naive(&bytes);
    assert_eq!(expected.count(FrameKind::EmptyData), 1);
    assert_eq!(expected.count(FrameKind::Data), 4);
    assert_eq!(expected.count(FrameKind::Unknown), 15);
    assert_eq!(scan(&bytes, []), expected);
    assert_eq!(scan(&bytes, 1..bytes.len()), expected);
    for cut in 0..bytes.len() {
        assert_eq!(scan(&bytes, [cut]), expected, "cut at {cut}");
    }
}

/// CVE-2019-9512, -9515, -9513, -9518 and what is like them: a flood is known within little more
/// than the frames that a second allows, even when it is answered, and whatever pieces it comes in.
#[test]
fn section_10_5_floods_end_within_a_second_s_frames() {
    for (kind, payload_bytes, answer_bytes) in [
        (6, 8, 17),
        (4, 0, 9),
        (2, 5, 0),
        (0, 0, 0),
        (8, 4, 0),
        (3, 4, 0),
        (0xb, 0, 0),
    ] {
        let flood =
            frame(kind, payload_bytes).repeat(3 * HTTP2_CONTROL_FRAMES_PER_SECOND_MAX as usize);
        for piece_bytes in [7, 1_000, flood.len()] {
            let now = Instant::from_millis(5);
            let (mut scanner, mut budget) = (FrameScanner::new(), AbuseBudget::new(now));
            scanner.scan(&PREFACE);
            let mut verdicts = flood.chunks(piece_bytes).map(|piece| {
                let tally = scanner.scan(piece);
                let frames: u32 = FrameKind::ALL.map(|kind| tally.count(kind)).iter().sum();
                budget.sent(frames as usize * answer_bytes);
                budget.received(now, &tally)
            });
            assert!(
                verdicts.any(|verdict| verdict != Verdict::Fine),
                "type {kind}"
            );
        }
    }
}

/// A client at work: calls, their windows, a PING now and then, a head that takes two frames.
#[test]
fn section_10_5_work_is_not_a_flood() {
    let call = [frame(1, 40), frame(0, 30), frame(8, 4), frame(8, 4)].concat();
    let round = [
        call.repeat(64),
        frame(6, 8),
        frame(1, 16_384),
        frame(9, 100),
    ]
    .concat();
    let now = Instant::from_millis(0);
    let (mut scanner, mut budget) = (FrameScanner::new(), AbuseBudget::new(now));
    scanner.scan(&[&PREFACE[..], &frame(4, 18)].concat());
    for _ in 0..2_000 {
        for piece in round.chunks(16_384) {
            let tally = scanner.scan(piece);
            assert_eq!(budget.received(now, &tally), Verdict::Fine);
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_counted_alike_in_any_pieces(
        frames in vec((0_u8..12, prop_oneof![0_usize..20, 0_usize..3_000]), 0..30),
        junk in vec(any::<u8>(), 0..60),
        cuts in vec(any::<Index>(), 0..16),
    ) {
        let frames = frames.iter().flat_map(|&(kind, payload_bytes)| frame(kind, payload_bytes));
        let bytes: Vec<u8> = PREFACE.into_iter().chain(frames).chain(junk).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(scan(&bytes, cuts), naive(&bytes));
        prop_assert_eq!(scan(&bytes, 1..bytes.len()), naive(&bytes));
    }

    #[test]
    fn what_is_not_even_a_preface_does_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(scan(&bytes, []), naive(&bytes));
        prop_assert_eq!(is_preface(&bytes) == Some(true), bytes.starts_with(&PREFACE));
    }
}

//! What is said in HTTP/2, read back frame by frame.

use super::*;

fn call(body: &[u8]) -> Call {
    Call {
        block: block(true, "/p", "h", &[("a", "b")]),
        body: body.to_vec(),
        ends: true,
    }
}

fn habits(streams: u64, limit: u64) -> Habits {
    Habits {
        streams,
        limit,
        window: 0,
        reads: true,
    }
}

/// The streams that were begun in what was said after the preface, and whether each has ended.
fn begun(mut bytes: &[u8]) -> Vec<(u32, bool)> {
    let mut found: Vec<(u32, bool)> = Vec::new();
    bytes = bytes.strip_prefix(http2::PREFACE).unwrap_or(bytes);
    while let Some((frame, used)) = Frame::parse(bytes).expect("sound") {
        bytes = &bytes[used..];
        match frame {
            Frame::Headers(stream, _, ends) => found.push((stream, ends)),
            Frame::Data(stream, _, ends) => {
                let last = found.last_mut().expect("headers come first");
                assert_eq!(last.0, stream);
                last.1 |= ends;
            }
            _ => {}
        }
    }
    assert!(bytes.is_empty());
    found
}

#[test]
fn a_block_is_literals() {
    let found = block(false, "/x", "h:1", &[("a", "b")]);
    assert_eq!(found, b"\x82\x86\x04\x02/x\x01\x03h:1\x00\x01a\x01b");
    let mut long = Vec::new();
    put_text(&"x".repeat(127 + 128), &mut long);
    // RFC 7541 §5.1: 255 is 127, and then 128 in groups of 7, the lowest first.
    assert_eq!(long[..3], [0x7f, 0x80, 0x01]);
    assert_eq!(long.len(), 3 + 255);
}

#[test]
fn streams_are_begun_as_others_end() {
    let mut attacker = Streams::new(Says::Same(call(b"body")), habits(2, 3));
    let (mut buf, mut told) = (Vec::new(), Told::default());
    attacker.say(&mut buf);
    assert_eq!(begun(&buf), [(1, true), (3, true)]);
    let mut heard = Vec::new();
    http2::encode_whole(1, &[STATUS_OK], &mut heard);
    http2::encode_headers(3, &[0x8d], &mut heard);
    assert_eq!(attacker.hear(&heard, &mut told), Ok(heard.len()));
    buf.clear();
    attacker.say(&mut buf);
    assert_eq!(begun(&buf), [(5, true)]);
    heard.clear();
    http2::encode_data(3, b"no such thing", false, &mut heard);
    http2::encode_data(3, b"", true, &mut heard);
    assert_eq!(attacker.hear(&heard, &mut told), Ok(heard.len()));
    assert_eq!((told.answers, told.refusals.total()), (1, 1));
    assert_eq!(told.first_refusal(), Some("no such thing"));
    // Three were all.
    buf.clear();
    attacker.say(&mut buf);
    assert!(begun(&buf).is_empty());
}

#[test]
fn a_connection_sends_no_more_than_its_window() {
    let body = vec![b'x'; 40_000];
    let mut attacker = Streams::new(Says::Same(call(&body)), habits(9, 9));
    let (mut buf, mut told) = (Vec::new(), Told::default());
    attacker.say(&mut buf);
    assert_eq!(begun(&buf), [(1, true)]);
    let mut heard = Vec::new();
    http2::encode_window_update(0, 40_000, &mut heard);
    attacker.hear(&heard, &mut told).expect("sound");
    buf.clear();
    attacker.say(&mut buf);
    assert_eq!(begun(&buf), [(3, true)]);
}

#[test]
fn headers_without_end_do_not_end() {
    let mut attacker = EndlessHeaders::new("h", 3 * PART_BYTES);
    let (mut buf, mut told) = (Vec::new(), Told::default());
    attacker.say(&mut buf);
    let mut rest = buf.strip_prefix(http2::PREFACE).expect("it comes first");
    let (_, settings) = Frame::parse(rest).expect("sound").expect("whole");
    rest = &rest[settings..];
    // Our own reader refuses headers in parts, so their kinds and flags are looked at.
    let mut kinds = Vec::new();
    while let [a, b, c, kind, flags, ..] = *rest {
        kinds.push((kind, flags));
        rest = &rest[9 + u32::from_be_bytes([0, a, b, c]) as usize..];
    }
    assert_eq!(kinds, [(1, 0), (9, 0), (9, 0)]);
    buf.clear();
    attacker.say(&mut buf);
    assert!(buf.is_empty());
    let mut heard = Vec::new();
    let leave = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];
    heard.extend_from_slice(&leave);
    let told = attacker.hear(&heard, &mut told);
    assert_eq!(told, Err("GOAWAY, code 11".to_owned()));
}

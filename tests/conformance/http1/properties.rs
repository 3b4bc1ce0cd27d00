//! Properties that hold for any bytes: no panic, no overrun, no answer that depends on the cuts.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use fanfare::protocol::http1::{decode_segment, query_last, query_pairs};

use super::chunked::decode_pieces;
use super::parse;

const TEMPLATES: &[&str] = &[
    "GET /a/b?c=d HTTP/1.1\r\nHost: a:80\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
    "POST http://h/x HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n",
    "\r\nPUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: [::1]\r\n\r\n0\r\n\r\n",
    "OPTIONS * HTTP/1.0\r\nX: y\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// Bytes that mean something to a parser of heads, and any others.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => proptest::sample::select(b"\r\n\r\n \t:,;/?#*0159afHTP.\0".to_vec()),
        1 => any::<u8>(),
    ]
}

/// A good request with a few bytes inserted, removed or replaced.
fn mutated(templates: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), 0..3u8, byte());
    (proptest::sample::select(templates), vec(edit, 0..4)).prop_map(|(template, edits)| {
        let mut bytes = template.as_bytes().to_vec();
        for (index, kind, byte) in edits {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes.insert(at, byte),
                1 => bytes[at] = byte,
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

/// What must hold for a parse of `bytes` and of all its prefixes.
fn check_head(bytes: &[u8]) -> Result<(), TestCaseError> {
    let whole = parse(bytes);
    if let Ok(Some(head)) = &whole {
        prop_assert!(head.consumed <= bytes.len());
        // An accepted head ends where anybody would say that it ends.
        let begin = bytes.iter().position(|b| !b"\r\n".contains(b)).unwrap();
        let end = bytes[begin..]
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap();
        prop_assert_eq!(head.consumed, begin + end + 4);
        let text = &bytes[begin..head.consumed];
        prop_assert!(!text.contains(&0));
        let count = |byte| memchr::memchr_iter(byte, text).count();
        let lines = text.windows(2).filter(|w| w == b"\r\n").count();
        prop_assert_eq!((count(b'\r'), count(b'\n')), (lines, lines));
        prop_assert_eq!(head.headers.len(), lines - 2);
    }
    for end in 0..bytes.len() {
        match (parse(&bytes[..end]), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(early)), Ok(Some(late))) => prop_assert_eq!(&early, late),
            (Err(early), Err(late)) => prop_assert_eq!(early.status(), late.status()),
            (early, late) => prop_assert!(false, "{early:?} at {end}, then {late:?}"),
        }
    }
    Ok(())
}

/// One chunk on the wire: its data, how its size is written, and its extension.
#[derive(Clone, Debug)]
struct Chunk {
    data: Vec<u8>,
    leading_zeros: usize,
    upper_case: bool,
    extension: String,
}

fn chunk() -> impl Strategy<Value = Chunk> {
    (
        vec(any::<u8>(), 1..40),
        0..3usize,
        any::<bool>(),
        r#"([ \t]{0,2};[ \t]?[a-z]{1,5}([ \t]?=[ \t]?([a-z]{1,3}|"([ -!#-\[\]-~]|\\[ -~]){0,8}"))?){0,2}"#,
    )
        .prop_map(|(data, leading_zeros, upper_case, extension)| Chunk {
            data,
            leading_zeros,
            upper_case,
            extension,
        })
}

/// The naive encoder.
fn encode(chunks: &[Chunk], trailers: &[(String, String)]) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in chunks {
        let mut line = "0".repeat(chunk.leading_zeros);
        if chunk.upper_case {
            write!(line, "{:X}", chunk.data.len()).unwrap();
        } else {
            write!(line, "{:x}", chunk.data.len()).unwrap();
        }
        wire.extend_from_slice(line.as_bytes());
        wire.extend_from_slice(chunk.extension.as_bytes());
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&chunk.data);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// `bytes` cut at the given places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn any_bytes_as_a_head(bytes in vec(byte(), 0..200)) {
        check_head(&bytes)?;
    }

    #[test]
    fn nearly_good_heads(bytes in mutated(TEMPLATES)) {
        check_head(&bytes)?;
    }

    #[test]
    fn chunked_bodies_come_back(
        chunks in vec(chunk(), 0..8),
        trailers in vec(("[A-Za-z0-9-]{1,8}", "[ -~]{0,12}"), 0..3),
        next in vec(any::<u8>(), 0..20),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let wire = encode(&chunks, &trailers);
        let body: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.clone()).collect();
        let bytes = [&wire[..], &next].concat();
        let decoded = decode_pieces(pieces(&bytes, &cuts), body.len() as u64);
        prop_assert_eq!(decoded, Ok((body, wire.len(), true)));
    }

    #[test]
    fn chunked_decoding_does_not_depend_on_the_cuts(
        bytes in mutated(&["3;a=b\r\nabc\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\nGET"]),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let whole = decode_pieces([&bytes[..]], 1_000);
        prop_assert_eq!(decode_pieces(pieces(&bytes, &cuts), 1_000), whole);
    }

    #[test]
    fn any_text_as_a_query(text in "[a-c=&%+0-9\u{e9}]{0,40}", key in "[a-c]{0,2}") {
        let found = query_last(&text, &key);
        let raw = query_pairs(&text).any(|(raw, _)| raw == key);
        prop_assert!(!raw || !matches!(found, Ok(None)));
        if let Ok(decoded) = decode_segment(&text) {
            prop_assert!(decoded.len() <= text.len());
        }
    }
}

//! RFC 9112 §7.1: chunked bodies, decoded in place at every split.

use fanfare::limits::{HTTP_CHUNK_LINE_BYTES_MAX, HTTP_TRAILER_BYTES_MAX};
use fanfare::protocol::http1::{BodyError, ChunkedDecoder};

/// Feeds `pieces` one after the other: the body, how many bytes were consumed, and whether it
/// ended.
pub(super) fn decode_pieces<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    body_bytes_max: u64,
) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let mut decoder = ChunkedDecoder::new();
    let (mut body, mut consumed, mut done) = (Vec::new(), 0, false);
    for piece in pieces {
        let mut buf = piece.to_vec();
        let step = decoder.decode(&mut buf, body_bytes_max)?;
        assert!(step.produced <= step.consumed && step.consumed <= buf.len());
        assert!(step.done || step.consumed == buf.len(), "unread bytes");
        assert_eq!(
            buf[step.consumed..],
            piece[step.consumed..],
            "bytes of the next request"
        );
        body.extend_from_slice(&buf[..step.produced]);
        consumed += step.consumed;
        done = step.done;
    }
    Ok((body, consumed, done))
}

/// The outcome for `bytes`, having checked that it is the same at every split in two and bytewise.
fn decode(bytes: &[u8], body_bytes_max: u64) -> Result<(Vec<u8>, usize, bool), BodyError> {
    let whole = decode_pieces([bytes], body_bytes_max);
    for at in 0..=bytes.len() {
        let split = decode_pieces([&bytes[..at], &bytes[at..]], body_bytes_max);
        assert_eq!(
            split,
            whole,
            "{:?} split at {at}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(decode_pieces(bytes.chunks(1), body_bytes_max), whole);
    whole
}

#[test]
fn section_7_1_bodies() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", b"Wikipedia"),
        (
            b"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n",
            b"01234567890123456789",
        ),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
        (b"00000000000000000000001\r\nx\r\n0\r\n\r\n", b"x"),
    ];
    for (wire, body) in cases {
        assert_eq!(decode(wire, 100), Ok((body.to_vec(), wire.len(), true)));
    }
    let cut = &b"4\r\nWiki\r\n5\r\nped"[..];
    assert_eq!(
        decode(cut, 100),
        Ok((b"Wikiped".to_vec(), cut.len(), false))
    );
}

#[test]
fn section_7_1_the_next_request_is_not_read() {
    let wire = b"1\r\nx\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let end = wire.len() - b"GET / HTTP/1.1\r\n\r\n".len();
    assert_eq!(decode(wire, 1), Ok((b"x".to_vec(), end, true)));
}

#[test]
fn section_7_1_1_extensions_are_skipped() {
    for extension in [
        ";a",
        ";a=b",
        ";a=\"b;\tc\"",
        " ;a",
        "\t ; a = b ",
        ";a;b=c ;\td",
        ";a=\"\"",
        ";a=\"b\\\"c\\\\\u{e9}\";b",
        ";!#$%&'*+-.^_`|~=~",
    ] {
        let wire = format!("2{extension}\r\nhi\r\n0{extension}\r\n\r\n");
        let expected = (b"hi".to_vec(), wire.len(), true);
        assert_eq!(decode(wire.as_bytes(), 2), Ok(expected), "{extension:?}");
    }
    let line = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(bytes - 3));
    let longest = line(HTTP_CHUNK_LINE_BYTES_MAX);
    assert!(decode(longest.as_bytes(), 1).is_ok());
    let too_long = line(HTTP_CHUNK_LINE_BYTES_MAX + 1);
    assert_eq!(
        decode(too_long.as_bytes(), 1),
        Err(BodyError::ChunkLineTooLong)
    );
    let zeros = "0".repeat(HTTP_CHUNK_LINE_BYTES_MAX + 1);
    assert_eq!(
        decode(zeros.as_bytes(), 1),
        Err(BodyError::ChunkLineTooLong)
    );
}

/// What one server skips, another may take for the end of the line or for more of the size.
#[test]
fn section_7_1_1_malformed_extensions_are_400() {
    for extension in [
        ";",
        ";;a",
        ";a;",
        "; ",
        ";=b",
        ";a=",
        ";a= ",
        ";a=;b",
        ";a b",
        ";a=b c",
        ";a=\"b",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";a=\"b\\",
        ";a=\"\u{7}\"",
        ";bad[=x",
        ";a=[x]",
        ";\u{e9}",
        ";a=b=c",
        ";a,b",
        ",a",
    ] {
        for size in ["2", "0"] {
            let wire = format!("{size}{extension}\r\nhi\r\n0\r\n\r\n");
            let error = decode(wire.as_bytes(), 9).expect_err(extension);
            assert_eq!(error.status(), 400, "{extension:?}");
        }
    }
}

#[test]
fn section_7_1_2_trailers_are_ignored() {
    for trailers in [
        "A: b\r\n",
        "A:\r\nB: \tc \r\n",
        "Content-Length: 5\r\n",
        "X: \u{e9}\r\n",
    ] {
        let wire = format!("1\r\nx\r\n0\r\n{trailers}\r\n");
        assert_eq!(
            decode(wire.as_bytes(), 1),
            Ok((b"x".to_vec(), wire.len(), true))
        );
    }
    let section = |bytes: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(bytes - 6));
    let longest = section(HTTP_TRAILER_BYTES_MAX);
    assert!(decode_pieces([longest.as_bytes()], 0).unwrap().2);
    let too_long = section(HTTP_TRAILER_BYTES_MAX + 1);
    assert_eq!(
        decode_pieces([too_long.as_bytes()], 0),
        Err(BodyError::TrailerTooLong)
    );
    assert_eq!(BodyError::TrailerTooLong.status(), 431);
}

#[test]
fn section_7_1_malformed_bodies_are_400() {
    let cases: &[(&[u8], BodyError)] = &[
        (b"\r\n", BodyError::ChunkSize),
        (b";a\r\n", BodyError::ChunkSize),
        (b" 1\r\nx\r\n", BodyError::ChunkSize),
        (b"g\r\n", BodyError::ChunkSize),
        (b"+1\r\nx\r\n", BodyError::ChunkSize),
        (b"-1\r\nx\r\n", BodyError::ChunkSize),
        (b"0x1\r\nx\r\n", BodyError::ChunkSize),
        (b"1_0\r\n", BodyError::ChunkSize),
        (b"1,2\r\n", BodyError::ChunkSize),
        (b"1\0\r\n", BodyError::ChunkSize),
        // Sizes that wrap around to a small number elsewhere.
        (b"10000000000000000\r\n", BodyError::ChunkSize),
        (b"fffffffffffffffff\r\n", BodyError::ChunkSize),
        // Line ends that only some servers see.
        (b"1\nx\r\n", BodyError::ChunkSize),
        (b"1\rx\r\n", BodyError::ChunkLine),
        (b"1;a\nx\r\n0\r\n\r\n", BodyError::ChunkLine),
        (b"1;a\rb\r\nx\r\n", BodyError::ChunkLine),
        (b"1;a\0\r\nx\r\n", BodyError::ChunkLine),
        (b"1 \r\nx\r\n", BodyError::ChunkLine),
        (b"1 2\r\nx\r\n", BodyError::ChunkLine),
        // Data that is longer or shorter than announced.
        (b"1\r\nxy\r\n", BodyError::ChunkEnd),
        (b"1\r\nx\n", BodyError::ChunkEnd),
        (b"1\r\nx\rX", BodyError::ChunkEnd),
        (b"1\r\nx0\r\n\r\n", BodyError::ChunkEnd),
        // Trailers: what a proxy takes for the next request must not pass as a trailer.
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", BodyError::Trailer),
        (b"0\r\n\n", BodyError::Trailer),
        (b"0\r\n\rX", BodyError::Trailer),
        (b"0\r\nA: b\n\r\n", BodyError::Trailer),
        (b"0\r\nA: b\rC: d\r\n\r\n", BodyError::Trailer),
        (b"0\r\nA : b\r\n\r\n", BodyError::Trailer),
        (b"0\r\n A: b\r\n\r\n", BodyError::Trailer),
        (b"0\r\nA: b\r\n c\r\n\r\n", BodyError::Trailer),
        (b"0\r\n: b\r\n\r\n", BodyError::Trailer),
        (b"0\r\nA: b\0\r\n\r\n", BodyError::Trailer),
    ];
    for (wire, error) in cases {
        let text = String::from_utf8_lossy(wire);
        assert_eq!(decode(wire, u64::MAX), Err(*error), "{text:?}");
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn a_body_over_the_bound_is_413_when_it_is_announced() {
    assert_eq!(BodyError::TooLarge.status(), 413);
    assert!(decode(b"5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n", 10).is_ok());
    assert_eq!(decode(b"5\r\nabcde\r\n6\r\n", 10), Err(BodyError::TooLarge));
    assert_eq!(decode(b"b\r\n", 10), Err(BodyError::TooLarge));
    assert_eq!(decode(b"1\r\n", 0), Err(BodyError::TooLarge));
    assert!(decode(b"0\r\n\r\n", 0).is_ok());
    // The sum of two sizes does not fit 64 bits.
    let huge = b"1\r\nx\r\nffffffffffffffff\r\n";
    assert_eq!(decode(huge, u64::MAX), Err(BodyError::TooLarge));
}

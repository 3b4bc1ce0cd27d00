//! RFC 9112 §11.2: everything that two servers could read differently is refused with 400.
//!
//! The vectors are those of the published request smuggling literature: each names the disagreement
//! it lives on.

use fanfare::protocol::http1::{BodyLength, HeadError};

use super::{accepted, refused, with_fields};

/// Fields of an HTTP/1.1 request, and why it is refused.
const FIELDS: &[(&str, HeadError)] = &[
    // §6.1: two ways to say where the body ends.
    (
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        HeadError::LengthAndCoding,
    ),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        HeadError::LengthAndCoding,
    ),
    (
        "transfer-encoding: Chunked\r\ncontent-length: 0\r\n",
        HeadError::LengthAndCoding,
    ),
    // §6.3: lengths that disagree, or agree by accident.
    (
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        HeadError::LengthRepeated,
    ),
    (
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        HeadError::LengthRepeated,
    ),
    ("Content-Length: 5, 5\r\n", HeadError::LengthInvalid),
    ("Content-Length: 5,6\r\n", HeadError::LengthInvalid),
    // RFC 9110 §8.6: lengths that are not 1*DIGIT.
    ("Content-Length:\r\n", HeadError::LengthInvalid),
    ("Content-Length: +5\r\n", HeadError::LengthInvalid),
    ("Content-Length: -5\r\n", HeadError::LengthInvalid),
    ("Content-Length: 0x5\r\n", HeadError::LengthInvalid),
    ("Content-Length: 5 5\r\n", HeadError::LengthInvalid),
    ("Content-Length: 5.0\r\n", HeadError::LengthInvalid),
    ("Content-Length: 5e1\r\n", HeadError::LengthInvalid),
    ("Content-Length: 5_0\r\n", HeadError::LengthInvalid),
    ("Content-Length: \"5\"\r\n", HeadError::LengthInvalid),
    ("Content-Length: ٥\r\n", HeadError::LengthInvalid),
    (
        "Content-Length: 18446744073709551616\r\n",
        HeadError::LengthInvalid,
    ),
    (
        "Content-Length: 99999999999999999999999\r\n",
        HeadError::LengthInvalid,
    ),
    // §6.1: codings that one server knows and the other ignores.
    ("Transfer-Encoding:\r\n", HeadError::CodingUnsupported),
    (
        "Transfer-Encoding: identity\r\n",
        HeadError::CodingUnsupported,
    ),
    ("Transfer-Encoding: gzip\r\n", HeadError::CodingUnsupported),
    (
        "Transfer-Encoding: chunked, gzip\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked, chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked,\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: , chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked;q=1\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: xchunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: \"chunked\"\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip, chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: gzip, chunked, chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: gzip, , chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: gzip;a=b, chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: gzip chunked\r\n",
        HeadError::CodingUnsupported,
    ),
    (
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n",
        HeadError::LengthAndCoding,
    ),
    // §5.1: white space around the name hides a field from one of the two.
    ("Transfer-Encoding : chunked\r\n", HeadError::FieldName),
    ("Transfer-Encoding\t: chunked\r\n", HeadError::FieldName),
    ("Content-Length : 5\r\n", HeadError::FieldName),
    ("Transfer Encoding: chunked\r\n", HeadError::FieldName),
    // §5.2: folded lines.
    (
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        HeadError::FieldName,
    ),
    ("X: y\r\n\tz\r\n", HeadError::FieldName),
    ("Transfer-Encoding:\r\n chunked\r\n", HeadError::FieldName),
    ("Content-Length: 5\r\n 6\r\n", HeadError::FieldName),
    // §5: lines that are no field lines.
    (": y\r\n", HeadError::FieldName),
    ("X\r\n", HeadError::FieldName),
    ("GET / HTTP/1.1\r\n", HeadError::FieldName),
    ("X\0Y: z\r\n", HeadError::FieldName),
    ("(X): z\r\n", HeadError::FieldName),
    ("Tränsfer: z\r\n", HeadError::FieldName),
    // RFC 9110 §5.5: control characters in values.
    ("X: a\0b\r\n", HeadError::FieldValue),
    ("Transfer-Encoding: \u{b}chunked\r\n", HeadError::FieldValue),
    ("Transfer-Encoding: chunked\u{c}\r\n", HeadError::FieldValue),
    ("X: a\u{7f}b\r\n", HeadError::FieldValue),
    // §2.2: line ends that only some servers see.
    (
        "X: y\rTransfer-Encoding: chunked\r\n",
        HeadError::FieldValue,
    ),
    ("X: y\nTransfer-Encoding: chunked\r\n", HeadError::LineEnd),
    ("X: y\n\r\n", HeadError::LineEnd),
    ("X:\nY: z\r\n", HeadError::LineEnd),
    ("\nX: y\r\n", HeadError::LineEnd),
    ("\rX: y\r\n", HeadError::LineEnd),
];

#[test]
fn section_11_2_fields() {
    for (fields, error) in FIELDS {
        assert_eq!(refused(&with_fields(fields)), *error, "{fields:?}");
        assert_eq!(error.status(), 400);
    }
}

/// RFC 9112 §6.1: what is framed as it should be, but coded as nobody here can read, is 501.
#[test]
fn section_6_1_unknown_codings() {
    for fields in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity ,\tCHUNKED\r\n",
        "Transfer-Encoding: a, b, chunked\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_eq!(refused(&with_fields(fields)).status(), 501, "{fields:?}");
    }
}

#[test]
fn section_11_2_whole_requests() {
    let requests: &[&[u8]] = &[
        // §2.2: white space before the first field, bare line ends, several spaces.
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 X\r\nHost: a\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        // §6.1: a coding in HTTP/1.0 means faulty framing.
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for request in requests {
        let error = refused(request);
        let text = String::from_utf8_lossy(request);
        assert_eq!(error.status(), 400, "{text:?} gave {error:?}");
    }
}

#[test]
fn section_6_framing_that_is_understood() {
    let cases = [
        ("", BodyLength::None),
        ("Content-Length: 0\r\n", BodyLength::Length(0)),
        ("Content-Length:5\r\n", BodyLength::Length(5)),
        ("CONTENT-LENGTH: \t 005 \r\n", BodyLength::Length(5)),
        (
            "Content-Length: 18446744073709551615\r\n",
            BodyLength::Length(u64::MAX),
        ),
        ("Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("transfer-encoding:\tCHUNKED \r\n", BodyLength::Chunked),
        // Other names are other fields.
        (
            "Content_Length: 5\r\nX-Transfer-Encoding: chunked\r\n",
            BodyLength::None,
        ),
        ("TE: trailers\r\nTrailer: X\r\n", BodyLength::None),
    ];
    for (fields, body_length) in cases {
        assert_eq!(
            accepted(&with_fields(fields)).body_length,
            body_length,
            "{fields:?}"
        );
    }
}

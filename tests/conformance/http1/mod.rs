//! RFC 9112 (HTTP/1.1), section by section, with what it borrows from RFC 9110.
//!
//! Every request is also fed byte by byte: a parser that answers differently when the network cuts
//! a request differently is a parser that can be tricked.

mod chunked;
mod heads;
mod properties;
mod responses;
mod smuggling;

use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{BodyLength, HeadError, Method, Scratch, Version, parse_head};

/// A head that owns what it says, so that heads of different buffers can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    method: Method,
    target: String,
    path: String,
    query: Option<String>,
    version: Version,
    body_length: BodyLength,
    keep_alive: bool,
    expect_continue: bool,
    headers: Vec<(String, Vec<u8>)>,
    consumed: usize,
}

/// One call of the parser; `None` is `Partial`.
fn parse(bytes: &[u8]) -> Result<Option<Snapshot>, HeadError> {
    let mut scratch = Scratch::new();
    Ok(match parse_head(bytes, &mut scratch)? {
        Parsed::Partial => None,
        Parsed::Complete(head, consumed) => Some(Snapshot {
            method: head.method,
            target: head.target.to_owned(),
            path: head.path.to_owned(),
            query: head.query.map(str::to_owned),
            version: head.version,
            body_length: head.body_length,
            keep_alive: head.keep_alive,
            expect_continue: head.expect_continue,
            headers: head
                .headers()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            consumed,
        }),
    })
}

/// The head that `bytes` begins with, having checked that every shorter prefix is `Partial` and
/// that whatever follows changes nothing.
fn accepted(bytes: &[u8]) -> Snapshot {
    let text = String::from_utf8_lossy(bytes);
    let whole = match parse(bytes) {
        Ok(Some(whole)) => whole,
        other => panic!("{text:?} gave {other:?}"),
    };
    for end in 0..=bytes.len() {
        let expected = (end >= whole.consumed).then(|| whole.clone());
        assert_eq!(parse(&bytes[..end]), Ok(expected), "{text:?} cut at {end}");
    }
    for more in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\r\n", b"\n", b"\0", b" "] {
        let longer = [bytes, more].concat();
        assert_eq!(
            parse(&longer).as_ref(),
            Ok(&Some(whole.clone())),
            "{text:?}"
        );
    }
    whole
}

/// The error that `bytes` are refused with, having checked that every prefix is either `Partial` or
/// refused with the same status, and stays refused.
fn refused(bytes: &[u8]) -> HeadError {
    let text = String::from_utf8_lossy(bytes);
    let error = match parse(bytes) {
        Err(error) => error,
        other => panic!("{text:?} gave {other:?}"),
    };
    let mut refused_already = false;
    for end in 0..=bytes.len() {
        match parse(&bytes[..end]) {
            Ok(None) => assert!(!refused_already, "{text:?} recovered at {end}"),
            Err(early) => {
                assert_eq!(early.status(), error.status(), "{text:?} cut at {end}");
                refused_already = true;
            }
            other => panic!("{text:?} cut at {end} gave {other:?}"),
        }
    }
    error
}

/// A request line and `Host`, so that a vector shows only the fields it is about.
fn with_fields(fields: &str) -> Vec<u8> {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

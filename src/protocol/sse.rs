//! Server-sent events, the sending side (WHATWG HTML §9.2.5, §9.2.6).
//!
//! An event stream is lines; a blank line ends an event. So a line break inside a value would end
//! the field, or the event, early:
//!
//! * in **data** it separates `data:` lines, which the reader joins with LF again (CR and CR LF
//!   come back as LF; JSON text has none of them outside of insignificant white space);
//! * in an **id or event name** there is no way to write it, and each CR, LF or NUL becomes U+FFFD.
//!   It is not dropped, since `ab` must not be what becomes of `a\nb`.
//!
//! The contents of the data, and the origin of ids, are unknown here.

use std::fmt::{self, Display, Write as _};

use bytes::BytesMut;

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends one event. Its data is at least one line, so that it is dispatched even if empty.
pub fn encode_event(
    out: &mut BytesMut,
    id: Option<impl Display>,
    event: Option<&str>,
    data: &[u8],
) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        let written = write!(SingleLine(out), "{id}");
        debug_assert!(written.is_ok(), "a Display that fails");
        out.extend_from_slice(b"\n");
    }
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        put_single_line(out, event.as_bytes());
        out.extend_from_slice(b"\n");
    }
    put_lines(out, b"data: ", data);
    out.extend_from_slice(b"\n");
}

/// Appends a comment, which readers ignore; keeps proxies from closing an idle stream.
pub fn encode_comment(out: &mut BytesMut, comment: &str) {
    put_lines(out, b": ", comment.as_bytes());
    out.extend_from_slice(b"\n");
}

/// Appends the time in milliseconds that a reader waits before it reconnects.
pub fn encode_retry(out: &mut BytesMut, retry_ms: u64) {
    let written = write!(out, "retry: {retry_ms}\n\n");
    debug_assert!(written.is_ok(), "a buffer that does not grow");
}

/// Writes `text` as lines, each with `prefix`. The space that ends the prefix is the one that
/// readers remove, so that leading spaces of the text survive.
fn put_lines(out: &mut BytesMut, prefix: &[u8], mut text: &[u8]) {
    out.reserve(prefix.len() + text.len() + 2);
    loop {
        out.extend_from_slice(prefix);
        let Some(end) = memchr::memchr2(b'\r', b'\n', text) else {
            out.extend_from_slice(text);
            out.extend_from_slice(b"\n");
            return;
        };
        out.extend_from_slice(&text[..end]);
        out.extend_from_slice(b"\n");
        let break_bytes = if text[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        text = &text[end + break_bytes..];
    }
}

fn put_single_line(out: &mut BytesMut, mut text: &[u8]) {
    while let Some(end) = memchr::memchr3(b'\r', b'\n', b'\0', text) {
        out.extend_from_slice(&text[..end]);
        out.extend_from_slice(REPLACEMENT);
        text = &text[end + 1..];
    }
    out.extend_from_slice(text);
}

/// Formats into a value that must stay on its line.
struct SingleLine<'o>(&'o mut BytesMut);

impl fmt::Write for SingleLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        put_single_line(self.0, text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn an_event_is_its_fields_and_a_blank_line() {
        let text = written(|out| encode_event(out, Some(7), Some("status"), b"{}"));
        assert_eq!(text, "id: 7\nevent: status\ndata: {}\n\n");
        let text = written(|out| encode_event(out, None::<u64>, None, b""));
        assert_eq!(text, "data: \n\n");
    }

    #[test]
    fn comments_and_retry() {
        assert_eq!(written(|out| encode_comment(out, "")), ": \n\n");
        assert_eq!(written(|out| encode_comment(out, "a\r\nb")), ": a\n: b\n\n");
        assert_eq!(written(|out| encode_retry(out, 3_000)), "retry: 3000\n\n");
    }
}

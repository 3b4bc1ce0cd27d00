//! Server-sent events as a client reads them (WHATWG HTML §9.2.6), for streams that end lines with
//! a line feed or CRLF.
//!
//! Bytes in, values out; it must never know sockets or what an event means.

/// One event of a stream; a comment is an event without data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamEvent<'a> {
    /// The last `event` field.
    pub(crate) name: Option<&'a str>,
    /// The last `id` field.
    pub(crate) id: Option<&'a str>,
    /// The last `data` field; nobody here sends several.
    pub(crate) data: Option<&'a str>,
}

impl<'a> StreamEvent<'a> {
    /// Reads one event, up to its empty line, from the start of `bytes`, and says how many bytes it
    /// took. `Err` when the stream is not UTF-8.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, std::str::Utf8Error> {
        let mut event = Self::default();
        let mut used = 0;
        while let Some(length) = bytes[used..].iter().position(|&byte| byte == b'\n') {
            let line = str::from_utf8(&bytes[used..used + length])?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            used += length + 1;
            if line.is_empty() {
                return Ok(Some((event, used)));
            }
            event.take(line);
        }
        Ok(None)
    }

    fn take(&mut self, line: &'a str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => self.name = Some(value),
            "id" => self.id = Some(value),
            "data" => self.data = Some(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line() {
        let bytes = b"id: 7:41\nevent:probe\r\ndata: \"x\"\n\n:rest";
        let end = bytes.len() - 5;
        for cut in 0..end {
            assert_eq!(StreamEvent::parse(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let (event, used) = StreamEvent::parse(bytes).expect("text").expect("whole");
        assert_eq!(used, end);
        assert_eq!(
            (event.id, event.name, event.data),
            (Some("7:41"), Some("probe"), Some("\"x\""))
        );
    }

    #[test]
    fn a_comment_has_no_data() {
        let (event, used) = StreamEvent::parse(b": still here\n\n")
            .expect("text")
            .expect("whole");
        assert_eq!((event, used), (StreamEvent::default(), 14));
        StreamEvent::parse(b"data: \xff\n\n").expect_err("not UTF-8");
    }
}

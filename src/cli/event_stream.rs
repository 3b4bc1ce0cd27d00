//! Server-sent events as a client reads them: the parser of the HTML standard, fed piece by piece.
//!
//! WHATWG HTML §9.2.5 and §9.2.6. Bytes in, events out; it knows no connection. An event that the
//! stream's end cuts off is never dispatched, as the standard asks.

use std::time::Duration;

use memchr::memchr2;

use crate::limits;

/// One dispatched event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamEvent {
    /// The event's type; `None` where the standard would say `message`.
    pub(super) name: Option<String>,
    /// The data, lines joined by line feeds.
    pub(super) data: String,
    /// The last event id at that time; empty when the stream never set one.
    pub(super) id: String,
}

/// A line or an event over [`limits::CLIENT_EVENT_BYTES_MAX`]; the stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The parser's state between two pieces of the stream.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    /// The line so far, without its end.
    line: Vec<u8>,
    /// Whether the last piece ended in CR: an LF at the start of the next belongs to it.
    after_cr: bool,
    /// Whether a line has ended, so that a byte order mark can no longer come.
    started: bool,
    name: String,
    data: String,
    id: String,
    retry: Option<Duration>,
}

impl EventStream {
    /// The reconnection time that the stream asked for.
    pub(super) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Reads one piece and appends the events that it completes.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), TooLarge> {
        if bytes.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.after_cr) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\r', b'\n', bytes) {
            self.extend_line(&bytes[..end])?;
            self.end_line(events)?;
            let (terminator, rest) = (bytes[end], &bytes[end + 1..]);
            bytes = match (terminator, rest) {
                (b'\r', [b'\n', rest @ ..]) => rest,
                (b'\r', []) => {
                    self.after_cr = true;
                    rest
                }
                _ => rest,
            };
        }
        self.extend_line(bytes)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + bytes.len() > limits::CLIENT_EVENT_BYTES_MAX {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), TooLarge> {
        let buf = std::mem::take(&mut self.line);
        let mut line = &buf[..];
        if !std::mem::replace(&mut self.started, true) {
            // §9.2.5: one leading byte order mark is part of the encoding, not of the stream.
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(events);
        } else {
            self.field(&String::from_utf8_lossy(line))?;
        }
        // The line's memory is used again, unless it grew out of the ordinary.
        if buf.capacity() <= limits::RECV_BUFFER_BYTES {
            self.line = buf;
            self.line.clear();
        }
        Ok(())
    }

    fn field(&mut self, line: &str) -> Result<(), TooLarge> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.data.len() + value.len() >= limits::CLIENT_EVENT_BYTES_MAX {
                    return Err(TooLarge);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u64::MAX);
                self.retry = Some(Duration::from_millis(millis));
            }
            // A comment has an empty name; unknown fields are ignored.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut Vec<StreamEvent>) {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return;
        }
        data.pop();
        events.push(StreamEvent {
            name: (!name.is_empty()).then_some(name),
            data,
            id: self.id.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn event(name: &str, data: &str, id: &str) -> StreamEvent {
        StreamEvent {
            name: (!name.is_empty()).then(|| name.to_owned()),
            data: data.to_owned(),
            id: id.to_owned(),
        }
    }

    fn read(pieces: &[&[u8]]) -> (Vec<StreamEvent>, Option<Duration>) {
        let mut stream = EventStream::default();
        let mut events = Vec::new();
        for piece in pieces {
            stream.push(piece, &mut events).expect("small");
        }
        (events, stream.retry())
    }

    /// Reads `text` whole, byte by byte, and cut in two at every place.
    fn assert_reads(text: &[u8], expected: &[StreamEvent]) {
        let whole = read(&[text]);
        assert_eq!(whole.0, expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_eq!(read(&[head, b"", tail]), whole, "cut at {at}");
        }
    }

    #[test]
    fn the_standards_examples() {
        let stocks = b"data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_reads(stocks, &[event("", "YHOO\n+2\n10", "")]);
        let stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        let expected = [
            event("", "first event", "1"),
            event("", "second event", ""),
            event("", " third event", ""),
        ];
        assert_reads(stream, &expected);
        let empty = b"data\n\ndata\ndata\n\ndata:";
        assert_reads(empty, &[event("", "", ""), event("", "\n", "")]);
        assert_reads(
            b"data:test\n\ndata: test\n\n",
            &[event("", "test", ""), event("", "test", "")],
        );
    }

    #[test]
    fn our_servers_stream() {
        let text = b"id: 00ff:7\nevent: status\ndata: {\"a\":1}\n\n: \n\nid: 00ff:8\ndata: [1,\ndata: 2]\n\nevent: fanfare:gap\ndata: {\"reset\":true}\n\n";
        let expected = [
            event("status", "{\"a\":1}", "00ff:7"),
            event("", "[1,\n2]", "00ff:8"),
            event("fanfare:gap", "{\"reset\":true}", "00ff:8"),
        ];
        assert_reads(text, &expected);
    }

    #[test]
    fn every_line_ending_and_a_mark() {
        let text = b"\xEF\xBB\xBFdata: a\r\ndata: b\rdata: c\n\r\n\rdata: d\r\r\n\n";
        assert_reads(text, &[event("", "a\nb\nc", ""), event("", "d", "")]);
        assert_reads(b"\n\xEF\xBB\xBFdata: a\n\n", &[]);
    }

    #[test]
    fn odd_fields() {
        assert_reads(b"event: a\n\ndata: b\n\n", &[event("", "b", "")]);
        assert_reads(b"id: 1\n\ndata: b\nid: 2\0\n\n", &[event("", "b", "1")]);
        assert_reads(b"Data: a\n data: a\nfoo: a\ndata : a\n\n", &[]);
        assert_reads(b"data: \xff\xc3\n\n", &[event("", "\u{fffd}\u{fffd}", "")]);
        assert_reads("data: é…\n\n".as_bytes(), &[event("", "é…", "")]);
        assert_reads(b"data: cut off\n", &[]);
    }

    #[test]
    fn reconnection_time() {
        assert_eq!(
            read(&[b"retry: 1500\n"]).1,
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(read(&[b"retry: 1500ms\nretry:\nretry: -1\n"]).1, None);
        let huge = read(&[b"retry: 99999999999999999999999\n"]).1;
        assert_eq!(huge, Some(Duration::from_millis(u64::MAX)));
    }

    #[test]
    fn nothing_grows_without_bound() {
        let piece = vec![b'x'; 64 * 1024];
        let pushes = |prefix: &[u8], piece: &[u8]| {
            let mut stream = EventStream::default();
            let mut events = Vec::new();
            stream.push(prefix, &mut events).expect("small");
            let bound = 2 * limits::CLIENT_EVENT_BYTES_MAX / piece.len();
            (0..bound).find(|_| stream.push(piece, &mut events).is_err())
        };
        assert!(pushes(b"data: ", &piece).is_some());
        assert!(pushes(b": ", &piece).is_some());
        assert!(pushes(b"", &[b"data: ", &piece[..], b"\n"].concat()).is_some());
        assert!(pushes(b"", &[&piece[..], b"\n"].concat()).is_none());
    }

    proptest! {
        #[test]
        fn any_cut_reads_the_same(
            text in "(data|event|id|retry|:|: |\r\n|\n|\r|a|7|\u{feff}){0,40}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[text]));
        }
    }
}

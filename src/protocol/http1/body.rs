//! Chunked request bodies (RFC 9112 §7.1), decoded in place.
//!
//! ```text
//!            ┌──────────────── CR LF ◄─ Data ◄──────────────┐ size > 0
//!            ▼                                              │
//! start ─► Size ─► (Padding) ─► (Extension) ─► SizeLineFeed ┤
//!                                                           │ size = 0
//!                    Done ◄─ EndLineFeed ◄─ TrailerStart ◄──┘
//!                                            │       ▲
//!                                            ▼       │
//!                                  TrailerName ─► TrailerValue ─► TrailerLineFeed
//! ```
//!
//! Extensions and trailers are read, bounded and ignored, but their grammar is still checked: bytes
//! that a proxy takes for the next request must not pass here as a trailer. The buffer, and its
//! bound, are the caller's business.

use super::error::BodyError;
use super::fields::is_tchar;
use crate::limits::{HTTP_CHUNK_LINE_BYTES_MAX, HTTP_TRAILER_BYTES_MAX};

/// The result of one call of [`ChunkedDecoder::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the buffer that were read. All of them unless `done`; the rest then belongs to the
    /// next request.
    pub consumed: usize,
    /// Bytes of body, now at the front of the buffer; at most `consumed`.
    pub produced: usize,
    /// Whether the body is complete.
    pub done: bool,
}

/// The place of the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SizeStart,
    Size,
    Padding,
    Extension(Extension),
    SizeLineFeed,
    Data,
    DataCarriageReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
    Failed(BodyError),
}

/// The place of the next byte within an extension (RFC 9112 §7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Behind the semicolon; a name must come.
    Start,
    Name,
    /// White space behind the name.
    NameEnd,
    /// Behind the equals sign; a value must come.
    ValueStart,
    Token,
    Quoted,
    /// Behind a backslash within quotes.
    QuotedPair,
    /// Behind the closing quote, or white space behind a value.
    ValueEnd,
}

/// Decodes one chunked body that arrives in pieces of any size. A few words, no buffer.
#[derive(Clone, Copy, Debug)]
pub struct ChunkedDecoder {
    /// Size of the chunk while its line is read; then the rest of its data.
    remaining: u64,
    /// Body bytes of all chunks announced so far.
    announced: u64,
    /// Bytes of the chunk-size line or of the trailer section so far.
    line_bytes: u16,
    state: State,
}

const _: () = assert!(size_of::<ChunkedDecoder>() <= 32);

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the beginning of a body.
    pub const fn new() -> Self {
        Self {
            remaining: 0,
            announced: 0,
            line_bytes: 0,
            state: State::SizeStart,
        }
    }

    /// Decodes the next piece of the body, in place: chunk data moves to the front of `buf`.
    ///
    /// A chunk that would make the body longer than `body_bytes_max` is refused when it is
    /// announced, not when it arrives. After an error every further call gives the same error;
    /// after the end every further call consumes nothing.
    pub fn decode(&mut self, buf: &mut [u8], body_bytes_max: u64) -> Result<Decoded, BodyError> {
        let mut consumed = 0;
        let mut produced = 0;
        while consumed < buf.len() && self.state != State::Done {
            if self.state == State::Data {
                let available = buf.len() - consumed;
                let take = usize::try_from(self.remaining).map_or(available, |n| n.min(available));
                if produced != consumed {
                    buf.copy_within(consumed..consumed + take, produced);
                }
                consumed += take;
                produced += take;
                self.remaining -= take as u64;
                if self.remaining == 0 {
                    self.state = State::DataCarriageReturn;
                }
            } else {
                let next = self.step(buf[consumed], body_bytes_max);
                self.state = next.unwrap_or_else(State::Failed);
                next?;
                consumed += 1;
            }
        }
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        Ok(Decoded {
            consumed,
            produced,
            done: self.state == State::Done,
        })
    }

    /// One byte outside chunk data.
    fn step(&mut self, byte: u8, body_bytes_max: u64) -> Result<State, BodyError> {
        match self.state {
            State::SizeStart | State::Size | State::Padding | State::Extension(_) => {
                self.count(HTTP_CHUNK_LINE_BYTES_MAX, BodyError::ChunkLineTooLong)?;
                self.step_size_line(byte)
            }
            State::SizeLineFeed if byte == b'\n' => self.begin_chunk(body_bytes_max),
            State::SizeLineFeed => Err(BodyError::ChunkLine),
            State::DataCarriageReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataLineFeed if byte == b'\n' => Ok(State::SizeStart),
            State::DataCarriageReturn | State::DataLineFeed => Err(BodyError::ChunkEnd),
            State::TrailerStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLineFeed
            | State::EndLineFeed => {
                self.count(HTTP_TRAILER_BYTES_MAX, BodyError::TrailerTooLong)?;
                step_trailer(self.state, byte)
            }
            State::Failed(error) => Err(error),
            // `decode` handles both.
            state @ (State::Data | State::Done) => Ok(state),
        }
    }

    /// `chunk-size [ chunk-ext ] CR` (RFC 9112 §7.1.1).
    fn step_size_line(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::SizeStart | State::Size, _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).ok_or(BodyError::ChunkSize)?;
                self.remaining =
                    self.remaining.checked_mul(16).ok_or(BodyError::ChunkSize)? | u64::from(digit);
                Ok(State::Size)
            }
            (State::Size, b'\r') => Ok(State::SizeLineFeed),
            (State::Size | State::Padding, b';') => Ok(State::Extension(Extension::Start)),
            // RFC 9112 §7.1.1: bad white space is tolerated before the semicolon, not before the
            // line's end.
            (State::Size | State::Padding, b' ' | b'\t') => Ok(State::Padding),
            (State::SizeStart | State::Size, _) => Err(BodyError::ChunkSize),
            (State::Extension(extension), _) => step_extension(extension, byte),
            _ => Err(BodyError::ChunkLine),
        }
    }

    /// The size line is complete.
    fn begin_chunk(&mut self, body_bytes_max: u64) -> Result<State, BodyError> {
        self.line_bytes = 0;
        if self.remaining == 0 {
            return Ok(State::TrailerStart);
        }
        self.announced = self
            .announced
            .checked_add(self.remaining)
            .filter(|&announced| announced <= body_bytes_max)
            .ok_or(BodyError::TooLarge)?;
        Ok(State::Data)
    }

    fn count(&mut self, bytes_max: usize, error: BodyError) -> Result<(), BodyError> {
        if usize::from(self.line_bytes) == bytes_max {
            return Err(error);
        }
        self.line_bytes += 1;
        Ok(())
    }
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112 §7.1.1), behind the
/// first semicolon. A bare LF ends the line for some recipients: not for this one.
fn step_extension(extension: Extension, byte: u8) -> Result<State, BodyError> {
    use Extension as E;
    let next = match (extension, byte) {
        (E::Name | E::NameEnd | E::Token | E::ValueEnd, b'\r') => return Ok(State::SizeLineFeed),
        (E::Name | E::NameEnd | E::Token | E::ValueEnd, b';') => E::Start,
        (E::Name | E::NameEnd, b'=') => E::ValueStart,
        (E::Name | E::NameEnd, b' ' | b'\t') => E::NameEnd,
        (E::Start | E::ValueStart, b' ' | b'\t') => extension,
        (E::ValueStart, b'"') => E::Quoted,
        (E::Token | E::ValueEnd, b' ' | b'\t') | (E::Quoted, b'"') => E::ValueEnd,
        (E::Quoted, b'\\') => E::QuotedPair,
        (E::Quoted | E::QuotedPair, _) if is_text(byte) => E::Quoted,
        (E::Start | E::Name, _) if is_tchar(byte) => E::Name,
        (E::ValueStart | E::Token, _) if is_tchar(byte) => E::Token,
        _ => return Err(BodyError::ChunkLine),
    };
    Ok(State::Extension(next))
}

/// `*( field-line CRLF ) CRLF` (RFC 9112 §7.1.2). A folded line begins with white space, which is
/// no `tchar`.
fn step_trailer(state: State, byte: u8) -> Result<State, BodyError> {
    match (state, byte) {
        (State::TrailerStart, b'\r') => Ok(State::EndLineFeed),
        (State::EndLineFeed, b'\n') => Ok(State::Done),
        (State::TrailerName, b':') => Ok(State::TrailerValue),
        (State::TrailerStart | State::TrailerName, _) if is_tchar(byte) => Ok(State::TrailerName),
        (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
        (State::TrailerLineFeed, b'\n') => Ok(State::TrailerStart),
        (State::TrailerValue, _) if is_text(byte) => Ok(State::TrailerValue),
        _ => Err(BodyError::Trailer),
    }
}

/// Whether a byte may stand in a field value or within quotes: no control character but the tab.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelined_bytes_are_left_alone() {
        let mut buf = *b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /";
        let decoded = ChunkedDecoder::new().decode(&mut buf, 5).unwrap();
        assert_eq!((decoded.produced, decoded.done), (5, true));
        assert_eq!(&buf[..5], b"abcde");
        assert_eq!(&buf[decoded.consumed..], b"GET /");
    }

    #[test]
    fn the_end_and_an_error_are_final() {
        let mut decoder = ChunkedDecoder::new();
        decoder.decode(&mut b"0\r\n\r\n".to_vec(), 0).unwrap();
        let after = decoder.decode(&mut b"1\r\n".to_vec(), 0).unwrap();
        assert_eq!((after.consumed, after.done), (0, true));

        let mut decoder = ChunkedDecoder::new();
        let error = decoder.decode(&mut b"x".to_vec(), 0);
        assert_eq!(error, Err(BodyError::ChunkSize));
        assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_vec(), 0), error);
        assert_eq!(decoder.decode(&mut [], 0), error);
    }
}

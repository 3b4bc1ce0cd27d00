//! The receiving half of a WebSocket (RFC 6455 §5–§8): bytes from a client in, whole messages out.
//!
//! A message that lies whole in the input, in one frame, is unmasked where it lies and lent.
//! Anything else is taken as it comes and put together in a buffer that exists only meanwhile, so
//! that an idle connection costs [`size_of::<Receiver>()`](Receiver) and no heap.
//!
//! It never knows the meaning of a message, and does not answer pings and close frames.

use super::close::{CloseCode, WebSocketError};
use super::frame::{FrameHeader, Opcode};
use super::mask::{advance, unmask};
use super::message::{Item, Message, Step};
use super::utf8::Utf8Stream;
use crate::limits::WEBSOCKET_PIECE_BYTES_MAX;
use crate::protocol::Parsed;

/// Turns one client's bytes into messages.
///
/// ```text
///            control frame, whole ──► Ping, Pong        any error
///            data frame, FIN, whole ──► Text, Binary      │   close frame ──► Close
///              ┌──┐                                       ▼        ▼
///              ▼  │      data frame, otherwise         ┌─────────────┐
///          ┌────────┐ ──────────────────► ┌─────────┐  │   Closed    │
///          │ Header │                     │ Payload │  │ discards    │
///          └────────┘ ◄────────────────── └─────────┘  │ all that is │
///                      its last byte;       │    ▲     │ still sent  │
///                      with FIN:            └────┘     └─────────────┘
///                      ──► Text, Binary    part of it
/// ```
///
/// Orthogonal to `Header` and `Payload` is whether a message is *in progress*. It is from the first
/// byte of a data frame that is not lent until the end of the one with FIN: in `Payload` always, in
/// `Header` between two fragments. There, control frames may come, continuations must, and the
/// start of another message must not.
#[derive(Debug)]
pub struct Receiver {
    message_bytes_max: usize,
    state: State,
    /// Boxed: nearly always there is none, and there are very many receivers.
    in_progress: Option<Box<InProgress>>,
}

const _: () = assert!(size_of::<Receiver>() <= 32);

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Payload(Payload),
    Closed,
}

/// The rest of a data frame's payload.
#[derive(Clone, Copy, Debug)]
struct Payload {
    /// Bytes; 0 only for a frame that has none.
    remaining: usize,
    /// In phase with the next byte.
    mask_key: [u8; 4],
    fin: bool,
}

/// A message that could not be lent.
#[derive(Debug)]
struct InProgress {
    payload: Vec<u8>,
    /// For text: the state of its UTF-8.
    text: Option<Utf8Stream>,
}

impl Receiver {
    /// A receiver that accepts messages of up to `message_bytes_max` bytes and owns no heap yet.
    pub const fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            state: State::Header,
            in_progress: None,
        }
    }

    /// Accepts messages of up to that many bytes from now on. A message in progress keeps its
    /// earlier bound.
    pub fn set_message_bytes_max(&mut self, message_bytes_max: usize) {
        if self.in_progress.is_none() || message_bytes_max > self.message_bytes_max {
            self.message_bytes_max = message_bytes_max;
        }
    }

    /// Takes the next step into `buf`, the input that is not yet consumed.
    ///
    /// Call it again with what follows the consumed bytes until a step has consumed nothing; then
    /// keep the rest, at most [`WEBSOCKET_PIECE_BYTES_MAX`] − 1 bytes, and offer it again with more
    /// behind it. Consumed bytes may have been unmasked in place; the others are as they were.
    ///
    /// After a close frame or an error, everything is consumed and nothing comes out (RFC 6455
    /// §1.4).
    ///
    /// # Errors
    ///
    /// 1002 for broken framing, 1007 for text or a close reason that is not UTF-8 (at the first
    /// byte that cannot be), 1009 as soon as a header promises too long a message.
    #[inline]
    pub fn recv<'b>(&mut self, buf: &'b mut [u8]) -> Result<Step<'b>, WebSocketError> {
        let step = match self.state {
            State::Header => self.recv_frame(buf),
            State::Payload(payload) => self.recv_payload(payload, buf),
            State::Closed => Ok(Step {
                consumed: buf.len(),
                item: None,
            }),
        };
        if step.is_err() {
            self.close();
        }
        step
    }

    /// Whether a close frame or an error has ended the conversation.
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Heap that a message in progress holds now: at most twice the bytes received of it.
    pub fn held_bytes(&self) -> usize {
        let in_progress = self.in_progress.as_ref();
        in_progress.map_or(0, |message| message.payload.capacity())
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.in_progress = None;
    }

    fn recv_frame<'b>(&mut self, buf: &'b mut [u8]) -> Result<Step<'b>, WebSocketError> {
        let Parsed::Complete(header, header_bytes) = FrameHeader::decode(buf)? else {
            return Ok(Step::MORE);
        };
        // RFC 6455 §5.1: a server MUST close the connection upon a frame that is not masked.
        let Some(mask_key) = header.mask_key else {
            return Err(WebSocketError::protocol("a client's frame is not masked"));
        };
        if header.opcode.is_control() {
            return self.recv_control(&header, mask_key, header_bytes, buf);
        }
        self.check_order(header.opcode)?;
        let payload = Payload {
            remaining: self.admit(header.payload_bytes)?,
            mask_key,
            fin: header.fin,
        };
        let input = &mut buf[header_bytes..];
        let mut step = if header.opcode != Opcode::Continuation
            && header.fin
            && payload.remaining <= input.len()
        {
            lend(header.opcode, payload, input)?
        } else {
            let is_text = header.opcode == Opcode::Text;
            self.in_progress.get_or_insert_with(|| {
                Box::new(InProgress {
                    payload: Vec::new(),
                    text: is_text.then(Utf8Stream::new),
                })
            });
            self.recv_payload(payload, input)?
        };
        step.consumed += header_bytes;
        Ok(step)
    }

    /// RFC 6455 §5.4: fragments of one message follow each other.
    fn check_order(&self, opcode: Opcode) -> Result<(), WebSocketError> {
        match (opcode, &self.in_progress) {
            (Opcode::Continuation, None) => Err(WebSocketError::protocol(
                "a continuation without a message to continue",
            )),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(WebSocketError::protocol(
                "a new message before the last fragment of another",
            )),
            _ => Ok(()),
        }
    }

    /// The frame's length, if the message may grow by it.
    fn admit(&self, payload_bytes: u64) -> Result<usize, WebSocketError> {
        let in_progress = self.in_progress.as_ref();
        let received = in_progress.map_or(0, |message| message.payload.len());
        usize::try_from(payload_bytes)
            .ok()
            .filter(|&bytes| bytes <= self.message_bytes_max - received)
            .ok_or(WebSocketError::TOO_BIG)
    }

    /// A control frame is taken whole or not at all.
    fn recv_control<'b>(
        &mut self,
        header: &FrameHeader,
        mask_key: [u8; 4],
        header_bytes: usize,
        buf: &'b mut [u8],
    ) -> Result<Step<'b>, WebSocketError> {
        // At most 125, or the header would not have passed.
        let consumed = header_bytes + header.payload_bytes as usize;
        debug_assert!(consumed <= WEBSOCKET_PIECE_BYTES_MAX);
        let Some(payload) = buf.get_mut(header_bytes..consumed) else {
            return Ok(Step::MORE);
        };
        unmask(payload, mask_key, 0);
        let item = match header.opcode {
            Opcode::Ping => Item::Ping(payload),
            Opcode::Pong => Item::Pong(payload),
            _ => {
                self.close();
                Item::Close(parse_close(payload)?)
            }
        };
        Ok(Step {
            consumed,
            item: Some(item),
        })
    }

    fn recv_payload<'b>(
        &mut self,
        mut frame: Payload,
        buf: &mut [u8],
    ) -> Result<Step<'b>, WebSocketError> {
        let consumed = frame.remaining.min(buf.len());
        let chunk = &mut buf[..consumed];
        unmask(chunk, frame.mask_key, 0);
        if let Some(message) = &mut self.in_progress {
            let end = if frame.fin {
                message.payload.len() + frame.remaining
            } else {
                self.message_bytes_max
            };
            message.append(chunk, end)?;
        }
        frame.remaining -= consumed;
        if frame.remaining > 0 {
            frame.mask_key = advance(frame.mask_key, consumed);
            self.state = State::Payload(frame);
            return Ok(Step {
                consumed,
                item: None,
            });
        }
        self.state = State::Header;
        let message = if frame.fin {
            self.in_progress.take()
        } else {
            None
        };
        let item = message.map(|message| message.finish()).transpose()?;
        Ok(Step { consumed, item })
    }
}

impl InProgress {
    /// Appends to a message that will have at most `end` bytes.
    fn append(&mut self, chunk: &[u8], end: usize) -> Result<(), WebSocketError> {
        if let Some(text) = &mut self.text {
            text.push(chunk).map_err(|_| WebSocketError::INVALID_UTF8)?;
        }
        let length = self.payload.len() + chunk.len();
        if length > self.payload.capacity() {
            // Only received bytes count: a header that promises much costs its sender as much.
            // Twice that, so that growing costs linear time, but not beyond the message's end.
            let capacity = length.saturating_mul(2).min(end);
            self.payload.reserve_exact(capacity - self.payload.len());
        }
        self.payload.extend_from_slice(chunk);
        Ok(())
    }

    fn finish<'b>(self) -> Result<Item<'b>, WebSocketError> {
        let message = Message::Assembled(self.payload);
        match self.text {
            None => Ok(Item::Binary(message)),
            Some(text) if text.is_complete() => Ok(Item::Text(message)),
            Some(_) => Err(WebSocketError::INVALID_UTF8),
        }
    }
}

/// A message of one frame that lies whole at the front of `input`.
#[inline]
fn lend(opcode: Opcode, frame: Payload, input: &mut [u8]) -> Result<Step<'_>, WebSocketError> {
    let consumed = frame.remaining;
    let payload = &mut input[..consumed];
    unmask(payload, frame.mask_key, 0);
    let item = if opcode == Opcode::Text {
        // RFC 6455 §8.1.
        std::str::from_utf8(payload).map_err(|_| WebSocketError::INVALID_UTF8)?;
        Item::Text(Message::Lent(payload))
    } else {
        Item::Binary(Message::Lent(payload))
    };
    Ok(Step {
        consumed,
        item: Some(item),
    })
}

/// RFC 6455 §5.5.1: nothing, or a code of two bytes and a reason in UTF-8.
fn parse_close(payload: &[u8]) -> Result<Option<(CloseCode, &str)>, WebSocketError> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(WebSocketError::protocol("a close frame of one byte"))
        };
    };
    let code = CloseCode(u16::from_be_bytes(code));
    if !code.is_valid_on_wire() {
        return Err(WebSocketError::protocol("invalid close code"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason))),
        Err(_) => Err(WebSocketError::INVALID_UTF8),
    }
}

//! What attackers say on a WebSocket: messages without end, messages that never end, and more
//! than anyone wants kept.

use std::net::SocketAddr;

use super::{Attacker, Filler, PIECE_BYTES, Says, Told};
use crate::http::{Head, Response};
use crate::websocket::{
    Frame, Opcode, close_code, encode_control, encode_text, handshake_fields, is_accepted,
};

/// A frame's header with a length of 64 bits and a mask of zeros, under which bytes stay as they
/// are.
const LONG_TEXT: [u8; 2] = [0x01, 0xff];
const NO_MASK: [u8; 4] = [0; 4];
/// What every dialect's refusals have near their beginning, and nothing else that attackers are
/// told.
const ERROR: &[u8] = b"\"error\"";
/// How near.
const ERROR_WITHIN_BYTES: usize = 200;

/// The dialects that one connects to by WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sessions,
    Sysadm,
    Live,
    Stream,
    Pubsub,
}

impl Dialect {
    /// The request that opens a socket; `fields` are more header lines, each ended by CRLF.
    pub(crate) fn handshake(self, host: SocketAddr, session: &str, fields: &str) -> Vec<u8> {
        let path = match self {
            Self::Sessions => format!("/api/sessions/{session}/events"),
            Self::Sysadm => "/sysadm".to_owned(),
            Self::Live => "/live/ws".to_owned(),
            Self::Stream => "/event/v2/stream".to_owned(),
            Self::Pubsub => format!("/pubsub/ws?event_id=hostile&session_id={session}"),
        };
        let handshake = handshake_fields();
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{handshake}{fields}\r\n").into_bytes()
    }

    /// What a client says to hear of events of this name, which is one of sysadm's classes; nothing
    /// where it hears of all.
    pub(crate) fn subscribe(self, name: &str) -> Option<String> {
        match self {
            Self::Sessions | Self::Live => None,
            Self::Sysadm => Some(format!(
                r#"{{"namespace":"events","name":"subscribe","id":"a","args":["{name}"]}}"#
            )),
            Self::Stream => Some(format!(
                r#"{{"subscribe":{{"name":"{name}"}},"correlationId":"c"}}"#
            )),
            Self::Pubsub => Some(format!(
                r#"{{"action":"subscribe-event","data":{{"eventName":"{name}"}},"ref":1}}"#
            )),
        }
    }
}

/// What comes after the handshake.
#[derive(Debug)]
pub(crate) enum After {
    /// These messages, so many of them.
    Messages(Says<String>, u64),
    /// The first fragment of a message, of so many bytes, and no other.
    Fragment(usize),
}

/// One WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    handshake: Vec<u8>,
    after: After,
    /// Whether it reads once everything is said.
    reads_on: bool,
    is_open: bool,
    said: u64,
    filler: Filler,
    pongs: Vec<u8>,
}

impl Socket {
    /// Opens a socket with this request, and goes on.
    pub(crate) fn new(handshake: Vec<u8>, after: After) -> Self {
        Self {
            handshake,
            after,
            reads_on: true,
            is_open: false,
            said: 0,
            filler: Filler::Bytes(0),
            pongs: Vec::new(),
        }
    }

    /// The same, which reads nothing after all is said.
    pub(crate) fn unread(self) -> Self {
        Self {
            reads_on: false,
            ..self
        }
    }

    /// Whether everything is said.
    fn is_done(&self) -> bool {
        match self.after {
            After::Messages(_, limit) => self.said >= limit,
            After::Fragment(_) => self.said > 0,
        }
    }

    fn hear_frames(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        let mut used = 0;
        loop {
            let parsed = Frame::parse(&bytes[used..]).map_err(|error| error.to_string())?;
            let Some((frame, taken)) = parsed else {
                return Ok(used);
            };
            used += taken;
            match frame.opcode {
                Opcode::Text | Opcode::Binary => {
                    if is_error(frame.payload) {
                        let text = String::from_utf8_lossy(frame.payload);
                        told.refusals.add(&text);
                    } else {
                        told.answers += 1;
                    }
                }
                Opcode::Ping => encode_control(Opcode::Pong, frame.payload, &mut self.pongs),
                Opcode::Pong => {}
                Opcode::Close => {
                    let code = close_code(frame.payload);
                    let reason = frame.payload.get(2..).unwrap_or_default();
                    let reason = String::from_utf8_lossy(reason);
                    return Err(format!("close {code} {reason}"));
                }
            }
        }
    }
}

/// Whether a message says that something was refused, in whichever dialect.
fn is_error(text: &[u8]) -> bool {
    let mut start = text.windows(ERROR.len()).take(ERROR_WITHIN_BYTES);
    start.any(|piece| piece == ERROR)
}

impl Attacker for Socket {
    fn say(&mut self, buf: &mut Vec<u8>) {
        buf.append(&mut self.handshake);
        if !self.is_open {
            return;
        }
        if let After::Fragment(_) = self.after
            && self.said > 0
        {
            // Nothing of ours may come between the bytes of a frame.
            self.filler.say(buf);
            return;
        }
        buf.append(&mut self.pongs);
        match &mut self.after {
            After::Messages(messages, limit) => {
                while buf.len() < PIECE_BYTES && self.said < *limit {
                    messages.with(self.said, |text| put_text(text, buf));
                    self.said += 1;
                }
            }
            After::Fragment(bytes) => {
                buf.extend_from_slice(&LONG_TEXT);
                buf.extend_from_slice(&(*bytes as u64).to_be_bytes());
                buf.extend_from_slice(&NO_MASK);
                self.filler = Filler::Bytes(*bytes);
                self.said = 1;
            }
        }
    }

    fn hear(&mut self, bytes: &[u8], told: &mut Told) -> Result<usize, String> {
        if self.is_open {
            return self.hear_frames(bytes, told);
        }
        let head = Head::parse(bytes).map_err(|error| error.to_string())?;
        let Some((head, used)) = head else {
            return Ok(0);
        };
        if is_accepted(&head) {
            self.is_open = true;
            told.opened += 1;
            return Ok(used + self.hear_frames(&bytes[used..], told)?);
        }
        let parsed = Response::parse(bytes).map_err(|error| error.to_string())?;
        let Some((response, used)) = parsed else {
            return Ok(0);
        };
        told.answer(response.head.status, &response.body);
        Ok(used)
    }

    fn reads(&self) -> bool {
        self.reads_on || !self.is_open || !self.is_done()
    }
}

/// A text message of any length.
fn put_text(text: &str, buf: &mut Vec<u8>) {
    if text.len() <= 0xffff {
        encode_text(text, buf);
        return;
    }
    buf.extend_from_slice(&[0x80 | LONG_TEXT[0], LONG_TEXT[1]]);
    buf.extend_from_slice(&(text.len() as u64).to_be_bytes());
    buf.extend_from_slice(&NO_MASK);
    buf.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::server;

    const ACCEPTED: &[u8] = server::ACCEPTED.as_bytes();

    fn socket(after: After) -> Socket {
        Socket::new(b"GET".to_vec(), after)
    }

    fn said(socket: &mut Socket) -> Vec<u8> {
        let mut buf = Vec::new();
        socket.say(&mut buf);
        buf
    }

    #[test]
    fn nothing_is_said_before_the_socket_is_open() {
        let mut socket = socket(After::Messages(Says::Same("m".to_owned()), 2));
        assert_eq!(said(&mut socket), b"GET");
        assert!(said(&mut socket).is_empty());
        let mut told = Told::default();
        assert_eq!(socket.hear(&ACCEPTED[..20], &mut told), Ok(0));
        let welcome = [ACCEPTED, b"\x81\x02hi"].concat();
        assert_eq!(socket.hear(&welcome, &mut told), Ok(welcome.len()));
        assert_eq!((told.opened, told.answers), (1, 1));
        assert!(socket.reads());
        assert_eq!(said(&mut socket).len(), 2 * (2 + 4 + 1));
        assert!(said(&mut socket).is_empty());
        assert!(socket.reads() && !socket.unread().reads());
    }

    #[test]
    fn a_fragment_is_all_of_its_frame_and_no_more() {
        let mut socket = socket(After::Fragment(PIECE_BYTES + 1));
        said(&mut socket);
        let mut told = Told::default();
        socket.hear(ACCEPTED, &mut told).expect("sound");
        let header = said(&mut socket);
        assert_eq!(header[..2], [0x01, 0xff]);
        assert_eq!(header[2..10], (PIECE_BYTES as u64 + 1).to_be_bytes());
        // A ping meanwhile is not answered into the frame.
        socket.hear(b"\x89\x01p", &mut told).expect("sound");
        let lengths = [(); 3].map(|()| said(&mut socket).len());
        assert_eq!(lengths, [PIECE_BYTES, 1, 0]);
    }

    #[test]
    fn refusals_and_closes_are_told() {
        let mut told = Told::default();
        let mut refused = socket(After::Fragment(1));
        let answer = b"HTTP/1.1 401 x\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(refused.hear(answer, &mut told), Ok(answer.len()));
        assert_eq!(told.first_refusal(), Some("401 no"));
        let mut socket = socket(After::Fragment(1));
        socket.hear(ACCEPTED, &mut told).expect("sound");
        let error = br#"{"error":{"code":8}}"#;
        let frames = server::frame(0x81, error);
        socket.hear(&frames, &mut told).expect("sound");
        assert_eq!(told.refusals.total(), 2);
        let ended = socket.hear(b"\x88\x06\x03\xf1long", &mut told);
        assert_eq!(ended, Err("close 1009 long".to_owned()));
    }

    #[test]
    fn long_texts_have_long_headers() {
        let mut buf = Vec::new();
        put_text(&"t".repeat(70_000), &mut buf);
        assert_eq!(buf[..2], [0x81, 0xff]);
        assert_eq!(buf.len(), 14 + 70_000);
    }
}

//! The opening handshake (RFC 6455 §4.2): may this request become a WebSocket, and the answer if
//! so.
//!
//! The caller parses the request and fills in [`HandshakeFields`]; no HTTP parser is known here.
//! Extensions are never negotiated, so an offer of them is simply not taken up (§9.1). The `Origin`
//! is the caller's to judge (§4.2.2, 10.2).

use std::fmt;

use bytes::BytesMut;
use tungstenite::handshake::derive_accept_key;

/// Length of a key: 16 bytes in base64.
const KEY_BYTES: usize = 24;

/// The parts of a request that the handshake needs.
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent facts, each judged once; there is no state that they encode"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeFields<'a> {
    /// The method is `GET`.
    pub method_is_get: bool,
    /// The version is HTTP/1.1.
    pub http11: bool,
    /// `Upgrade` contains the token `websocket`, in any case.
    pub upgrade_websocket: bool,
    /// `Connection` contains the token `upgrade`, in any case.
    pub connection_upgrade: bool,
    /// The value of `Sec-WebSocket-Version`.
    pub version: Option<&'a [u8]>,
    /// The value of the first `Sec-WebSocket-Key`, without surrounding whitespace.
    pub key: Option<&'a [u8]>,
    /// Number of `Sec-WebSocket-Key` fields.
    pub key_count: usize,
}

/// A request that may become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    key: [u8; KEY_BYTES],
}

/// The reason why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// 405: the method is not `GET`.
    Method,
    /// 400: the request is HTTP/1.0.
    HttpVersion,
    /// 426: a plain request, without `Upgrade: websocket`.
    NotUpgrade,
    /// 400: `Upgrade` came without `Connection: Upgrade`.
    Connection,
    /// 426: `Sec-WebSocket-Version` is missing or not 13.
    Version,
    /// 400: `Sec-WebSocket-Key` is missing, repeated, or not base64 of 16 bytes.
    Key,
}

impl Handshake {
    /// Judges a request by RFC 6455 §4.2.1.
    pub fn check(fields: HandshakeFields<'_>) -> Result<Self, HandshakeError> {
        if !fields.method_is_get {
            return Err(HandshakeError::Method);
        }
        if !fields.http11 {
            return Err(HandshakeError::HttpVersion);
        }
        if !fields.upgrade_websocket {
            return Err(HandshakeError::NotUpgrade);
        }
        if !fields.connection_upgrade {
            return Err(HandshakeError::Connection);
        }
        // Before the key: a client of another version should learn that first.
        if fields.version != Some(b"13") {
            return Err(HandshakeError::Version);
        }
        match fields.key {
            Some(key) if fields.key_count == 1 => parse_key(key),
            _ => None,
        }
        .map(|key| Self { key })
        .ok_or(HandshakeError::Key)
    }

    /// Appends the 101 response.
    ///
    /// `protocol` is the one subprotocol chosen from the client's offer. `extra_headers` are whole
    /// lines, each with its CRLF. A protocol that is not a token (RFC 9110 §5.6.2) is not echoed,
    /// so that nothing a client offers can add a line to the response.
    pub fn write_response(&self, out: &mut BytesMut, protocol: Option<&str>, extra_headers: &[u8]) {
        debug_assert!(extra_headers.is_empty() || extra_headers.ends_with(b"\r\n"));
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(derive_accept_key(&self.key).as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(protocol) = protocol.filter(|protocol| is_token(protocol)) {
            out.extend_from_slice(b"Sec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(extra_headers);
        out.extend_from_slice(b"\r\n");
    }
}

impl HandshakeError {
    /// The status of the response.
    pub const fn status(self) -> u16 {
        match self {
            Self::HttpVersion | Self::Connection | Self::Key => 400,
            Self::Method => 405,
            Self::NotUpgrade | Self::Version => 426,
        }
    }

    /// The header fields that the status calls for: whole lines, each with its CRLF.
    pub const fn headers(self) -> &'static [u8] {
        match self.status() {
            // RFC 9110 §15.5.6.
            405 => b"Allow: GET\r\n",
            // RFC 9110 §15.5.22 wants Upgrade, §7.8 Connection with it; RFC 6455 §4.4 the version.
            426 => {
                b"Upgrade: websocket\r\n\
                  Connection: Upgrade\r\n\
                  Sec-WebSocket-Version: 13\r\n"
            }
            _ => b"",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket is opened with GET",
            Self::HttpVersion => "a WebSocket is opened with HTTP/1.1",
            Self::NotUpgrade => "this is a WebSocket: Upgrade must contain websocket",
            Self::Connection => "Connection must contain Upgrade",
            Self::Version => "Sec-WebSocket-Version must be 13",
            Self::Key => "Sec-WebSocket-Key must be there once, base64 of 16 bytes",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// The key as it was sent, if it decodes to 16 bytes.
fn parse_key(key: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
    let (digits, padding) = key.split_at(KEY_BYTES - 2);
    let is_digit = |&byte: &u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    // The four bits that the last digit has to spare are left alone: RFC 4648 §3.5 lets us, and the
    // key is hashed as text, never decoded.
    (padding == b"==" && digits.iter().all(is_digit)).then_some(*key)
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: HandshakeFields<'static> = HandshakeFields {
        method_is_get: true,
        http11: true,
        upgrade_websocket: true,
        connection_upgrade: true,
        version: Some(b"13"),
        key: Some(b"dGhlIHNhbXBsZSBub25jZQ=="),
        key_count: 1,
    };

    #[rustfmt::skip]
    #[test]
    fn each_requirement_has_its_refusal() {
        use HandshakeError as E;
        let cases = [
            (HandshakeFields { method_is_get: false, ..GOOD }, E::Method, 405),
            (HandshakeFields { http11: false, ..GOOD }, E::HttpVersion, 400),
            (HandshakeFields { upgrade_websocket: false, ..GOOD }, E::NotUpgrade, 426),
            (HandshakeFields { connection_upgrade: false, ..GOOD }, E::Connection, 400),
            (HandshakeFields { version: None, ..GOOD }, E::Version, 426),
            (HandshakeFields { version: Some(b"8"), ..GOOD }, E::Version, 426),
            (HandshakeFields { key: None, key_count: 0, ..GOOD }, E::Key, 400),
            (HandshakeFields { key_count: 2, ..GOOD }, E::Key, 400),
        ];
        for (fields, error, status) in cases {
            assert_eq!(Handshake::check(fields), Err(error));
            assert_eq!(error.status(), status);
        }
        assert!(Handshake::check(GOOD).is_ok());
    }

    #[test]
    fn keys_are_base64_of_16_bytes() {
        let valid = |key: &[u8]| parse_key(key).is_some();
        assert!(valid(b"AQIDBAUGBwgJCgsMDQ4PEA=="));
        assert!(valid(b"++++++++++++++////////=="));
        assert!(!valid(b"AQIDBAUGBwgJCgsMDQ4PEA="), "too short");
        assert!(!valid(b"AQIDBAUGBwgJCgsMDQ4PEBE="), "17 bytes");
        assert!(!valid(b"AQIDBAUGBwgJCgsMDQ4PEBES"), "18 bytes");
        assert!(!valid(b"AQIDBAUGBwgJCgsMDQ4PEA==\n"), "too long");
        assert!(!valid(b"AQIDBAUGBwgJ-gsMDQ4PEA=="), "not this alphabet");
        assert!(!valid(b"AQIDBAUGBwgJ=gsMDQ4PEA=="), "padding within");
        assert!(!valid(b""));
    }

    #[test]
    fn a_426_says_what_to_upgrade_to() {
        let headers = std::str::from_utf8(HandshakeError::Version.headers()).unwrap();
        let lines: Vec<&str> = headers.split_terminator("\r\n").collect();
        let expected = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
        ];
        assert_eq!(lines, expected);
        assert_eq!(HandshakeError::Key.headers(), b"");
    }

    #[test]
    fn the_response_of_the_rfc() {
        let mut out = BytesMut::new();
        let handshake = Handshake::check(GOOD).unwrap();
        handshake.write_response(&mut out, Some("chat"), b"X-Extra: 1\r\n");
        // RFC 6455 §1.3.
        let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Protocol: chat\r\nX-Extra: 1\r\n\r\n";
        assert_eq!(out, expected);
    }

    #[test]
    fn an_offer_cannot_add_lines() {
        let handshake = Handshake::check(GOOD).unwrap();
        for protocol in ["chat\r\nSet-Cookie: a=b", "", "a b", "é"] {
            let (mut with, mut without) = (BytesMut::new(), BytesMut::new());
            handshake.write_response(&mut with, Some(protocol), b"");
            handshake.write_response(&mut without, None, b"");
            assert_eq!(with, without);
        }
    }
}

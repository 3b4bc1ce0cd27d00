//! The end of a WebSocket: status codes, the errors that carry them, and the owed close frames.
//!
//! RFC 6455 §7. Timeouts and the TCP connection belong to the caller.

use std::fmt;

/// A status code of RFC 6455 §7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke the framing rules.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A kind of data that the endpoint cannot accept, such as binary where text is wanted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// Never on the wire: stands for a close frame without a code.
    pub const NO_STATUS: Self = Self(1005);
    /// Never on the wire: stands for a connection lost without a close frame.
    pub const ABNORMAL: Self = Self(1006);
    /// Data that contradicts its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// Any other reason to refuse a message.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// A message longer than the endpoint accepts.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// A client misses an extension. Only clients send it.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// The server met a condition it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The service is overloaded, or the client too slow for it (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// A gateway got an invalid answer (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);

    /// Whether a close frame may carry this code: 1000–1003, 1007–1014 and 3000–4999.
    ///
    /// RFC 6455 §7.4.1 bans 1004–1006 and 1015, §7.4.2 bans below 1000 and reserves the rest below
    /// 3000; the IANA registry has since assigned 1012–1014.
    pub const fn is_valid_on_wire(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The reason to fail a connection (RFC 6455 §7.1.7), for the close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocketError {
    /// 1002, 1007 or 1009.
    pub code: CloseCode,
    /// The error, for people; fits into a close frame.
    pub reason: &'static str,
}

impl WebSocketError {
    /// The peer broke the framing rules.
    pub(super) const fn protocol(reason: &'static str) -> Self {
        let code = CloseCode::PROTOCOL_ERROR;
        Self { code, reason }
    }

    /// Text, or a close reason, is not UTF-8.
    pub(super) const INVALID_UTF8: Self = Self {
        code: CloseCode::INVALID_PAYLOAD,
        reason: "text is not valid UTF-8",
    };

    /// A message is longer than the receiver accepts.
    pub(super) const TOO_BIG: Self = Self {
        code: CloseCode::MESSAGE_TOO_BIG,
        reason: "message is too big",
    };
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code)
    }
}

impl std::error::Error for WebSocketError {}

/// The state of the closing handshake (RFC 6455 §7.1).
///
/// ```text
///             start: send ours
///   ┌──────┐ ──────────────────► ┌──────┐
///   │ Open │                     │ Sent │
///   └──────┘                     └──────┘
///      │ received: echo the code    │ received: it was the answer
///      │ fail: send ours            │ fail, or the caller's timeout
///      ▼                            ▼
///   ┌───────────────────────────────────┐
///   │ Done: flush, then close TCP first │
///   └───────────────────────────────────┘
/// ```
///
/// The methods return the code of the close frame that must be sent now, if one must: hand it to
/// [`encode_close`](super::encode_close). At most one close frame is ever sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloseState {
    /// Neither side has sent a close frame.
    #[default]
    Open,
    /// Our close frame is out; the peer may finish sending, and then answers.
    Sent,
    /// Nothing more is sent or read.
    Done,
}

impl CloseState {
    /// Starts to close. Returns `None` if our close frame is sent already.
    #[must_use = "the close frame must be sent"]
    pub fn start(&mut self, code: CloseCode) -> Option<CloseCode> {
        if *self != Self::Open {
            return None;
        }
        *self = Self::Sent;
        Some(code)
    }

    /// Notes the peer's close frame, with or without a code.
    #[must_use = "the close frame must be sent"]
    pub fn received(&mut self, code: Option<CloseCode>) -> Option<CloseCode> {
        // RFC 6455 §5.5.1: the answer echoes the code; without one, it has none either.
        self.finish(code.unwrap_or(CloseCode::NO_STATUS))
    }

    /// Fails the connection: the close frame says why, and no answer is awaited (RFC 6455 §7.1.7).
    #[must_use = "the close frame must be sent"]
    pub fn fail(&mut self, code: CloseCode) -> Option<CloseCode> {
        self.finish(code)
    }

    /// Whether frames may still be sent: none may follow our close frame (RFC 6455 §5.5.1).
    pub const fn may_send(self) -> bool {
        matches!(self, Self::Open)
    }

    /// Whether the TCP connection is to be closed once everything is flushed; by the server first
    /// (RFC 6455 §7.1.1).
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }

    fn finish(&mut self, code: CloseCode) -> Option<CloseCode> {
        let was = std::mem::replace(self, Self::Done);
        (was == Self::Open).then_some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_on_the_wire() {
        let valid: Vec<u16> = (0..=u16::MAX)
            .filter(|&code| CloseCode(code).is_valid_on_wire())
            .collect();
        let expected: Vec<u16> = (1000..=1003)
            .chain(1007..=1014)
            .chain(3000..=4999)
            .collect();
        assert_eq!(valid, expected);
    }

    #[test]
    fn the_peer_closes_and_gets_its_code_back() {
        let mut state = CloseState::default();
        assert!(state.may_send() && !state.is_done());
        let answer = state.received(Some(CloseCode::GOING_AWAY));
        assert_eq!(answer, Some(CloseCode::GOING_AWAY));
        assert!(state.is_done() && !state.may_send());
        assert_eq!(state.start(CloseCode::NORMAL), None);
        assert_eq!(state, CloseState::Done);

        let mut state = CloseState::default();
        assert_eq!(state.received(None), Some(CloseCode::NO_STATUS));
    }

    #[test]
    fn we_close_and_wait_for_the_answer() {
        let mut state = CloseState::default();
        assert_eq!(state.start(CloseCode::NORMAL), Some(CloseCode::NORMAL));
        assert!(!state.may_send() && !state.is_done());
        assert_eq!(state.start(CloseCode::NORMAL), None);
        assert_eq!(state, CloseState::Sent);
        assert_eq!(state.received(Some(CloseCode::NORMAL)), None);
        assert!(state.is_done());
    }

    #[test]
    fn failing_says_why_once_and_waits_for_nobody() {
        let code = CloseCode::PROTOCOL_ERROR;
        let mut state = CloseState::default();
        assert_eq!(state.fail(code), Some(code));
        assert!(state.is_done());

        let mut state = CloseState::Sent;
        assert_eq!(state.fail(code), None);
        assert!(state.is_done());
    }
}

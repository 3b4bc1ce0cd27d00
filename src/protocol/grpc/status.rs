//! The status of a call (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, PercentEncode, percent_decode, percent_encode};

use crate::limits::GRPC_STATUS_MESSAGE_BYTES_MAX;

/// The ASCII characters encoded in a status message, besides all that is not ASCII (PROTOCOL-HTTP2,
/// `Percent-Byte-Unencoded`).
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// A status code of gRPC, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// The client went away.
    Cancelled = 1,
    /// Nothing better fits.
    Unknown = 2,
    /// The request is wrong, whatever the state of the server.
    InvalidArgument = 3,
    /// The client's deadline passed.
    DeadlineExceeded = 4,
    /// The requested thing is not there.
    NotFound = 5,
    /// It is there already.
    AlreadyExists = 6,
    /// The sender is known, and may not.
    PermissionDenied = 7,
    /// A bound is reached.
    ResourceExhausted = 8,
    /// The state does not allow it.
    FailedPrecondition = 9,
    /// Given up because of a conflict.
    Aborted = 10,
    /// Beyond the end.
    OutOfRange = 11,
    /// There is no such method, or it cannot do that.
    Unimplemented = 12,
    /// The protocol was not kept.
    Internal = 13,
    /// Try again later.
    Unavailable = 14,
    /// Something is lost for good.
    DataLoss = 15,
    /// The sender is not known.
    Unauthenticated = 16,
}

impl Code {
    /// The code of this number, if it has one.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Ok,
            1 => Self::Cancelled,
            2 => Self::Unknown,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => return None,
        })
    }

    /// Returns the corresponding status of HTTP.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::ResourceExhausted => 429,
            Self::Cancelled => 499,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::DeadlineExceeded => 504,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
        }
    }
}

/// A code and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// The error and its place.
    pub message: Cow<'static, str>,
}

impl Status {
    /// The end of a call that went well.
    pub const OK: Self = Self {
        code: Code::Ok,
        message: Cow::Borrowed(""),
    };

    /// A status from its parts.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// The end of a call with another number of messages than its method takes (statuscodes.md,
    /// "Request cardinality violation").
    pub const fn cardinality(message: &'static str) -> Self {
        Self {
            code: Code::Unimplemented,
            message: Cow::Borrowed(message),
        }
    }

    /// The message as `grpc-message` carries it, in pieces of visible ASCII; it is cut, between
    /// characters, to the bytes that are sure to fit.
    pub fn encoded_message(&self) -> PercentEncode<'_> {
        let mut end = self.message.len().min(GRPC_STATUS_MESSAGE_BYTES_MAX);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        percent_encode(&self.message.as_bytes()[..end], ENCODED)
    }

    /// Reads the values of `grpc-status` and `grpc-message`, as a client does.
    ///
    /// Never errors (PROTOCOL-HTTP2): text that is no number, or an unknown one, is UNKNOWN, broken
    /// escapes stay as they are, and bytes that are not UTF-8 become U+FFFD.
    pub fn decode(number: &[u8], message: &[u8]) -> Self {
        let number = str::from_utf8(number).ok();
        let code = number
            .and_then(|number| number.parse().ok())
            .and_then(Code::from_number)
            .unwrap_or(Code::Unknown);
        let message = percent_decode(message).decode_utf8_lossy().into_owned();
        Self::new(code, message)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_codes_and_back() {
        for number in 0..=16 {
            let code = Code::from_number(number).expect("a code");
            assert_eq!(code as u32, number);
        }
        assert_eq!(Code::from_number(17), None);
    }

    #[test]
    fn an_http_answer_says_the_same() {
        for (code, status) in [
            (3, 400),
            (5, 404),
            (7, 403),
            (8, 429),
            (13, 500),
            (14, 503),
            (16, 401),
        ] {
            let code = Code::from_number(code).expect("a code");
            assert_eq!(code.http_status(), status, "{code:?}");
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let status = Status::new(
            Code::Internal,
            format!("x{}", "é".repeat(GRPC_STATUS_MESSAGE_BYTES_MAX)),
        );
        let encoded = status.encoded_message().to_string();
        let whole = (GRPC_STATUS_MESSAGE_BYTES_MAX - 1) / 2;
        assert_eq!(encoded, format!("x{}", "%C3%A9".repeat(whole)));
    }
}

//! How a call ended (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).

use std::borrow::Cow;
use std::fmt;

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
    /// What was asked for is not there.
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
    /// The status of an HTTP answer that says the same.
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
    /// What was wrong, and where.
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
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

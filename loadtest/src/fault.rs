//! Why a subscriber's connection is of no more use.

use std::fmt;

use crate::http::HttpError;
use crate::websocket::FrameError;

/// The server closed it, or broke its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server closed the WebSocket with this code.
    Closed(u16),
    /// What came is not what a server may say.
    Broken(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) => write!(f, "closed with code {code}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self::Broken(why)
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self::Broken(why.to_owned())
    }
}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Self::Broken(error.to_string())
    }
}

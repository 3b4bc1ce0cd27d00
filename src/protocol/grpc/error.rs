//! The reasons why a call's bytes are no message (gRPC over HTTP/2, compression.md,
//! statuscodes.md).

use std::fmt;

use super::status::{Code, Status};

/// The reason why there is no message, and can be none after it: the call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It says that it is compressed, but its call named no encoding.
    Compressed,
    /// It says that it is compressed, but is not.
    NotGzip,
    /// It is longer than allowed once inflated.
    Inflated {
        /// Its bound in bytes.
        bytes_max: usize,
    },
    /// Its flag is neither 0 nor 1. A client's gRPC-web trailers are among these.
    UnknownFlag(u8),
    /// It announces more bytes than allowed.
    TooLong {
        /// The announced bytes.
        bytes: usize,
        /// Its bound in bytes.
        bytes_max: usize,
    },
}

impl MessageError {
    /// Returns the status that ends the call.
    pub fn status(self) -> Status {
        match self {
            // compression.md, test case 6: the flag without an encoding MUST fail with INTERNAL.
            // A call that named an unknown encoding was refused by its fields already.
            Self::Compressed | Self::NotGzip | Self::UnknownFlag(_) => {
                Status::new(Code::Internal, self.to_string())
            }
            // statuscodes.md: "received message was larger than configured limit".
            Self::TooLong { .. } | Self::Inflated { .. } => {
                Status::new(Code::ResourceExhausted, self.to_string())
            }
        }
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str(
                "a message's Compressed-Flag is set, but no grpc-encoding was agreed upon",
            ),
            Self::NotGzip => f.write_str("a message's Compressed-Flag is set, but it is not gzip"),
            Self::Inflated { bytes_max } => write!(
                f,
                "a message has more than {bytes_max} bytes, which are allowed, when it is inflated"
            ),
            Self::UnknownFlag(flag) => write!(f, "a message's Compressed-Flag is {flag}"),
            Self::TooLong { bytes, bytes_max } => {
                write!(
                    f,
                    "a message has {bytes} bytes; at most {bytes_max} are allowed"
                )
            }
        }
    }
}

//! What a client asks on a stream, whichever form it writes.

use super::errors::invalid;
use super::publish::Publish;
use super::wanted::Wanted;
use super::{read_json, read_proto};
use crate::dialect::Envelope;
use crate::protocol::grpc::Status;

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// JSON text: WebSocket, chunked HTTP, `POST`.
    Json,
    /// Protocol buffers: gRPC, gRPC-web.
    Proto,
}

/// One message on a stream.
///
/// An error in it is non-blocking: it is answered with the correlation id, if that could be read,
/// and the stream goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Is repeated with the reply.
    pub correlation_id: Option<Box<str>>,
    /// What is asked, or what is wrong with it.
    pub asked: Result<Asked, Status>,
}

/// The kinds of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Wants events.
    Subscribe(Wanted),
    /// Wants them no more.
    Unsubscribe(Wanted),
    /// Publishes an event.
    Publish(Box<Publish>),
    /// Asks for a `pong` with the same text, which is not empty.
    Ping(Box<str>),
}

impl Form {
    /// The form of the messages that travel in an envelope.
    pub const fn of(envelope: Envelope) -> Self {
        match envelope {
            Envelope::WebSocket | Envelope::Line | Envelope::ChunkedLine => Self::Json,
            Envelope::Grpc
            | Envelope::ChunkedGrpc
            | Envelope::WebText
            | Envelope::ChunkedWebText => Self::Proto,
        }
    }
}

impl Asked {
    /// A ping with that text, which may not be empty: a `pong` without text could not be told from
    /// none.
    pub(super) fn ping(text: Box<str>) -> Result<Self, Status> {
        if text.is_empty() {
            return Err(invalid("\"ping\" is empty"));
        }
        Ok(Self::Ping(text))
    }
}

impl Request {
    /// Reads an `EventsStreamRequest`.
    pub fn read(form: Form, message: &[u8]) -> Self {
        match form {
            Form::Json => read_json::request(message),
            Form::Proto => read_proto::request(message),
        }
    }

    /// A request of which nothing could be read.
    pub(super) fn unreadable(error: Status) -> Self {
        Self {
            correlation_id: None,
            asked: Err(error),
        }
    }
}

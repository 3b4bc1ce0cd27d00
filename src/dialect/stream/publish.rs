//! One event to be published.

use bytes::Bytes;

use super::errors::{check_name, invalid};
use super::request::Form;
use super::target::Target;
use super::{read_json, read_proto};
use crate::hub::{Draft, EventName};
use crate::limits::PUBLISH_BYTES_MAX;
use crate::protocol::grpc::Status;

/// One event to publish, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// What kind of event: 1 to 128 characters.
    pub name: Box<str>,
    /// A JSON object: the bytes that were sent, or the text of what came as protobuf.
    pub payload: Bytes,
    /// Where it goes; `None` is the organization.
    pub target: Option<Target>,
    /// Why it is sent: JSON, likewise.
    pub metadata: Option<Bytes>,
}

impl Publish {
    /// Reads a `PublishEventRequest`: the body of a `POST`, or the message of the unary call.
    pub fn read(form: Form, body: &[u8]) -> Result<Self, Status> {
        match form {
            Form::Json => read_json::publish_body(body),
            Form::Proto => read_proto::publish_body(body),
        }
    }

    /// The event before it is accepted; `origin` is the publisher's own client id.
    pub fn draft(&self, origin: Option<Bytes>) -> Draft {
        Draft {
            name: EventName::from_text(&self.name),
            payload: self.payload.clone(),
            metadata: self.metadata.clone(),
            origin,
            correlation: None,
        }
    }

    /// It, if its name, its target and its size may be; `at` stands before the names of fields.
    pub(super) fn checked(self, at: &str) -> Result<Self, Status> {
        check_name(format_args!("\"{at}name\""), &self.name)?;
        self.target.as_ref().map_or(Ok(()), Target::check)?;
        // What came as protobuf is longer as JSON, up to six times.
        let bytes = self.payload.len() + self.metadata.as_ref().map_or(0, Bytes::len);
        if bytes > PUBLISH_BYTES_MAX {
            return Err(invalid(format!(
                "the event is {bytes} bytes of JSON; at most {PUBLISH_BYTES_MAX}"
            )));
        }
        Ok(self)
    }
}

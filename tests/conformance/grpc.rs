//! gRPC over HTTP/2 and gRPC-web, the server's half. Suites are named after the sections they test,
//! of PROTOCOL-HTTP2.md, PROTOCOL-WEB.md, compression.md and statuscodes.md in grpc/grpc's `doc`.

mod messages;
mod requests;
mod statuses;
mod timeouts;
mod web;

use fanfare::protocol::grpc::{CallFields, CallRefusal};

/// Reads a call's fields.
fn read(fields: &[(&str, &str)]) -> Result<CallFields, CallRefusal> {
    let fields = fields.iter();
    CallFields::read(fields.map(|(name, value)| (*name, value.as_bytes())))
}

/// Reads the fields of a call with one field besides the content type.
fn read_with(name: &str, value: &str) -> Result<CallFields, CallRefusal> {
    read(&[("content-type", "application/grpc"), (name, value)])
}

//! The stream dialect: events by name and target, over gRPC, a WebSocket or a chunked HTTP response.
//!
//! Its origin is the Event API v2 of API.stream. Here are its messages, which know nothing of connections and
//! nothing of the hub's state: bytes to values and back, in two forms. What a client says becomes a
//! [`Request`] ([`Publish`] where one event is all there is to say); [`put_reply`] and [`put_event`] write what
//! it hears. Inside, `read_json` and `read_proto` read the two forms, `wire` is Protocol Buffers without
//! definitions, and [`mapping`] is payloads from one form to the other.

mod errors;
pub mod mapping;
pub mod proto;
mod publish;
mod read_json;
mod read_proto;
mod render;
mod reply;
mod request;
mod target;
mod wanted;
mod wire;

pub use proto::RawMessage;
pub use publish::Publish;
pub use render::{put_event, put_on_one_line, put_published};
pub use reply::{Reply, put_fatal, put_http_error, put_reply};
pub use request::{Asked, Form, Request};
pub use target::Target;
pub use wanted::{Wanted, WantedKey};

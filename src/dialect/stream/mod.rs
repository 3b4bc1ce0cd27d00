//! The stream dialect: events by name and target, over gRPC, a WebSocket or a chunked HTTP response.
//!
//! Its origin is the Event API v2 of API.stream (package `apis.event.v2`). Whatever the transport, messages are
//! the same: protocol buffers with gRPC, their JSON form otherwise.
//!
//! A message's way: bytes to a [`Request`] (`read_json`, `read_proto`), what follows from it and from the hub's
//! answers (`socket`), and what the client hears ([`put_reply`], [`put_event`]). What opens a stream is in
//! `open`, a publish without one in `post`, who may do what in `access`, and what must be asked about a target
//! in `placing`. `wire` is Protocol Buffers without definitions, [`mapping`] takes payloads from one form to
//! the other.

mod access;
mod client;
mod config;
mod describe;
mod errors;
pub mod mapping;
mod open;
mod placing;
mod post;
pub mod proto;
mod publish;
mod read_json;
mod read_proto;
mod refusal;
mod render;
mod reply;
mod request;
mod route;
mod target;
mod wanted;
mod wire;

use std::sync::Arc;

use crate::auth::Directory;
use crate::dialect::Cors;

pub use client::{Client, Pending};
pub use config::StreamConfig;
pub use post::Posted;
pub use proto::RawMessage;
pub use publish::Publish;
pub use render::{put_event, put_on_one_line, put_published};
pub use reply::{Reply, put_fatal, put_http_error, put_reply};
pub use request::{Asked, Form, Request};
pub use route::Route;
pub use target::Target;
pub use wanted::{Wanted, WantedKey};

/// The dialect as configured.
#[derive(Debug)]
pub struct EventService {
    /// What every answer tells browsers.
    cors: Cors,
    publish_bytes_max: usize,
    directory: Arc<Directory>,
}

impl EventService {
    /// The dialect.
    pub fn new(config: &StreamConfig, directory: Arc<Directory>) -> Self {
        let closed = directory.anonymous().is_none();
        let exposed = "Grpc-Status, Grpc-Message, Retry-After";
        Self {
            cors: Cors::new(&config.cors, closed, exposed),
            publish_bytes_max: config.publish_bytes_max,
            directory,
        }
    }

    /// What every answer tells browsers.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }
}

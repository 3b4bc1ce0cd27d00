//! The pubsub dialect: publish by one `POST` to a session, a group or everyone; talk in a room over a WebSocket.
//!
//! Its origin is the `PubSub` API of Livestorm's plugin platform, whose HTTP side and client calls are known;
//! the socket between them is ours. A group is an *event* here, which is why the two are called `event_id` and
//! *event name* on the wire.

mod post;
mod room;
mod route;

use std::sync::Arc;

use bytes::Bytes;

use super::{Action, Refused, Responder, Tools, cors_lines, respond_plain_error};
use crate::auth::Directory;
use crate::config::PubsubConfig;
use crate::protocol::http1::Head;

pub use post::Posted;
pub use room::{Pending, Position, Room, Wanted, encode_event, encode_gap, encode_heartbeat};
pub use route::Route;

/// The dialect as configured.
#[derive(Debug)]
pub struct Pubsub {
    directory: Arc<Directory>,
    /// The header lines that every answer carries.
    cors: Bytes,
    publish_bytes_max: usize,
}

impl Pubsub {
    /// The dialect with its answers' constant headers prepared.
    pub fn new(config: &PubsubConfig, directory: Arc<Directory>) -> Self {
        let closed = directory.anonymous().is_none();
        Self {
            cors: cors_lines(&config.cors, closed, "Retry-After"),
            publish_bytes_max: config.publish_bytes_max,
            directory,
        }
    }

    /// Judges a request by its head: the most bytes its body may have, or a refusal (written).
    pub fn admit(
        &self,
        route: Route,
        _head: &Head<'_, '_>,
        _to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        match route {
            Route::Publish => Ok(self.publish_bytes_max as u64),
            Route::Socket | Route::Client | Route::Demo => Ok(0),
        }
    }

    /// Refuses an admitted request whose body does not come as it should.
    pub fn refuse_body(&self, status: u16, message: &str, to: &mut Responder<'_>) {
        respond_plain_error(to, status, "body", message);
    }

    /// Handles a whole request that was admitted.
    pub fn handle(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        _body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match route {
            Route::Socket => self.open(head, tools, to),
            Route::Publish | Route::Client | Route::Demo => {
                respond_plain_error(to, 404, "not_found", "nothing is served here");
                Action::Done
            }
        }
    }
}

//! The pubsub dialect: publish by one `POST` to a session, a group or everyone; talk in a room over a WebSocket.
//!
//! Its origin is the `PubSub` API of Livestorm's plugin platform, whose HTTP side and client calls are known;
//! the socket between them is ours. A group is an *event* here, which is why the two are called `event_id` and
//! *event name* on the wire.
//!
//! A publish is read in `body`, asked and answered in `post`, refused in `errors`; who may is in `access`. The
//! socket is in `room`. The client, its types and the demo are files of the program (`assets`).

mod access;
mod assets;
mod body;
mod config;
mod errors;
mod post;
mod route;
mod socket;

use std::sync::Arc;

use super::{Action, Cors, Refused, Responder, Tools};
use crate::auth::Directory;
use crate::protocol::http1::Head;
use assets::Assets;

pub use assets::Asset;
pub use config::PubsubConfig;
pub use post::Posted;
pub use route::Route;
pub use socket::{Client, Pending, Position, Wanted, encode_event, encode_gap, encode_heartbeat};

/// The dialect as configured.
#[derive(Debug)]
pub struct Pubsub {
    directory: Arc<Directory>,
    /// What every answer tells browsers.
    cors: Cors,
    publish_bytes_max: usize,
    assets: Assets,
}

impl Pubsub {
    /// The dialect with its answers' constant headers prepared.
    pub fn new(config: &PubsubConfig, directory: Arc<Directory>) -> Self {
        let closed = directory.anonymous().is_none();
        Self {
            cors: Cors::new(&config.cors, closed, "Retry-After"),
            publish_bytes_max: config.publish_bytes_max,
            assets: Assets::new(),
            directory,
        }
    }

    /// What every answer but the program's files tells browsers.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Judges a request by its head: the most bytes its body may have, or a refusal (written).
    pub fn admit(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        match route {
            Route::Publish => self.admit_post(head, to),
            Route::Socket => Ok(0),
            Route::Asset(_) | Route::Index => self.admit_asset(route, head, to),
        }
    }

    /// Handles a whole request that was admitted.
    pub fn handle(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match route {
            Route::Publish => self.post(head, body, to),
            Route::Socket => self.open(head, tools, to),
            Route::Asset(asset) => {
                self.respond_asset(asset, head, to);
                Action::Done
            }
            Route::Index => {
                Self::respond_index(to);
                Action::Done
            }
        }
    }
}

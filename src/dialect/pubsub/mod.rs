//! The pubsub dialect: publish by one `POST` to a session, a group or everyone; talk in a room over
//! a WebSocket.
//!
//! Its origin is the `PubSub` API of Livestorm's plugin platform, whose HTTP side and client calls
//! are known; the socket between them is ours. A group is an *event* here, which is why the two are
//! called `event_id` and
//! *event name* on the wire.
//!
//! A publish is read in `body`, asked and answered in `post`, refused in `errors`; who may is in
//! `access`. The socket is in `room`. The client, its types and the demo are files of the program
//! (`assets`).

mod access;
mod assets;
mod body;
mod config;
mod errors;
mod post;
mod route;
mod socket;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::BytesMut;

use super::{
    Action, Cors, Dialect, Envelope, Heard, Message, Outcome, Parts, Position, Reaction, Refused,
    Responder, Standing, Tools, Wants,
};
use crate::auth::{Directory, OrganizationId};
use crate::hub::{Epoch, Event, Gap, Number, Refusal};
use crate::limits::{STRANGER_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use crate::protocol::http1::Head;
use crate::time::Instant;
use assets::Assets;
use errors::refuse_body;
use socket::{Waiting, encode_event, encode_gap, encode_heartbeat, not_followed};

pub use assets::Asset;
pub use config::PubsubConfig;
pub use post::Posted;
pub use route::Route;
pub use socket::{Client, Wanted};

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
}

/// A request that waits for the hub.
#[derive(Debug)]
pub enum Pending {
    /// A publish by one request.
    Posted(Posted),
    /// A request of a client.
    #[expect(
        private_interfaces,
        reason = "made and taken apart in this module only"
    )]
    Asked(Waiting),
}

impl Dialect for Pubsub {
    type Route<'b> = Route;
    type Pending = Pending;
    type Client = Box<Client>;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = Arc<Wanted>;

    const NAME: &'static str = "pubsub";

    fn of(parts: &Parts<'_>) -> Self {
        Self::new(&parts.config.pubsub, parts.directory())
    }

    fn route(&self, path: &str) -> Option<Route> {
        Route::parse(path)
    }

    fn cors(&self, route: Option<Route>) -> Option<&Cors> {
        match route {
            None | Some(Route::Publish | Route::Socket) => Some(&self.cors),
            // The files of the program are for everyone.
            Some(Route::Asset(_) | Route::Index) => None,
        }
    }

    fn admit(
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

    fn refuse(
        &self,
        route: Route,
        to: &mut Responder<'_>,
        status: u16,
        _code: &str,
        message: &str,
    ) {
        let lines = self.lines_of_refusal(route);
        refuse_body(status, lines, message, to);
    }

    fn handle(
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

    fn answer(
        &self,
        pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match pending {
            Pending::Posted(posted) => posted.answer(&outcome.into_answer(), to),
            // It is given to the client.
            Pending::Asked(_) => Action::Done,
        }
    }

    fn publishes(pending: &Pending) -> bool {
        match pending {
            Pending::Posted(_) => true,
            Pending::Asked(waiting) => waiting.publishes(),
        }
    }

    fn follows_log(pending: &Pending) -> bool {
        matches!(pending, Pending::Asked(_))
    }

    fn position(client: &Box<Client>) -> Option<Position> {
        client.position
    }

    fn set_position(client: &mut Box<Client>, position: Option<Position>) {
        client.position = position;
    }

    fn wants(client: &Box<Client>, _envelope: Option<Envelope>) -> Wants<Arc<Wanted>> {
        match &client.wanted {
            _ if client.waits => Wants::Waits,
            None => Wants::Nothing,
            Some(wanted) => Wants::Shown(Arc::clone(wanted)),
        }
    }

    fn put_heartbeat(client: &Box<Client>, out: &mut BytesMut) {
        if let Some(position) = client.position {
            encode_heartbeat(position.next, out);
        }
    }

    fn show(&self, client: &mut Box<Client>, wanted: Option<Arc<Wanted>>) {
        client.wanted = wanted;
        client.waits = false;
    }

    fn encode_logged(
        &self,
        wanted: &Arc<Wanted>,
        (_, number): (Epoch, Number),
        event: &Event,
        out: &mut BytesMut,
    ) -> bool {
        let has = wanted.has(event);
        if has {
            encode_event(number, event, out);
        }
        has
    }

    fn encode_gap(&self, _wanted: &Arc<Wanted>, gap: Gap, out: &mut BytesMut) {
        encode_gap(gap, out);
    }

    fn wanted_bytes(client: &Box<Client>) -> usize {
        client.wanted.as_ref().map_or(0, |wanted| wanted.bytes())
    }

    fn message_bytes_max(client: &Box<Client>) -> usize {
        if client.is_known() {
            WEBSOCKET_MESSAGE_BYTES_MAX
        } else {
            STRANGER_MESSAGE_BYTES_MAX
        }
    }

    fn due(client: &Box<Client>) -> Instant {
        client.due()
    }

    fn opened(&self, client: &mut Box<Client>, _tools: &mut Tools<'_>) -> Reaction {
        client.opened()
    }

    fn message(
        &self,
        client: &mut Box<Client>,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        self.read_message(client, message, tools)
    }

    fn answer_client(
        &self,
        client: &mut Box<Client>,
        pending: Pending,
        outcome: Outcome,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        match pending {
            Pending::Asked(waiting) => client.answer(waiting, outcome.into_answer()),
            // It is given to the request.
            Pending::Posted(_) => Reaction::nothing(),
        }
    }

    fn followed(&self, client: &mut Box<Client>, standing: &Standing) -> Vec<Vec<u8>> {
        client.followed(standing)
    }

    fn not_followed(&self, _client: &mut Box<Client>, refusal: Refusal) -> Reaction {
        not_followed(refusal)
    }

    fn expire(&self, client: &mut Box<Client>, _tools: &mut Tools<'_>) -> Reaction {
        client.expire()
    }

    fn drain(
        &self,
        client: &mut Box<Client>,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        Some(client.drain(leave_ms, tools))
    }

    fn organization(client: &Box<Client>) -> Option<OrganizationId> {
        client.organization()
    }

    fn heard(client: &Box<Client>, _place: usize) -> Option<Heard> {
        client.heard()
    }

    fn cancel(&self, client: &mut Box<Client>, _place: usize) -> Reaction {
        client.cancel()
    }
}

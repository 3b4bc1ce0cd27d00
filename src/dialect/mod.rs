//! The dialects: where protocols meet the hub, and nowhere else.
//!
//! A dialect turns a request into an [`Action`] and an [`Outcome`] into a response.
//! It owns no connection and no log. To add one: a folder beside `sessions/`, a variant of [`Route`],
//! its line in [`Dialects::route`], and its transcripts under `tests/dialects/`.

pub mod admin;
mod calls;
mod client;
mod config;
mod cors;
mod cursor;
mod denial;
mod describe;
pub mod live;
mod node_report;
mod offer;
mod operation;
pub mod pubsub;
mod refusals;
pub mod render;
mod respond;
pub mod rpc;
pub mod sessions;
pub mod stream;
pub mod sysadm;

fn respond_nothing(cors: &[u8], to: &mut Responder<'_>) -> Refused {
    let message = "nothing is served here";
    respond_error(to, &[cors], 404, "not_found", message)
}

#[cfg(test)]
mod testing;
mod upgrade;

use std::sync::Arc;

use crate::auth::Directory;
use crate::hub::{Ids, Placement};
use crate::metrics::Metrics;
use crate::protocol::grpc::{Code, Status};
use crate::protocol::http1::{Head, Method};
use crate::time::Now;

pub use client::{
    Change, Client, Follow, Message, Open, Opening, Reaction, Show, Standing, Streamed, Subscribe,
    Undo,
};
pub use config::Config;
pub use cors::{AllowedOrigin, Cors};
pub use cursor::{FOREIGN, QueryError, query_cursor, query_text};
pub use denial::{CONTRADICTORY, Denial, Judge, denied_by};
pub use describe::{ConnectionState, Heard, SubscriptionState};
pub use node_report::{NodeReport, Reporting};
pub use offer::Offer;
pub use operation::{LoginChange, Operation, Outcome};
pub use refusals::{
    KEY_REUSED, KEY_REUSED_CODE, LEAVING, RATE_LIMITED, RESERVED_NAME, idempotency_key, keys_held,
    reserved_name, retry_after_line, too_fast,
};
pub use render::{
    Encoding, Envelope, Rendering, number_digits, put_event_name, put_number, put_text,
};
pub use respond::{
    Exchange, Refused, Responder, STREAMED, error_body, respond_error, respond_plain_error,
};
pub use upgrade::{check_upgrade, handshake_fields, read_credentials};

/// What may be asked of the server as a whole, somewhere.
const SERVER_METHODS: &[u8] = b"GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// All dialects as configured, shared by the connections of one shard.
#[derive(Debug)]
pub struct Dialects {
    /// The sessions dialect.
    pub sessions: sessions::Sessions,
    /// The sysadm dialect.
    pub sysadm: sysadm::Sysadm,
    /// The live dialect.
    pub live: live::Live,
    /// The stream dialect.
    pub stream: stream::EventService,
    /// The pubsub dialect.
    pub pubsub: pubsub::Pubsub,
    /// The services for gRPC's tools.
    pub rpc: rpc::Rpc,
    /// Health and metrics.
    pub admin: admin::Admin,
    /// Whether `/echo` is served.
    pub echo: bool,
    /// What browsers are told where no dialect is: without organizations, that everyone may read it.
    anyone: &'static [u8],
}

/// Which dialect a path belongs to, and what it names there. Borrows the request's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'b> {
    /// The sessions dialect.
    Sessions(sessions::Route<'b>),
    /// The sysadm dialect's socket.
    Sysadm,
    /// The live dialect's socket.
    Live,
    /// The state, as the live dialect shows it.
    State(live::StatePath<'b>),
    /// The stream dialect, without gRPC.
    Stream(stream::Route),
    /// The pubsub dialect.
    Pubsub(pubsub::Route),
    /// A method of gRPC.
    Rpc(rpc::Method),
    /// No method of a service of gRPC.
    NoMethod,
    /// Health and metrics.
    Admin(admin::Route),
    /// The echo for protocol test suites.
    Echo,
    /// The server as a whole: `OPTIONS *` (RFC 9110 §9.3.7).
    Server,
    /// Nobody's.
    Unknown,
}

/// What a request asks of the shard.
#[derive(Debug)]
pub enum Action {
    /// Nothing: the response is written.
    Done,
    /// Carry out an operation, then come back with its outcome.
    Execute(Box<Call>),
    /// Attach to a session's log.
    Listen(Box<sessions::Listen>),
    /// Become a socket of a dialect.
    Open(Box<Open>),
}

/// An operation and what is to be done with its outcome.
#[derive(Debug)]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// A repeat with the same key gets the first answer.
    pub idempotency_key: Option<Box<[u8]>>,
    /// What the sender's own copy of the events it publishes is marked with.
    pub correlation_id: Option<Box<str>>,
    /// The request that waits for the outcome.
    pub pending: Pending,
}

/// A request that waits for the hub's answer.
#[derive(Debug)]
pub enum Pending {
    /// One of the sessions dialect.
    Sessions(sessions::Pending),
    /// One on a socket of the sysadm dialect.
    Sysadm(Box<sysadm::Pending>),
    /// One of the live dialect.
    Live(live::Pending),
    /// One on a socket of the stream dialect.
    Stream(stream::Pending),
    /// A publish of the stream dialect, by one request.
    Posted(Box<stream::Posted>),
    /// A publish of the pubsub dialect, by one request.
    Pubsub(pubsub::Posted),
    /// One on a socket of the pubsub dialect.
    PubsubClient(pubsub::Pending),
}

impl Pending {
    /// Whether events wait to be published.
    pub fn publishes(&self) -> bool {
        match self {
            Self::Sessions(pending) => matches!(pending, sessions::Pending::Publish),
            Self::Stream(pending) => pending.publishes(),
            Self::PubsubClient(pending) => pending.publishes(),
            Self::Posted(_) | Self::Pubsub(_) => true,
            Self::Sysadm(_) | Self::Live(_) => false,
        }
    }
}

/// What a dialect may consult besides the request.
#[derive(Debug)]
pub struct Tools<'t> {
    /// The time of this tick.
    pub now: Now,
    /// Which shard is home to what.
    pub placement: &'t Placement,
    /// Names for new sessions.
    pub ids: &'t mut Ids,
    /// Whether the server is leaving.
    pub draining: bool,
    /// Where a refusal of access is noted.
    pub denied: Option<Denial>,
}

impl Tools<'_> {
    /// What judges a request that these are for.
    pub fn judge(&mut self) -> Judge<'_> {
        Judge {
            now: self.now,
            denied: &mut self.denied,
        }
    }
}

impl Dialects {
    /// All dialects, as configured. `hostname` and `metrics` are for clients that ask.
    pub fn new(
        config: &Config,
        directory: &Arc<Directory>,
        hostname: Box<str>,
        metrics: AllMetrics,
    ) -> Self {
        let anyone: &[u8] = match directory.anonymous() {
            Some(_) => b"Access-Control-Allow-Origin: *\r\n",
            None => b"",
        };
        let directory = || Arc::clone(directory);
        Self {
            anyone,
            sessions: sessions::Sessions::new(&config.sessions, directory()),
            sysadm: sysadm::Sysadm::new(&config.sysadm, directory(), hostname),
            live: live::Live::new(&config.live, directory()),
            stream: stream::EventService::new(&config.stream, directory()),
            pubsub: pubsub::Pubsub::new(&config.pubsub, directory()),
            rpc: rpc::Rpc::default(),
            admin: admin::Admin { metrics },
            echo: config.server.echo,
        }
    }

    /// Finds whose path this is.
    pub fn route<'b>(&self, path: &'b str) -> Route<'b> {
        if let Some(route) = sessions::Route::parse(path) {
            return Route::Sessions(route);
        }
        if sysadm::PATHS.contains(&path) {
            return Route::Sysadm;
        }
        if live::PATHS.contains(&path) {
            return Route::Live;
        }
        if let Some(path) = live::StatePath::parse(path) {
            return Route::State(path);
        }
        if let Some(route) = stream::Route::parse(path) {
            return Route::Stream(route);
        }
        if let Some(route) = pubsub::Route::parse(path) {
            return Route::Pubsub(route);
        }
        if let Some(method) = rpc::Method::parse(path) {
            return Route::Rpc(method);
        }
        if rpc::Service::of_path(path).is_some() {
            return Route::NoMethod;
        }
        if let Some(route) = admin::Route::parse(path) {
            return Route::Admin(route);
        }
        if self.echo && path == "/echo" {
            return Route::Echo;
        }
        if path == "*" {
            return Route::Server;
        }
        Route::Unknown
    }

    /// What the answers on a path tell browsers; `None` where that is not a dialect's to say.
    fn cors(&self, route: Route<'_>) -> Option<&Cors> {
        match route {
            Route::Sessions(_) => Some(self.sessions.cors()),
            Route::Sysadm => Some(self.sysadm.cors()),
            Route::Live | Route::State(_) => Some(self.live.cors()),
            Route::Stream(_) | Route::Rpc(_) | Route::NoMethod => Some(self.stream.cors()),
            Route::Pubsub(pubsub::Route::Publish | pubsub::Route::Socket) => {
                Some(self.pubsub.cors())
            }
            // The files of the program are for everyone.
            Route::Pubsub(_) | Route::Server | Route::Admin(_) | Route::Echo | Route::Unknown => {
                None
            }
        }
    }

    /// The origin that the answer to a request is to name, if that depends on the request.
    pub fn allowed_origin(&self, route: Route<'_>, origin: Option<&[u8]>) -> Option<AllowedOrigin> {
        self.cors(route)?.allowed(origin)
    }

    /// Judges a request by its head alone, before any of its body is read: the most bytes its body
    /// may have, or a refusal (already written).
    pub fn admit(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        match route {
            Route::Sessions(route) => self.sessions.admit(route, head, to),
            Route::Sysadm | Route::Live | Route::Server => Ok(0),
            Route::State(path) => self.live.admit_state(path, head, to),
            Route::Stream(route) => self.stream.admit(route, head, to),
            Route::Pubsub(route) => self.pubsub.admit(route, head, to),
            Route::Rpc(method) => self.admit_web_call(method, head, to),
            Route::Admin(route) => route.admit(head, to),
            Route::Echo => Ok(crate::limits::ECHO_MESSAGE_BYTES_MAX as u64),
            Route::Unknown if asks_the_server(head) => Ok(0),
            Route::NoMethod if head.method == Method::Options => Ok(0),
            Route::NoMethod | Route::Unknown => {
                let cors = self.cors(route).map_or(self.anyone, |cors| cors);
                if !calls::refuse_web_call(cors, head, to) {
                    respond_nothing(cors, to);
                }
                Err(Refused)
            }
        }
    }

    /// Refuses a request that does not come as it should, in the form of whoever serves its path.
    pub fn refuse(
        &self,
        route: Route<'_>,
        to: &mut Responder<'_>,
        status: u16,
        code: &str,
        message: &str,
    ) {
        match route {
            Route::Sessions(_) => self.sessions.refuse(to, status, code, message),
            Route::Stream(_) => self.stream.refuse_body(status, message, to),
            Route::Pubsub(_) => self.pubsub.refuse_body(status, message, to),
            // What is too long is told as a call is told.
            Route::Rpc(_) if status == 413 => {
                let status = Status::new(Code::ResourceExhausted, message.to_owned());
                calls::respond_status(self.stream.cors(), &status, to);
            }
            Route::Sysadm | Route::Live | Route::State(_) | Route::Rpc(_) | Route::NoMethod => {
                let cors: &[u8] = self.cors(route).map_or(b"", |cors| cors);
                respond_error(to, &[cors], status, code, message);
            }
            Route::Server | Route::Admin(_) | Route::Echo => {
                respond_plain_error(to, status, code, message);
            }
            Route::Unknown => {
                respond_error(to, &[self.anyone], status, code, message);
            }
        }
    }

    /// Handles a whole request that was admitted.
    pub fn handle(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match route {
            Route::Sessions(route) => self.sessions.handle(route, head, body, tools, to),
            Route::Sysadm => self.sysadm.handle(head, tools, to),
            Route::Live => self.live.handle(head, tools, to),
            Route::State(path) => self.live.handle_state(path, head, to),
            Route::Stream(route) => self.stream.handle(route, head, body, to),
            Route::Pubsub(route) => self.pubsub.handle(route, head, body, tools, to),
            Route::Rpc(method) => self.web_call(method, head, body, to),
            Route::Admin(route) => {
                self.admin.handle(route, to);
                Action::Done
            }
            Route::Echo => {
                let exchange = to.exchange;
                to.begin(200).body(
                    head.header_str("content-type"),
                    body,
                    exchange.keep_alive,
                    exchange.head_only,
                );
                Action::Done
            }
            Route::Server | Route::Unknown if asks_the_server(head) => {
                let keep_alive = to.exchange.keep_alive;
                to.begin(200)
                    .header("Allow", SERVER_METHODS)
                    .empty(keep_alive);
                Action::Done
            }
            Route::NoMethod => {
                let keep_alive = to.exchange.keep_alive;
                let preflight = self.stream.cors().preflight();
                to.begin(204).raw(preflight).empty(keep_alive);
                Action::Done
            }
            Route::Server | Route::Unknown => {
                respond_nothing(self.anyone, to);
                Action::Done
            }
        }
    }

    /// Turns an operation's outcome into a response, or into the next operation.
    pub fn answer(
        &self,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        match pending {
            Pending::Sessions(pending) => self.sessions.answer(pending, outcome, tools, to),
            Pending::Live(pending) => self.live.answer(pending, outcome, to),
            Pending::Posted(posted) => self.stream.answer_post(*posted, &outcome.into_answer(), to),
            Pending::Pubsub(posted) => self.pubsub.answer_post(posted, &outcome.into_answer(), to),
            // A socket's answers go to the socket.
            Pending::Sysadm(_) | Pending::Stream(_) | Pending::PubsubClient(_) => Action::Done,
        }
    }
}

/// Whether a request asks what the server as a whole can do: `OPTIONS *` (RFC 9110 §9.3.7), or `OPTIONS /`, which is
/// what haproxy asks to see whether a server lives.
fn asks_the_server(head: &Head<'_, '_>) -> bool {
    head.method == Method::Options && matches!(head.path, "*" | "/")
}

/// Metrics of all shards, for whoever renders them.
pub type AllMetrics = Arc<[Metrics]>;

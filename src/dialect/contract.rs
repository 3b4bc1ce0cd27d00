//! What a dialect is: a path to a route, a request to an [`Action`], an [`Outcome`] to a response,
//! and for those with clients that stay, messages, answers and time to [`Reaction`]s.
//!
//! All but the first few have a default: a dialect says what it has. Where it has none of
//! something, the type is [`Infallible`], of which there is no value.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::BytesMut;

use super::client::Reaction;
use super::describe::Heard;
use super::log::{Form, LogState, Position, Standing, Wants};
use super::{
    Action, Admission, AllMetrics, Client, Config, Cors, Envelope, Message, Outcome, Refused,
    Reporting, Responder, Tools, no_such_method, respond_error,
};
use crate::auth::{Directory, OrganizationId};
use crate::hub::{Epoch, Event, Full, Gap, Log, Number, Refusal};
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::protocol::grpc::Status;
use crate::protocol::http1::Head;
use crate::protocol::websocket::CloseCode;
use crate::time::Instant;

/// What dialects are made of.
#[derive(Debug)]
pub struct Parts<'p> {
    /// What the operator has set.
    pub config: &'p Config,
    /// Organizations, tokens and users.
    pub directory: &'p Arc<Directory>,
    /// The name of this node.
    pub hostname: &'p str,
    /// The counters of all shards.
    pub metrics: &'p AllMetrics,
}

impl<'p> Parts<'p> {
    /// All of them.
    pub const fn new(
        config: &'p Config,
        directory: &'p Arc<Directory>,
        hostname: &'p str,
        metrics: &'p AllMetrics,
    ) -> Self {
        Self {
            config,
            directory,
            hostname,
            metrics,
        }
    }

    /// Organizations, tokens and users, to be kept.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(self.directory)
    }
}

/// The ways in which a dialect writes events of live subscriptions.
pub trait EventEncoding: Copy + Debug + PartialEq + Eq {
    /// How many there are.
    const COUNT: usize;

    /// A number of its own, below [`COUNT`](Self::COUNT).
    fn index(self) -> usize;
}

/// No way at all.
impl EventEncoding for Infallible {
    const COUNT: usize = 0;

    fn index(self) -> usize {
        match self {}
    }
}

/// The only way.
impl EventEncoding for () {
    const COUNT: usize = 1;

    fn index(self) -> usize {
        0
    }
}

/// A dialect as configured.
#[expect(
    unused_variables,
    reason = "the names of what a default does not look at are documentation"
)]
pub trait Dialect: Sized {
    /// What a path names. Borrows the request's target.
    type Route<'b>: Copy + Debug + PartialEq + Eq;
    /// A request that waits for the hub's answer.
    type Pending: Debug;
    /// One client, from its handshake on.
    type Client: Debug;
    /// What a refused change of subscriptions leaves to do.
    type Undo: Clone + Debug + PartialEq + Eq;
    /// How events of its subscriptions are written.
    type Encoding: EventEncoding;
    /// The renderings of one event that several encodings share.
    type Rendering: Debug + Default;
    /// What of a log a client is shown, and how. Two that are equal are shown the same bytes.
    type View: Clone + Debug + PartialEq + Eq;

    /// The name by which those who look after a server know it.
    const NAME: &'static str;

    /// The dialect, as configured.
    fn of(parts: &Parts<'_>) -> Self;

    /// What a path names; `None` if it is not this dialect's.
    fn route<'b>(&self, path: &'b str) -> Option<Self::Route<'b>>;

    /// What the answers on a path tell browsers; every answer begins with it. Without a path, what
    /// the answers to pending requests tell them.
    fn cors(&self, route: Option<Self::Route<'_>>) -> Option<&Cors> {
        None
    }

    /// How the node reports in an event of this dialect, if it is to.
    fn reporting(&self) -> Option<Reporting> {
        None
    }

    /// Judges a request by its head alone, before any of its body is read; a refusal is written.
    fn admit(
        &self,
        route: Self::Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Admission, Refused> {
        Ok(Admission::BODILESS)
    }

    /// Refuses a request that does not come as it should.
    fn refuse(
        &self,
        route: Self::Route<'_>,
        to: &mut Responder<'_>,
        status: u16,
        code: &str,
        message: &str,
    ) {
        respond_error(to, &[], status, code, message);
    }

    /// Handles a whole request that was admitted.
    fn handle(
        &self,
        route: Self::Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        admission: Admission,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action;

    /// Turns an operation's outcome into a response, or into the next operation.
    fn answer(
        &self,
        pending: Self::Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        Action::Done
    }

    /// The client of a call of gRPC that begins, or the status that ends it.
    fn begin_call(
        &self,
        route: Self::Route<'_>,
        head: &Head<'_, '_>,
        tools: &mut Tools<'_>,
    ) -> Result<Client, Status> {
        Err(no_such_method(head.path))
    }

    /// Whether events wait to be published.
    fn publishes(pending: &Self::Pending) -> bool {
        false
    }

    /// Whether the client that waits hears a log's home, and nothing else.
    fn follows_log(pending: &Self::Pending) -> bool {
        false
    }

    /// How a client's events are written, where messages travel in `envelope`. `None` if it never
    /// subscribes.
    fn encoding(client: &Self::Client, envelope: Envelope) -> Option<Self::Encoding> {
        None
    }

    /// Where a client stands in the log that it reads, if it reads one.
    fn position(client: &Self::Client) -> Option<Position> {
        None
    }

    /// A client reads a log from there on; `None` is the end of that.
    fn set_position(client: &mut Self::Client, position: Option<Position>) {}

    /// What a client wants of the log that it reads, where messages travel in `envelope`; `None` is
    /// server-sent events.
    fn wants(client: &Self::Client, envelope: Option<Envelope>) -> Wants<Self::View> {
        Wants::Waits
    }

    /// Appends what a client is told with each ping.
    fn put_heartbeat(client: &Self::Client, out: &mut BytesMut) {}

    /// Changes what of its log a client is shown; `None` is nothing.
    fn show(&self, client: &mut Self::Client, view: Option<Self::View>) {}

    /// Appends an event of a log as it is shown. No if it is not.
    fn encode_logged(
        &self,
        view: &Self::View,
        at: (Epoch, Number),
        event: &Event,
        out: &mut BytesMut,
    ) -> bool {
        false
    }

    /// Appends the news of a gap.
    fn encode_gap(&self, view: &Self::View, gap: Gap, out: &mut BytesMut) {}

    /// Begins the answer to a request whose reader is attached to a log, and stays.
    fn begin_reading(&self, form: &Form, log: LogState, to: &mut Responder<'_>) {}

    /// Answers a poll with what a log has from a number on, as much as one answer may hold. Returns
    /// how many events that is.
    fn answer_poll(&self, log: &Log, from: (Number, LogState), to: &mut Responder<'_>) -> usize {
        0
    }

    /// Answers a request whose reader cannot be attached, or whose log is gone.
    fn refuse_reading(&self, refusal: Refusal, to: &mut Responder<'_>) {}

    /// Bytes of the names that a client wants of its log. What others subscribe to is counted where
    /// it is compiled.
    fn wanted_bytes(client: &Self::Client) -> usize {
        0
    }

    /// Whether a client says one message and no more: nothing may come of it before that is
    /// certain.
    fn takes_one_message(client: &Self::Client) -> bool {
        false
    }

    /// Whether a client hears one message and no more.
    fn answers_once(client: &Self::Client) -> bool {
        false
    }

    /// Longest message that a client may send now: as long as it has not said who it is, no more
    /// than that takes.
    fn message_bytes_max(client: &Self::Client) -> usize {
        WEBSOCKET_MESSAGE_BYTES_MAX
    }

    /// The end of the identity that a client is known by.
    fn ends(client: &Self::Client) -> Instant {
        Instant::NEVER
    }

    /// The identity of a client has ended.
    fn end(&self, client: &mut Self::Client) -> Reaction {
        Reaction::Close(
            Vec::new(),
            CloseCode::POLICY_VIOLATION,
            "the login has ended",
        )
    }

    /// When [`expire`](Self::expire) is to be called.
    fn due(client: &Self::Client) -> Instant {
        Instant::NEVER
    }

    /// A client may be spoken to from now on.
    fn opened(&self, client: &mut Self::Client, tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// A client sent a message.
    fn message(
        &self,
        client: &mut Self::Client,
        message: Message<'_>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        Reaction::nothing()
    }

    /// A client will send no more messages; its last one was reacted to. A WebSocket has its own
    /// way to end.
    fn half_closed(&self, client: &mut Self::Client) -> Reaction {
        Reaction::nothing()
    }

    /// The outcome of a client's [`Reaction::Execute`].
    fn answer_client(
        &self,
        client: &mut Self::Client,
        pending: Self::Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        Reaction::nothing()
    }

    /// The first subscriptions of a client were refused.
    fn not_opened(&self, client: &mut Self::Client, full: Full) -> Reaction {
        let reason = "too many subscriptions, try again";
        Reaction::Close(Vec::new(), CloseCode::TRY_AGAIN_LATER, reason)
    }

    /// A change of subscriptions was refused; nothing has changed but what the client itself took
    /// note of.
    fn not_subscribed(&self, client: &mut Self::Client, undo: Self::Undo, full: Full) -> Reaction {
        Reaction::nothing()
    }

    /// A client reads its session's log from now on: what it is told, each as one message.
    fn followed(&self, client: &mut Self::Client, standing: &Standing) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// A client's log cannot be read.
    fn not_followed(&self, client: &mut Self::Client, refusal: Refusal) -> Reaction {
        Reaction::nothing()
    }

    /// The time is [`due`](Self::due).
    fn expire(&self, client: &mut Self::Client, tools: &mut Tools<'_>) -> Reaction {
        Reaction::nothing()
    }

    /// The server is leaving, and `leave_ms` from now at the latest the client will be closed.
    /// `None` if it may be closed at once.
    fn drain(
        &self,
        client: &mut Self::Client,
        leave_ms: u64,
        tools: &mut Tools<'_>,
    ) -> Option<Reaction> {
        None
    }

    /// The organization of a client, as far as it is known.
    fn organization(client: &Self::Client) -> Option<OrganizationId> {
        None
    }

    /// What a client's subscription at that place asks for.
    fn heard(client: &Self::Client, place: usize) -> Option<Heard> {
        None
    }

    /// Ends a client's subscription at that place, which it has.
    fn cancel(&self, client: &mut Self::Client, place: usize) -> Reaction {
        Reaction::nothing()
    }

    /// Appends an event as one frame. `rendering` is kept between calls for the same event.
    fn encode_event(
        &self,
        encoding: Self::Encoding,
        event: &Event,
        rendering: &mut Self::Rendering,
        out: &mut BytesMut,
    ) {
    }

    /// Appends an event as one frame for the client that published it.
    fn encode_own_event(
        &self,
        encoding: Self::Encoding,
        event: &Event,
        correlation_id: &str,
        out: &mut BytesMut,
    ) {
        self.encode_event(encoding, event, &mut Self::Rendering::default(), out);
    }

    /// Appends the news that `count` events were dropped, because the client was too slow, as one
    /// frame.
    fn encode_dropped(&self, encoding: Self::Encoding, count: u64, out: &mut BytesMut) {}
}

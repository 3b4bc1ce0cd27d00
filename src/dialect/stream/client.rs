//! One client, whatever its transport: requests in, replies and subscriptions out.
//!
//! ```text
//!   subscribe ──► (Place, below the organization) ──► subscribed
//!   publish ──► (Place of the project, if all three are named) ──► Publish ──► published
//! ```
//!
//! One request at a time: the next is looked at when this one is answered, so that replies come in
//! the order of requests. What is wrong with a request is told by an `error`; the stream lives on.

use std::time::Duration;

use bytes::Bytes;

use super::access::note;
use super::errors::invalid;
use super::placing::Place;
use super::refusal::of_refusal;
use super::{
    Asked, Form, Pending, Publish, Reply, Request, Wanted, WantedKey, put_fatal, put_published,
    put_reply,
};
use crate::auth::{Grant, Grants, Identity, OrganizationId};
use crate::dialect::{self, Call, Change, Message, Reaction, Subscribe, Tools, Undo};
use crate::hub::{Address, Answer, Command, EventId, Full, Names, Parents, Subscription};
use crate::limits::{STREAM_SUBSCRIPTIONS_MAX, WILDCARDS_PER_CLIENT_MAX};
use crate::protocol::grpc::{Code, Status};
use crate::time::Instant;

/// One client.
#[derive(Debug)]
pub struct Client {
    pub(super) identity: Identity,
    form: Form,
    pub(super) kind: Kind,
    /// The client's own id, as it said it.
    session_id: Option<Bytes>,
    /// What it asked to hear when it came.
    first: Option<Box<Wanted>>,
    /// What it hears, in the order that the shard keeps.
    pub(super) wanted: Vec<WantedKey>,
    /// It is to be closed then.
    due: Instant,
}

/// What the client came for.
#[derive(Debug)]
pub(super) enum Kind {
    /// To ask for what comes into its mind.
    Stream,
    /// To hear what its request asked for, and nothing else.
    Listen,
    /// To publish one event, known by this key if the call has one.
    Publish(Option<Box<[u8]>>),
    /// To be told what is wrong.
    Refused(Box<Status>),
}

/// A client's request that waits for the hub.
#[derive(Debug)]
pub(super) struct Waiting {
    correlation_id: Option<Box<str>>,
    place: Place,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// The collection of a project is asked; a subscription follows.
    Project(Wanted, Names),
    /// Where the scope of a subscription stands is asked.
    Scope(Wanted, Names),
    /// The collection of a project is asked; a publish follows.
    Declared(Box<Publish>),
    /// An event is published.
    Published(Box<Publish>),
}

impl Waiting {
    /// Whether an event waits to be published.
    pub(super) fn publishes(&self) -> bool {
        matches!(self.step, Step::Declared(_) | Step::Published(_))
    }
}

/// What a client costs beside its connection.
const _: () = assert!(size_of::<Client>() <= 120);

impl Client {
    /// Whether it is more than somebody who is told why not.
    pub const fn is_welcome(&self) -> bool {
        !matches!(self.kind, Kind::Refused(_))
    }

    /// Whether the client may do something; a refusal is noted.
    fn allowed(&self, needed: Grant, tools: &mut Tools<'_>) -> Result<Identity, Status> {
        note(self.identity.with_grant(tools.now, needed), tools.judge())
    }

    pub(super) fn new(
        identity: Identity,
        form: Form,
        kind: Kind,
        session_id: Option<Bytes>,
        first: Option<Wanted>,
    ) -> Self {
        Self {
            identity,
            form,
            kind,
            session_id,
            first: first.map(Box::new),
            wanted: Vec::new(),
            due: Instant::NEVER,
        }
    }

    /// A client that is only told why it may not stay.
    pub(super) fn refused(status: Status) -> Self {
        let nobody = Identity {
            organization: OrganizationId::default(),
            grants: Grants::NONE,
            ends: Instant::NEVER,
        };
        let kind = Kind::Refused(Box::new(status));
        Self::new(nobody, Form::Json, kind, None, None)
    }

    /// Whether its call is unary.
    pub const fn takes_one_message(&self) -> bool {
        matches!(self.kind, Kind::Publish(_))
    }

    /// When it is to be closed.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// A message of the server's.
    fn say(&self, correlation_id: Option<&str>, reply: &Reply<'_>) -> Vec<u8> {
        let session_id = match reply {
            // Only a `pong` says whose stream it is: that is where clients look for it.
            Reply::Pong(_) => self.session_id.as_deref(),
            _ => None,
        };
        let session_id = session_id.and_then(|id| std::str::from_utf8(id).ok());
        let mut out = Vec::with_capacity(256);
        put_reply(self.form, correlation_id, session_id, reply, &mut out);
        out
    }

    fn refuse(&self, correlation_id: Option<&str>, status: Status) -> Reaction {
        match self.kind {
            Kind::Stream => Reaction::Reply(self.say(correlation_id, &Reply::Error(&status))),
            // Nothing else will come.
            Kind::Listen | Kind::Publish(_) | Kind::Refused(_) => self.end(status),
        }
    }

    /// Ends the stream, as its form wants it to be told.
    pub(super) fn end(&self, status: Status) -> Reaction {
        let mut last = Vec::new();
        if self.form == Form::Json {
            put_fatal(&status, &mut last);
        }
        Reaction::End(last, Box::new(status))
    }

    fn subscribe(
        &mut self,
        correlation_id: Option<Box<str>>,
        wanted: Wanted,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        let correlation = correlation_id.as_deref();
        let names = match self
            .allowed(Grant::Subscribe, tools)
            .and_then(|_| wanted.names())
        {
            Ok(names) => Names::Any(names),
            Err(status) => return self.refuse(correlation, status),
        };
        if self.wanted.contains(&wanted.key()) {
            return Reaction::Reply(self.say(correlation, &Reply::Subscribed(&wanted)));
        }
        if let Err(status) = self.check_bounds(&wanted.key()) {
            return self.refuse(correlation, status);
        }
        let place = Place::of(self.identity.organization, wanted.target.as_ref());
        if let Some(command) = place.ask_project() {
            let step = Step::Project(wanted, names);
            return wait(correlation_id, place, command, step);
        }
        self.ask_scope(correlation_id, place, wanted, names)
    }

    /// Whether this client may have one more subscription.
    fn check_bounds(&self, new: &WantedKey) -> Result<(), Status> {
        if self.wanted.len() >= STREAM_SUBSCRIPTIONS_MAX {
            let message = format!("{STREAM_SUBSCRIPTIONS_MAX} subscriptions of one stream at most");
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        let held = self.wanted.iter().map(WantedKey::wildcards);
        if new.wildcards() > 0 && new.wildcards() + held.sum::<usize>() > WILDCARDS_PER_CLIENT_MAX {
            let message = format!(
                "{WILDCARDS_PER_CLIENT_MAX} names with text behind a \"*\" of one stream at most"
            );
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        Ok(())
    }

    /// Asks where a subscription's scope stands, and subscribes if everybody knows.
    fn ask_scope(
        &mut self,
        correlation_id: Option<Box<str>>,
        place: Place,
        wanted: Wanted,
        names: Names,
    ) -> Reaction {
        match place.ask() {
            Some(command) => {
                let step = Step::Scope(wanted, names);
                wait(correlation_id, place, command, step)
            }
            None => self.heed(correlation_id.as_deref(), place, &wanted, names),
        }
    }

    /// Subscribes where `place` says.
    fn heed(
        &mut self,
        correlation_id: Option<&str>,
        place: Place,
        wanted: &Wanted,
        names: Names,
    ) -> Reaction {
        self.wanted.push(wanted.key());
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Add(Subscription {
                scope: place.scope,
                parents: place.parents,
                names,
                properties: Vec::new(),
            }),
            retained: Vec::new(),
            reply: self.say(correlation_id, &Reply::Subscribed(wanted)),
            undo: Undo::EventService(correlation_id.map(Box::from)),
        }))
    }

    fn unsubscribe(&mut self, correlation_id: Option<&str>, wanted: &Wanted) -> Reaction {
        if let Err(status) = wanted.names() {
            return self.refuse(correlation_id, status);
        }
        let reply = self.say(correlation_id, &Reply::Unsubscribed(wanted));
        let key = wanted.key();
        let Some(place) = self.wanted.iter().position(|other| *other == key) else {
            // As with subscribing twice: what was asked for is so.
            return Reaction::Reply(reply);
        };
        self.wanted.swap_remove(place);
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Remove(place),
            retained: Vec::new(),
            reply,
            undo: Undo::Nothing,
        }))
    }

    fn publish(
        &mut self,
        correlation_id: Option<Box<str>>,
        publish: Box<Publish>,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        if let Err(status) = self.allowed(Grant::Publish, tools) {
            return self.refuse(correlation_id.as_deref(), status);
        }
        let place = Place::of(self.identity.organization, publish.target.as_ref());
        match place.ask_project() {
            Some(command) => wait(correlation_id, place, command, Step::Declared(publish)),
            None => self.publish_at(correlation_id, place, publish),
        }
    }

    fn publish_at(
        &mut self,
        correlation_id: Option<Box<str>>,
        place: Place,
        publish: Box<Publish>,
    ) -> Reaction {
        let command = Command::Publish {
            scope: place.scope.clone(),
            parents: place.parents.clone(),
            drafts: vec![publish.draft(self.session_id.clone())],
        };
        // Who hears nothing gets no copy to be marked.
        let own_copy = correlation_id.clone().filter(|_| !self.wanted.is_empty());
        let mut reaction = wait(correlation_id, place, command, Step::Published(publish));
        if let Reaction::Execute(call) = &mut reaction {
            call.correlation_id = own_copy;
            if let Kind::Publish(key) = &mut self.kind {
                call.idempotency_key = key.take();
            }
        }
        reaction
    }

    fn published(&self, correlation_id: Option<&str>, id: EventId, publish: &Publish) -> Reaction {
        if matches!(self.kind, Kind::Publish(_)) {
            let mut last = Vec::with_capacity(128 + 2 * publish.payload.len());
            put_published(self.form, id, publish, &mut last);
            return Reaction::End(last, Box::new(Status::OK));
        }
        Reaction::Reply(self.say(correlation_id, &Reply::Published { id, publish }))
    }
}

/// Asks the hub.
fn wait(correlation_id: Option<Box<str>>, place: Place, command: Command, step: Step) -> Reaction {
    let waiting = Waiting {
        correlation_id,
        place,
        step,
    };
    Reaction::Execute(Box::new(Call {
        operation: command.into(),
        idempotency_key: None,
        correlation_id: None,
        pending: dialect::Pending::EventService(Pending::Asked(Box::new(waiting))),
    }))
}

impl Client {
    /// The client may be spoken to.
    pub(super) fn opened(&mut self, tools: &mut Tools<'_>) -> Reaction {
        if let Kind::Refused(status) = &self.kind {
            return self.end(Status::clone(status));
        }
        match self.first.take() {
            Some(wanted) => self.subscribe(None, *wanted, tools),
            None => Reaction::nothing(),
        }
    }

    /// A message came.
    pub(super) fn message(&mut self, message: Message<'_>, tools: &mut Tools<'_>) -> Reaction {
        match self.kind {
            Kind::Stream => {}
            Kind::Publish(_) => {
                return match Publish::read(self.form, message.bytes()) {
                    Ok(publish) => self.publish(None, Box::new(publish), tools),
                    Err(status) => self.end(status),
                };
            }
            Kind::Listen | Kind::Refused(_) => return Reaction::nothing(),
        }
        if let (Form::Json, Message::Binary(_)) = (self.form, message) {
            let message = "a binary frame: messages are JSON text";
            return self.refuse(None, invalid(message));
        }
        let Request {
            correlation_id,
            asked,
        } = Request::read(self.form, message.bytes());
        let correlation = correlation_id.as_deref();
        match asked {
            Ok(Asked::Ping(text)) => Reaction::Reply(self.say(correlation, &Reply::Pong(&text))),
            Ok(Asked::Subscribe(wanted)) => self.subscribe(correlation_id, wanted, tools),
            Ok(Asked::Unsubscribe(wanted)) => self.unsubscribe(correlation, &wanted),
            Ok(Asked::Publish(publish)) => self.publish(correlation_id, publish, tools),
            Err(status) => self.refuse(correlation, status),
        }
    }

    /// The last subscription was over a bound of the organization's.
    pub(super) fn not_subscribed(&mut self, correlation_id: Option<&str>, full: Full) -> Reaction {
        self.wanted.pop();
        let status = Status::new(Code::ResourceExhausted, full.to_string());
        self.refuse(correlation_id, status)
    }

    /// The client has said all it will, and had its answers.
    pub(super) fn half_closed(&self) -> Reaction {
        match self.kind {
            Kind::Publish(_) => self.end(Status::cardinality("the call ended without a request")),
            // Who hears something goes on to.
            Kind::Stream if self.wanted.is_empty() => {
                Reaction::End(Vec::new(), Box::new(Status::OK))
            }
            Kind::Stream | Kind::Listen | Kind::Refused(_) => Reaction::nothing(),
        }
    }

    /// The hub's answer to a request.
    pub(super) fn answer(&mut self, waiting: Waiting, answer: Answer) -> Reaction {
        let Waiting {
            correlation_id,
            mut place,
            step,
        } = waiting;
        let correlation = correlation_id.as_deref();
        match (step, answer) {
            (step, Answer::Refused(refusal)) => {
                let status = of_refusal(refusal, &place.asked(&step));
                self.refuse(correlation, status)
            }
            (Step::Project(wanted, names), _) => {
                self.ask_scope(correlation_id, place, wanted, names)
            }
            (Step::Scope(wanted, names), Answer::Parents(parents)) => {
                place.parents = above(&place.scope.address, parents);
                self.heed(correlation, place, &wanted, names)
            }
            (Step::Declared(publish), _) => self.publish_at(correlation_id, place, publish),
            (Step::Published(publish), Answer::Published { id, .. }) => {
                self.published(correlation, id, &publish)
            }
            // The hub answers each question by its own kind.
            (Step::Scope(..) | Step::Published(_), _) => {
                let status = Status::new(Code::Internal, "the hub gave another answer");
                self.refuse(correlation, status)
            }
        }
    }

    /// The server is leaving: tells a stream until when to be gone.
    pub(super) fn drain(&mut self, leave_ms: u64, tools: &Tools<'_>) -> Reaction {
        if matches!(self.kind, Kind::Publish(_)) || self.due != Instant::NEVER {
            // It ends by itself, or knows already.
            return Reaction::nothing();
        }
        self.due = tools.now.instant + Duration::from_millis(leave_ms);
        let reply = Reply::ReconnectBefore {
            reauthenticate: false,
            before_ms: tools.now.unix_ms + leave_ms,
        };
        Reaction::Reply(self.say(None, &reply))
    }

    /// The time is [`due`](Self::due): whoever was told to be gone is not.
    pub(super) fn expire(&mut self) -> Reaction {
        self.due = Instant::NEVER;
        let status = Status::new(Code::Unavailable, "the server is leaving");
        Reaction::End(Vec::new(), Box::new(status))
    }
}

impl Place {
    /// Which address the home was asked about.
    fn asked(&self, step: &Step) -> Address {
        match step {
            Step::Project(..) | Step::Declared(_) => self.asked_first(),
            Step::Scope(..) | Step::Published(_) => self.scope.address.clone(),
        }
    }
}

/// What stands above an address, of what the hub says about it.
fn above(address: &Address, parents: Parents) -> Parents {
    match address {
        Address::Session(_) => parents,
        Address::Project(_) => Parents {
            project: None,
            ..parents
        },
        Address::Group(_) | Address::Organization => Parents::default(),
    }
}

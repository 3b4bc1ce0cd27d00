//! What one shard says to another. Plain values; how they travel is `runtime`'s business.

use std::sync::Arc;

use bytes::Bytes;

use super::ConnectionId;
use crate::auth::LoginToken;
use crate::dialect::{AllowedOrigin, Exchange, Follow, LoginChange, Outcome};
use crate::hub::{
    Answer, Command, Event, OrganizationId, Parents, PublishKey, Question, Report, Scope,
    ScopeName, ScopeNews, ShardId,
};

/// A message between two shards. Between the same two, order is kept.
#[derive(Debug)]
pub enum Mail {
    /// Execute a command and send the answer back.
    Command {
        /// What the sender will do with the answer.
        reply: ReplyTo,
        /// The command.
        command: Command,
        /// Its hash, by `Placement::hash_of`.
        hash: u64,
    },
    /// Execute a publish unless its key was used; the receiver remembers the key.
    Keyed {
        /// The connection that waits on the sending shard.
        connection: ConnectionId,
        /// The key at its target.
        key: Box<PublishKey>,
        /// The command.
        command: Command,
    },
    /// The answer to a command.
    Answer {
        /// What its receiver said to do with it.
        reply: ReplyTo,
        /// The answer.
        answer: Answer,
    },
    /// About an operation that no single hub decides.
    Operation(OperationMail),
    /// An event for the sessions beneath its scope.
    Append(Arc<Event>),
    /// An event for the receiver's live subscriptions.
    Hear(Arc<Event>),
    /// The sender has live subscriptions of an organization from now on, or none any more.
    Interest {
        /// Whose events.
        organization: OrganizationId,
        /// Whether it listens. A yes is answered by `InterestKnown`.
        listens: bool,
    },
    /// The sender mails the organization's events from now on.
    InterestKnown {
        /// Whose.
        organization: OrganizationId,
    },
    /// A connection of the sender asks what there is, or that some of it ends.
    Asked {
        /// Which of the sender's questions.
        number: u64,
        /// The question.
        question: Arc<Question>,
    },
    /// The answer to a question of the receiver's: one from each shard that was asked.
    Told {
        /// Which.
        number: u64,
        /// What there is on the sender.
        report: Report,
    },
    /// Nobody wants to know any more.
    Unasked {
        /// Which of the sender's questions.
        number: u64,
    },
    /// The sender accepts nothing any more: what it had accepted came before.
    Sealed,
    /// About a stream whose reader is on another shard.
    Relay(RelayMail),
    /// A project or group came to be known, or what stands above a session.
    Learn {
        /// Whose tree.
        organization: OrganizationId,
        /// The session, if it is about one.
        session: Option<ScopeName>,
        /// What is above what.
        parents: Parents,
    },
    /// About the forgetting of a group or project.
    Scope {
        /// Which.
        scope: Scope,
        /// It and what stands above it.
        parents: Parents,
        /// What is said.
        news: ScopeNews,
    },
}

/// What shards say about operations that no single hub decides.
#[derive(Debug)]
pub enum OperationMail {
    /// Find the receiver's sessions whose token begins with `prefix`.
    Find {
        /// The sender's search.
        search: u32,
        /// The organization of the sessions.
        organization: OrganizationId,
        /// The beginning of their tokens.
        prefix: Box<str>,
    },
    /// The receiver's part of what the sender's search found.
    Found {
        /// The receiver's search.
        search: u32,
        /// Tokens that match, two at most.
        tokens: Vec<ScopeName>,
    },
    /// Change a login that the receiver keeps.
    Login {
        /// The connection that waits on the sending shard.
        connection: ConnectionId,
        /// The login's token.
        token: LoginToken,
        /// The change.
        change: LoginChange,
    },
    /// The outcome of a change to a login.
    LoggedIn {
        /// The connection that waits on the receiving shard.
        connection: ConnectionId,
        /// The outcome.
        outcome: Outcome,
    },
}

/// What shards say about a stream of one that reads a log of the other.
#[derive(Debug)]
pub enum RelayMail {
    /// A stream of the sender, which cannot move, wants to read a log of the receiver.
    Follow {
        /// The stream, on the sender.
        stream: ConnectionId,
        /// What it asks for.
        follow: Box<Follow>,
        /// How its answer is framed.
        exchange: Exchange,
        /// The origin that its answer names.
        origin: Option<AllowedOrigin>,
    },
    /// What a reader of the sender has for a stream of the receiver.
    Bytes {
        /// The reader, on the sender.
        reader: ConnectionId,
        /// The stream, on the receiver.
        stream: ConnectionId,
        /// What is to be sent.
        bytes: Bytes,
        /// How many events they are of.
        events: u32,
        /// Nothing follows, and the reader is gone.
        ended: bool,
    },
    /// A stream of the receiver, whose sender named no organization, reads a session of this one.
    Attached {
        /// The stream, on the receiver.
        stream: ConnectionId,
        /// Whose session it is.
        organization: OrganizationId,
    },
    /// Bytes of [`Bytes`](Self::Bytes) were taken.
    Taken {
        /// The reader, on the receiver.
        reader: ConnectionId,
        /// How many.
        bytes: usize,
    },
    /// The sender holds too much for a stream of the receiver: its client is to be cut off.
    GivenUp {
        /// The stream, on the receiver.
        stream: ConnectionId,
    },
    /// A stream of the sender that has a reader on the receiver is gone.
    Abandoned {
        /// The stream, on the sender.
        stream: ConnectionId,
    },
}

/// Who, on the shard that asked, an answer is for.
#[derive(Clone, Debug)]
pub enum ReplyTo {
    /// A connection that waits.
    Connection(ConnectionId),
    /// A connection that waits to know where a session of the organization stands.
    Place(ConnectionId, OrganizationId),
    /// All who wait for the first use of an idempotency key.
    Key(Box<PublishKey>),
    /// Nobody.
    Nobody,
}

/// A connection that waits, on any shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) shard: ShardId,
    pub(super) connection: ConnectionId,
}

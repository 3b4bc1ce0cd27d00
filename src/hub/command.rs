//! The requests to a scope's home shard, and their answers.

use std::time::Duration;

use super::bounds::{Full, Whose};
use super::event::{Draft, Epoch, EventId, Number};
use super::scope::{Address, OrganizationId, Parents, Placement, Scope, ScopeName, SessionKey};

/// A request to the home shard of the scope it names. Plain data: it may travel between shards.
#[derive(Clone, Debug)]
pub enum Command {
    /// Accept events for a scope, all or none, in order. At least one draft.
    Publish {
        /// The target.
        scope: Scope,
        /// The scopes that the call says stand above it; learned or checked before anything is
        /// accepted. With both a project and a group above a session, the project's home has been
        /// asked: [`Place`](Self::Place).
        parents: Parents,
        /// The events to accept.
        drafts: Vec<Draft>,
    },
    /// Learn, or check, the scopes above a scope, which comes to be known; for calls that name
    /// both, and before a subscription below the organization. Answered by [`Answer::Parents`]. For
    /// a session it precedes listening, so it does not bring back one that was ended.
    ///
    /// If a call names both project and group above a session, ask the project's home first
    /// (`Place` with the group), then the session's home with that answer: a project's home decides
    /// its group.
    Place {
        /// The scope. `scopes = "declared"` refuses one that is unknown.
        scope: Scope,
        /// The scopes that the call says stand above it.
        parents: Parents,
    },
    /// Learn, or check, the group above a project, which is thereby declared. Answered by
    /// [`Answer::Parents`].
    Declare {
        /// The organization.
        organization: OrganizationId,
        /// The project.
        project: ScopeName,
        /// Its group, if the call named one.
        group: Option<ScopeName>,
    },
    /// Create a session. Answered by [`Answer::Created`], or `Conflict` when it exists.
    Create {
        /// Its name.
        session: SessionKey,
        /// The scopes above it; consistent, as `Declare` answered.
        parents: Parents,
        /// Labels to find it by.
        labels: Vec<String>,
        /// Date of expiry, unix milliseconds.
        expires_ms: Option<u64>,
        /// Retention of its log, if not the organization's default.
        retention: Option<Duration>,
    },
    /// Describe a session. Answered by [`Answer::Session`].
    Read {
        /// The session.
        session: SessionKey,
    },
    /// Describe the session of a token, if exactly one organization has one. Answered by
    /// [`Answer::Session`].
    ReadAny {
        /// Its token.
        token: ScopeName,
    },
    /// Change a session's status.
    Transition {
        /// The session.
        session: SessionKey,
        /// The change.
        transition: Transition,
    },
    /// Emit `resume` with the given data on a pending session, then delete it.
    Resume {
        /// The session.
        session: SessionKey,
        /// The JSON text of the resume token.
        resume_token: bytes::Bytes,
    },
    /// Replace a session's labels.
    SetLabels {
        /// The session.
        session: SessionKey,
        /// The new labels.
        labels: Vec<String>,
    },
    /// Delete a session and its log; its readers are told.
    Delete {
        /// The session.
        session: SessionKey,
    },
    /// Tell an organization's live subscribers something that no log is to keep. Answered by
    /// [`Answer::Published`].
    Notify {
        /// The organization.
        organization: OrganizationId,
        /// The event.
        draft: Draft,
    },
}

impl Placement {
    /// The hash that places a command, of the scope that it is for:
    /// [`home_of_hash`](Self::home_of_hash) is where it is to be executed. A session's is
    /// [`session_hash`](Self::session_hash) of its token.
    #[inline]
    pub fn hash_of(&self, command: &Command) -> u64 {
        match command {
            Command::Publish { scope, .. } | Command::Place { scope, .. } => {
                self.scope_hash(scope.organization, &scope.address)
            }
            Command::Declare {
                organization,
                project,
                ..
            } => self.scope_hash(*organization, &Address::Project(project.clone())),
            Command::Create { session, .. }
            | Command::Read { session }
            | Command::Transition { session, .. }
            | Command::Resume { session, .. }
            | Command::SetLabels { session, .. }
            | Command::Delete { session } => self.session_hash(session.token.as_str()),
            Command::ReadAny { token } => self.session_hash(token.as_str()),
            Command::Notify { organization, .. } => {
                self.scope_hash(*organization, &Address::Organization)
            }
        }
    }
}

/// A change of status that a session's publisher may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// pending or paused → running.
    Start,
    /// running → paused.
    Pause,
    /// pending, running or paused → aborted.
    Stop,
}

/// The status of a session: pending → running ⇄ paused → completed | aborted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Created, not started.
    #[default]
    Pending,
    /// Started.
    Running,
    /// Paused.
    Paused,
    /// Ended by itself.
    Completed,
    /// Stopped.
    Aborted,
}

impl Status {
    /// Returns the word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
        }
    }
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Events were accepted.
    Published {
        /// The first event's id.
        id: EventId,
        /// For a session scope: the epoch of its log and the first event's number in it.
        position: Option<(Epoch, Number)>,
    },
    /// The scopes above a scope now. A project or group is itself part of the answer, so it may be
    /// passed on as the parents of that scope, or of a session in it.
    Parents(Parents),
    /// A session was created.
    Created(ScopeName),
    /// A session as it stands now.
    Session(Box<SessionView>),
    /// Done; no more to say.
    Done,
    /// Not done; the reason.
    Refused(Refusal),
}

/// The reason why a command was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such session, and the command does not create one.
    NotFound,
    /// The session was ended, and reading does not bring it back.
    Gone,
    /// The scope is unknown and `scopes = "declared"`.
    Undeclared,
    /// The call contradicts the tree as it was learned.
    Contradiction,
    /// The session exists already.
    Exists,
    /// The status does not allow the transition.
    Status(Status),
    /// A bound is reached (`limits.rs`); try again later.
    Busy,
    /// The organization, or all together, have as much of something as may be.
    Full(Full),
    /// This node is about to leave: nobody would hear the event.
    Leaving,
    /// The idempotency key was used, for the same target, to publish something else.
    KeyReused,
    /// The bound on remembered idempotency keys is reached.
    KeysHeld {
        /// The holder of the bound.
        of: Whose,
        /// Seconds until the oldest of them is forgotten: whole ones, at least one.
        retry_after: u32,
    },
    /// The name of an event is the server's own.
    ReservedName {
        /// The index of the event, from 0.
        at: u32,
    },
    /// The organization publishes faster than it may.
    TooFast {
        /// Seconds after which the publish would be accepted if nothing else were: whole ones, at
        /// least one.
        retry_after: u32,
    },
}

impl Refusal {
    /// A refusal by a rate limit that has room again after `wait`.
    pub fn too_fast(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        Self::TooFast {
            retry_after: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

/// A session as its readers may see it. Times are unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its token.
    pub token: ScopeName,
    /// The scopes above it.
    pub parents: Parents,
    /// Its status.
    pub status: Status,
    /// Labels, in the order given.
    pub labels: Vec<String>,
    /// Creation time.
    pub created_ms: u64,
    /// Time of the first start.
    pub started_ms: Option<u64>,
    /// Time of completion or abort.
    pub finished_ms: Option<u64>,
    /// Date of expiry, if one was set.
    pub expires_ms: Option<u64>,
    /// The life of its log.
    pub epoch: Epoch,
    /// The oldest retained number (equals `next` when nothing is retained).
    pub oldest: Number,
    /// The number the next event will get.
    pub next: Number,
}

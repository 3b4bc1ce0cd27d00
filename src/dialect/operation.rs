//! What a dialect asks of the node, sorted by the part of it that decides, and what comes of it.
//!
//! The hub of a scope's home executes commands; all else is the shards': they keep logins, have
//! passwords checked, and put to all hubs what no single one can answer.

use std::sync::Arc;

use crate::auth::{Attempt, Identity, LoginToken, Verdict};
use crate::hub::{Answer, Command, OrganizationId, Question, Refusal, Report, ScopeName};

/// Something to be done or found out before a response can be written.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A command for the hub of the shard that is home to the scope it names. Ends in
    /// [`Outcome::Answer`].
    Command(Command),
    /// The sessions of all shards whose token begins with `prefix`. Ends in [`Outcome::Found`].
    Find {
        /// Their organization.
        organization: OrganizationId,
        /// At least 8 bytes.
        prefix: Box<str>,
    },
    /// A question about what there is, or an order to end some of it. Ends in [`Outcome::Report`].
    Inspect(Arc<Question>),
    /// The check of a user's password, which takes long. Ends in [`Outcome::Verified`].
    Verify(Attempt),
    /// A change to a login, which the shard that is home to its token keeps. Ends in
    /// [`Outcome::Login`].
    Login {
        /// The token.
        token: LoginToken,
        /// The change.
        change: LoginChange,
    },
}

impl From<Command> for Operation {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

/// A change to a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginChange {
    /// Remember it.
    Issue(Identity),
    /// Use it once more.
    Renew,
    /// Forget it.
    Clear,
}

/// The end of an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A hub's answer to a command, or the refusal of any operation.
    Answer(Answer),
    /// Up to two tokens, so that one can be told from several.
    Found(Vec<ScopeName>),
    /// The report on what there is.
    Report(Box<Report>),
    /// The verdict on a password.
    Verified(Verdict),
    /// The login's identity, if the login is good.
    Login(Option<Identity>),
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Outcome {
    /// An operation that was not carried out.
    pub const fn refused(refusal: Refusal) -> Self {
        Self::Answer(Answer::Refused(refusal))
    }

    /// The hub's answer, for a dialect that asked for nothing else.
    pub fn into_answer(self) -> Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Found(_) | Self::Report(_) | Self::Verified(_) | Self::Login(_) => {
                Answer::Refused(Refusal::Busy)
            }
        }
    }
}

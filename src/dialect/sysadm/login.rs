//! Who asks: logging in by password or token, and the renewal of tokens.
//!
//! A login's home may be another shard, and passwords are checked beside all shards, so each step
//! asks and comes back with the answer. The connection holds further messages until then; so what a
//! client sees is that every message is served whole before the next.

use super::reply::{self, Code, Echo};
use super::request::Request;
use super::{Client, Login, Sysadm};
use crate::auth::{
    Attempt, Grant, Identity, LOGIN_TOKEN_CHARS, LoginToken, Secret, UserId, Verdict,
};
use crate::dialect::client::{Change, Reaction, Subscribe};
use crate::dialect::{self, Call, Denial, LoginChange, Operation, Outcome, Tools, denied_by};
use crate::limits::{PASSWORD_BYTES_MAX, USER_NAME_BYTES_MAX};
use crate::metrics::{Api, RefusalKind};
use crate::time::Instant;

/// What a client waits for.
#[derive(Debug)]
pub struct Pending(Wait);

#[derive(Debug)]
enum Wait {
    /// The former login to be forgotten, before the next step.
    Clear(Step, Echo),
    /// A password to be checked.
    Verify(Option<UserId>, Echo),
    /// A new login to be remembered.
    Issue(LoginToken, Identity, Echo),
    /// A login to be renewed because its token was presented.
    Present(LoginToken, Echo),
    /// A login to be renewed because it is used; with what follows if it still is one.
    Renew(Box<Reaction>, Echo),
}

/// What a name beginning `auth` amounts to, once the former login is gone.
#[derive(Debug)]
enum Step {
    Verify(Attempt),
    Issue(Identity),
    Present(LoginToken),
    Refuse(Code),
    Leave,
}

impl Sysadm {
    /// `rpc/auth…`: the former login goes whatever comes of it.
    pub(super) fn log_in(
        &self,
        client: &mut Client,
        request: Request,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        let former = client.login.and_then(|login| login.token);
        self.become_stranger(client, tools.now.instant);
        let step = self.read_step(&request);
        let echo = request.echo;
        match (former, &step) {
            // The login that goes is the one that comes.
            (Some(former), Step::Present(token)) if former == *token => {}
            (Some(token), _) => {
                return ask_login(token, LoginChange::Clear, Wait::Clear(step, echo));
            }
            (None, _) => {}
        }
        self.take(client, step, echo, tools)
    }

    fn read_step(&self, request: &Request) -> Step {
        match &*request.echo.name {
            "auth" => {
                let (name, password) = (request.text("username"), request.text("password"));
                match (name, password, self.directory.anonymous()) {
                    (Some(_), Some(_), Some(anyone)) => Step::Issue(anyone),
                    (Some(name), Some(password), None) => self.check(name, password),
                    _ => Step::Refuse(Code::BadRequest),
                }
            }
            "auth_token" => {
                let Some(token) = request.text("token") else {
                    return Step::Refuse(Code::BadRequest);
                };
                match (parse_token(token), self.directory.anonymous()) {
                    (Some(token), _) => Step::Present(token),
                    (None, Some(anyone)) => Step::Issue(anyone),
                    (None, None) => Step::Refuse(Code::Unauthorized),
                }
            }
            "auth_clear" => Step::Leave,
            _ => Step::Refuse(Code::Unauthorized),
        }
    }

    /// A name that nobody has is checked like any other, so that time does not tell which names
    /// exist.
    fn check(&self, name: &str, password: &str) -> Step {
        if name.len() > USER_NAME_BYTES_MAX || password.len() > PASSWORD_BYTES_MAX {
            return Step::Refuse(Code::Unauthorized);
        }
        Step::Verify(Attempt {
            user: self.directory.user(name),
            name: name.into(),
            password: Secret::new(password),
        })
    }

    fn take(&self, client: &mut Client, step: Step, echo: Echo, tools: &mut Tools<'_>) -> Reaction {
        match step {
            Step::Verify(attempt) => {
                let wait = Wait::Verify(attempt.user, echo);
                ask(Operation::Verify(attempt), wait)
            }
            Step::Issue(identity) => issue(identity, echo, tools),
            Step::Present(token) => {
                ask_login(token, LoginChange::Renew, Wait::Present(token, echo))
            }
            Step::Refuse(code) => {
                if code == Code::Unauthorized {
                    tools.denied = Some(Denial::new(Api::Sysadm, RefusalKind::Credentials));
                }
                settle(client, self.errors.reply(&echo, code))
            }
            Step::Leave => settle(client, Vec::new()),
        }
    }

    /// The answer to a call of this dialect.
    pub(super) fn answered(
        &self,
        client: &mut Client,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
    ) -> Reaction {
        self.note_refusal(&pending.0, &outcome, tools);
        let (code, echo) = match (pending.0, outcome) {
            // A login that could not be forgotten now ends by its age.
            (Wait::Clear(step, echo), _) => return self.take(client, step, echo, tools),
            (Wait::Verify(Some(user), echo), Outcome::Verified(Verdict::Right)) => {
                match self.directory.user_of(user) {
                    Some(user) => return issue(user.identity, echo, tools),
                    None => (Code::Unauthorized, echo),
                }
            }
            (Wait::Verify(_, echo), Outcome::Verified(Verdict::Blocked { retry_after })) => {
                let reply = self.errors.later(&echo, Code::TooMany, retry_after);
                return settle(client, reply);
            }
            (Wait::Verify(_, echo), Outcome::Verified(Verdict::Busy { retry_after })) => {
                let reply = self.errors.later(&echo, Code::Unavailable, retry_after);
                return settle(client, reply);
            }
            (Wait::Verify(_, echo), Outcome::Verified(_)) => (Code::Unauthorized, echo),
            (Wait::Issue(token, identity, echo), Outcome::Login(Some(_)))
            | (Wait::Present(token, echo), Outcome::Login(Some(identity))) => {
                return welcome(client, identity, token, &echo);
            }
            (Wait::Present(_, echo), Outcome::Login(None)) => match self.directory.anonymous() {
                // A token of another life of this server: the client waits for one that works.
                Some(anyone) => return issue(anyone, echo, tools),
                None => (Code::Unauthorized, echo),
            },
            (Wait::Renew(reaction, echo), Outcome::Login(None)) => {
                // It ended by its age, or its token was cleared on another socket.
                self.become_stranger(client, tools.now.instant);
                if client.login.is_some() {
                    return *reaction;
                }
                (Code::Unauthorized, echo)
            }
            // Nothing is known against the login.
            (Wait::Renew(reaction, _), _) => return *reaction,
            (Wait::Verify(_, echo) | Wait::Issue(_, _, echo) | Wait::Present(_, echo), _) => {
                (Code::Unavailable, echo)
            }
        };
        settle(client, self.errors.reply(&echo, code))
    }

    /// Notes what came of a login, if it was none.
    fn note_refusal(&self, wait: &Wait, outcome: &Outcome, tools: &mut Tools<'_>) {
        let user = match wait {
            Wait::Verify(user, _) => user.and_then(|user| self.directory.user_of(user)),
            _ => None,
        };
        let kind = match (wait, outcome) {
            (Wait::Verify(..), Outcome::Verified(verdict)) => denied_by(*verdict),
            (Wait::Present(..), Outcome::Login(None)) if self.directory.anonymous().is_none() => {
                Some(RefusalKind::Token)
            }
            _ => None,
        };
        tools.denied = kind.map(|kind| Denial {
            organization: user.map(|user| user.identity.organization),
            ..Denial::new(Api::Sysadm, kind)
        });
    }

    /// Drops the login; in open mode everyone has one.
    fn become_stranger(&self, client: &mut Client, now: Instant) {
        if client.login.is_some() {
            client.stranger_since = now;
        }
        client.login = self.directory.anonymous().map(|identity| Login {
            identity,
            token: None,
        });
    }
}

impl Login {
    /// Uses the login: what follows is done when its token is renewed.
    pub(super) fn renewed_with(self, echo: Echo, reaction: Reaction) -> Reaction {
        match self.token {
            None => reaction,
            Some(token) => {
                let wait = Wait::Renew(Box::new(reaction), echo);
                ask_login(token, LoginChange::Renew, wait)
            }
        }
    }
}

/// A login is good from now on.
fn welcome(client: &mut Client, identity: Identity, token: LoginToken, echo: &Echo) -> Reaction {
    client.login = Some(Login {
        identity,
        token: Some(token),
    });
    settle(client, reply::logged_in(echo, &token))
}

/// Ends a request about logins: a reply, and the end of subscriptions that are nobody's any more.
fn settle(client: &mut Client, reply: Vec<u8>) -> Reaction {
    let may_hear = client
        .login
        .filter(|login| login.identity.grants.allow(Grant::Subscribe))
        .map(|login| login.identity.organization);
    if client.classes.is_empty() || may_hear == client.subscribed_in {
        return Reaction::Reply(reply);
    }
    client.classes.clear();
    Reaction::Subscribe(Box::new(Subscribe {
        change: Change::Replace(Vec::new()),
        retained: Vec::new(),
        reply,
        undo: dialect::Undo::Nothing,
    }))
}

fn issue(identity: Identity, echo: Echo, tools: &mut Tools<'_>) -> Reaction {
    let token = tools.ids.login_token();
    let login = LoginChange::Issue(identity);
    ask_login(token, login, Wait::Issue(token, identity, echo))
}

fn ask_login(token: LoginToken, change: LoginChange, wait: Wait) -> Reaction {
    ask(Operation::Login { token, change }, wait)
}

fn ask(operation: Operation, wait: Wait) -> Reaction {
    Reaction::Execute(Box::new(Call {
        operation,
        idempotency_key: None,
        correlation_id: None,
        pending: dialect::Pending::Sysadm(Box::new(Pending(wait))),
    }))
}

/// A token as this server writes them.
fn parse_token(text: &str) -> Option<LoginToken> {
    let token = <[u8; LOGIN_TOKEN_CHARS]>::try_from(text.as_bytes()).ok()?;
    let plain = token.iter().all(u8::is_ascii_alphanumeric);
    plain.then_some(LoginToken(token))
}

//! Commands on their way to a home shard, and answers on their way back.

use std::sync::Arc;

use super::{ConnectionId, Effect, Mail, PasswordCheck, ReplyTo, Shard, Ticket};
use crate::auth::{Attempt, LoginToken, Verdict};
use crate::dialect::{Call, Exchange, Pending};
use crate::hub::{
    Address, Answer, Begin, Command, Correlation, Login, OrganizationId, PublishKey, Refusal,
    ScopeName, ShardId, SubscriberId,
};
use crate::limits::MESH_OUTBOX_MESSAGES_MAX;
use crate::time::Now;

/// A question to all shards, while answers come in.
#[derive(Debug)]
pub(super) struct Survey {
    connection: ConnectionId,
    missing: usize,
    found: Vec<ScopeName>,
}

impl Shard {
    /// Makes a connection's call and does what follows from the answer. No if that has to be waited for.
    pub(super) fn call(&mut self, now: Now, index: u32, call: Call, exchange: Exchange) -> bool {
        let Some(id) = self.id_of(index) else {
            return true;
        };
        let Call {
            mut command,
            idempotency_key,
            correlation_id,
            pending,
        } = call;
        if let Some(correlation_id) = correlation_id {
            self.mark_own(id, correlation_id, &mut command);
        }
        // Who follows a log hears nothing but what its home has.
        let answer = if !pending.follows_log() && asks_where_a_session_stands(&command) {
            self.find_place(now, id, command)
        } else {
            self.dispatch(now, id, command, idempotency_key)
        };
        if let Some(answer) = answer {
            return self.answer(now, index, pending, answer, exchange);
        }
        self.with(now, index, |connection, _| {
            connection.wait(pending, exchange);
        });
        false
    }

    /// Says of the events of a publish whose they are, so that their sender finds its mark on its own copy.
    fn mark_own(&self, sender: ConnectionId, correlation_id: Box<str>, command: &mut Command) {
        let Command::Publish { drafts, .. } = command else {
            return;
        };
        let correlation = Arc::new(Correlation {
            shard: self.id,
            subscriber: SubscriberId(sender.index),
            serial: sender.serial,
            id: correlation_id,
        });
        for draft in drafts {
            draft.correlation = Some(Arc::clone(&correlation));
        }
    }

    /// Gives a connection an answer and does what follows. No if there is more to wait for.
    ///
    /// Who publishes is told before anyone hears the event, and what follows begins after that: a
    /// subscription does not hear what was accepted before it.
    fn answer(
        &mut self,
        now: Now,
        index: u32,
        pending: Pending,
        answer: Answer,
        exchange: Exchange,
    ) -> bool {
        self.count_refusal(&pending, &answer);
        let then = self.with(now, index, |connection, ctx| {
            connection.answer(pending, answer, exchange, ctx)
        });
        self.spread(now);
        then.is_none_or(|then| self.carry_on(now, index, then))
    }

    fn dispatch(
        &mut self,
        now: Now,
        connection: ConnectionId,
        command: Command,
        key: Option<Box<[u8]>>,
    ) -> Option<Answer> {
        // Nothing but a publish is known by a key.
        let (Some(key), Command::Publish { scope, drafts, .. }) = (key, &command) else {
            return self.ask(now, ReplyTo::Connection(connection), command);
        };
        let key = Box::new(PublishKey::of(&key, scope, drafts));
        let home = self.placement.home_of_key(key.prefix());
        if home == self.id {
            let shard = self.id;
            let ticket = Ticket { shard, connection };
            return self.ask_once(now, ticket, &key, command);
        }
        if !self.has_room(home) {
            return Some(Answer::Refused(Refusal::Busy));
        }
        self.send(
            home,
            Mail::Keyed {
                connection,
                key,
                command,
            },
        );
        None
    }

    /// Executes a command here or sends it home. The answer, if it is known at once.
    pub(super) fn ask(&mut self, now: Now, reply: ReplyTo, command: Command) -> Option<Answer> {
        if let (Command::Find { .. }, ReplyTo::Connection(connection)) = (&command, &reply) {
            return self.ask_all(now, *connection, &command);
        }
        if let Command::Verify(attempt) = command {
            return self.verify(&reply, attempt);
        }
        if let Command::Inspect(question) = command {
            return self.inquire(&reply, question);
        }
        let home = self.home_of(&command);
        if home != self.id && !self.has_room(home) {
            return Some(Answer::Refused(Refusal::Busy));
        }
        if let Some(refusal) = self.too_fast(now, &command) {
            return Some(Answer::Refused(refusal));
        }
        if home == self.id {
            return Some(self.execute(now, command));
        }
        self.send(home, Mail::Command { reply, command });
        None
    }

    /// Holds a publish against its organization's limit. Every publish comes by here once, on its way home; a
    /// repeat of an idempotency key does not come so far.
    fn too_fast(&self, now: Now, command: &Command) -> Option<Refusal> {
        let Command::Publish { scope, drafts, .. } = command else {
            return None;
        };
        let limit = self.directory.publish_limit(scope.organization)?;
        let refused = limit.accept(now.instant, drafts.len()).err();
        refused.map(Refusal::too_fast)
    }

    /// Executes a command unless its key was used before; this shard remembers the key.
    fn ask_once(
        &mut self,
        now: Now,
        ticket: Ticket,
        key: &PublishKey,
        command: Command,
    ) -> Option<Answer> {
        match self.idempotency.begin(now.instant, key, ticket) {
            Begin::Done(answer) => Some(answer),
            Begin::Waiting => None,
            Begin::Refused(refusal) => Some(Answer::Refused(refusal)),
            Begin::Fresh => {
                let reply = ReplyTo::Key(Box::new(*key));
                let answer = self.ask(now, reply, command)?;
                // Nobody else can have begun to wait meanwhile: the one waiter is answered here.
                let _ = self.idempotency.complete(now.instant, key, answer.clone());
                Some(answer)
            }
        }
    }

    fn ask_all(&mut self, now: Now, connection: ConnectionId, command: &Command) -> Option<Answer> {
        let local = self.execute(now, command.clone());
        let others = self.others();
        if others.is_empty() {
            return Some(local);
        }
        if !others.iter().all(|&shard| self.has_room(shard)) {
            return Some(Answer::Refused(Refusal::Busy));
        }
        let survey = self.surveys.insert(Survey {
            connection,
            missing: others.len(),
            found: found_of(local),
        });
        for shard in others {
            let reply = ReplyTo::Survey(survey as u32);
            let command = command.clone();
            self.send(shard, Mail::Command { reply, command });
        }
        None
    }

    /// Executes a command that this shard is home to. Once the answer is given or on its way, whoever
    /// gave it calls [`spread`](Self::spread).
    pub(super) fn execute(&mut self, now: Now, command: Command) -> Answer {
        let published = match &command {
            Command::Publish { drafts, .. } => drafts.len(),
            Command::Notify { .. } => 1,
            Command::Login { token, login } => return self.log_in(now, token, *login),
            _ => 0,
        };
        if self.is_too_late(&command) {
            return Answer::Refused(Refusal::Leaving);
        }
        if !self.can_tell(&command) {
            return Answer::Refused(Refusal::Busy);
        }
        let answer = self.hub.execute(now, command);
        if matches!(answer, Answer::Published { .. }) {
            self.metrics().events_published.add(published as u64);
        }
        self.end_readers(now);
        answer
    }

    fn log_in(&mut self, now: Now, token: &LoginToken, login: Login) -> Answer {
        match login {
            Login::Issue(identity) => {
                if !self.logins.issue(now.instant, *token, identity) {
                    return Answer::Refused(Refusal::Busy);
                }
                Answer::Login(Some(identity))
            }
            Login::Renew => Answer::Login(self.logins.renew(now.instant, token)),
            Login::Clear => {
                self.logins.clear(token);
                Answer::Login(None)
            }
        }
    }

    /// Has a password checked by whoever has a thread for it, and a queue in which nobody keeps others out.
    fn verify(&mut self, reply: &ReplyTo, attempt: Attempt) -> Option<Answer> {
        let ReplyTo::Connection(connection) = *reply else {
            return Some(Answer::Refused(Refusal::NotFound));
        };
        let network = self.entry(connection)?.connection.network();
        self.effects.push_back(Effect::Verify(PasswordCheck {
            connection,
            network,
            attempt,
        }));
        None
    }

    /// A password was checked, or will not be: the answer to [`Effect::Verify`], to be given exactly once.
    pub fn verified(&mut self, now: Now, connection: ConnectionId, verdict: Verdict) {
        self.deliver(now, connection, Answer::Verified(verdict));
    }

    /// Mail came from another shard.
    pub fn mail(&mut self, now: Now, from: ShardId, mail: Mail) {
        match mail {
            Mail::Command { reply, command } => {
                let answer = self.execute(now, command);
                if !matches!(reply, ReplyTo::Nobody) {
                    self.send(from, Mail::Answer { reply, answer });
                }
                self.spread(now);
            }
            Mail::Keyed {
                connection,
                key,
                command,
            } => {
                let shard = from;
                let ticket = Ticket { shard, connection };
                if let Some(answer) = self.ask_once(now, ticket, &key, command) {
                    self.reply(now, ticket, answer);
                    self.spread(now);
                }
            }
            Mail::Answer { reply, answer } => match reply {
                ReplyTo::Connection(connection) => self.deliver(now, connection, answer),
                ReplyTo::Place(connection, organization) => {
                    self.interest.found(organization);
                    self.deliver(now, connection, answer);
                }
                ReplyTo::Key(key) => {
                    let instant = now.instant;
                    let waiters = self.idempotency.complete(instant, &key, answer.clone());
                    for ticket in waiters {
                        self.reply(now, ticket, answer.clone());
                    }
                }
                ReplyTo::Survey(survey) => self.surveyed(now, survey, answer),
                ReplyTo::Nobody => {}
            },
            Mail::Asked { number, question } => self.asked(from, number, question),
            Mail::Told { number, report } => self.told(now, number, report),
            Mail::Unasked { number } => self.unasked(from, number),
            Mail::Sealed => self.sealed_elsewhere(now),
            Mail::Append(event) => {
                self.hub.append_from_mail(now, &event);
                // On its way it removes the sessions whose time is over.
                self.end_readers(now);
                self.fan_out(now);
            }
            Mail::Hear(event) => {
                self.hub.hear_from_mail(&event);
                self.fan_out(now);
            }
            Mail::Interest {
                organization,
                listens,
            } => self.learn_interest(from, organization, listens),
            Mail::Relay(mail) => self.relay_mail(now, from, mail),
            Mail::InterestKnown { organization } => self.interest_known(now, organization),
            Mail::Learn { .. } | Mail::Scope { .. } => {
                self.hear_of_tree(from, mail);
                // Something may have been about to be forgotten here.
                self.spread(now);
            }
        }
    }

    /// Another shard learned something of the tree, or is to forget it.
    fn hear_of_tree(&mut self, from: ShardId, mail: Mail) {
        match mail {
            Mail::Learn {
                organization,
                session,
                parents,
            } => {
                let session = session.as_ref();
                self.hub.learn_from_mail(organization, session, &parents);
            }
            Mail::Scope {
                scope,
                parents,
                news,
            } => self.hub.hear_of_scope(from, scope, &parents, news),
            _ => {}
        }
    }

    fn surveyed(&mut self, now: Now, survey: u32, answer: Answer) {
        let Some(pending) = self.surveys.get_mut(survey as usize) else {
            return;
        };
        pending.missing -= 1;
        pending.found.extend(found_of(answer));
        if pending.missing == 0 {
            let done = self.surveys.remove(survey as usize);
            self.deliver(now, done.connection, Answer::Found(done.found));
        }
    }

    fn reply(&mut self, now: Now, ticket: Ticket, answer: Answer) {
        if ticket.shard == self.id {
            self.deliver(now, ticket.connection, answer);
        } else {
            let reply = ReplyTo::Connection(ticket.connection);
            self.send(ticket.shard, Mail::Answer { reply, answer });
        }
    }

    /// Gives a connection the answer that it waits for, if it still does.
    pub(super) fn deliver(&mut self, now: Now, id: ConnectionId, answer: Answer) {
        if self.entry(id).is_none() {
            return;
        }
        let waiting = self.with(now, id.index, |connection, _| connection.take_waiting());
        let Some((pending, exchange)) = waiting.flatten() else {
            return;
        };
        if self.answer(now, id.index, pending, answer, exchange) {
            self.go_on(now, id.index);
        }
    }

    fn count_refusal(&self, pending: &Pending, answer: &Answer) {
        match answer {
            Answer::Refused(Refusal::TooFast { .. }) => self.metrics().publishes_limited.add(1),
            Answer::Refused(_) if pending.publishes() => self.metrics().publishes_refused.add(1),
            _ => {}
        }
    }

    pub(super) fn home_of(&self, command: &Command) -> ShardId {
        match command {
            Command::Publish { scope, .. } | Command::Place { scope, .. } => {
                self.placement.home(scope)
            }
            Command::Declare {
                organization,
                project,
                ..
            } => self.placement.home(&crate::hub::Scope {
                organization: *organization,
                address: Address::Project(project.clone()),
            }),
            Command::Create { session, .. }
            | Command::Read { session }
            | Command::Transition { session, .. }
            | Command::Resume { session, .. }
            | Command::SetLabels { session, .. }
            | Command::Delete { session } => {
                let token = session.token.as_str();
                let hash = self.placement.session_hash(token);
                self.placement.home_of_hash(hash)
            }
            Command::ReadAny { token } => {
                let hash = self.placement.session_hash(token.as_str());
                self.placement.home_of_hash(hash)
            }
            Command::Find { .. } | Command::Verify { .. } | Command::Inspect(_) => self.id,
            Command::Notify { organization, .. } => self.placement.home(&crate::hub::Scope {
                organization: *organization,
                address: Address::Organization,
            }),
            Command::Login { token, .. } => self.placement.home_of_login(token),
        }
    }

    pub(super) fn others(&self) -> Vec<ShardId> {
        let all = (0..self.placement.shards()).map(ShardId);
        all.filter(|&shard| shard != self.id).collect()
    }

    pub(super) fn has_room(&self, to: ShardId) -> bool {
        self.outboxes[to.index()].len() < MESH_OUTBOX_MESSAGES_MAX
    }

    pub(super) fn send(&mut self, to: ShardId, mail: Mail) {
        debug_assert_ne!(to, self.id, "mail to oneself");
        self.metrics().mail_sent.add(1);
        self.outboxes[to.index()].push_back(mail);
    }
}

const fn asks_where_a_session_stands(command: &Command) -> bool {
    match command {
        Command::Place { scope, .. } => matches!(scope.address, Address::Session(_)),
        _ => false,
    }
}

pub(super) fn organization_of(command: &Command) -> OrganizationId {
    match command {
        Command::Publish { scope, .. } | Command::Place { scope, .. } => scope.organization,
        Command::Declare { organization, .. }
        | Command::Find { organization, .. }
        | Command::Notify { organization, .. } => *organization,
        Command::Create { session, .. }
        | Command::Read { session }
        | Command::Transition { session, .. }
        | Command::Resume { session, .. }
        | Command::SetLabels { session, .. }
        | Command::Delete { session } => session.organization,
        Command::Inspect(question) => question.organization,
        // Without an idempotency key nobody asks.
        Command::ReadAny { .. } | Command::Verify { .. } | Command::Login { .. } => {
            OrganizationId(0)
        }
    }
}

fn found_of(answer: Answer) -> Vec<ScopeName> {
    match answer {
        Answer::Found(found) => found,
        _ => Vec::new(),
    }
}

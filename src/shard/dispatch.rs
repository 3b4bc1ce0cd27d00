//! Commands on their way to a home shard, and answers on their way back.

use std::sync::Arc;

use super::carry_on::Next;
use super::{ConnectionId, Mail, ReplyTo, Shard, Ticket};
use crate::dialect::{Call, Exchange, Operation, Outcome, Pending};
use crate::hub::{
    Address, Answer, Begin, Command, Correlation, OrganizationId, PublishKey, Refusal, ShardId,
    SubscriberId,
};
use crate::time::Now;

impl Shard {
    /// Makes a connection's call.
    pub(super) fn call(&mut self, now: Now, index: u32, call: Call, exchange: Exchange) -> Next {
        let Some(id) = self.connections.id_of(index) else {
            return Next::Ready;
        };
        let Call {
            operation,
            idempotency_key,
            correlation_id,
            pending,
        } = call;
        let outcome = match operation {
            Operation::Command(mut command) => {
                if let Some(correlation_id) = correlation_id {
                    self.mark_own(id, correlation_id, &mut command);
                }
                // Who follows a log hears nothing but what its home has.
                let follows = pending.follows_log();
                let answer = match subscribes_at_a_session(&command).filter(|_| !follows) {
                    Some(organization) => self.find_place(now, id, organization, command),
                    None => self.dispatch(now, id, command, idempotency_key),
                };
                answer.map(Outcome::Answer)
            }
            Operation::Find {
                organization,
                prefix,
            } => self.find(now, id, organization, &prefix),
            Operation::Inspect(question) => self.inquire(id, question),
            Operation::Verify(attempt) => self.verify(id, attempt),
            Operation::Login { token, change } => self.ask_login(now, id, token, change),
        };
        if let Some(outcome) = outcome {
            return self.answer(now, index, pending, outcome, exchange);
        }
        self.work_on(now, index, |connection, _| {
            connection.wait(pending, exchange);
        });
        Next::Wait
    }

    /// Says of the events of a publish whose they are, so that their sender finds its mark on its
    /// own copy.
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

    /// Gives a connection an outcome.
    ///
    /// Who publishes is told before anyone hears the event, and what follows begins after that: a
    /// subscription does not hear what was accepted before it.
    fn answer(
        &mut self,
        now: Now,
        index: u32,
        pending: Pending,
        outcome: Outcome,
        exchange: Exchange,
    ) -> Next {
        self.count_refusal(&pending, &outcome);
        let then = self.work_on(now, index, |connection, ctx| {
            connection.answer(pending, outcome, exchange, ctx)
        });
        self.spread(now);
        Next::of(then)
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
        let home = self.post.placement.home_of_key(key.prefix());
        if home == self.id {
            let shard = self.id;
            let ticket = Ticket { shard, connection };
            return self.ask_once(now, ticket, &key, command);
        }
        if !self.post.has_room(home) {
            return Some(Answer::Refused(Refusal::Busy));
        }
        self.post.send(
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
        let (hash, home) = self.post.home_of(&command);
        if home != self.id && !self.post.has_room(home) {
            return Some(Answer::Refused(Refusal::Busy));
        }
        if let Some(refusal) = self.too_fast(now, &command) {
            return Some(Answer::Refused(refusal));
        }
        if home == self.id {
            return Some(self.execute(now, command, hash));
        }
        self.post.send(
            home,
            Mail::Command {
                reply,
                command,
                hash,
            },
        );
        None
    }

    /// Holds a publish against its organization's limit. Every publish comes by here once, on its
    /// way home; a repeat of an idempotency key does not come so far.
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

    /// Executes a command that this shard is home to, by
    /// [`Placement::hash_of`](crate::hub::Placement::hash_of). Once the answer is given or on its
    /// way, whoever gave it calls [`spread`](Self::spread).
    pub(super) fn execute(&mut self, now: Now, command: Command, hash: u64) -> Answer {
        let published = match &command {
            Command::Publish { drafts, .. } => drafts.len(),
            Command::Notify { .. } => 1,
            _ => 0,
        };
        if self.is_too_late(&command) {
            return Answer::Refused(Refusal::Leaving);
        }
        if !self.can_tell(&command) {
            return Answer::Refused(Refusal::Busy);
        }
        let answer = self.hub.execute_placed(now, command, hash);
        if matches!(answer, Answer::Published { .. }) {
            self.metrics().events_published.add(published as u64);
        }
        self.end_readers(now);
        answer
    }

    /// Mail came from another shard.
    pub fn mail(&mut self, now: Now, from: ShardId, mail: Mail) {
        match mail {
            Mail::Command {
                reply,
                command,
                hash,
            } => {
                let answer = self.execute(now, command, hash);
                if !matches!(reply, ReplyTo::Nobody) {
                    self.post.send(from, Mail::Answer { reply, answer });
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
                ReplyTo::Connection(connection) => {
                    self.deliver(now, connection, Outcome::Answer(answer));
                }
                ReplyTo::Place(connection, organization) => {
                    self.fanout.interest.found(organization);
                    self.deliver(now, connection, Outcome::Answer(answer));
                }
                ReplyTo::Key(key) => {
                    let instant = now.instant;
                    let waiters = self.idempotency.complete(instant, &key, answer.clone());
                    for ticket in waiters {
                        self.reply(now, ticket, answer.clone());
                    }
                }
                ReplyTo::Nobody => {}
            },
            Mail::Operation(mail) => self.operation_mail(now, from, mail),
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

    fn reply(&mut self, now: Now, ticket: Ticket, answer: Answer) {
        if ticket.shard == self.id {
            self.deliver(now, ticket.connection, Outcome::Answer(answer));
        } else {
            let reply = ReplyTo::Connection(ticket.connection);
            self.post.send(ticket.shard, Mail::Answer { reply, answer });
        }
    }

    /// Gives a connection the outcome that it waits for, if it still does.
    pub(super) fn deliver(&mut self, now: Now, id: ConnectionId, outcome: Outcome) {
        if !self.connections.has(id) {
            return;
        }
        let waiting = self.work_on(now, id.index, |connection, _| connection.take_waiting());
        let Some((pending, exchange)) = waiting.flatten() else {
            return;
        };
        let next = self.answer(now, id.index, pending, outcome, exchange);
        if self.follow_up(now, id.index, next) {
            self.go_on(now, id.index);
        }
    }

    fn count_refusal(&self, pending: &Pending, outcome: &Outcome) {
        match outcome {
            Outcome::Answer(Answer::Refused(Refusal::TooFast { .. })) => {
                self.metrics().publishes_limited.add(1);
            }
            Outcome::Answer(Answer::Refused(_)) if pending.publishes() => {
                self.metrics().publishes_refused.add(1);
            }
            _ => {}
        }
    }
}

/// The organization of a question where a session stands, to which a subscription may follow.
fn subscribes_at_a_session(command: &Command) -> Option<OrganizationId> {
    match command {
        Command::Place { scope, .. } if matches!(scope.address, Address::Session(_)) => {
            Some(scope.organization)
        }
        _ => None,
    }
}

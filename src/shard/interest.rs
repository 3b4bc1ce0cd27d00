//! Which organizations this shard listens to, and whether the others know it.
//!
//! Events are mailed only to shards that said they listen. That is said for the first subscription
//! of an organization, and answered by everyone; what is published anywhere after the last of these
//! answers comes here. It is taken back when there has been no subscription for a while, so that a
//! client that comes and goes does not keep all shards busy.
//!
//! Who subscribes at a session asks its home first where it stands ([`Command::Place`]). What the
//! home learns after its answer it tells the shards that it knows to listen: so that question, too,
//! is put only when all know, and while an answer is missing nothing is taken back. About groups
//! and projects all shards are told anyway.

use bytes::Bytes;

use super::{ConnectionId, Mail, ReplyTo, Shard};
use crate::dialect::{Outcome, Subscribe};
use crate::hub::{Answer, Command, OrganizationId, ShardId};
use crate::limits::INTEREST_IDLE_MAX;
use crate::time::{Instant, Now};

/// What waits until all shards know.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A change of subscriptions.
    Subscribe {
        connection: ConnectionId,
        change: Box<Subscribe>,
        /// What is sent before the reply.
        first: Bytes,
    },
    /// A question where a session stands. The connection itself keeps what it is for.
    Place {
        connection: ConnectionId,
        organization: OrganizationId,
        command: Box<Command>,
    },
}

#[derive(Debug, Default)]
enum State {
    /// Nobody was told.
    #[default]
    Silent,
    /// So many shards have not answered yet.
    Announced {
        missing: usize,
        waiters: Vec<Waiter>,
    },
    /// All know.
    Known {
        /// Since when there is no subscription.
        idle: Option<Instant>,
        /// Questions to other shards that are not answered; each may become a subscription.
        asked: usize,
    },
}

/// What this shard said about each organization.
#[derive(Debug, Default)]
pub(super) struct Interest {
    states: Vec<State>,
}

impl Interest {
    fn state(&mut self, organization: OrganizationId) -> &mut State {
        let index = organization.0 as usize;
        if self.states.len() <= index {
            self.states.resize_with(index + 1, State::default);
        }
        &mut self.states[index]
    }

    /// Keeps a change or a question until all shards know.
    pub(super) fn wait(&mut self, organization: OrganizationId, waiter: Waiter) {
        if let State::Announced { waiters, .. } = self.state(organization) {
            waiters.push(waiter);
        }
    }

    /// A question where a session stands went to another shard.
    fn ask(&mut self, organization: OrganizationId) {
        if let State::Known { asked, .. } = self.state(organization) {
            *asked += 1;
        }
    }

    /// It was answered.
    pub(super) fn found(&mut self, organization: OrganizationId) {
        if let State::Known { asked, .. } = self.state(organization) {
            *asked -= 1;
        }
    }
}

impl Shard {
    /// Sees to it that all shards know that this one listens to an organization. Returns `false` if
    /// answers are missing.
    pub(super) fn announce(&mut self, organization: OrganizationId) -> bool {
        let missing = self.post.others().count();
        match self.fanout.interest.state(organization) {
            State::Known { idle, .. } => {
                *idle = None;
                true
            }
            State::Announced { .. } => false,
            silent @ State::Silent => {
                if missing == 0 {
                    return true;
                }
                *silent = State::Announced {
                    missing,
                    waiters: Vec::new(),
                };
                self.tell(organization, true);
                false
            }
        }
    }

    /// Asks where a session stands, as soon as all shards know that this one listens. The answer,
    /// if it is known at once.
    pub(super) fn find_place(
        &mut self,
        now: Now,
        connection: ConnectionId,
        organization: OrganizationId,
        command: Command,
    ) -> Option<Answer> {
        if !self.announce(organization) {
            let command = Box::new(command);
            let waiter = Waiter::Place {
                connection,
                organization,
                command,
            };
            self.fanout.interest.wait(organization, waiter);
            return None;
        }
        let answer = self.ask(now, ReplyTo::Place(connection, organization), command);
        if answer.is_none() {
            self.fanout.interest.ask(organization);
        }
        answer
    }

    fn tell(&mut self, organization: OrganizationId, listens: bool) {
        self.post.send_to_others(|| Mail::Interest {
            organization,
            listens,
        });
    }

    /// Another shard listens from now on, or does no more.
    pub(super) fn learn_interest(
        &mut self,
        from: ShardId,
        organization: OrganizationId,
        listens: bool,
    ) {
        self.hub.set_listener(organization, from, listens);
        if listens {
            self.post.send(from, Mail::InterestKnown { organization });
        }
    }

    /// Another shard knows that this one listens.
    pub(super) fn interest_known(&mut self, now: Now, organization: OrganizationId) {
        let state = self.fanout.interest.state(organization);
        let State::Announced { missing, waiters } = state else {
            return;
        };
        *missing -= 1;
        if *missing == 0 {
            let waiters = std::mem::take(waiters);
            *state = State::Known {
                idle: None,
                asked: 0,
            };
            for waiter in waiters {
                self.wake_waiter(now, waiter);
            }
        }
    }

    /// All shards know: what was waiting for it is done.
    fn wake_waiter(&mut self, now: Now, waiter: Waiter) {
        match waiter {
            Waiter::Subscribe {
                connection,
                change,
                first,
            } => self.subscribe_waiter(now, connection, *change, first),
            Waiter::Place {
                connection,
                organization,
                command,
            } => {
                if self.connections.has(connection)
                    && let Some(answer) = self.find_place(now, connection, organization, *command)
                {
                    self.deliver(now, connection, Outcome::Answer(answer));
                }
            }
        }
    }

    /// Takes back what was said about organizations without subscriptions.
    pub(super) fn sweep_interest(&mut self, now: Now) {
        for index in 0..self.fanout.interest.states.len() {
            let organization = OrganizationId(index as u32);
            let used = self.hub.subscriptions_of(organization) > 0;
            let State::Known { idle, asked } = &mut self.fanout.interest.states[index] else {
                continue;
            };
            if used || *asked > 0 {
                *idle = None;
                continue;
            }
            let since = *idle.get_or_insert(now.instant);
            if now.instant.since(since) >= INTEREST_IDLE_MAX {
                self.fanout.interest.states[index] = State::Silent;
                self.tell(organization, false);
            }
        }
    }
}

#[cfg(test)]
mod tests;

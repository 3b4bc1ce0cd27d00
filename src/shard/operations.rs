//! Operations that no single hub decides: a search of all shards, logins, and passwords.

use super::{ConnectionId, Effect, Mail, PasswordCheck, Shard};
use crate::auth::{Attempt, LoginToken, Verdict};
use crate::dialect::{LoginChange, Outcome};
use crate::hub::{OrganizationId, Refusal, ScopeName, ShardId};
use crate::time::Now;

/// A search of all shards, while their findings come in.
#[derive(Debug)]
pub(super) struct Survey {
    connection: ConnectionId,
    missing: usize,
    found: Vec<ScopeName>,
}

impl Shard {
    /// Searches the sessions of all shards. Returns the outcome if it is known at once.
    pub(super) fn find(
        &mut self,
        now: Now,
        connection: ConnectionId,
        organization: OrganizationId,
        prefix: &str,
    ) -> Option<Outcome> {
        let found = self.hub.find(now, organization, prefix);
        let others = self.others();
        if others.is_empty() {
            return Some(Outcome::Found(found));
        }
        if !others.iter().all(|&shard| self.has_room(shard)) {
            return Some(Outcome::refused(Refusal::Busy));
        }
        let survey = self.surveys.insert(Survey {
            connection,
            missing: others.len(),
            found,
        }) as u32;
        for shard in others {
            let mail = Mail::Find {
                survey,
                organization,
                prefix: prefix.into(),
            };
            self.send(shard, mail);
        }
        None
    }

    fn found(&mut self, now: Now, survey: u32, found: Vec<ScopeName>) {
        let Some(pending) = self.surveys.get_mut(survey as usize) else {
            return;
        };
        pending.missing -= 1;
        pending.found.extend(found);
        if pending.missing == 0 {
            let done = self.surveys.remove(survey as usize);
            self.deliver(now, done.connection, Outcome::Found(done.found));
        }
    }

    /// Changes a login here or has its home do so. Returns the outcome if it is known at once.
    pub(super) fn ask_login(
        &mut self,
        now: Now,
        connection: ConnectionId,
        token: LoginToken,
        change: LoginChange,
    ) -> Option<Outcome> {
        let home = self.placement.home_of_login(&token);
        if home == self.id {
            return Some(self.change_login(now, &token, change));
        }
        if !self.has_room(home) {
            return Some(Outcome::refused(Refusal::Busy));
        }
        let mail = Mail::Login {
            connection,
            token,
            change,
        };
        self.send(home, mail);
        None
    }

    fn change_login(&mut self, now: Now, token: &LoginToken, change: LoginChange) -> Outcome {
        match change {
            LoginChange::Issue(identity) => {
                if !self.logins.issue(now.instant, *token, identity) {
                    return Outcome::refused(Refusal::Busy);
                }
                Outcome::Login(Some(identity))
            }
            LoginChange::Renew => Outcome::Login(self.logins.renew(now.instant, token)),
            LoginChange::Clear => {
                self.logins.clear(token);
                Outcome::Login(None)
            }
        }
    }

    /// Has a password checked by whoever has a thread for it, and a queue in which nobody keeps others out.
    pub(super) fn verify(&mut self, connection: ConnectionId, attempt: Attempt) -> Option<Outcome> {
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
        self.deliver(now, connection, Outcome::Verified(verdict));
    }

    /// Another shard takes part in an operation.
    pub(super) fn mail_of_operations(&mut self, now: Now, from: ShardId, mail: Mail) {
        match mail {
            Mail::Find {
                survey,
                organization,
                prefix,
            } => {
                let tokens = self.hub.find(now, organization, &prefix);
                self.send(from, Mail::Found { survey, tokens });
            }
            Mail::Found { survey, tokens } => self.found(now, survey, tokens),
            Mail::Login {
                connection,
                token,
                change,
            } => {
                let outcome = self.change_login(now, &token, change);
                self.send(
                    from,
                    Mail::LoggedIn {
                        connection,
                        outcome,
                    },
                );
            }
            Mail::LoggedIn {
                connection,
                outcome,
            } => self.deliver(now, connection, outcome),
            _ => {}
        }
    }
}

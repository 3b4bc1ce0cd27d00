//! Operations that no single hub decides: a search of all shards, logins, and passwords.

use super::{ConnectionId, Effect, Mail, OperationMail, PasswordCheck, Shard};
use crate::auth::{Attempt, LoginToken, Verdict};
use crate::dialect::{LoginChange, Outcome};
use crate::hub::{OrganizationId, Refusal, ShardId};
use crate::time::Now;

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
        if self.post.is_alone() {
            return Some(Outcome::Found(found));
        }
        if !self.post.has_room_everywhere() {
            return Some(Outcome::refused(Refusal::Busy));
        }
        let search = self.post.begin_search(connection, found);
        self.post.send_to_others(|| {
            Mail::Operation(OperationMail::Find {
                search,
                organization,
                prefix: prefix.into(),
            })
        });
        None
    }

    /// Changes a login here or has its home do so. Returns the outcome if it is known at once.
    pub(super) fn ask_login(
        &mut self,
        now: Now,
        connection: ConnectionId,
        token: LoginToken,
        change: LoginChange,
    ) -> Option<Outcome> {
        let home = self.post.placement.home_of_login(&token);
        if home == self.id {
            return Some(self.change_login(now, &token, change));
        }
        if !self.post.has_room(home) {
            return Some(Outcome::refused(Refusal::Busy));
        }
        let mail = OperationMail::Login {
            connection,
            token,
            change,
        };
        self.post.send(home, Mail::Operation(mail));
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

    /// Has a password checked by whoever has a thread for it, and a queue in which nobody keeps
    /// others out.
    pub(super) fn verify(&mut self, connection: ConnectionId, attempt: Attempt) -> Option<Outcome> {
        let network = self.entry(connection)?.connection.network();
        self.connections.push_effect(Effect::Verify(PasswordCheck {
            connection,
            network,
            attempt,
        }));
        None
    }

    /// A password was checked, or will not be: the answer to [`Effect::Verify`], to be given
    /// exactly once.
    pub fn verified(&mut self, now: Now, connection: ConnectionId, verdict: Verdict) {
        self.deliver(now, connection, Outcome::Verified(verdict));
    }

    /// Another shard takes part in an operation.
    pub(super) fn operation_mail(&mut self, now: Now, from: ShardId, mail: OperationMail) {
        match mail {
            OperationMail::Find {
                search,
                organization,
                prefix,
            } => {
                let tokens = self.hub.find(now, organization, &prefix);
                let mail = OperationMail::Found { search, tokens };
                self.post.send(from, Mail::Operation(mail));
            }
            OperationMail::Found { search, tokens } => {
                if let Some((connection, found)) = self.post.found(search, tokens) {
                    self.deliver(now, connection, Outcome::Found(found));
                }
            }
            OperationMail::Login {
                connection,
                token,
                change,
            } => {
                let outcome = self.change_login(now, &token, change);
                let mail = OperationMail::LoggedIn {
                    connection,
                    outcome,
                };
                self.post.send(from, Mail::Operation(mail));
            }
            OperationMail::LoggedIn {
                connection,
                outcome,
            } => self.deliver(now, connection, outcome),
        }
    }
}

//! The life of a session: created, started, paused, ended, found, described.
//!
//! ```text
//!             Start            Pause
//!   pending ─────────► running ─────► paused        completed (by itself)
//!      │                  │ ▲──────────┘ │          aborted
//!      │                  │     Start    │             ▲
//!      └──────────────────┴──────────────┴─────────────┘ Stop
//! ```
//! Each change of status is an event in the session's own log; asking for the present status
//! succeeds without one.
//! already is done without one.

use std::time::Duration;

use bytes::Bytes;

use super::bounds::{Full, Table, Whose};
use super::command::{Answer, Refusal, SessionView, Status, Transition};
use super::event::{Draft, EventName};
use super::hub::Hub;
use super::inspect::session_entry;
use super::scope::{OrganizationId, Parents, ScopeName, SessionKey};
use super::session::{Log, ReaderList, Retention, Session, SessionIndex};
use crate::limits::SESSIONS_MAX;
use crate::time::Now;

/// Most tokens that a search by prefix returns: two tell one from several.
const FOUND_MAX: usize = 2;

impl Status {
    /// Returns the status after a transition: `None` if it is the present one. Errors with the
    /// present status if it does not allow the transition.
    const fn after(self, transition: Transition) -> Result<Option<Self>, Self> {
        match (transition, self) {
            (Transition::Start, Self::Pending | Self::Paused) => Ok(Some(Self::Running)),
            (Transition::Pause, Self::Running) => Ok(Some(Self::Paused)),
            (Transition::Stop, Self::Pending | Self::Running | Self::Paused) => {
                Ok(Some(Self::Aborted))
            }
            (Transition::Start, Self::Running)
            | (Transition::Pause, Self::Paused)
            | (Transition::Stop, Self::Aborted) => Ok(None),
            (Transition::Start, Self::Completed | Self::Aborted)
            | (Transition::Pause, Self::Pending | Self::Completed | Self::Aborted)
            | (Transition::Stop, Self::Completed) => Err(self),
        }
    }

    /// Returns the status as JSON text, the payload of a `status` event.
    const fn as_json(self) -> &'static [u8] {
        match self {
            Self::Pending => b"\"pending\"",
            Self::Running => b"\"running\"",
            Self::Paused => b"\"paused\"",
            Self::Completed => b"\"completed\"",
            Self::Aborted => b"\"aborted\"",
        }
    }
}

impl Hub {
    pub(super) fn create(
        &mut self,
        now: Now,
        key: SessionKey,
        hash: u64,
        parents: &Parents,
        (labels, expires_ms, retention): (Vec<String>, Option<u64>, Option<Duration>),
    ) -> Result<Answer, Refusal> {
        if self.use_key(now, &key, hash).is_ok() {
            return Err(Refusal::Exists);
        }
        let token = key.token.clone();
        let index = self.insert(now, key, hash, parents, retention)?;
        if let Some(session) = self.sessions.get_mut(index) {
            session.declared = true;
            if !labels.is_empty() || expires_ms.is_some() {
                let details = session.details_mut();
                details.labels = labels;
                details.expires_ms = expires_ms;
            }
        }
        Ok(Answer::Created(token))
    }

    pub(super) fn read(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
    ) -> Result<Answer, Refusal> {
        let index = self.use_key(now, key, hash)?;
        self.trim(now, index);
        let session = self.sessions.get(index).ok_or(Refusal::NotFound)?;
        let details = session.details.as_deref();
        Ok(Answer::Session(Box::new(SessionView {
            token: session.key.token.clone(),
            parents: self.tree.parents(index),
            status: session.status,
            labels: details.map_or_else(Vec::new, |d| d.labels.clone()),
            created_ms: session.created_ms,
            started_ms: details.and_then(|d| d.started_ms),
            finished_ms: details.and_then(|d| d.finished_ms),
            expires_ms: details.and_then(|d| d.expires_ms),
            epoch: session.log.epoch(),
            oldest: session.log.oldest(),
            next: session.log.next(),
        })))
    }

    /// [`read`](Self::read) for a caller that knows a token, but not its organization.
    pub(super) fn read_any(
        &mut self,
        now: Now,
        token: ScopeName,
        hash: u64,
    ) -> Result<Answer, Refusal> {
        let organization = self.find_any(now, token.as_str(), hash);
        let organization = organization.ok_or(Refusal::NotFound)?;
        let key = SessionKey {
            organization,
            token,
        };
        self.read(now, &key, hash)
    }

    pub(super) fn transition(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
        transition: Transition,
    ) -> Result<Answer, Refusal> {
        let index = self.use_key(now, key, hash)?;
        let session = self.sessions.get(index).ok_or(Refusal::NotFound)?;
        let Some(status) = session.status.after(transition).map_err(Refusal::Status)? else {
            return Ok(Answer::Done);
        };
        let payload = Bytes::from_static(status.as_json());
        self.announce(now, index, server_draft(b"\"status\"", payload))?;
        if let Some(session) = self.sessions.get_mut(index) {
            let was = std::mem::replace(&mut session.status, status);
            let details = session.details_mut();
            match status {
                Status::Running => {
                    if was == Status::Pending {
                        // The date was for sessions that never start, as in the original.
                        details.expires_ms = None;
                    }
                    details.started_ms.get_or_insert(now.unix_ms);
                }
                Status::Completed | Status::Aborted => details.finished_ms = Some(now.unix_ms),
                Status::Pending | Status::Paused => {}
            }
        }
        Ok(Answer::Done)
    }

    pub(super) fn resume(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
        resume_token: Bytes,
    ) -> Result<Answer, Refusal> {
        let index = self.use_key(now, key, hash)?;
        let session = self.sessions.get(index).ok_or(Refusal::NotFound)?;
        if session.status != Status::Pending {
            return Err(Refusal::Status(session.status));
        }
        self.announce(now, index, server_draft(b"\"resume\"", resume_token))?;
        self.bury(now, index);
        self.doom(index);
        Ok(Answer::Done)
    }

    pub(super) fn set_labels(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
        labels: Vec<String>,
    ) -> Result<Answer, Refusal> {
        let index = self.use_key(now, key, hash)?;
        let session = self.sessions.get_mut(index).ok_or(Refusal::NotFound)?;
        if session.details.is_some() || !labels.is_empty() {
            session.details_mut().labels = labels;
        }
        Ok(Answer::Done)
    }

    pub(super) fn delete(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
    ) -> Result<Answer, Refusal> {
        let index = self.use_key(now, key, hash)?;
        self.bury(now, index);
        self.remove(index);
        Ok(Answer::Done)
    }

    /// Returns up to two tokens of this shard's sessions that begin with `prefix`, so that one can
    /// be told from several. Searches all sessions: for people who type, not for programs that
    /// poll.
    pub fn find(&self, now: Now, organization: OrganizationId, prefix: &str) -> Vec<ScopeName> {
        let fits = |session: &&Session| {
            session.key.organization == organization
                && session.key.token.as_str().starts_with(prefix)
                && !session.doomed
                && !session.is_expired(now, self.config.session_ttl)
        };
        let found = self.sessions.iter().filter(fits).take(FOUND_MAX);
        found.map(|session| session.key.token.clone()).collect()
    }

    /// Inserts a session whose key is not there yet.
    pub(super) fn insert(
        &mut self,
        now: Now,
        key: SessionKey,
        hash: u64,
        parents: &Parents,
        retention: Option<Duration>,
    ) -> Result<SessionIndex, Refusal> {
        let sessions_max = self.config.sessions_max.min(SESSIONS_MAX);
        if self.sessions.len() >= sessions_max {
            self.press(now);
            if self.sessions.len() >= sessions_max {
                return Err(self.no_session(Whose::Everyone));
            }
        }
        let organization = key.organization;
        let most = self.bounds_of(organization).sessions;
        if self.sessions.count_of(organization) >= most {
            self.press(now);
            if self.sessions.count_of(organization) >= most {
                return Err(self.no_session(Whose::Organization));
            }
        }
        let index = self.sessions.vacant_index();
        self.learn_session(index, &key, parents)?;
        self.tombstones.lift(key.organization, hash);
        let retention = Retention {
            age: retention.unwrap_or(self.config.retention.age),
            ..self.config.retention
        };
        self.inspected
            .sessions
            .insert(|| session_entry(&key, index));
        Ok(self.sessions.insert(Session {
            key,
            hash,
            log: Log::new(self.ids.epoch(), retention),
            readers: ReaderList::default(),
            details: None,
            created_ms: now.unix_ms,
            last_used: now.instant,
            status: Status::default(),
            declared: false,
            woken: false,
            doomed: false,
        }))
    }

    fn no_session(&self, whose: Whose) -> Refusal {
        Refusal::Full(Full::new(Table::Sessions, whose, self.config.session_ttl))
    }

    /// Lets a session end once its readers were shown its last event; no command finds it any more.
    fn doom(&mut self, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        if session.readers.is_empty() {
            return self.remove(index);
        }
        session.doomed = true;
        self.sessions.unlink(index);
        self.tree.remove(index);
        self.doomed.push(index);
    }
}

/// A draft of an event of the server's own.
fn server_draft(name: &'static [u8], payload: Bytes) -> Draft {
    Draft {
        name: EventName::from_json(Bytes::from_static(name)),
        payload,
        metadata: None,
        origin: None,
        correlation: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_from_every_status() {
        use Status::{Aborted, Completed, Paused, Pending, Running};
        use Transition::{Pause, Start, Stop};
        let table = [
            (Pending, Start, Ok(Some(Running))),
            (Running, Start, Ok(None)),
            (Paused, Start, Ok(Some(Running))),
            (Completed, Start, Err(Completed)),
            (Aborted, Start, Err(Aborted)),
            (Pending, Pause, Err(Pending)),
            (Running, Pause, Ok(Some(Paused))),
            (Paused, Pause, Ok(None)),
            (Completed, Pause, Err(Completed)),
            (Aborted, Pause, Err(Aborted)),
            (Pending, Stop, Ok(Some(Aborted))),
            (Running, Stop, Ok(Some(Aborted))),
            (Paused, Stop, Ok(Some(Aborted))),
            (Completed, Stop, Err(Completed)),
            (Aborted, Stop, Ok(None)),
        ];
        for (status, transition, expected) in table {
            assert_eq!(
                status.after(transition),
                expected,
                "{transition:?} on {status:?}"
            );
        }
    }

    #[test]
    fn the_payload_of_a_status_event_is_its_word() {
        use Status::{Aborted, Completed, Paused, Pending, Running};
        for status in [Pending, Running, Paused, Completed, Aborted] {
            let word: String = serde_json::from_slice(status.as_json()).unwrap();
            assert_eq!(word, status.as_str());
        }
    }
}

//! Reading: the readers attached to logs, those with something to read, those whose session ended.
//!
//! Publishing only marks a session; at the end of the tick the caller takes the marked sessions and
//! lets their readers pull from the log, whatever number of events came meanwhile. All lists that
//! this file fills are the caller's, appended to, so that a tick allocates nothing.

use std::time::Duration;

use super::bounds::{Full, Table, Whose};
use super::command::Refusal;
use super::hub::Hub;
use super::scope::{OrganizationId, Parents, ScopeName, SessionKey};
use super::session::{Log, ReaderId, SessionIndex};
use crate::limits::READERS_MAX;
use crate::time::Now;

impl Hub {
    /// Returns the organization that created a session of this token: the token is unguessable, so
    /// knowing it permits reading its session. An organization that merely named the token has a
    /// session of it, too, but nobody is led there: it can have the token from anywhere. If two
    /// created one, neither is returned. `hash` is
    /// [`Placement::session_hash`](super::Placement::session_hash) of the token.
    pub fn find_any(&self, now: Now, token: &str, hash: u64) -> Option<OrganizationId> {
        let ttl = self.config.session_ttl;
        let mut living = self
            .sessions
            .of_token(token, hash)
            .filter(|session| session.declared && !session.is_expired(now, ttl));
        match (living.next(), living.next()) {
            (Some(session), None) => Some(session.key.organization),
            _ => None,
        }
    }

    /// Attaches a connection to a session, creating it if need be unless it was ended, and trims
    /// its log; `hash` is [`Placement::session_hash`](super::Placement::session_hash) of the token.
    ///
    /// From here on the connection is among [`connections`](Self::connections) whenever the session
    /// is woken, until it is detached or ended. It reads earlier events at once, by itself.
    pub fn attach(
        &mut self,
        now: Now,
        organization: OrganizationId,
        token: &str,
        hash: u64,
        connection: u32,
    ) -> Result<ReaderId, Refusal> {
        let known = self.use_session(now, organization, token, hash);
        if known.is_none() {
            self.check_readable(now, organization, hash)?;
        }
        if self.readers.len() >= READERS_MAX {
            return Err(Refusal::Busy);
        }
        if self.reading.of(organization) >= self.bounds_of(organization).readers {
            let (table, whose) = (Table::Readers, Whose::Organization);
            return Err(Refusal::Full(Full::new(table, whose, Duration::ZERO)));
        }
        self.tree.set_now(now.instant);
        let index = if let Some(index) = known {
            index
        } else {
            let token = ScopeName::new(token);
            let key = SessionKey {
                organization,
                token,
            };
            self.insert(now, key, hash, &Parents::default(), None)?
        };
        self.trim(now, index);
        let session = self.sessions.get_mut(index).ok_or(Refusal::NotFound)?;
        self.reading.add(organization);
        Ok(self.readers.attach(index, &mut session.readers, connection))
    }

    /// Detaches a reader; the session's time to live begins anew. A reader whose session ended is
    /// detached already: ids are reused, so forget them when told.
    pub fn detach(&mut self, now: Now, reader: ReaderId) {
        let index = self.readers.session_of(reader);
        if let Some(session) = index.and_then(|index| self.sessions.get_mut(index)) {
            self.readers.detach(reader, &mut session.readers);
            self.reading.remove(session.key.organization, 1);
            session.last_used = now.instant;
        }
    }

    /// The session that a reader is attached to.
    pub fn session_of(&self, reader: ReaderId) -> Option<SessionIndex> {
        self.readers.session_of(reader)
    }

    /// Returns the key of the session that a reader reads.
    pub fn key_of(&self, reader: ReaderId) -> Option<&SessionKey> {
        let session = self.sessions.get(self.session_of(reader)?)?;
        Some(&session.key)
    }

    /// Returns the log that a reader reads; up to date when it was attached, and by
    /// [`refresh`](Self::refresh).
    pub fn log(&self, reader: ReaderId) -> Option<&Log> {
        self.session_log(self.session_of(reader)?)
    }

    /// A session's log; trimmed by [`trim`](Self::trim).
    pub fn session_log(&self, session: SessionIndex) -> Option<&Log> {
        self.sessions.get(session).map(|session| &session.log)
    }

    /// Evicts events of a session's log that are too old.
    pub fn trim(&mut self, now: Now, session: SessionIndex) {
        self.change_log(session, |log| log.trim(now.instant));
    }

    /// Brings a reader's log up to date: with outstanding broadcasts, without events that are too
    /// old. To be called before a reader reads that was not woken.
    pub fn refresh(&mut self, now: Now, reader: ReaderId) {
        if let Some(index) = self.session_of(reader) {
            self.catch_up(now, index);
            self.trim(now, index);
        }
    }

    /// Whether a session has something to show to its readers.
    pub const fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// Appends the sessions with events that their readers were not shown to `out`, each once, in
    /// the order in which they were woken; they are taken as shown.
    pub fn take_woken(&mut self, out: &mut Vec<SessionIndex>) {
        for index in self.woken.drain(..) {
            // The index of a removed session may have passed to one that was not woken.
            if let Some(session) = self.sessions.get_mut(index)
                && session.woken
            {
                session.woken = false;
                out.push(index);
            }
        }
    }

    /// Appends the connections attached to a session to `out`.
    pub fn connections(&self, session: SessionIndex, out: &mut Vec<u32>) {
        if let Some(session) = self.sessions.get(session) {
            self.readers.connections(&session.readers, out);
        }
    }

    /// Removes the sessions that ended by `resume`, if [`take_woken`](Self::take_woken) gave their
    /// last event out; others wait for the next tick. Until then such a session still has its log
    /// and readers, and counts in the gauges, but no command finds it.
    pub fn end_tick(&mut self) {
        let mut doomed = std::mem::take(&mut self.doomed);
        doomed.retain(|&index| {
            let keep = self.sessions.get(index).is_some_and(|s| s.woken);
            if !keep {
                self.remove(index);
            }
            keep
        });
        self.doomed = doomed;
    }

    /// Appends the connections whose session was deleted or expired to `out`, once for each reader.
    /// Their readers are detached.
    pub fn take_ended(&mut self, out: &mut Vec<u32>) {
        out.append(&mut self.ended);
    }

    /// Marks a session as having something to read, if there is anyone to read it.
    pub(super) fn wake(&mut self, index: SessionIndex) {
        if let Some(session) = self.sessions.get_mut(index)
            && !session.woken
            && !session.readers.is_empty()
        {
            session.woken = true;
            self.woken.push(index);
        }
    }

    /// Changes a log and keeps the sums of all logs' bytes.
    pub(super) fn change_log(&mut self, index: SessionIndex, change: impl FnOnce(&mut Log)) {
        if let Some(session) = self.sessions.get_mut(index) {
            let before = session.log.bytes();
            change(&mut session.log);
            let (organization, bytes) = (session.key.organization, session.log.bytes());
            self.retained.replace(organization, before, bytes);
        }
    }
}

//! One shard's hub: commands, mail and time in; answers and effects out.
//!
//! The work is spread over siblings, each an `impl Hub`: `publish` (events into logs), `broadcast`
//! (the same for very many logs, a slice at a time), `lifecycle` (sessions from pending to gone),
//! `reading` (which readers are shown which events, and when), `fanout` (live subscriptions). The
//! hub never iterates a hash table, so that the same input always gives the same output. It trusts
//! its caller in one thing: names and JSON are validated.
//!
//! Events wake sessions; the end of the tick shows them to readers. A caller's tick:
//!
//! 1. [`execute`](Hub::execute) and friends, any number of times; [`take_news`](Hub::take_news).
//! 2. [`continue_broadcasts`](Hub::continue_broadcasts).
//! 3. [`take_woken`](Hub::take_woken); for each session [`trim`](Hub::trim),
//!    [`connections`](Hub::connections), and let each read [`session_log`](Hub::session_log).
//! 4. [`end_tick`](Hub::end_tick), then [`take_ended`](Hub::take_ended).
//! 5. [`sweep`](Hub::sweep) with a small budget.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Counts, Tally};
use super::broadcast::Broadcasts;
use super::command::{Answer, Command, Refusal};
use super::event::{Draft, Event};
use super::fanout::Fanout;
use super::ids::Ids;
use super::inspect::{Inspected, session_entry};
use super::news::News;
use super::scope::{Address, OrganizationId, Placement, ScopeName, SessionKey, ShardId};
use super::session::{Readers, Retention, Session, SessionIndex, SessionTable};
use super::tombstones::Tombstones;
use super::tree::ScopeTree;
use crate::limits::{
    BROADCAST_SLICE_APPENDS, BROADCAST_SLICE_WOKEN, LOGS_BYTES_DEFAULT, NODES_MAX,
    PRESSED_SESSIONS_MAX, SCOPE_TTL_DEFAULT, SESSION_TTL_DEFAULT, SESSIONS_MAX, SWEEP_SCOPES,
    SWEEP_TOMBSTONES,
};
use crate::time::{Instant, Now};

/// The operator's settings for a hub.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// Retention of each log.
    pub retention: Retention,
    /// Idle time after which a session expires.
    pub session_ttl: Duration,
    /// Most bytes that all logs of this shard retain together. An event counts in each log.
    pub logs_bytes_max: usize,
    /// Most sessions of this shard, at most [`SESSIONS_MAX`].
    pub sessions_max: usize,
    /// Bounds of each organization here, by its number; an organization that is not listed may have
    /// all that fits.
    pub bounds: Vec<Bounds>,
    /// Idle time after which a group or project is forgotten.
    pub scope_ttl: Duration,
    /// Whether scopes must be declared before they are used.
    pub declared_scopes: bool,
    /// Names whose last event is kept for later subscribers.
    pub retained_names: Vec<Box<str>>,
    /// Events of broadcasts appended to logs in one tick; a larger publish becomes a broadcast.
    pub slice_appends: usize,
    /// Sessions with readers that broadcasts wake in one tick.
    pub slice_woken: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            session_ttl: SESSION_TTL_DEFAULT,
            logs_bytes_max: LOGS_BYTES_DEFAULT,
            sessions_max: SESSIONS_MAX,
            bounds: Vec::new(),
            scope_ttl: SCOPE_TTL_DEFAULT,
            declared_scopes: false,
            retained_names: Vec::new(),
            slice_appends: BROADCAST_SLICE_APPENDS,
            slice_woken: BROADCAST_SLICE_WOKEN,
        }
    }
}

/// The scopes that one shard is home to.
#[derive(Debug)]
pub struct Hub {
    pub(super) config: HubConfig,
    pub(super) placement: Placement,
    pub(super) shard: ShardId,
    pub(super) ids: Ids,
    pub(super) sessions: SessionTable,
    pub(super) tombstones: Tombstones,
    pub(super) tree: ScopeTree,
    pub(super) readers: Readers,
    /// Readers of each organization.
    pub(super) reading: Counts,
    pub(super) fanout: Fanout,
    pub(super) broadcasts: Broadcasts,
    /// Orders of sessions, groups and projects, for walks through them.
    pub(super) inspected: Inspected,
    /// Sum of [`Log::bytes`](super::Log::bytes) over all sessions; only
    /// [`change_log`](Self::change_log) and [`remove`](Self::remove) change it.
    pub(super) retained: Tally,
    /// Sessions to show to their readers. An entry is void once the session's flag is cleared.
    pub(super) woken: Vec<SessionIndex>,
    pub(super) doomed: Vec<SessionIndex>,
    /// Connections whose session is gone.
    pub(super) ended: Vec<u32>,
    pub(super) effects: Vec<News>,
    /// Scratch: events between acceptance and append.
    pub(super) staged: Vec<Arc<Event>>,
    /// Scratch: sessions that an event above them is for.
    pub(super) beneath: Vec<SessionIndex>,
    /// Place at which the next [`sweep`](Self::sweep) begins.
    sweep_next: usize,
    /// Time of the last sweep caused by a reached bound.
    pressed: Option<Instant>,
}

impl Hub {
    /// An empty hub. Shards of one node may share `seed`, which must come from the operating
    /// system: session tokens are drawn from it.
    pub fn new(config: HubConfig, placement: Placement, shard: ShardId, seed: [u8; 32]) -> Self {
        let mut ids = Ids::new(seed, shard);
        let mut tree = ScopeTree::new(ids.table_seed(), NODES_MAX);
        tree.set_bounds(config.bounds.iter().map(|bounds| bounds.scopes).collect());
        let fanout = Fanout::new(ids.table_seed(), &config.retained_names);
        Self {
            config,
            placement,
            shard,
            ids,
            sessions: SessionTable::default(),
            tombstones: Tombstones::default(),
            tree,
            readers: Readers::default(),
            reading: Counts::default(),
            fanout,
            broadcasts: Broadcasts::default(),
            inspected: Inspected::default(),
            retained: Tally::default(),
            woken: Vec::new(),
            doomed: Vec::new(),
            ended: Vec::new(),
            effects: Vec::new(),
            staged: Vec::new(),
            beneath: Vec::new(),
            sweep_next: 0,
            pressed: None,
        }
    }

    /// Executes a command for a scope that this shard is home to. A refused command changes
    /// nothing.
    pub fn execute(&mut self, now: Now, command: Command) -> Answer {
        let hash = self.placement.hash_of(&command);
        self.execute_placed(now, command, hash)
    }

    /// [`execute`](Self::execute), if [`Placement::hash_of`] the command is known.
    pub fn execute_placed(&mut self, now: Now, command: Command, hash: u64) -> Answer {
        self.tree.set_now(now.instant);
        let result = match command {
            // The one place that all dialects' publishes pass.
            Command::Publish { drafts, .. } if reserved(&drafts).is_some() => {
                let at = reserved(&drafts).unwrap_or_default() as u32;
                Err(Refusal::ReservedName { at })
            }
            Command::Publish {
                scope,
                parents,
                drafts,
            } => match &scope.address {
                Address::Session(token) => {
                    let (organization, token) = (scope.organization, token.as_str());
                    let drafts = drafts.into_iter();
                    return self.publish_session(now, organization, token, hash, &parents, drafts);
                }
                _ => self.publish_above(now, &scope, &parents, drafts),
            },
            Command::Place { scope, parents } => self.place(now, &scope, hash, &parents),
            Command::Declare {
                organization,
                project,
                group,
            } => self.declare(organization, &project, group),
            Command::Create {
                session,
                parents,
                labels,
                expires_ms,
                retention,
            } => {
                let details = (labels, expires_ms, retention);
                self.create(now, session, hash, &parents, details)
            }
            Command::Read { session } => self.read(now, &session, hash),
            Command::ReadAny { token } => self.read_any(now, token, hash),
            Command::Transition {
                session,
                transition,
            } => self.transition(now, &session, hash, transition),
            Command::Resume {
                session,
                resume_token,
            } => self.resume(now, &session, hash, resume_token),
            Command::SetLabels { session, labels } => self.set_labels(now, &session, hash, labels),
            Command::Delete { session } => self.delete(now, &session, hash),
            Command::Notify {
                organization,
                draft,
            } => Ok(self.notify(now, organization, draft)),
        };
        result.unwrap_or_else(Answer::Refused)
    }

    /// Returns a token for a session yet to be created, wherever its home may be.
    pub fn session_token(&mut self) -> ScopeName {
        self.ids.session_token()
    }

    /// Appends the news for other shards to `out`, oldest first, and forgets it.
    pub fn take_news(&mut self, out: &mut Vec<News>) {
        out.append(&mut self.effects);
    }

    /// Examines `budget` places of the session table, going on where the last call stopped: trims
    /// logs by age and deletes expired sessions. Examines some groups and projects too; this may
    /// have effects.
    pub fn sweep(&mut self, now: Now, budget: usize) {
        self.tree.set_now(now.instant);
        self.sweep_scopes(now, budget.min(SWEEP_SCOPES));
        self.sweep_sessions(now, budget);
    }

    fn sweep_sessions(&mut self, now: Now, budget: usize) {
        let ttl = self.config.session_ttl;
        self.tombstones.sweep(now.instant, ttl, SWEEP_TOMBSTONES);
        self.sweep_inspected(now);
        for _ in 0..budget.min(self.sessions.top()) {
            if self.sweep_next >= self.sessions.top() {
                self.sweep_next = 0;
            }
            let index = SessionIndex::new(self.sweep_next);
            self.sweep_next += 1;
            match self.sessions.get(index) {
                None => {}
                Some(session) if !session.doomed && session.is_expired(now, ttl) => {
                    self.expire(now, index);
                }
                Some(_) => self.trim(now, index),
            }
        }
    }

    /// Returns the number of sessions.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Returns the number of attached readers.
    pub fn readers(&self) -> usize {
        self.readers.len()
    }

    /// Returns the bytes that all logs retain, plus at most those that broadcasts will still add;
    /// an event counts in each log.
    pub fn retained_bytes(&self) -> usize {
        let reserved = self.broadcasts.reserved().all();
        self.retained.all().saturating_add(reserved)
    }

    /// [`retained_bytes`](Self::retained_bytes) of one organization.
    pub fn retained_bytes_of(&self, organization: OrganizationId) -> usize {
        let reserved = self.broadcasts.reserved().of(organization);
        self.retained.of(organization).saturating_add(reserved)
    }

    pub(super) fn bounds_of(&self, organization: OrganizationId) -> &Bounds {
        Bounds::of(&self.config.bounds, organization)
    }

    /// Sweeps because a bound was reached; once per instant, so that a flood of refused calls stays
    /// cheap.
    pub(super) fn press(&mut self, now: Now) {
        if self.pressed != Some(now.instant) {
            self.pressed = Some(now.instant);
            self.sweep_sessions(now, PRESSED_SESSIONS_MAX);
        }
    }

    /// Finds a session for a command that names it, which counts as use. Its log is caught up with
    /// broadcasts.
    pub(super) fn use_session(
        &mut self,
        now: Now,
        organization: OrganizationId,
        token: &str,
        hash: u64,
    ) -> Option<SessionIndex> {
        let index = self.sessions.find(organization, token, hash)?;
        let session = self.sessions.get_mut(index)?;
        if session.is_expired(now, self.config.session_ttl) {
            // It has expired though the sweep has not come to it, and nobody shall see the
            // difference.
            self.expire(now, index);
            return None;
        }
        session.last_used = now.instant;
        self.catch_up(now, index);
        Some(index)
    }

    /// [`use_session`](Self::use_session), by key.
    pub(super) fn use_key(
        &mut self,
        now: Now,
        key: &SessionKey,
        hash: u64,
    ) -> Result<SessionIndex, Refusal> {
        self.use_session(now, key.organization, key.token.as_str(), hash)
            .ok_or(Refusal::NotFound)
    }

    /// Removes an expired session. One whose date came was ended: reading does not bring it back.
    pub(super) fn expire(&mut self, now: Now, index: SessionIndex) {
        if let Some(session) = self.sessions.get(index)
            && let Some(at) = session.ended_by_date(now, self.config.session_ttl)
        {
            let (organization, hash) = (session.key.organization, session.hash);
            self.tombstones.bury(at, organization, hash);
        }
        self.remove(index);
    }

    /// Notes that reading no longer brings this session back.
    pub(super) fn bury(&mut self, now: Now, index: SessionIndex) {
        if let Some(session) = self.sessions.get(index) {
            let (organization, hash) = (session.key.organization, session.hash);
            self.tombstones.bury(now.instant, organization, hash);
        }
    }

    /// Errors if a reader may not create the session that it asks for.
    pub(super) fn check_readable(
        &mut self,
        now: Now,
        organization: OrganizationId,
        hash: u64,
    ) -> Result<(), Refusal> {
        let ttl = self.config.session_ttl;
        if self.tombstones.stands(now.instant, ttl, organization, hash) {
            return Err(Refusal::Gone);
        }
        self.check_implicit()
    }

    /// Removes a session with its log; its readers are told.
    pub(super) fn remove(&mut self, index: SessionIndex) {
        self.tree.remove(index);
        self.forget_broadcasts(index);
        if let Some(session) = self.sessions.get(index) {
            let key = &session.key;
            self.inspected.sessions.remove(|| session_entry(key, index));
        }
        if let Some(Session {
            key, log, readers, ..
        }) = self.sessions.remove(index)
        {
            self.retained.remove(key.organization, log.bytes());
            self.reading.remove(key.organization, readers.len());
            self.readers.detach_all(readers, &mut self.ended);
        }
    }
}

/// Returns the index of the first draft whose name is the server's own.
fn reserved(drafts: &[Draft]) -> Option<usize> {
    drafts.iter().position(|draft| draft.name.is_reserved())
}

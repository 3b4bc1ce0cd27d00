//! Questions for this shard: worked on in steps, so many a turn, one question after the other.
//!
//! A job keeps its place in the order of what it walks, and nothing else of it: whatever comes and
//! goes between two turns, it goes on behind that place.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use crate::hub::{
    Answer, Ask, Command, Identity, Item, Kind, Log, Named, NodeState, Number, OrganizationId,
    Question, Report, ScopeName, SessionIndex, SessionKey, Set, ShardId, Why,
};
use crate::limits::{INSPECT_STEPS_MAX, INSPECT_STEPS_PER_ITEM, PAGE_BYTES_MAX};
use crate::shard::Shard;
use crate::shard::{ConnectionId, Mail};
use crate::time::Now;

/// Where a connection's peer is, as whoever has the sockets knows.
pub(super) type AddressOf<'a> = &'a dyn Fn(ConnectionId) -> Option<SocketAddr>;

/// A question that is worked on.
#[derive(Debug)]
pub(super) struct Job {
    shard: ShardId,
    number: u64,
    pub(super) question: Arc<Question>,
    pub(super) place: Place,
    items: Vec<Item>,
    bytes: usize,
}

/// How far a job has come in what it walks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Nowhere yet.
    Begin,
    /// Sessions and nodes up to here.
    Id(Uuid, SessionIndex),
    /// Connections up to here, and of the next one what has a larger number.
    Connection(Identity, u32),
    /// The log before this number, in search of the event to go on after.
    Search(Number),
    /// The log before this number.
    Event(Number),
}

/// A session that is looked for.
enum Found {
    Here(SessionIndex),
    Nowhere,
    /// It is not known yet.
    NotYet,
}

/// What is to be done with a job after some steps.
pub(super) type Outcome = ControlFlow<Report>;

impl Job {
    pub(super) fn new(shard: ShardId, number: u64, question: Arc<Question>) -> Self {
        Self {
            shard,
            number,
            question,
            place: Place::Begin,
            items: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn is(&self, shard: ShardId, number: u64) -> bool {
        (self.shard, self.number) == (shard, number)
    }

    /// Takes a thing for the page; breaks when that has enough, which is one more than was asked
    /// for, so that it is known whether there are more.
    pub(super) fn take(&mut self, item: Item, limit: usize) -> Outcome {
        self.bytes += item.json.len();
        self.items.push(item);
        if self.items.len() > limit {
            return ControlFlow::Break(self.page(false));
        }
        if self.bytes >= PAGE_BYTES_MAX {
            return ControlFlow::Break(self.page(true));
        }
        ControlFlow::Continue(())
    }

    /// What was taken.
    pub(super) fn page(&mut self, more: bool) -> Report {
        let items = std::mem::take(&mut self.items);
        Report::Page { items, more }
    }
}

impl Shard {
    /// Works on what is asked of this shard, for a bounded number of steps. `address` knows where
    /// sockets lead to.
    pub fn answer_questions(
        &mut self,
        now: Now,
        address: impl Fn(ConnectionId) -> Option<SocketAddr>,
    ) {
        let mut budget = INSPECT_STEPS_MAX;
        let mut turns = self.overview.jobs.len();
        while turns > 0
            && budget > 0
            && let Some(mut job) = self.overview.jobs.pop_front()
        {
            turns -= 1;
            match self.step_job(now, &mut job, &mut budget, &address) {
                ControlFlow::Continue(()) => self.overview.jobs.push_back(job),
                ControlFlow::Break(report) => {
                    let Job { shard, number, .. } = job;
                    if shard == self.id {
                        self.told(now, number, report);
                    } else {
                        self.post.send(shard, Mail::Told { number, report });
                    }
                    // What has ended is told once its end is answered.
                    self.spread(now);
                }
            }
        }
    }

    fn step_job(
        &mut self,
        now: Now,
        job: &mut Job,
        budget: &mut usize,
        address: AddressOf<'_>,
    ) -> Outcome {
        let question = Arc::clone(&job.question);
        match &question.ask {
            Ask::Page { set, after, limit } => match set {
                Set::All(Kind::Session) => self.list_sessions(now, job, *after, *limit, budget),
                Set::All(kind @ (Kind::Group | Kind::Project)) => {
                    self.list_nodes(now, job, *kind, (*after, *limit), budget)
                }
                Set::All(Kind::Connection | Kind::Subscription) | Set::Subscribers(_) => {
                    self.list_listeners(now, job, set, (*after, *limit), (budget, address))
                }
                Set::Events(token) => self.list_events(job, token, *after, *limit, budget),
            },
            Ask::One(Kind::Session, named) | Ask::End(Kind::Session, named) => {
                match self.find_session(now, &question, named, budget) {
                    Found::NotYet => ControlFlow::Continue(()),
                    Found::Nowhere => {
                        ControlFlow::Break(self.without_session(now, &question, named))
                    }
                    Found::Here(index) => {
                        ControlFlow::Break(self.look_at_session(now, &question, index))
                    }
                }
            }
            Ask::One(kind @ (Kind::Group | Kind::Project), named) => {
                let is_ordered =
                    matches!(named, Named::Name(_)) || self.hub.order_nodes(now, budget);
                if !is_ordered {
                    return ControlFlow::Continue(());
                }
                let organization = organization_of(&question);
                let found = self.hub.find_node(organization, *kind, named);
                let found = found.map(|state| self.node_item(&question, &state));
                ControlFlow::Break(found.map_or(Report::Not(Why::Absent), Report::One))
            }
            Ask::One(kind, named) | Ask::End(kind, named) => {
                let ends = matches!(question.ask, Ask::End(..));
                self.look_at_listener(now, &question, (*kind, named, ends), (budget, address))
            }
        }
    }

    fn list_sessions(
        &mut self,
        now: Now,
        job: &mut Job,
        after: Option<Uuid>,
        limit: usize,
        budget: &mut usize,
    ) -> Outcome {
        if !self.hub.order_sessions(now, budget) {
            return ControlFlow::Continue(());
        }
        let question = Arc::clone(&job.question);
        let organization = organization_of(&question);
        while *budget > 0 {
            let place = match job.place {
                Place::Id(id, index) => Some((id, index)),
                _ => after.map(|id| (id, SessionIndex::LAST)),
            };
            let Some((id, index)) = self.hub.session_after(organization, place) else {
                return ControlFlow::Break(job.page(false));
            };
            job.place = Place::Id(id, index);
            *budget = budget.saturating_sub(INSPECT_STEPS_PER_ITEM);
            if let Some(item) = self.session_item(now, &question, index) {
                job.take(item, limit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn session_item(&mut self, now: Now, question: &Question, index: SessionIndex) -> Option<Item> {
        let state = self.hub.session_state(now, index)?;
        let json = self
            .dialects
            .show_session(organization_of(question), &state);
        Some(Item {
            key: state.id.as_u128(),
            id: state.id,
            name: Some(state.token),
            json: json.into(),
        })
    }

    fn list_nodes(
        &mut self,
        now: Now,
        job: &mut Job,
        kind: Kind,
        (after, limit): (Option<Uuid>, usize),
        budget: &mut usize,
    ) -> Outcome {
        if !self.hub.order_nodes(now, budget) {
            return ControlFlow::Continue(());
        }
        let question = Arc::clone(&job.question);
        let of = (organization_of(&question), kind);
        while *budget > 0 {
            let place = match job.place {
                Place::Id(id, _) => Some(id),
                _ => after,
            };
            let Some((id, state)) = self.hub.node_after(of, place, budget) else {
                return ControlFlow::Break(job.page(false));
            };
            job.place = Place::Id(id, SessionIndex::LAST);
            if let Some(state) = state {
                *budget = budget.saturating_sub(INSPECT_STEPS_PER_ITEM);
                job.take(self.node_item(&question, &state), limit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn node_item(&self, question: &Question, state: &NodeState) -> Item {
        let json = self.dialects.show_node(organization_of(question), state);
        Item {
            key: state.id.as_u128(),
            id: state.id,
            name: Some(state.name.clone()),
            json: json.into(),
        }
    }

    /// Finds a session of this shard.
    fn find_session(
        &mut self,
        now: Now,
        question: &Question,
        named: &Named,
        budget: &mut usize,
    ) -> Found {
        let organization = organization_of(question);
        let by_token = |token: &str| self.hub.session_of_token(organization, token);
        let id = match named {
            Named::Name(token) => {
                return by_token(token.as_str()).map_or(Found::Nowhere, Found::Here);
            }
            Named::Id(id) => *id,
        };
        // An id that was made of a name is nobody's token, though somebody may call a session so:
        // that one has another.
        if !Kind::Session.is_hidden(id) {
            return by_token(&id.to_string()).map_or(Found::Nowhere, Found::Here);
        }
        if !self.hub.order_sessions(now, budget) {
            return Found::NotYet;
        }
        let found = self.hub.session_of_id(organization, id);
        found.map_or(Found::Nowhere, Found::Here)
    }

    /// What is said of a session that is not here.
    fn without_session(&mut self, now: Now, question: &Question, named: &Named) -> Report {
        let token = match named {
            Named::Name(token) => token.clone(),
            Named::Id(id) => ScopeName::new(&id.to_string()),
        };
        let organization = organization_of(question);
        let ends = matches!(question.ask, Ask::End(..));
        if ends && self.hub.has_ended(now, organization, token.as_str()) {
            return Report::Not(Why::Ended);
        }
        Report::Not(Why::Absent)
    }

    /// Shows a session, or ends it as its publisher would.
    fn look_at_session(&mut self, now: Now, question: &Question, index: SessionIndex) -> Report {
        let Some(item) = self.session_item(now, question, index) else {
            return Report::Not(Why::Absent);
        };
        if matches!(question.ask, Ask::One(..)) {
            return Report::One(item);
        }
        let Some(token) = item.name else {
            return Report::Not(Why::Absent);
        };
        let session = SessionKey {
            organization: organization_of(question),
            token,
        };
        let hash = self.post.placement.session_hash(session.token.as_str());
        match self.execute(now, Command::Delete { session }, hash) {
            Answer::Done => Report::Done,
            _ => Report::Not(Why::Absent),
        }
    }

    fn list_events(
        &mut self,
        job: &mut Job,
        token: &ScopeName,
        after: Option<Uuid>,
        limit: usize,
        budget: &mut usize,
    ) -> Outcome {
        let organization = organization_of(&job.question);
        let found = self.hub.session_of_token(organization, token.as_str());
        let Some(log) = found.and_then(|index| self.hub.session_log(index)) else {
            return ControlFlow::Break(Report::Not(Why::Absent));
        };
        if let Some(place) = seek(log, job.place, after, budget)? {
            job.place = place;
        }
        let Place::Event(from) = job.place else {
            return ControlFlow::Continue(());
        };
        for (number, event) in log.range(from) {
            if *budget == 0 {
                return ControlFlow::Continue(());
            }
            *budget = budget.saturating_sub(INSPECT_STEPS_PER_ITEM);
            let json = self.dialects.show_event(number, event);
            let item = Item {
                key: u128::from(number),
                id: event.id.0,
                name: None,
                json: json.into(),
            };
            job.place = Place::Event(number + 1);
            job.take(item, limit)?;
        }
        ControlFlow::Break(job.page(false))
    }
}

/// Goes on looking for the event after which a walk of a log goes on. Where that has come to,
/// unless it was found before.
fn seek(
    log: &Log,
    place: Place,
    after: Option<Uuid>,
    budget: &mut usize,
) -> ControlFlow<Report, Option<Place>> {
    let oldest = log.oldest();
    let from = match (place, after) {
        (Place::Event(_), _) => return ControlFlow::Continue(None),
        (_, None) => return ControlFlow::Continue(Some(Place::Event(oldest))),
        (Place::Search(from), _) => from,
        _ => oldest,
    };
    let after = after.unwrap_or_default();
    for (number, event) in log.range(from) {
        if *budget == 0 {
            return ControlFlow::Continue(Some(Place::Search(number)));
        }
        *budget -= 1;
        if event.id.0 == after {
            return ControlFlow::Continue(Some(Place::Event(number + 1)));
        }
    }
    // It is not there. What is older than all that is there was let go, and anything else never was
    // there.
    let first = log.range(oldest).next();
    let is_older = first.is_none_or(|(_, first)| time_of(after) <= time_of(first.id.0));
    if is_older {
        ControlFlow::Continue(Some(Place::Event(oldest)))
    } else {
        ControlFlow::Break(Report::Not(Why::Foreign))
    }
}

/// The milliseconds in an event's id.
fn time_of(id: Uuid) -> u128 {
    id.as_u128() >> 80
}

/// Whose a question is: the same for all steps of it.
pub(super) const fn organization_of(question: &Question) -> OrganizationId {
    question.organization
}

//! Questions of this shard's connections: put to the shards that can answer, each in its turn, and
//! answered once all have reported.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::answering::Job;
use super::merge;
use crate::dialect::Outcome;
use crate::hub::{Ask, Catalogue, Identity, Kind, Named, Question, Refusal, Report, Set, ShardId};
use crate::limits::{QUESTIONS_MAX, QUESTIONS_PER_ORGANIZATION_MAX, QUESTIONS_UNDERWAY_MAX};
use crate::shard::{ConnectionId, Mail, Shard};
use crate::time::Now;

/// Questions of and for one shard.
#[derive(Debug, Default)]
pub(in crate::shard) struct Overview {
    /// Those of this shard's connections, by their numbers.
    asked: BTreeMap<u64, Asked>,
    next_number: u64,
    /// Those of them that were not put yet, in the order of their turns.
    waiting: VecDeque<u64>,
    underway: usize,
    /// Those of any shard that this one works on.
    pub(super) jobs: VecDeque<Job>,
    /// This shard's connections in the order in which they came to the node.
    pub(super) order: Catalogue<(Identity, u32)>,
}

/// A question of a connection.
#[derive(Debug)]
struct Asked {
    connection: ConnectionId,
    question: Arc<Question>,
    /// Shards that have not answered; none while it waits.
    missing: usize,
    reports: Vec<Report>,
}

impl Overview {
    /// Whether there is something to do though nothing comes.
    pub(in crate::shard) fn has_work(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// A connection came to this shard.
    pub(in crate::shard) fn enter(&mut self, identity: Identity, index: u32) {
        self.order.insert(|| (identity, index));
    }

    /// A connection has left it.
    pub(in crate::shard) fn leave(&mut self, identity: Identity, index: u32) {
        self.order.remove(|| (identity, index));
    }

    /// Questions of this shard's connections, and for it.
    pub(in crate::shard) fn count(&self) -> usize {
        self.asked.len() + self.jobs.len()
    }
}

impl Shard {
    /// A connection asks. Returns the outcome if it is known at once.
    pub(in crate::shard) fn inquire(
        &mut self,
        connection: ConnectionId,
        question: Arc<Question>,
    ) -> Option<Outcome> {
        let of_organization = |asked: &&Asked| asked.question.organization == question.organization;
        let overview = &mut self.overview;
        if overview.asked.len() >= QUESTIONS_MAX
            || overview.asked.values().filter(of_organization).count()
                >= QUESTIONS_PER_ORGANIZATION_MAX
        {
            return Some(Outcome::refused(Refusal::Busy));
        }
        let number = overview.next_number;
        overview.next_number += 1;
        overview.asked.insert(
            number,
            Asked {
                connection,
                question,
                missing: 0,
                reports: Vec::new(),
            },
        );
        if overview.underway >= QUESTIONS_UNDERWAY_MAX {
            overview.waiting.push_back(number);
            return None;
        }
        if self.put(number) {
            return None;
        }
        self.overview.asked.remove(&number);
        Some(Outcome::refused(Refusal::Busy))
    }

    /// Puts a question. No if one of those who should answer cannot be reached.
    fn put(&mut self, number: u64) -> bool {
        let Some(asked) = self.overview.asked.get(&number) else {
            return true;
        };
        let question = Arc::clone(&asked.question);
        let shards = self.who_can_answer(&question);
        let is_there = |&&shard: &&ShardId| shard != self.id;
        if !shards
            .iter()
            .filter(is_there)
            .all(|&shard| self.post.has_room(shard))
        {
            return false;
        }
        self.overview.underway += 1;
        if let Some(asked) = self.overview.asked.get_mut(&number) {
            asked.missing = shards.len();
        }
        for shard in shards {
            let question = Arc::clone(&question);
            if shard == self.id {
                self.overview
                    .jobs
                    .push_back(Job::new(shard, number, question));
            } else {
                self.post.send(shard, Mail::Asked { number, question });
            }
        }
        true
    }

    /// The shards that may know what is asked for.
    fn who_can_answer(&self, question: &Question) -> Vec<ShardId> {
        let home = |token: &str| {
            let hash = self.post.placement.session_hash(token);
            vec![self.post.placement.home_of_hash(hash)]
        };
        match &question.ask {
            Ask::Page {
                set: Set::Events(token),
                ..
            }
            | Ask::One(Kind::Session, Named::Name(token))
            | Ask::End(Kind::Session, Named::Name(token)) => home(token.as_str()),
            Ask::One(Kind::Session, Named::Id(id)) | Ask::End(Kind::Session, Named::Id(id))
                if !Kind::Session.is_hidden(*id) =>
            {
                home(&id.to_string())
            }
            _ => (0..self.post.placement.shards()).map(ShardId).collect(),
        }
    }

    /// Another shard asks.
    pub(in crate::shard) fn asked(&mut self, from: ShardId, number: u64, question: Arc<Question>) {
        self.overview
            .jobs
            .push_back(Job::new(from, number, question));
    }

    /// Another shard's connection wants no answer any more.
    pub(in crate::shard) fn unasked(&mut self, from: ShardId, number: u64) {
        self.overview.jobs.retain(|job| !job.is(from, number));
    }

    /// A shard has answered.
    pub(in crate::shard) fn told(&mut self, now: Now, number: u64, report: Report) {
        let Some(asked) = self.overview.asked.get_mut(&number) else {
            return;
        };
        asked.reports.push(report);
        asked.missing -= 1;
        if asked.missing > 0 {
            return;
        }
        let Some(asked) = self.overview.asked.remove(&number) else {
            return;
        };
        self.overview.underway -= 1;
        let report = merge::merge(&asked.question.ask, asked.reports);
        self.deliver(now, asked.connection, Outcome::Report(Box::new(report)));
        self.put_next(now);
    }

    /// Puts questions that wait, as many as may be under way.
    fn put_next(&mut self, now: Now) {
        while self.overview.underway < QUESTIONS_UNDERWAY_MAX
            && let Some(number) = self.overview.waiting.pop_front()
        {
            if self.put(number) {
                continue;
            }
            if let Some(asked) = self.overview.asked.remove(&number) {
                self.deliver(now, asked.connection, Outcome::refused(Refusal::Busy));
            }
        }
    }

    /// A connection is gone, and with it what it asked.
    pub(in crate::shard) fn forget_questions(&mut self, now: Now, connection: ConnectionId) {
        if self.overview.asked.is_empty() {
            return;
        }
        let is_its = |(_, asked): &(&u64, &Asked)| asked.connection == connection;
        let Some((&number, _)) = self.overview.asked.iter().find(is_its) else {
            return;
        };
        let Some(asked) = self.overview.asked.remove(&number) else {
            return;
        };
        if asked.missing == 0 {
            self.overview.waiting.retain(|&waiting| waiting != number);
            return;
        }
        self.overview.underway -= 1;
        for shard in self.who_can_answer(&asked.question) {
            if shard == self.id {
                self.unasked(shard, number);
            } else {
                self.post.send(shard, Mail::Unasked { number });
            }
        }
        self.put_next(now);
    }

    /// Questions that this shard's connections wait with, or that it works on.
    pub fn questions(&self) -> usize {
        self.overview.count()
    }

    /// A share of this folder's housekeeping.
    pub(in crate::shard) fn sweep_overview(&mut self, now: Now) {
        self.overview.order.sweep(now);
    }
}

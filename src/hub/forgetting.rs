//! Unused groups and projects are forgotten, on all shards, without contradiction.
//!
//! A node is in use on a shard while it has sessions beneath it there, or subscriptions at or
//! beneath it. A shard that uses a node says so to the node's home a few times in the time that an
//! unused one lives ([`ScopeNews::Used`]). Only the home decides to forget:
//!
//! ```text
//!          unused for scope_ttl: Forget to all            SCOPE_FORGET_GRACE passed
//!   known ──────────────────────────────────► leaving ──────────────────────────────► forgotten
//!     ▲   used here, or named by a call, or Used, or learned: told to all again  │
//!     └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! While it is leaving, the home still knows its parents, and refuses contradictions: anything that
//! a shard which has just forgotten it does with the name comes to the home, by mail, long before
//! the home forgets too. A shard that is told to forget a node in use answers that it uses it. A
//! copy that is no longer used is asked about now and then ([`ScopeNews::Idle`]): its home may have
//! had no room for it.
//!
//! All of it follows from the time that comes with commands and sweeps. Declared scopes are not
//! forgotten.

use super::hub::Hub;
use super::news::{News, ScopeNews};
use super::scope::{Parents, Scope, ShardId};
use super::tree::Standing;
use crate::limits::SCOPE_FORGET_GRACE;
use crate::time::Now;

impl Hub {
    /// Examines up to `budget` groups and projects, going on where the last call stopped.
    pub(super) fn sweep_scopes(&mut self, now: Now, budget: usize) {
        if self.config.declared_scopes {
            return;
        }
        for _ in 0..budget.min(self.tree.places()) {
            if let Some(standing) = self.tree.next_to_sweep() {
                self.sweep_scope(now, standing);
            }
        }
    }

    fn sweep_scope(&mut self, now: Now, standing: Standing) {
        let Standing {
            scope,
            has_sessions,
            has_children,
            used,
            told,
            leaving,
        } = standing;
        let ttl = self.config.scope_ttl;
        let is_used = has_sessions || self.hears_at(&scope);
        let home = self.placement.home(&scope);
        if home == self.shard {
            if is_used || has_children {
                self.tree.touch(&scope);
            } else if let Some(since) = leaving {
                if now.instant.since(since) > SCOPE_FORGET_GRACE {
                    self.tree.forget(&scope);
                }
            } else if now.instant.since(used) > ttl {
                self.tree.leave(&scope);
                self.tell_of(None, scope, ScopeNews::Forget);
            }
        } else if is_used && now.instant.since(told) > ttl / 4 {
            self.tree.note_told(&scope);
            self.tell_of(Some(home), scope, ScopeNews::Used);
        } else if !is_used && now.instant.since(used.max(told)) > 2 * ttl {
            self.tree.note_told(&scope);
            self.tell_of(Some(home), scope, ScopeNews::Idle);
        }
        self.tell_returned();
    }

    /// Takes in another shard's news about a group or project.
    pub fn hear_of_scope(
        &mut self,
        from: ShardId,
        scope: Scope,
        parents: &Parents,
        news: ScopeNews,
    ) {
        match news {
            ScopeNews::Used => {
                if self.tree.knows(&scope) {
                    self.tree.touch(&scope);
                } else {
                    self.learn_from_mail(scope.organization, None, parents);
                }
                self.tell_returned();
            }
            ScopeNews::Idle => {
                if !self.tree.knows(&scope) {
                    self.tell_of(Some(from), scope, ScopeNews::Forget);
                }
            }
            ScopeNews::Forget => {
                let Some(standing) = self.tree.standing(&scope) else {
                    return;
                };
                if standing.has_sessions || self.hears_at(&scope) {
                    self.tree.note_told(&scope);
                    self.tell_of(Some(from), scope, ScopeNews::Used);
                } else if !standing.has_children {
                    self.tree.forget(&scope);
                }
            }
        }
    }

    /// Tells all shards of nodes that were leaving and are used again: they were told to forget
    /// them.
    pub(super) fn tell_returned(&mut self) {
        for (organization, parents) in self.tree.take_returned() {
            if self.placement.shards() > 1 {
                self.effects.push(News::Learn {
                    organization,
                    session: None,
                    parents,
                });
            }
        }
    }

    fn tell_of(&mut self, to: Option<ShardId>, scope: Scope, news: ScopeNews) {
        if self.placement.shards() == 1 {
            return;
        }
        let parents = self.tree.as_parents(&scope);
        self.effects.push(News::Scope {
            to,
            scope,
            parents,
            news,
        });
    }
}

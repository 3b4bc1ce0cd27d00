//! Rooms: clients that talk over a WebSocket and follow a log, at its home.

use super::readers::begin;
use super::{Effect, Shard};
use crate::dialect::pubsub::Position;
use crate::dialect::{Follow, Show, Standing};
use crate::time::Now;

impl Shard {
    /// Sends a connection to the home of the session that it is going to follow. No if it is there.
    pub(super) fn moves_home(&mut self, index: u32, hash: Option<u64>) -> bool {
        let home = hash.map(|hash| self.placement.home_of_hash(hash));
        let (Some(home), Some(id)) = (home, self.id_of(index)) else {
            return false;
        };
        if home == self.id {
            return false;
        }
        self.connections[index as usize].moving = true;
        self.effects.push_back(Effect::Move(id, home));
        true
    }

    /// Attaches a client to a log of this shard.
    pub(super) fn follow(&mut self, now: Now, index: u32, follow: &Follow) -> bool {
        let token = follow.token.as_str();
        let attached = self
            .hub
            .attach(now, follow.organization, token, follow.hash, index);
        // Attaching may have found the session's last life over, and reused its readers' ids.
        self.end_readers(now);
        let reader = match attached {
            Ok(reader) => reader,
            Err(refusal) => {
                let then = self.with(now, index, |connection, ctx| {
                    connection.refuse_follow(refusal, ctx)
                });
                return then.is_none_or(|then| self.carry_on(now, index, then));
            }
        };
        let (Some(log), Some(session)) = (self.hub.log(reader), self.hub.key_of(reader)) else {
            return true;
        };
        let (next, gap) = begin(log, follow.cursor);
        let standing = Standing {
            session: session.token.clone(),
            epoch: log.epoch(),
            next: log.next(),
            gap,
        };
        self.metrics().gaps.add(u64::from(gap.is_some()));
        let position = Position { reader, next };
        let followed = self.with(now, index, |connection, ctx| {
            connection.follow(position, &standing, ctx)
        });
        if followed != Some(true) {
            self.hub.detach(now, reader);
        }
        true
    }

    /// Changes what a client is shown of its log: what was published until now is judged by what it wanted until
    /// now, as far as it has room for that. It may be shown what was retained before, so that is trimmed first.
    pub(super) fn change_view(&mut self, now: Now, index: u32, mut show: Show) {
        // Pages of one kind want the same: it is kept once for them.
        if self.last_wanted == show.wanted {
            show.wanted.clone_from(&self.last_wanted);
        } else {
            self.last_wanted.clone_from(&show.wanted);
        }
        self.refresh_log(now, index);
        self.pull(index);
        self.with(now, index, |connection, ctx| connection.show(show, ctx));
        self.pull(index);
    }
}

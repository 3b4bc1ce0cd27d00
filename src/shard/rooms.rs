//! Rooms: clients that talk over a WebSocket and follow a log, at its home.

use super::Shard;
use super::carry_on::Next;
use super::readers::begin;
use crate::dialect::pubsub::Position;
use crate::dialect::{Follow, Show, Standing};
use crate::time::Now;

impl Shard {
    /// Moves a connection to the home of the session that it is going to follow. Returns `false` if it is there.
    pub(super) fn moves_home(&mut self, index: u32, hash: Option<u64>) -> bool {
        let home = hash.map(|hash| self.post.placement.home_of_hash(hash));
        let Some(home) = home else {
            return false;
        };
        if home == self.id {
            return false;
        }
        self.connections.move_to(index, home);
        true
    }

    /// Attaches a client to a log of this shard.
    pub(super) fn follow(&mut self, now: Now, index: u32, follow: &Follow) -> Next {
        let token = follow.token.as_str();
        let attached = self
            .hub
            .attach(now, follow.organization, token, follow.hash, index);
        // Attaching may have found the session's last life over, and reused its readers' ids.
        self.end_readers(now);
        let reader = match attached {
            Ok(reader) => reader,
            Err(refusal) => {
                let then = self.work_on(now, index, |connection, ctx| {
                    connection.refuse_follow(refusal, ctx)
                });
                return Next::of(then);
            }
        };
        let (Some(log), Some(session)) = (self.hub.log(reader), self.hub.key_of(reader)) else {
            return Next::Ready;
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
        let followed = self.work_on(now, index, |connection, ctx| {
            connection.follow(position, &standing, ctx)
        });
        if followed != Some(true) {
            self.hub.detach(now, reader);
        }
        Next::Ready
    }

    /// Changes what a client is shown of its log: what was published until now is judged by what it wanted until
    /// now, as far as it has room for that. It may be shown what was retained before, so that is trimmed first.
    pub(super) fn change_view(&mut self, now: Now, index: u32, mut show: Show) {
        self.reading.share(&mut show.wanted);
        self.refresh_log(now, index);
        self.pull(index);
        self.work_on(now, index, |connection, ctx| connection.show(show, ctx));
        self.pull(index);
    }
}

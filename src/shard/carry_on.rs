//! What follows from a connection's step, one thing after the other, until nothing does or
//! something is to be waited for: a publish may ask where its scope stands, then for its parents,
//! then for the publish itself.

use super::Shard;
use crate::connection::Then;
use crate::time::Now;

/// What is left to do of something that was carried out.
#[derive(Debug)]
pub(super) enum Next {
    /// The next thing, at once.
    Then(Then),
    /// The same, and what was carried out is a change of subscriptions: if everyone is told to
    /// leave, so is this client when all is done.
    InForce(Then),
    /// Nothing: the connection's next input may be looked at.
    Ready,
    /// Nothing until something comes from elsewhere.
    Wait,
}

impl Next {
    /// What a connection says follows; nothing if it is gone.
    pub(super) fn of(then: Option<Then>) -> Self {
        then.map_or(Self::Ready, Self::Then)
    }
}

impl Shard {
    /// Carries out what a connection's step or answer left to do, and what follows from that.
    /// Returns `false` if the connection has to wait before its next input is looked at.
    pub(super) fn carry_on(&mut self, now: Now, index: u32, then: Then) -> bool {
        self.follow_up(now, index, Next::Then(then))
    }

    /// [`carry_on`](Self::carry_on), from what is left to do of something.
    pub(super) fn follow_up(&mut self, now: Now, index: u32, next: Next) -> bool {
        let (mut next, mut changed) = (next, false);
        let is_ready = loop {
            let then = match next {
                Next::Then(then) => then,
                Next::InForce(then) => {
                    changed = true;
                    then
                }
                Next::Ready => break true,
                Next::Wait => break false,
            };
            next = match then {
                Then::Again | Then::More { .. } | Then::Streams => Next::Ready,
                Then::Call(call, exchange) => self.call(now, index, *call, exchange),
                Then::Open(open, exchange) => self.open(now, index, *open, exchange),
                Then::Subscribe(change) => self.subscribe(now, index, change, bytes::Bytes::new()),
                Then::Follow(follow, exchange) => self.follow(now, index, follow, exchange),
                Then::Show(show) => {
                    self.change_view(now, index, *show);
                    Next::Ready
                }
            };
        };
        if changed && self.draining {
            self.drain_connection(now, index);
        }
        is_ready
    }
}

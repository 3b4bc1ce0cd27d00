//! Carries out a shard's decisions: sockets are shut, closed and moved, mail enters the rings.

use std::net::Shutdown;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::mesh::Envelope;
use super::shard_loop::{ShardLoop, Slot};
use crate::metrics::RefusalKind;
use crate::shard::{ConnectionId, Effect, Told};

/// Logs a refusal of access: as a warning if it looks like guessing or a lock-out. They are few:
/// the shard bounds the log lines of each kind in a span of time.
fn tell(told: Told) {
    let Told {
        kind,
        one,
        left_out,
    } = told;
    let Some(one) = one else {
        info!(
            kind = kind.as_str(),
            left_out, "refusals were not logged one by one"
        );
        return;
    };
    let (kind_word, dialect, address) = (kind.as_str(), one.dialect, one.network);
    let organization = one.organization.as_deref();
    // One macro per level: a level is part of a line's static description.
    macro_rules! line {
        ($level:ident) => {
            $level!(kind = kind_word, dialect, %address, organization, left_out, "refused")
        };
    }
    match kind {
        RefusalKind::Password | RefusalKind::Blocked | RefusalKind::Busy => line!(warn),
        RefusalKind::Token
        | RefusalKind::Grant
        | RefusalKind::Origin
        | RefusalKind::Credentials => line!(info),
    }
}

impl ShardLoop {
    /// Carries out a shard's effect on a socket.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Finish(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.socket.shutdown(Shutdown::Write);
                }
            }
            Effect::Close(id) => {
                if let Some(slot) = self.take_slot(id) {
                    // A task that waits for the socket, to read or to write, must not keep it open.
                    slot.socket.shutdown(Shutdown::Both);
                }
            }
            Effect::Verify(check) => {
                let (now, connection) = (self.now(), check.connection);
                if let Err(verdict) = self.verifier.check(now.instant, check) {
                    self.shard.verified(now, connection, verdict);
                }
            }
            Effect::Tell(told) => tell(told),
            Effect::Resume(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.reading = true;
                    let waker = slot.waker.clone();
                    self.woken.extend(waker);
                }
            }
            Effect::Move(id, to) => {
                let Some(slot) = self.take_slot(id) else {
                    return;
                };
                // Counted before it leaves the gauge: it must not be missing from both.
                self.node.in_transit.fetch_add(1, Ordering::AcqRel);
                let connection = self.shard.release(id);
                match (slot.socket.duplicate(), connection) {
                    (Ok(fd), Some(connection)) => {
                        self.transfers.push((to, fd, Box::new(connection)));
                    }
                    (duplicated, _) => {
                        self.node.in_transit.fetch_sub(1, Ordering::AcqRel);
                        if let Err(error) = duplicated {
                            warn!(%error, "a connection could not move");
                        }
                    }
                }
            }
        }
    }

    /// Takes a socket from its task, which ends.
    fn take_slot(&mut self, id: ConnectionId) -> Option<Slot> {
        self.slot(id)?;
        let mut slot = self.slots[id.index as usize].take()?;
        self.woken.extend(slot.waker.take());
        Some(slot)
    }

    /// Moves mail and connections into the rings, as far as there is room, and wakes the receivers.
    pub(super) fn post(&mut self) {
        for to in self.mesh.others() {
            while self.mesh.has_room(to) {
                let Some(mail) = self.shard.outbox(to).pop_front() else {
                    break;
                };
                if self.mesh.push(to, Envelope::Mail(mail)).is_err() {
                    break;
                }
            }
        }
        let mut waiting = Vec::new();
        for (to, fd, connection) in self.transfers.drain(..) {
            match self.mesh.push(to, Envelope::Connection(fd, connection)) {
                Err(Envelope::Connection(fd, connection)) => waiting.push((to, fd, connection)),
                Ok(()) | Err(Envelope::Mail(_)) => {}
            }
        }
        self.transfers = waiting;
        self.mesh.wake_receivers();
    }
}

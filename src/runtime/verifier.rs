//! Passwords are checked on a thread of their own: each takes tens of milliseconds of work, on purpose.
//!
//! The only such thread in the node. A shard has a bounded number of checks under way
//! (`PASSWORD_CHECKS_MAX`), so its queue is bounded too.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use super::mesh::Waker;
use crate::auth::{Directory, UserId};
use crate::hub::ShardId;
use crate::shard::{ConnectionId, PasswordCheck};

/// A shard's line to the thread.
#[derive(Debug)]
pub(super) struct Verifier {
    shard: ShardId,
    jobs: Sender<(ShardId, PasswordCheck)>,
    verdicts: Receiver<(ConnectionId, bool)>,
}

impl Verifier {
    /// Has a password checked. No if the thread is gone.
    pub(super) fn check(&self, check: PasswordCheck) -> bool {
        self.jobs.send((self.shard, check)).is_ok()
    }

    /// The next outcome, if there is one; the shard is woken when there is.
    pub(super) fn verdict(&self) -> Option<(ConnectionId, bool)> {
        self.verdicts.try_recv().ok()
    }
}

/// Starts the thread; it ends when the last shard's line is gone.
pub(super) fn start(
    directory: Arc<Directory>,
    wakers: Arc<[Waker]>,
) -> std::io::Result<Vec<Verifier>> {
    let (jobs, inbox) = mpsc::channel::<(ShardId, PasswordCheck)>();
    let (outboxes, lines): (Vec<_>, Vec<_>) = (0..wakers.len())
        .map(|shard| {
            let (outbox, verdicts) = mpsc::channel();
            let shard = ShardId(shard as u16);
            let jobs = jobs.clone();
            let line = Verifier {
                shard,
                jobs,
                verdicts,
            };
            (outbox, line)
        })
        .unzip();
    std::thread::Builder::new()
        .name(String::from("verifier"))
        .spawn(move || {
            for (shard, check) in inbox {
                let user = check.user.unwrap_or(UserId::NOBODY);
                let right = directory.verify(user, &check.password);
                // A shard that has left does not want to know.
                let _ = outboxes[shard.index()].send((check.connection, right));
                wakers[shard.index()].wake();
            }
        })?;
    Ok(lines)
}

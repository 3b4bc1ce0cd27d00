//! Passwords are checked on a thread of their own: each takes tens of milliseconds of work, on
//! purpose.
//!
//! The only such thread in the node. Its queue is bounded, and its order is decided by
//! [`auth::Checks`](crate::auth::Checks), which all shards share behind one lock: it is taken to
//! log in by password, and for nothing else. The memory that checks take is kept while they come,
//! and given back when none came for a while.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::mesh::Waker;
use crate::auth::{Attempt, Checks, Directory, PasswordMemory, Verdict};
use crate::hub::ShardId;
use crate::limits::PASSWORD_MEMORY_IDLE_MAX;
use crate::shard::{ConnectionId, PasswordCheck};
use crate::time::Instant;

/// A connection that waits for a verdict.
type Waiter = (ShardId, ConnectionId);

/// A shard's line to the thread.
#[derive(Debug)]
pub(super) struct Verifier {
    shard: ShardId,
    desk: Arc<Desk>,
    verdicts: Receiver<(ConnectionId, Verdict)>,
}

/// State that the shards and the thread share.
#[derive(Debug)]
struct Desk {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug)]
struct Queue {
    checks: Checks<Waiter>,
    /// Shards that have a line.
    lines: usize,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic ends the process: the state it left behind is never seen.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next attempt; `None` when no line is left. `idle` is called when none came for
    /// long.
    fn next(&self, mut idle: impl FnMut()) -> Option<Attempt> {
        let mut queue = self.lock();
        loop {
            if queue.lines == 0 {
                return None;
            }
            if let Some(attempt) = queue.checks.begin() {
                return Some(attempt.clone());
            }
            let waited = self.changed.wait_timeout(queue, PASSWORD_MEMORY_IDLE_MAX);
            let (relocked, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = relocked;
            if timeout.timed_out() {
                idle();
            }
        }
    }
}

impl Verifier {
    /// Has a password checked in its turn; the shard is woken when there is a
    /// [`verdict`](Self::verdict).
    ///
    /// # Errors
    ///
    /// The verdict, if it will not be checked.
    pub(super) fn check(&self, now: Instant, check: PasswordCheck) -> Result<(), Verdict> {
        let PasswordCheck {
            connection,
            network,
            attempt,
        } = check;
        let waiter = (self.shard, connection);
        let submitted = self
            .desk
            .lock()
            .checks
            .submit(now, network, attempt, waiter);
        self.desk.changed.notify_one();
        submitted
    }

    /// Returns the next verdict, if there is one.
    pub(super) fn verdict(&self) -> Option<(ConnectionId, Verdict)> {
        self.verdicts.try_recv().ok()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.desk.lock().lines -= 1;
        self.desk.changed.notify_one();
    }
}

/// Starts the thread; it ends when the last shard's line is gone. Networks that fail too often are
/// blocked for `block`.
pub(super) fn start(
    directory: Arc<Directory>,
    block: Option<Duration>,
    clock: Clock,
    wakers: Arc<[Waker]>,
) -> std::io::Result<Vec<Verifier>> {
    let desk = Arc::new(Desk {
        queue: Mutex::new(Queue {
            checks: Checks::new(block),
            lines: wakers.len(),
        }),
        changed: Condvar::new(),
    });
    let (outboxes, lines): (Vec<_>, Vec<_>) = (0..wakers.len())
        .map(|shard| {
            let (outbox, verdicts) = mpsc::channel();
            let line = Verifier {
                shard: ShardId(shard as u16),
                desk: Arc::clone(&desk),
                verdicts,
            };
            (outbox, line)
        })
        .unzip();
    std::thread::Builder::new()
        .name(String::from("verifier"))
        .spawn(move || run(&desk, &directory, clock, &outboxes, &wakers))?;
    Ok(lines)
}

/// Runs one check after the other.
fn run(
    desk: &Desk,
    directory: &Directory,
    clock: Clock,
    outboxes: &[Sender<(ConnectionId, Verdict)>],
    wakers: &[Waker],
) {
    let mut memory = PasswordMemory::default();
    while let Some(attempt) = desk.next(|| memory.release()) {
        let began = clock.micros();
        let right = directory.verify(&attempt, &mut memory);
        let took = Duration::from_micros(clock.micros() - began);
        let verdicts = desk.lock().checks.finish(clock.now().instant, right, took);
        for ((shard, connection), verdict) in verdicts {
            // A shard that has left does not want to know.
            let _ = outboxes[shard.index()].send((connection, verdict));
            wakers[shard.index()].wake();
        }
    }
}

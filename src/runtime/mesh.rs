//! The rings between shards.
//!
//! One bounded single-producer ring for each ordered pair, and one socket pair per shard to wake
//! it. A shard is woken at most once per turn of each sender, and not at all if a wake is under
//! way.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use crate::hub::ShardId;
use crate::limits::MESH_RING_MESSAGES;
use crate::shard::{Mail, Released};

/// A message between two shards.
#[derive(Debug)]
pub(super) enum Envelope {
    /// Mail from hub to hub.
    Mail(Mail),
    /// A connection moves, with its socket.
    Connection(OwnedFd, Box<Released>),
}

/// Wakes one shard, from any thread.
#[derive(Debug)]
pub(super) struct Waker {
    pending: AtomicBool,
    stream: UnixStream,
}

impl Waker {
    /// Makes the shard look at its rings and flags, now or as soon as it is done with its turn.
    pub(super) fn wake(&self) {
        if self.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        // A full pipe wakes as well as one more byte would.
        let _ = (&self.stream).write(&[1]);
    }
}

/// One shard's ends of the mesh.
#[derive(Debug)]
pub(super) struct Mesh {
    id: ShardId,
    producers: Vec<Option<Producer<Envelope>>>,
    consumers: Vec<Option<Consumer<Envelope>>>,
    wakers: Arc<[Waker]>,
    /// The stream that this shard's waker writes to.
    wake_stream: UnixStream,
    /// Shards that mail was pushed to in this turn.
    pushed: Vec<bool>,
}

/// The meshes of all shards, and their wakers.
pub(super) fn build(shards: u16) -> std::io::Result<(Vec<Mesh>, Arc<[Waker]>)> {
    let count = usize::from(shards);
    let mut wakers = Vec::with_capacity(count);
    let mut wake_streams = Vec::with_capacity(count);
    for _ in 0..count {
        let (stream, wake_stream) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        wake_stream.set_nonblocking(true)?;
        wakers.push(Waker {
            pending: AtomicBool::new(false),
            stream,
        });
        wake_streams.push(wake_stream);
    }
    let wakers: Arc<[Waker]> = wakers.into();
    let mut producers: Vec<Vec<Option<Producer<Envelope>>>> = Vec::new();
    let mut consumers: Vec<Vec<Option<Consumer<Envelope>>>> =
        (0..count).map(|_| Vec::new()).collect();
    for from in 0..count {
        let mut row = Vec::with_capacity(count);
        for (to, column) in consumers.iter_mut().enumerate() {
            let (producer, consumer) = if from == to {
                (None, None)
            } else {
                let (producer, consumer) = RingBuffer::new(MESH_RING_MESSAGES);
                (Some(producer), Some(consumer))
            };
            row.push(producer);
            column.push(consumer);
        }
        producers.push(row);
    }
    let ends = producers
        .into_iter()
        .zip(consumers)
        .zip(wake_streams)
        .enumerate();
    let meshes = ends.map(|(id, ((producers, consumers), wake_stream))| Mesh {
        id: ShardId(id as u16),
        producers,
        consumers,
        wakers: Arc::clone(&wakers),
        wake_stream,
        pushed: vec![false; count],
    });
    Ok((meshes.collect(), wakers))
}

impl Mesh {
    /// The stream that becomes readable when this shard is woken.
    pub(super) fn wake_stream(&self) -> std::io::Result<UnixStream> {
        self.wake_stream.try_clone()
    }

    /// Puts an envelope into the ring to another shard, or gives it back when the ring is full.
    #[expect(
        clippy::result_large_err,
        reason = "it is the envelope itself, given back"
    )]
    pub(super) fn push(&mut self, to: ShardId, envelope: Envelope) -> Result<(), Envelope> {
        let Some(producer) = &mut self.producers[to.index()] else {
            return Err(envelope);
        };
        // Full or not, that shard has something to look at.
        self.pushed[to.index()] = true;
        producer
            .push(envelope)
            .map_err(|PushError::Full(envelope)| envelope)
    }

    /// Whether the ring to a shard has room.
    pub(super) fn has_room(&self, to: ShardId) -> bool {
        self.producers[to.index()]
            .as_ref()
            .is_some_and(|producer| !producer.is_full())
    }

    /// Wakes the shards that were sent something.
    pub(super) fn wake_receivers(&mut self) {
        for (pushed, waker) in self.pushed.iter_mut().zip(self.wakers.iter()) {
            if std::mem::take(pushed) {
                waker.wake();
            }
        }
    }

    /// Forgets that this shard was woken; to be called before the rings are read.
    pub(super) fn clear_wake(&mut self) {
        let mut bytes = [0; 64];
        loop {
            match (&self.wake_stream).read(&mut bytes) {
                Ok(read) if read == bytes.len() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        // A swap: a sender that still finds it pending pushed before this, and its envelope is seen
        // below. After a mere store the rings might be read before it takes effect.
        self.wakers[self.id.index()]
            .pending
            .swap(false, Ordering::AcqRel);
    }

    /// Takes the next envelope from a shard's ring.
    pub(super) fn pop(&mut self, from: ShardId) -> Option<Envelope> {
        self.consumers[from.index()].as_mut()?.pop().ok()
    }

    /// Whether the ring from a shard is (or nearly was) full, so that its sender waits for room.
    pub(super) fn is_crowded(&self, from: ShardId) -> bool {
        self.consumers[from.index()]
            .as_ref()
            .is_some_and(|consumer| consumer.slots() >= MESH_RING_MESSAGES / 2)
    }

    /// Makes a sender try again.
    pub(super) fn wake(&self, shard: ShardId) {
        self.wakers[shard.index()].wake();
    }

    /// Makes this shard take another turn. By way of the kernel: were its future simply polled
    /// again, the ring would not be entered, and no socket would be found ready.
    pub(super) fn wake_self(&self) {
        self.wakers[self.id.index()].wake();
    }

    /// All other shards.
    pub(super) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let id = self.id;
        (0..self.producers.len() as u16)
            .map(ShardId)
            .filter(move |&shard| shard != id)
    }
}

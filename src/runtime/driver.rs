//! One shard and its sockets: what happens in a turn, and what tasks report.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use monoio::net::TcpStream;
use tracing::warn;

use super::clock::Clock;
use super::machine;
use super::mesh::{Envelope, Mesh};
use super::socket::Socket;
use super::tasks;
use super::verifier::Verifier;
use crate::connection::Connection;
use crate::dialect::AllMetrics;
use crate::hub::ShardId;
use crate::limits::{
    GATHER_CONNECTIONS_MIN, GATHER_LOOKS_MAX, GATHER_TALKERS_MAX, MESH_RING_MESSAGES,
    RECV_BUFFER_BYTES, RECV_ROUNDS,
};
use crate::shard::{ConnectionId, Effect, Flushed, Shard};
use crate::time::{Instant, Now};

/// A shard, its sockets, and its ends of the mesh.
pub(super) struct Driver {
    pub(super) shard: Shard,
    clock: Clock,
    /// The time of this turn, once somebody asked.
    now: Option<Now>,
    slots: Vec<Option<Slot>>,
    recv_buf: Box<[u8]>,
    /// Connections that sent something in this turn.
    talkers: Vec<ConnectionId>,
    mesh: Mesh,
    verifier: Verifier,
    /// Connections that wait for room in the ring to their new shard.
    transfers: Vec<(ShardId, OwnedFd, Box<Connection>)>,
    /// Wakes the turn.
    pub(super) turn_waker: Option<Waker>,
    /// Wakes the task that accepts.
    pub(super) accept_waker: Option<Waker>,
    node: Arc<NodeState>,
    drain_timeout: Duration,
    leave_at: Option<Instant>,
    all_metrics: AllMetrics,
    /// Connections turned away since that was last logged, and when.
    turned_away: u64,
    warned_at: Instant,
}

/// What all shards of a node share besides counters and rings.
#[derive(Debug)]
pub(super) struct NodeState {
    /// The node was told to leave.
    pub(super) draining: AtomicBool,
    /// Connections released by one shard and not yet adopted by another.
    pub(super) in_transit: AtomicUsize,
    /// Most connections of all shards together: what the descriptors allow.
    pub(super) connections_max: u64,
}

/// A connection's socket.
struct Slot {
    serial: u32,
    socket: Socket,
    /// Wakes the task that waits for the socket to become readable.
    waker: Option<Waker>,
    reading: bool,
}

/// What a socket's task is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// Wait until the socket is readable, then report.
    Read,
    /// Wait to be woken.
    Pause,
    /// End: the socket is no longer this shard's.
    Leave,
}

impl Driver {
    pub(super) fn new(
        shard: Shard,
        clock: Clock,
        mesh: Mesh,
        verifier: Verifier,
        node: Arc<NodeState>,
        drain_timeout: Duration,
        all_metrics: AllMetrics,
    ) -> Self {
        Self {
            shard,
            clock,
            now: None,
            slots: Vec::new(),
            recv_buf: vec![0; RECV_BUFFER_BYTES].into_boxed_slice(),
            talkers: Vec::with_capacity(GATHER_TALKERS_MAX),
            mesh,
            verifier,
            transfers: Vec::new(),
            turn_waker: None,
            accept_waker: None,
            node,
            drain_timeout,
            leave_at: None,
            all_metrics,
            turned_away: 0,
            warned_at: Instant::default(),
        }
    }

    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| self.clock.now())
    }

    fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?.as_mut()?;
        (slot.serial == id.serial).then_some(slot)
    }

    /// Sees to it that a turn follows once all tasks that are ready have run.
    fn wake_turn(&self) {
        if let Some(waker) = &self.turn_waker {
            waker.wake_by_ref();
        }
    }

    /// Whether new connections are taken.
    pub(super) const fn accepts(&self) -> bool {
        self.leave_at.is_none()
    }

    /// Takes a connection; answers how its task is to begin.
    pub(super) fn accept(&mut self, stream: TcpStream) -> Option<(ConnectionId, Rc<TcpStream>)> {
        let now = self.now();
        let has_room = self.connections_of_node() < self.node.connections_max;
        let Some(id) = has_room.then(|| self.shard.accept(now)).flatten() else {
            self.turned_away += 1;
            return None;
        };
        Some((id, self.keep(id, stream)))
    }

    fn keep(&mut self, id: ConnectionId, stream: TcpStream) -> Rc<TcpStream> {
        let stream = Rc::new(stream);
        let index = id.index as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Slot {
            serial: id.serial,
            socket: Socket::new(Rc::clone(&stream)),
            waker: None,
            reading: true,
        });
        stream
    }

    /// What a socket's task is to do now; `waker` is kept for when that changes.
    pub(super) fn attention(&mut self, id: ConnectionId, waker: &Waker) -> Attention {
        let Some(slot) = self.slot(id) else {
            return Attention::Leave;
        };
        if !slot
            .waker
            .as_ref()
            .is_some_and(|kept| kept.will_wake(waker))
        {
            slot.waker = Some(waker.clone());
        }
        if slot.reading {
            Attention::Read
        } else {
            Attention::Pause
        }
    }

    /// A socket is readable: receives what is there.
    pub(super) fn receive(&mut self, id: ConnectionId) {
        if self.receive_from(id) && self.talkers.len() < GATHER_TALKERS_MAX {
            self.talkers.push(id);
        }
        let reading = self.shard.wants_input(id);
        if let Some(slot) = self.slot(id) {
            slot.reading = reading;
        }
        self.wake_turn();
    }

    /// Receives what is there, if anything. Answers whether bytes came.
    fn receive_from(&mut self, id: ConnectionId) -> bool {
        let now = self.now();
        let mut came = false;
        for _ in 0..RECV_ROUNDS {
            let Some(slot) = self.slots.get(id.index as usize).and_then(Option::as_ref) else {
                break;
            };
            if slot.serial != id.serial {
                break;
            }
            match slot.socket.recv(&mut self.recv_buf) {
                Ok(0) => {
                    self.shard.end_input(now, id);
                    break;
                }
                Ok(received) => {
                    came = true;
                    self.shard.receive(now, id, &mut self.recv_buf[..received]);
                    if received < self.recv_buf.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.shard.broken(now, id);
                    break;
                }
            }
        }
        came
    }

    /// Before a large flush: looks again at those who just talked, until a look finds nothing. While the
    /// flush lasts nothing is received, and each event that came a moment too late would cost a flush of its
    /// own.
    fn gather(&mut self) {
        for _ in 0..GATHER_LOOKS_MAX {
            if self.shard.addressed() < GATHER_CONNECTIONS_MIN {
                break;
            }
            let mut came = false;
            for place in 0..self.talkers.len() {
                let id = self.talkers[place];
                if self.shard.wants_input(id) {
                    came |= self.receive_from(id);
                }
            }
            if !came {
                break;
            }
        }
        for place in 0..self.talkers.len() {
            let id = self.talkers[place];
            let reading = self.shard.wants_input(id);
            if let Some(slot) = self.slot(id) {
                slot.reading = reading;
            }
        }
        self.talkers.clear();
    }

    /// A socket takes bytes again.
    pub(super) fn writable(&mut self, id: ConnectionId) {
        if self.slot(id).is_some() {
            self.shard.writable(id);
            self.wake_turn();
        }
    }

    /// This shard was woken: reads the rings. Adopted connections need tasks, which are returned.
    pub(super) fn read_mesh(&mut self) -> Vec<(ConnectionId, Rc<TcpStream>)> {
        self.mesh.clear_wake();
        if self.node.draining.load(Ordering::Acquire) && self.leave_at.is_none() {
            self.begin_drain();
        }
        let now = self.now();
        while let Some((connection, right)) = self.verifier.verdict() {
            self.shard.verified(now, connection, right);
        }
        let mut adopted = Vec::new();
        for from in self.mesh.others() {
            let crowded = self.mesh.is_crowded(from);
            for _ in 0..MESH_RING_MESSAGES {
                match self.mesh.pop(from) {
                    None => break,
                    Some(Envelope::Mail(mail)) => self.shard.mail(now, from, mail),
                    Some(Envelope::Connection(fd, connection)) => {
                        adopted.extend(self.adopt(now, fd, *connection));
                    }
                }
            }
            if crowded {
                self.mesh.wake(from);
            }
        }
        self.wake_turn();
        adopted
    }

    fn adopt(
        &mut self,
        now: Now,
        fd: OwnedFd,
        connection: Connection,
    ) -> Option<(ConnectionId, Rc<TcpStream>)> {
        let adopted = match TcpStream::from_std(std::net::TcpStream::from(fd)) {
            Ok(stream) => {
                let id = self.shard.adopt(now, connection);
                Some((id, self.keep(id, stream)))
            }
            Err(error) => {
                warn!(%error, "a connection was lost on its way between shards");
                None
            }
        };
        self.node.in_transit.fetch_sub(1, Ordering::AcqRel);
        adopted
    }

    /// Serves deadlines; called several times a second.
    pub(super) fn advance(&mut self) {
        let now = self.now();
        self.shard.advance(now);
        if self.shard.wants_state(now) {
            self.shard.publish_state(now, machine::look());
        }
        if self.turned_away > 0 && now.instant.since(self.warned_at) >= Duration::from_secs(1) {
            let count = std::mem::take(&mut self.turned_away);
            warn!(count, "connections were turned away: there are too many");
            self.warned_at = now.instant;
        }
        self.wake_turn();
    }

    fn begin_drain(&mut self) {
        let now = self.now();
        self.leave_at = Some(now.instant + self.drain_timeout);
        if let Some(waker) = self.accept_waker.take() {
            waker.wake();
        }
        self.shard.drain(now);
    }

    /// The end of a turn: everything that was ready has been received. Events meet their readers,
    /// bytes meet the kernel, mail meets the rings. Answers whether the shard is done for good.
    pub(super) fn turn(&mut self, driver: &tasks::Shared) -> bool {
        let now = self.now();
        self.shard.metrics().ticks.add(1);
        self.gather();
        self.shard.end_tick(now);
        let slots = &self.slots;
        self.shard.flush(now, |id, queue| {
            let slot = slots.get(id.index as usize).and_then(Option::as_ref);
            let Some(slot) = slot.filter(|slot| slot.serial == id.serial) else {
                return Flushed::Broken;
            };
            let flushed = slot.socket.send(queue);
            if matches!(flushed, Flushed::Blocked(_)) {
                tasks::spawn_writer(driver, id, slot.socket.stream());
            }
            flushed
        });
        while let Some(effect) = self.shard.next_effect() {
            self.carry_out(effect);
        }
        self.post();
        if self.shard.has_more_work() {
            self.mesh.wake_self();
        }
        self.now = None;
        self.is_done(now.instant)
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Finish(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.socket.shutdown(Shutdown::Write);
                }
            }
            Effect::Close(id) => {
                if let Some(slot) = self.take_slot(id) {
                    // Whoever waits for the socket, to read or to write, must not keep it open.
                    slot.socket.shutdown(Shutdown::Both);
                }
            }
            Effect::Verify(check) => {
                let connection = check.connection;
                if !self.verifier.check(check) {
                    // Without the thread nobody gets in; the shard still serves everyone else.
                    let now = self.now();
                    self.shard.verified(now, connection, false);
                }
            }
            Effect::Resume(id) => {
                if let Some(slot) = self.slot(id) {
                    slot.reading = true;
                    if let Some(waker) = &slot.waker {
                        waker.wake_by_ref();
                    }
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
        let slot = self.slots[id.index as usize].take()?;
        if let Some(waker) = &slot.waker {
            waker.wake_by_ref();
        }
        Some(slot)
    }

    /// Moves mail and connections into the rings, as far as there is room, and wakes the receivers.
    fn post(&mut self) {
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

    /// Done when this server is leaving and no shard has a connection, or time is up.
    fn is_done(&self, now: Instant) -> bool {
        let Some(leave_at) = self.leave_at else {
            return false;
        };
        let in_transit = self.node.in_transit.load(Ordering::Acquire);
        (in_transit == 0 && self.connections_of_node() == 0) || now >= leave_at
    }

    fn connections_of_node(&self) -> u64 {
        let each = self.all_metrics.iter().map(|m| m.connections.value());
        each.sum()
    }
}

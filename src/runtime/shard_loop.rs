//! One shard and its sockets: the work of a turn, and the reports of tasks.

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
use super::ready::ReadyList;
use super::socket::Socket;
use super::verifier::Verifier;
use crate::auth::Network;
use crate::dialect::AllMetrics;
use crate::hub::ShardId;
use crate::limits::{
    DESCRIPTORS_RESERVED, GATHER_TALKERS_MAX, MAIL_PER_LOOK, MAIL_TIME_MAX, RECV_BUFFER_BYTES,
    SWEEP_INTERVAL, TICK_INTERVAL,
};
use crate::shard::{ConnectionId, Flushed, Released, Shard};
use crate::time::{Instant, Now};

/// A shard, its sockets, and its ends of the mesh.
pub(super) struct ShardLoop {
    pub(super) shard: Shard,
    pub(super) clock: Clock,
    /// Cached clock reading for this turn; set on first use.
    now: Option<Now>,
    /// The same in microseconds since the clock's start.
    pub(super) began: u64,
    /// Servings of this turn, and whether they have used up its time.
    pub(super) servings: u32,
    pub(super) late: bool,
    pub(super) slots: Vec<Option<Slot>>,
    /// Sockets that wait for their turn.
    pub(super) ready: ReadyList,
    pub(super) recv_buf: Box<[u8]>,
    /// Connections that sent something in this turn.
    pub(super) talkers: Vec<ConnectionId>,
    /// Time at which deadlines were served last, and whether some had to be left for the next turn.
    pub(super) expired_at: Instant,
    pub(super) more_due: bool,
    pub(super) swept_at: Instant,
    /// Scratch: connections whose deadlines are due.
    pub(super) looks: Vec<ConnectionId>,
    pub(super) mesh: Mesh,
    /// The shard whose mail is read first next time.
    mail_from: usize,
    pub(super) verifier: Verifier,
    /// Connections that wait for room in the ring to their new shard.
    pub(super) transfers: Vec<(ShardId, OwnedFd, Box<Released>)>,
    /// Wakes the turn.
    pub(super) turn_waker: Option<Waker>,
    /// Tasks with work from this turn, to be woken once the thread has been in the kernel.
    pub(super) woken: Vec<Waker>,
    /// Sockets that took less than they were offered: each needs a task that waits for room,
    /// likewise.
    blocked: Vec<(ConnectionId, Rc<TcpStream>)>,
    /// Wakes the task that accepts: in the next turn, or when accepting ends.
    pub(super) accept_waker: Option<Waker>,
    /// Whether that task has more to accept.
    pub(super) accepts_more: bool,
    pub(super) node: Arc<NodeState>,
    drain_timeout: Duration,
    leave_at: Option<Instant>,
    all_metrics: AllMetrics,
    /// Connections turned away since that was last logged, and the time of that.
    turned_away: u64,
    warned_at: Instant,
}

/// State that all shards of a node share besides counters and rings.
#[derive(Debug)]
pub(super) struct NodeState {
    /// The node is about to be told to leave: balancers should send it no more clients.
    pub(super) unready: AtomicBool,
    /// The node was told to leave.
    pub(super) draining: AtomicBool,
    /// The shards that are done for good.
    pub(super) left: Box<[AtomicBool]>,
    /// Connections released by one shard and not yet adopted by another.
    pub(super) in_transit: AtomicUsize,
    /// Most connections of all shards together, as the descriptors allow.
    pub(super) connections_max: u64,
}

impl NodeState {
    /// The state before any shard has left. Each shard has a few descriptors of its own, and some
    /// are kept for connections that move.
    pub(super) fn new(shards: u16, descriptors: u64) -> Self {
        let reserved = DESCRIPTORS_RESERVED.min(descriptors / 4) + 8 * u64::from(shards);
        Self {
            unready: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            left: (0..shards).map(|_| AtomicBool::new(false)).collect(),
            in_transit: AtomicUsize::new(0),
            connections_max: descriptors.saturating_sub(reserved).max(1),
        }
    }
}

/// A connection's socket.
pub(super) struct Slot {
    pub(super) serial: u32,
    pub(super) socket: Socket,
    /// Wakes the task that waits for the socket to become readable.
    pub(super) waker: Option<Waker>,
    /// Whether the shard wants its input.
    pub(super) reading: bool,
    /// Whether it stands in the ready list.
    pub(super) listed: bool,
    /// Whether it had more than one serving's worth of input when it was served last.
    pub(super) is_busy: bool,
}

/// The work of a socket's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    /// Wait until the socket is readable, then report.
    Read,
    /// Wait to be woken.
    Pause,
    /// End: the socket is no longer this shard's.
    Leave,
}

impl ShardLoop {
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
            began: 0,
            servings: 0,
            late: false,
            slots: Vec::new(),
            ready: ReadyList::default(),
            recv_buf: vec![0; RECV_BUFFER_BYTES].into_boxed_slice(),
            talkers: Vec::with_capacity(GATHER_TALKERS_MAX),
            expired_at: Instant::default(),
            more_due: false,
            swept_at: Instant::default(),
            looks: Vec::new(),
            mesh,
            mail_from: 0,
            verifier,
            transfers: Vec::new(),
            turn_waker: None,
            woken: Vec::new(),
            blocked: Vec::new(),
            accept_waker: None,
            accepts_more: false,
            node,
            drain_timeout,
            leave_at: None,
            all_metrics,
            turned_away: 0,
            warned_at: Instant::default(),
        }
    }

    pub(super) fn now(&mut self) -> Now {
        if let Some(now) = self.now {
            return now;
        }
        self.began = self.clock.micros();
        *self.now.insert(self.clock.now())
    }

    pub(super) fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index as usize)?.as_mut()?;
        (slot.serial == id.serial).then_some(slot)
    }

    /// Makes sure that a turn follows once all tasks that are ready have run.
    pub(super) fn wake_turn(&self) {
        if let Some(waker) = &self.turn_waker {
            waker.wake_by_ref();
        }
    }

    /// Whether new connections are taken.
    pub(super) const fn accepts(&self) -> bool {
        self.leave_at.is_none()
    }

    /// Takes a connection from a network. Returns the first work of its task.
    pub(super) fn accept(
        &mut self,
        stream: TcpStream,
        network: Network,
    ) -> Option<(ConnectionId, Rc<TcpStream>)> {
        let now = self.now();
        let has_room = self.connections_of_node() < self.node.connections_max;
        let Some(id) = has_room.then(|| self.shard.accept(now, network)).flatten() else {
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
            listed: false,
            is_busy: false,
        });
        stream
    }

    /// Returns the present work of a socket's task; `waker` is kept for when that changes.
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
        if slot.reading && !slot.listed {
            Attention::Read
        } else {
            Attention::Pause
        }
    }

    /// Sockets for which a task is to wait until there is room.
    pub(super) fn take_blocked(&mut self) -> Vec<(ConnectionId, Rc<TcpStream>)> {
        std::mem::take(&mut self.blocked)
    }

    /// Notes that a socket takes bytes again.
    pub(super) fn writable(&mut self, id: ConnectionId) {
        if self.slot(id).is_some() {
            self.shard.writable(id);
            self.wake_turn();
        }
    }

    /// Serves a wake: tasks with work from the last turn go on, and the rings are read. Adopted
    /// connections need tasks, which are returned.
    pub(super) fn read_mesh(&mut self) -> Vec<(ConnectionId, Rc<TcpStream>)> {
        self.mesh.clear_wake();
        for waker in self.woken.drain(..) {
            waker.wake();
        }
        if self.node.unready.load(Ordering::Acquire) {
            self.shard.metrics().ready.set(0);
        }
        if self.node.draining.load(Ordering::Acquire) && self.leave_at.is_none() {
            self.begin_drain();
        }
        let now = self.now();
        while let Some((connection, verdict)) = self.verifier.verdict() {
            self.shard.verified(now, connection, verdict);
        }
        if let Some(waker) = self.accept_waker.take_if(|_| self.accepts_more) {
            self.accepts_more = false;
            waker.wake();
        }
        let adopted = self.read_rings(now);
        self.wake_turn();
        adopted
    }

    /// Takes envelopes of other shards, until time is up: then the rest has the next turn, and
    /// another shard's come first.
    fn read_rings(&mut self, now: Now) -> Vec<(ConnectionId, Rc<TcpStream>)> {
        let mut adopted = Vec::new();
        let others: Vec<ShardId> = self.mesh.others().collect();
        let until = self.clock.micros() + MAIL_TIME_MAX.as_micros() as u64;
        let mut taken = 0;
        for place in 0..others.len() {
            let from = others[(self.mail_from + place) % others.len()];
            let crowded = self.mesh.is_crowded(from);
            while let Some(envelope) = self.mesh.pop(from) {
                match envelope {
                    Envelope::Mail(mail) => self.shard.mail(now, from, mail),
                    Envelope::Connection(fd, connection) => {
                        adopted.extend(self.adopt(now, fd, *connection));
                    }
                }
                taken += 1;
                if taken % MAIL_PER_LOOK == 0 && self.clock.micros() >= until {
                    self.mail_from += place + 1;
                    self.mesh.wake(from);
                    self.mesh.wake_self();
                    return adopted;
                }
            }
            if crowded {
                self.mesh.wake(from);
            }
        }
        adopted
    }

    fn adopt(
        &mut self,
        now: Now,
        fd: OwnedFd,
        connection: Released,
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

    /// Returns how long the shard may sleep if nothing happens.
    pub(super) fn sleep_max(&self) -> Duration {
        let now = self.clock.now().instant;
        let next = self.shard.next_deadline().since(now);
        next.clamp(TICK_INTERVAL, SWEEP_INTERVAL)
    }

    /// A share of the housekeeping.
    pub(super) fn sweep(&mut self, now: Now) {
        self.shard.sweep(now);
        if self.shard.wants_report(now) {
            self.shard.publish_report(now, machine::look());
        }
        if self.turned_away > 0 && now.instant.since(self.warned_at) >= Duration::from_secs(1) {
            let count = std::mem::take(&mut self.turned_away);
            warn!(count, "connections were turned away: there are too many");
            self.warned_at = now.instant;
        }
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
    /// bytes meet the kernel, mail meets the rings. Returns whether the shard is done for good.
    ///
    /// A turn wakes no task by itself. monoio would run it without entering the kernel for
    /// completions, and on io_uring a wait for a socket that is ready is over as soon as it is
    /// submitted: two such sockets could keep the thread from ever learning of a third.
    pub(super) fn turn(&mut self) -> bool {
        let now = self.now();
        self.shard.metrics().ticks.add(1);
        self.serve_ready(now);
        self.serve_deadlines(now);
        self.look_again();
        self.answer_questions(now);
        self.shard.end_tick(now);
        let (slots, blocked) = (&self.slots, &mut self.blocked);
        self.shard.flush(now, |id, queue| {
            let Some(socket) = socket(slots, id) else {
                return Flushed::Broken;
            };
            let flushed = socket.send(queue);
            if matches!(flushed, Flushed::Blocked(_)) {
                blocked.push((id, socket.stream()));
            }
            flushed
        });
        while let Some(effect) = self.shard.next_effect() {
            self.carry_out(effect);
        }
        self.post();
        if self.shard.has_more_work()
            || !self.ready.is_empty()
            || !self.woken.is_empty()
            || !self.blocked.is_empty()
            || self.more_due
            || self.accepts_more
        {
            self.mesh.wake_self();
        }
        self.now = None;
        (self.servings, self.late) = (0, false);
        self.is_done(now.instant)
    }

    /// Goes on with operators' questions.
    fn answer_questions(&mut self, now: Now) {
        let slots = &self.slots;
        self.shard
            .answer_questions(now, |id| socket(slots, id).and_then(Socket::peer));
    }

    /// Whether this server is leaving and no shard has a connection, or time is up.
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

/// A connection's socket, if it is here.
pub(super) fn socket(slots: &[Option<Slot>], id: ConnectionId) -> Option<&Socket> {
    let slot = slots.get(id.index as usize)?.as_ref()?;
    (slot.serial == id.serial).then_some(&slot.socket)
}

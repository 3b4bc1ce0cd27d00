//! A whole node on one thread: its shards, virtual time, and a network of byte queues.
//!
//! It stands where `runtime` stands and does what the driver does, in the same order, but each step
//! can be taken alone: a letter of the mesh, a few bytes of input, one shard's turn. So a test
//! decides what is late, torn or broken. [`TestNode::settle`] takes all steps there are.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fanfare::auth::{Checks, Directory, Network, PasswordMemory};
use fanfare::connection::SendQueue;
use fanfare::dialect::AllMetrics;
use fanfare::dialect::Config;
use fanfare::hub::{Placement, ShardId};
use fanfare::metrics::Metrics;
use fanfare::shard::{
    ConnectionId, Effect, Flushed, Machine, Mail, Released, Shard, ShardSettings, Slices, Told,
};
use fanfare::time::{Instant, Now};

/// When tests begin: long after the clocks' zeros, so that nothing saturates.
const START_MS: u64 = 10_000_000;
/// The same moment on the wall: 2023-11-14T22:13:20Z.
const START_UNIX_MS: u64 = 1_700_000_000_000;
/// More rounds than any scene needs to come to rest.
const ROUNDS_MAX: usize = 100_000;

/// What travels between two shards, in order.
enum Letter {
    Mail(Mail),
    Connection(usize, Box<Released>),
}

/// Where a peer's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With a shard.
    On(usize, ConnectionId),
    /// Between two shards.
    Moving,
    /// Closed by the server, or broken.
    Gone,
}

/// The far end of one connection.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a socket's conditions are independent"
)]
pub(crate) struct Peer {
    pub(crate) place: Place,
    /// Sent by the peer, not yet received by the server.
    pub(crate) outgoing: VecDeque<u8>,
    /// Sent by the server, not yet looked at.
    pub(crate) received: Vec<u8>,
    /// Bytes the kernel takes before it blocks.
    pub(crate) window: usize,
    /// The server closed its half.
    pub(crate) finished: bool,
    blocked: bool,
    reading: bool,
    wants_end: bool,
    ended: bool,
    broken: bool,
}

/// Several shards, everything between them, and their peers.
pub(crate) struct TestNode {
    pub(crate) shards: Vec<Shard>,
    pub(crate) metrics: AllMetrics,
    pub(crate) placement: Placement,
    directory: Arc<Directory>,
    checks: Checks<(usize, ConnectionId)>,
    memory: PasswordMemory,
    /// Passwords are not checked before [`check_passwords`](Self::check_passwords).
    pub(crate) checks_wait: bool,
    /// What the log was told of refusals.
    pub(crate) told: Vec<Told>,
    /// Where the next peers connect from.
    pub(crate) network: Network,
    pub(crate) now: Now,
    pub(crate) peers: Vec<Peer>,
    /// No mail leaves the first for the second: the ring between them is full.
    pub(crate) stuck: Option<(usize, usize)>,
    by_id: Vec<HashMap<ConnectionId, usize>>,
    wires: Vec<Vec<VecDeque<Letter>>>,
    released: Vec<(usize, Letter)>,
}

impl TestNode {
    /// A node of `shards` shards, everything random drawn from `seed`.
    pub(crate) fn new(shards: u16, seed: u64, config: &Config) -> Self {
        Self::with_slices(shards, seed, config, Slices::default())
    }

    /// The same; its shards do so much at a time.
    pub(crate) fn with_slices(shards: u16, seed: u64, config: &Config, slices: Slices) -> Self {
        let count = usize::from(shards);
        let metrics: AllMetrics = (0..count).map(|_| Metrics::default()).collect();
        let placement = Placement::new(seed, shards);
        let directory = Arc::new(Directory::from_config(&config.hub, &config.organizations));
        let config = Arc::new(config.clone());
        let settings = |shard: u16| {
            let mut bytes = [7; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..10].copy_from_slice(&shard.to_le_bytes());
            ShardSettings {
                shard: ShardId(shard),
                placement: placement.clone(),
                config: Arc::clone(&config),
                directory: Arc::clone(&directory),
                metrics: Arc::clone(&metrics),
                hostname: "host".into(),
                seed: bytes,
                slices,
            }
        };
        let wires = || (0..count).map(|_| VecDeque::new()).collect();
        Self {
            shards: (0..shards)
                .map(|shard| Shard::new(settings(shard)))
                .collect(),
            now: Now {
                instant: Instant::from_millis(START_MS),
                unix_ms: START_UNIX_MS,
            },
            peers: Vec::new(),
            stuck: None,
            by_id: (0..count).map(|_| HashMap::new()).collect(),
            wires: (0..count).map(|_| wires()).collect(),
            released: Vec::new(),
            metrics,
            placement,
            directory,
            checks: Checks::new(config.server.login_block),
            memory: PasswordMemory::default(),
            checks_wait: false,
            told: Vec::new(),
            network: Network::LOOPBACK,
        }
    }

    /// The shard that is home to a session.
    pub(crate) fn home(&self, token: &str) -> usize {
        let hash = self.placement.session_hash(token);
        self.placement.home_of_hash(hash).index()
    }

    /// A new peer, unless the shard takes none.
    pub(crate) fn try_connect(&mut self, shard: usize) -> Option<usize> {
        let id = self.shards[shard].accept(self.now, self.network)?;
        let peer = self.peers.len();
        self.by_id[shard].insert(id, peer);
        self.peers.push(Peer {
            place: Place::On(shard, id),
            outgoing: VecDeque::new(),
            received: Vec::new(),
            window: usize::MAX,
            finished: false,
            blocked: false,
            reading: true,
            wants_end: false,
            ended: false,
            broken: false,
        });
        Some(peer)
    }

    /// A new peer on that shard.
    pub(crate) fn connect(&mut self, shard: usize) -> usize {
        self.try_connect(shard)
            .expect("the shard takes connections")
    }

    /// The peer sends bytes.
    pub(crate) fn send(&mut self, peer: usize, bytes: impl AsRef<[u8]>) {
        self.peers[peer].outgoing.extend(bytes.as_ref());
    }

    /// The peer closes its half, once what it sent has arrived.
    pub(crate) fn close_half(&mut self, peer: usize) {
        self.peers[peer].wants_end = true;
    }

    /// The peer's connection breaks.
    pub(crate) fn break_off(&mut self, peer: usize) {
        self.peers[peer].broken = true;
        if let Place::On(shard, id) = self.peers[peer].place {
            self.shards[shard].broken(self.now, id);
        }
    }

    /// The kernel takes `bytes` more for this peer.
    pub(crate) fn open_window(&mut self, peer: usize, bytes: usize) {
        let far = &mut self.peers[peer];
        far.window = bytes;
        if std::mem::take(&mut far.blocked)
            && let Place::On(shard, id) = far.place
        {
            self.shards[shard].writable(id);
        }
    }

    /// The shard receives at most `most` bytes of what the peer sent. No if there was nothing to
    /// do.
    pub(crate) fn receive(&mut self, peer: usize, most: usize) -> bool {
        let far = &mut self.peers[peer];
        let Place::On(shard, id) = far.place else {
            return false;
        };
        if !far.reading || far.ended {
            return false;
        }
        let count = far.outgoing.len().min(most);
        if count > 0 {
            let mut bytes: Vec<u8> = far.outgoing.drain(..count).collect();
            self.shards[shard].receive(self.now, id, &mut bytes);
        } else if far.wants_end && far.outgoing.is_empty() {
            far.ended = true;
            self.shards[shard].end_input(self.now, id);
        } else {
            return false;
        }
        self.peers[peer].reading = self.shards[shard].wants_input(id);
        true
    }

    /// One letter arrives. No if there was none.
    pub(crate) fn deliver(&mut self, from: usize, to: usize) -> bool {
        match self.wires[from][to].pop_front() {
            None => return false,
            Some(Letter::Mail(mail)) => {
                self.shards[to].mail(self.now, ShardId(from as u16), mail);
            }
            Some(Letter::Connection(peer, connection)) => {
                let id = self.shards[to].adopt(self.now, *connection);
                self.by_id[to].insert(id, peer);
                let far = &mut self.peers[peer];
                far.place = Place::On(to, id);
                far.reading = true;
                // A socket whose peer closed its half says so as often as it is read.
                far.ended = false;
                if far.broken {
                    self.shards[to].broken(self.now, id);
                }
            }
        }
        true
    }

    /// Letters under way from one shard to another.
    pub(crate) fn letters(&self, from: usize, to: usize) -> usize {
        self.wires[from][to].len()
    }

    /// Ends one shard's tick. No if nothing came of it.
    pub(crate) fn turn(&mut self, shard: usize) -> bool {
        let now = self.now;
        let mut progress = self.shards[shard].serve_next(now);
        let ids = &self.by_id[shard];
        self.shards[shard].answer_questions(now, |id| ids.get(&id).map(|&peer| address(peer)));
        self.shards[shard].end_tick(now);
        let (ids, peers) = (&self.by_id[shard], &mut self.peers);
        self.shards[shard].flush(now, |id, queue| {
            let flushed = peers[ids[&id]].take(queue);
            progress |= !matches!(flushed, Flushed::Blocked(0) | Flushed::Broken);
            flushed
        });
        while let Some(effect) = self.shards[shard].next_effect() {
            progress = true;
            self.carry_out(shard, &effect);
        }
        for to in 0..self.shards.len() {
            if self.stuck == Some((shard, to)) {
                continue;
            }
            let outbox = self.shards[shard].outbox(ShardId(to as u16));
            progress |= !outbox.is_empty();
            self.wires[shard][to].extend(outbox.drain(..).map(Letter::Mail));
        }
        progress |= self.shards[shard].has_more_work();
        // As in the runtime, mail that a turn wrote goes before the connections that it released.
        for (to, letter) in std::mem::take(&mut self.released) {
            self.wires[shard][to].push_back(letter);
        }
        progress
    }

    /// Checks all passwords that wait.
    pub(crate) fn check_passwords(&mut self) {
        while let Some(attempt) = self.checks.begin() {
            let right = self.directory.verify(attempt, &mut self.memory);
            let took = Duration::from_millis(20);
            for ((shard, connection), verdict) in self.checks.finish(self.now.instant, right, took)
            {
                self.shards[shard].verified(self.now, connection, verdict);
            }
        }
    }

    fn carry_out(&mut self, shard: usize, effect: &Effect) {
        let id = match effect {
            Effect::Verify(check) => {
                let (now, network) = (self.now.instant, check.network);
                let waiter = (shard, check.connection);
                let submitted = self
                    .checks
                    .submit(now, network, check.attempt.clone(), waiter);
                if let Err(verdict) = submitted {
                    self.shards[shard].verified(self.now, check.connection, verdict);
                }
                if !self.checks_wait {
                    self.check_passwords();
                }
                return;
            }
            Effect::Tell(told) => {
                self.told.push(told.clone());
                return;
            }
            Effect::Finish(id) | Effect::Close(id) | Effect::Resume(id) | Effect::Move(id, _) => {
                *id
            }
        };
        let Some(&peer) = self.by_id[shard].get(&id) else {
            return;
        };
        match effect {
            Effect::Finish(_) => {
                self.peers[peer].finished = true;
                self.peers[peer].wants_end = true;
            }
            Effect::Close(_) => {
                self.by_id[shard].remove(&id);
                self.peers[peer].place = Place::Gone;
            }
            Effect::Verify(_) | Effect::Tell(_) => {}
            Effect::Resume(_) => self.peers[peer].reading = true,
            &Effect::Move(_, to) => {
                self.by_id[shard].remove(&id);
                self.peers[peer].place = Place::Gone;
                if let Some(connection) = self.shards[shard].release(id) {
                    self.peers[peer].place = Place::Moving;
                    let letter = Letter::Connection(peer, Box::new(connection));
                    self.released.push((to.index(), letter));
                }
            }
        }
    }

    /// Takes every step there is until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let mut progress = false;
            for from in 0..self.shards.len() {
                for to in 0..self.shards.len() {
                    while self.deliver(from, to) {
                        progress = true;
                    }
                }
            }
            for peer in 0..self.peers.len() {
                while self.receive(peer, usize::MAX) {
                    progress = true;
                }
            }
            for shard in 0..self.shards.len() {
                progress |= self.turn(shard);
            }
            if !progress {
                return;
            }
        }
        panic!("the node does not come to rest");
    }

    /// Lets time pass, without a step of more than half a second.
    pub(crate) fn pass(&mut self, time: Duration) {
        let mut rest = time.as_millis() as u64;
        while rest > 0 {
            let step = rest.min(500);
            rest -= step;
            self.jump(step);
            self.settle();
        }
    }

    /// Moves both clocks and serves deadlines, each after a look at its socket.
    pub(crate) fn jump(&mut self, millis: u64) {
        self.now.instant = self.now.instant + Duration::from_millis(millis);
        self.now.unix_ms += millis;
        let mut looks = Vec::new();
        for shard in 0..self.shards.len() {
            self.shards[shard].due(self.now, &mut looks);
            for id in looks.drain(..) {
                self.look(shard, id);
            }
            self.shards[shard].expire(self.now);
        }
        for shard in &mut self.shards {
            shard.advance(self.now);
            if shard.wants_report(self.now) {
                shard.publish_report(self.now, machine());
            }
        }
    }

    /// What the runtime does before a deadline is served: what came in time counts, and what is
    /// taken now was.
    fn look(&mut self, shard: usize, id: ConnectionId) {
        let Some(&peer) = self.by_id[shard].get(&id) else {
            return;
        };
        self.receive(peer, usize::MAX);
        let peers = &mut self.peers;
        self.shards[shard].retry_write(self.now, id, |_, queue| peers[peer].take(queue));
    }

    /// A gauge or counter, summed over the shards.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        let mut sum = 0;
        for metrics in self.metrics.iter() {
            metrics.visit(|_, visited, _, value| sum += if visited == name { value } else { 0 });
        }
        sum
    }
}

/// Where a peer is: an address of documentation (RFC 5737), and its number.
fn address(peer: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 10_000 + peer as u16))
}

/// What the machine says about itself, always.
fn machine() -> Machine {
    Machine {
        hostname: "host".into(),
        load: [0.5, 0.25, 0.125],
        processors: 2,
        memory: (8_000, 4_000),
    }
}

impl Peer {
    /// Takes what there is room for.
    fn take(&mut self, queue: &SendQueue) -> Flushed {
        if self.broken {
            return Flushed::Broken;
        }
        let taken = queue.len().min(self.window);
        let bytes: Vec<u8> = queue.chunks().flatten().copied().take(taken).collect();
        self.received.extend(bytes);
        self.window -= if self.window == usize::MAX { 0 } else { taken };
        if taken == queue.len() {
            Flushed::Sent(taken)
        } else {
            self.blocked = true;
            Flushed::Blocked(taken)
        }
    }

    /// Whether the peer has nothing more to expect.
    pub(crate) fn is_over(&self) -> bool {
        self.finished || self.place == Place::Gone
    }
}

//! Shards as threads: binding, pinning, starting, joining.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use monoio::net::{TcpListener, UnixStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::any_runtime::{AnyRuntime, DriverKind};
use super::clock::Clock;
use super::mesh::{self, Mesh, Waker};
use super::shard_loop::{NodeState, ShardLoop};
use super::tasks;
use super::verifier::{self, Verifier};
use super::watchdog::{self, Patience, Watchdog};
use crate::auth::Directory;
use crate::dialect::Config;
use crate::hub::{Placement, ShardId};
use crate::limits::{LISTEN_BACKLOG, LISTEN_PATIENCE, LISTEN_RETRY_INTERVAL, SHARDS_MAX};
use crate::metrics::Metrics;
use crate::shard::{Shard, ShardSettings, Slices};

/// The reason why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// The configured driver is not available.
    Driver(io::Error),
    /// The operating system refused something else.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => {
                write!(f, "server.listen: cannot listen on {address}: {error}")
            }
            Self::Driver(error) => write!(f, "server.driver: cannot be started: {error}"),
            Self::System(error) => write!(f, "cannot start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// The address it listens on.
    pub address: SocketAddr,
    /// Its number of shards.
    pub shards: u16,
    /// The driver of its shards.
    pub driver: DriverKind,
    threads: Vec<JoinHandle<()>>,
    state: Arc<NodeState>,
    wakers: Arc<[Waker]>,
    _watchdog: Watchdog,
}

impl Node {
    /// A handle that makes the node leave; from another thread.
    pub fn leaving(&self) -> Leaving {
        Leaving {
            state: Arc::clone(&self.state),
            wakers: Arc::clone(&self.wakers),
        }
    }

    /// Waits until every shard has left. The error is the number of shards that panicked.
    pub fn join(self) -> Result<(), usize> {
        let joined = self.threads.into_iter().map(JoinHandle::join);
        match joined.filter(Result::is_err).count() {
            0 => Ok(()),
            panicked => Err(panicked),
        }
    }
}

/// Makes a node leave, in two steps.
#[derive(Clone, Debug)]
pub struct Leaving {
    state: Arc<NodeState>,
    wakers: Arc<[Waker]>,
}

impl Leaving {
    /// Makes the node say that it is not ready, and go on.
    pub fn announce(&self) {
        self.state.unready.store(true, Ordering::Release);
        self.wake();
    }

    /// Makes the node leave.
    pub fn begin(&self) {
        self.state.unready.store(true, Ordering::Release);
        self.state.draining.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        for waker in self.wakers.iter() {
            waker.wake();
        }
    }
}

/// The parts that one thread needs to become a shard.
struct ShardThread {
    settings: ShardSettings,
    listener: StdListener,
    mesh: Mesh,
    verifier: Verifier,
    core: Option<core_affinity::CoreId>,
    clock: Clock,
    state: Arc<NodeState>,
    ready: mpsc::Sender<Result<DriverKind, StartError>>,
}

/// Binds, starts one pinned thread per shard, and returns once all of them accept. `descriptors` is
/// the number of files this process may have open: connections are turned away before the last are
/// used up.
pub fn start(config: Config, descriptors: u64) -> Result<Node, StartError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let default = NonZeroU16::new(cores.len().clamp(1, SHARDS_MAX) as u16);
    let shards = config.server.shards.or(default).map_or(1, NonZeroU16::get);
    let (address, listeners) = bind(config.server.listen, shards, config.server.keepalive)?;
    let metrics: Arc<[Metrics]> = (0..shards).map(|_| Metrics::default()).collect();
    let (meshes, wakers) = mesh::build(shards).map_err(StartError::System)?;
    let placement = Placement::new(random_u64()?, shards);
    let directory = Arc::new(Directory::from_config(&config.hub, &config.organizations));
    let clock = Clock::new();
    let block = config.server.login_block;
    let verifiers = verifier::start(Arc::clone(&directory), block, clock, Arc::clone(&wakers));
    let verifiers = verifiers.map_err(StartError::System)?;
    let patience = Patience::of(&config);
    let config = Arc::new(config);
    let state = Arc::new(NodeState::new(shards, descriptors));
    let (ready, started) = mpsc::channel();
    let mut threads = Vec::with_capacity(usize::from(shards));
    let ends = listeners.into_iter().zip(meshes).zip(verifiers);
    for (index, ((listener, mesh), verifier)) in ends.enumerate() {
        let thread = ShardThread {
            settings: ShardSettings {
                shard: ShardId(index as u16),
                placement: placement.clone(),
                config: Arc::clone(&config),
                directory: Arc::clone(&directory),
                metrics: Arc::clone(&metrics),
                hostname: super::machine::hostname(),
                seed: random_seed()?,
                slices: Slices::default(),
            },
            listener,
            mesh,
            verifier,
            core: cores.get(index % cores.len().max(1)).copied(),
            clock,
            state: Arc::clone(&state),
            ready: ready.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || run_shard(thread));
        threads.push(thread.map_err(StartError::System)?);
    }
    drop(ready);
    let mut driver = DriverKind::IoUring;
    for _ in 0..shards {
        match started.recv() {
            // A node is as fast as its slowest shard: name that one.
            Ok(Ok(DriverKind::Epoll)) => driver = DriverKind::Epoll,
            Ok(Ok(DriverKind::IoUring)) => {}
            Ok(Err(error)) => return Err(error),
            Err(error) => return Err(StartError::System(io::Error::other(error))),
        }
    }
    let watchdog = watchdog::start(patience, Arc::clone(&state), metrics);
    Ok(Node {
        address,
        shards,
        driver,
        threads,
        state,
        wakers,
        _watchdog: watchdog.map_err(StartError::System)?,
    })
}

/// One thread's life as a shard.
fn run_shard(thread: ShardThread) {
    if let Some(core) = thread.core {
        core_affinity::set_for_current(core);
    }
    let ready = thread.ready.clone();
    let mut runtime = match AnyRuntime::build(thread.settings.config.server.driver) {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(StartError::Driver(error)));
            return;
        }
    };
    let kind = runtime.kind();
    let (index, state) = (thread.settings.shard.index(), Arc::clone(&thread.state));
    runtime.block_on(async move {
        let drain_timeout = thread.settings.config.server.drain_timeout;
        let metrics = Arc::clone(&thread.settings.metrics);
        let watched = TcpListener::from_std(thread.listener).and_then(|listener| {
            let wake_stream = UnixStream::from_std(thread.mesh.wake_stream()?)?;
            Ok((listener, wake_stream))
        });
        let (listener, wake_stream) = match watched {
            Ok(watched) => watched,
            Err(error) => {
                let _ = ready.send(Err(StartError::System(error)));
                return;
            }
        };
        let shard = Shard::new(thread.settings);
        shard.metrics().ready.set(1);
        let (clock, state) = (thread.clock, thread.state);
        let shard_loop = ShardLoop::new(
            shard,
            clock,
            thread.mesh,
            thread.verifier,
            state,
            drain_timeout,
            metrics,
        );
        let _ = ready.send(Ok(kind));
        tasks::run(Rc::new(RefCell::new(shard_loop)), listener, wake_stream).await;
    });
    state.left[index].store(true, Ordering::Release);
}

/// One listener per shard on the same port; the kernel spreads connections over them.
fn bind(
    listen: SocketAddr,
    shards: u16,
    keepalive: Option<Duration>,
) -> Result<(SocketAddr, Vec<StdListener>), StartError> {
    if listen.port() != 0 {
        // Another process that shares ports, such as a second server of ours, could share this one,
        // and each would get some of the connections. A socket that does not share detects that,
        // and is gone again at once.
        await_address(listen).map_err(|error| StartError::Listen(listen, error))?;
    }
    let mut address = listen;
    let mut listeners = Vec::with_capacity(usize::from(shards));
    for _ in 0..shards {
        let listener =
            bind_one(address, true).map_err(|error| StartError::Listen(address, error))?;
        if let Some(idle) = keepalive {
            super::socket::keep_alive(&listener, idle).map_err(StartError::System)?;
        }
        // Port 0 becomes a real one with the first.
        address = listener.local_addr().map_err(StartError::System)?;
        listeners.push(listener);
    }
    Ok((address, listeners))
}

/// Waits until the address is free. The kernel releases a dead process's io_uring listener some
/// time after its end, so a quick restart would otherwise fail.
fn await_address(listen: SocketAddr) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match bind_one(listen, false) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && waited < LISTEN_PATIENCE => {
                std::thread::sleep(LISTEN_RETRY_INTERVAL);
                waited += LISTEN_RETRY_INTERVAL;
            }
            bound => return bound.map(drop),
        }
    }
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        socket.listen(LISTEN_BACKLOG)?;
    }
    Ok(socket.into())
}

fn random_u64() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System(error.into()))
}

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::System(error.into()))?;
    Ok(seed)
}

//! Which of monoio's drivers a shard runs on.

use std::future::Future;
use std::io;

use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

use super::thread::DriverKind;
use crate::config::Driver;

/// Entries of the submission queue; more are submitted in several calls.
const RING_ENTRIES: u32 = 4_096;

/// A monoio runtime of either kind.
pub(super) enum AnyRuntime {
    Uring(Runtime<TimeDriver<IoUringDriver>>),
    Epoll(Runtime<TimeDriver<LegacyDriver>>),
}

impl AnyRuntime {
    /// Builds the driver that was asked for; `Auto` falls back to epoll where `io_uring` is refused,
    /// as under Docker's default seccomp profile.
    pub(super) fn build(wanted: Driver) -> io::Result<Self> {
        match wanted {
            Driver::IoUring => uring(),
            Driver::Epoll => epoll(),
            Driver::Auto => uring().or_else(|_| epoll()),
        }
    }

    pub(super) const fn kind(&self) -> DriverKind {
        match self {
            Self::Uring(_) => DriverKind::IoUring,
            Self::Epoll(_) => DriverKind::Epoll,
        }
    }

    pub(super) fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        match self {
            Self::Uring(runtime) => runtime.block_on(future),
            Self::Epoll(runtime) => runtime.block_on(future),
        }
    }
}

fn uring() -> io::Result<AnyRuntime> {
    // Newest flags first; kernels before 6.1 do not know all of them.
    let mut deferred = io_uring::IoUring::builder();
    deferred.setup_single_issuer().setup_defer_taskrun();
    let mut cooperative = io_uring::IoUring::builder();
    cooperative.setup_coop_taskrun();
    let plain = io_uring::IoUring::builder();
    let mut result = Err(io::ErrorKind::Unsupported.into());
    for ring in [deferred, cooperative, plain] {
        result = RuntimeBuilder::<IoUringDriver>::new()
            .with_entries(RING_ENTRIES)
            .uring_builder(ring)
            .enable_timer()
            .build();
        if result.is_ok() {
            break;
        }
    }
    result.map(AnyRuntime::Uring)
}

fn epoll() -> io::Result<AnyRuntime> {
    RuntimeBuilder::<LegacyDriver>::new()
        .enable_timer()
        .build()
        .map(AnyRuntime::Epoll)
}

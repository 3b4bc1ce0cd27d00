//! The choice between monoio's drivers for a shard.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Once;

use io_uring::types::{SubmitArgs, Timespec};
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};
use tracing::warn;

use crate::config::Driver;

/// Entries of the submission queue, the first that the kernel grants: more are submitted in several
/// calls. Each is 64 bytes of locked memory, and 32 more of the completion queue.
const RING_ENTRIES: [u32; 3] = [4_096, 1_024, 256];

/// Entries of a ring that is only tried.
const PROBE_ENTRIES: u32 = 2;

/// `ETIME` of Linux: the wait was over before anything came.
const ETIME: i32 = 62;

/// The mechanism by which a shard waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverKind {
    /// `io_uring`.
    IoUring,
    /// epoll.
    Epoll,
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

/// A monoio runtime of either kind.
pub(super) enum AnyRuntime {
    Uring(Runtime<TimeDriver<IoUringDriver>>),
    Epoll(Runtime<TimeDriver<LegacyDriver>>),
}

impl AnyRuntime {
    /// Builds the wanted driver; `Auto` falls back to epoll where `io_uring` is refused, as under
    /// Docker's default seccomp profile.
    pub(super) fn build(wanted: Driver) -> io::Result<Self> {
        match wanted {
            Driver::IoUring => uring(),
            Driver::Epoll => epoll(),
            Driver::Auto => uring().or_else(|error| {
                explain_fallback(&error);
                epoll()
            }),
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
    for entries in RING_ENTRIES {
        for ring in [&deferred, &cooperative, &plain] {
            result = probe(ring).and_then(|()| {
                RuntimeBuilder::<IoUringDriver>::new()
                    .with_entries(entries)
                    .uring_builder(ring.clone())
                    .enable_timer()
                    .build()
            });
            match &result {
                Ok(_) => return result.map(AnyRuntime::Uring),
                // Only a smaller one may find room.
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => break,
                Err(_) => {}
            }
        }
    }
    result.map(AnyRuntime::Uring)
}

/// Waits on a small ring for a moment. A filter may allow a ring to be made and not to be entered,
/// and the runtime would never learn of it.
fn probe(builder: &io_uring::Builder) -> io::Result<()> {
    let ring = builder.build(PROBE_ENTRIES)?;
    if !ring.params().is_feature_ext_arg() {
        return ring.submit().map(drop);
    }
    let moment = Timespec::new().nsec(1_000);
    let entered = ring
        .submitter()
        .submit_with_args(1, &SubmitArgs::new().timespec(&moment));
    match entered {
        // Nothing was submitted, so nothing came.
        Err(error) if error.raw_os_error() == Some(ETIME) => Ok(()),
        entered => entered.map(drop),
    }
}

/// Logs once why shards run on epoll though it was not configured, and what would help.
fn explain_fallback(error: &io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let help = match error.kind() {
            io::ErrorKind::OutOfMemory => {
                "the limit on locked memory is too small for a ring in each shard: raise it (ulimit -l, LimitMEMLOCK=)"
            }
            io::ErrorKind::PermissionDenied => {
                "a seccomp profile or the sysctl kernel.io_uring_disabled forbids it"
            }
            io::ErrorKind::Unsupported => "this kernel has none",
            _ => "see the error",
        };
        let limit = rlimit::Resource::MEMLOCK.get_soft().unwrap_or(0);
        warn!(%error, locked_memory_limit = limit, "epoll instead of io_uring: {help}");
    });
}

fn epoll() -> io::Result<AnyRuntime> {
    RuntimeBuilder::<LegacyDriver>::new()
        .enable_timer()
        .build()
        .map(AnyRuntime::Epoll)
}

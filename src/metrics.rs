//! Counters and gauges of one shard.
//!
//! Each value has one writer, its shard, and any number of readers: a relaxed load and a relaxed
//! store, no locked instruction. Readers see a value that was true a moment ago.

mod refusals;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use refusals::{Api, RefusalKind, Refusals};

/// One number with a single writing thread.
#[derive(Debug, Default)]
pub struct Metric(AtomicU64);

impl Metric {
    /// Adds `n`; only the owning shard may call this.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Subtracts `n`; only the owning shard may call this.
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Sets a gauge; only the owning shard may call this.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value, as any thread may see it.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $kind:ident $name:ident),+ $(,)?) => {
        /// All metrics of one shard.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $help])+ pub $name: Metric,)+
            /// Refusals of access, by what was wrong and in which dialect.
            pub refusals: Refusals,
        }

        impl Metrics {
            /// Calls `visit(kind, name, help, value)` for each metric, in order of declaration.
            pub fn visit(&self, mut visit: impl FnMut(&'static str, &'static str, &'static str, u64)) {
                $(visit(stringify!($kind), stringify!($name), concat!($($help),+).trim(), self.$name.value());)+
            }
        }
    };
}

metrics! {
    /// Whether new clients are welcome: 1, or 0 while the shard starts or leaves.
    gauge ready,
    /// Connections open now.
    gauge connections,
    /// Streams of HTTP/2 connections open now.
    gauge http2_streams,
    /// Connections accepted since start.
    counter connections_accepted,
    /// Connections that moved to the home shard of their session.
    counter connections_moved,
    /// Connections closed because their send queue made no progress, or grew over its bound.
    counter slow_consumers,
    /// HTTP requests answered.
    counter http_requests,
    /// HTTP requests refused with a status of 400 or above.
    counter http_errors,
    /// Events accepted from publishers.
    counter events_published,
    /// Events handed to the send queues of readers and subscribers.
    counter events_delivered,
    /// Events dropped from a send queue because the subscriber was too slow.
    counter events_dropped,
    /// Publishes refused because a bound was reached.
    counter publishes_refused,
    /// Publishes refused by their organization's rate limit.
    counter publishes_limited,
    /// Gaps announced to readers.
    counter gaps,
    /// Sessions that exist now.
    gauge sessions,
    /// Broadcasts that have not reached all their sessions now.
    gauge broadcasts_pending,
    /// Readers attached to logs now (polls that wait, event streams, sockets).
    gauge readers,
    /// Live subscriptions now.
    gauge subscriptions,
    /// Bytes that logs retain now.
    gauge retained_bytes,
    /// Bytes of unsent output and partial input held now; shared bytes count once.
    gauge buffered_bytes,
    /// Bytes of partial input held now, a part of the buffered bytes.
    gauge buffered_input_bytes,
    /// Estimated bytes of all subscriptions, in their clients' state and compiled.
    gauge subscription_bytes,
    /// Connections closed because they held most of a shard's bytes for peers when these ran out.
    counter holders_cut,
    /// Bytes received.
    counter bytes_received,
    /// Bytes sent.
    counter bytes_sent,
    /// Writes handed to the kernel.
    counter writes,
    /// Mail sent to other shards.
    counter mail_sent,
    /// Ticks of the shard's loop that did work.
    counter ticks,
}

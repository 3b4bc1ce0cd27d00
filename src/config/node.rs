//! `[server]`, `[log]` and `[hub]`: what is the node's and no dialect's.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::kind::{
    Kind, address, bytes, count, duration, duration_within, flag, optional, shards, text, word,
    zero_is_none,
};
use super::log_level::check_level;
use super::section::{Flat, Nested, section};
use super::value::format_duration;
use super::words::words;
use crate::limits;

words! {
    /// How shards talk to the kernel.
    Driver {
        /// `io_uring` where it is allowed, epoll elsewhere.
        #[default]
        Auto = "auto",
        /// `io_uring`, or no start at all.
        IoUring = "io_uring",
        /// epoll.
        Epoll = "epoll",
    }
}

words! {
    /// How log lines are written.
    LogFormat {
        /// For people.
        #[default]
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// What happens to a scope that nobody created.
    Scopes {
        /// It is created at its first use.
        #[default]
        Implicit = "implicit",
        /// It is refused as not found.
        Declared = "declared",
    }
}

words! {
    /// What happens to a live subscription whose client does not keep up.
    SlowConsumer {
        /// It is closed.
        #[default]
        Disconnect = "disconnect",
        /// The oldest events that wait for it are dropped, and it is told how many.
        DropOldest = "drop_oldest",
    }
}

section! {
    /// `[server]`.
    ServerConfig {
        /// Where every shard listens; "localhost:7400" and other names of hosts are good, too.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)), address();
        /// Threads, each with its own connections and logs; 0 is one for every core.
        shards: Option<NonZeroU16> = None, shards();
        /// How shards talk to the kernel: "auto" takes `io_uring` where it is allowed and epoll
        /// elsewhere.
        driver: Driver = Driver::default(), word();
        /// Without organizations (at the end of this file) everyone who reaches this server may do
        /// everything, so it refuses to listen beyond loopback unless this is true.
        open: bool = false, flag();
        /// Serve /echo, which protocol test suites speak to; only ever on loopback.
        echo: bool = false, flag();
        /// Most connections of one shard.
        connections_max: usize = limits::CONNECTIONS_MAX, count(1..=limits::CONNECTIONS_MAX);
        /// Most bytes that one shard holds for its peers (answers and events not yet taken) and
        /// from them (requests not yet whole), each counted once however many share it. When it is
        /// spent, those are cut off for whom most is held.
        held_bytes_max: usize = limits::HELD_BYTES_DEFAULT, bytes(limits::HELD_BYTES_MIN..=usize::MAX);
        /// How long a server that was told to stop waits for its clients to leave.
        drain_timeout: Duration = limits::DRAIN_TIMEOUT_DEFAULT, duration();
        /// A shard that stands still for this long ends the process, for a supervisor to start it
        /// again; 0 only says so in the log, after ten seconds.
        stall_exit: Option<Duration> = None, zero_is_none(duration());
        /// After SIGTERM: how long connections are still taken while /readyz says 503, so that a
        /// balancer stops sending clients before they are refused; 0 stops at once.
        ready_delay: Option<Duration> = None, zero_is_none(duration());
        /// Five wrong passwords in ten minutes from one address (IPv4, or the /64 of IPv6) keep
        /// passwords from there out for this long; API tokens stay good. Never this machine's own
        /// addresses. 0 is never: behind a proxy on another machine everybody has the proxy's
        /// address.
        login_block: Option<Duration> = Some(limits::LOGIN_BLOCK_DEFAULT), zero_is_none(duration());
        /// A peer that was silent for this long is probed (TCP keepalive), four times a quarter of
        /// that apart, and then given up; so is one that does not acknowledge what it is sent for
        /// as long as all that takes. 0 waits for ever.
        keepalive: Option<Duration> = Some(limits::KEEPALIVE_DEFAULT),
            zero_is_none(keepalive());
    }
}

section! {
    /// `[log]`.
    LogConfig {
        /// "text" for people, "json" for collectors: one object a line, on standard error.
        format: LogFormat = LogFormat::default(), word();
        /// What is logged: a level, or directives such as "`info,fanfare::shard=debug`".
        level: String = "info".to_owned(), level();
    }
}

/// Directives; the rest of their syntax is the subscriber's to judge.
fn level() -> Kind<String> {
    text(limits::LOG_DIRECTIVE_BYTES_MAX).checked(|level| check_level(level))
}

section! {
    /// `[hub]`.
    HubConfig {
        /// "implicit" creates a session at its first use; "declared" refuses those that were never
        /// created.
        scopes: Scopes = Scopes::default(), word();
        /// A session that nobody used for this long expires.
        session_ttl: Duration = limits::SESSION_TTL_DEFAULT, duration();
        /// Most bytes that all logs of one shard hold together; past it publishing is refused until
        /// events are too old. One of several organizations has half of it, unless its own
        /// `logs_bytes_max` says otherwise.
        logs_bytes_max: usize = limits::LOGS_BYTES_DEFAULT, bytes(1..=usize::MAX);
        /// Most bytes that may wait for one live subscriber who does not take them.
        send_queue_bytes_max: usize = limits::SEND_QUEUE_BYTES_DEFAULT,
            bytes(limits::SEND_QUEUE_BYTES_MIN..=usize::MAX);
        /// Past that, "disconnect" closes it, "`drop_oldest`" drops its oldest events and tells it
        /// how many.
        slow_consumer: SlowConsumer = SlowConsumer::default(), word();
        /// How many idempotency keys one shard remembers of one organization, each for five
        /// minutes; past it publishing with a new key is refused. All organizations together have
        /// 262144.
        idempotency_keys_max: usize = limits::IDEMPOTENCY_KEYS_PER_ORGANIZATION_DEFAULT,
            count(1..=limits::IDEMPOTENCY_KEYS_MAX);
        /// Events per second that each organization may publish, after a pause up to a second's
        /// worth at once; past it publishing is refused with 429 until there is room again. 0 is no
        /// limit.
        publishes_per_second: usize = 0, publish_rate();
        /// A group or project with nothing beneath it that nobody used for this long is forgotten,
        /// unless scopes are declared.
        scope_ttl: Duration = limits::SCOPE_TTL_DEFAULT, duration();
        /// How much each organization may have on one shard; past it the organization is refused,
        /// by the name of the bound. Without these keys one of several organizations has half of
        /// what a shard can hold, and an only one all of it.
        bounds: BoundsConfig = BoundsConfig::default(), Flat;
        /// How long a session's log keeps an event: until the first of these is reached.
        retention: RetentionConfig = RetentionConfig::default(), Nested;
    }
}

/// Events per second; 0 is no limit.
pub(super) fn publish_rate() -> Kind<usize> {
    count(0..=limits::PUBLISHES_PER_SECOND_MAX)
}

/// The kernel counts in whole seconds.
fn keepalive() -> Kind<Duration> {
    let most = limits::KEEPALIVE_MAX;
    let bounds = format!("0, or whole seconds up to {}", format_duration(most));
    duration_within(bounds, move |idle| {
        !idle.is_zero() && *idle <= most && idle.subsec_nanos() == 0
    })
}

section! {
    /// How much each organization may have on one shard; `None` is a share of what a shard can
    /// hold.
    BoundsConfig {
        /// Sessions.
        sessions_max: Option<usize> = None, optional(count(1..=limits::SESSIONS_MAX), "500000");
        /// Groups and projects.
        scopes_max: Option<usize> = None, optional(count(1..=limits::NODES_MAX), "500000");
        /// Polls, feeds and rooms.
        readers_max: Option<usize> = None, optional(count(1..=limits::READERS_MAX), "500000");
        /// Live subscriptions.
        subscriptions_max: Option<usize> = None, optional(count(1..=limits::SUBSCRIPTIONS_MAX), "1000000");
        /// Different names with text behind a `*` in subscriptions.
        wildcards_max: Option<usize> = None,
            optional(count(1..=limits::WILDCARDS_PER_ORGANIZATION_MAX), "2048");
    }
}

section! {
    /// `[hub.retention]`.
    RetentionConfig {
        /// Age of an event.
        age: Duration = limits::LOG_AGE_DEFAULT, duration();
        /// Number of events in the log.
        events: usize = limits::LOG_EVENTS_DEFAULT, count(1..=limits::LOG_EVENTS_MAX);
        /// Bytes of those events.
        bytes: usize = limits::LOG_BYTES_DEFAULT, bytes(1..=usize::MAX);
    }
}

//! The configuration as values: every key, its default and its bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::cors::CorsConfig;
use super::organizations::{BoundsConfig, OrganizationConfig};
use crate::limits;

/// Declares an enum whose variants are words in the configuration.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every word, in the order to show them.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for this value.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value for a word; `None` for anything not in [`WORDS`](Self::WORDS).
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

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

words! {
    /// How the sysadm dialect writes errors.
    SysadmErrors {
        /// As the original server does.
        #[default]
        Original = "original",
        /// As its documentation says.
        Documented = "documented",
    }
}

/// Everything an operator may tune.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[server]`: where it listens and on how many threads.
    pub server: ServerConfig,
    /// `[log]`: what it says on standard error.
    pub log: LogConfig,
    /// `[hub]`: scopes and their logs.
    pub hub: HubConfig,
    /// `[sessions]`: the sessions dialect.
    pub sessions: SessionsConfig,
    /// `[sysadm]`: the sysadm dialect.
    pub sysadm: SysadmConfig,
    /// `[live]`: the live dialect.
    pub live: LiveConfig,
    /// `[stream]`: the stream dialect.
    pub stream: StreamConfig,
    /// `[pubsub]`: the pubsub dialect.
    pub pubsub: PubsubConfig,
    /// `[[organizations]]`: none is open mode.
    pub organizations: Vec<OrganizationConfig>,
}

/// `[server]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where every shard listens.
    pub listen: SocketAddr,
    /// How many shards; `None` (0 in the file) is one per core. At most [`limits::SHARDS_MAX`].
    pub shards: Option<NonZeroU16>,
    /// How shards talk to the kernel.
    pub driver: Driver,
    /// Whether a server without organizations may listen beyond loopback.
    pub open: bool,
    /// Whether `/echo` is served; on loopback only.
    pub echo: bool,
    /// Most connections of one shard, 1 to [`limits::CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// Most bytes that one shard holds for its peers and from them, at least [`limits::HELD_BYTES_MIN`].
    pub held_bytes_max: usize,
    /// How long draining may take.
    pub drain_timeout: Duration,
    /// How long a shard may stand still before the process ends; `None` (0 in the file) is for ever.
    pub stall_exit: Option<Duration>,
    /// How long a node that is told to leave still takes connections, while it says that it is not ready; `None`
    /// (0 in the file) is not at all.
    pub ready_delay: Option<Duration>,
    /// How long an address is blocked from which too many wrong passwords came; `None` (0 in the file) is never.
    pub login_block: Option<Duration>,
    /// How long a connection may be without traffic before its peer is probed; `None` (0 in the file) is for ever.
    pub keepalive: Option<Duration>,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines are written.
    pub format: LogFormat,
    /// Filter directives: a level, or `target=level` pairs. Printable ASCII.
    pub level: String,
}

/// `[hub]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubConfig {
    /// What happens to unknown scopes.
    pub scopes: Scopes,
    /// A session nobody used for this long expires.
    pub session_ttl: Duration,
    /// Most bytes that all logs of one shard retain together.
    pub logs_bytes_max: usize,
    /// Most bytes that may wait for one live subscriber, at least [`limits::SEND_QUEUE_BYTES_MIN`].
    pub send_queue_bytes_max: usize,
    /// What happens to a subscriber for whom more would wait.
    pub slow_consumer: SlowConsumer,
    /// Most idempotency keys that one shard remembers of one organization, 1 to [`limits::IDEMPOTENCY_KEYS_MAX`].
    pub idempotency_keys_max: usize,
    /// Events per second that each organization may publish, up to [`limits::PUBLISHES_PER_SECOND_MAX`]; 0 is no
    /// limit.
    pub publishes_per_second: usize,
    /// How much each organization may have on one shard.
    pub bounds: BoundsConfig,
    /// A group or project that nobody used for this long is forgotten.
    pub scope_ttl: Duration,
    /// `[hub.retention]`: how long one log retains events.
    pub retention: RetentionConfig,
}

/// `[hub.retention]`: a log lets an event go when the first of these is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// Age.
    pub age: Duration,
    /// Count, 1 to [`limits::LOG_EVENTS_MAX`].
    pub events: usize,
    /// Bytes, at most `logs_bytes_max`.
    pub bytes: usize,
}

/// `[sessions]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsConfig {
    /// Largest publish body in bytes, 1 to [`limits::PUBLISH_BYTES_MAX`].
    pub publish_bytes_max: usize,
    /// Most bytes of events in one answer to a poll, which holds one event at least; 1 to
    /// [`limits::POLL_BYTES_MAX`].
    pub poll_bytes_max: usize,
    /// The longest that a poll may wait, whatever it asks for; `None` is for ever.
    pub poll_timeout_max: Option<Duration>,
    /// Whether a session's token, if it is a UUID, is enough to read that session.
    pub token_reads: bool,
    /// `[sessions.cors]`.
    pub cors: CorsConfig,
}

/// `[sysadm]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SysadmConfig {
    /// Known classes besides the dialect's own; a text with `*` is a pattern. At most
    /// [`limits::CLASSES_MAX`].
    pub classes: Vec<String>,
    /// Classes whose last event is sent to those who subscribe later.
    pub retained: Vec<String>,
    /// How errors are written.
    pub errors: SysadmErrors,
    /// How long after the start the node publishes its first `system-state`.
    pub state_first: Duration,
    /// How often it does so from then on; `None` (0 in the file) is never, not even first.
    pub state_interval: Option<Duration>,
    /// `[sysadm.cors]`.
    pub cors: CorsConfig,
}

/// `[live]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// Most filters in one message, 1 to [`limits::LIVE_FILTERS_MAX`].
    pub filters_max: usize,
    /// Longest filter value in bytes, 1 to [`limits::LIVE_VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// `[live.cors]`; its origins are also those whose pages may use a browser's remembered password.
    pub cors: CorsConfig,
}

/// `[stream]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Largest body of a publish by POST in bytes, 1 to [`limits::PUBLISH_BYTES_MAX`].
    pub publish_bytes_max: usize,
    /// `[stream.cors]`.
    pub cors: CorsConfig,
}

/// `[pubsub]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PubsubConfig {
    /// Largest body of a publish by POST in bytes, 1 to [`limits::PUBLISH_BYTES_MAX`].
    pub publish_bytes_max: usize,
    /// `[pubsub.cors]`.
    pub cors: CorsConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7400)),
            shards: None,
            driver: Driver::default(),
            open: false,
            echo: false,
            connections_max: limits::CONNECTIONS_MAX,
            held_bytes_max: limits::HELD_BYTES_DEFAULT,
            drain_timeout: limits::DRAIN_TIMEOUT_DEFAULT,
            stall_exit: None,
            ready_delay: None,
            login_block: Some(limits::LOGIN_BLOCK_DEFAULT),
            keepalive: Some(limits::KEEPALIVE_DEFAULT),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            level: "info".to_owned(),
        }
    }
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            scopes: Scopes::default(),
            session_ttl: limits::SESSION_TTL_DEFAULT,
            logs_bytes_max: limits::LOGS_BYTES_DEFAULT,
            send_queue_bytes_max: limits::SEND_QUEUE_BYTES_DEFAULT,
            slow_consumer: SlowConsumer::default(),
            idempotency_keys_max: limits::IDEMPOTENCY_KEYS_PER_ORGANIZATION_DEFAULT,
            publishes_per_second: 0,
            bounds: BoundsConfig::default(),
            scope_ttl: limits::SCOPE_TTL_DEFAULT,
            retention: RetentionConfig::default(),
        }
    }
}

impl Default for SysadmConfig {
    fn default() -> Self {
        Self {
            classes: Vec::new(),
            retained: ["life-preserver", "system-state"]
                .map(String::from)
                .to_vec(),
            errors: SysadmErrors::default(),
            state_first: limits::SYSTEM_STATE_FIRST_DEFAULT,
            state_interval: Some(limits::SYSTEM_STATE_INTERVAL_DEFAULT),
            cors: CorsConfig::default(),
        }
    }
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            filters_max: limits::LIVE_FILTERS_DEFAULT,
            value_bytes_max: limits::LIVE_VALUE_BYTES_DEFAULT,
            cors: CorsConfig::default(),
        }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            publish_bytes_max: limits::PUBLISH_BYTES_MAX,
            cors: CorsConfig::default(),
        }
    }
}

impl Default for PubsubConfig {
    fn default() -> Self {
        Self {
            publish_bytes_max: limits::PUBLISH_BYTES_MAX,
            cors: CorsConfig::default(),
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            age: limits::LOG_AGE_DEFAULT,
            events: limits::LOG_EVENTS_DEFAULT,
            bytes: limits::LOG_BYTES_DEFAULT,
        }
    }
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self {
            publish_bytes_max: limits::PUBLISH_BYTES_MAX,
            poll_bytes_max: limits::POLL_BYTES_DEFAULT,
            poll_timeout_max: None,
            token_reads: true,
            cors: CorsConfig::default(),
        }
    }
}

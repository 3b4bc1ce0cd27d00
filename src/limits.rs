//! A named bound for every queue, buffer and table; unit in the name, reason in the doc.
//!
//! These are the hard bounds of the code. Settings that an operator may tune live in `config` and
//! are checked against these. Relations between bounds are asserted at compile time at the foot of
//! the file.

mod protocols;

use std::time::Duration;

pub use protocols::*;

// --- Events and logs
// ------------------------------------------------------------------------------

/// Largest publish body, a single event or an array; past it 413. Configurable downwards.
pub const PUBLISH_BYTES_MAX: usize = 1024 * 1024;
/// Default bytes of events in one answer to a poll, which is rendered in one piece.
pub const POLL_BYTES_DEFAULT: usize = 1024 * 1024;
/// Most bytes that one answer to a poll may be allowed to hold: it waits in memory until it is
/// read.
pub const POLL_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most events in one publish array.
pub const PUBLISH_EVENTS_MAX: usize = 1_000;
/// Deepest nesting of arrays and objects in a payload: parsers of other dialects recurse.
pub const JSON_DEPTH_MAX: usize = 128;
/// Longest identifier of a scope (session token, project, group), in bytes after decoding.
pub const SCOPE_NAME_BYTES_MAX: usize = 256;
/// Most labels on a session.
pub const LABELS_MAX: usize = 64;
/// Longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;
/// Most events that one session's log retains, whatever the configuration says.
pub const LOG_EVENTS_MAX: usize = 1_000_000;
/// Default age to which a log retains events.
pub const LOG_AGE_DEFAULT: Duration = Duration::from_secs(60);
/// Default count of events that a log retains.
pub const LOG_EVENTS_DEFAULT: usize = 10_000;
/// Default bytes of events that a log retains.
pub const LOG_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
/// Default bytes that all logs of one shard retain together; past it publishing is refused with
/// 503.
pub const LOGS_BYTES_DEFAULT: usize = 1024 * 1024 * 1024;
/// Events of broadcasts (publishes with more appends than this) that are appended to logs before
/// sockets are looked at again: about a millisecond of work when the logs are not in the cache.
pub const BROADCAST_SLICE_APPENDS: usize = 4_096;
/// Sessions with readers that broadcasts wake before sockets are looked at again. Each is a
/// rendering and a write of its own: together about 5 ms.
pub const BROADCAST_SLICE_WOKEN: usize = 1_024;
/// Most broadcasts of one shard that have not reached all their sessions; past it they are refused
/// with 503. Each holds a bit for every session.
pub const BROADCASTS_PENDING_MAX: usize = 64;
/// Most events of one organization's pending broadcasts: a session catches up with them in one go,
/// within 0.1 ms.
pub const BROADCAST_EVENTS_PENDING_MAX: usize = 1_024;
/// Most sessions that one shard is home to.
pub const SESSIONS_MAX: usize = 1_000_000;
/// Most scopes (sessions, projects, groups) that one shard knows.
pub const SCOPES_MAX: usize = 2 * SESSIONS_MAX;
/// Most scopes above sessions that one shard knows. They have a share of their own: however many
/// are named, sessions find room.
pub const NODES_MAX: usize = SCOPES_MAX - SESSIONS_MAX;
/// Most live subscriptions of one shard: 100 to 200 bytes each.
pub const SUBSCRIPTIONS_MAX: usize = 2 * CONNECTIONS_MAX;
/// Default idle time after which a group or project is forgotten.
pub const SCOPE_TTL_DEFAULT: Duration = Duration::from_secs(3_600);
/// Groups and projects that are looked at each time that deadlines are served: a full tree within
/// minutes.
pub const SWEEP_SCOPES: usize = 256;
/// Time that the home of a group or project still knows it after it told the other shards to
/// forget: far longer than mail between shards takes.
pub const SCOPE_FORGET_GRACE: Duration = Duration::from_secs(10);
/// Most tokens of ended sessions that one shard remembers for one organization, so that readers do
/// not bring them back: more than the readers that are about to return at any time. 60 bytes each.
pub const TOMBSTONES_PER_ORGANIZATION_MAX: usize = 16_384;
/// The same for all organizations together: about 16 MB.
pub const TOMBSTONES_MAX: usize = 16 * TOMBSTONES_PER_ORGANIZATION_MAX;
/// Most sessions that are looked at, once per instant, to make room for a call that finds all
/// sessions or the bytes of all logs used up: about 0.1 ms of work.
pub const PRESSED_SESSIONS_MAX: usize = 1_024;
/// Default idle time after which a session expires.
pub const SESSION_TTL_DEFAULT: Duration = Duration::from_secs(3_600);
/// How long an `Idempotency-Key` is remembered at its target.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_secs(300);
/// Longest `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Most idempotency keys that one shard remembers; past it publishing with a new key is refused,
/// because forgetting one early would publish twice.
pub const IDEMPOTENCY_KEYS_MAX: usize = 262_144;
/// Default count of idempotency keys that one shard remembers of one organization: a quarter of
/// all, which is 218 publishes with a key in every second.
pub const IDEMPOTENCY_KEYS_PER_ORGANIZATION_DEFAULT: usize = IDEMPOTENCY_KEYS_MAX / 4;
/// Most requests that wait for the first use of one idempotency key.
pub const IDEMPOTENCY_WAITERS_MAX: usize = 64;

// --- Connections and shards
// -----------------------------------------------------------------------

/// Default bytes that one shard holds for its peers and from them, each once; past it the peers
/// that hold most are cut off.
pub const HELD_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
/// Least value of that setting: a few answers and messages of the largest size.
pub const HELD_BYTES_MIN: usize = 16 * 1024 * 1024;
/// The receive buffer that all connections of one shard share.
pub const RECV_BUFFER_BYTES: usize = 64 * 1024;
/// Most connections of one shard.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Bytes pulled from a log into one reader's send queue at a time: a laggard must not hold a copy
/// of the whole log.
pub const LOG_PULL_BYTES: usize = 256 * 1024;
/// Most readers attached to the logs of one shard. A connection has one, or one per WebSocket or
/// HTTP/2 stream that it carries.
pub const READERS_MAX: usize = CONNECTIONS_MAX;
/// A feed whose unsent bytes are fewer is given more from its log.
pub const FEED_PULL_BELOW_BYTES: usize = 64 * 1024;
/// Sessions whose expiry is looked at each time that deadlines are served.
pub const SWEEP_SESSIONS: usize = 1_000;
/// Tokens of ended sessions that are forgotten each time that deadlines are served, of one
/// organization.
pub const SWEEP_TOMBSTONES: usize = 64;
/// Remembered idempotency keys that are looked at each time that deadlines are served.
pub const SWEEP_KEYS: usize = 10_000;
/// Input that a connection may buffer beyond the request being served (pipelining); past it the
/// socket is not read until the answer is out.
pub const PIPELINE_BYTES_MAX: usize = 64 * 1024;
/// A connection with this many bytes unsent is not read until the peer has taken them.
pub const SEND_QUEUE_PAUSE_BYTES: usize = 1024 * 1024;
/// A send queue that makes no progress for this long is given up.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Messages waiting to enter the ring to another shard; past it requests that need that shard get
/// 503. Beyond it go answers, at most as many as that shard may have asked for, and the events of
/// one publish, which is accepted whole.
pub const MESH_OUTBOX_MESSAGES_MAX: usize = 8_192;
/// Messages in the ring from one shard to another.
pub const MESH_RING_MESSAGES: usize = 1_024;
/// Requests or messages of one connection that are served before others get their turn: at 2–5 µs
/// each about a tenth of a millisecond. A thousand connections that send without end keep one
/// another waiting for a thousand servings, and other connections for only a few.
pub const SERVING_STEPS_MAX: usize = 32;
/// Bytes of one connection that are received before others get their turn, while others wait for
/// theirs.
pub const SERVING_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one connection that are handed to HTTP/2's codec at a time: they may hold a few dozen
/// requests.
pub const HTTP2_SERVING_BYTES_MAX: usize = 4 * 1024;
/// Most time that a shard receives before the output is sent, deadlines are served and the kernel
/// is asked what else is ready.
pub const RECEIVING_TIME_MAX: Duration = Duration::from_millis(1);
/// Sockets that are served between two looks at the clock: less than half a millisecond, or a few
/// servings of something costly.
pub const SERVINGS_PER_LOOK: u32 = 4;
/// Fresh sockets (with little input) that are served before a busy one (with much), while both
/// wait.
pub const FRESH_PER_BUSY: u32 = 4;
/// Envelopes of other shards that are taken between two looks at the clock.
pub const MAIL_PER_LOOK: usize = 64;
/// How long a shard takes envelopes of other shards before its sockets have their turn.
pub const MAIL_TIME_MAX: Duration = Duration::from_micros(500);
/// Connections in a flush from which on looking for more to send first pays: each write takes 2–4
/// µs.
pub const GATHER_CONNECTIONS_MIN: usize = 32;
/// Connections that are looked at again before a large flush: those that sent something in the same
/// turn.
pub const GATHER_TALKERS_MAX: usize = 64;
/// Looks before a large flush, each of which found something: publishers must not keep readers
/// waiting.
pub const GATHER_LOOKS_MAX: usize = 64;
/// Connections that are written to before sockets are looked at again: at 2–4 µs each under a
/// millisecond.
pub const FLUSH_WRITES_MAX: usize = 256;
/// Descriptors that are not given to connections: standard streams, listeners, moves under way.
pub const DESCRIPTORS_RESERVED: u64 = 64;
/// Connections accepted before others get their turn.
pub const ACCEPT_BATCH: usize = 64;
/// How long accepting rests when the process is out of descriptors.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection without traffic is probed after this long, by default: shorter than the time for
/// which NATs and firewalls remember one.
pub const KEEPALIVE_DEFAULT: Duration = Duration::from_secs(60);
/// Longest value of that setting: Linux's own default where keepalive is on.
pub const KEEPALIVE_MAX: Duration = Duration::from_secs(7_200);
/// Number of probes before the connection is given up, each a quarter of the time after the last.
pub const KEEPALIVE_PROBES: u32 = 4;
/// Connections that the kernel keeps for us until they are accepted.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// How long a server that starts waits for an address that is in use, so that a restart need not.
pub const LISTEN_PATIENCE: Duration = Duration::from_secs(1);
/// How often such an address is tried.
pub const LISTEN_RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// How often the watchdog looks at the shards.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// A shard that has not turned for this long counts as stalled: it turns every `SWEEP_INTERVAL`
/// even if nothing happens.
pub const SHARD_STALL_MAX: Duration = Duration::from_secs(10);
/// How much longer than `server.drain_timeout` the shards may take before the process is ended from
/// outside.
pub const DRAIN_GRACE: Duration = Duration::from_secs(1);
/// Exit code of a process that lost a thread or could not leave: `EX_SOFTWARE` of BSD's sysexits.
pub const EXIT_LOST: u8 = 70;
/// How often deadlines are served while some come up: the precision of every timeout.
pub const TICK_INTERVAL: Duration = Duration::from_millis(10);
/// How often a share of housekeeping is done: sweeping for expired things, gauges. An idle shard
/// wakes as often.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(50);
/// Deadlines that are served at a time: for each its socket is looked at before, and perhaps
/// written to.
pub const DEADLINES_SERVED_MAX: usize = 256;
/// Stale deadlines (of closed connections), 16 bytes each, below which a shard does not remove them
/// early.
pub const DEADLINES_STALE_MIN: usize = 4 * 1024;
/// Most shards: one per core of the largest machine we know, and shard ids fit in 16 bits.
pub const SHARDS_MAX: usize = 1_024;

// --- Subscriptions
// --------------------------------------------------------------------------------

/// Default bytes of events that may wait for one live subscriber; past it the slow-consumer policy
/// applies.
pub const SEND_QUEUE_BYTES_DEFAULT: usize = 1024 * 1024;
/// Bytes of frames that one tick may collect before they are put into send queues: until then
/// frames that subscribers share are held once.
pub const FANOUT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Sequences of frames that one tick may tell apart before they are put into send queues. There may
/// be one for each delivery, if all subscribers differ; each takes less than 100 bytes.
pub const FANOUT_GROUPS_MAX: usize = 64 * 1024;
/// A shard without a subscription of an organization for this long tells the others that it listens
/// no more.
pub const INTEREST_IDLE_MAX: Duration = Duration::from_secs(10);
/// Least bytes that may be allowed to wait for one live subscriber: below it an event of ordinary
/// size would end every subscription.
pub const SEND_QUEUE_BYTES_MIN: usize = 16 * 1024;
/// Default count of filters in one message of the live dialect.
pub const LIVE_FILTERS_DEFAULT: usize = 256;
/// Most filters that may be allowed in one message of the live dialect: each is matched against
/// events.
pub const LIVE_FILTERS_MAX: usize = 16_384;
/// Longest filter value that may be allowed: a message carries it.
pub const LIVE_VALUE_BYTES_MAX: usize = WEBSOCKET_MESSAGE_BYTES_MAX / 2;
/// Default length of a filter value of the live dialect, in bytes.
pub const LIVE_VALUE_BYTES_DEFAULT: usize = 4 * 1024;
/// Longest event name, name pattern or property name in a subscription, in bytes.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Most stars of one name in a subscription: each is a further search in every event's name.
pub const NAME_STARS_MAX: usize = 8;
/// Longest event name, in characters, in which the text between two stars of a wildcard is looked
/// for: as long as the names of the only dialect that lets clients write such wildcards freely. One
/// bit each in a `u128`.
pub const WILDCARD_NAME_CHARS_MAX: usize = 128;
/// Most different wildcards with text behind a star (all but `x*`) that one organization's
/// subscriptions on one shard may have together. The worst of them cost an event less than a
/// millisecond, measured (`filters_match/wild`).
pub const WILDCARDS_PER_ORGANIZATION_MAX: usize = 2_048;
/// Most of those of one client: eight clients together may use up their organization's.
pub const WILDCARDS_PER_CLIENT_MAX: usize = 256;
/// Most classes that an operator may list for the sysadm dialect, and most of them retained.
pub const CLASSES_MAX: usize = 1_024;
/// Most subscriptions (classes) of one connection of the sysadm dialect.
pub const CLASSES_PER_CONNECTION_MAX: usize = 1_024;
/// Deepest nesting of a message from a client of a dialect's socket.
pub const MESSAGE_DEPTH_MAX: usize = JSON_DEPTH_MAX;
/// Longest event name of the stream dialect, and longest alternative in a subscription, in
/// characters: its origin's bound.
pub const STREAM_NAME_CHARS_MAX: usize = 128;
/// Most names in one subscription of the stream dialect: each is a pattern to match.
pub const STREAM_NAMES_MAX: usize = 64;
/// Most subscriptions of one client of the stream dialect.
pub const STREAM_SUBSCRIPTIONS_MAX: usize = 1_024;
/// Longest session id that a client of the stream dialect may choose; clients send UUIDs.
pub const STREAM_SESSION_ID_BYTES_MAX: usize = 128;
/// Most seconds of silence after which a client of the stream dialect may ask for an empty line, at
/// least one; no proxy waits longer.
pub const STREAM_HEARTBEAT_SECONDS_MAX: u16 = 3_600;
/// Least bytes of an answer by gRPC that are compressed for a client that does not compress its own
/// messages: gzip adds some twenty, and a packet holds this many anyway.
pub const GRPC_COMPRESSED_BYTES_MIN: usize = 1_400;
/// Most bytes of an answer by gRPC that are compressed: about half a millisecond of work, while
/// others wait.
pub const GRPC_COMPRESSED_BYTES_MAX: usize = 64 * 1024;
/// Longest correlation id of the stream dialect, in bytes: it is repeated with the reply.
pub const STREAM_CORRELATION_BYTES_MAX: usize = 256;
/// Longest event name of the pubsub dialect, in bytes of its text: as in any other dialect's
/// subscriptions.
pub const PUBSUB_NAME_BYTES_MAX: usize = PATTERN_BYTES_MAX;
/// Most event names that one client of a room hears; a page knows a few dozen.
pub const PUBSUB_NAMES_MAX: usize = 256;
/// Longest `ref` of a room's request, in bytes between its quotes: it is repeated with the reply.
pub const PUBSUB_REF_BYTES_MAX: usize = 64;
/// How long after its start a node publishes its first `system-state`, by default.
pub const SYSTEM_STATE_FIRST_DEFAULT: Duration = Duration::from_secs(60);
/// How often a node publishes its `system-state`, by default.
pub const SYSTEM_STATE_INTERVAL_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// Items in one page of the filter table's vectors: growing by a page takes microseconds, and a
/// page is little beside what it holds.
pub const FILTER_PAGE_ITEMS: usize = 1_024;
/// Most entries in one segment of the filter table's indexes: parting it takes tens of
/// microseconds. Seven eighths of a power of two, which is how far a hash table is filled.
pub const FILTER_SEGMENT_ENTRIES: usize = 1_792;
/// Most filters that are tried one by one at one place of the filter table, if a selective atom can
/// tell them apart; measured.
pub const FILTER_LIST_ENTRIES: usize = 96;
/// Most of those without a single value to tell them apart by, so that each costs a cache miss.
pub const FILTER_LIST_BLIND: usize = 16;
/// Most places of the filter table where one filter with many alternatives stands because more than
/// its first property selects it.
pub const FILTER_PLACES_MAX: usize = 256;

// --- Access
// ---------------------------------------------------------------------------------------

/// Longest message, and longest body, of a client that has not identified itself, or need not: a
/// login, a question to the server. So a thousand strangers hold 4 MiB, not a thousand times a
/// publisher's bound.
pub const STRANGER_MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// A login of the sysadm dialect lives this long after its last use.
pub const LOGIN_TTL: Duration = Duration::from_secs(900);
/// Most logins that one shard remembers.
pub const LOGINS_MAX: usize = 65_536;
/// Most of those of one organization: another finds room.
pub const LOGINS_PER_ORGANIZATION_MAX: usize = LOGINS_MAX / 2;
/// A socket of the sysadm dialect without a login is closed after this long.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// A socket of the sysadm dialect without a message from its client is closed after this long.
pub const SYSADM_IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// A socket of the pubsub dialect whose client has not identified itself is closed after this long.
pub const PUBSUB_AUTHENTICATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Remembered logins that are looked at each time that deadlines are served.
pub const SWEEP_LOGINS: usize = 1_000;
/// Longest user name, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 256;
/// Longest password, in bytes: hashing a longer one would be work that its sender chooses.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Passwords that wait to be checked, of addresses from which no wrong one came lately, and as many
/// of others; past it logins are refused for a while. At 20 ms each five seconds' work, and under 1
/// MB.
pub const PASSWORD_CHECKS_MAX: usize = 256;
/// Most of those of one address, each with another name: an office's worth that comes back at once.
pub const PASSWORD_CHECKS_PER_NETWORK_MAX: usize = 32;
/// Most of those of an address from which wrong passwords came lately.
pub const PASSWORD_CHECKS_PER_SUSPECT_MAX: usize = 8;
/// Connections of one address that wait for the same name and password, which is checked once for
/// all: one person's pages.
pub const PASSWORD_WAITERS_MAX: usize = 64;
/// Wrong passwords from one address within [`LOGIN_FAILURE_WINDOW`] that block it.
pub const LOGIN_FAILURES_MAX: usize = 5;
/// How long a wrong password counts.
pub const LOGIN_FAILURE_WINDOW: Duration = Duration::from_secs(10 * 60);
/// Default time for which an address is blocked after too many wrong passwords.
pub const LOGIN_BLOCK_DEFAULT: Duration = Duration::from_secs(3_600);
/// Most addresses whose wrong passwords are remembered: about 15 MB.
pub const LOGIN_NETWORKS_MAX: usize = 65_536;
/// Idle time after which the memory for checking passwords is given back.
pub const PASSWORD_MEMORY_IDLE_MAX: Duration = Duration::from_secs(10);

/// Refusals of access of one kind that a shard logs within [`DENIALS_TOLD_SPAN`]; the others are
/// counted.
pub const DENIALS_TOLD_MAX: u32 = 10;
/// Span of time that bounds the logged refusals: [`DENIALS_TOLD_MAX`].
pub const DENIALS_TOLD_SPAN: Duration = Duration::from_secs(10);
/// Most organizations of one node. Sessions of the same token are found one after the other, so
/// their number must be bounded.
pub const ORGANIZATIONS_MAX: usize = 1_024;
/// Most events per second that an organization may be limited to: more than a node can do.
pub const PUBLISHES_PER_SECOND_MAX: usize = 10_000_000;
/// Most API tokens of one organization.
pub const TOKENS_MAX: usize = 10_000;
/// Most users of one organization.
pub const USERS_MAX: usize = 10_000;
/// Least memory of a password's argon2id hash, in KiB: the least that OWASP recommends.
pub const PASSWORD_MEMORY_KIB_MIN: u32 = 7 * 1024;
/// Most memory of a password's argon2id hash, in KiB: it is taken while a password is checked.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 256 * 1024;
/// Most passes of a password's argon2id hash: with all its memory a check stays within seconds.
pub const PASSWORD_PASSES_MAX: u32 = 16;
/// Most lanes of a password's argon2id hash; they are computed one after the other.
pub const PASSWORD_LANES_MAX: u32 = 16;

// --- Inspection
// -----------------------------------------------------------------------------------

/// Things on one page of a set, unless the request says otherwise.
pub const PAGE_ITEMS_DEFAULT: usize = 100;
/// Most things on one page of a set.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// A page ends behind the thing that makes its JSON text longer than this, though more things were
/// asked for.
pub const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// Steps of one turn of a shard that administrators' questions may take: under half a millisecond.
pub const INSPECT_STEPS_MAX: usize = 768;
/// Steps for one thing that is shown: a few microseconds.
pub const INSPECT_STEPS_PER_ITEM: usize = 10;
/// Questions that one shard's connections have under way at once: each may hold a page from every
/// shard. Others wait.
pub const QUESTIONS_UNDERWAY_MAX: usize = 8;
/// Questions of one shard's connections, waiting ones included; past it they are refused.
pub const QUESTIONS_MAX: usize = 1_024;
/// The same of one organization.
pub const QUESTIONS_PER_ORGANIZATION_MAX: usize = 256;
/// An order of things that nobody asked for in this time is given up.
pub const CATALOGUE_IDLE_MAX: Duration = Duration::from_secs(10);
/// Entries of an order that are given up at a time, several times a second.
pub const SWEEP_CATALOGUE: usize = 2_000;

// --- Configuration
// --------------------------------------------------------------------------------

/// Largest configuration file that is read; a thousand times what one needs.
pub const CONFIG_BYTES_MAX: usize = 1024 * 1024;
/// Mistakes of one file that are told: more than anybody mends at a time.
pub const CONFIG_MISTAKES_MAX: usize = 100;
/// Longest duration that may be configured: sums of a few of them fit every clock we use.
pub const CONFIG_DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Longest log directive; longer ones are a file pasted by mistake.
pub const LOG_DIRECTIVE_BYTES_MAX: usize = 1024;
/// Most origins that a dialect's answers may be configured to allow: each request that names one is
/// compared with all.
pub const CORS_ORIGINS_MAX: usize = 64;
/// How long a browser may remember the answer to a preflight, by default: as long as Chromium does
/// at most.
pub const CORS_MAX_AGE_DEFAULT: Duration = Duration::from_secs(2 * 60 * 60);
/// Longest value of that setting: Firefox cuts anything above.
pub const CORS_MAX_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest configured CORS field value: it is part of every answer.
pub const CORS_VALUE_BYTES_MAX: usize = 1024;
/// How long a leaving server waits for its peers, by default: under the 30 s that most supervisors
/// grant between SIGTERM and SIGKILL.
pub const DRAIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Clients of a server that leaves are told to come back within this time, each at another moment.
pub const DRAIN_SPREAD_MS_MAX: u64 = 5_000;

// --- Command line client
// --------------------------------------------------------------------------

/// Largest event, and longest line, that the command line reads from an event stream: a published
/// event fits with all that frames it.
pub const CLIENT_EVENT_BYTES_MAX: usize = 2 * PUBLISH_BYTES_MAX;
/// Largest error answer that the command line reads and shows.
pub const CLIENT_ERROR_BYTES_MAX: usize = 4 * 1024;
/// The command line gives up a connection attempt after this long.
pub const CLIENT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer must begin, and a publish must end, within this time.
pub const CLIENT_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// An event stream that is silent for this long is dead: three comments are missing.
pub const CLIENT_SILENCE_MAX: Duration = Duration::from_secs(3 * SSE_COMMENT_INTERVAL.as_secs());
/// First bound of the pause before reconnecting; it doubles with each failure.
pub const CLIENT_BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// Longest pause before reconnecting.
pub const CLIENT_BACKOFF_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(HTTP_TARGET_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
const _: () = assert!(CLIENT_EVENT_BYTES_MAX > PUBLISH_BYTES_MAX);
const _: () = assert!(CLIENT_BACKOFF_FIRST.as_millis() < CLIENT_BACKOFF_MAX.as_millis());
const _: () = assert!(DRAIN_TIMEOUT_DEFAULT.as_secs() < CONFIG_DURATION_MAX.as_secs());
const _: () = assert!(HTTP_HEAD_BYTES_MAX <= RECV_BUFFER_BYTES);
const _: () = assert!(HTTP_CHUNK_LINE_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_TRAILER_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(WEBSOCKET_PIECE_BYTES_MAX <= RECV_BUFFER_BYTES);
const _: () = assert!(WEBSOCKET_MESSAGE_BYTES_MAX <= ECHO_MESSAGE_BYTES_MAX);
const _: () = assert!(HTTP2_SENT_BYTES_PER_CONTROL_FRAME > 17);
const _: () = assert!(HTTP2_CONTROL_FRAMES_PER_SECOND_MAX <= HTTP2_CONTROL_FRAMES_STORED_MAX);
const _: () = assert!(RECV_BUFFER_BYTES / 9 < HTTP2_CONTROL_FRAMES_STORED_MAX as usize);
const _: () = assert!(3 * GRPC_STATUS_MESSAGE_BYTES_MAX < 8 * 1024);
const _: () = assert!(POLL_BYTES_DEFAULT <= POLL_BYTES_MAX);
const _: () = assert!(PUBLISH_EVENTS_MAX <= BROADCAST_EVENTS_PENDING_MAX);
const _: () = assert!(GATHER_CONNECTIONS_MIN < FLUSH_WRITES_MAX);
const _: () = assert!(SERVING_BYTES_MAX <= RECV_BUFFER_BYTES);
const _: () = assert!(HTTP2_SERVING_BYTES_MAX <= SERVING_BYTES_MAX);
const _: () = assert!(TICK_INTERVAL.as_millis() <= SWEEP_INTERVAL.as_millis());
const _: () = assert!(LOG_EVENTS_DEFAULT <= LOG_EVENTS_MAX);
const _: () = assert!(PUBLISH_BYTES_MAX <= LOG_BYTES_DEFAULT);
const _: () = assert!(LOG_BYTES_DEFAULT <= LOGS_BYTES_DEFAULT);
const _: () = assert!(SEND_QUEUE_BYTES_MIN <= SEND_QUEUE_BYTES_DEFAULT);
const _: () = assert!(LIVE_FILTERS_DEFAULT <= LIVE_FILTERS_MAX);
const _: () = assert!(LIVE_VALUE_BYTES_DEFAULT <= LIVE_VALUE_BYTES_MAX);
// A character has at most 4 bytes.
const _: () = assert!(4 * STREAM_NAME_CHARS_MAX <= PATTERN_BYTES_MAX);
const _: () = assert!(STREAM_NAME_CHARS_MAX <= WILDCARD_NAME_CHARS_MAX);
const _: () = assert!(WILDCARD_NAME_CHARS_MAX <= u128::BITS as usize);
// The number of a wildcard's piece has 24 bits.
const _: () = assert!(WILDCARDS_PER_ORGANIZATION_MAX * (NAME_STARS_MAX + 1) < 1 << 24);
const _: () = assert!(WILDCARDS_PER_CLIENT_MAX <= WILDCARDS_PER_ORGANIZATION_MAX);
const _: () = assert!(LOGINS_MAX < u32::MAX as usize);
const _: () = assert!(PASSWORD_MEMORY_KIB_MIN < PASSWORD_MEMORY_KIB_MAX);
const _: () = assert!(STRANGER_MESSAGE_BYTES_MAX < WEBSOCKET_MESSAGE_BYTES_MAX);
// A login fits, and the message around it.
const _: () = assert!(PASSWORD_BYTES_MAX + USER_NAME_BYTES_MAX < STRANGER_MESSAGE_BYTES_MAX);
const _: () = assert!(PASSWORD_CHECKS_PER_SUSPECT_MAX <= PASSWORD_CHECKS_PER_NETWORK_MAX);
const _: () = assert!(PASSWORD_CHECKS_PER_NETWORK_MAX <= PASSWORD_CHECKS_MAX);
const _: () = assert!(LOGIN_FAILURES_MAX > 0);
const _: () = assert!(SESSIONS_MAX < SCOPES_MAX);
const _: () = assert!(SCOPES_MAX < u32::MAX as usize);
const _: () = assert!(READERS_MAX < u32::MAX as usize);
const _: () = assert!(LOG_EVENTS_MAX < u32::MAX as usize);
const _: () = assert!(SHARDS_MAX <= u16::MAX as usize);

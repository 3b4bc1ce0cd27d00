//! The house as tables: ranks, homes and bounds. Where a rule is wrong, it is changed here.

/// Every top-level module and its rank: a module imports from lower ranks only.
pub(crate) const RANKS: [(&str, u8); 17] = [
    ("limits", 0),
    ("time", 0),
    ("metrics", 0),
    ("config", 0),
    ("buf", 1),
    ("json", 1),
    ("auth", 2),
    ("protocol", 3),
    ("hub", 3),
    ("dialect", 4),
    ("connection", 5),
    ("shard", 6),
    ("runtime", 7),
    ("server", 8),
    ("cli", 8),
    ("main", 8),
    ("build", 8),
];

/// Imports between equals that are allowed: what an operator sets is checked against hard bounds.
pub(crate) const SAME_RANK: [(&str, &str); 1] = [("config", "limits")];

/// Circles between the files of a folder that are still there: folder, and its files in order.
pub(crate) const CIRCLES: [(&str, &[&str]); 7] = [
    (
        "connection",
        &["http2", "open_client", "response", "timer", "websocket"],
    ),
    ("connection/http2", &["request", "stream"]),
    (
        "dialect",
        &[
            "calls", "config", "contract", "describe", "live", "nowhere", "pubsub", "sessions",
            "stream", "sysadm",
        ],
    ),
    ("dialect/pubsub", &["assets", "route"]),
    ("dialect/sessions", &["answer", "lifecycle"]),
    (
        "dialect/stream",
        &["publish", "read_json", "read_proto", "request"],
    ),
    ("dialect/stream", &["render", "reply"]),
];

/// Outside crates that have a home: crate, modules that may name it, and what others do instead.
pub(crate) const HOMES: [(&str, &[&str], &str); 27] = [
    (
        "monoio",
        &["runtime"],
        "return an effect; `runtime` carries it out",
    ),
    (
        "io_uring",
        &["runtime"],
        "return an effect; `runtime` carries it out",
    ),
    (
        "socket2",
        &["runtime", "server", "cli"],
        "take bytes, return bytes",
    ),
    (
        "signal_hook",
        &["runtime", "server", "cli"],
        "draining arrives as an input",
    ),
    (
        "core_affinity",
        &["runtime"],
        "threads are pinned in `runtime`",
    ),
    (
        "rtrb",
        &["runtime"],
        "mail leaves as a value; `runtime` has the mesh",
    ),
    (
        "getrandom",
        &["runtime", "cli"],
        "take a seed or random bits as an argument",
    ),
    (
        "httparse",
        &["protocol"],
        "use `protocol`'s HTTP/1.1 parser",
    ),
    ("flate2", &["protocol"], "use `protocol::grpc`'s messages"),
    ("h2", &["connection"], "speak to a stream of `connection`"),
    ("http", &["connection"], "use `protocol`'s heads and fields"),
    ("tokio", &["connection"], "there is no runtime but ours"),
    (
        "prost",
        &["dialect", "build"],
        "take the values that a dialect makes of messages",
    ),
    (
        "simd_json",
        &["json"],
        "use `json::Message`, or the spans of `json::fields`",
    ),
    (
        "argon2",
        &["auth", "config"],
        "`auth` hashes and checks; `config` only reads what a hash says of itself",
    ),
    (
        "sha2",
        &["auth", "hub"],
        "`auth::TokenDigest`, `hub::PublishKey`",
    ),
    ("rpassword", &["cli"], "take the password as an argument"),
    ("clap", &["cli"], "take the values as arguments"),
    ("ureq", &["cli"], "only the command line is a client"),
    ("rustls", &["cli"], "only the command line is a client"),
    (
        "rustls_native_certs",
        &["cli"],
        "only the command line is a client",
    ),
    ("toml", &["config"], "take a `Config`"),
    ("strsim", &["config"], "`config` guesses what was meant"),
    (
        "simdutf8",
        &["protocol"],
        "`protocol::websocket::Utf8Stream`",
    ),
    (
        "ryu_js",
        &["dialect"],
        "numbers are written by `stream::mapping`",
    ),
    (
        "lexical_core",
        &["dialect"],
        "numbers are read by `stream::mapping`",
    ),
    (
        "tracing_subscriber",
        &["server", "cli", "main"],
        "only `tracing`'s macros",
    ),
];

/// Standard library items that have no place below `runtime`, and what to write instead.
pub(crate) const BANNED_PATHS: [(&str, &str); 19] = [
    (
        "std::time::Instant",
        "crate::time::Instant, taken from a Now",
    ),
    ("std::time::SystemTime", "crate::time::Now, as an argument"),
    (
        "std::time::UNIX_EPOCH",
        "crate::time::Now::unix_ms, as an argument",
    ),
    (
        "std::time::*",
        "the names that are meant, which may not be clocks",
    ),
    (
        "std::time",
        "the names that are meant, which may not be clocks",
    ),
    (
        "std::net::TcpStream",
        "bytes in, bytes out; `runtime` has the sockets",
    ),
    (
        "std::net::TcpListener",
        "bytes in, bytes out; `runtime` has the sockets",
    ),
    (
        "std::net::UdpSocket",
        "bytes in, bytes out; `runtime` has the sockets",
    ),
    (
        "std::net::*",
        "the names that are meant, which may not be sockets",
    ),
    (
        "std::net",
        "the names that are meant, which may not be sockets",
    ),
    (
        "std::os::unix::net",
        "bytes in, bytes out; `runtime` has the sockets",
    ),
    ("std::thread", "`&mut self`: a shard is one thread"),
    ("std::sync::mpsc", "mail, returned as a value"),
    (
        "std::fs",
        "bytes as an argument; files are read by `cli` and `server`",
    ),
    ("std::env", "a configuration value as an argument"),
    ("std::process", "an error, returned"),
    ("std::io::stdin", "bytes as an argument"),
    ("std::io::stdout", "a value, returned; `cli` prints"),
    ("std::io::stderr", "`tracing`, or an error, returned"),
];

/// Banned words that a library behind a file demands: `h2` shares what it is given, and what wakes
/// it must be shared too. Nobody ever waits for these locks.
pub(crate) const BANNED_BUT_HERE: [(&str, &str); 2] = [
    ("Mutex", "src/connection/http2/pipe.rs"),
    ("Mutex", "src/connection/http2/ready.rs"),
];

/// Words that have no place below `runtime`, and what to write instead.
pub(crate) const BANNED_WORDS: [(&str, &str); 13] = [
    ("async fn", "a state machine: inputs in, effects out"),
    ("async move", "a state machine: inputs in, effects out"),
    ("async {", "a state machine: inputs in, effects out"),
    (".await", "a state machine: inputs in, effects out"),
    ("RefCell", "`&mut self` all the way"),
    ("UnsafeCell", "`&mut self` all the way"),
    ("Mutex", "a shard that owns it, and mail"),
    ("RwLock", "a shard that owns it, and mail"),
    ("Condvar", "a shard that owns it, and mail"),
    ("println!", "a value, returned; `cli` prints"),
    ("print!", "a value, returned; `cli` prints"),
    ("eprintln!", "`tracing`, or an error, returned"),
    ("eprint!", "`tracing`, or an error, returned"),
];

/// Most lines of a file under src; the median should be half of it.
pub(crate) const FILE_LINES_MAX: usize = 500;
/// Most lines of a file of tests, of a benchmark or of the load tester.
pub(crate) const TEST_FILE_LINES_MAX: usize = 600;
/// Most lines of code of a folder's door, which says what there is and does none of it.
pub(crate) const DOOR_LINES_MAX: usize = 80;
/// Doors that hold the type which all files of the folder extend, and their lines of code: not one
/// more.
pub(crate) const WIDE_DOORS: [(&str, usize); 4] = [
    ("src/connection/mod.rs", 280),
    ("src/dialect/live/state/mod.rs", 140),
    ("src/dialect/mod.rs", 110),
    ("src/dialect/pubsub/socket/mod.rs", 180),
];
/// Widest line of a comment.
pub(crate) const COMMENT_COLUMNS_MAX: usize = 100;
/// Widest line of prose in Markdown.
pub(crate) const PROSE_COLUMNS_MAX: usize = 120;
/// Most lines of the front page, which is there to make one want to try it.
pub(crate) const FRONT_PAGE_LINES_MAX: usize = 150;
/// What blocks of code on pages may be.
pub(crate) const LANGUAGES: [&str; 8] = [
    "console", "sh", "toml", "html", "js", "python", "rust", "text",
];
/// Where `unsafe` may stand: borrowing the descriptor of a monoio stream, and counting allocations.
pub(crate) const UNSAFE_HOMES: [&str; 2] = ["tests/allocations", "src/runtime/socket.rs"];

/// What one can see at the top of the repository.
pub(crate) const TOP_LEVEL: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "src",
    "benches",
    "loadtest",
    "tests",
];

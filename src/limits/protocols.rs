//! Bounds on peers' input and on the protocols that carry it.

use std::time::Duration;

// --- HTTP/1.1
// -------------------------------------------------------------------------------------

/// Longest request head (request line and fields). Browsers with fat cookies stay under 8 KiB.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest request target; past it 414. RFC 9112 §3 recommends at least 8,000 octets.
pub const HTTP_TARGET_BYTES_MAX: usize = 8 * 1024;
/// Most header fields in one head; past it 431. Also the size of the parser's scratch on the stack.
pub const HTTP_HEADERS_MAX: usize = 64;
/// Most empty lines that are skipped before a request line. RFC 9112 §2.2 asks for at least one;
/// some old clients send one after a POST.
pub const HTTP_EMPTY_LINES_MAX: usize = 4;
/// Longest chunk-size line with its extensions; longer ones are an attack (RFC 9112 §7.1.1).
pub const HTTP_CHUNK_LINE_BYTES_MAX: usize = 256;
/// Most bytes of trailer section that are read (and ignored).
pub const HTTP_TRAILER_BYTES_MAX: usize = 8 * 1024;
/// A request head must be complete this long after its first byte; past it 408.
pub const HTTP_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A request body must make progress at least this often; past it 408.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// A kept-alive connection without a request is closed after this long.
pub const HTTP_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// A server that leaves closes a connection without a request after this long: a request on its way
/// is still answered.
pub const HTTP_LAST_REQUEST_TIMEOUT: Duration = Duration::from_millis(250);
/// After our half is closed, how long the peer may take to close its own (lingering close), so that
/// an answer is not lost to a reset.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// A stream that is answered before its request has ended is reset this long after the answer: time
/// for the peer to read the answer, which curl before 8 forgets if it finds the reset with it.
pub const HTTP2_RESET_DELAY: Duration = Duration::from_millis(100);

// --- WebSocket
// ------------------------------------------------------------------------------------

/// Longest control frame payload (RFC 6455 §5.5).
pub const WEBSOCKET_CONTROL_BYTES_MAX: usize = 125;
/// Longest input that a WebSocket receiver needs in one piece: a masked control frame, header and
/// all (RFC 6455 §5.2). Everything else it takes as it comes.
pub const WEBSOCKET_PIECE_BYTES_MAX: usize = 2 + 4 + WEBSOCKET_CONTROL_BYTES_MAX;
/// Longest assembled message that a dialect's socket accepts by default; past it 1009.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// An idle WebSocket is pinged this often, and closed when the answer does not come by the next.
pub const WEBSOCKET_PING_INTERVAL: Duration = Duration::from_secs(25);
/// How long the peer may take to answer our close frame.
pub const WEBSOCKET_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest message of the `/echo` route, which exists for protocol test suites.
pub const ECHO_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

// --- HTTP/2 and gRPC
// ------------------------------------------------------------------------------

/// Most streams that one connection may have open at once. Clients open further connections; RFC
/// 9113 §6.5.2 recommends no less than 100.
pub const HTTP2_STREAMS_MAX: u32 = 256;
/// Bytes that a peer may send on one stream before we have read them: the initial window of RFC
/// 9113 §6.9.2.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 64 * 1024 - 1;
/// The same for all streams of a connection together: as much as all may have, so that streams that
/// are not read, because their answers are not, keep no other from being read.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = HTTP2_STREAMS_MAX * HTTP2_STREAM_WINDOW_BYTES;
/// Longest list of header fields, uncompressed, as RFC 9113 §6.5.2 counts it: as long as an
/// HTTP/1.1 head.
pub const HTTP2_HEADER_LIST_BYTES_MAX: u32 = HTTP_HEAD_BYTES_MAX as u32;
/// Bytes of one stream that are given to the protocol at once, beyond what the peer's windows allow
/// to be sent.
pub const HTTP2_STREAM_SEND_BYTES_MAX: usize = 128 * 1024;
/// Bytes that are taken from the protocol at once for the send queue of a connection.
pub const HTTP2_OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Room for output is made in pieces of this many bytes: a frame of ours has about 100.
pub const HTTP2_OUTPUT_PIECE_BYTES: usize = 16 * 1024;
/// An HTTP/2 connection with streams is pinged this often when it is idle; one without is told to
/// leave when it was without twice in a row.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);
/// Bytes that may be under way between two shards for one stream that reads a log at home
/// elsewhere.
pub const RELAY_BYTES_MAX: usize = 256 * 1024;
/// Useless frames (all but HEADERS and DATA that has bytes) that a peer may send per second on top
/// of those earned by its calls and our answers. Clients send a handful at the start and a PING
/// every few seconds; at this rate they cost about a thousandth of a core.
pub const HTTP2_CONTROL_FRAMES_PER_SECOND_MAX: u32 = 1_000;
/// Useless frames earned by each HEADERS and each DATA frame with bytes: a window for the answer
/// and one for the connection, a PING that measures it, a reset.
pub const HTTP2_CONTROL_FRAMES_PER_USEFUL_FRAME: u32 = 4;
/// Bytes sent to a peer that earn it one useless frame. A frame of ours with the smallest event has
/// over 100 bytes, and clients that tune their windows answer it with two updates and a PING
/// (grpc-go's estimate of the bandwidth). More than the 17 bytes of a PING's answer, or flooding
/// would pay for itself.
pub const HTTP2_SENT_BYTES_PER_CONTROL_FRAME: usize = 32;
/// Most useless frames that a peer may have saved up: it may answer 3 MiB of ours late, or send all
/// of them at once, which is a tenth of a second's work.
pub const HTTP2_CONTROL_FRAMES_STORED_MAX: u32 = 100_000;
/// Longest message of a gRPC status, in bytes before encoding: three times as many fit into the 8
/// KiB of trailers that clients read (PROTOCOL-HTTP2, "Responses").
pub const GRPC_STATUS_MESSAGE_BYTES_MAX: usize = 2 * 1024;
/// Characters of a client's own words that a status message quotes: enough to find them by.
pub const STATUS_QUOTED_CHARS_MAX: usize = 64;

// --- Server-sent events
// ---------------------------------------------------------------------------

/// A comment is sent on an idle event stream this often, so that proxies keep it open.
pub const SSE_COMMENT_INTERVAL: Duration = Duration::from_secs(15);

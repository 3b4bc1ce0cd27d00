//! HTTP/2 (RFC 9113) seen from outside: how to tell it from HTTP/1.1, and how to tell a busy peer
//! from a flood.
//!
//! Frames, HPACK, flow control and the states of streams are the h2 crate's, in `connection`. It
//! bounds everything that costs memory or lives within one stream: resets of streams not yet
//! accepted, CONTINUATION frames of one head, the size of a head, small and empty DATA frames,
//! errors of streams. Frames that it answers or ignores without counting (PING, SETTINGS, PRIORITY,
//! `WINDOW_UPDATE`, `RST_STREAM` of closed streams, unknown types: CVE-2019-9512 and its kin) are
//! counted here: [`FrameScanner`] sees the frames go by, [`AbuseBudget`] knows how many there may
//! be.

mod budget;
mod scanner;

pub use budget::{AbuseBudget, Verdict};
pub use scanner::{FrameKind, FrameScanner, FrameTally};

/// The beginning of a client's half of a connection (RFC 9113 §3.4). No HTTP/1.1 server takes it
/// for a request that it understands.
pub const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection that begins with `buf` speaks HTTP/2; `None` while it could still be
/// either, which is at most 23 bytes long. Methods such as `PROPFIND`, or even `PRI`, part from the
/// preface early.
pub fn is_preface(buf: &[u8]) -> Option<bool> {
    let bytes = buf.len().min(PREFACE.len());
    if buf[..bytes] != PREFACE[..bytes] {
        return Some(false);
    }
    (bytes == PREFACE.len()).then_some(true)
}

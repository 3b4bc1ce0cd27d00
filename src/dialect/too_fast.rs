//! What all dialects say to an organization that publishes faster than it may (429 Too Many Requests, RFC 6585 §4),
//! and to a publisher of a node that leaves (503).

/// The code for programs, where a dialect has words for codes.
pub const RATE_LIMITED: &str = "rate_limited";

/// What a publisher is told whose event nobody here would hear any more.
pub const LEAVING: &str = "this node is leaving, try again: another takes its place";

/// The sentence for people; `retry_after` is in seconds.
pub fn too_fast(retry_after: u32) -> String {
    format!("this organization publishes faster than it may, try again in {retry_after} s")
}

/// The header line that says when to try again, in seconds (RFC 9110 §10.2.3), with its CR LF.
pub fn retry_after_line(seconds: u32) -> String {
    format!("Retry-After: {seconds}\r\n")
}

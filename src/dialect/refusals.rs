//! What all dialects say to a publisher alike, whatever the form: to an organization that publishes
//! faster than it may (429 Too Many Requests, RFC 6585 §4), of a node that leaves (503), about
//! idempotency keys and about names.

use crate::hub::Whose;
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use crate::protocol::http1::Head;

/// The code for programs, where a dialect has words for codes.
pub const RATE_LIMITED: &str = "rate_limited";

/// Likewise, of a key that was used for something else.
pub const KEY_REUSED_CODE: &str = "idempotency_key_reused";

/// Likewise, of a name that is the server's own.
pub const RESERVED_NAME: &str = "reserved_name";

/// What a publisher is told whose event nobody here would hear any more.
pub const LEAVING: &str = "this node is leaving, try again: another takes its place";

/// What a publisher is told whose key stands for something else: nothing may be lost unsaid.
pub const KEY_REUSED: &str =
    "this Idempotency-Key was used here to publish something else, so nothing was published";

/// The sentence for people; `retry_after` is in seconds.
pub fn too_fast(retry_after: u32) -> String {
    format!("this organization publishes faster than it may, try again in {retry_after} s")
}

/// The sentence for people about a bound on remembered keys; `retry_after` is in seconds.
pub fn keys_held(of: Whose, retry_after: u32) -> String {
    let whose = match of {
        Whose::Organization => {
            "as many idempotency keys of this organization are remembered as may be"
        }
        Whose::Everyone => "as many idempotency keys are remembered as this server can",
    };
    format!("{whose}, try again in {retry_after} s or without a key")
}

/// The sentence for people about a name; `at` is which of the events it is, counted from 0.
pub fn reserved_name(at: u32) -> String {
    let begin = "event names that begin with \"fanfare:\" are the server's own";
    match at {
        0 => begin.to_owned(),
        _ => format!("[{at}]: {begin}"),
    }
}

/// The header line that says when to try again, in seconds (RFC 9110 §10.2.3), with its CR LF.
pub fn retry_after_line(seconds: u32) -> String {
    format!("Retry-After: {seconds}\r\n")
}

/// The key by which a repeat of a publish is known; what is wrong with it, for people.
pub fn idempotency_key(head: &Head<'_, '_>) -> Result<Option<Box<[u8]>>, String> {
    let mut keys = head.header_values("idempotency-key");
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err("Idempotency-Key is there more than once".to_owned());
    }
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(format!(
            "Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes"
        ));
    }
    Ok(Some(Box::from(key)))
}

//! Errors in this dialect's form: `{"error":{"code":"…","message":"…"}}`.

use crate::dialect::{
    self, KEY_REUSED, KEY_REUSED_CODE, LEAVING, RATE_LIMITED, RESERVED_NAME, Responder, keys_held,
    reserved_name, retry_after_line, too_fast,
};
use crate::hub::{Refusal, Status};

/// RFC 9110 §10.2.3; a bound that was reached is usually free again at once.
const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";

/// RFC 9111 §5.2.2.5: what is true of a session now is nobody's to keep.
const NO_STORE: &[u8] = b"Cache-Control: no-store\r\n";

/// Writes an error answer.
pub(super) fn respond_error(to: &mut Responder<'_>, status: u16, code: &str, message: &str) {
    let retry_after: &[u8] = if status == 503 { RETRY_AFTER } else { b"" };
    dialect::respond_error(to, &[retry_after], status, code, message);
}

/// Writes the hub's refusal.
pub(super) fn respond_refusal(to: &mut Responder<'_>, refusal: Refusal) {
    let (status, code, message) = match refusal {
        Refusal::NotFound => (404, "not_found", "there is no such session"),
        Refusal::Gone => return respond_gone(to),
        Refusal::Undeclared => (404, "not_found", "the session was not created"),
        Refusal::Contradiction => (409, "contradiction", "the session has other parents"),
        Refusal::Exists => (409, "exists", "the session exists"),
        Refusal::Busy => (503, "busy", "a bound of this server is reached, try again"),
        Refusal::Leaving => (503, "leaving", LEAVING),
        Refusal::KeyReused => (422, KEY_REUSED_CODE, KEY_REUSED),
        Refusal::ReservedName { at } => {
            return respond_error(to, 400, RESERVED_NAME, &reserved_name(at));
        }
        Refusal::KeysHeld { of, retry_after } => {
            let message = keys_held(of, retry_after);
            return respond_later(to, (503, "busy", &message), retry_after);
        }
        Refusal::TooFast { retry_after } => {
            let message = too_fast(retry_after);
            return respond_later(to, (429, RATE_LIMITED, &message), retry_after);
        }
        Refusal::Full(full) => {
            let line = retry_after_line(full.retry_after);
            dialect::respond_error(to, &[line.as_bytes()], 503, "busy", &full.to_string());
            return;
        }
        Refusal::Status(status) => (409, "status", conflict(status)),
    };
    respond_error(to, status, code, message);
}

/// Writes an error answer that says when to try again, in seconds.
fn respond_later(
    to: &mut Responder<'_>,
    (status, code, message): (u16, &str, &str),
    retry_after: u32,
) {
    let line = retry_after_line(retry_after);
    dialect::respond_error(to, &[line.as_bytes()], status, code, message);
}

/// Writes that the session was ended. Caches keep such an answer unless told otherwise (RFC 9110
/// §15.5.11).
pub(super) fn respond_gone(to: &mut Responder<'_>) {
    dialect::respond_error(to, &[NO_STORE], 410, "gone", "the session was deleted");
}

const fn conflict(status: Status) -> &'static str {
    match status {
        Status::Pending => "the session is pending",
        Status::Running => "the session is running",
        Status::Paused => "the session is paused",
        Status::Completed => "the session is completed",
        Status::Aborted => "the session is aborted",
    }
}

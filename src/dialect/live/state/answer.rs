//! What was found, as responses: `{"items":[…],"next":…}`, one thing, nothing, or why not. Nothing
//! of it is to be kept by anybody, because it is true only now.

use super::path::Belongings;
use super::{Live, Pending, Waiting, inspect};
use crate::dialect::{
    Action, LEAVING, Outcome, RATE_LIMITED, Refused, Responder, respond_error, retry_after_line,
    too_fast,
};
use crate::hub::{Answer, Item, Refusal, Report, Set, Why};

/// RFC 9110 §10.2.3: questions take a moment each.
pub(super) const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";
/// RFC 9111 §5.2.2.5.
const NO_STORE: &[u8] = b"Cache-Control: no-store\r\n";

/// What is said of a path that names nothing.
pub(super) const NOWHERE: &str = "there is no such resource";

impl Live {
    /// The answer to a request.
    pub fn answer_state(
        &self,
        pending: Pending,
        outcome: Outcome,
        to: &mut Responder<'_>,
    ) -> Action {
        match (pending.0, outcome) {
            (Waiting::Verify(user, request), outcome) => {
                if let Ok(identity) = self.verified(user, &outcome, to) {
                    return self.ask(identity, request, to);
                }
                return Action::Done;
            }
            (_, Outcome::Answer(Answer::Refused(refusal))) => Self::respond_refusal(refusal, to),
            (Waiting::Session(organization, which, page), Outcome::Report(report)) => {
                return match *report {
                    Report::One(Item {
                        name: Some(token), ..
                    }) => {
                        let set = match which {
                            Belongings::Subscribers => Set::Subscribers(token),
                            Belongings::Events => Set::Events(token),
                        };
                        inspect(organization, page.of(set), Waiting::Report)
                    }
                    report => {
                        Self::respond_report(report, to);
                        Action::Done
                    }
                };
            }
            (Waiting::Report, Outcome::Report(report)) => {
                Self::respond_report(*report, to);
                return Action::Done;
            }
            // The hub answers each question by its own kind.
            _ => Self::respond_refusal(Refusal::Busy, to),
        };
        Action::Done
    }

    fn respond_report(report: Report, to: &mut Responder<'_>) {
        match report {
            Report::Page { items, more } => {
                let next = items.last().filter(|_| more).map(|last| last.id);
                Self::respond_page(items.iter().map(|item| &*item.json), next, to);
            }
            Report::One(item) => Self::respond_one(&item.json, to),
            Report::Done => {
                let keep_alive = to.exchange.keep_alive;
                to.begin(204).raw(NO_STORE).empty(keep_alive);
            }
            Report::Not(why) => {
                Self::respond_why(why, to);
            }
        }
    }

    /// A part of a set, and where to go on.
    pub(super) fn respond_page<'i>(
        items: impl IntoIterator<Item = &'i [u8]>,
        next: Option<uuid::Uuid>,
        to: &mut Responder<'_>,
    ) {
        let mut body = Vec::from(&b"{\"items\":["[..]);
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            body.extend_from_slice(item);
        }
        body.extend_from_slice(b"],\"next\":");
        match next {
            Some(id) => {
                let mut buf = uuid::Uuid::encode_buffer();
                body.push(b'"');
                body.extend_from_slice(id.hyphenated().encode_lower(&mut buf).as_bytes());
                body.push(b'"');
            }
            None => body.extend_from_slice(b"null"),
        }
        body.push(b'}');
        Self::respond_one(&body, to);
    }

    /// One thing.
    pub(super) fn respond_one(json: &[u8], to: &mut Responder<'_>) {
        let exchange = to.exchange;
        to.begin(200).raw(NO_STORE).body(
            Some("application/json"),
            json,
            exchange.keep_alive,
            exchange.head_only,
        );
    }

    fn respond_why(why: Why, to: &mut Responder<'_>) -> Refused {
        let (code, message) = match why {
            Why::Absent => return Self::not_found("there is no such thing", to),
            Why::Foreign => return Self::foreign_after(to),
            Why::Ended => ("ended", "the session has ended"),
            Why::Closing => ("closing", "the connection is being closed already"),
            Why::Changing => (
                "changing",
                "a request of this connection, which may change what it hears, is under way: try again",
            ),
        };
        respond_error(to, &[NO_STORE], 409, code, message)
    }

    fn respond_refusal(refusal: Refusal, to: &mut Responder<'_>) -> Refused {
        let conflict = match refusal {
            Refusal::NotFound | Refusal::Undeclared => {
                return Self::respond_why(Why::Absent, to);
            }
            Refusal::Gone => return Self::respond_why(Why::Ended, to),
            Refusal::Busy => {
                let message = "too many requests of this kind are under way, try again";
                return respond_error(to, &[RETRY_AFTER], 503, "busy", message);
            }
            Refusal::Full(full) => {
                let line = retry_after_line(full.retry_after);
                let headers = [line.as_bytes()];
                return respond_error(to, &headers, 503, "busy", &full.to_string());
            }
            Refusal::Leaving => {
                return respond_error(to, &[RETRY_AFTER], 503, "leaving", LEAVING);
            }
            Refusal::TooFast { retry_after } => {
                let line = retry_after_line(retry_after);
                let headers = [line.as_bytes()];
                let message = too_fast(retry_after);
                return respond_error(to, &headers, 429, RATE_LIMITED, &message);
            }
            Refusal::KeyReused | Refusal::KeysHeld { .. } | Refusal::ReservedName { .. } => {
                "it is no publish"
            }
            Refusal::Contradiction => "the tree contradicts it",
            Refusal::Exists => "it is there already",
            Refusal::Status(_) => "its status does not allow it",
        };
        respond_error(to, &[NO_STORE], 409, "conflict", conflict)
    }

    /// There is no such thing, or not for this sender.
    pub(super) fn not_found(message: &str, to: &mut Responder<'_>) -> Refused {
        respond_error(to, &[NO_STORE], 404, "not_found", message)
    }

    /// Another method is needed.
    pub(super) fn not_allowed(allow: &str, to: &mut Responder<'_>) -> Refused {
        let header = format!("Allow: {allow}\r\n");
        let headers = [header.as_bytes()];
        let message = format!("allowed: {allow}");
        respond_error(to, &headers, 405, "method_not_allowed", &message)
    }

    /// Something in the request is not what it should be.
    pub(super) fn invalid(code: &str, message: &str, to: &mut Responder<'_>) -> Refused {
        respond_error(to, &[], 400, code, message)
    }

    /// A walk cannot go on there.
    pub(super) fn foreign_after(to: &mut Responder<'_>) -> Refused {
        Self::invalid("foreign_after", "after is not an id of this set", to)
    }
}

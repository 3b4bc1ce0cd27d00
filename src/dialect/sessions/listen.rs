//! What a reader asks for: where it stands, how it wants to be told, and how long it waits.

use std::borrow::Cow;
use std::time::Duration;

use super::Sessions;
use super::errors::respond_error;
use crate::dialect::{
    FOREIGN, Form, QueryError, Refused, Responder, check_upgrade, query_cursor, query_text,
};
use crate::hub::{Cursor, Epoch};
use crate::protocol::http1::{Head, query_last_of};

impl Sessions {
    /// Reads form, cursor and timeout from the request; a refusal is written.
    pub(super) fn read_listen(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<(Option<Cursor>, Form), Refused> {
        let refuse = |to: &mut Responder<'_>, code, message: String| {
            respond_error(to, 400, code, &message);
            Refused
        };
        let cursor = match event_id(head) {
            Ok(Some(id)) => Ok(Some(event_id_cursor(&id))),
            Ok(None) => query_cursor(head.query.unwrap_or("")),
            Err(error) => Err(error),
        };
        let cursor = cursor.map_err(|(code, message)| refuse(to, code, message))?;
        if head.wants_upgrade("websocket") {
            return Ok((cursor, Form::WebSocket(check_upgrade(head, to)?)));
        }
        if head.prefers("text/event-stream", "application/json") {
            return Ok((cursor, Form::EventStream));
        }
        let timeout = query_timeout(head.query.unwrap_or(""))
            .map_err(|(code, message)| refuse(to, code, message))?;
        let timeout = match (timeout, self.poll_timeout_max) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        };
        Ok((cursor, Form::Poll { timeout }))
    }
}

fn query_timeout(query: &str) -> Result<Option<Duration>, QueryError> {
    if query.is_empty() {
        return Ok(None);
    }
    let Some(text) = query_text(query, "timeout")? else {
        return Ok(None);
    };
    let seconds: Option<f64> = text.parse().ok();
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(timeout)) => Ok(Some(timeout)),
        _ => Err((
            "invalid_timeout",
            format!("timeout is not a number of seconds: {text:?}"),
        )),
    }
}

/// The id of the last event that a client saw (WHATWG HTML §9.2.4): the header wins, since a
/// browser moves it while the query stays as it was written; but where no header can be set,
/// clients have nothing but the query. Either is newer than the `last_event` of the same URL.
fn event_id<'h>(head: &Head<'h, '_>) -> Result<Option<Cow<'h, str>>, QueryError> {
    let given = |id: &str| !id.trim().is_empty();
    if let Some(id) = head.header_str("last-event-id").filter(|id| given(id)) {
        return Ok(Some(Cow::Borrowed(id)));
    }
    let id = query_last_of(head.query.unwrap_or(""), names_event_id);
    let id = id.map_err(|error| ("invalid_query", format!("lastEventId: {error}")))?;
    Ok(id.filter(|id| given(id)))
}

/// Whether a key of a query is how some client spells `lastEventId`: event-source-polyfill so, its
/// users and Mercure's clients as the header or with other capitals, the polyfill of amvtek as
/// `evs_last_event_id`.
fn names_event_id(key: &str) -> bool {
    let key = key.strip_prefix("evs_").unwrap_or(key);
    let letters = key.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    letters
        .map(|byte| byte.to_ascii_lowercase())
        .eq(*b"lasteventid")
}

/// The cursor in a `Last-Event-ID`, `<epoch>:<number>`. One that is not ours is from another life
/// of whatever the client read, and so it is told: to refuse it would end a browser's event source
/// for good.
fn event_id_cursor(id: &str) -> Cursor {
    let parts = id.trim().split_once(':');
    let parsed = parts.and_then(|(epoch, last)| {
        let digits = last.bytes().all(|byte| byte.is_ascii_digit());
        let last = last.parse().ok().filter(|_| digits)?;
        Some(Cursor {
            epoch: Some(Epoch::parse(epoch)?),
            last,
        })
    });
    parsed.unwrap_or(FOREIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let timeout = |query| query_timeout(query).expect("valid");
        assert_eq!(timeout("timeout=0"), Some(Duration::ZERO));
        assert_eq!(timeout("timeout=1.5"), Some(Duration::from_millis(1_500)));
        assert_eq!(timeout("timeout="), None);
        for bad in ["x", "-1", "inf", "nan", "1e400"] {
            assert!(query_timeout(&format!("timeout={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn spellings() {
        for key in [
            "lastEventId",
            "lastEventID",
            "Last-Event-ID",
            "last-event-id",
            "last_event_id",
            "evs_last_event_id",
        ] {
            assert!(names_event_id(key), "{key}");
        }
        for key in [
            "last_event",
            "lastEvent",
            "event_id",
            "id",
            "",
            "xlastEventId",
        ] {
            assert!(!names_event_id(key), "{key}");
        }
    }

    #[test]
    fn event_ids() {
        let epoch = Some(Epoch(0xab));
        assert_eq!(
            event_id_cursor("00000000000000ab:7"),
            Cursor { epoch, last: 7 }
        );
        for foreign in [
            "7",
            "ab:7",
            "00000000000000ab:",
            "00000000000000ab:-1",
            "x:y:z",
        ] {
            assert_eq!(event_id_cursor(foreign), FOREIGN, "{foreign}");
        }
    }
}

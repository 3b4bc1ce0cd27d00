//! Where a reader stands, as the query of its request says it: `last_event`, and `epoch` if it
//! knows that.
//!
//! Both are as documented for the sessions dialect; an empty value is one that was not given.

use crate::hub::{Cursor, Epoch};
use crate::protocol::http1::query_last;

/// A cursor that no log can have given out: from another life, whatever the log.
pub const FOREIGN: Cursor = Cursor {
    epoch: None,
    last: i64::MAX,
};

/// What is wrong with a query: a code for programs, and a sentence.
pub type QueryError = (&'static str, String);

/// The last value of a key without the space around it, unless that is empty.
pub fn query_text(query: &str, key: &'static str) -> Result<Option<String>, QueryError> {
    let value =
        query_last(query, key).map_err(|error| ("invalid_query", format!("{key}: {error}")))?;
    Ok(value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty()))
}

/// The cursor in a query; `None` wants no history.
pub fn query_cursor(query: &str) -> Result<Option<Cursor>, QueryError> {
    if query.is_empty() {
        return Ok(None);
    }
    let Some(text) = query_text(query, "last_event")? else {
        return Ok(None);
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("last_event is not an integer: {text:?}");
        return Err(("invalid_last_event", message));
    }
    // An integer beyond 64 bits is still an integer: ahead of, or before, every log.
    let beyond = if text.starts_with('-') { -1 } else { i64::MAX };
    let last = text.parse().unwrap_or(beyond);
    match query_text(query, "epoch")? {
        None => Ok(Some(Cursor { epoch: None, last })),
        Some(epoch) => Ok(Some(Epoch::parse(&epoch).map_or(FOREIGN, |epoch| Cursor {
            epoch: Some(epoch),
            last,
        }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        let cursor = |query| query_cursor(query).expect("valid");
        let at = |last| Some(Cursor { epoch: None, last });
        assert_eq!(cursor(""), None);
        assert_eq!(cursor("last_event="), None);
        assert_eq!(cursor("last_event=%20"), None);
        assert_eq!(cursor("epoch=00"), None);
        assert_eq!(cursor("last_event=-1"), at(-1));
        assert_eq!(cursor("last_event=3&last_event=5"), at(5));
        assert_eq!(cursor("last_event=99999999999999999999"), at(i64::MAX));
        assert_eq!(cursor("last_event=-99999999999999999999"), at(-1));
        assert_eq!(cursor("last_event=3&epoch=nonsense"), Some(FOREIGN));
        let epoch = Some(Epoch(0xab));
        let known = cursor("last_event=3&epoch=00000000000000ab");
        assert_eq!(known, Some(Cursor { epoch, last: 3 }));
        for bad in ["x", "1.5", "-", "1e3", "0x1"] {
            assert!(query_cursor(&format!("last_event={bad}")).is_err(), "{bad}");
        }
    }
}

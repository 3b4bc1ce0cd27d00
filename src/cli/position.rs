//! The position of `tail` in a session's log, so that a new connection continues and nothing
//! between two connections is lost silently.
//!
//! The last event's id tells it best (`Last-Event-ID`). Before the first event there is none: then
//! the answer's `Fanfare-Epoch`, `Fanfare-Oldest` and `Fanfare-Next` fields tell where the stream
//! began, and the same place is asked for again with `last_event` and `epoch`.

use super::output::Gap;

/// Longest id, and longest epoch, that is sent back; ours are a fraction of it.
const ID_BYTES_MAX: usize = 256;

/// An answer's fields about the log, as far as it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogState {
    /// `Fanfare-Epoch`.
    pub(super) epoch: Option<String>,
    /// `Fanfare-Oldest`.
    pub(super) oldest: Option<u64>,
    /// `Fanfare-Next`.
    pub(super) next: Option<u64>,
}

/// The place to continue from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// Only new events; no connection has told yet where "now" is.
    Now,
    /// After event `number`, −1 being before the first.
    After {
        /// The last number that is not wanted.
        number: i128,
        /// The life of the log it belongs to, once known.
        epoch: Option<String>,
    },
    /// After the event with this id.
    Event(String),
}

impl Position {
    /// The place named by `--from`; −1 is everything retained.
    pub(super) fn new(from: Option<i64>) -> Self {
        from.map_or(Self::Now, |number| Self::After {
            number: number.into(),
            epoch: None,
        })
    }

    /// The query of the next request, with its question mark if there is one.
    pub(super) fn query(&self) -> String {
        match self {
            Self::Now | Self::Event(_) => String::new(),
            Self::After {
                number,
                epoch: None,
            } => format!("?last_event={number}"),
            Self::After {
                number,
                epoch: Some(epoch),
            } => format!("?last_event={number}&epoch={epoch}"),
        }
    }

    /// The `Last-Event-ID` of the next request.
    pub(super) fn last_event_id(&self) -> Option<&str> {
        match self {
            Self::Event(id) => Some(id),
            _ => None,
        }
    }

    /// Notes an answer to a connection: pins down the rest of the position.
    pub(super) fn connected(&mut self, log: &LogState) {
        match self {
            Self::Now => {
                if let Some(next) = log.next {
                    *self = Self::After {
                        number: i128::from(next) - 1,
                        epoch: usable(log.epoch.as_deref()),
                    };
                }
            }
            Self::After {
                epoch: epoch @ None,
                ..
            } => *epoch = usable(log.epoch.as_deref()),
            _ => {}
        }
    }

    /// Notes the id of a received event.
    pub(super) fn event(&mut self, id: &str) {
        if let Some(id) = usable(Some(id)) {
            *self = Self::Event(id);
        }
    }

    /// Notes an announced gap: the events before its end will not be asked for again.
    pub(super) fn gap(&mut self, gap: Gap, log: &LogState) {
        let after = match gap {
            Gap::Missing { to, .. } => Some(i128::from(to)),
            Gap::Reset => log.oldest.map(|oldest| i128::from(oldest) - 1),
        };
        if let Some(number) = after {
            *self = Self::After {
                number,
                epoch: usable(log.epoch.as_deref()),
            };
        }
    }
}

/// An id or epoch that may be put into a request: visible ASCII that needs no escapes.
fn usable(text: Option<&str>) -> Option<String> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b":-._~".contains(&b);
    let text = text.filter(|text| (1..=ID_BYTES_MAX).contains(&text.len()))?;
    text.bytes().all(safe).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(epoch: &str, oldest: u64, next: u64) -> LogState {
        LogState {
            epoch: Some(epoch.to_owned()),
            oldest: Some(oldest),
            next: Some(next),
        }
    }

    #[test]
    fn the_first_request_asks_for_what_was_named() {
        assert_eq!(Position::new(None).query(), "");
        assert_eq!(Position::new(Some(-1)).query(), "?last_event=-1");
        assert_eq!(Position::new(Some(7)).query(), "?last_event=7");
        assert_eq!(Position::new(Some(7)).last_event_id(), None);
    }

    #[test]
    fn a_connection_without_events_is_continued_where_it_began() {
        let mut position = Position::new(None);
        position.connected(&log("ab", 3, 9));
        assert_eq!(position.query(), "?last_event=8&epoch=ab");
        let mut position = Position::new(None);
        position.connected(&log("ab", 0, 0));
        assert_eq!(position.query(), "?last_event=-1&epoch=ab");
        // A later answer does not move it: events published in between are wanted.
        position.connected(&log("ab", 0, 5));
        assert_eq!(position.query(), "?last_event=-1&epoch=ab");
        let mut position = Position::new(Some(4));
        position.connected(&log("ab", 3, 9));
        assert_eq!(position.query(), "?last_event=4&epoch=ab");
        let mut position = Position::new(None);
        position.connected(&LogState::default());
        assert_eq!(position, Position::Now);
    }

    #[test]
    fn events_and_gaps_move_it() {
        let mut position = Position::new(None);
        position.connected(&log("ab", 3, 9));
        position.event("ab:9");
        assert_eq!(
            (position.query(), position.last_event_id()),
            (String::new(), Some("ab:9"))
        );
        position.gap(Gap::Missing { from: 10, to: 20 }, &log("ab", 3, 9));
        assert_eq!(position.query(), "?last_event=20&epoch=ab");
        position.gap(Gap::Reset, &log("cd", 0, 2));
        assert_eq!(position.query(), "?last_event=-1&epoch=cd");
        position.event("cd:0");
        position.gap(Gap::Reset, &LogState::default());
        assert_eq!(position.last_event_id(), Some("cd:0"));
    }

    #[test]
    fn a_hostile_id_is_not_sent_back() {
        let mut position = Position::new(None);
        for id in ["", "a b", "a&b", "a\u{1b}", "é", &"x".repeat(257)] {
            position.event(id);
            assert_eq!(position, Position::Now, "{id:?}");
        }
        position.connected(&log("a&b", 0, 1));
        assert_eq!(position.query(), "?last_event=0");
    }
}

//! The forms in which one session can be listened to, and what a client says in each.
//!
//! Text only; who reads the answers is a [`Voice`](crate::voice::Voice).

use crate::websocket;

/// How a session is listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Long polls on kept-alive connections.
    Poll,
    /// A WebSocket.
    Websocket,
    /// Server-sent events.
    Sse,
    /// A room of the pubsub dialect, subscribed to what is published here.
    Room,
    /// A WebSocket of the live dialect, filtered by the session. It has no cursor.
    Live,
}

/// Where a client stands in a session's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<'a> {
    /// The log's life; `None` before anything of it was heard.
    pub(crate) epoch: Option<&'a str>,
    /// The last number heard, -1 before the first.
    pub(crate) last: i64,
}

/// What a reader in a room says once it is welcomed.
const SUBSCRIBE: &str = r#"{"action":"subscribe-event","data":{"eventName":"probe"},"ref":1}"#;

impl Kind {
    /// The request that begins to listen, after the cursor if there is one and this kind knows
    /// cursors.
    pub(crate) fn request(self, host: &str, session: &str, after: Option<Cursor<'_>>) -> Vec<u8> {
        let mut fields = match self {
            Self::Poll => String::new(),
            Self::Websocket | Self::Room | Self::Live => websocket::handshake_fields(),
            Self::Sse => "Accept: text/event-stream\r\n".to_owned(),
        };
        let mut query = String::new();
        if let Some(Cursor { epoch, last }) = after {
            match epoch {
                // As browsers do.
                Some(epoch) if self == Self::Sse && last >= 0 => {
                    fields = format!("{fields}Last-Event-ID: {epoch}:{last}\r\n");
                }
                Some(epoch) => query = format!("last_event={last}&epoch={epoch}"),
                None => query = format!("last_event={last}"),
            }
        }
        let path = match self {
            Self::Live => "/live/ws".to_owned(),
            Self::Room => format!("/pubsub/ws?event_id=probe&session_id={session}&{query}"),
            Self::Poll | Self::Websocket | Self::Sse => {
                format!("/api/sessions/{session}/events?{query}")
            }
        };
        let path = path.trim_end_matches(['?', '&']);
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes()
    }

    /// The first message of a client that is to say one at once.
    pub(crate) fn hello(self, session: &str) -> Option<String> {
        (self == Self::Live).then(|| {
            format!(
                r#"{{"type":"filter","filters":[{{"property":"sessionId","value":"{session}"}}]}}"#
            )
        })
    }

    /// What it says once it is welcomed.
    pub(crate) fn on_welcome(self) -> Option<&'static str> {
        (self == Self::Room).then_some(SUBSCRIBE)
    }

    /// Whether it is a WebSocket.
    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::Room | Self::Live)
    }

    /// Whether who comes back can say where it was.
    pub(crate) fn has_cursor(self) -> bool {
        self != Self::Live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_said_as_each_kind_says_it() {
        let first_line = |kind: Kind, after| {
            let request = String::from_utf8(kind.request("h", "s", after)).expect("text");
            let (line, rest) = request.split_once("\r\n").expect("a line");
            (line.to_owned(), rest.contains("Last-Event-ID: e:7\r\n"))
        };
        let line = |target: &str| format!("GET {target} HTTP/1.1");
        let after = |epoch, last| Some(Cursor { epoch, last });
        let events = "/api/sessions/s/events";
        assert_eq!(first_line(Kind::Sse, None), (line(events), false));
        assert_eq!(
            first_line(Kind::Sse, after(Some("e"), 7)),
            (line(events), true)
        );
        let fresh = line(&format!("{events}?last_event=-1"));
        assert_eq!(first_line(Kind::Sse, after(None, -1)), (fresh, false));
        let polled = line(&format!("{events}?last_event=7&epoch=e"));
        assert_eq!(first_line(Kind::Poll, after(Some("e"), 7)), (polled, false));
        let room = line("/pubsub/ws?event_id=probe&session_id=s&last_event=7&epoch=e");
        assert_eq!(first_line(Kind::Room, after(Some("e"), 7)), (room, false));
        let room = line("/pubsub/ws?event_id=probe&session_id=s");
        assert_eq!(first_line(Kind::Room, None), (room, false));
    }
}

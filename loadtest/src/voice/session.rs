//! A client of one session, in any of its forms: it keeps its cursor from one connection to the
//! next, as clients do.

use std::sync::Arc;

use serde::Deserialize;

use super::{Event, Heard, Hole, Voice};
use crate::fault::Fault;
use crate::frames::sequence_at;
use crate::http::{Framing, Head};
use crate::kind::{Cursor, Kind};
use crate::partial::Partial;
use crate::websocket;

/// What is read of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// Its position in the log.
    Numbers,
    /// The sequence in its payload.
    Sequences,
    /// Both.
    Both,
}

/// What a poll does once it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Nothing: somebody else says when it asks again.
    Once,
    /// It asks for what comes after the one event of the answer.
    Number,
    /// It asks for what comes after its cursor.
    Cursor,
    /// It asks nchan for what comes after the answer, by `Last-Modified` and `Etag` as fields of
    /// the next request.
    Validators(String),
}

/// What is known of the connection under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Past the head of a WebSocket or event stream.
    is_open: bool,
    pub(super) is_chunked: bool,
    /// Its filter is in force: what came before may be anybody's.
    pub(super) is_filtered: bool,
    /// An event stream's text without its chunks, not yet understood.
    pub(super) text: Vec<u8>,
}

/// The client.
#[derive(Debug)]
pub(crate) struct SessionVoice {
    pub(super) kind: Kind,
    host: Arc<str>,
    /// The session, or the path of a peer.
    session: String,
    reads: Reads,
    pub(super) asks: Asks,
    /// The first message on a WebSocket.
    hello: Option<String>,
    /// The number that was heard or told of last, if it asks by it.
    last: Option<i64>,
    /// The life of the log that `last` is from, and the one that was told of since.
    epoch: Option<String>,
    told_epoch: Option<String>,
    partial: Partial,
    pub(super) progress: Progress,
    /// Where in an event its sequence was last.
    at: usize,
}

/// The only part of an event that a cursor needs.
#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) number: Option<u64>,
}

/// What is wrong with something that should be an event.
pub(super) const NO_EVENT: &str = "not an event with a number";

impl SessionVoice {
    /// A client that hears what is published from now on, and reads its numbers; a poll asks once.
    pub(crate) fn new(kind: Kind, host: &Arc<str>, session: &str) -> Self {
        Self {
            kind,
            host: Arc::clone(host),
            session: session.to_owned(),
            reads: Reads::Numbers,
            asks: Asks::Once,
            hello: kind.hello(session),
            last: None,
            epoch: None,
            told_epoch: None,
            partial: Partial::default(),
            progress: Progress::default(),
            at: 0,
        }
    }

    /// The same, which reads sequences, and asks again whenever it is answered.
    pub(crate) fn by_sequence(kind: Kind, host: &Arc<str>, session: &str) -> Self {
        Self {
            reads: Reads::Sequences,
            asks: Asks::Number,
            ..Self::new(kind, host, session)
        }
    }

    /// A client that hears all that there is from the beginning, and comes back to where it was;
    /// without a cursor it is one that hears what is published from now on.
    pub(crate) fn resuming(kind: Kind, host: &Arc<str>, session: &str) -> Self {
        Self {
            reads: Reads::Both,
            asks: Asks::Cursor,
            last: kind.has_cursor().then_some(-1),
            ..Self::new(kind, host, session)
        }
    }

    /// Polls of nchan, the first of which asks for no history.
    pub(crate) fn of_nchan(host: &Arc<str>, path: &str) -> Self {
        Self {
            reads: Reads::Sequences,
            asks: Asks::Validators(String::new()),
            ..Self::new(Kind::Poll, host, path)
        }
    }

    /// The same client with another first message.
    pub(crate) fn saying(self, hello: String) -> Self {
        Self {
            hello: Some(hello),
            ..self
        }
    }

    /// The same client of a server at another address.
    pub(crate) fn move_to(&mut self, host: &Arc<str>) {
        self.host = Arc::clone(host);
    }

    /// Appends the next request.
    pub(super) fn ask(&self, request: &mut Vec<u8>) {
        let (host, session) = (&self.host, &self.session);
        if let Asks::Validators(fields) = &self.asks {
            let text = format!("GET {session} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
            request.extend_from_slice(text.as_bytes());
            return;
        }
        let epoch = self.epoch.as_deref();
        let after = self.last.map(|last| Cursor { epoch, last });
        request.extend(self.kind.request(host, session, after));
    }

    /// Takes note of the life of the log that what follows is from.
    pub(super) fn live(&mut self, epoch: &str) {
        if self.asks == Asks::Cursor && self.epoch.as_deref() != Some(epoch) {
            self.told_epoch = Some(epoch.to_owned());
        }
    }

    fn advance(&mut self, last: i64) {
        if self.last.is_some() || self.asks == Asks::Number {
            self.last = Some(last);
        }
        if self.told_epoch.is_some() {
            self.epoch = self.told_epoch.take();
        }
    }

    /// Tells of an event.
    pub(super) fn event(
        &mut self,
        number: Option<u64>,
        sequence: Option<u64>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), Fault> {
        if let Some(number) = number {
            self.advance(number.cast_signed());
        }
        let event = Event {
            number,
            sequence,
            ..Event::default()
        };
        Ok(each(0, Heard::Event(event))?)
    }

    /// Tells of a hole.
    pub(super) fn hole(
        &mut self,
        hole: Hole,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<(), Fault> {
        match hole {
            Hole::Range { last, .. } => self.advance(last.cast_signed()),
            Hole::Reset => self.advance(-1),
            Hole::Dropped(_) => {}
        }
        Ok(each(0, Heard::Hole(hole))?)
    }

    /// Whether events are known by their position in the log.
    pub(super) fn reads_numbers(&self) -> bool {
        self.reads != Reads::Sequences && self.kind.has_cursor()
    }

    /// The sequence in an event, if it is read.
    pub(super) fn sequence(&mut self, event: &[u8]) -> Option<u64> {
        let is_read = self.reads != Reads::Numbers;
        is_read.then(|| sequence_at(event, &mut self.at)).flatten()
    }

    fn take(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, Fault> {
        match (self.kind, self.progress.is_open) {
            (Kind::Poll, _) => self.take_answer(bytes, replies, each),
            (_, false) => self.take_head(bytes, replies, each),
            (Kind::Websocket | Kind::Room | Kind::Live, true) => {
                self.take_frame(bytes, replies, each)
            }
            (Kind::Sse, true) => self.take_stream(bytes, each),
        }
    }

    fn take_head(
        &mut self,
        bytes: &[u8],
        replies: &mut Vec<u8>,
        each: &mut impl FnMut(usize, Heard<'_>) -> Result<(), String>,
    ) -> Result<usize, Fault> {
        let Some((head, used)) = Head::parse(bytes)? else {
            return Ok(0);
        };
        let is_accepted = if self.kind.is_websocket() {
            websocket::is_accepted(&head)
        } else {
            let media_type = head.field("content-type").unwrap_or_default();
            head.status == 200 && media_type.starts_with("text/event-stream")
        };
        if !is_accepted {
            return Err(match head.status {
                101 | 200 => "handshake or event stream not accepted".into(),
                status => refused(status),
            });
        }
        self.progress.is_open = true;
        self.progress.is_chunked = head.framing()? == Framing::Chunked;
        if let Some(epoch) = head.field("fanfare-epoch") {
            self.live(epoch);
        }
        if let Some(hello) = &self.hello {
            websocket::encode_text(hello, replies);
        } else if self.kind != Kind::Room {
            // A room is open once it is subscribed, who filters once that is answered.
            each(0, Heard::Opened)?;
        }
        Ok(used)
    }
}

/// The fault of a server that answers with this status.
pub(super) fn refused(status: u16) -> Fault {
    format!("answered with status {status}").into()
}

impl Voice for SessionVoice {
    fn is_silent(&self) -> bool {
        self.kind == Kind::Poll
    }

    fn hello(&mut self, request: &mut Vec<u8>) {
        (self.partial, self.progress) = (Partial::default(), Progress::default());
        self.ask(request);
    }

    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>,
    {
        let mut partial = std::mem::take(&mut self.partial);
        let fed = partial.feed(bytes, |rest| self.take(rest, replies, each));
        self.partial = partial;
        fed
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

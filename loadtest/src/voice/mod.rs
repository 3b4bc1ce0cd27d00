//! What a subscriber's connection says and hears, one file a wire: bytes in, [`Heard`] and replies
//! out.
//!
//! A voice judges syntax only: whether an event is the right one is a [`check`](crate::check)'s to
//! say. It must never know sockets or clocks. [`session`] understands all that the server says to
//! one subscriber of a session; [`frame`] counts events at little cost, since a client that parses
//! each would be slower than the server; [`grpc`] has many subscribers on one connection. A
//! [`peer`](crate::peer::voice)'s is beside its server.

pub(crate) mod frame;
pub(crate) mod grpc;
mod poll;
pub(crate) mod session;
mod sse;
mod websocket;

use crate::fault::Fault;

/// One connection of a subscriber, or of several.
pub(crate) trait Voice {
    /// How many subscribers share the connection.
    fn subscribers(&self) -> usize {
        1
    }

    /// Whether no server says when this subscriber listens: it counts as open once its request is
    /// sent.
    fn is_silent(&self) -> bool {
        false
    }

    /// Begins a connection, and appends what is sent first.
    fn hello(&mut self, request: &mut Vec<u8>);

    /// Takes what was received, and tells `each` what it amounts to, with the subscriber's place
    /// among those that share the connection; what must be sent back is appended to `replies`.
    ///
    /// # Errors
    ///
    /// The connection is of no more use: the server closed it, broke its protocol, or `each` has
    /// refused something.
    fn feed<F>(&mut self, bytes: &[u8], replies: &mut Vec<u8>, each: &mut F) -> Result<(), Fault>
    where
        F: FnMut(usize, Heard<'_>) -> Result<(), String>;
}

/// What was found in the bytes that a subscriber received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard<'a> {
    /// Events that are published from now on are heard.
    Opened,
    /// A poll's answer has come to its end.
    Answered,
    /// An event has.
    Event(Event<'a>),
    /// Events are missing here, and the server says so.
    Hole(Hole),
}

/// An event, as far as its voice has looked at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Its position in the log that it is from.
    pub(crate) number: Option<u64>,
    /// Its [`sequence`](crate::frames::sequence).
    pub(crate) sequence: Option<u64>,
    /// Bytes of its message on the wire, as far as they are its own; 0 where they are not counted.
    pub(crate) bytes: usize,
    /// Its frame; empty unless this subscriber keeps them.
    pub(crate) frame: &'a [u8],
}

impl Heard<'_> {
    /// An event of this sequence, in so many bytes.
    pub(crate) fn event(sequence: u64, bytes: usize) -> Self {
        Self::Event(Event {
            sequence: Some(sequence),
            bytes,
            ..Event::default()
        })
    }
}

/// A loss that the server owns up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// These numbers are no longer retained, both ends missing.
    Range {
        /// The first missing number.
        first: u64,
        /// The last missing number.
        last: u64,
    },
    /// The cursor is from another life of the log.
    Reset,
    /// So many events were dropped before what comes next.
    Dropped(u64),
}

/// What a voice makes of these pieces: what it tells of, and what it wants to send.
#[cfg(test)]
pub(crate) fn told<'b>(
    mut voice: impl Voice,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> (Vec<String>, Vec<u8>, Result<(), Fault>) {
    let (mut told, mut replies) = (Vec::new(), Vec::new());
    let mut fed = Ok(());
    voice.hello(&mut Vec::new());
    for piece in pieces {
        fed = fed.and_then(|()| {
            voice.feed(piece, &mut replies, &mut |place, heard| {
                told.push(format!("{place} {heard:?}"));
                Ok(())
            })
        });
    }
    (told, replies, fed)
}

/// Returns what [`told`] does for the whole transcript, which must be the same wherever it is cut.
#[cfg(test)]
pub(crate) fn told_however_cut<V: Voice>(
    voice: impl Fn() -> V,
    transcript: &[u8],
) -> (Vec<String>, Vec<u8>, Result<(), Fault>) {
    let whole = told(voice(), [transcript]);
    assert_eq!(told(voice(), transcript.chunks(1)), whole);
    for cut in 0..transcript.len() {
        let (head, tail) = transcript.split_at(cut);
        assert_eq!(told(voice(), [head, tail]), whole, "cut at {cut}");
    }
    whole
}

//! A publisher and many gRPC streams that hear it, on one thread: every stream must get every event, once
//! and in order.
//!
//! Like [`Audience`](crate::audience::Audience); but here every stream's every event is looked at, since
//! its sequence number is always at the same place.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::{Connection, Heard};
use super::message::{self, MessageReader, SequenceFinder, Template, Told};
use super::{STREAM, STREAMS_PER_CONNECTION_MAX};
use crate::books::Books;
use crate::failure::{During, Failure};
use crate::frames::Counted;
use crate::pump::{Pump, wait};

/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 256;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;

/// How many streams over how many connections, and what is published to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Streams that listen.
    pub(crate) streams: usize,
    /// Connections that carry them; the publisher has one of its own.
    pub(crate) connections: usize,
    /// The most events in flight.
    pub(crate) window: usize,
    /// Bytes of a payload as compact JSON.
    pub(crate) payload_bytes: usize,
}

/// A stream, and what it has heard.
#[derive(Debug, Default)]
struct Listener {
    reader: MessageReader,
    /// It hears nothing but answers.
    is_publisher: bool,
    is_subscribed: bool,
    heard: u64,
}

/// Everything that is known of what was heard.
#[derive(Debug)]
struct Record {
    books: Books,
    finder: SequenceFinder,
    subscribed: usize,
    published: u64,
}

/// A connection and its streams: the first is stream 1, the second 3 and so on.
#[derive(Debug)]
struct Line {
    connection: Connection,
    listeners: Vec<Listener>,
}

/// The streams, and the publisher.
#[derive(Debug)]
pub(crate) struct StreamAudience {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    /// The last one is the publisher's.
    lines: Vec<Line>,
    streams: u64,
    template: Template,
    record: Record,
}

impl StreamAudience {
    /// Connects everybody, and returns when all are subscribed.
    pub(crate) fn open(address: SocketAddr, shape: Shape) -> Result<Self, Failure> {
        let mut audience = Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            lines: Vec::with_capacity(shape.connections + 1),
            streams: shape.streams as u64,
            template: Template::new(shape.payload_bytes, true),
            record: Record {
                books: Books::new(shape.streams, shape.window, false),
                finder: SequenceFinder::default(),
                subscribed: 0,
                published: 0,
            },
        };
        let per_connection = shape.streams.div_ceil(shape.connections.max(1));
        if per_connection > STREAMS_PER_CONNECTION_MAX {
            return Err(Failure::new(format!(
                "{per_connection} streams on a connection; any server allows \
                 {STREAMS_PER_CONNECTION_MAX}"
            )));
        }
        let mut unplaced = shape.streams;
        for _ in 0..shape.connections {
            let here = unplaced.min(per_connection);
            unplaced -= here;
            audience.connect(address, here)?;
        }
        audience.connect_publisher(address)?;
        audience.pump_until("streams are subscribed", |audience| {
            audience.record.subscribed >= shape.streams
        })?;
        Ok(audience)
    }

    fn connect(&mut self, address: SocketAddr, streams: usize) -> Result<(), Failure> {
        let mut connection = self.line(address)?;
        let subscribe = message::subscribe();
        for _ in 0..streams {
            let stream = connection.call();
            connection.say(stream, &subscribe, false);
        }
        connection.flush()?;
        let listeners = (0..streams).map(|_| Listener::default()).collect();
        self.lines.push(Line {
            connection,
            listeners,
        });
        Ok(())
    }

    fn connect_publisher(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let mut connection = self.line(address)?;
        connection.call();
        connection.flush()?;
        let listener = Listener {
            is_publisher: true,
            ..Listener::default()
        };
        self.lines.push(Line {
            connection,
            listeners: vec![listener],
        });
        Ok(())
    }

    fn line(&self, address: SocketAddr) -> Result<Connection, Failure> {
        let index = self.lines.len();
        Connection::connect(address, STREAM, index, self.poll.registry(), Token(index))
    }

    fn publisher(&mut self) -> &mut Connection {
        let last = self.lines.len() - 1;
        &mut self.lines[last].connection
    }

    /// How many streams listen.
    pub(crate) fn streams(&self) -> u64 {
        self.streams
    }

    /// Bytes of an event's message, without its prefix.
    pub(crate) fn message_bytes(&self) -> usize {
        self.record.books.frame_bytes()
    }

    /// Publishes `events` and keeps `window` of them in flight, each until the last stream has heard
    /// it. Gives the time until then; the publisher has its answers, too, on return.
    pub(crate) fn publish(&mut self, events: u64, window: u64) -> Result<Duration, Failure> {
        let goal = self.record.books.started() + events;
        let start = Instant::now();
        while self.record.books.finished() < goal {
            let books = &mut self.record.books;
            let room = books.finished() + window - books.started();
            let due = room.min(goal - books.started());
            if due > 0 {
                for _ in 0..due {
                    let sequence = self.record.books.started();
                    self.record.books.start();
                    let last = self.lines.len() - 1;
                    let publisher = &mut self.lines[last].connection;
                    publisher.say(1, self.template.numbered(sequence), false);
                }
                self.publisher().flush()?;
            }
            let before = self.record.books.finished();
            self.pump_until("every stream has heard", |audience| {
                audience.record.books.finished() > before
            })?;
        }
        let elapsed = start.elapsed();
        self.pump_until("publishes are answered", |audience| {
            audience.record.published >= goal
        })?;
        Ok(elapsed)
    }
}

impl Pump for StreamAudience {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        for event in &self.events {
            let Token(index) = event.token();
            let is_closed = event.is_read_closed() || event.is_error();
            let line = &mut self.lines[index];
            let (listeners, record) = (&mut line.listeners, &mut self.record);
            let heard = line
                .connection
                .ready(is_closed, &mut self.scratch, |stream, heard| {
                    let place = (stream / 2) as usize;
                    let listener = listeners.get_mut(place).ok_or("is not ours");
                    let told = listener
                        .map_err(str::to_owned)
                        .and_then(|listener| listener.hear(heard, record));
                    told.map_err(|why| format!("stream {stream}: {why}"))
                });
            heard.map_err(|why| Failure::new(format!("connection {index}: {why}")))?;
        }
        Ok(())
    }

    fn progress(&self) -> String {
        let Record {
            books,
            subscribed,
            published,
            ..
        } = &self.record;
        format!(
            "of {} streams {subscribed} are subscribed; of {} events {published} were answered and {} heard by all",
            self.streams,
            books.started(),
            books.finished()
        )
    }
}

impl Listener {
    fn hear(&mut self, heard: Heard<'_>, record: &mut Record) -> Result<(), String> {
        let bytes = data(heard)?;
        let is_publisher = self.is_publisher;
        let (is_subscribed, heard) = (&mut self.is_subscribed, &mut self.heard);
        self.reader.feed(bytes, |message| match parse(message)? {
            Told::Published if is_publisher => {
                record.published += 1;
                Ok(())
            }
            Told::Subscribed => {
                if std::mem::replace(is_subscribed, true) {
                    return Err("is subscribed twice".to_owned());
                }
                record.subscribed += 1;
                Ok(())
            }
            Told::Event(event) => {
                let found = record.finder.find(event);
                if found != Some(*heard) {
                    return Err(format!("expected event {heard}, heard {found:?}"));
                }
                let counted = Counted {
                    bytes: message.len(),
                    kept: None,
                };
                record.books.enter(*heard, counted)?;
                *heard += 1;
                Ok(())
            }
            other => Err(format!("heard {other:?}")),
        })
    }
}

fn data(heard: Heard<'_>) -> Result<&[u8], String> {
    match heard {
        Heard::Data(bytes) => Ok(bytes),
        Heard::Ended => Err("the server ended it".to_owned()),
        Heard::Reset(code) => Err(format!("the server reset it, code {code}")),
    }
}

/// Reads a message, and takes an error of the server for one.
fn parse(message: &[u8]) -> Result<Told<'_>, String> {
    match Told::parse(message) {
        Some(Told::Error(error)) => Err(String::from_utf8_lossy(error).into_owned()),
        Some(told) => Ok(told),
        None => Err("a message is not protocol buffers".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the listener says to these events, told by a server that repeats what was published.
    fn hear(sequences: &[u64]) -> Result<u64, String> {
        let mut record = Record {
            books: Books::new(1, 4, false),
            finder: SequenceFinder::default(),
            subscribed: 0,
            published: 0,
        };
        (0..4).for_each(|_| record.books.start());
        let (mut listener, mut template) = (Listener::default(), Template::new(128, false));
        for &sequence in sequences {
            let message = message::told_event(template.numbered(sequence));
            listener.hear(Heard::Data(&message), &mut record)?;
        }
        Ok(record.books.finished())
    }

    #[test]
    fn every_event_comes_once_and_in_order() {
        assert_eq!(hear(&[0, 1, 2, 3]), Ok(4));
        for (wrong, sequences) in [
            ("lost", &[0, 2][..]),
            ("twice", &[0, 0]),
            ("swapped", &[1, 0]),
            ("never published", &[0, 1, 2, 3, 4]),
        ] {
            assert!(hear(sequences).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stream_that_is_over_is_noticed() {
        assert!(data(Heard::Ended).is_err());
        assert!(data(Heard::Reset(7)).is_err());
    }
}

//! A publisher and thousands of WebSocket subscribers on one thread, and what is in flight between.
//!
//! Like [`Swarm`](crate::swarm::Swarm), but frames are counted and not read: with several events in
//! one write the server needs a fraction of a microsecond for each, and must stay the one that works.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use hdrhistogram::Histogram;

use crate::books::Books;
use crate::failure::{During, Failure};
use crate::frames::FrameCounter;
use crate::http::Head;
use crate::pipeline::{Form, Pipeline};
use crate::schedule::{Load, Schedule, histogram, nanos};
use crate::swarm::{OPEN_BATCH, WAIT_TIMEOUT, connect, send};
use crate::websocket;

/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 1_024;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;
/// One subscriber of so many keeps its frames, so that their contents can be compared.
const KEPT_EVERY: usize = 100;
/// The longest frame that only shows that the server lives: `{"action":"heartbeat","data":{"next":12}}`. No event is
/// as short.
const HEARTBEAT_FRAME_BYTES_MAX: usize = 64;
/// The publisher's, where subscribers have their index.
const PUBLISHER: Token = Token(usize::MAX - 1);

/// How a connection becomes one that is sent frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opening<'a> {
    /// A handshake for this path; then this message, if any, whose answer is waited for and has this
    /// word in it.
    WebSocket {
        path: &'a str,
        hello: Option<&'a str>,
        answer: &'a str,
        /// Frames that the server sends by itself before that answer.
        unasked: u64,
    },
    /// By a request that nobody answers: the floor's sender only sends frames.
    Raw,
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    /// A handshake's answer as far as it has come; `None` once frames follow.
    head: Option<Vec<u8>>,
    counter: FrameCounter,
    /// Frames since counting began.
    heard: u64,
}

/// The subscribers, and the publisher if there is one.
#[derive(Debug)]
pub(crate) struct Audience {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    replies: Vec<u8>,
    peers: Vec<Peer>,
    publisher: Option<Pipeline>,
    books: Books,
    /// Handshakes that were accepted.
    opened: usize,
    /// Subscribers whose first frame has come, until counting begins.
    greeted: usize,
    is_counting: bool,
    /// When events are due and how long after that they were heard, while that is measured.
    timed: Option<(Schedule, Histogram<u64>)>,
    /// Frames before the answer to a first message.
    unasked: u64,
    /// What the answers to first messages have in them, as far as frames are kept.
    answer: String,
}

impl Audience {
    /// Connects `count` subscribers, of which at most `window` events will be in flight.
    pub(crate) fn open(
        address: SocketAddr,
        opening: Opening<'_>,
        count: usize,
        window: usize,
    ) -> Result<Self, Failure> {
        let is_raw = matches!(opening, Opening::Raw);
        let mut audience = Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            replies: Vec::new(),
            peers: Vec::with_capacity(count),
            publisher: None,
            books: Books::new(count, window, !is_raw),
            opened: 0,
            greeted: 0,
            is_counting: false,
            timed: None,
            unasked: 0,
            answer: String::new(),
        };
        let (path, fields) = match opening {
            Opening::WebSocket {
                path,
                answer,
                unasked,
                ..
            } => {
                answer.clone_into(&mut audience.answer);
                audience.unasked = unasked;
                (path, websocket::handshake_fields())
            }
            Opening::Raw => ("/", String::new()),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n");
        for index in 0..count {
            let mut stream = TcpStream::from_std(connect(address, index)?);
            let registry = audience.poll.registry();
            registry
                .register(&mut stream, Token(index), Interest::READABLE)
                .during("watching a socket")?;
            send(&mut stream, request.as_bytes())?;
            audience.peers.push(Peer {
                stream,
                head: (!is_raw).then(Vec::new),
                counter: FrameCounter::new(index % KEPT_EVERY == 0),
                heard: 0,
            });
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                audience.pump(Duration::ZERO)?;
            }
        }
        if let Opening::WebSocket { hello, .. } = opening {
            audience.greet(hello)?;
        }
        for peer in &mut audience.peers {
            peer.heard = 0;
        }
        audience.is_counting = true;
        Ok(audience)
    }

    fn greet(&mut self, hello: Option<&str>) -> Result<(), Failure> {
        let count = self.peers.len();
        self.pump_until("subscribers are accepted", |audience| {
            audience.opened >= count
        })?;
        let Some(hello) = hello else { return Ok(()) };
        let mut message = Vec::new();
        websocket::encode_text(hello, &mut message);
        for peer in &mut self.peers {
            send(&mut peer.stream, &message)?;
        }
        self.pump_until("first messages are answered", |audience| {
            audience.greeted >= count
        })
    }

    /// Connects the publisher.
    pub(crate) fn attach(&mut self, address: SocketAddr, form: Form) -> Result<(), Failure> {
        let registry = self.poll.registry();
        self.publisher = Some(Pipeline::connect(address, form, registry, PUBLISHER)?);
        Ok(())
    }

    /// How many subscribers there are.
    pub(crate) fn subscribers(&self) -> u64 {
        self.peers.len() as u64
    }

    /// The publisher's receives so far that brought answers.
    pub(crate) fn answer_reads(&self) -> u64 {
        self.publisher.as_ref().map_or(0, Pipeline::reads)
    }

    /// What was heard, and is to be.
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Publishes `events` and keeps `window` of them in flight, each until the last subscriber has
    /// heard it. Gives the time until then; the publisher has its answers, too, on return.
    pub(crate) fn publish(&mut self, events: u64, window: u64) -> Result<Duration, Failure> {
        let goal = self.books.started() + events;
        let start = Instant::now();
        while self.books.finished() < goal {
            let room = self.books.finished() + window - self.books.started();
            let due = room.min(goal - self.books.started());
            if due > 0 {
                self.start(due)?;
            }
            let before = self.books.finished();
            self.pump_until("every subscriber has heard", |audience| {
                audience.books.finished() > before
            })?;
        }
        let elapsed = start.elapsed();
        self.pump_until("publishes are answered", |audience| {
            let publisher = audience.publisher.as_ref();
            publisher.is_none_or(Pipeline::is_answered)
        })?;
        Ok(elapsed)
    }

    /// Publishes `events` at `rate` per second, each when it is due, whatever was heard of those before; gives what
    /// came of it once the last subscriber has heard the last one.
    pub(crate) fn publish_at(&mut self, rate: u64, events: u64) -> Result<Load, Failure> {
        self.try_publish_at(rate, events)?.ok_or_else(|| {
            Failure::new(format!(
                "fell behind: at {rate} events/s too many were on their way"
            ))
        })
    }

    /// The same, which gives nothing if the subscribers fall behind: publishing ends when too many events are on their
    /// way, and those are heard.
    pub(crate) fn try_publish_at(
        &mut self,
        rate: u64,
        events: u64,
    ) -> Result<Option<Load>, Failure> {
        let schedule = Schedule {
            first: self.books.started(),
            start: Instant::now(),
            rate,
        };
        self.timed = Some((schedule, histogram()?));
        let mut lags = histogram()?;
        let end = schedule.first + events;
        while self.books.started() < end {
            let (first, now) = (self.books.started(), Instant::now());
            let due = (first..end).take_while(|&event| schedule.due(event) <= now);
            let due = due
                .inspect(|&event| lags.saturating_record(nanos(now - schedule.due(event))))
                .count() as u64;
            if first + due - self.books.finished() > self.books.window() {
                self.timed = None;
                self.hear()?;
                return Ok(None);
            }
            if due > 0 {
                self.start(due)?;
            }
            // epoll counts in milliseconds, which is too coarse to wait for the next one.
            self.pump(Duration::ZERO)?;
        }
        self.hear()?;
        let elapsed = schedule.start.elapsed();
        let timed = self.timed.take();
        let latencies = timed.map_or_else(histogram, |(_, latencies)| Ok(latencies))?;
        Ok(Some(Load {
            elapsed,
            latencies,
            lags,
        }))
    }

    /// Publishes so many events, which will be heard.
    fn start(&mut self, events: u64) -> Result<(), Failure> {
        let first = self.books.started();
        self.expect(events);
        match &mut self.publisher {
            Some(publisher) => publisher.publish(first..first + events),
            None => Ok(()),
        }
    }

    /// So many more events will be heard.
    pub(crate) fn expect(&mut self, events: u64) {
        (0..events).for_each(|_| self.books.start());
    }

    /// Serves the subscribers until all have heard what is expected.
    pub(crate) fn hear(&mut self) -> Result<(), Failure> {
        self.pump_until("every subscriber has heard", |audience| {
            audience.books.finished() == audience.books.started()
        })
    }

    /// Serves the subscribers for a while.
    pub(crate) fn pump_for(&mut self, duration: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + duration;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.pump(left)?;
        }
    }

    fn pump_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !is_so(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (started, finished) = (self.books.started(), self.books.finished());
                return Err(Failure::new(format!(
                    "waited {WAIT_TIMEOUT:?} until {what}: of {} subscribers {} were accepted and \
                     {} answered; of {started} events all have heard {finished}",
                    self.peers.len(),
                    self.opened,
                    self.greeted
                )));
            }
            self.pump(left)?;
        }
        Ok(())
    }

    /// Waits at most `timeout` for sockets, and serves a batch of them.
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.during("waiting for sockets")?,
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let is_closed = event.is_read_closed() || event.is_error();
            match (event.token(), &mut self.publisher) {
                (PUBLISHER, Some(publisher)) => publisher.ready()?,
                (Token(index), _) => self
                    .recv(index, is_closed)
                    .map_err(|why| Failure::new(format!("subscriber {index}: {why}")))?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn recv(&mut self, index: usize, is_closed: bool) -> Result<(), String> {
        loop {
            let peer = &mut self.peers[index];
            let count = match peer.stream.read(&mut self.scratch) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.to_string()),
            };
            let received = &self.scratch[..count];
            let after_head;
            let frames = match peer.head.take() {
                None => received,
                Some(mut head) => {
                    head.extend_from_slice(received);
                    let Some(used) = accepted(&head)? else {
                        peer.head = Some(head);
                        continue;
                    };
                    self.opened += 1;
                    after_head = head.split_off(used);
                    &after_head
                }
            };
            let (heard, books, timed) = (&mut peer.heard, &mut self.books, &mut self.timed);
            let now = timed.as_ref().map(|_| Instant::now());
            let mut entered = Ok(());
            let fed = peer.counter.feed(frames, &mut self.replies, |counted| {
                if counted.bytes <= HEARTBEAT_FRAME_BYTES_MAX && self.is_counting {
                    return;
                }
                if self.is_counting && entered.is_ok() {
                    entered = books.enter(*heard, counted);
                    if let (Some((schedule, latencies)), Some(now)) = (&mut *timed, now) {
                        latencies.saturating_record(nanos(now - schedule.due(*heard)));
                    }
                } else if *heard == self.unasked && !self.is_counting {
                    entered = is_answer(counted.kept, &self.answer);
                }
                *heard += 1;
                self.greeted += usize::from(*heard == self.unasked + 1 && !self.is_counting);
            });
            fed.map_err(|error| error.to_string())?;
            entered?;
            if !self.replies.is_empty() {
                let sent = peer.stream.write(&self.replies);
                if sent.map_err(|error| error.to_string())? < self.replies.len() {
                    return Err("the server does not read what it is sent".to_owned());
                }
                self.replies.clear();
            }
            // A short read has emptied the socket, unless its end is behind it (epoll(7), Q9).
            if count < self.scratch.len() && !is_closed {
                return Ok(());
            }
        }
    }
}

/// Fails if a first frame was kept and is not the answer that was wanted.
fn is_answer(frame: Option<&[u8]>, wanted: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(frame.unwrap_or(wanted.as_bytes()));
    if text.contains(wanted) {
        return Ok(());
    }
    Err(format!("the first message was answered {text}"))
}

/// The length of a whole answer that accepts the handshake.
fn accepted(bytes: &[u8]) -> Result<Option<usize>, String> {
    match Head::parse(bytes).map_err(|error| error.to_string())? {
        None => Ok(None),
        Some((head, used)) if websocket::is_accepted(&head) => Ok(Some(used)),
        Some((head, _)) => Err(format!("the handshake was answered {}", head.status)),
    }
}

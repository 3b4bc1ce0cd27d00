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
use crate::frames::{Counted, FrameCounter};
use crate::http::Head;
use crate::peer::fan_out::{Counter, Heard, Publishing, Running};
use crate::pipeline::Pipeline;
use crate::pump::{Pump, wait};
use crate::schedule::{Listeners, Load, Schedule, histogram, nanos};
use crate::swarm::{OPEN_BATCH, connect, send};
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

/// How what a subscriber receives is taken apart.
#[derive(Debug)]
enum Ear {
    /// Our own frames, or the floor's.
    Frames(FrameCounter),
    /// What somebody else's server sends.
    Peer(Box<dyn Counter>),
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    /// A handshake's answer as far as it has come; `None` once frames follow.
    head: Option<Vec<u8>>,
    ear: Ear,
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
    /// Bytes that pad each of its payloads.
    padding: usize,
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
        let mut audience = Self::empty(count, window, !is_raw)?;
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
        audience.connect(address, count, request.as_bytes(), !is_raw, |index| {
            Ear::Frames(FrameCounter::new(index % KEPT_EVERY == 0))
        })?;
        if let Opening::WebSocket { hello, .. } = opening {
            let mut message = Vec::new();
            if let Some(hello) = hello {
                websocket::encode_text(hello, &mut message);
            }
            audience.greet(&message, hello.is_some())?;
        }
        audience.is_counting = true;
        Ok(audience)
    }

    /// The same for a peer.
    pub(crate) fn open_peer(
        peer: &dyn Running,
        count: usize,
        window: usize,
    ) -> Result<Self, Failure> {
        let subscribing = peer.subscribing();
        let mut audience = Self::empty(count, window, true)?;
        let (address, request) = (subscribing.address, subscribing.request());
        let has_head = subscribing.handshake.is_some();
        let ear = |_| Ear::Peer(peer.counter());
        audience.connect(address, count, &request, has_head, ear)?;
        if !has_head {
            audience.opened = count;
        }
        audience.greet(&subscribing.hello, subscribing.is_confirmed)?;
        audience.is_counting = true;
        Ok(audience)
    }

    fn empty(count: usize, window: usize, has_sequence: bool) -> Result<Self, Failure> {
        Ok(Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            replies: Vec::new(),
            peers: Vec::with_capacity(count),
            publisher: None,
            padding: 0,
            books: Books::new(count, window, has_sequence),
            opened: 0,
            greeted: 0,
            is_counting: false,
            timed: None,
            unasked: 0,
            answer: String::new(),
        })
    }

    /// Connects everybody, with a request for each whose answer is a head if `has_head`.
    fn connect(
        &mut self,
        address: SocketAddr,
        count: usize,
        request: &[u8],
        has_head: bool,
        ear: impl Fn(usize) -> Ear,
    ) -> Result<(), Failure> {
        for index in 0..count {
            let mut stream = TcpStream::from_std(connect(address, index)?);
            let registry = self.poll.registry();
            registry
                .register(&mut stream, Token(index), Interest::READABLE)
                .during("watching a socket")?;
            if !request.is_empty() {
                send(&mut stream, request)?;
            }
            self.peers.push(Peer {
                stream,
                head: has_head.then(Vec::new),
                ear: ear(index),
                heard: 0,
            });
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                self.pump(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Waits until everybody is accepted, sends the first message, and waits for its answer if there is one.
    fn greet(&mut self, hello: &[u8], is_answered: bool) -> Result<(), Failure> {
        let count = self.peers.len();
        self.pump_until("subscribers are accepted", |audience| {
            audience.opened >= count
        })?;
        if !hello.is_empty() {
            for peer in &mut self.peers {
                send(&mut peer.stream, hello)?;
            }
        }
        if is_answered {
            self.pump_until("first messages are answered", |audience| {
                audience.greeted >= count
            })?;
        }
        for peer in &mut self.peers {
            peer.heard = 0;
        }
        Ok(())
    }

    /// Connects the publisher; payloads are padded with so many bytes.
    pub(crate) fn attach(
        &mut self,
        publishing: Box<dyn Publishing>,
        padding: usize,
    ) -> Result<(), Failure> {
        let publisher = Pipeline::open(publishing, self.poll.registry(), PUBLISHER)?;
        (self.publisher, self.padding) = (Some(publisher), padding);
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
        let load = self.try_publish_at(rate, events)?;
        load.ok_or_else(|| Schedule::fell_behind(rate))
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
        let lags = schedule.offer(self, events)?;
        self.hear()?;
        let elapsed = schedule.start.elapsed();
        let timed = self.timed.take();
        let latencies = timed.map_or_else(histogram, |(_, latencies)| Ok(latencies))?;
        Ok(lags.map(|lags| Load {
            elapsed,
            latencies,
            lags,
        }))
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
            let now = self.timed.as_ref().map(|_| Instant::now());
            let (books, timed) = (&mut self.books, &mut self.timed);
            let mut enter = |heard: u64, counted: Counted<'_>| {
                if let (Some((schedule, latencies)), Some(now)) = (&mut *timed, now) {
                    latencies.saturating_record(nanos(now - schedule.due(heard)));
                }
                books.enter(heard, counted)
            };
            let (heard, greeted, replies) = (&mut peer.heard, &mut self.greeted, &mut self.replies);
            let mut entered = Ok(());
            match &mut peer.ear {
                Ear::Frames(counter) => {
                    let fed = counter.feed(frames, replies, |counted| {
                        if counted.bytes <= HEARTBEAT_FRAME_BYTES_MAX && self.is_counting {
                            return;
                        }
                        if self.is_counting && entered.is_ok() {
                            entered = enter(*heard, counted);
                        } else if *heard == self.unasked && !self.is_counting {
                            entered = is_answer(counted.kept, &self.answer);
                        }
                        *heard += 1;
                        *greeted += usize::from(*heard == self.unasked + 1 && !self.is_counting);
                    });
                    fed.map_err(|error| error.to_string())?;
                }
                Ear::Peer(counter) => {
                    feed_peer(&mut **counter, frames, replies, heard, greeted, enter)?;
                }
            }
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

impl Listeners for Audience {
    fn started(&self) -> u64 {
        self.books.started()
    }

    fn finished(&self) -> u64 {
        self.books.finished()
    }

    fn in_flight_max(&self) -> u64 {
        self.books.window()
    }

    fn start(&mut self, events: u64) -> Result<(), Failure> {
        let first = self.books.started();
        self.expect(events);
        match &mut self.publisher {
            Some(publisher) => publisher.publish(first..first + events, self.padding),
            None => Ok(()),
        }
    }
}

impl Pump for Audience {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
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

    fn progress(&self) -> String {
        let (started, finished) = (self.books.started(), self.books.finished());
        format!(
            "of {} subscribers {} were accepted and {} answered; of {started} events all have heard {finished}",
            self.peers.len(),
            self.opened,
            self.greeted
        )
    }
}

/// Takes what a peer sent: confirmed subscriptions, and events, which come in order.
fn feed_peer(
    counter: &mut dyn Counter,
    bytes: &[u8],
    replies: &mut Vec<u8>,
    heard: &mut u64,
    greeted: &mut usize,
    mut enter: impl FnMut(u64, Counted<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut entered = Ok(());
    counter.feed(bytes, replies, &mut |found| match found {
        Heard::Subscribed => *greeted += 1,
        Heard::Event { number, bytes } if entered.is_ok() => {
            entered = if number == *heard {
                enter(number, Counted { bytes, kept: None })
            } else {
                Err(format!("expected event {heard}, heard {number}"))
            };
            *heard += 1;
        }
        Heard::Event { .. } => {}
    })?;
    entered
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

//! Thousands of listeners on one thread, each entitled to some of the events, and those who publish them.
//!
//! Unlike [`Audience`](crate::audience::Audience), where all hear the same and counting is enough, every message is
//! looked at: the [`Ledger`] says who may hear it. The latency of an event ends when the last one has heard it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::ear::{Ear, Heard};
use crate::failure::{During, Failure};
use crate::frames::sequence;
use crate::ledger::Ledger;
use crate::pipeline::{HttpPublishing, Pipeline};
use crate::pump::{Pump, wait};
use crate::schedule::{Listeners, Load, Schedule, histogram, nanos};
use crate::swarm::{OPEN_BATCH, connect, drain, send};
use crate::websocket;

/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 1_024;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;
/// Events that may be on their way before a server is said to have fallen behind.
const IN_FLIGHT_MAX: u64 = 1 << 16;
/// Publishers have tokens from here on, where listeners have their index.
const PUBLISHERS: usize = 1 << 32;

/// What is published, event by event.
pub(crate) trait Plan {
    /// Which group is entitled to it.
    fn group(&self, event: u64) -> usize;
    /// Where it is posted, and its body, which has the event's [`sequence_field`](crate::frames::sequence_field).
    fn request(&self, event: u64) -> (String, String);
}

/// How a listener begins.
#[derive(Debug)]
pub(crate) struct Opening {
    /// How it listens, and its first request.
    pub(crate) ear: (Ear, Vec<u8>),
    /// Its group.
    pub(crate) group: usize,
    /// Its first message once it is open.
    pub(crate) hello: Option<String>,
    /// Messages that come before events do: what the server says by itself, and its answer to the first message.
    pub(crate) greetings: u32,
    /// A word in the last of these.
    pub(crate) answer: &'static str,
    /// Whether the server says when it is open; nobody says so to a poll.
    pub(crate) is_told: bool,
}

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    ear: Ear,
    /// How many greetings are to come, and a word in the last.
    greetings: u32,
    answer: &'static str,
}

/// The listeners, and the publishers.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    replies: Vec<u8>,
    peers: Vec<Peer>,
    /// A group's events are published by one of them, so that they stay in order.
    publishers: Vec<Pipeline<HttpPublishing>>,
    plan: Box<dyn Plan>,
    ledger: Ledger,
    /// Listeners that were told that they are open, and that had all their greetings.
    opened: usize,
    greeted: usize,
    /// When events are due; without it, when they are published.
    schedule: Option<Schedule>,
    latencies: Histogram<u64>,
    /// Time that this thread worked, as opposed to looking for work.
    worked: Duration,
}

impl Crowd {
    /// Connects listeners and publishers.
    pub(crate) fn open(
        address: SocketAddr,
        openings: Vec<Opening>,
        publishers: usize,
        plan: Box<dyn Plan>,
    ) -> Result<Self, Failure> {
        let mut crowd = Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            replies: Vec::new(),
            peers: Vec::with_capacity(openings.len()),
            publishers: Vec::with_capacity(publishers),
            plan,
            ledger: Ledger::new(openings.iter().map(|opening| opening.group)),
            opened: 0,
            greeted: 0,
            schedule: None,
            latencies: histogram()?,
            worked: Duration::ZERO,
        };
        let told = openings.iter().filter(|opening| opening.is_told).count();
        let greeting = openings.iter().filter(|opening| opening.greetings > 0);
        let greeting = greeting.count();
        let mut hellos = Vec::new();
        for (index, opening) in openings.into_iter().enumerate() {
            hellos.extend(opening.hello.as_ref().map(|hello| (index, hello.clone())));
            crowd.admit(address, opening)?;
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                crowd.pump(Duration::ZERO)?;
            }
        }
        crowd.pump_until("listeners are accepted", |crowd| crowd.opened >= told)?;
        for (count, (index, hello)) in hellos.into_iter().enumerate() {
            let mut message = Vec::new();
            websocket::encode_text(&hello, &mut message);
            send(&mut crowd.peers[index].stream, &message)?;
            if count % OPEN_BATCH == OPEN_BATCH - 1 {
                crowd.pump(Duration::ZERO)?;
            }
        }
        crowd.pump_until("first messages are answered", |crowd| {
            crowd.greeted >= greeting
        })?;
        for index in 0..publishers.max(1) {
            let (registry, token) = (crowd.poll.registry(), Token(PUBLISHERS + index));
            // Each event says where it is posted.
            let publishing = Box::new(HttpPublishing::new(address, "/"));
            let publisher = Pipeline::open(publishing, registry, token)?;
            crowd.publishers.push(publisher);
        }
        Ok(crowd)
    }

    fn admit(&mut self, address: SocketAddr, opening: Opening) -> Result<(), Failure> {
        let index = self.peers.len();
        let (ear, request) = opening.ear;
        let mut stream = TcpStream::from_std(connect(address, index)?);
        let registry = self.poll.registry();
        registry
            .register(&mut stream, Token(index), Interest::READABLE)
            .during("watching a socket")?;
        send(&mut stream, &request)?;
        self.peers.push(Peer {
            stream,
            ear,
            greetings: opening.greetings,
            answer: opening.answer,
        });
        Ok(())
    }

    /// Times so far that an event was heard by somebody.
    pub(crate) fn deliveries(&self) -> u64 {
        self.ledger.deliveries()
    }

    /// How long this thread has worked so far, as opposed to looking for work.
    pub(crate) fn worked(&self) -> Duration {
        self.worked
    }

    /// Publishes `events` and keeps `window` of them in flight, each until the last one has heard it.
    pub(crate) fn publish(&mut self, events: u64, window: u64) -> Result<Load, Failure> {
        self.latencies = histogram()?;
        let (goal, start) = (self.ledger.started() + events, Instant::now());
        while self.ledger.finished() < goal {
            let room = self.ledger.finished() + window - self.ledger.started();
            let due = room.min(goal - self.ledger.started());
            if due > 0 {
                self.start(due)?;
            }
            let before = self.ledger.finished();
            self.pump_until("everyone has heard who is to", |crowd| {
                crowd.ledger.finished() > before
            })?;
        }
        self.load(start, histogram()?)
    }

    /// Publishes `events` at `rate` per second, each when it is due, and serves everyone until the last was heard.
    pub(crate) fn publish_at(&mut self, rate: u64, events: u64) -> Result<Load, Failure> {
        self.latencies = histogram()?;
        let schedule = Schedule {
            first: self.ledger.started(),
            start: Instant::now(),
            rate,
        };
        self.schedule = Some(schedule);
        let lags = schedule.offer(self, events)?;
        let lags = lags.ok_or_else(|| Schedule::fell_behind(rate))?;
        self.pump_until("everyone has heard who is to", |crowd| {
            crowd.ledger.finished() == crowd.ledger.started()
        })?;
        self.schedule = None;
        self.load(schedule.start, lags)
    }

    /// What was heard by now; publishers have their answers, too, on return.
    fn load(&mut self, start: Instant, lags: Histogram<u64>) -> Result<Load, Failure> {
        let elapsed = start.elapsed();
        self.pump_until("publishes are answered", |crowd| {
            crowd.publishers.iter().all(Pipeline::is_answered)
        })?;
        let latencies = std::mem::replace(&mut self.latencies, histogram()?);
        Ok(Load {
            elapsed,
            latencies,
            lags,
        })
    }

    fn recv(&mut self, index: usize, is_closed: bool) -> Result<(), String> {
        let Self {
            peers,
            ledger,
            scratch,
            replies,
            latencies,
            opened,
            greeted,
            ..
        } = self;
        let Peer {
            stream,
            ear,
            greetings,
            answer,
        } = &mut peers[index];
        drain(stream, is_closed, scratch, replies, |bytes, replies| {
            let now = Instant::now();
            ear.feed(bytes, replies, &mut |heard, _| match heard {
                Heard::Opened => {
                    *opened += 1;
                    Ok(())
                }
                Heard::Message(message) if *greetings > 0 => {
                    *greetings -= 1;
                    *greeted += usize::from(*greetings == 0);
                    is_answer(message, if *greetings == 0 { answer } else { "" })
                }
                Heard::Message(message) => {
                    let Some(event) = sequence(message) else {
                        return is_answer(message, "heartbeat");
                    };
                    if let Some(due) = ledger.enter(index, event)? {
                        latencies.saturating_record(nanos(now - due));
                    }
                    Ok(())
                }
            })
        })
    }
}

impl Listeners for Crowd {
    fn started(&self) -> u64 {
        self.ledger.started()
    }

    fn finished(&self) -> u64 {
        self.ledger.finished()
    }

    fn in_flight_max(&self) -> u64 {
        IN_FLIGHT_MAX
    }

    fn start(&mut self, events: u64) -> Result<(), Failure> {
        let (first, now) = (self.ledger.started(), Instant::now());
        let publishers = self.publishers.len();
        for event in first..first + events {
            let group = self.plan.group(event);
            let due = self.schedule.map_or(now, |schedule| schedule.due(event));
            self.ledger.start(group, due).map_err(Failure::new)?;
            let (path, body) = self.plan.request(event);
            self.publishers[group % publishers].post(&path, &body);
        }
        self.publishers.iter_mut().try_for_each(Pipeline::flush)?;
        self.worked += now.elapsed();
        Ok(())
    }
}

// What is heard while nothing is published was heard before, or is for others, and a failure.
impl Pump for Crowd {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        if self.events.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let is_closed = event.is_read_closed() || event.is_error();
            let Token(index) = event.token();
            match index.checked_sub(PUBLISHERS) {
                Some(publisher) => self.publishers[publisher].ready()?,
                None => self
                    .recv(index, is_closed)
                    .map_err(|why| Failure::new(format!("listener {index}: {why}")))?,
            }
        }
        self.events = events;
        self.worked += start.elapsed();
        Ok(())
    }

    fn progress(&self) -> String {
        let (started, finished) = (self.ledger.started(), self.ledger.finished());
        format!(
            "of {} listeners {} were accepted and {} answered; of {started} events {finished} were heard by all",
            self.peers.len(),
            self.opened,
            self.greeted
        )
    }
}

/// Fails unless this word is in a message.
fn is_answer(message: &[u8], wanted: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(message);
    if text.contains(wanted) {
        return Ok(());
    }
    Err(format!("told {text}"))
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;

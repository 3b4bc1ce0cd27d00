//! Thousands of subscribers on one thread, and those who publish to them: sockets, one epoll, a
//! [`Voice`] for what each connection says, and a [`DeliveryCheck`] for what they are to hear.
//!
//! One receive per message and no allocation while messages arrive whole, so that the server is the
//! one that works. Voice and check are type parameters: nothing is looked up for each delivery.
//! [`churn`] lets subscribers leave and come back.

pub(crate) mod churn;
pub(crate) mod kinds;

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::check::{DeliveryCheck, InFlight};
use crate::failure::{During, Failure};
use crate::fault::Fault;
use crate::load::{Load, Schedule, Subscribed, Timing, keep_in_flight};
use crate::publisher::{Publisher, Publishing};
use crate::pump::Pump;
use crate::sockets::{OPEN_BATCH, Sockets, connect, send};
use crate::voice::{Heard, Voice};

/// Publishers have tokens from here on, where connections have their index.
const PUBLISHERS: usize = 1 << 32;

/// A connection, and the subscriber or subscribers on it.
#[derive(Debug)]
struct Subscriber<V> {
    /// `None` while it is away.
    stream: Option<TcpStream>,
    voice: V,
    /// The first subscriber on it.
    first: usize,
    /// Subscribers on it that do not listen yet.
    pending: usize,
    /// Its first request is still to be sent.
    is_greeting: bool,
    is_reading: bool,
}

/// Subscribers of one server, and its publishers.
pub(crate) struct Fleet<V, C> {
    address: SocketAddr,
    sockets: Sockets,
    replies: Vec<u8>,
    subscribers: Vec<Subscriber<V>>,
    publishers: Vec<Publisher>,
    check: C,
    timing: Timing,
    /// Subscribers that have a connection and do not listen yet.
    pending: usize,
    /// What the first subscriber received last.
    sample: Vec<u8>,
    received_bytes: u64,
    worked: Duration,
}

impl<V: Voice, C: DeliveryCheck> Fleet<V, C> {
    /// Subscribers who are all away.
    pub(crate) fn new(
        address: SocketAddr,
        voices: impl IntoIterator<Item = V>,
        check: C,
    ) -> Result<Self, Failure> {
        let mut count = 0;
        let subscriber = |voice: V| {
            let first = count;
            count += voice.subscribers();
            Subscriber {
                stream: None,
                voice,
                first,
                pending: 0,
                is_greeting: false,
                is_reading: true,
            }
        };
        Ok(Self {
            address,
            sockets: Sockets::new()?,
            replies: Vec::new(),
            subscribers: voices.into_iter().map(subscriber).collect(),
            publishers: Vec::new(),
            check,
            timing: Timing::new()?,
            pending: 0,
            sample: Vec::new(),
            received_bytes: 0,
            worked: Duration::ZERO,
        })
    }

    /// Connects subscribers, and returns when all of them listen.
    pub(crate) fn open(
        address: SocketAddr,
        voices: impl IntoIterator<Item = V>,
        check: C,
    ) -> Result<Self, Failure> {
        let mut fleet = Self::new(address, voices, check)?;
        for index in 0..fleet.subscribers.len() {
            fleet.admit(index, connect(address, index)?, Interest::READABLE)?;
            fleet.greet(index)?;
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                fleet.pump(Duration::ZERO)?;
            }
        }
        fleet.pump_until("everybody listens", |fleet| fleet.pending == 0)?;
        Ok(fleet)
    }

    /// Connects one more publisher; payloads are padded with so many bytes.
    pub(crate) fn attach(
        &mut self,
        address: SocketAddr,
        publishing: Box<dyn Publishing>,
        padding: usize,
    ) -> Result<(), Failure> {
        let token = Token(PUBLISHERS + self.publishers.len());
        let publisher = Publisher::open(address, publishing, padding, &self.sockets, token, 0)?;
        self.publishers.push(publisher);
        Ok(())
    }

    /// How many subscribers there are, present or away.
    pub(crate) fn count(&self) -> u64 {
        let last = self.subscribers.last();
        last.map_or(0, |last| last.first + last.voice.subscribers()) as u64
    }

    /// What was heard, and is to be.
    pub(crate) fn check(&self) -> &C {
        &self.check
    }

    /// What was heard, for good.
    pub(crate) fn into_check(self) -> C {
        self.check
    }

    /// The bytes that the first subscriber received last.
    pub(crate) fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Bytes that all have received.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// How long this thread has worked so far, as opposed to looking for work, if the check wants
    /// to know.
    pub(crate) fn worked(&self) -> Duration {
        self.worked
    }

    /// The publishers' receives so far that brought answers.
    pub(crate) fn answer_reads(&self) -> u64 {
        self.publishers.iter().map(Publisher::reads).sum()
    }

    /// Sends every subscriber's first request once more.
    pub(crate) fn ask_again(&mut self) -> Result<(), Failure> {
        for subscriber in &mut self.subscribers {
            subscriber.voice.hello(&mut self.replies);
            if let Some(stream) = &mut subscriber.stream {
                send(stream, &self.replies)?;
            }
            self.replies.clear();
        }
        Ok(())
    }

    /// Gives a subscriber its connection.
    fn admit(
        &mut self,
        index: usize,
        mut stream: TcpStream,
        interest: Interest,
    ) -> Result<(), Failure> {
        self.sockets.watch(&mut stream, Token(index), interest)?;
        let subscriber = &mut self.subscribers[index];
        subscriber.stream = Some(stream);
        subscriber.pending = subscriber.voice.subscribers();
        subscriber.is_greeting = true;
        self.pending += subscriber.pending;
        Ok(())
    }

    /// Sends the first request on a connection that is established, and fails if it is not.
    fn greet(&mut self, index: usize) -> Result<(), Failure> {
        let what = "connecting to the server";
        let subscriber = &mut self.subscribers[index];
        let Some(stream) = &mut subscriber.stream else {
            return Ok(());
        };
        if let Some(error) = stream.take_error().during(what)? {
            return Err(error).during(what);
        }
        subscriber.is_greeting = false;
        subscriber.voice.hello(&mut self.replies);
        if !self.replies.is_empty() {
            send(stream, &self.replies)?;
            self.replies.clear();
        }
        if subscriber.voice.is_silent() {
            self.pending -= std::mem::take(&mut subscriber.pending);
            self.timing.received();
            for place in 0..subscriber.voice.subscribers() {
                let index = subscriber.first + place;
                let heard = self.check.heard(index, Heard::Opened, &mut self.timing);
                heard.map_err(Failure::new)?;
            }
        }
        Ok(())
    }

    /// Lets a subscriber close its connection.
    pub(crate) fn leave(&mut self, index: usize) {
        let subscriber = &mut self.subscribers[index];
        if subscriber.stream.take().is_some() {
            self.pending -= std::mem::take(&mut subscriber.pending);
            for place in 0..subscriber.voice.subscribers() {
                self.check.left(subscriber.first + place);
            }
        }
    }

    /// Takes what a subscriber is sent, as long as it reads.
    fn recv(&mut self, index: usize, is_closed: bool) -> Result<(), Failure> {
        let fault = loop {
            let subscriber = &mut self.subscribers[index];
            let stream = subscriber.stream.as_mut();
            let Some(stream) = stream.filter(|_| subscriber.is_reading) else {
                return Ok(());
            };
            let received = match stream.read(&mut self.sockets.scratch) {
                Ok(0) => break (0, "the server closed the connection".to_owned()),
                Ok(count) => &self.sockets.scratch[..count],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // Reset: the server did not wait for what was on its way to it.
                Err(error) => break (0, error.to_string()),
            };
            self.received_bytes += received.len() as u64;
            if index == 0 {
                self.sample.clear();
                self.sample.extend_from_slice(received);
            }
            let (check, timing, first) = (&mut self.check, &mut self.timing, subscriber.first);
            let (pending, all_pending) = (&mut subscriber.pending, &mut self.pending);
            timing.received();
            let mut each = |place: usize, heard: Heard<'_>| {
                if matches!(heard, Heard::Opened) && *pending > 0 {
                    *pending -= 1;
                    *all_pending -= 1;
                }
                check.heard(first + place, heard, timing)
            };
            let fed = subscriber
                .voice
                .feed(received, &mut self.replies, &mut each);
            match fed {
                Ok(()) => {}
                Err(Fault::Closed(code)) => break (code, Fault::Closed(code).to_string()),
                Err(Fault::Broken(why)) => return Err(blame(index, &why)),
            }
            let is_short = received.len() < self.sockets.scratch.len();
            if !self.replies.is_empty() {
                send(stream, &self.replies).map_err(|why| blame(index, &why.to_string()))?;
                self.replies.clear();
            }
            // A short read has emptied the socket, unless its end is behind it (epoll(7), Q9).
            if is_short && !is_closed {
                return Ok(());
            }
        };
        self.ended(index, fault.0, &fault.1)
    }

    /// The server ended a connection.
    fn ended(&mut self, index: usize, code: u16, why: &str) -> Result<(), Failure> {
        self.replies.clear();
        let Subscriber { first, voice, .. } = &self.subscribers[index];
        for place in 0..voice.subscribers() {
            let ended = self.check.ended(first + place, code, why);
            ended.map_err(|why| blame(index, &why))?;
        }
        self.leave(index);
        Ok(())
    }

    fn is_answered(&self) -> bool {
        let mut publishers = self.publishers.iter();
        publishers.all(|publisher| publisher.unanswered() == 0)
    }
}

fn blame(index: usize, why: &str) -> Failure {
    Failure::new(format!("subscriber {index}: {why}"))
}

impl<V: Voice, C: InFlight> Fleet<V, C> {
    /// Publishes `events` and keeps `window` of them in flight, each until the last subscriber has
    /// heard it.
    pub(crate) fn publish(&mut self, events: u64, window: u64) -> Result<Load, Failure> {
        let start = Instant::now();
        keep_in_flight(self, events, window)?;
        let load = self.timing.end(start, None);
        self.pump_until("publishes are answered", Self::is_answered)?;
        load
    }

    /// Publishes `events` at `rate` per second, each when it is due, whatever was heard of those
    /// before; returns what came of it once the last subscriber has heard the last one.
    pub(crate) fn publish_at(&mut self, rate: u64, events: u64) -> Result<Load, Failure> {
        let load = self.try_publish_at(rate, events)?;
        load.ok_or_else(|| Schedule::fell_behind(rate))
    }

    /// The same, which returns nothing if the subscribers fall behind: publishing ends when too
    /// many events are on their way, and those are heard.
    pub(crate) fn try_publish_at(
        &mut self,
        rate: u64,
        events: u64,
    ) -> Result<Option<Load>, Failure> {
        let schedule = Schedule {
            first: self.check.started(),
            start: Instant::now(),
            rate,
        };
        self.timing.begin(schedule);
        let lags = schedule.offer(self, events)?;
        self.hear()?;
        let has_kept_up = lags.is_some();
        let load = self.timing.end(schedule.start, lags)?;
        self.pump_until("publishes are answered", Self::is_answered)?;
        Ok(has_kept_up.then_some(load))
    }

    /// Serves the subscribers until all have heard what is on its way.
    pub(crate) fn hear(&mut self) -> Result<(), Failure> {
        self.pump_until("everyone has heard who is to", |fleet| {
            fleet.check.finished() == fleet.check.started()
        })
    }
}

impl<V: Voice, C: InFlight> Subscribed for Fleet<V, C> {
    fn started(&self) -> u64 {
        self.check.started()
    }

    fn finished(&self) -> u64 {
        self.check.finished()
    }

    fn in_flight_max(&self) -> u64 {
        self.check.in_flight_max()
    }

    /// Without publishers somebody else publishes them.
    fn start(&mut self, events: u64) -> Result<(), Failure> {
        let now = Instant::now();
        for _ in 0..events {
            let due = self.timing.due(self.check.started()).unwrap_or(now);
            let (publisher, sequence) = self.check.start(due).map_err(Failure::new)?;
            if let Some(publisher) = self.publishers.get_mut(publisher) {
                publisher.add(sequence);
            }
        }
        let published = self.publishers.iter_mut().try_for_each(Publisher::publish);
        if C::TIMES_WORK {
            self.worked += now.elapsed();
        }
        published
    }
}

// What is heard while nothing is published was heard before, or is for others, and a failure.
impl<V: Voice, C: DeliveryCheck> Pump for Fleet<V, C> {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        let events = self.sockets.wait(timeout)?;
        let start = (C::TIMES_WORK && !events.is_empty()).then(Instant::now);
        for event in &events {
            let Token(index) = event.token();
            if let Some(publisher) = index.checked_sub(PUBLISHERS) {
                // One that was let go may have had something to say.
                if let Some(publisher) = self.publishers.get_mut(publisher) {
                    publisher.ready(&mut self.sockets.scratch)?;
                }
                continue;
            }
            if self.subscribers[index].is_greeting && event.is_writable() {
                self.greet(index)?;
            }
            let is_closed = event.is_read_closed() || event.is_error();
            if event.is_readable() || is_closed {
                self.recv(index, is_closed)?;
            }
        }
        self.sockets.give_back(events);
        self.worked += start.map_or(Duration::ZERO, |start| start.elapsed());
        Ok(())
    }

    fn progress(&self) -> String {
        let away = |subscriber: &&Subscriber<V>| subscriber.stream.is_none();
        format!(
            "of {} subscribers {} do not listen yet and {} connections are away; {}",
            self.count(),
            self.pending,
            self.subscribers.iter().filter(away).count(),
            self.check.progress()
        )
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;

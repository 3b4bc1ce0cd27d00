//! The control of an experiment, printed as the bystander: one subscriber and its publisher who
//! have nothing to do with what is going on, and how long their events take.
//!
//! It is a live one, to whom events are pushed: how far logs reach is not its concern. Two threads
//! that block, one sends each event when it is due, the other notes when it is heard: so they are
//! woken by the kernel when it is time, whatever else the probe does on its core. `lag` says how
//! late the sender itself was.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Client;
use crate::failure::{During, Failure};
use crate::frames::sequence_field;
use crate::kind::Kind;
use crate::load::{Load, Schedule, histogram, nanos};
use crate::voice::session::SessionVoice;
use crate::voice::{Heard, Voice};

/// How often the reader looks whether it is to end.
const READ_TIMEOUT: Duration = Duration::from_millis(100);
/// The last event is heard, and answered, within this time.
const LAST_TIMEOUT: Duration = Duration::from_secs(30);
/// Where everything is received.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The two of them, at work.
#[derive(Debug)]
pub(crate) struct Control {
    start: Instant,
    is_over: Arc<AtomicBool>,
    publisher: JoinHandle<Result<(u64, Histogram<u64>), Failure>>,
    reader: JoinHandle<Result<Histogram<u64>, Failure>>,
}

impl Control {
    /// Begins: events of a session of their own at this rate, until told to stop.
    pub(crate) fn start(address: SocketAddr, session: &str, rate: u64) -> Result<Self, Failure> {
        let mut subscriber = Subscriber::connect(address, session)?;
        let deadline = Instant::now() + LAST_TIMEOUT;
        while !subscriber.is_open {
            subscriber.recv(deadline, |_| {})?;
        }
        let client = Client::connect(address)?;
        let (start, path) = (Instant::now(), format!("/api/sessions/{session}/events"));
        let (first, is_over) = (0, Arc::new(AtomicBool::new(false)));
        let schedule = Schedule { first, start, rate };
        let (told, all_sent) = (Arc::clone(&is_over), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&all_sent);
        let publisher = thread::spawn(move || {
            let published = publish(client, &path, schedule, &told);
            ended.store(true, Ordering::Release);
            published
        });
        let reader = thread::spawn(move || listen(subscriber, schedule, &all_sent));
        Ok(Self {
            start,
            is_over,
            publisher,
            reader,
        })
    }

    /// Ends: what was published is heard, all of it, once and in order.
    pub(crate) fn finish(self) -> Result<Load, Failure> {
        self.is_over.store(true, Ordering::Release);
        let gone = |_| Failure::new("a bystander's thread ended");
        let (published, lags) = self.publisher.join().map_err(gone)??;
        let latencies = self.reader.join().map_err(gone)??;
        if latencies.len() != published {
            let heard = latencies.len();
            return Err(Failure::new(format!(
                "a bystander heard {heard} of {published} events"
            )));
        }
        Ok(Load {
            elapsed: self.start.elapsed(),
            latencies,
            lags,
        })
    }
}

/// Publishes until it is over, and returns how many there were, and how late each was sent.
fn publish(
    mut client: Client,
    path: &str,
    schedule: Schedule,
    is_over: &AtomicBool,
) -> Result<(u64, Histogram<u64>), Failure> {
    let (mut lags, mut published, mut answered) = (histogram()?, 0, 0);
    client.set_impatient(true)?;
    while !is_over.load(Ordering::Acquire) {
        let due = schedule.due(published);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        lags.saturating_record(nanos(due.elapsed()));
        let field = sequence_field(published);
        let event = format!(r#"{{"type":"probe","data":{{{field}}}}}"#);
        let request = client.post(path, &event);
        client.send(&request)?;
        published += 1;
        while client.take()?.is_some() {
            answered += 1;
        }
    }
    client.set_impatient(false)?;
    for _ in answered..published {
        client.recv()?;
    }
    Ok((published, lags))
}

/// Hears until what was published before the end is heard; silence says so.
fn listen(
    mut subscriber: Subscriber,
    schedule: Schedule,
    is_over: &AtomicBool,
) -> Result<Histogram<u64>, Failure> {
    let mut latencies = histogram()?;
    loop {
        let ends = is_over.load(Ordering::Acquire);
        let before = latencies.len();
        let deadline = Instant::now() + READ_TIMEOUT;
        subscriber.recv(deadline, |event| {
            latencies.saturating_record(nanos(schedule.due(event).elapsed()));
        })?;
        if ends && latencies.len() == before {
            return Ok(latencies);
        }
    }
}

/// The subscriber's connection.
struct Subscriber {
    stream: TcpStream,
    voice: SessionVoice,
    is_open: bool,
    next: u64,
}

impl Subscriber {
    fn connect(address: SocketAddr, session: &str) -> Result<Self, Failure> {
        let what = "connecting a bystander";
        let mut stream = TcpStream::connect(address).during(what)?;
        stream.set_nodelay(true).during(what)?;
        stream.set_read_timeout(Some(READ_TIMEOUT)).during(what)?;
        let host = Arc::from(address.to_string());
        let (mut voice, mut request) = (
            SessionVoice::by_sequence(Kind::Live, &host, session),
            Vec::new(),
        );
        voice.hello(&mut request);
        stream.write_all(&request).during(what)?;
        Ok(Self {
            stream,
            voice,
            is_open: false,
            next: 0,
        })
    }

    /// Waits for something until the deadline, and tells `each` of every event in it.
    fn recv(&mut self, deadline: Instant, mut each: impl FnMut(u64)) -> Result<(), Failure> {
        let mut scratch = [0; SCRATCH_BYTES];
        let count = loop {
            match self.stream.read(&mut scratch) {
                Ok(0) => return Err(Failure::new("the server closed a bystander's connection")),
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error).during("a bystander's connection"),
            }
        };
        let mut replies = Vec::new();
        let (is_open, next) = (&mut self.is_open, &mut self.next);
        let mut hear = |_: usize, heard: Heard<'_>| {
            match heard {
                Heard::Opened => *is_open = true,
                Heard::Answered => {}
                Heard::Hole(_) => return Err("told of a gap".to_owned()),
                Heard::Event(event) => {
                    let (expected, found) = (*next, event.sequence);
                    if found != Some(expected) {
                        return Err(format!("expected event {expected}, found {found:?}"));
                    }
                    *next += 1;
                    each(expected);
                }
            }
            Ok(())
        };
        let fed = self.voice.feed(&scratch[..count], &mut replies, &mut hear);
        fed.during("what a bystander is told")?;
        let sent = self.stream.write_all(&replies);
        sent.during("a bystander's connection")
    }
}

//! Connections that publish by unary calls, a number of them in flight on each.
//!
//! A call is good when it brings one message with an id and then ends: an error has no message.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::PUBLISH;
use super::connection::{Connection, Heard};
use super::message::{self, MessageReader, Template};
use crate::failure::{During, Failure};
use crate::pump::{Pump, WAIT_TIMEOUT, left, wait};

/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 256;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;

/// A call that is not over.
#[derive(Debug)]
struct Call {
    start: Instant,
    reader: MessageReader,
    answers: u32,
}

/// A connection and the calls on it.
#[derive(Debug)]
struct Line {
    connection: Connection,
    calls: HashMap<u32, Call>,
}

/// What one round found.
#[derive(Debug)]
pub(crate) struct Called {
    /// From the first call to the last answer.
    pub(crate) elapsed: Duration,
    /// Microseconds of every call, shortest first.
    micros: Vec<u32>,
}

impl Called {
    /// How many calls were answered.
    pub(crate) fn calls(&self) -> u64 {
        self.micros.len() as u64
    }

    /// So many percent of the calls took at most so many microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> u64 {
        let last = self.micros.len().saturating_sub(1);
        let place = (self.micros.len() * percent / 100).min(last);
        self.micros.get(place).copied().unwrap_or_default().into()
    }
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Callers {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    lines: Vec<Line>,
    template: Template,
    sequence: u64,
    micros: Vec<u32>,
}

impl Callers {
    /// Connects; payloads are so long as compact JSON.
    pub(crate) fn open(
        address: SocketAddr,
        connections: usize,
        payload_bytes: usize,
    ) -> Result<Self, Failure> {
        let poll = Poll::new().during("creating an epoll")?;
        let mut lines = Vec::with_capacity(connections);
        for index in 0..connections {
            let (registry, token) = (poll.registry(), Token(index));
            let mut connection = Connection::connect(address, PUBLISH, index, registry, token)?;
            connection.flush()?;
            lines.push(Line {
                connection,
                calls: HashMap::new(),
            });
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            lines,
            template: Template::new(payload_bytes, false),
            sequence: 0,
            micros: Vec::new(),
        })
    }

    /// Keeps `in_flight` calls going on each connection for a while, and waits for the last answers.
    pub(crate) fn publish(
        &mut self,
        duration: Duration,
        in_flight: usize,
    ) -> Result<Called, Failure> {
        let start = Instant::now();
        let (deadline, patience) = (start + duration, start + duration + WAIT_TIMEOUT);
        self.micros.clear();
        loop {
            let is_over = left(deadline).is_none();
            let mut pending = 0;
            for line in &mut self.lines {
                while !is_over && line.calls.len() < in_flight {
                    line.call(self.template.numbered(self.sequence));
                    self.sequence += 1;
                }
                line.connection.flush()?;
                pending += line.calls.len();
            }
            if pending == 0 {
                break;
            }
            let Some(left) = left(patience) else {
                return Err(Failure::new(format!(
                    "{pending} calls were not answered within {WAIT_TIMEOUT:?}"
                )));
            };
            self.pump(left)?;
        }
        let mut micros = std::mem::take(&mut self.micros);
        micros.sort_unstable();
        Ok(Called {
            elapsed: start.elapsed(),
            micros,
        })
    }
}

impl Pump for Callers {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        for event in &self.events {
            let Token(index) = event.token();
            let is_closed = event.is_read_closed() || event.is_error();
            let Line { connection, calls } = &mut self.lines[index];
            let micros = &mut self.micros;
            let heard = connection.ready(is_closed, &mut self.scratch, |stream, heard| {
                let told = hear(calls, micros, stream, heard);
                told.map_err(|why| format!("stream {stream}: {why}"))
            });
            heard.map_err(|why| Failure::new(format!("connection {index}: {why}")))?;
        }
        Ok(())
    }

    fn progress(&self) -> String {
        let pending: usize = self.lines.iter().map(|line| line.calls.len()).sum();
        format!("{pending} calls are not answered")
    }
}

impl Line {
    fn call(&mut self, message: &[u8]) {
        let call = Call {
            start: Instant::now(),
            reader: MessageReader::default(),
            answers: 0,
        };
        let stream = self.connection.call();
        self.connection.say(stream, message, true);
        self.calls.insert(stream, call);
    }
}

fn hear(
    calls: &mut HashMap<u32, Call>,
    micros: &mut Vec<u32>,
    stream: u32,
    heard: Heard<'_>,
) -> Result<(), String> {
    match heard {
        Heard::Data(bytes) => {
            let call = calls.get_mut(&stream).ok_or("is not ours")?;
            let answers = &mut call.answers;
            call.reader.feed(bytes, |message| {
                *answers += 1;
                let is_sound = message::has_id(message);
                is_sound
                    .then_some(())
                    .ok_or_else(|| "an answer has no id".to_owned())
            })
        }
        Heard::Ended => {
            let call = calls.remove(&stream).ok_or("is not ours")?;
            if call.answers != 1 {
                return Err(format!("brought {} answers", call.answers));
            }
            let taken = call.start.elapsed().as_micros();
            micros.push(u32::try_from(taken).unwrap_or(u32::MAX));
            Ok(())
        }
        Heard::Reset(code) => Err(format!("the server reset it, code {code}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_counted_from_below() {
        let called = Called {
            elapsed: Duration::from_secs(1),
            micros: (1..=200).collect(),
        };
        assert_eq!(called.calls(), 200);
        assert_eq!((called.percentile(50), called.percentile(99)), (101, 199));
        assert_eq!(called.percentile(100), 200);
    }
}

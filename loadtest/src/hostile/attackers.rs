//! The sockets of many attackers on one thread: each says what its [`Attacker`] wants, as fast as
//! the server takes it.
//!
//! Attackers take turns of a few pieces, so that all of them flood and not the first one only.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::SockRef;

use super::{Attacker, Told};
use crate::failure::{During, Failure};
use crate::pump::Pump;
use crate::sockets::{Sockets, connect_later};

/// Pieces that an attacker sends, or receives, before it is the next one's turn.
const ROUNDS: usize = 4;
/// What is kept of a server that is not understood.
const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A connection that was ended is opened again after this time.
const RETRY_AFTER: Duration = Duration::from_millis(10);
/// Room for what the server has not taken yet: the kernel would give several megabytes to each.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// One attacker.
#[derive(Debug)]
struct Member {
    /// None once it was ended.
    stream: Option<TcpStream>,
    attacker: Box<dyn Attacker>,
    unsent: Vec<u8>,
    /// How many of those are sent.
    sent: usize,
    /// The beginning of something that is not complete.
    held: Vec<u8>,
    /// Whether it waits for its turn.
    is_queued: bool,
}

/// Whether an attacker could go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Over,
    Unfinished,
}

/// How attackers connect.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// An attacker whose connection was ended comes again.
    pub(crate) comes_again: bool,
    /// Sockets have little room for what nobody reads.
    pub(crate) is_narrow: bool,
}

/// All attackers of a server.
pub(crate) struct Attackers {
    address: SocketAddr,
    manner: Manner,
    make: Box<dyn FnMut(usize) -> Box<dyn Attacker>>,
    sockets: Sockets,
    members: Vec<Member>,
    queue: VecDeque<usize>,
    /// Attackers that come again, and when.
    away: VecDeque<(Instant, usize)>,
    told: Told,
    sent_bytes: u64,
}

impl Attackers {
    /// Opens `count` connections; attacker `i` is `make(i)`.
    pub(crate) fn open(
        address: SocketAddr,
        count: usize,
        manner: Manner,
        make: impl FnMut(usize) -> Box<dyn Attacker> + 'static,
    ) -> Result<Self, Failure> {
        let mut attackers = Self {
            address,
            manner,
            make: Box::new(make),
            sockets: Sockets::new()?,
            members: Vec::with_capacity(count),
            queue: VecDeque::new(),
            away: VecDeque::new(),
            told: Told::default(),
            sent_bytes: 0,
        };
        for index in 0..count {
            let attacker = (attackers.make)(index);
            attackers.members.push(Member {
                stream: None,
                attacker,
                unsent: Vec::new(),
                sent: 0,
                held: Vec::new(),
                is_queued: false,
            });
            attackers.connect(index)?;
        }
        Ok(attackers)
    }

    /// What they were told so far.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// How many of them have a connection.
    pub(crate) fn connected(&self) -> usize {
        let connected = |member: &&Member| member.stream.is_some();
        self.members.iter().filter(connected).count()
    }

    /// Bytes that the kernel has taken from them.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    fn connect(&mut self, index: usize) -> Result<(), Failure> {
        let mut stream = connect_later(self.address, index, self.manner.is_narrow)?;
        SockRef::from(&stream)
            .set_send_buffer_size(SEND_BUFFER_BYTES)
            .during("choosing a socket's room")?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.sockets.watch(&mut stream, Token(index), both)?;
        self.members[index].stream = Some(stream);
        Ok(())
    }

    /// Opens again what was ended a moment ago.
    fn come_again(&mut self) {
        while let Some(&(when, index)) = self.away.front()
            && when <= Instant::now()
        {
            self.away.pop_front();
            let attacker = (self.make)(index);
            let member = &mut self.members[index];
            member.attacker = attacker;
            member.unsent.clear();
            member.sent = 0;
            member.held.clear();
            if let Err(why) = self.connect(index) {
                // The server has gone, or there is no port left for the moment.
                self.told.endings.add(&why.to_string());
                self.away.push_back((Instant::now() + RETRY_AFTER, index));
            }
        }
    }

    fn enqueue(&mut self, index: usize) {
        if !std::mem::replace(&mut self.members[index].is_queued, true) {
            self.queue.push_back(index);
        }
    }

    /// One attacker's turn.
    fn serve(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.is_queued = false;
        let served = member.serve(
            &mut self.sockets.scratch,
            &mut self.told,
            &mut self.sent_bytes,
        );
        match served {
            Ok(Turn::Over) => {}
            Ok(Turn::Unfinished) => self.enqueue(index),
            Err(why) => {
                member.stream = None;
                self.told.endings.add(&why);
                if self.manner.comes_again {
                    self.away.push_back((Instant::now() + RETRY_AFTER, index));
                }
            }
        }
    }
}

impl Pump for Attackers {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        self.come_again();
        let timeout = if self.queue.is_empty() {
            // Who comes again is not awaited by the kernel.
            timeout.min(RETRY_AFTER)
        } else {
            Duration::ZERO
        };
        let events = self.sockets.wait(timeout)?;
        for event in &events {
            self.enqueue(event.token().0);
        }
        self.sockets.give_back(events);
        // Those who are not finished wait for the next batch.
        for _ in 0..self.queue.len() {
            if let Some(index) = self.queue.pop_front() {
                self.serve(index);
            }
        }
        Ok(())
    }

    fn progress(&self) -> String {
        format!(
            "{} of {} attackers are connected, {} were accepted; {} refusals, the first: {}",
            self.connected(),
            self.members.len(),
            self.told.opened,
            self.told.refusals.total(),
            self.told.first_refusal().unwrap_or("none"),
        )
    }
}

impl Member {
    /// Sends and receives a few pieces.
    fn serve(
        &mut self,
        scratch: &mut [u8],
        told: &mut Told,
        sent_bytes: &mut u64,
    ) -> Result<Turn, String> {
        for _ in 0..ROUNDS {
            // What was refused before it was sent is worth reading.
            let (has_sent, broken) = match self.send(sent_bytes) {
                Ok(has_sent) => (has_sent, None),
                Err(why) => (false, Some(why)),
            };
            let has_received = self.recv(scratch, told)?;
            if let Some(why) = broken
                && !has_received
            {
                return Err(why);
            }
            if !has_sent && !has_received {
                return Ok(Turn::Over);
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Sends a piece. Returns whether there was one, and room for it.
    fn send(&mut self, sent_bytes: &mut u64) -> Result<bool, String> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if self.sent == self.unsent.len() {
            self.unsent.clear();
            self.sent = 0;
            self.attacker.say(&mut self.unsent);
            if self.unsent.is_empty() {
                return Ok(false);
            }
        }
        match stream.write(&self.unsent[self.sent..]) {
            Ok(count) => {
                self.sent += count;
                *sent_bytes += count as u64;
                Ok(true)
            }
            Err(error) if is_later(error.kind()) => Ok(false),
            Err(error) => Err(format!("while sending: {error}")),
        }
    }

    /// Receives a piece. Returns whether there was one.
    fn recv(&mut self, scratch: &mut [u8], told: &mut Told) -> Result<bool, String> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if !self.attacker.reads() {
            // Whether the server has gone can be seen without reading.
            let gone = stream.take_error().ok().flatten();
            return gone.map_or(Ok(false), |error| Err(error.to_string()));
        }
        let received = match stream.read(scratch) {
            Ok(0) => return Err("closed".to_owned()),
            Ok(count) => &scratch[..count],
            Err(error) if is_later(error.kind()) => return Ok(false),
            Err(error) => return Err(error.to_string()),
        };
        if self.held.is_empty() {
            let used = self.attacker.hear(received, told)?;
            self.held.extend_from_slice(&received[used..]);
        } else {
            self.held.extend_from_slice(received);
            let used = self.attacker.hear(&self.held, told)?;
            self.held.drain(..used);
        }
        if self.held.len() > HELD_BYTES_MAX {
            return Err("said more than is understood".to_owned());
        }
        Ok(true)
    }
}

/// Whether it works another time: also before a connection is open.
fn is_later(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected
    )
}

#[cfg(test)]
#[path = "attackers_tests.rs"]
mod tests;

//! Thousands of readers on one thread: sockets, one epoll, and [`Reader`] for what they hear.
//!
//! One receive per message and no allocation while messages arrive whole, so that the server is the
//! one that works. It must never know what is measured.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{During, Failure};
use crate::kind::Kind;
use crate::pump::{Pump, wait};
use crate::reader::{Progress, Reader};

/// Connections from one address: the ports of one go from 32768 to 60999 and are shared.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// Connections that are opened before answers are looked at.
pub(crate) const OPEN_BATCH: usize = 64;
/// Events taken from the kernel at a time.
const EVENTS_BATCH: usize = 1_024;
/// Where everything is received.
const SCRATCH_BYTES: usize = 64 * 1024;
/// What a narrow socket has room for.
const NARROW_RECEIVE_BYTES: usize = 4 * 1024;
/// Largest segment that is sent to a narrow socket: what fits an Ethernet frame. The sender's buffer is a small multiple.
const NARROW_SEGMENT_BYTES: u32 = 1_400;

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    reader: Reader,
    request: Vec<u8>,
}

/// Readers of one server, all of one kind.
#[derive(Debug)]
pub(crate) struct Swarm {
    poll: Poll,
    events: Events,
    scratch: Vec<u8>,
    replies: Vec<u8>,
    peers: Vec<Peer>,
    kind: Kind,
    /// Everything heard so far.
    heard: Progress,
    /// What the first reader was told last.
    sample: Vec<u8>,
}

impl Swarm {
    /// Connects `count` readers and sends their requests; reader `i` listens to `session(i)`.
    pub(crate) fn open(
        address: SocketAddr,
        kind: Kind,
        count: usize,
        session: impl Fn(usize) -> String,
    ) -> Result<Self, Failure> {
        let mut swarm = Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
            replies: Vec::new(),
            peers: Vec::with_capacity(count),
            kind,
            heard: Progress::default(),
            sample: Vec::new(),
        };
        let host = address.to_string();
        for index in 0..count {
            let session = session(index);
            let request = kind.request(&host, &session, None);
            let mut stream = TcpStream::from_std(connect(address, index)?);
            let readable = Interest::READABLE;
            let registry = swarm.poll.registry();
            registry
                .register(&mut stream, Token(index), readable)
                .during("watching a socket")?;
            send(&mut stream, &request)?;
            // Only polls ask again.
            let request = if kind == Kind::Poll {
                request
            } else {
                Vec::new()
            };
            swarm.peers.push(Peer {
                stream,
                reader: Reader::new(kind, &session),
                request,
            });
            if index % OPEN_BATCH == OPEN_BATCH - 1 {
                swarm.pump(Duration::ZERO)?;
            }
        }
        if kind != Kind::Poll {
            swarm.pump_until("readers are accepted", |swarm| {
                swarm.heard.opened >= count as u64
            })?;
        }
        Ok(swarm)
    }

    /// How many readers there are.
    pub(crate) fn count(&self) -> u64 {
        self.peers.len() as u64
    }

    /// Everything heard so far.
    pub(crate) fn heard(&self) -> Progress {
        self.heard
    }

    /// The bytes that the first reader received last.
    pub(crate) fn sample(&self) -> &[u8] {
        &self.sample
    }

    /// Sends every poll's request once more.
    pub(crate) fn ask_again(&mut self) -> Result<(), Failure> {
        self.peers
            .iter_mut()
            .try_for_each(|peer| send(&mut peer.stream, &peer.request))
    }

    /// Fails unless all readers of a session have heard the same, `last(i)` being the number of the
    /// last event of reader `i`'s session.
    pub(crate) fn audit(&self, last: impl Fn(usize) -> u64) -> Result<(), Failure> {
        for (index, peer) in self.peers.iter().enumerate() {
            let (expected, found) = (Some(last(index)), peer.reader.last());
            if expected != found {
                return Err(Failure::new(format!(
                    "reader {index} should have heard up to {expected:?}, heard {found:?}"
                )));
            }
        }
        Ok(())
    }
}

impl Pump for Swarm {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        wait(&mut self.poll, &mut self.events, timeout)?;
        for event in &self.events {
            let Token(index) = event.token();
            let peer = &mut self.peers[index];
            let is_closed = event.is_read_closed() || event.is_error();
            let sample = (index == 0).then_some(&mut self.sample);
            let name = || format!("{} reader {index}", self.kind.as_str());
            self.heard += peer
                .recv(is_closed, &mut self.scratch, &mut self.replies, sample)
                .map_err(|why| Failure::new(format!("{}: {why}", name())))?;
        }
        Ok(())
    }

    fn progress(&self) -> String {
        format!("of {} readers so far: {:?}", self.count(), self.heard)
    }
}

impl Peer {
    fn recv(
        &mut self,
        is_closed: bool,
        scratch: &mut [u8],
        replies: &mut Vec<u8>,
        mut sample: Option<&mut Vec<u8>>,
    ) -> Result<Progress, String> {
        let (mut total, reader) = (Progress::default(), &mut self.reader);
        drain(
            &mut self.stream,
            is_closed,
            scratch,
            replies,
            |bytes, replies| {
                let fed = reader.feed(bytes, replies);
                total += fed.map_err(|error| error.to_string())?;
                if let Some(sample) = &mut sample {
                    sample.clear();
                    sample.extend_from_slice(bytes);
                }
                Ok(())
            },
        )?;
        Ok(total)
    }
}

/// Takes what a socket has received, piece by piece, and sends what `take` leaves in `replies`.
pub(crate) fn drain(
    stream: &mut TcpStream,
    is_closed: bool,
    scratch: &mut [u8],
    replies: &mut Vec<u8>,
    mut take: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    loop {
        let count = match stream.read(scratch) {
            Ok(0) => return Err("the server closed the connection".to_owned()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.to_string()),
        };
        take(&scratch[..count], replies)?;
        if !replies.is_empty() {
            send(stream, replies).map_err(|error| error.to_string())?;
            replies.clear();
        }
        // A short read has emptied the socket, unless its end is behind it (epoll(7), Q9).
        if count < scratch.len() && !is_closed {
            return Ok(());
        }
    }
}

/// A connected socket without Nagle's delay, from one of several loopback addresses.
pub(crate) fn connect(address: SocketAddr, index: usize) -> Result<std::net::TcpStream, Failure> {
    let what = "connecting to the server";
    let socket = socket(address, index)?;
    socket.connect(&address.into()).during(what)?;
    socket.set_nonblocking(true).during(what)?;
    Ok(socket.into())
}

/// The same, which does not wait until it is connected. A narrow one is as one over a network, with little room for what
/// nobody has read: over loopback the kernel would keep megabytes at the server's end.
pub(crate) fn connect_later(
    address: SocketAddr,
    index: usize,
    is_narrow: bool,
) -> Result<std::net::TcpStream, Failure> {
    let what = "connecting to the server";
    let socket = socket(address, index)?;
    if is_narrow {
        socket
            .set_recv_buffer_size(NARROW_RECEIVE_BYTES)
            .during(what)?;
        socket.set_tcp_mss(NARROW_SEGMENT_BYTES).during(what)?;
    }
    socket.set_nonblocking(true).during(what)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => {}
        result => result.during(what)?,
    }
    Ok(socket.into())
}

fn socket(address: SocketAddr, index: usize) -> Result<Socket, Failure> {
    let what = "opening a socket";
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    );
    let socket = socket.during(what)?;
    let group = u8::try_from(index / CONNECTIONS_PER_ADDRESS).during("too many connections")?;
    if group > 0 && address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        // The port is chosen when connecting: one that is bound before is lost to every other
        // address for a minute after it was closed (ip(7), IP_BIND_ADDRESS_NO_PORT).
        setsockopt(&socket, IpBindAddressNoPort, &true).during(what)?;
        let source = SocketAddr::from(([127, 0, 0, group.saturating_add(1)], 0));
        socket.bind(&source.into()).during(what)?;
    }
    socket.set_tcp_nodelay(true).during(what)?;
    Ok(socket)
}

/// Sends a few hundred bytes, for which an idle connection always has room.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Failure> {
    let sent = stream.write(bytes).during("sending to the server")?;
    if sent < bytes.len() {
        return Err(Failure::new("the server does not read what it is sent"));
    }
    Ok(())
}

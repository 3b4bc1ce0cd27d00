//! Sockets that share one thread: an epoll, a buffer where everything is received, and how a client
//! connects.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{During, Failure};

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
/// Largest segment that is sent to a narrow socket: what fits an Ethernet frame. The sender's
/// buffer is a small multiple.
const NARROW_SEGMENT_BYTES: u32 = 1_400;

/// The epoll and the buffer.
#[derive(Debug)]
pub(crate) struct Sockets {
    poll: Poll,
    events: Events,
    /// Where everything is received.
    pub(crate) scratch: Vec<u8>,
}

impl Sockets {
    /// Returns an epoll without sockets.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self {
            poll: Poll::new().during("creating an epoll")?,
            events: Events::with_capacity(EVENTS_BATCH),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Has events of a socket come as `token`.
    pub(crate) fn watch(
        &self,
        stream: &mut TcpStream,
        token: Token,
        interest: Interest,
    ) -> Result<(), Failure> {
        let registered = self.poll.registry().register(stream, token, interest);
        registered.during("watching a socket")
    }

    /// Waits at most `timeout`, and lends the events that came; [`give_back`](Self::give_back)
    /// takes them again. A signal ends the wait early, with no events.
    pub(crate) fn wait(&mut self, timeout: Duration) -> Result<Events, Failure> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => self.events.clear(),
            result => result.during("waiting for sockets")?,
        }
        Ok(std::mem::replace(
            &mut self.events,
            Events::with_capacity(0),
        ))
    }

    /// Takes back what [`wait`](Self::wait) has lent.
    pub(crate) fn give_back(&mut self, events: Events) {
        self.events = events;
    }
}

/// Returns a connected socket without Nagle's delay, from one of several loopback addresses.
pub(crate) fn connect(address: SocketAddr, index: usize) -> Result<TcpStream, Failure> {
    let what = "connecting to the server";
    let socket = socket(address, index)?;
    socket.connect(&address.into()).during(what)?;
    socket.set_nonblocking(true).during(what)?;
    Ok(TcpStream::from_std(socket.into()))
}

/// Returns a socket that connects by and by. A narrow one is as one over a network, with little
/// room for what nobody has read: over loopback the kernel would keep megabytes at the server's
/// end.
pub(crate) fn connect_later(
    address: SocketAddr,
    index: usize,
    is_narrow: bool,
) -> Result<TcpStream, Failure> {
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
    Ok(TcpStream::from_std(socket.into()))
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

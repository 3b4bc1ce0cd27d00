//! Receiving and sending on a socket that monoio owns.
//!
//! monoio is asked for readiness only; the calls themselves are plain non-blocking ones into and
//! out of buffers that we own. monoio's stream lends no `BorrowedFd`, which is why this file is one
//! of the homes of `unsafe`.
#![allow(
    unsafe_code,
    reason = "monoio's streams implement AsRawFd but not AsFd"
)]

use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::net::{Shutdown, SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use monoio::net::{TcpListener, TcpStream};
use socket2::{SockRef, TcpKeepalive};

use crate::auth::Network;
use crate::connection::SendQueue;
use crate::limits::KEEPALIVE_PROBES;
use crate::shard::Flushed;

/// Most slices handed to the kernel in one call (`UIO_MAXIOV` is 1,024).
const SLICES_MAX: usize = 64;

/// `MSG_NOSIGNAL | MSG_DONTWAIT` of Linux: a closed peer is an error, not a signal; never wait.
const SEND_FLAGS: i32 = 0x4000 | 0x40;

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Rc<TcpStream>,
    /// The stream's own: a fan-out would wait for two lines of memory to look it up in there, for
    /// each subscriber.
    fd: RawFd,
}

impl Socket {
    pub(super) fn new(stream: Rc<TcpStream>) -> Self {
        let fd = stream.as_raw_fd();
        Self { stream, fd }
    }

    /// The stream that its tasks wait on.
    pub(super) fn stream(&self) -> Rc<TcpStream> {
        Rc::clone(&self.stream)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the stream owns this open descriptor, and lives as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// Receives the bytes that are there, without waiting. `Ok(0)` is the peer's end.
    pub(super) fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let fd = self.fd();
        let socket = SockRef::from(&fd);
        (&*socket).read(buf)
    }

    /// Sends as much of a queue as the kernel takes, without waiting.
    pub(super) fn send(&self, queue: &SendQueue) -> Flushed {
        let fd = self.fd();
        let socket = SockRef::from(&fd);
        let (offered, sent) = if let Some(chunk) = queue.single() {
            (chunk.len(), socket.send_with_flags(chunk, SEND_FLAGS))
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let (mut count, mut offered) = (0, 0);
            for (slice, chunk) in slices.iter_mut().zip(queue.chunks()) {
                *slice = IoSlice::new(chunk);
                offered += chunk.len();
                count += 1;
            }
            let sent = socket.send_vectored_with_flags(&slices[..count], SEND_FLAGS);
            (offered, sent)
        };
        match sent {
            Ok(sent) if sent == offered => Flushed::Sent(sent),
            Ok(sent) => Flushed::Blocked(sent),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Flushed::Blocked(0),
                ErrorKind::Interrupted => Flushed::Sent(0),
                _ => Flushed::Broken,
            },
        }
    }

    /// Returns the peer's address, if it is still connected.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        let fd = self.fd();
        SockRef::from(&fd).peer_addr().ok()?.as_socket()
    }

    /// Closes one half or both. A peer that is gone already is no error.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let fd = self.fd();
        let _ = SockRef::from(&fd).shutdown(how);
    }

    /// Another descriptor of the same socket, to be handed to another shard.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.fd().try_clone_to_owned()
    }
}

/// Has the kernel probe the peers of a listener's connections when they are silent for `idle`, and
/// give them up when they do not answer, or do not acknowledge data: a vanished peer says nothing,
/// so that without this a waiting poll would stay for ever.
///
/// Set on the listener, since accepted sockets inherit these options (Linux clones the whole
/// socket): so a connection costs no call of its own.
pub(super) fn keep_alive(listener: &StdListener, idle: Duration) -> io::Result<()> {
    let interval = (idle / KEEPALIVE_PROBES).max(Duration::from_secs(1));
    let socket = SockRef::from(listener);
    let probes = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(interval)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&probes)?;
    // tcp(7): with keepalive this is when a connection is given up, so it is to be the same.
    socket.set_tcp_user_timeout(Some(idle + interval * KEEPALIVE_PROBES))
}

/// Accepts a connection without waiting, and makes it non-blocking and prompt. Returns its network
/// too.
pub(super) fn accept(listener: &TcpListener) -> io::Result<(std::net::TcpStream, Network)> {
    // SAFETY: the listener owns an open descriptor for as long as it is borrowed here.
    let fd = unsafe { BorrowedFd::borrow_raw(listener.as_raw_fd()) };
    let (socket, address) = SockRef::from(&fd).accept()?;
    socket.set_nonblocking(true)?;
    // Small answers must not wait for the peer's acknowledgement of the last one.
    socket.set_tcp_nodelay(true)?;
    let address = address.as_socket();
    let network = address.map_or(Network::LOOPBACK, |address| Network::of(address.ip()));
    Ok((socket.into(), network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_listener_accepts_probes_its_peers() {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port");
        keep_alive(&listener, Duration::from_secs(60)).expect("options");
        let address = listener.local_addr().expect("bound");
        let _client = std::net::TcpStream::connect(address).expect("it accepts");
        let (accepted, _) = listener.accept().expect("a connection");
        let socket = SockRef::from(&accepted);
        assert!(socket.keepalive().expect("an option"));
        let seconds = |duration: io::Result<Duration>| duration.expect("an option").as_secs();
        assert_eq!(seconds(socket.tcp_keepalive_time()), 60);
        assert_eq!(seconds(socket.tcp_keepalive_interval()), 15);
        assert_eq!(socket.tcp_keepalive_retries().expect("an option"), 4);
        let timeout = socket.tcp_user_timeout().expect("an option");
        assert_eq!(timeout, Some(Duration::from_secs(120)));
    }

    #[test]
    fn the_kernel_counts_in_whole_seconds() {
        let listener = StdListener::bind("127.0.0.1:0").expect("a port");
        keep_alive(&listener, Duration::from_secs(1)).expect("options");
        let socket = SockRef::from(&listener);
        let interval = socket.tcp_keepalive_interval().expect("an option");
        assert_eq!(interval, Duration::from_secs(1));
    }
}

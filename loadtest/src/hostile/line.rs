//! One connection of a bystander, which is asked one thing at a time and waited for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{During, Failure};
use crate::http::Response;

/// An answer that does not come within this time never comes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Where answers are received.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The connection.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Line {
    /// Connects, maybe from an address of its own.
    pub(crate) fn open(address: SocketAddr, from: Option<SocketAddr>) -> Result<Self, Failure> {
        let what = "connecting a bystander";
        let kind = (Domain::for_address(address), Type::STREAM);
        let socket = Socket::new(kind.0, kind.1, Some(Protocol::TCP)).during(what)?;
        if let Some(from) = from {
            socket.bind(&from.into()).during(what)?;
        }
        socket.set_tcp_nodelay(true).during(what)?;
        socket
            .connect_timeout(&address.into(), ANSWER_TIMEOUT)
            .during(what)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).during(what)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Asks, and waits for status and body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>), Failure> {
        let what = "a bystander's connection";
        self.stream.write_all(request).during(what)?;
        let mut scratch = [0; SCRATCH_BYTES];
        loop {
            if let Some((response, used)) = Response::parse(&self.received).during(what)? {
                let answer = (response.head.status, response.body.to_vec());
                self.received.drain(..used);
                return Ok(answer);
            }
            match self.stream.read(&mut scratch).during(what)? {
                0 => return Err(Failure::new("the server closed a bystander's connection")),
                count => self.received.extend_from_slice(&scratch[..count]),
            }
        }
    }
}

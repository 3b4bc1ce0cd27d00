//! One kept-alive HTTP connection for whatever is asked: several requests at once, answers in order.
//!
//! Its thread does nothing else meanwhile: it waits for an answer, or looks for it over and over.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{During, Failure};
use crate::http::Response;

/// An answer comes within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Where answers are received.
const SCRATCH_BYTES: usize = 16 * 1024;

/// The connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
    is_impatient: bool,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let what = "connecting to ask";
        let stream = TcpStream::connect(address).during(what)?;
        stream.set_nodelay(true).during(what)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).during(what)?;
        Ok(Self {
            address,
            stream,
            received: Vec::new(),
            is_impatient: false,
        })
    }

    /// A `POST` of JSON, to be sent as it is, or several of them in a row.
    pub(crate) fn post(&self, path: &str, body: &str) -> Vec<u8> {
        let (host, length) = (self.address, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// Sends whole requests.
    pub(crate) fn send(&mut self, requests: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(requests).during("sending a request")
    }

    /// Whether [`take`](Self::take) is to be asked instead of [`recv`](Self::recv), which waits.
    pub(crate) fn set_impatient(&mut self, impatient: bool) -> Result<(), Failure> {
        self.is_impatient = impatient;
        let set = self.stream.set_nonblocking(impatient);
        set.during("choosing how to wait for answers")
    }

    /// Waits for one answer, which must be 200.
    pub(crate) fn recv(&mut self) -> Result<(), Failure> {
        while !self.take()? {}
        Ok(())
    }

    /// Takes one answer, which must be 200; no if it is not there yet.
    pub(crate) fn take(&mut self) -> Result<bool, Failure> {
        Ok(self.take_body()?.is_some())
    }

    fn take_body(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let what = "waiting for an answer";
        if let Some((response, used)) = Response::parse(&self.received).during(what)? {
            let status = response.head.status;
            if status != 200 {
                let text = String::from_utf8_lossy(&response.body);
                return Err(Failure::new(format!("answered {status} {text}")));
            }
            let body = response.body.to_vec();
            self.received.drain(..used);
            return Ok(Some(body));
        }
        let mut scratch = [0; SCRATCH_BYTES];
        match self.stream.read(&mut scratch) {
            Ok(0) => return Err(Failure::new("the server closed a connection that asked")),
            Ok(count) => self.received.extend_from_slice(&scratch[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.is_impatient => {}
            Err(error) => return Err(error).during(what),
        }
        Ok(None)
    }

    /// The body of what a path shows.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.send(request.as_bytes())?;
        loop {
            if let Some(body) = self.take_body()? {
                return Ok(body);
            }
        }
    }

    /// One request and its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.send(request)?;
        self.recv()
    }
}

//! One kept-alive HTTP connection for whatever is asked: several requests at once, answers in
//! order.
//!
//! Blocking on purpose: its thread does nothing else meanwhile, but wait for an answer, or look for
//! it over and over.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{During, Failure};
use crate::http::Response;

/// An answer comes within this time, or never.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Where answers are received.
const SCRATCH_BYTES: usize = 16 * 1024;
/// Bytes of the payload that is published everywhere, quotes included.
const PAYLOAD_BYTES: usize = 128;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The position in its log of an event that was published.
    pub(crate) number: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: TcpStream,
    received: Vec<u8>,
    scratch: Vec<u8>,
    is_impatient: bool,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        Self::connect_from(None, address)
    }

    /// Connects, maybe from an address of its own.
    pub(crate) fn connect_from(
        from: Option<SocketAddr>,
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        let what = "connecting to ask";
        let kind = (Domain::for_address(address), Type::STREAM);
        let socket = Socket::new(kind.0, kind.1, Some(Protocol::TCP)).during(what)?;
        if let Some(from) = from {
            socket.bind(&from.into()).during(what)?;
        }
        socket.set_tcp_nodelay(true).during(what)?;
        let connected = socket.connect_timeout(&address.into(), ANSWER_TIMEOUT);
        connected.during(what)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).during(what)?;
        Ok(Self {
            address,
            stream,
            received: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
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

    /// Takes one answer, if it is there.
    fn take_answer(&mut self) -> Result<Option<Answer>, Failure> {
        let what = "waiting for an answer";
        if let Some((response, used)) = Response::parse(&self.received).during(what)? {
            let number = response.head.field("fanfare-number");
            let answer = Answer {
                status: response.head.status,
                number: number.and_then(|digits| digits.parse().ok()),
                body: response.body.to_vec(),
            };
            self.received.drain(..used);
            return Ok(Some(answer));
        }
        match self.stream.read(&mut self.scratch) {
            Ok(0) => return Err(Failure::new("the server closed a connection that asked")),
            Ok(count) => self.received.extend_from_slice(&self.scratch[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.is_impatient => {}
            Err(error) => return Err(error).during(what),
        }
        Ok(None)
    }

    /// Takes one answer, which must be 200, if it is there.
    pub(crate) fn take(&mut self) -> Result<Option<Answer>, Failure> {
        let Some(answer) = self.take_answer()? else {
            return Ok(None);
        };
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body);
            return Err(Failure::new(format!("answered {} {text}", answer.status)));
        }
        Ok(Some(answer))
    }

    /// Waits for one answer, which must be 200.
    pub(crate) fn recv(&mut self) -> Result<Answer, Failure> {
        loop {
            if let Some(answer) = self.take()? {
                return Ok(answer);
            }
        }
    }

    /// Sends one request, and waits for its answer, whichever it is.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.send(request)?;
        loop {
            if let Some(answer) = self.take_answer()? {
                return Ok(answer);
            }
        }
    }

    /// The body of what a path shows.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<Vec<u8>, Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.send(request.as_bytes())?;
        Ok(self.recv()?.body)
    }
}

/// A connection that publishes to one session.
#[derive(Debug)]
pub(crate) struct SessionPublisher {
    client: Client,
    request: Vec<u8>,
}

impl SessionPublisher {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr, session: &str) -> Result<Self, Failure> {
        let client = Client::connect(address)?;
        let request = client.post(&format!("/api/sessions/{session}/events"), &event());
        Ok(Self { client, request })
    }

    /// Publishes the event.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        self.client.send(&self.request)
    }

    /// Waits for the answer, and says which number the event has.
    pub(crate) fn recv(&mut self) -> Result<u64, Failure> {
        let number = self.client.recv()?.number;
        number.ok_or_else(|| Failure::new("a publish was answered without a number"))
    }
}

/// The event that is published everywhere: a JSON string of 128 bytes.
pub(crate) fn event() -> String {
    let payload = "x".repeat(PAYLOAD_BYTES - 2);
    format!(r#"{{"type":"probe","data":"{payload}"}}"#)
}

/// The same event to a session, as the pubsub dialect says it.
pub(crate) fn pubsub_event(session: &str) -> String {
    let payload = "x".repeat(PAYLOAD_BYTES - 2);
    format!(
        r#"{{"scope":{{"type":"session","event_id":"probe","session_id":"{session}"}},"payload":{{"event":{{"eventName":"probe","data":"{payload}"}}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_has_the_size_it_claims() {
        let event: serde_json::Value = serde_json::from_str(&event()).expect("JSON");
        assert_eq!(event["data"].to_string().len(), PAYLOAD_BYTES);
    }
}

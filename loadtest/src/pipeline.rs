//! One publisher on a kept-alive connection that does not wait for answers before it asks again.
//!
//! Its socket never blocks: it shares a thread and an epoll with everybody who listens. Answers are
//! counted, and one that refuses an event ends the measurement. What it says is its [`Publishing`]; over HTTP that is
//! [`HttpPublishing`], for ourselves and for others.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::failure::{During, Failure};
use crate::frames::sequence_field;
use crate::http::Response;
use crate::peer::fan_out::{Answers, Publishing};
use crate::swarm::connect;

/// Where answers are received.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Requests of HTTP/1.1, several at once, answers in order: how ours, nchan and small servers are published to.
#[derive(Clone, Debug)]
pub(crate) struct HttpPublishing {
    address: SocketAddr,
    /// Where events go that do not say where themselves.
    path: String,
    /// Whether what is due at the same time is one request with an array.
    is_array: bool,
    /// The fields that are always the same, up to the value of the last one.
    fields: String,
}

impl HttpPublishing {
    /// Posts to a path of a server, one request for each event.
    pub(crate) fn new(address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            path: path.to_owned(),
            is_array: false,
            fields: format!(
                "Host: {address}\r\nContent-Type: application/json\r\nContent-Length: "
            ),
        }
    }

    /// Posts to a session of ours; `is_array` makes what is due at the same time one request with an array.
    pub(crate) fn to_session(address: SocketAddr, session: &str, is_array: bool) -> Self {
        Self {
            is_array,
            ..Self::new(address, &format!("/api/sessions/{session}/events"))
        }
    }

    fn encode_one(&self, path: &str, body: &str, requests: &mut Vec<u8>) {
        let (fields, length) = (&self.fields, body.len());
        // Writing to a `Vec` cannot fail.
        let _ = write!(
            requests,
            "POST {path} HTTP/1.1\r\n{fields}{length}\r\n\r\n{body}"
        );
    }
}

impl Publishing for HttpPublishing {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn encode(&mut self, bodies: &[String], requests: &mut Vec<u8>) -> u64 {
        if self.is_array {
            let body = format!("[{}]", bodies.join(","));
            self.encode_one(&self.path, &body, requests);
            return 1;
        }
        for body in bodies {
            self.encode_one(&self.path, body, requests);
        }
        bodies.len() as u64
    }

    fn take(&mut self, received: &[u8], _: &mut Vec<u8>) -> Result<Answers, String> {
        count_answers(received)
    }
}

/// An event as it is published everywhere; its bytes are always as many.
fn body(number: u64, padding: usize) -> String {
    let field = sequence_field(number);
    format!(
        r#"{{"type":"probe","data":{{{field},"padding":"{:x<padding$}"}}}}"#,
        ""
    )
}

/// The connection, on which one protocol is spoken: whichever it is, or one that is known.
#[derive(Debug)]
pub(crate) struct Pipeline<P: ?Sized = dyn Publishing> {
    stream: TcpStream,
    publishing: Box<P>,
    unsent: Vec<u8>,
    received: Vec<u8>,
    scratch: Vec<u8>,
    requests: u64,
    answers: u64,
    /// Receives that brought something: about as many as the server's writes.
    reads: u64,
}

impl<P: Publishing + ?Sized> Pipeline<P> {
    /// Connects, and has `registry` tell of the socket as `token`.
    pub(crate) fn open(
        publishing: Box<P>,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Failure> {
        let mut stream = TcpStream::from_std(connect(publishing.address(), 0)?);
        let both = Interest::READABLE | Interest::WRITABLE;
        registry
            .register(&mut stream, token, both)
            .during("watching the publisher's socket")?;
        let unsent = publishing.hello();
        let mut pipeline = Self {
            stream,
            publishing,
            unsent,
            received: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            requests: 0,
            answers: 0,
            reads: 0,
        };
        pipeline.flush()?;
        Ok(pipeline)
    }

    /// Receives so far that brought answers.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Whether every request has its answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.answers == self.requests
    }

    /// Publishes events of these sequence numbers, each payload padded with so many bytes, all in one write if the socket
    /// takes it.
    pub(crate) fn publish(&mut self, events: Range<u64>, padding: usize) -> Result<(), Failure> {
        let bodies: Vec<String> = events.map(|number| body(number, padding)).collect();
        self.requests += self.publishing.encode(&bodies, &mut self.unsent);
        self.flush()
    }

    /// Sends and receives what can be, after the socket was said to be ready.
    pub(crate) fn ready(&mut self) -> Result<(), Failure> {
        self.flush()?;
        loop {
            match self.stream.read(&mut self.scratch) {
                Ok(0) => return Err(Failure::new("the server closed a publisher's connection")),
                Ok(count) => {
                    self.reads += 1;
                    self.received.extend_from_slice(&self.scratch[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).during("the answer to a publish"),
            }
        }
        let taken = self.publishing.take(&self.received, &mut self.unsent);
        let taken = taken.during("the answer to a publish")?;
        self.answers += taken.count;
        self.received.drain(..taken.bytes);
        self.flush()
    }

    /// Sends what the socket takes of what was posted.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).during("publishing"),
            }
        }
        Ok(())
    }
}

impl Pipeline<HttpPublishing> {
    /// Has a body posted to this path with the next [`flush`](Self::flush).
    pub(crate) fn post(&mut self, path: &str, body: &str) {
        self.publishing.encode_one(path, body, &mut self.unsent);
        self.requests += 1;
    }
}

/// How many whole answers of HTTP `bytes` begins with; each must be 2xx.
pub(crate) fn count_answers(bytes: &[u8]) -> Result<Answers, String> {
    let mut answers = Answers::default();
    let parse = |used: usize| Response::parse(&bytes[used..]).map_err(|error| error.to_string());
    while let Some((response, taken)) = parse(answers.bytes)? {
        let status = response.head.status;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(&response.body);
            return Err(format!("{status} {text}"));
        }
        answers.count += 1;
        answers.bytes += taken;
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence;

    /// The bodies of the requests for events 7 and 8, and the answers that are expected.
    fn bodies(is_array: bool) -> (Vec<String>, u64) {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let mut publishing = HttpPublishing::to_session(address, "s", is_array);
        let mut requests = Vec::new();
        let answers = publishing.encode(&[body(7, 3), body(8, 3)], &mut requests);
        let text = String::from_utf8(requests).expect("text");
        let requests = text
            .split("POST /api/sessions/s/events HTTP/1.1\r\n")
            .skip(1);
        let bodies = requests.map(|request| {
            let (head, body) = request.split_once("\r\n\r\n").expect("a head");
            let length = format!("Content-Length: {}", body.len());
            assert!(head.lines().any(|line| line == length), "{head}");
            body.to_owned()
        });
        (bodies.collect(), answers)
    }

    #[test]
    fn each_event_is_a_request_or_all_are_one() {
        let (each, answers) = bodies(false);
        assert_eq!((each.len(), answers), (2, 2));
        for (body, expected) in each.iter().zip(7..) {
            let event: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(event["data"]["padding"], "xxx");
            assert_eq!(sequence(body.as_bytes()), Some(expected));
        }
        let (all, answers) = bodies(true);
        let events: Vec<serde_json::Value> = serde_json::from_str(&all[0]).expect("JSON");
        assert_eq!((all.len(), answers, events.len()), (1, 1, 2));
    }

    #[test]
    fn answers_are_counted_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
        let three = answer.repeat(3);
        let answers = |count, bytes| Ok(Answers { count, bytes });
        assert_eq!(count_answers(&three), answers(3, three.len()));
        let cut = &three[..three.len() - 1];
        assert_eq!(count_answers(cut), answers(2, 2 * answer.len()));
        let refused = b"HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nfull";
        assert_eq!(count_answers(refused), Err("503 full".to_owned()));
    }
}

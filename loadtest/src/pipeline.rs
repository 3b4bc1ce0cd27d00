//! One publisher on a kept-alive HTTP connection that does not wait for answers before it asks again.
//!
//! Its socket never blocks: it shares a thread and an epoll with everybody who listens. Answers are
//! counted, and one that is no success ends the measurement.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::failure::{During, Failure};
use crate::frames::sequence_field;
use crate::http::Response;
use crate::swarm::connect;

/// Where answers are received.
const SCRATCH_BYTES: usize = 64 * 1024;

/// How events are put into requests.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    /// The session that events are published to.
    pub(crate) session: String,
    /// Bytes that pad each payload.
    pub(crate) padding: usize,
    /// Whether what is due at the same time is one request with an array.
    pub(crate) is_array: bool,
}

impl Form {
    /// Events of these sequence numbers, as bodies of requests.
    fn bodies(&self, events: Range<u64>) -> Vec<String> {
        let padding = "x".repeat(self.padding);
        let event = |sequence: u64| {
            let field = sequence_field(sequence);
            format!(r#"{{"type":"probe","data":{{{field},"padding":"{padding}"}}}}"#)
        };
        let bodies: Vec<String> = events.map(event).collect();
        if self.is_array {
            vec![format!("[{}]", bodies.join(","))]
        } else {
            bodies
        }
    }
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Pipeline {
    stream: TcpStream,
    /// The fields that are always the same, up to the value of the last one.
    fields: String,
    unsent: Vec<u8>,
    received: Vec<u8>,
    scratch: Vec<u8>,
    requests: u64,
    answers: u64,
    /// Receives that brought something: about as many as the server's writes.
    reads: u64,
}

impl Pipeline {
    /// Connects, and has `registry` tell of the socket as `token`.
    pub(crate) fn connect(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, Failure> {
        let mut stream = TcpStream::from_std(connect(address, 0)?);
        let both = Interest::READABLE | Interest::WRITABLE;
        registry
            .register(&mut stream, token, both)
            .during("watching the publisher's socket")?;
        let fields =
            format!("Host: {address}\r\nContent-Type: application/json\r\nContent-Length: ");
        Ok(Self {
            stream,
            fields,
            unsent: Vec::new(),
            received: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            requests: 0,
            answers: 0,
            reads: 0,
        })
    }

    /// Receives so far that brought answers.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Whether every request has its answer.
    pub(crate) fn is_answered(&self) -> bool {
        self.answers == self.requests
    }

    /// Publishes events of these sequence numbers, all in one write if the socket takes it.
    pub(crate) fn publish(&mut self, form: &Form, events: Range<u64>) -> Result<(), Failure> {
        let path = format!("/api/sessions/{}/events", form.session);
        for body in form.bodies(events) {
            self.post(&path, &body)?;
        }
        self.flush()
    }

    /// Has a body posted with the next [`flush`](Self::flush).
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Result<(), Failure> {
        let (fields, length) = (&self.fields, body.len());
        let request = write!(
            self.unsent,
            "POST {path} HTTP/1.1\r\n{fields}{length}\r\n\r\n{body}"
        );
        self.requests += 1;
        request.during("writing a request")
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
        let (answers, used) = count_answers(&self.received)?;
        self.answers += answers;
        self.received.drain(..used);
        Ok(())
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

/// How many whole answers `bytes` begins with, and how long they are together.
fn count_answers(bytes: &[u8]) -> Result<(u64, usize), Failure> {
    let (mut answers, mut used) = (0, 0);
    while let Some((response, taken)) =
        Response::parse(&bytes[used..]).during("the answer to a publish")?
    {
        let status = response.head.status;
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(&response.body);
            return Err(Failure::new(format!(
                "a publish was answered {status} {text}"
            )));
        }
        answers += 1;
        used += taken;
    }
    Ok((answers, used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::sequence;

    fn form(is_array: bool) -> Form {
        Form {
            session: "s".to_owned(),
            padding: 3,
            is_array,
        }
    }

    #[test]
    fn each_event_is_a_request_or_all_are_one() {
        let bodies = form(false).bodies(7..9);
        assert_eq!(bodies.len(), 2);
        for (body, expected) in bodies.iter().zip(7..) {
            let event: serde_json::Value = serde_json::from_str(body).expect("JSON");
            assert_eq!(event["data"]["padding"], "xxx");
            assert_eq!(sequence(body.as_bytes()), Some(expected));
        }
        let bodies = form(true).bodies(7..9);
        let events: Vec<serde_json::Value> = serde_json::from_str(&bodies[0]).expect("JSON");
        assert_eq!((bodies.len(), events.len()), (1, 2));
    }

    #[test]
    fn answers_are_counted_whole() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
        let three = answer.repeat(3);
        assert_eq!(count_answers(&three).expect("sound"), (3, three.len()));
        let cut = &three[..three.len() - 1];
        assert_eq!(count_answers(cut).expect("sound"), (2, 2 * answer.len()));
        let refused = b"HTTP/1.1 503 x\r\nContent-Length: 4\r\n\r\nfull";
        let why = count_answers(refused).expect_err("refused").to_string();
        assert!(why.contains("503 full"), "{why}");
    }
}

//! One publisher on a kept-alive connection that does not wait for answers before it asks again.
//!
//! Its socket never blocks: it shares a thread and an epoll with everybody who subscribes. Answers
//! are counted, and one that refuses an event ends the measurement. What it says is its
//! [`Publishing`]; over HTTP that is [`HttpPublishing`], for ourselves and for others.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use mio::net::TcpStream;
use mio::{Interest, Token};

use crate::failure::{During, Failure};
use crate::frames::sequence_field;
use crate::http::Response;
use crate::sockets::{Sockets, connect};

/// Answers taken from what a publisher received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// How many.
    pub(crate) count: u64,
    /// Bytes that they, and whatever else is understood, took.
    pub(crate) bytes: usize,
}

/// How a publisher speaks on its connection.
pub(crate) trait Publishing {
    /// What it sends before anything else.
    fn hello(&self) -> Vec<u8> {
        Vec::new()
    }
    /// Appends what publishes events of these sequences, their payloads padded with so many bytes.
    /// Returns the number of answers that will come.
    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64;
    /// Takes whole answers from the start of `received`; what must be sent back (a pong) is
    /// appended to `replies`. Fails if one refuses an event.
    fn take(&mut self, received: &[u8], replies: &mut Vec<u8>) -> Result<Answers, String>;
}

/// Events each of which is for a group of subscribers.
pub(crate) trait Plan {
    /// Which group is entitled to it.
    fn group(&self, event: u64) -> usize;
    /// Where it is posted, and its body, which has the event's [`sequence_field`].
    fn request(&self, event: u64) -> (String, String);
}

/// One of so many, at random but the same run after run.
pub(crate) fn one_of(count: usize, seed: u64, event: u64) -> usize {
    // Neighbouring seeds should have nothing in common.
    let seed = fastrand::Rng::with_seed(seed).u64(..);
    fastrand::Rng::with_seed(seed ^ event).usize(..count.max(1))
}

/// Requests of HTTP/1.1, several at once, answers in order: how ours, nchan and small servers are
/// published to.
#[derive(Clone)]
pub(crate) struct HttpPublishing {
    /// Where all events go, unless a plan says where each goes.
    path: String,
    plan: Option<Rc<dyn Plan>>,
    /// Whether what is due at the same time is one request with an array.
    is_array: bool,
    /// The fields that are always the same, up to the value of the last one.
    fields: String,
}

impl HttpPublishing {
    /// Posts to a path of a server, one request for each event.
    pub(crate) fn new(address: SocketAddr, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            plan: None,
            is_array: false,
            fields: format!(
                "Host: {address}\r\nContent-Type: application/json\r\nContent-Length: "
            ),
        }
    }

    /// Posts to a session of ours; `is_array` makes what is due at the same time one request with
    /// an array.
    pub(crate) fn to_session(address: SocketAddr, session: &str, is_array: bool) -> Self {
        Self {
            is_array,
            ..Self::new(address, &format!("/api/sessions/{session}/events"))
        }
    }

    /// Posts each event where a plan says.
    pub(crate) fn planned(address: SocketAddr, plan: &Rc<dyn Plan>) -> Self {
        Self {
            plan: Some(Rc::clone(plan)),
            ..Self::new(address, "/")
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
    fn encode(&mut self, sequences: &[u64], padding: usize, requests: &mut Vec<u8>) -> u64 {
        if let Some(plan) = &self.plan {
            for &sequence in sequences {
                let (path, body) = plan.request(sequence);
                self.encode_one(&path, &body, requests);
            }
            return sequences.len() as u64;
        }
        let bodies = bodies(sequences, padding);
        if self.is_array {
            let body = format!("[{}]", bodies.collect::<Vec<_>>().join(","));
            self.encode_one(&self.path, &body, requests);
            return 1;
        }
        for body in bodies {
            self.encode_one(&self.path, &body, requests);
        }
        sequences.len() as u64
    }

    fn take(&mut self, received: &[u8], _: &mut Vec<u8>) -> Result<Answers, String> {
        count_answers(received)
    }
}

/// Events as they are published everywhere; each has the same number of bytes.
pub(crate) fn bodies(sequences: &[u64], padding: usize) -> impl Iterator<Item = String> {
    sequences.iter().map(move |&sequence| {
        let field = sequence_field(sequence);
        format!(
            r#"{{"type":"probe","data":{{{field},"padding":"{:x<padding$}"}}}}"#,
            ""
        )
    })
}

/// The connection, on which one protocol is spoken: whichever it is, or one that is known.
pub(crate) struct Publisher<P: ?Sized = dyn Publishing> {
    stream: TcpStream,
    padding: usize,
    /// Sequences of events to publish next.
    due: Vec<u64>,
    unsent: Vec<u8>,
    received: Vec<u8>,
    requests: u64,
    answers: u64,
    /// Receives that brought something: about as many as the server's writes.
    reads: u64,
    publishing: Box<P>,
}

impl<P: Publishing + ?Sized> Publisher<P> {
    /// Connects, and has events of the socket come as `token`. `index` spreads own addresses.
    pub(crate) fn open(
        address: SocketAddr,
        publishing: Box<P>,
        padding: usize,
        sockets: &Sockets,
        token: Token,
        index: usize,
    ) -> Result<Self, Failure> {
        let mut stream = connect(address, index)?;
        sockets.watch(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let unsent = publishing.hello();
        let mut publisher = Self {
            stream,
            padding,
            due: Vec::new(),
            unsent,
            received: Vec::new(),
            requests: 0,
            answers: 0,
            reads: 0,
            publishing,
        };
        publisher.flush()?;
        Ok(publisher)
    }

    /// What it says.
    pub(crate) fn publishing(&mut self) -> &mut P {
        &mut self.publishing
    }

    /// Receives so far that brought answers.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Requests that have no answer yet.
    pub(crate) fn unanswered(&self) -> u64 {
        self.requests - self.answers
    }

    /// Has an event of this sequence published with the next [`publish`](Self::publish).
    pub(crate) fn add(&mut self, sequence: u64) {
        self.due.push(sequence);
    }

    /// Publishes what was added, all in one write if the socket takes it.
    pub(crate) fn publish(&mut self) -> Result<(), Failure> {
        if !self.due.is_empty() {
            let unsent = &mut self.unsent;
            self.requests += self.publishing.encode(&self.due, self.padding, unsent);
            self.due.clear();
        }
        self.flush()
    }

    /// Sends and receives what can be, after the socket was said to be ready.
    pub(crate) fn ready(&mut self, scratch: &mut [u8]) -> Result<(), Failure> {
        self.flush()?;
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::new("the server closed a publisher's connection")),
                Ok(count) => {
                    self.reads += 1;
                    self.received.extend_from_slice(&scratch[..count]);
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

    fn flush(&mut self) -> Result<(), Failure> {
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
        let answers = publishing.encode(&[7, 8], 3, &mut requests);
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
    fn what_is_at_random_is_spread_and_repeats() {
        let mut hits = [0_u32; 100];
        (0..100_000).for_each(|event| hits[one_of(100, 7, event)] += 1);
        let is_even = hits.iter().all(|hits| (800..1_200).contains(hits));
        assert!(is_even, "{hits:?}");
        assert_eq!(one_of(100, 7, 5), one_of(100, 7, 5));
        let differs = (0..100).filter(|&event| one_of(100, 7, event) != one_of(100, 8, event));
        assert!(differs.count() > 90);
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

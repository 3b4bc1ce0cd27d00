//! A crowd before servers that keep to what is asked and servers that do not: each fault must be a failure.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::frames::sequence_field;
use crate::kind::Kind;
use std::net::TcpListener;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Everything goes to everyone.
    Everyone,
    /// An event goes twice to one listener.
    Twice,
    /// One is sent after the one that follows it.
    Swap,
    /// One never comes, to one listener.
    Loss,
}

/// The event with which something goes wrong.
const WRONG: u64 = 5;

/// Listeners by path, and an event that is late.
type Streams = Arc<Mutex<(HashMap<String, Vec<TcpStream>>, Vec<u8>)>>;

/// A server of event streams; a thread for each connection, which ends with it.
fn serve(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let streams = Streams::default();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let streams = Arc::clone(&streams);
            thread::spawn(move || converse(&stream, &streams, fault));
        }
    });
    address
}

fn converse(mut stream: &TcpStream, streams: &Streams, fault: Fault) -> Option<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        lines
            .read_line(&mut first)
            .ok()
            .filter(|&count| count > 0)?;
        let mut line = String::new();
        while lines.read_line(&mut line).ok()? > 2 {
            let digits = line.strip_prefix("Content-Length: ");
            length = digits.map_or(Some(length), |digits| digits.trim().parse().ok())?;
            line.clear();
        }
        let path = first.split(' ').nth(1)?.to_owned();
        if first.starts_with("GET") {
            let mut streams = streams.lock().ok()?;
            let listeners = streams.0.entry(path).or_default();
            listeners.push(stream.try_clone().ok()?);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                .ok()?;
            continue;
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).ok()?;
        tell(&mut *streams.lock().ok()?, &path, &body, fault)?;
        stream
            .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            .ok()?;
    }
}

fn tell(
    (streams, late): &mut (HashMap<String, Vec<TcpStream>>, Vec<u8>),
    path: &str,
    body: &[u8],
    fault: Fault,
) -> Option<()> {
    let is_wrong = sequence(body)? == WRONG;
    let event = [b"data: ", body, b"\n\n"].concat();
    if is_wrong && fault == Fault::Swap {
        *late = event;
        return Some(());
    }
    for (of, listeners) in streams.iter_mut() {
        let is_entitled = of == path;
        for (place, listener) in listeners.iter_mut().enumerate() {
            let times = match fault {
                Fault::Twice if is_wrong && place == 0 => 2,
                Fault::Loss if is_wrong && place == 0 => 0,
                Fault::Everyone if is_wrong => 1,
                _ => usize::from(is_entitled),
            };
            let times = if is_entitled || fault == Fault::Everyone {
                times
            } else {
                0
            };
            listener.write_all(&event.repeat(times)).ok()?;
            if is_entitled {
                listener.write_all(late).ok()?;
            }
        }
    }
    // All are of the same group here when one is late.
    late.clear();
    Some(())
}

/// Two groups, or one, in turn.
struct Turns(usize);

impl Plan for Turns {
    fn group(&self, event: u64) -> usize {
        usize::try_from(event).expect("few") % self.0
    }
    fn request(&self, event: u64) -> (String, String) {
        let body = format!("{{{}}}", sequence_field(event));
        (format!("/api/sessions/{}/events", self.group(event)), body)
    }
}

/// Publishes a hundred events to three listeners in each group.
fn publish(fault: Fault) -> Result<(u64, u64), String> {
    let address = serve(fault);
    let groups = if fault == Fault::Swap { 1 } else { 2 };
    let opening = |index: usize| Opening {
        ear: Ear::of(Kind::Sse, "h", &(index % groups).to_string()),
        group: index % groups,
        hello: None,
        greetings: 0,
        answer: "",
        is_told: true,
    };
    let openings = (0..3 * groups).map(opening).collect();
    let run = || {
        let mut crowd = Crowd::open(address, openings, 1, Box::new(Turns(groups)))?;
        let load = crowd.publish(50, 4)?;
        let timed = crowd.publish_at(2_000, 50)?;
        crowd.pump_for(Duration::from_millis(50))?;
        Ok((
            load.latencies.len() + timed.latencies.len(),
            crowd.deliveries(),
        ))
    };
    run().map_err(|why: Failure| why.to_string())
}

#[test]
fn every_event_is_heard_by_its_group() {
    assert_eq!(publish(Fault::None), Ok((100, 300)));
}

#[test]
fn a_server_that_does_not_keep_to_it_is_found_out() {
    for (fault, said) in [
        (Fault::Everyone, "heard 5"),
        (Fault::Twice, "heard 5"),
        (Fault::Swap, "expected event Some(5), heard 6"),
        (Fault::Loss, "expected event Some(5), heard 7"),
    ] {
        let why = publish(fault).expect_err("at fault");
        assert!(why.contains(said), "{fault:?}: {why}");
    }
}

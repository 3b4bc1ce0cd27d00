//! A fleet before servers that keep to what is asked and servers that do not: each fault must be a
//! failure.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::check::exact::Exact;
use crate::check::in_order::InOrder;
use crate::check::resumable::Group;
use crate::fleet::churn::{Churning, Member};
use crate::frames::{sequence, sequence_field};
use crate::kind::Kind;
use crate::publisher::{HttpPublishing, Plan};
use crate::voice::session::SessionVoice;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Everything goes to everyone.
    Everyone,
    /// An event goes twice to one subscriber.
    Twice,
    /// One is sent after the one that follows it.
    Swap,
    /// One never comes, to one subscriber.
    Loss,
}

/// The event with which something goes wrong.
const WRONG: u64 = 5;

/// Subscribers by path, and an event that is late.
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
        let path = first.split([' ', '?']).nth(1)?.to_owned();
        if first.starts_with("GET") {
            let mut streams = streams.lock().ok()?;
            let subscribers = streams.0.entry(path).or_default();
            subscribers.push(stream.try_clone().ok()?);
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
    let number = sequence(body)?;
    let is_wrong = number == WRONG;
    let event = [format!("id: e:{number}\ndata: ").as_bytes(), body, b"\n\n"].concat();
    if is_wrong && fault == Fault::Swap {
        *late = event;
        return Some(());
    }
    for (of, subscribers) in streams.iter_mut() {
        let is_entitled = of == path;
        for (place, subscriber) in subscribers.iter_mut().enumerate() {
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
            // One that has left hears nothing.
            let _ = subscriber.write_all(&event.repeat(times));
            if is_entitled {
                let _ = subscriber.write_all(late);
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

/// Publishes a hundred events to three subscribers in each group.
fn publish(fault: Fault) -> Result<(u64, u64), String> {
    let address = serve(fault);
    let groups = if fault == Fault::Swap { 1 } else { 2 };
    let host = Arc::from("h");
    let voice =
        |index: usize| SessionVoice::by_sequence(Kind::Sse, &host, &(index % groups).to_string());
    let plan: Rc<dyn Plan> = Rc::new(Turns(groups));
    let of = (0..3 * groups).map(|index| index % groups);
    let check = Exact::new(of, Rc::clone(&plan), 1);
    let run = || {
        let mut fleet = Fleet::open(address, (0..3 * groups).map(voice), check)?;
        let publishing = HttpPublishing::planned(address, &plan);
        fleet.attach(address, Box::new(publishing), 0)?;
        let load = fleet.publish(50, 4)?;
        let timed = fleet.publish_at(2_000, 50)?;
        fleet.pump_for(Duration::from_millis(50))?;
        Ok((
            load.latencies.len() + timed.latencies.len(),
            fleet.check().deliveries(),
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

#[test]
fn subscribers_leave_and_come_back() {
    let address = serve(Fault::None);
    let (sessions, members) = (
        ["a".to_owned(), "b".to_owned()],
        [0, 1, 0].map(|topic| Member {
            kind: Kind::Sse,
            topic,
            group: Group::Healthy,
        }),
    );
    let mut fleet = Churning::of(address, &sessions, &members).expect("an epoll");
    fleet
        .attach_publishers(address, &sessions, 3)
        .expect("a server");
    assert!(fleet.is_away(0) && fleet.count() == 3);
    fleet.join_all().expect("everybody listens");
    fleet.publish_to_all(4).expect("it is answered");
    fleet.catch_up().expect("everybody hears");
    fleet.leave(0);
    fleet.publish_to_all(2).expect("it is answered");
    fleet.catch_up().expect("those who are there hear");
    assert_eq!((fleet.is_away(0), fleet.is_away(1)), (true, false));
    // This server replays nothing, and does not say so.
    fleet.join(0).expect("a server");
    fleet
        .pump_until("it listens", |fleet| fleet.pending == 0)
        .expect("it does");
    let half = Duration::from_millis(50);
    let load = fleet.offer(200, half, |_| Ok(())).expect("it is answered");
    assert!(load.latencies.len() >= 5, "{}", load.latencies.len());
    let (totals, first) = fleet.into_check().finish();
    assert_eq!((totals.missing, totals.repeated), (1, 0), "{first:?}");
}

#[test]
fn a_server_that_leaves_is_noticed_or_noted() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream: TcpStream = stream;
            let mut request = [0; 512];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
            // It listens before the end comes.
            thread::sleep(Duration::from_millis(100));
        }
    });
    let host = Arc::from("h");
    let voice = SessionVoice::new(Kind::Sse, &host, "s");
    let mut fleet = Fleet::open(address, [voice], InOrder::new(1)).expect("it listens");
    let why = fleet
        .pump_for(Duration::from_secs(5))
        .expect_err("it is gone");
    assert_eq!(
        why.to_string(),
        "subscriber 0: the server closed the connection"
    );
    let member = Member {
        kind: Kind::Sse,
        topic: 0,
        group: Group::Slow,
    };
    let mut fleet = Churning::of(address, &["s".to_owned()], &[member]).expect("an epoll");
    fleet.join_all().expect("it listens");
    fleet
        .pump_until("it is gone", |fleet| fleet.is_away(0))
        .expect("that is its right");
    let tally = fleet.check().tally(Group::Slow);
    assert_eq!((tally.opened, tally.endings[&0]), (1, 1));
}

//! Legitimate clients against small servers that are slow, refuse, or talk nonsense.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;

/// A server that takes so long for every answer; it serves one connection after the other.
fn serve(delay: Duration, connections: usize, answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let mut stream = stream.expect("a connection");
            let mut buf = [0; 4_096];
            while stream.read(&mut buf).is_ok_and(|count| count > 0) {
                thread::sleep(delay);
                if stream.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    address
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";

#[test]
fn a_stall_counts_as_often_as_it_would_have_been_met() {
    let address = serve(Duration::from_millis(100), 1, OK);
    // Nothing more is due when the first answer comes.
    let clients = LegitimateClients::start(&[Task::Open], address, "", Duration::from_millis(50));
    let seen = clients.finish().expect("it answers").remove(0).1;
    assert_eq!((seen.asked(), seen.refused()), (1, 0));
    // After 100, 90, 80 ... 10 ms.
    assert!(seen.latencies.len() >= 10, "{}", seen.latencies.len());
    let middle = Duration::from_nanos(seen.latencies.value_at_quantile(0.5));
    assert!(middle >= Duration::from_millis(49), "{middle:?}");
    assert!(seen.latencies.max() >= 99_000_000);
    assert_eq!(seen.last, "200");
}

#[test]
fn questions_do_not_wait_for_each_other() {
    // Each answer takes three times as long as there is between two questions.
    let address = serve(Duration::from_millis(30), 1, OK);
    let clients = LegitimateClients::start(&[Task::Open], address, "", Duration::from_millis(300));
    let seen = clients.finish().expect("it answers").remove(0).1;
    // Thirty were due: who catches up asks them all, the last of them half a second late.
    assert!((1..=11).contains(&seen.asked()), "{}", seen.asked());
}

#[test]
fn refusals_are_seen_and_named() {
    let refusal =
        b"HTTP/1.1 503 No\r\nContent-Length: 27\r\n\r\n{\"error\":{\"code\":\"too_busy\"}";
    assert_eq!(error_code(&refusal[refusal.len() - 27..]), None);
    let whole = b"HTTP/1.1 503 No\r\nContent-Length: 29\r\n\r\n{\"error\":{\"code\":\"too_busy\"}}";
    let address = serve(Duration::ZERO, 1, whole);
    let duration = Duration::from_millis(120);
    let clients = LegitimateClients::start(&[Task::Publish], address, "", duration);
    let seen = clients.finish().expect("it answers").remove(0).1;
    assert!((1..=3).contains(&seen.refused()) && seen.told.answers == 0);
    assert_eq!(seen.last, "503 too_busy");
}

#[test]
fn a_poll_is_late_by_what_it_takes_beyond_its_second() {
    let address = serve(Duration::from_millis(1_100), 1, OK);
    let now = Instant::now();
    let request = Task::Poll.request(address, 0, "");
    let times = Times {
        first: now,
        end: now,
        interval: Duration::ZERO,
    };
    let seen = poll(address, &request, times).expect("it answers");
    assert_eq!(seen.latencies.len(), 1);
    let late = Duration::from_nanos(seen.latencies.max());
    assert!(late >= Duration::from_millis(99), "{late:?}");
}

#[test]
fn who_is_cut_off_connects_again() {
    // The server leaves after one answer that is no HTTP.
    let address = serve(Duration::ZERO, 100, b"nonsense\r\n\r\n");
    let duration = Duration::from_millis(500);
    let clients = LegitimateClients::start(&[Task::Open], address, "", duration);
    let seen = clients.finish().expect("it goes on").remove(0).1;
    assert!(seen.refused() >= 2 && seen.told.answers == 0);
    assert!(seen.last.contains("not an HTTP/1.1 status line"));
}

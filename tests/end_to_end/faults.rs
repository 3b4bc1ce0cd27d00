//! Peers that are slow, broken or hostile; whoever behaves must not notice.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::clients::{agent, counted, data_of, get, pause, publish, read_to_end, send, status};
use crate::server::{DEADLINE, Server, Setting};

on_both_drivers!(
    slow_heads_are_timed_out_while_others_are_served,
    without_descriptors_peers_are_turned_away,
    a_flood_does_not_starve_others,
    pipelining_publishers_shut_nobody_out,
    vanished_peers_of_waiting_polls_are_probed,
);
on_every_setting!(
    heads_that_cannot_be_read,
    bodies_that_are_not_what_was_promised,
    peers_that_hang_up_at_once,
);

const LORIS_CONNECTIONS: usize = 5_000;

/// Enough descriptors for this process; what the machine allows, anyway.
fn raise_descriptor_limit() {
    let limit = rlimit::increase_nofile_limit(16 * 1024).expect("the limit is readable");
    assert!(
        limit > 2 * LORIS_CONNECTIONS as u64 + 500,
        "only {limit} descriptors"
    );
}

fn slow_heads_are_timed_out_while_others_are_served(setting: Setting) {
    raise_descriptor_limit();
    let server = Server::start(setting, &[]);
    let start = Instant::now();
    let mut slow: Vec<(TcpStream, String)> = (0..LORIS_CONNECTIONS)
        .map(|_| {
            let mut stream = server.connect();
            send(&mut stream, "GET /healthz HTTP/1.1\r\nHost: h\r\nX-Slow: ");
            stream.set_nonblocking(true).expect("an option");
            (stream, String::new())
        })
        .collect();
    let (agent, mut count) = (agent(), 0);
    let mut timed_out = 0;
    while !slow.is_empty() {
        let waited = start.elapsed();
        assert!(waited < DEADLINE, "{} are still open", slow.len());
        for _ in 0..5 {
            let asked = Instant::now();
            publish(&agent, &server.events("prompt"), &counted(count));
            count += 1;
            let took = asked.elapsed();
            assert!(took < Duration::from_secs(2), "a publish took {took:?}");
        }
        slow.retain_mut(|(stream, answer)| {
            let mut buf = [0; 1024];
            match stream.read(&mut buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // A byte now and then does not buy time. It may meet the end.
                    let _ = stream.write_all(b"x");
                    return true;
                }
                Ok(read) if read > 0 => {
                    *answer += &String::from_utf8_lossy(&buf[..read]);
                    return true;
                }
                // A byte of ours that crossed the answer may turn the end into a reset.
                Ok(_) | Err(_) => {}
            }
            assert_eq!(status(answer), 408, "{answer:?}");
            timed_out += 1;
            false
        });
        pause(500);
    }
    assert_eq!(timed_out, LORIS_CONNECTIONS);
    assert!(start.elapsed() >= Duration::from_secs(9), "given up early");
    server.await_metric("connections", 2);
    server.await_metric("buffered_bytes", 0);
}

/// Sends raw bytes on a fresh connection; everything that comes back until the server closes.
fn exchange(server: &Server, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = server.connect();
    // The server may refuse, and close, before it has all.
    let _ = stream.write_all(bytes.as_ref());
    read_to_end(&mut stream)
}

fn heads_that_cannot_be_read(setting: Setting) {
    let server = Server::start(setting, &[]);
    let endless = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(20_000));
    assert_eq!(status(&exchange(&server, endless)), 431);
    let fields = "X: y\r\n".repeat(100);
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    assert_eq!(status(&exchange(&server, many)), 431);
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(9_000));
    assert_eq!(status(&exchange(&server, long)), 414);
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let garbage: [&[u8]; 6] = [
        hello,
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\nHost h\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xfe\xfd nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    for bytes in garbage {
        let answer = exchange(&server, bytes);
        assert_eq!(status(&answer), 400, "{bytes:?}: {answer}");
    }
    assert_eq!(
        status(&exchange(&server, "PRI * HTTP/9.9\r\n\r\n")) / 100,
        5
    );
    server.await_metric("buffered_bytes", 0);
    server.await_metric("connections", 1);
}

fn bodies_that_are_not_what_was_promised(setting: Setting) {
    let server = Server::start(setting, &[]);
    let post = |promise: &str, body: &str| {
        let path = "/api/sessions/promised/events";
        format!("POST {path} HTTP/1.1\r\nHost: h\r\n{promise}\r\n\r\n{body}")
    };
    // Longer: the first is served, the rest is not a request.
    let longer = post("Content-Length: 19", r#"{"type":1,"data":0}{}{} "#);
    let answers = exchange(&server, longer + "\r\n\r\n");
    assert_eq!(status(&answers), 200, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 400").count(), 1, "{answers}");
    // Shorter, then closed: not a request at all.
    for promise in ["Content-Length: 20", "Transfer-Encoding: chunked"] {
        let body = match promise {
            "Transfer-Encoding: chunked" => "13\r\n{\"type\":1,\"data\":9}\r\n",
            _ => r#"{"type":1,"data":9}"#,
        };
        let mut stream = server.connect();
        send(&mut stream, post(promise, body));
        stream.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(read_to_end(&mut stream), "", "{promise}");
    }
    let answer = exchange(&server, post("Transfer-Encoding: chunked", "zz\r\n{}"));
    assert_eq!(status(&answer), 400, "{answer}");
    // Too large is known before any of it is sent.
    let answer = exchange(&server, post("Content-Length: 1048577", ""));
    assert_eq!(status(&answer), 413, "{answer}");
    let (_, history) = get(&agent(), &(server.events("promised") + "?last_event=-1"));
    assert_eq!(data_of(&history), [0]);
    // A peer that has said all it will still gets its answer, whichever shard it met.
    for _ in 0..20 {
        let mut stream = server.connect();
        let path = "/api/sessions/promised/events?last_event=-1";
        send(
            &mut stream,
            format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"),
        );
        stream.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(status(&read_to_end(&mut stream)), 200);
        let mut stream = server.connect();
        send(
            &mut stream,
            post("Content-Length: 19", r#"{"type":1,"data":0}"#),
        );
        stream.shutdown(Shutdown::Write).expect("it is open");
        assert_eq!(status(&read_to_end(&mut stream)), 200);
    }
    server.await_metric("connections", 1);
    server.await_metric("buffered_bytes", 0);
}

fn peers_that_hang_up_at_once(setting: Setting) {
    let server = Server::start(setting, &[]);
    let descriptors = server.descriptors();
    for n in 0..500 {
        let stream = server.connect();
        if n % 2 == 0 {
            let socket = socket2::SockRef::from(&stream);
            socket.set_linger(Some(Duration::ZERO)).expect("an option");
        }
    }
    server.await_metric("connections", 1);
    server.await_descriptors(descriptors);
}

fn without_descriptors_peers_are_turned_away(setting: Setting) {
    let program = env!("CARGO_BIN_EXE_fanfare");
    let shards = setting.shards.to_string();
    let mut command = Command::new("/bin/sh");
    let limited = "ulimit -n 64; exec \"$0\" \"$@\"";
    command.args(["-c", limited, program, "--listen", "127.0.0.1:0"]);
    command.args(["--driver", setting.driver, "--shards", &shards]);
    let mut server = Server::spawn(command).expect("it starts");
    let crowd: Vec<_> = (0..200).map(|_| server.connect()).collect();
    pause(500);
    assert!(server.is_running(), "{}", server.log());
    let spent = server.processor_time_in(1_000);
    assert!(spent.as_millis() < 500, "{spent:?} in a second of waiting");
    drop(crowd);
    server.await_metric("connections", 1);
    publish(&agent(), &server.events("after"), &counted(0));
    let log = server.log();
    assert!(log.contains("turned away"), "{log}");
    assert!(log.lines().count() < 20, "too many words: {log}");
}

/// Input that is discarded costs its reader nothing, so the sender never pauses by itself.
fn a_flood_does_not_starve_others(setting: Setting) {
    let server = Server::start(setting, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let (mut streams, mut floods) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let mut stream = server.connect();
        let path = format!("/api/sessions/flooded-{n}/events");
        let accept = "Accept: text/event-stream";
        send(
            &mut stream,
            format!("GET {path} HTTP/1.1\r\nHost: h\r\n{accept}\r\n\r\n"),
        );
        server.await_metric("readers", n + 1);
        for _ in 0..2 {
            let mut stream = stream.try_clone().expect("a descriptor");
            let stop = Arc::clone(&stop);
            floods.push(std::thread::spawn(move || {
                let bytes = vec![0; 1024 * 1024];
                while !stop.load(Ordering::Relaxed) && stream.write_all(&bytes).is_ok() {}
            }));
        }
        streams.push(stream);
    }
    let start = Instant::now();
    for n in 0..50 {
        // Each on a connection of its own: accepting must go on, too.
        let asked = Instant::now();
        publish(&agent(), &server.events(&format!("calm-{n}")), &counted(n));
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(5), "a publish took {took:?}");
    }
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().expect("it stopped");
    }
    assert!(took < Duration::from_secs(15), "{took:?}");
    server.await_metric("readers", streams.len() as u64);
}

/// Each of many connections always has more requests than are taken at a time, on every shard.
fn pipelining_publishers_shut_nobody_out(setting: Setting) {
    const FLOODS: usize = 12;
    let server = Server::start(setting, &[]);
    let stop = Arc::new(AtomicBool::new(false));
    let body = r#"{"type":"t","data":"0123456789"}"#;
    let floods = (0..FLOODS).map(|n| {
        let mut stream = server.connect();
        let mut answers = stream.try_clone().expect("a descriptor");
        let request = format!(
            "POST /api/sessions/flood-{n}/events HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let is_over = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            let requests = request.repeat(100);
            while !is_over.load(Ordering::Relaxed)
                && stream.write_all(requests.as_bytes()).is_ok()
            {}
            // What it has sent and the server has not looked at is of no interest.
            let _ = stream.shutdown(Shutdown::Both);
        });
        let reader = std::thread::spawn(move || {
            std::io::copy(&mut answers, &mut std::io::sink()).unwrap_or_default()
        });
        (writer, reader)
    });
    let floods: Vec<_> = floods.collect();
    let (agent, start) = (agent(), Instant::now());
    // A deadline, beside connections that are open and new ones.
    let poll = std::thread::spawn({
        let url = format!("{}?timeout=1", server.events("calm"));
        move || {
            let asked = Instant::now();
            let answer = crate::clients::agent().get(&url).call();
            assert_eq!(answer.expect("an answer").status(), 200);
            asked.elapsed()
        }
    });
    let mut worst = Duration::ZERO;
    for n in 0..20 {
        for agent in [&agent, &crate::clients::agent()] {
            let asked = Instant::now();
            publish(agent, &server.events(&format!("calm-{n}")), &counted(n));
            worst = worst.max(asked.elapsed());
        }
    }
    let polled = poll.join().expect("the poll is answered");
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for (writer, reader) in floods {
        writer.join().expect("it stopped");
        answered += reader.join().expect("it stopped");
    }
    assert!(answered > 0, "nobody flooded");
    assert!(worst < Duration::from_secs(3), "a publish took {worst:?}");
    assert!(took < Duration::from_secs(15), "{took:?} for 40 publishes");
    assert!(
        polled < Duration::from_secs(3),
        "one second lasted {polled:?}"
    );
}

/// The timer of the server's end of a connection, as the kernel shows it: what it is, and the
/// seconds it has left.
fn timer_of(server: SocketAddr, client: SocketAddr) -> Option<(u8, u64)> {
    // proc_pid_net(5): addresses as hexadecimal words, then state, queues, and the timer with its
    // ticks of 10 ms.
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let ends = format!(":{:04X} 0100007F:{:04X} ", server.port(), client.port());
    let line = table.lines().find(|line| line.contains(&ends))?;
    let (_, rest) = line.split_once(&ends)?;
    let timer = rest.split_whitespace().nth(2)?;
    let (kind, ticks) = timer.split_once(':')?;
    let kind = u8::from_str_radix(kind, 16).expect("a digit");
    let ticks = u64::from_str_radix(ticks, 16).expect("a number");
    Some((kind, ticks / 100))
}

/// A peer that vanishes says nothing, and a poll that waits has nothing to send to it: only the
/// kernel finds out.
fn vanished_peers_of_waiting_polls_are_probed(setting: Setting) {
    let mut file = tempfile::NamedTempFile::new().expect("a scratch file");
    let server = Server::start(setting, &[]);
    let parked = |server: &Server| {
        let mut stream = server.connect();
        send(
            &mut stream,
            "GET /api/sessions/t/events?timeout=300 HTTP/1.1\r\nHost: h\r\n\r\n",
        );
        server.await_metric("readers", 1);
        stream
    };
    let stream = parked(&server);
    let client = stream.local_addr().expect("connected");
    let (kind, left) = timer_of(server.address, client).expect("the server's end");
    // 2 is the keepalive timer, which is set when there is nothing to be acknowledged.
    assert_eq!(kind, 2);
    assert!((30..=61).contains(&left), "{left} s");
    write!(file, "[server]\nkeepalive = 0\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let patient = Server::start(setting, &["--config", path]);
    let stream = parked(&patient);
    let client = stream.local_addr().expect("connected");
    let timer = timer_of(patient.address, client).expect("the server's end");
    assert_eq!(timer.0, 0, "no timer");
}

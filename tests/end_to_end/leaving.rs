//! Leaving on a signal: everyone is told, nobody is waited for longer than configured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::clients::{agent, get, open_socket, pause, publish, read_to_end, send, status};
use crate::server::{Server, Setting};

on_every_setting!(
    sigterm_tells_everyone,
    an_answer_under_way_is_finished,
    a_peer_that_does_not_answer_is_left_behind,
);
on_both_drivers!(
    sigint_is_the_same,
    a_second_signal_ends_at_once,
    a_log_that_nobody_reads_stops_nothing,
    publishers_at_full_speed_are_all_answered,
    a_balancer_is_told_before_anyone_is_refused,
    signals_that_mean_nothing_end_nothing,
    sigquit_drains,
);

/// The first line that cannot be written is the one about the signal.
fn a_log_that_nobody_reads_stops_nothing(setting: Setting) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["--listen", "127.0.0.1:0", "--driver", setting.driver])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ready = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut ready).expect("the ready line");
    drop(child.stderr.take());
    let id = child.id().to_string();
    let killed = Command::new("/bin/kill").args(["-TERM", &id]).status();
    assert!(killed.expect("kill is there").success());
    let since = Instant::now();
    let status = loop {
        match child.try_wait().expect("our child") {
            Some(status) => break status,
            None if since.elapsed() > ORDERLY => {
                child.kill().expect("our child");
                panic!("it did not leave");
            }
            None => pause(20),
        }
    };
    assert_eq!(status.code(), Some(0), "{status}");
}

/// Below the drain timeout: whoever takes longer was forced.
const ORDERLY: Duration = Duration::from_secs(8);

fn leave(server: &mut Server, since: Instant) {
    let status = server.await_exit();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
    let took = since.elapsed();
    assert!(took < ORDERLY, "left only after {took:?}: {}", server.log());
}

fn sigterm_tells_everyone(setting: Setting) {
    let mut server = Server::start(setting, &["--echo"]);
    let mut polls = Vec::new();
    let mut streams = Vec::new();
    let mut sockets = Vec::new();
    for session in 0..6 {
        let path = format!("/api/sessions/leaving-{session}/events");
        let mut poll = server.connect();
        send(&mut poll, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        polls.push(poll);
        let mut stream = server.connect();
        let accept = "Accept: text/event-stream";
        send(
            &mut stream,
            format!("GET {path} HTTP/1.1\r\nHost: h\r\n{accept}\r\n\r\n"),
        );
        streams.push(stream);
        sockets.push(open_socket(&server, &path));
    }
    sockets.push(open_socket(&server, "/echo"));
    let mut idle = server.connect();
    send(&mut idle, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut untouched = server.connect();
    server.await_metric("readers", 18);

    let start = Instant::now();
    server.signal("TERM");
    for poll in &mut polls {
        let answer = read_to_end(poll);
        assert_eq!(status(&answer), 200, "{answer}");
        assert!(
            answer.to_ascii_lowercase().contains("connection: close"),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n[]"), "{answer}");
    }
    for stream in &mut streams {
        let told = read_to_end(stream);
        assert!(told.contains("\nretry:"), "{told}");
        assert!(
            !told.contains("chunked") || told.ends_with("0\r\n\r\n"),
            "{told}"
        );
    }
    for socket in &mut sockets {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
            other => panic!("no goodbye: {other:?}"),
        }
        // Reading on sends the answer to the goodbye, and sees the end.
        socket.read().expect_err("nothing follows a goodbye");
    }
    assert!(read_to_end(&mut idle).ends_with("ok\n"));
    assert_eq!(read_to_end(&mut untouched), "");
    leave(&mut server, start);
}

fn sigint_is_the_same(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let mut poll = server.connect();
    send(
        &mut poll,
        "GET /api/sessions/s/events HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    server.await_metric("readers", 1);
    let start = Instant::now();
    server.signal("INT");
    assert_eq!(status(&read_to_end(&mut poll)), 200);
    leave(&mut server, start);
}

/// A server that is leaving finishes what it began to say, then closes, keep-alive or not.
fn an_answer_under_way_is_finished(setting: Setting) {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), "[sessions]\npoll_bytes_max = \"8MiB\"\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let mut server = Server::start(setting, &["--config", path]);
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "d".repeat(700_000));
    for _ in 0..10 {
        publish(&agent(), &server.events("long"), &event);
    }
    let mut reader = server.connect();
    let path = "/api/sessions/long/events?last_event=-1";
    send(
        &mut reader,
        format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"),
    );
    let mut first = [0; 1];
    reader.read_exact(&mut first).expect("an answer");
    let start = Instant::now();
    server.signal("TERM");
    pause(300);
    assert!(server.is_running(), "it left before its answer was taken");
    let rest = read_to_end(&mut reader);
    let (_, body) = rest.split_once("\r\n\r\n").expect("a head");
    let bodies_bytes = 10 * (event.len() + r#","number":0"#.len() + 1) + 1;
    assert_eq!(body.len(), bodies_bytes, "the answer was cut off");
    drop(reader);
    leave(&mut server, start);
}

fn a_peer_that_does_not_answer_is_left_behind(setting: Setting) {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), "[server]\ndrain_timeout = \"1s\"\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let mut server = Server::start(setting, &["--config", path]);
    let mut half = server.connect();
    send(&mut half, "GET /api/sess");
    let mut body = server.connect();
    let head = "POST /api/sessions/s/events HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{";
    send(&mut body, head);
    let _deaf = open_socket(&server, "/api/sessions/s/events");
    server.await_metric("readers", 1);
    let start = Instant::now();
    server.signal("TERM");
    leave(&mut server, start);
}

fn a_second_signal_ends_at_once(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let _deaf = open_socket(&server, "/api/sessions/s/events");
    let start = Instant::now();
    server.signal("TERM");
    while !server.log().contains("leaving") {
        pause(10);
    }
    assert!(server.is_running(), "{}", server.log());
    server.signal("TERM");
    let status = server.await_exit();
    assert_eq!(status.code(), Some(1), "{}", server.log());
    // The deaf socket alone would have had five seconds.
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}

/// Whether an answer with a `Content-Length` is all there.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| length.parse() == Ok(body.len()))
}

/// Connections in full use, also those that must ask another shard, end between answers: each
/// request is answered, the last one with a refusal and a goodbye.
fn publishers_at_full_speed_are_all_answered(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let publishers: Vec<_> = (0..8)
        .map(|n| {
            let mut stream = server.connect();
            std::thread::spawn(move || {
                let body = r#"{"type":1,"data":2}"#;
                let path = format!("/api/sessions/busy-{n}/events");
                let length = body.len();
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                let mut answers = 0;
                loop {
                    if stream.write_all(request.as_bytes()).is_err() {
                        return answers;
                    }
                    let mut answer = Vec::new();
                    let mut buf = [0; 4096];
                    while !is_whole(&answer) {
                        match stream.read(&mut buf) {
                            Ok(0) | Err(_) => panic!("unanswered, or cut off: {answer:?}"),
                            Ok(read) => answer.extend_from_slice(&buf[..read]),
                        }
                    }
                    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
                    let leaves = answer.contains("connection: close");
                    match status(&answer) {
                        200 => answers += 1,
                        503 => assert!(leaves && answer.contains("retry-after: "), "{answer}"),
                        _ => panic!("{answer}"),
                    }
                    if leaves {
                        return answers;
                    }
                }
            })
        })
        .collect();
    pause(300);
    let start = Instant::now();
    server.signal("TERM");
    for publisher in publishers {
        assert!(publisher.join().expect("whole answers") > 0);
    }
    leave(&mut server, start);
}

/// With a delay the node first says that it is not ready, and goes on taking connections.
fn a_balancer_is_told_before_anyone_is_refused(setting: Setting) {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), "[server]\nready_delay = \"2s\"\n").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let mut server = Server::start(setting, &["--config", path]);
    let agent = agent();
    let ready = |agent| get(agent, &server.url("/readyz"));
    assert_eq!(ready(&agent), (200, "{\"ready\":true}\n".to_owned()));
    assert_eq!(get(&agent, &server.url("/livez")).0, 200);
    let since = Instant::now();
    server.signal("TERM");
    while ready(&agent).0 == 200 {
        assert!(since.elapsed() < Duration::from_secs(2), "it is not said");
        pause(20);
    }
    // A new connection, a publish, a reader: all as ever.
    let late = crate::clients::agent();
    assert_eq!(ready(&late).0, 503);
    assert_eq!(get(&late, &server.url("/livez")).0, 200);
    publish(&late, &server.events("late"), r#"{"type":1,"data":2}"#);
    assert_eq!(server.await_exit().code(), Some(0), "{}", server.log());
    assert!(since.elapsed() >= Duration::from_secs(2));
}

fn signals_that_mean_nothing_end_nothing(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    publish(&agent(), &server.events("kept"), r#"{"type":1,"data":2}"#);
    for signal in ["HUP", "USR1", "USR2"] {
        server.signal(signal);
        pause(100);
    }
    assert!(server.is_running(), "{}", server.log());
    let url = format!("{}?last_event=-1", server.events("kept"));
    assert!(get(&agent(), &url).1.contains(r#""data":2"#));
    leave_by(&mut server, "TERM");
}

fn sigquit_drains(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let mut poll = server.connect();
    send(
        &mut poll,
        "GET /api/sessions/q/events HTTP/1.1\r\nHost: h\r\n\r\n",
    );
    server.await_metric("readers", 1);
    server.signal("QUIT");
    assert!(read_to_end(&mut poll).ends_with("\r\n\r\n[]"));
    let status = server.await_exit();
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

fn leave_by(server: &mut Server, signal: &str) {
    let since = Instant::now();
    server.signal(signal);
    leave(server, since);
}

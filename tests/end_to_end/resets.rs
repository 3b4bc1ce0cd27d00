//! Connections that are reset in every state a connection can be in. Nothing may be left of them.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::clients::{agent, counted, counted_array, open_socket, pause, publish, send};
use crate::server::{Server, Setting};

on_every_setting!(a_reset_in_any_state_leaves_nothing);

/// How many connections are reset in each state.
const EACH: usize = 12;

/// Closes with a reset instead of an orderly end.
fn reset(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_linger(Some(Duration::ZERO)).expect("an option");
}

/// Requests that leave the connection in some state, once the server has read them.
fn requests() -> Vec<String> {
    let events = "/api/sessions/reset/events";
    let post = format!("POST {events} HTTP/1.1\r\nHost: h\r\n");
    let get = format!("GET {events} HTTP/1.1\r\nHost: h\r\n");
    let body = r#"{"type":1,"data":2}"#;
    vec![
        String::new(),
        "GET /api/sess".to_owned(),
        format!("{post}Content-Length: 100\r\n\r\n{{\"type\":"),
        format!("{post}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n64\r\n{{\"ty"),
        format!("{post}Content-Length: 19\r\n\r\n{body}").repeat(40),
        format!("{get}\r\n"),
        // Parked, with another request held behind it.
        format!("{get}\r\n{get}\r\n"),
        format!("{get}Accept: text/event-stream\r\n\r\n"),
        "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".repeat(200),
        "garbage\r\n\r\n".to_owned(),
    ]
}

fn reset_raw(server: &Server, wait_ms: u64) {
    for request in requests() {
        let streams: Vec<_> = (0..EACH)
            .map(|_| {
                let mut stream = server.connect();
                send(&mut stream, &request);
                stream
            })
            .collect();
        pause(wait_ms);
        streams.iter().for_each(reset);
    }
}

/// An answer, or an event stream, of which the kernel cannot take all.
fn reset_while_answering(server: &Server) {
    let path = "/api/sessions/long/events?last_event=-1";
    for field in ["", "Accept: text/event-stream\r\n"] {
        let streams: Vec<_> = (0..EACH)
            .map(|_| {
                let mut stream = server.connect();
                send(
                    &mut stream,
                    format!("GET {path} HTTP/1.1\r\nHost: h\r\n{field}\r\n"),
                );
                let mut some = [0; 1024];
                stream.read_exact(&mut some).expect("an answer");
                stream
            })
            .collect();
        streams.iter().for_each(reset);
    }
    let sockets: Vec<_> = (0..EACH).map(|_| open_socket(server, path)).collect();
    pause(50);
    for socket in &sockets {
        reset(socket.get_ref());
    }
}

fn reset_sockets(server: &Server) {
    let feeds: Vec<_> = (0..EACH)
        .map(|_| open_socket(server, "/api/sessions/reset/events"))
        .collect();
    let echoes: Vec<_> = (0..EACH)
        .map(|n| {
            let mut socket = open_socket(server, "/echo");
            match n % 3 {
                // In the middle of a frame of 1,000 bytes, then of its header.
                0 => send(
                    socket.get_mut(),
                    [&[0x82, 0xfe, 0x03, 0xe8][..], &[0; 300]].concat(),
                ),
                1 => send(socket.get_mut(), [0x82, 0xff, 0x00]),
                _ => {
                    let large = Message::Binary(vec![7; 4 * 1024 * 1024].into());
                    socket.send(large).expect("it is read");
                }
            }
            socket
        })
        .collect();
    pause(50);
    for socket in feeds.iter().chain(&echoes) {
        reset(socket.get_ref());
    }
}

fn a_reset_in_any_state_leaves_nothing(setting: Setting) {
    let file = tempfile::NamedTempFile::new().expect("a scratch file");
    std::fs::write(file.path(), "[sessions]\npoll_bytes_max = \"8MiB\"\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let mut server = Server::start(setting, &["--echo", "--config", path]);
    let descriptors = server.descriptors();
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "d".repeat(700_000));
    {
        let agent = agent();
        for _ in 0..10 {
            publish(&agent, &server.events("long"), &event);
        }
    }
    for round in 0..3 {
        // At once, when the server meets the reset first; later, when it has read everything.
        reset_raw(&server, round * 40);
        reset_while_answering(&server);
        reset_sockets(&server);
        // Events come while connections are falling away.
        publish(&agent(), &server.events("reset"), &counted_array(0, 100));
    }
    server.await_metric("connections", 1);
    server.await_metric("readers", 0);
    server.await_metric("buffered_bytes", 0);
    server.await_descriptors(descriptors);
    let spent = server.processor_time_in(1_000);
    assert!(spent.as_millis() < 300, "{spent:?} in an idle second");
    publish(&agent(), &server.events("reset"), &counted(0));
    let start = Instant::now();
    server.signal("TERM");
    assert_eq!(server.await_exit().code(), Some(0), "{}", server.log());
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
}

//! The echo routes, with messages that fill every buffer on the way.

use std::thread;

use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::{Bytes, Message};

use crate::clients::{agent, open_socket};
use crate::server::{Server, Setting};

const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

on_both_drivers!(
    http_echoes_a_large_body,
    a_socket_echoes_one_large_frame,
    a_socket_echoes_many_fragments,
);

/// Bytes in which a lost or repeated piece shows.
fn pattern() -> Vec<u8> {
    (0..MESSAGE_BYTES as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

fn http_echoes_a_large_body(setting: Setting) {
    let server = Server::start(setting, &["--echo"]);
    let body = pattern();
    let request = agent().post(server.url("/echo"));
    let mut answer = request.send(&body[..]).expect("an answer");
    assert_eq!(answer.status(), 200);
    let limited = answer
        .body_mut()
        .with_config()
        .limit(2 * MESSAGE_BYTES as u64);
    let echoed = limited.read_to_vec().expect("a whole body");
    assert!(echoed == body, "the body came back changed");
}

fn a_socket_echoes_one_large_frame(setting: Setting) {
    let server = Server::start(setting, &["--echo"]);
    let mut socket = open_socket(&server, "/echo");
    let body = Bytes::from(pattern());
    for _ in 0..2 {
        let message = Message::Binary(body.clone());
        socket.send(message.clone()).expect("it is read");
        assert!(
            socket.read().expect("an echo") == message,
            "it came back changed"
        );
    }
    socket.close(None).expect("an open socket");
    let goodbye = socket.read().expect("a close frame");
    assert!(goodbye.is_close(), "{goodbye:?}");
    server.await_metric("buffered_bytes", 0);
}

fn a_socket_echoes_many_fragments(setting: Setting) {
    let server = Server::start(setting, &["--echo"]);
    let mut socket = open_socket(&server, "/echo");
    let body = pattern();
    let count = body.chunks(10_007).count();
    let mut pings = 0;
    for (index, chunk) in body.chunks(10_007).enumerate() {
        let data = if index == 0 {
            Data::Binary
        } else {
            Data::Continue
        };
        let last = index + 1 == count;
        let frame = Frame::message(chunk.to_vec(), OpCode::Data(data), last);
        socket.write(Message::Frame(frame)).expect("it is read");
        if index % 100 == 50 {
            let ping = Message::Ping(Bytes::from(index.to_string()));
            socket.write(ping).expect("it is read");
            pings += 1;
        }
    }
    socket.flush().expect("it is read");
    for index in 0..pings {
        let pong = socket.read().expect("a pong");
        let wanted = Bytes::from((50 + 100 * index).to_string());
        assert_eq!(pong, Message::Pong(wanted), "pongs come first, in order");
    }
    let echoed = socket.read().expect("an echo");
    assert!(echoed.into_data() == body, "it came back changed");

    // Text in single characters, while another thread keeps the server busy.
    let busy = {
        let mut other = open_socket(&server, "/echo");
        thread::spawn(move || {
            for n in 0..2_000 {
                let message = Message::text(n.to_string());
                other.send(message.clone()).expect("it is read");
                assert_eq!(other.read().expect("an echo"), message);
            }
        })
    };
    for index in 0..1_000 {
        let data = if index == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let frame = Frame::message(&b"x"[..], OpCode::Data(data), index == 999);
        socket.send(Message::Frame(frame)).expect("it is read");
    }
    assert_eq!(
        socket.read().expect("an echo"),
        Message::text("x".repeat(1_000))
    );
    busy.join().expect("the other socket was served");
}

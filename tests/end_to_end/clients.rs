//! What several tests do with the clients: publish, wait for events, open sockets, speak raw bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

use crate::server::{DEADLINE, Server};

/// Largest answer that a test reads through `ureq`.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An HTTP client with a connection pool of its own; no status is an error.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(DEADLINE))
        .build()
        .new_agent()
}

/// Publishes a body and answers the number of its first event.
pub(crate) fn publish(agent: &ureq::Agent, url: &str, body: &str) -> u64 {
    let mut answer = agent.post(url).send(body).expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    assert_eq!(answer.status(), 200, "{text}");
    let number = answer.headers().get("Fanfare-Number");
    let number = number.expect("a publish is told its number");
    number.to_str().expect("ASCII").parse().expect("a number")
}

/// Status and body of a GET.
pub(crate) fn get(agent: &ureq::Agent, url: &str) -> (u16, String) {
    let mut answer = agent.get(url).call().expect("an answer");
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
    (status, body_text(body.read_to_vec()))
}

fn body_text(body: Result<Vec<u8>, ureq::Error>) -> String {
    String::from_utf8(body.expect("a whole body")).expect("UTF-8")
}

/// One event whose data is a number.
pub(crate) fn counted(n: u64) -> String {
    format!(r#"{{"type":"count","data":{n}}}"#)
}

/// An array of events whose data count from `from`.
pub(crate) fn counted_array(from: u64, count: u64) -> String {
    let events: Vec<String> = (from..from + count).map(counted).collect();
    format!("[{}]", events.join(","))
}

/// The data of events in a poll's answer.
pub(crate) fn data_of(answer: &str) -> Vec<u64> {
    let events: Vec<Value> = serde_json::from_str(answer).expect("an array");
    let data = events.iter().map(|event| event["data"].as_u64());
    data.collect::<Option<_>>().expect("data are numbers")
}

/// Opens a WebSocket, with room for the largest echo.
pub(crate) fn open_socket(server: &Server, path: &str) -> WebSocket<TcpStream> {
    let url = format!("ws://{}{path}", server.address);
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let opened = tungstenite::client::client_with_config(url, server.connect(), Some(config));
    opened.expect("the handshake succeeds").0
}

/// The next event of a socket; pings are answered on the way.
pub(crate) fn next_event(socket: &mut WebSocket<TcpStream>) -> Value {
    loop {
        match socket.read().expect("another message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("not an event: {other:?}"),
        }
    }
}

/// Reads a stream of server-sent events, line by line.
#[derive(Debug)]
pub(crate) struct EventStream<R>(BufReader<R>);

impl<R: Read> EventStream<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self(BufReader::new(stream))
    }

    /// The fields of the next event, or `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("the stream goes on");
            if read == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some((name, value)) = line.split_once(':')
                && !name.is_empty()
            {
                fields.push((name.to_owned(), value.trim_start().to_owned()));
            } else if line.is_empty() && !fields.is_empty() {
                return Some(fields);
            }
        }
    }
}

/// The value of a field of a server-sent event.
pub(crate) fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map(|(_, value)| value.as_str())
}

/// Writes raw bytes.
pub(crate) fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).expect("the server reads");
}

/// Everything the server sends until it closes. A reset after the answer counts as its end.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&buf[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of a raw answer.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status
        .parse()
        .unwrap_or_else(|_| panic!("no status in {answer:?}"))
}

/// Waits for as long as a test must; nothing may depend on it being exact.
pub(crate) fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

//! The pubsub dialect over real sockets and processes: rooms on several shards, cuts, restarts,
//! tokens, publishes by POST, and the files for browsers. What each message says byte by byte is
//! checked in `tests/dialects`.

mod access;
mod publish;
mod rooms;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::Response;
use tungstenite::http::HeaderName;
use tungstenite::{Message, WebSocket};

use crate::server::{Server, Setting, dial};

/// A connection that is not put off by signals. While the harness starts a thread, with all signals
/// blocked, the end of some child is handed to another thread, and a read that has a time limit is
/// not taken up again by the kernel.
struct Patient(TcpStream);

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buf) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(buf) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A client of a room.
struct Member {
    socket: WebSocket<Patient>,
    refs: u64,
    /// What came before the reply that was waited for.
    early: VecDeque<Value>,
}

impl Member {
    /// Opens a WebSocket to a room, with header fields and whatever else the query says; it is not
    /// welcomed yet.
    fn open(
        address: SocketAddr,
        (event_id, session_id): (&str, &str),
        more: &str,
        fields: &[(&str, &str)],
    ) -> (Self, Response) {
        let query = format!("event_id={event_id}&session_id={session_id}{more}");
        let url = format!("ws://{address}/pubsub/ws?{query}");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in fields {
            let name: HeaderName = name.parse().expect("a field name");
            let value = value.parse().expect("a field value");
            request.headers_mut().insert(name, value);
        }
        let opened = tungstenite::client::client(request, Patient(dial(address)));
        let (socket, response) = opened.expect("the handshake succeeds");
        let member = Self {
            socket,
            refs: 0,
            early: VecDeque::new(),
        };
        (member, response)
    }

    /// Enters a room of a server without organizations; with what it is welcomed.
    fn enter(address: SocketAddr, room: (&str, &str), more: &str) -> (Self, Value) {
        let (mut member, _) = Self::open(address, room, more, &[]);
        let welcome = member.welcome();
        (member, welcome)
    }

    /// What the welcome says, which comes next.
    fn welcome(&mut self) -> Value {
        let mut told = self.next();
        assert_eq!(told["action"], "welcome", "{told}");
        told["data"].take()
    }

    /// The next that it is told, whatever it is, but not that the server lives.
    fn next(&mut self) -> Value {
        self.early.pop_front().unwrap_or_else(|| self.read())
    }

    fn read(&mut self) -> Value {
        loop {
            let message = self.socket.read().expect("another message");
            let Message::Text(text) = message else {
                assert!(message.is_ping(), "{message:?}");
                continue;
            };
            let told: Value = serde_json::from_str(&text).expect("JSON");
            if told["action"] != "heartbeat" {
                return told;
            }
        }
    }

    /// The next one, which is an event: its name, data and number.
    fn event(&mut self) -> (String, Value, u64) {
        let mut told = self.next();
        let number = told["number"].as_u64();
        let number = number.unwrap_or_else(|| panic!("not an event: {told}"));
        let name = told["eventName"].as_str().expect("a name").to_owned();
        (name, told["data"].take(), number)
    }

    /// Asks for something without waiting for what comes of it; the `ref`.
    fn say(&mut self, action: &str, data: &Value) -> u64 {
        self.refs += 1;
        let request = json!({"action": action, "data": data, "ref": self.refs});
        let text = Message::text(request.to_string());
        self.socket.send(text).expect("it is read");
        self.refs
    }

    /// Asks for something; the reply.
    fn ask(&mut self, action: &str, data: &Value) -> Value {
        let reference = self.say(action, data);
        loop {
            let told = self.read();
            if told["ref"] == reference {
                return told;
            }
            self.early.push_back(told);
        }
    }

    fn subscribe(&mut self, name: &str) {
        let reply = self.ask("subscribe-event", &json!({"eventName": name}));
        assert_eq!(reply["action"], "subscribed", "{reply}");
    }

    /// Publishes an event, to the room if `scope` is null; the receipt.
    fn publish(&mut self, name: &str, data: &Value, scope: &Value) -> Value {
        let event = json!({"eventName": name, "data": data, "scope": scope});
        let mut reply = self.ask("publish-event", &event);
        assert_eq!(reply["action"], "published", "{reply}");
        reply["data"].take()
    }

    /// What else it is told until it is closed, and the code of the close.
    fn farewell(&mut self) -> (Vec<Value>, u16) {
        let mut told: Vec<Value> = self.early.drain(..).collect();
        loop {
            match self.socket.read().expect("a goodbye") {
                Message::Text(text) => told.push(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => {
                    return (told, frame.expect("it says why").code.into());
                }
                _ => {}
            }
        }
    }
}

/// A server with this configuration, which it needs as long as it starts.
fn configured(setting: Setting, text: &str) -> Server {
    let mut file = NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().to_str().expect("a plain path");
    Server::start(setting, &["--config", path])
}

/// The body of a publish to a room.
fn event((event_id, session_id): (&str, &str), name: &str, data: &Value) -> String {
    let scope = json!({"type": "session", "event_id": event_id, "session_id": session_id});
    json!({"scope": scope, "payload": {"event": {"eventName": name, "data": data}}}).to_string()
}

/// Publishes by POST; status and answer.
fn post(agent: &ureq::Agent, server: &Server, fields: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = agent.post(server.url("/api/v1/pub_subs"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let mut answer = request.send(body).expect("an answer");
    let text = answer.body_mut().read_to_string().expect("text");
    let value = serde_json::from_str(&text);
    (answer.status().as_u16(), value.expect("JSON"))
}

//! Everyone who listens: each beside the session that all talk about, or at another place of the
//! tree.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use fanfare_tonic::event::PublishEventResponse;
use fanfare_tonic::prost_types::value::Kind;
use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use super::OWN;
use super::fact::{
    Dialect, Fact, GROUP, Heard, OTHER_GROUP, OTHER_SESSION, Place, SESSION, doubles, fields, text,
};
use crate::calls::{Stream, connect_to, wanted};
use crate::clients::{EventStream, agent, field, get, next_event, open_socket};
use crate::server::{DEADLINE, Server};

/// How long nothing must come for nobody to have more to say.
const QUIET: Duration = Duration::from_millis(200);

/// One way to listen.
pub(super) struct Listener {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    /// Where it listens, if that is a session.
    pub(super) session: &'static str,
    ears: Ears,
}

enum Ears {
    /// Polled when all is over, from the beginning.
    Poll(String),
    /// Events arrive as they come, by a thread that reads.
    Thread(Receiver<Heard>),
    Socket(Box<WebSocket<TcpStream>>, fn(&str) -> Option<Heard>),
}

/// Everyone, and all are heard from now on.
pub(super) fn open(server: &Server, facts: &[Fact]) -> Vec<Listener> {
    // Rooms first: the tree is learned from those who know it.
    let mut all = rooms(server, facts);
    all.extend(readers(server));
    all.extend(subscribers(server, facts));
    all
}

fn rooms(server: &Server, facts: &[Fact]) -> Vec<Listener> {
    let names: Vec<&str> = facts.iter().map(|fact| &*fact.name).collect();
    let room = |name, group, session| {
        let path = format!("/pubsub/ws?event_id={group}&session_id={session}");
        let mut socket = open_socket(server, &path);
        assert_eq!(next_event(&mut socket)["action"], "welcome");
        let subscribe =
            json!({"action": "subscribe-event", "ref": "s", "data": {"eventNames": names}});
        ask(&mut socket, &subscribe, "action", "subscribed");
        let ears = Ears::Socket(Box::new(socket), read_room);
        listener(name, Dialect::Pubsub, session, ears)
    };
    vec![
        room("pubsub room", GROUP, SESSION),
        room("pubsub room beside", OTHER_GROUP, OTHER_SESSION),
    ]
}

fn readers(server: &Server) -> Vec<Listener> {
    let events = format!("/api/sessions/{SESSION}/events?last_event=-1");
    let read: fn(&str) -> Option<Heard> = |message| Some(read_session(message));
    let socket = Ears::Socket(Box::new(open_socket(server, &events)), read);
    let reader = |name, ears| listener(name, Dialect::Sessions, SESSION, ears);
    vec![
        reader("sessions poll", Ears::Poll(server.url(&events))),
        reader("sessions SSE", event_stream(server, &events)),
        reader("sessions WebSocket", socket),
    ]
}

fn subscribers(server: &Server, facts: &[Fact]) -> Vec<Listener> {
    let everyone = |name, dialect, ears| listener(name, dialect, "", ears);
    let stream_at = |name, session, target| {
        let ears = stream(server, &json!({"name": "*", "target": target}));
        listener(name, Dialect::Stream, session, ears)
    };
    let (of_group, of_session) = (json!({"collectionId": GROUP}), json!({"layoutId": SESSION}));
    vec![
        everyone("sysadm", Dialect::Sysadm, sysadm(server, facts)),
        everyone("live", Dialect::Live, live(server)),
        stream_at("stream WebSocket", "", json!({})),
        stream_at("stream WebSocket of the group", "", of_group),
        stream_at("stream WebSocket of the session", SESSION, of_session),
        everyone("stream gRPC", Dialect::Stream, grpc(server)),
    ]
}

const fn listener(
    name: &'static str,
    dialect: Dialect,
    session: &'static str,
    ears: Ears,
) -> Listener {
    Listener {
        name,
        dialect,
        session,
        ears,
    }
}

/// Waits for what the node says by itself; who heard it.
pub(super) fn await_own(listeners: &mut [Listener]) -> Vec<bool> {
    let own = |listener: &mut Listener| {
        let heard = listener.next(if listener.reads_a_log() {
            QUIET
        } else {
            DEADLINE
        });
        heard.is_some_and(|heard| heard.name == OWN)
    };
    listeners.iter_mut().map(own).collect()
}

impl Listener {
    /// Whether it reads the log of a session.
    pub(super) fn reads_a_log(&self) -> bool {
        matches!(self.dialect, Dialect::Sessions | Dialect::Pubsub)
    }

    /// Whether a fact is for it: its place is above, below or the same. The session that all talk
    /// about is in the group; who listens beside is told what everyone is.
    pub(super) fn hears(&self, fact: &Fact) -> bool {
        self.session != OTHER_SESSION || fact.place == Place::Organization
    }

    /// Reads as many events as there should be, and sees that there are no more.
    pub(super) fn collect(&mut self, count: usize) -> Vec<Heard> {
        if let Ears::Poll(url) = &self.ears {
            let (status, body) = get(&agent(), url);
            assert_eq!(status, 200, "{body}");
            let events: Vec<Box<serde_json::value::RawValue>> =
                serde_json::from_str(&body).expect("an array");
            return events.iter().map(|e| read_session(e.get())).collect();
        }
        let mut heard = Vec::new();
        while heard.len() < count {
            let next = self.next(DEADLINE);
            heard.push(next.unwrap_or_else(|| panic!("{}: silent after {heard:?}", self.name)));
        }
        assert!(self.next(QUIET).is_none(), "{}: one too many", self.name);
        heard
    }

    fn next(&mut self, patience: Duration) -> Option<Heard> {
        match &mut self.ears {
            Ears::Poll(_) => None,
            Ears::Thread(events) => match events.recv_timeout(patience) {
                Ok(heard) => Some(heard),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => panic!("{}: it ended", self.name),
            },
            Ears::Socket(socket, read) => next_message(socket, patience, *read),
        }
    }

    /// Whether what was heard is the fact, as far as the listener's dialect can say.
    pub(super) fn compare(&self, heard: &Heard, fact: &Fact, who: &str) {
        match self.dialect {
            Dialect::Sessions | Dialect::Pubsub | Dialect::Sysadm => {
                assert_eq!(heard.payload, fact.payload, "{who}");
            }
            Dialect::Live => {
                let base = [
                    "type",
                    "time",
                    "coreServerId",
                    "groupId",
                    "projectId",
                    "sessionId",
                ];
                let own = |json: &str| {
                    let mut own = fields(json);
                    own.retain(|name, _| !base.contains(&&**name));
                    own
                };
                assert_eq!(own(&heard.payload), own(fact.payload), "{who}");
                let said = fields(&heard.payload);
                let session = (fact.place == Place::Session).then(|| format!("\"{SESSION}\""));
                let group = (fact.place != Place::Organization).then(|| format!("\"{GROUP}\""));
                if session.is_some() || !fact.payload.contains("sessionId") {
                    assert_eq!(said.get("sessionId"), session.as_ref(), "{who}");
                }
                assert_eq!(said.get("groupId"), group.as_ref(), "{who}");
            }
            Dialect::Stream if self.name == "stream gRPC" => {
                let payload = match serde_json::from_str(fact.payload).expect("JSON") {
                    Value::Object(_) => doubles(fact.payload),
                    _ => json!({ "data": doubles(fact.payload) }),
                };
                let said: Value = serde_json::from_str(&heard.payload).expect("JSON");
                assert_eq!(said, payload, "{who}");
            }
            Dialect::Stream => {
                assert_eq!(fields(&heard.payload), fields(fact.payload), "{who}");
            }
        }
        if let Some(id) = &heard.id {
            assert_eq!(*id, fact.id, "{who}");
        }
        if let (Some(heard), Some(told)) = (heard.number, fact.number) {
            assert_eq!(heard, told, "{who}");
        }
    }
}

fn ask(socket: &mut WebSocket<TcpStream>, request: &Value, key: &str, reply: &str) {
    let text = request.to_string();
    socket.send(Message::text(text)).expect("it is read");
    let answer = next_event(socket);
    assert_eq!(answer[key], reply, "{answer}");
}

fn sysadm(server: &Server, facts: &[Fact]) -> Ears {
    let mut socket = open_socket(server, "/sysadm");
    let mut classes: Vec<&str> = facts.iter().map(|fact| &*fact.name).collect();
    classes.push(OWN);
    let request = json!({"namespace": "events", "name": "subscribe", "id": "s", "args": classes});
    ask(&mut socket, &request, "name", "response");
    Ears::Socket(Box::new(socket), |message| {
        let fields = fields(message);
        Some(Heard {
            name: text(&fields, "name"),
            payload: fields["args"].clone(),
            id: None,
            number: None,
        })
    })
}

fn live(server: &Server) -> Ears {
    let mut socket = open_socket(server, "/live/ws");
    let request = json!({"type": "filter", "filters": []});
    ask(&mut socket, &request, "type", "filterResponse");
    Ears::Socket(Box::new(socket), |message| {
        Some(Heard {
            name: text(&fields(message), "type"),
            payload: message.to_owned(),
            id: None,
            number: None,
        })
    })
}

fn stream(server: &Server, wanted: &Value) -> Ears {
    let mut socket = open_socket(server, "/event/v2/stream");
    let request = json!({"subscribe": wanted, "correlationId": "s"}).to_string();
    socket.send(Message::text(request)).expect("it is read");
    let reply = next_event(&mut socket);
    assert!(reply["result"]["subscribed"].is_object(), "{reply}");
    Ears::Socket(Box::new(socket), |message| {
        let event = fields(&fields(&fields(message)["result"])["event"]);
        Some(Heard {
            name: text(&event, "name"),
            payload: event["payload"].clone(),
            id: Some(text(&event, "id")),
            number: None,
        })
    })
}

fn read_session(message: &str) -> Heard {
    let fields = fields(message);
    Heard {
        name: text(&fields, "type"),
        payload: fields["data"].clone(),
        id: None,
        number: Some(fields["number"].parse().expect("a number")),
    }
}

fn read_room(message: &str) -> Option<Heard> {
    let fields = fields(message);
    if fields.contains_key("action") {
        assert_eq!(text(&fields, "action"), "heartbeat", "{message}");
        return None;
    }
    Some(Heard {
        name: text(&fields, "eventName"),
        payload: fields["data"].clone(),
        id: Some(text(&fields, "id")),
        number: Some(fields["number"].parse().expect("a number")),
    })
}

/// The next event of a socket, if one comes in time.
fn next_message(
    socket: &mut WebSocket<TcpStream>,
    patience: Duration,
    read: fn(&str) -> Option<Heard>,
) -> Option<Heard> {
    let wait = |socket: &WebSocket<TcpStream>, time| {
        let stream = socket.get_ref();
        stream.set_read_timeout(Some(time)).expect("an option");
    };
    let end = Instant::now() + patience;
    let heard = loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break None;
        }
        wait(socket, left);
        match socket.read() {
            Ok(Message::Text(text)) => {
                if let Some(heard) = read(&text) {
                    break Some(heard);
                }
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(other) => panic!("not an event: {other:?}"),
            Err(Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                break None;
            }
            Err(error) => panic!("{error}"),
        }
    };
    wait(socket, DEADLINE);
    heard
}

/// Server-sent events, read by a thread of their own.
fn event_stream(server: &Server, path: &str) -> Ears {
    let (sender, events) = channel();
    let request = ureq::get(server.url(path)).header("Accept", "text/event-stream");
    let body = request.call().expect("an answer").into_body();
    let mut stream = EventStream::new(Box::new(body.into_reader()) as Box<dyn Read + Send>);
    std::thread::spawn(move || {
        while let Some(fields) = stream.next() {
            let (_, number) = field(&fields, "id")
                .unwrap_or_default()
                .split_once(':')
                .expect("an id");
            let heard = Heard {
                // A name that is no string is not said in this form.
                name: field(&fields, "event").unwrap_or("7").to_owned(),
                payload: field(&fields, "data").expect("data").to_owned(),
                id: None,
                number: Some(number.parse().expect("a number")),
            };
            if sender.send(heard).is_err() {
                return;
            }
        }
    });
    Ears::Thread(events)
}

/// A stream of gRPC, read by a thread of its own.
fn grpc(server: &Server) -> Ears {
    let (sender, events) = channel();
    let (ready, subscribed) = channel();
    let url = server.url("");
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let channel = connect_to(url).await;
            let mut stream = Stream::open(&channel, &[]).await.expect("it opens");
            stream.subscribe(wanted("*", None)).await;
            ready.send(()).expect("somebody waits");
            // It ends with the server.
            while let Ok(Some(response)) = stream.read().await {
                let Some(fanfare_tonic::event::events_stream_response::Message::Event(event)) =
                    response.message
                else {
                    continue;
                };
                if sender.send(read_proto(event)).is_err() {
                    return;
                }
            }
        });
    });
    subscribed.recv_timeout(DEADLINE).expect("it subscribes");
    Ears::Thread(events)
}

fn read_proto(event: PublishEventResponse) -> Heard {
    fn value(kind: Option<Kind>) -> Value {
        match kind {
            None | Some(Kind::NullValue(_)) => Value::Null,
            Some(Kind::BoolValue(is)) => json!(is),
            Some(Kind::NumberValue(number)) => json!(number),
            Some(Kind::StringValue(text)) => json!(text),
            Some(Kind::ListValue(list)) => {
                list.values.into_iter().map(|one| value(one.kind)).collect()
            }
            Some(Kind::StructValue(fields)) => object(fields),
        }
    }
    fn object(fields: fanfare_tonic::prost_types::Struct) -> Value {
        let fields = fields.fields.into_iter();
        Value::Object(fields.map(|(name, one)| (name, value(one.kind))).collect())
    }
    Heard {
        name: event.name,
        payload: object(event.payload.unwrap_or_default()).to_string(),
        id: Some(event.id),
        number: None,
    }
}

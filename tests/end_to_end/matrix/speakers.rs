//! Everyone who publishes.

use std::net::TcpStream;

use fanfare_tonic::event::PublishEventRequest;
use fanfare_tonic::event::event_service_client::EventServiceClient;
use fanfare_tonic::prost_types::value::Kind;
use fanfare_tonic::prost_types::{Struct, Value};
use serde_json::json;
use tungstenite::{Message, WebSocket};

use super::fact::{Dialect, Fact, GROUP, Place, SESSION, fields, text};
use crate::calls::{connect, run, target};
use crate::clients::{agent, next_event, open_socket};
use crate::server::Server;

/// Which payloads a publisher can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Anything,
    Objects,
    Doubles,
}

/// One way to publish.
pub(super) struct Speaker {
    pub(super) name: &'static str,
    pub(super) dialect: Dialect,
    pub(super) places: &'static [Place],
    pub(super) says: Says,
    publish: fn(&mut Speakers<'_>, &Fact) -> (String, Option<u64>),
}

const ALL: &[Place] = &[Place::Organization, Place::Group, Place::Session];

/// All ways to publish: whoever adds one, adds a line.
pub(super) const SPEAKERS: [Speaker; 6] = [
    Speaker {
        name: "sessions POST",
        dialect: Dialect::Sessions,
        places: &[Place::Session],
        says: Says::Anything,
        publish: sessions_post,
    },
    Speaker {
        name: "stream POST",
        dialect: Dialect::Stream,
        places: ALL,
        says: Says::Objects,
        publish: stream_post,
    },
    Speaker {
        name: "stream WebSocket",
        dialect: Dialect::Stream,
        places: ALL,
        says: Says::Objects,
        publish: stream_socket,
    },
    Speaker {
        name: "stream gRPC",
        dialect: Dialect::Stream,
        places: ALL,
        says: Says::Doubles,
        publish: stream_grpc,
    },
    Speaker {
        name: "pubsub POST",
        dialect: Dialect::Pubsub,
        places: ALL,
        says: Says::Anything,
        publish: pubsub_post,
    },
    Speaker {
        name: "pubsub room",
        dialect: Dialect::Pubsub,
        places: ALL,
        says: Says::Anything,
        publish: pubsub_room,
    },
];

/// The clients that publish.
pub(super) struct Speakers<'s> {
    server: &'s Server,
    agent: ureq::Agent,
    stream: WebSocket<TcpStream>,
    room: WebSocket<TcpStream>,
}

impl<'s> Speakers<'s> {
    pub(super) fn new(server: &'s Server) -> Self {
        let room = format!("/pubsub/ws?event_id={GROUP}&session_id={SESSION}");
        let mut room = open_socket(server, &room);
        assert_eq!(next_event(&mut room)["action"], "welcome");
        Self {
            server,
            agent: agent(),
            stream: open_socket(server, "/event/v2/stream"),
            room,
        }
    }

    /// Publishes a fact, and answers it with what its publisher is told.
    pub(super) fn publish(&mut self, mut fact: Fact) -> Fact {
        let speaker = SPEAKERS.iter().find(|s| s.name == fact.speaker);
        let publish = speaker.expect("it is in the table").publish;
        let (id, number) = publish(self, &fact);
        assert_eq!(id.len(), 36, "{fact:?}: {id}");
        (fact.id, fact.number) = (id, number);
        fact
    }

    /// What clients of the dialects without a publish may try is refused, in the dialect's own
    /// form.
    pub(super) fn try_where_nothing_is_published(&mut self) {
        let mut live = open_socket(self.server, "/live/ws");
        let attempt = json!({"type": "publish", "name": "matrix:0", "data": {}});
        live.send(Message::text(attempt.to_string())).expect("read");
        // What was published a moment before may still be on its way between shards.
        let mut told = std::iter::repeat_with(|| next_event(&mut live));
        let refused = told.find(|told| told["time"].is_null());
        assert_eq!(refused.expect("it goes on")["type"], "error");
        let mut sysadm = open_socket(self.server, "/sysadm");
        let attempt =
            json!({"namespace": "events", "name": "publish", "id": "p", "args": {"matrix:0": {}}});
        sysadm
            .send(Message::text(attempt.to_string()))
            .expect("read");
        assert_eq!(next_event(&mut sysadm)["args"]["code"], "404");
    }

    fn post(&self, path: &str, body: &str, status: u16) -> ureq::http::Response<ureq::Body> {
        let answer = self.agent.post(self.server.url(path)).send(body);
        let mut answer = answer.expect("an answer");
        if answer.status() != status {
            let body = answer.body_mut().read_to_string().expect("text");
            panic!("{path}: {} {body}", answer.status());
        }
        answer
    }
}

fn sessions_post(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let path = format!("/api/sessions/{SESSION}/events");
    let body = format!(r#"{{"type":{},"data":{}}}"#, fact.name_json, fact.payload);
    let answer = speakers.post(&path, &body, 200);
    let header = |name| answer.headers()[name].to_str().expect("ASCII").to_owned();
    let number = header("Fanfare-Number").parse().expect("a number");
    (header("Fanfare-Id"), Some(number))
}

/// The stream dialect's JSON of a fact.
fn stream_event(fact: &Fact) -> String {
    let target = match fact.place {
        Place::Organization => json!({}),
        Place::Group => json!({"collectionId": GROUP}),
        Place::Session => json!({"layoutId": SESSION, "collectionId": GROUP}),
    };
    let (name, payload) = (&fact.name_json, fact.payload);
    format!(r#"{{"name":{name},"payload":{payload},"target":{target}}}"#)
}

fn stream_post(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let mut answer = speakers.post("/event/v2/publish", &stream_event(fact), 200);
    let body = answer.body_mut().read_to_string().expect("text");
    (text(&fields(&body), "id"), None)
}

fn stream_socket(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let request = format!(r#"{{"publish":{}}}"#, stream_event(fact));
    let socket = &mut speakers.stream;
    socket.send(Message::text(request)).expect("it is read");
    let reply = next_event(socket);
    let id = reply["result"]["published"]["id"].as_str();
    (id.unwrap_or_else(|| panic!("{reply}")).to_owned(), None)
}

fn stream_grpc(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let payload = fields(fact.payload).into_iter().map(|(name, value)| {
        let kind = match serde_json::from_str(&value).expect("JSON") {
            serde_json::Value::String(text) => Kind::StringValue(text),
            value => Kind::NumberValue(value.as_f64().expect("a number")),
        };
        (name, Value { kind: Some(kind) })
    });
    let event = PublishEventRequest {
        name: fact.name.clone(),
        payload: Some(Struct {
            fields: payload.collect(),
        }),
        target: match fact.place {
            Place::Organization => None,
            Place::Group => Some(target("", "", GROUP)),
            Place::Session => Some(target(SESSION, "", GROUP)),
        },
        ..PublishEventRequest::default()
    };
    let mut id = String::new();
    run(async {
        let mut client = EventServiceClient::new(connect(speakers.server).await);
        let answer = client.publish(event).await.expect("it is published");
        id = answer.into_inner().id;
    });
    (id, None)
}

fn pubsub_post(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let scope = match fact.place {
        Place::Organization => json!({"type": "organization"}),
        Place::Group => json!({"type": "event", "event_id": GROUP}),
        Place::Session => {
            json!({"type": "session", "event_id": GROUP, "session_id": SESSION})
        }
    };
    let (name, payload) = (&fact.name_json, fact.payload);
    let body = format!(
        r#"{{"scope":{scope},"payload":{{"event":{{"eventName":{name},"data":{payload}}}}}}}"#
    );
    let mut answer = speakers.post("/api/v1/pub_subs", &body, 201);
    let body = answer.body_mut().read_to_string().expect("text");
    told(&fields(&body))
}

fn pubsub_room(speakers: &mut Speakers<'_>, fact: &Fact) -> (String, Option<u64>) {
    let scope = match fact.place {
        Place::Organization => r#","scope":"organization""#,
        Place::Group => r#","scope":"event""#,
        Place::Session => "",
    };
    let (name, payload) = (&fact.name_json, fact.payload);
    let request = format!(
        r#"{{"action":"publish-event","ref":1,"data":{{"eventName":{name},"data":{payload}{scope}}}}}"#
    );
    let socket = &mut speakers.room;
    socket.send(Message::text(request)).expect("it is read");
    let reply = next_event(socket);
    assert_eq!(
        (&reply["action"], &reply["ref"]),
        (&json!("published"), &json!(1)),
        "{reply}"
    );
    told(&fields(&reply["data"].to_string()))
}

/// What a publisher of the pubsub dialect is told.
fn told(answer: &std::collections::BTreeMap<String, String>) -> (String, Option<u64>) {
    let number = answer.get("number").map(|n| n.parse().expect("a number"));
    (text(answer, "id"), number)
}

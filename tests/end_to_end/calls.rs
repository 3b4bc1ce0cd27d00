//! gRPC as tests speak it: clients that tonic generates, each connection on a shard of the kernel's
//! choice.

use std::future::Future;

use fanfare_tonic::event::event_service_client::EventServiceClient;
use fanfare_tonic::event::events_stream_request::Message as Asked;
use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::event::{
    EventTarget, EventsStreamRequest, EventsStreamResponse, PublishEventRequest,
    PublishEventResponse, SubscribePayload,
};
use fanfare_tonic::prost_types::value::Kind;
use fanfare_tonic::prost_types::{Struct, Value};
use fanfare_tonic::tonic::transport::{Channel, Endpoint};
use fanfare_tonic::tonic::{Request, Status, Streaming};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::server::{DEADLINE, Server};

/// Runs a test's future, which must end in time.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await });
    ended.expect("whatever is awaited comes in time");
}

/// A new connection.
pub(crate) async fn connect(server: &Server) -> Channel {
    connect_to(server.url("")).await
}

/// A new connection to a server's URL.
pub(crate) async fn connect_to(url: String) -> Channel {
    let endpoint = Endpoint::from_shared(url).expect("an address");
    endpoint.connect().await.expect("the server accepts")
}

/// A request with the fields that clients of this API send.
pub(crate) fn with_fields<T>(message: T, fields: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for &(name, value) in fields {
        let value = value.parse().expect("ASCII");
        request.metadata_mut().insert(name, value);
    }
    request
}

/// A stream, and the client's half of it.
#[derive(Debug)]
pub(crate) struct Stream {
    requests: mpsc::Sender<EventsStreamRequest>,
    responses: Streaming<EventsStreamResponse>,
}

impl Stream {
    /// Opens one among others of a connection, with metadata.
    pub(crate) async fn open(
        channel: &Channel,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(16);
        let request = with_fields(ReceiverStream::new(receiver), fields);
        let answer = EventServiceClient::new(channel.clone())
            .stream(request)
            .await?;
        Ok(Self {
            requests,
            responses: answer.into_inner(),
        })
    }

    /// The next message, or how the stream ended.
    pub(crate) async fn read(&mut self) -> Result<Option<EventsStreamResponse>, Status> {
        self.responses.message().await
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> EventsStreamResponse {
        let read = self.read().await.expect("the stream goes on");
        read.expect("the stream goes on")
    }

    /// The next message, which must be an event.
    pub(crate) async fn event(&mut self) -> PublishEventResponse {
        match self.next().await.message {
            Some(Told::Event(event)) => event,
            other => panic!("not an event: {other:?}"),
        }
    }

    /// Sends a request.
    pub(crate) async fn tell(&self, correlation_id: &str, asked: Asked) {
        let request = EventsStreamRequest {
            correlation_id: Some(correlation_id.to_owned()),
            message: Some(asked),
        };
        self.requests.send(request).await.expect("it is open");
    }

    /// Sends a request and answers its reply, which must come next and repeat the correlation id.
    pub(crate) async fn ask(&mut self, correlation_id: &str, asked: Asked) -> Told {
        self.tell(correlation_id, asked).await;
        let reply = self.next().await;
        assert_eq!(reply.correlation_id.as_deref(), Some(correlation_id));
        reply.message.expect("a message says something")
    }

    /// Subscribes; it is in force when this is over.
    pub(crate) async fn subscribe(&mut self, wanted: SubscribePayload) {
        let reply = self.ask("s", Asked::Subscribe(wanted.clone())).await;
        assert_eq!(reply, Told::Subscribed(wanted));
    }

    /// Says that no more requests will come; what was subscribed to is heard still.
    pub(crate) fn half_close(self) -> Streaming<EventsStreamResponse> {
        self.responses
    }
}

/// What is wanted from a target.
pub(crate) fn wanted(name: &str, target: Option<EventTarget>) -> SubscribePayload {
    SubscribePayload {
        name: name.to_owned(),
        target,
        events: Vec::new(),
    }
}

/// A target as innermost ids: layout, project, collection; empty ones are absent.
pub(crate) fn target(layout: &str, project: &str, collection: &str) -> EventTarget {
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    EventTarget {
        layout_id: id(layout),
        project_id: id(project),
        collection_id: id(collection),
    }
}

/// An event whose payload is `{"n": n}`.
pub(crate) fn counted(name: &str, n: u32, target: Option<EventTarget>) -> PublishEventRequest {
    let value = Value {
        kind: Some(Kind::NumberValue(f64::from(n))),
    };
    PublishEventRequest {
        name: name.to_owned(),
        payload: Some(Struct {
            fields: [("n".to_owned(), value)].into(),
        }),
        target,
        request_metadata: None,
    }
}

/// The number in the payload of an event, as [`counted`] makes it.
pub(crate) fn count_of(event: &PublishEventResponse) -> f64 {
    let payload = event.payload.as_ref().expect("a payload");
    match payload.fields.get("n").and_then(|n| n.kind.as_ref()) {
        Some(Kind::NumberValue(n)) => *n,
        other => panic!("not a number: {other:?}"),
    }
}

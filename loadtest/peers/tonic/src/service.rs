//! The two calls of the event API: requests in, replies and events out.

use std::pin::Pin;
use std::sync::Arc;

use fanfare_tonic::event::event_service_server::EventService;
use fanfare_tonic::event::events_stream_request::Message as Asked;
use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::event::{
    EventTarget, EventsStreamError, EventsStreamRequest, EventsStreamResponse, PublishEventRequest,
    PublishEventResponse,
};
use fanfare_tonic::tonic::metadata::MetadataMap;
use fanfare_tonic::tonic::{Request, Response, Status, Streaming};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use crate::hub::{Hub, Origin, Outgoing, Pattern, StreamId};

/// Messages that may wait for one stream; one more and it is too slow.
const CHANNEL_MESSAGES: usize = 1_024;
/// Longest name.
const NAME_CHARACTERS_MAX: usize = 128;

/// The service.
#[derive(Debug)]
pub(crate) struct Events {
    hub: Arc<Hub>,
}

impl Events {
    /// A service before a registry.
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

#[tonic::async_trait]
impl EventService for Events {
    type StreamStream = Pin<Box<dyn Stream<Item = Outgoing> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<EventsStreamRequest>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let session = session(request.metadata());
        let (sender, receiver) = mpsc::channel(CHANNEL_MESSAGES);
        let (id, removed) = self.hub.enter(sender.clone());
        let client = Client {
            hub: self.hub.clone(),
            id,
            session,
            sender,
        };
        tokio::spawn(client.run(request.into_inner(), removed));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn publish(
        &self,
        request: Request<PublishEventRequest>,
    ) -> Result<Response<PublishEventResponse>, Status> {
        let origin = Origin {
            session: session(request.metadata()),
            stream: None,
        };
        let event = accept(request.into_inner()).map_err(Status::invalid_argument)?;
        self.hub.publish(&event, &origin);
        Ok(Response::new(event))
    }
}

/// One stream, as its task sees it.
struct Client {
    hub: Arc<Hub>,
    id: StreamId,
    session: Option<String>,
    sender: mpsc::Sender<Outgoing>,
}

impl Client {
    /// Answers until the client leaves or is too slow.
    async fn run(
        self,
        mut requests: Streaming<EventsStreamRequest>,
        mut removed: oneshot::Receiver<()>,
    ) {
        loop {
            let request = tokio::select! {
                request = requests.message() => request,
                _ = &mut removed => {
                    let _ = self.sender.send(Err(Status::resource_exhausted("too slow"))).await;
                    break;
                }
                // Nobody reads any more.
                () = self.sender.closed() => break,
            };
            let Ok(Some(request)) = request else { break };
            if self.answer(request).await.is_err() {
                break;
            }
        }
        self.hub.leave(self.id);
    }

    async fn answer(
        &self,
        request: EventsStreamRequest,
    ) -> Result<(), mpsc::error::SendError<Outgoing>> {
        let correlation = request.correlation_id;
        let mut event = None;
        let told = match request.message {
            Some(Asked::Ping(text)) if !text.is_empty() => Ok(Told::Pong(text)),
            Some(Asked::Ping(_)) => Err("a ping needs a text"),
            Some(Asked::Subscribe(asked)) => no_target(asked.target.as_ref())
                .and_then(|()| Pattern::all(&asked))
                .map(|patterns| {
                    self.hub.subscribe(self.id, &asked, patterns);
                    Told::Subscribed(asked)
                }),
            Some(Asked::Unsubscribe(asked)) => {
                self.hub.unsubscribe(self.id, &asked);
                Ok(Told::Unsubscribed(asked))
            }
            Some(Asked::Publish(publish)) => accept(publish).map(|accepted| {
                event = Some(accepted.clone());
                Told::Published(accepted)
            }),
            None => Err("a request needs a message"),
        };
        let told = told.unwrap_or_else(|message| {
            Told::Error(EventsStreamError {
                code: fanfare_tonic::tonic::Code::InvalidArgument.into(),
                message: message.to_owned(),
            })
        });
        let reply = EventsStreamResponse {
            correlation_id: correlation.clone(),
            session_id: self.session.clone(),
            message: Some(told),
        };
        // The reply first: a publisher that is subscribed is told `published` before `event`.
        self.sender.send(Ok(reply)).await?;
        if let Some(event) = event {
            let origin = Origin {
                session: self.session.clone(),
                stream: Some((self.id, correlation)),
            };
            self.hub.publish(&event, &origin);
        }
        Ok(())
    }
}

/// Makes an event of what a publisher asks for, or says what is wrong.
fn accept(request: PublishEventRequest) -> Result<PublishEventResponse, &'static str> {
    if request.name.is_empty() || request.name.chars().count() > NAME_CHARACTERS_MAX {
        return Err("a name has 1 to 128 characters");
    }
    if request.payload.is_none() {
        return Err("an event needs a payload");
    }
    no_target(request.target.as_ref())?;
    Ok(PublishEventResponse {
        name: request.name,
        payload: request.payload,
        target: request.target,
        request_metadata: request.request_metadata,
        id: Uuid::now_v7().to_string(),
    })
}

/// Targets are beyond what is compared; one that names nothing is none.
fn no_target(target: Option<&EventTarget>) -> Result<(), &'static str> {
    match target {
        Some(target) if *target != EventTarget::default() => Err("targets are not served"),
        _ => Ok(()),
    }
}

/// What a client calls itself.
fn session(metadata: &MetadataMap) -> Option<String> {
    let value = metadata.get("sessionid")?;
    value.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use fanfare_tonic::event::event_service_client::EventServiceClient;
    use fanfare_tonic::event::event_service_server::EventServiceServer;
    use fanfare_tonic::event::{SubscribePayload, events_stream_request};
    use fanfare_tonic::prost_types::Struct;
    use fanfare_tonic::tonic::Code;
    use fanfare_tonic::tonic::transport::server::TcpIncoming;
    use fanfare_tonic::tonic::transport::{Channel, Server};
    use tokio::net::TcpListener;

    use super::*;

    async fn connect() -> EventServiceClient<Channel> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let events = EventServiceServer::new(Events::new(Arc::default()));
        let server = Server::builder().add_service(events);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let client = EventServiceClient::connect(format!("http://{address}"));
        client.await.expect("connected")
    }

    fn publish(name: &str) -> PublishEventRequest {
        PublishEventRequest {
            name: name.to_owned(),
            payload: Some(Struct::default()),
            ..PublishEventRequest::default()
        }
    }

    fn request(correlation: &str, message: events_stream_request::Message) -> EventsStreamRequest {
        EventsStreamRequest {
            correlation_id: Some(correlation.to_owned()),
            message: Some(message),
        }
    }

    #[tokio::test]
    async fn every_request_is_answered_by_its_kind_and_events_follow() {
        let mut client = connect().await;
        let subscription = SubscribePayload {
            name: "a:*".to_owned(),
            ..SubscribePayload::default()
        };
        let requests = [
            request("1", Asked::Ping("hello".to_owned())),
            request("2", Asked::Subscribe(subscription.clone())),
            request("3", Asked::Publish(publish("a:b"))),
            request("4", Asked::Publish(publish("b"))),
            request("5", Asked::Ping(String::new())),
            request("6", Asked::Unsubscribe(subscription.clone())),
            request("7", Asked::Publish(publish("a:c"))),
        ];
        let mut stream = Request::new(tokio_stream::iter(requests));
        stream
            .metadata_mut()
            .insert("sessionid", "me".parse().expect("ASCII"));
        let mut told = client.stream(stream).await.expect("ok").into_inner();
        let mut found = Vec::new();
        while let Some(response) = told.message().await.expect("no error") {
            assert_eq!(response.session_id.as_deref(), Some("me"));
            let correlation = response.correlation_id.expect("one's own");
            let kind = match response.message.expect("something") {
                Told::Pong(text) => text,
                Told::Subscribed(asked) | Told::Unsubscribed(asked) => asked.name,
                Told::Published(event) => format!("published {}", event.name),
                Told::Event(event) => format!("event {}", event.name),
                Told::Error(error) => format!("error {}", error.code),
                Told::ReconnectBefore(_) => "reconnect".to_owned(),
            };
            found.push(format!("{correlation} {kind}"));
        }
        let expected = [
            "1 hello",
            "2 a:*",
            "3 published a:b",
            "3 event a:b",
            "4 published b",
            "5 error 3",
            "6 a:*",
            "7 published a:c",
        ];
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn a_call_publishes_to_those_who_are_subscribed() {
        let mut client = connect().await;
        let (sender, receiver) = mpsc::channel(1);
        let subscription = SubscribePayload {
            name: "b|a".to_owned(),
            ..SubscribePayload::default()
        };
        let subscribe = request("1", Asked::Subscribe(subscription));
        sender.send(subscribe).await.expect("room");
        let requests = ReceiverStream::new(receiver);
        let mut told = client.stream(requests).await.expect("ok").into_inner();
        told.message().await.expect("no error").expect("subscribed");
        let published = client.publish(publish("a")).await.expect("ok").into_inner();
        assert_eq!(published.id.len(), 36);
        let event = told.message().await.expect("no error").expect("an event");
        assert_eq!(event.correlation_id, None);
        assert_eq!(event.message, Some(Told::Event(published)));
        let refused = client.publish(publish("")).await.expect_err("no name");
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

//! Subscribes, publishes, and hears it. The hub's address is the only argument.

use std::error::Error;

use event::event_service_client::EventServiceClient;
use event::events_stream_request::Message::{Publish, Subscribe};
use event::events_stream_response::Message::{Event, Published};
use event::{EventTarget, EventsStreamRequest, PublishEventRequest, SubscribePayload};
use prost_types::{Struct, Value, value::Kind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

pub mod event {
    tonic::include_proto!("apis.event.v2");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = std::env::args().nth(1);
    let hub = hub.unwrap_or_else(|| "http://127.0.0.1:7400".to_owned());
    for line in hello(hub).await? {
        println!("{line}");
    }
    Ok(())
}

/// What was heard, a line for each message.
pub async fn hello(hub: String) -> Result<Vec<String>, Box<dyn Error>> {
    let mut client = EventServiceClient::connect(hub).await?;
    let (requests, receiver) = mpsc::channel(16);
    let mut stream = tonic::Request::new(ReceiverStream::new(receiver));
    // With organizations also "authorization": "Bearer " and a token.
    stream.metadata_mut().insert("sessionid", "rust".parse()?);
    let mut responses = client.stream(stream).await?.into_inner();

    let target = EventTarget {
        layout_id: Some("demo".to_owned()),
        ..Default::default()
    };
    let wanted = SubscribePayload {
        name: "chat:*".to_owned(),
        target: Some(target.clone()),
        events: Vec::new(),
    };
    requests.send(ask("1", Subscribe(wanted))).await?;
    responses.message().await?.ok_or("it ended")?;

    let one = Value {
        kind: Some(Kind::NumberValue(1.0)),
    };
    let event = PublishEventRequest {
        name: "chat:hello".to_owned(),
        payload: Some(Struct {
            fields: [("n".to_owned(), one)].into(),
        }),
        target: Some(target),
        request_metadata: None,
    };
    requests.send(ask("2", Publish(event))).await?;
    let mut lines = Vec::new();
    while lines.len() < 2 {
        let response = responses.message().await?.ok_or("it ended")?;
        lines.push(match response.message {
            Some(Published(event)) => format!("published {} {}", event.name, event.id),
            Some(Event(event)) => format!("event {} {}", event.name, event.id),
            other => return Err(format!("{other:?}").into()),
        });
    }
    Ok(lines)
}

fn ask(id: &str, message: event::events_stream_request::Message) -> EventsStreamRequest {
    EventsStreamRequest {
        correlation_id: Some(id.to_owned()),
        message: Some(message),
    }
}

//! Calls of gRPC over [`http2`](super::http2): messages by prost, framed and read by hand.

use std::io::Write as _;

use fanfare_tonic::event::{
    EventTarget, EventsStreamRequest, EventsStreamResponse, PublishEventRequest, SubscribePayload,
    events_stream_request::Message as Ask, events_stream_response::Message as Say,
};
use fanfare_tonic::prost::Message;
use fanfare_tonic::prost_types::{ListValue, Struct, Value, value::Kind};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use serde_json::Value as Json;

use super::http2::{Call, Client};
use super::node::TestNode;

/// The bidirectional method.
pub(crate) const STREAM: &str = "/apis.event.v2.EventService/Stream";
/// The unary method.
pub(crate) const PUBLISH: &str = "/apis.event.v2.EventService/Publish";

/// A call's head with further fields.
pub(crate) fn head(path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut head = Request::post(format!("http://x{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    head.body(()).expect("a head")
}

/// A message with its prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend((message.len() as u32).to_be_bytes());
    framed.extend(message);
    framed
}

/// A message as gzip, as small as can be.
pub(crate) fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(message).expect("memory");
    encoder.finish().expect("memory")
}

/// The whole messages of a body, and how many bytes are left behind them.
pub(crate) fn messages(mut body: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = body.split_at_checked(5) {
        assert_eq!(prefix[0], 0, "nothing is compressed");
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else {
            break;
        };
        messages.push(message);
        body = rest;
    }
    (messages, body.len())
}

/// A request of `Stream`.
pub(crate) fn ask(correlation_id: &str, message: Ask) -> EventsStreamRequest {
    EventsStreamRequest {
        correlation_id: (!correlation_id.is_empty()).then(|| correlation_id.into()),
        message: Some(message),
    }
}

/// What to subscribe to.
pub(crate) fn subscription(name: &str, target: Option<EventTarget>) -> SubscribePayload {
    SubscribePayload {
        name: name.into(),
        target,
        ..SubscribePayload::default()
    }
}

/// An event whose payload is a number and a text.
pub(crate) fn event(name: &str, number: u64, fill: &str) -> PublishEventRequest {
    let value = |kind| Value { kind: Some(kind) };
    let fields = [
        ("n".into(), value(Kind::NumberValue(number as f64))),
        ("fill".into(), value(Kind::StringValue(fill.into()))),
    ];
    PublishEventRequest {
        name: name.into(),
        payload: Some(Struct {
            fields: fields.into(),
        }),
        ..PublishEventRequest::default()
    }
}

/// A JSON value as the client of the original holds it.
pub(crate) fn to_value(json: &Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().expect("a double")),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.iter().map(to_value).collect(),
        }),
        Json::Object(_) => Kind::StructValue(to_struct(json)),
    };
    Value { kind: Some(kind) }
}

/// An object, likewise.
pub(crate) fn to_struct(json: &Json) -> Struct {
    let fields = json.as_object().expect("an object").iter();
    Struct {
        fields: fields
            .map(|(name, value)| (name.clone(), to_value(value)))
            .collect(),
    }
}

/// The JSON of a payload; numbers that are whole have no fraction.
pub(crate) fn to_json(payload: &Struct) -> Json {
    let fields = payload.fields.iter();
    fields
        .map(|(name, value)| (name.clone(), json_of(value)))
        .collect()
}

fn json_of(value: &Value) -> Json {
    match value.kind.as_ref().expect("a value") {
        Kind::NullValue(_) => Json::Null,
        Kind::NumberValue(number) if number.fract() == 0.0 => Json::from(*number as i64),
        Kind::NumberValue(number) => Json::from(*number),
        Kind::StringValue(text) => Json::from(text.as_str()),
        Kind::BoolValue(value) => Json::from(*value),
        Kind::StructValue(fields) => to_json(fields),
        Kind::ListValue(list) => list.values.iter().map(json_of).collect(),
    }
}

/// The number in the payload of an event.
pub(crate) fn number_of(payload: Option<&Struct>) -> Option<u64> {
    match payload?.fields.get("n")?.kind.as_ref()? {
        Kind::NumberValue(number) => Some(*number as u64),
        _ => None,
    }
}

impl Client {
    /// Opens a call.
    pub(crate) fn call(&mut self, path: &str) -> usize {
        self.open(head(path, &[]), false)
    }

    /// Sends a message.
    pub(crate) fn send_message(&mut self, call: usize, message: &impl Message) {
        self.send(call, &framed(&message.encode_to_vec()));
    }

    /// A call of `Stream` that hears those names everywhere in the organization.
    pub(crate) fn subscribe(&mut self, node: &mut TestNode, name: &str) -> usize {
        let call = self.call(STREAM);
        self.send_message(call, &ask("s", Ask::Subscribe(subscription(name, None))));
        self.settle(node);
        let said = self.calls[call].take_said();
        assert!(matches!(said[..], [Say::Subscribed(_)]), "{said:?}");
        call
    }

    /// A unary call, to its end.
    pub(crate) fn unary(
        &mut self,
        node: &mut TestNode,
        path: &str,
        message: &impl Message,
    ) -> usize {
        let call = self.call(path);
        self.send_message(call, message);
        self.half_close(call);
        self.settle(node);
        call
    }
}

impl Call {
    /// Takes the whole messages that have come.
    pub(crate) fn take_messages<M: Message + Default>(&mut self) -> Vec<M> {
        let (messages, rest) = messages(&self.body);
        let decoded = messages
            .iter()
            .map(|message| M::decode(*message).expect("a message"))
            .collect();
        self.body.drain(..self.body.len() - rest);
        decoded
    }

    /// Takes what `Stream` has said, without what it was about.
    pub(crate) fn take_said(&mut self) -> Vec<Say> {
        let responses = self.take_messages::<EventsStreamResponse>();
        let said = responses
            .into_iter()
            .filter_map(|response| response.message);
        said.collect()
    }

    /// Takes the numbers of the events that came.
    pub(crate) fn take_numbers(&mut self) -> Vec<u64> {
        let said = self.take_said().into_iter();
        said.map(|said| match said {
            Say::Event(event) => number_of(event.payload.as_ref()).expect("a number"),
            other => panic!("{other:?}"),
        })
        .collect()
    }

    /// The call's status and message, from its trailers or from its head if that was all.
    pub(crate) fn grpc_status(&self) -> Option<(u16, String)> {
        let fields = self.trailers.as_ref();
        let fields = fields.or_else(|| self.head.as_ref().map(|head| &head.headers))?;
        let text = |name| fields.get(name).map(|value| value.to_str().expect("ASCII"));
        let code = text("grpc-status")?.parse().expect("a number");
        Some((code, text("grpc-message").unwrap_or_default().to_owned()))
    }
}

//! Replies as the contract writes them, and as a generated client reads them.

use bytes::Bytes;
use prost::Message as _;
use uuid::Uuid;

use super::super::proto::events_stream_response::Message;
use super::super::proto::{
    EventTarget, EventsStreamError, EventsStreamReconnectRequest, EventsStreamResponse,
    PublishEventResponse, RawMessage, SubscribePayload,
};
use super::super::render::put_published;
use super::super::request::{Asked, Request};
use super::super::target::Target;
use super::*;
use crate::protocol::grpc::Code;

const ID: &str = "018f2a3b-0000-7000-8000-000000000001";

fn id() -> EventId {
    EventId(Uuid::parse_str(ID).expect("a UUID"))
}

fn json(correlation_id: Option<&str>, session_id: Option<&str>, reply: &Reply<'_>) -> String {
    let mut out = Vec::new();
    put_reply(Form::Json, correlation_id, session_id, reply, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// What a generated client reads; it would write the same bytes.
fn proto(
    correlation_id: Option<&str>,
    session_id: Option<&str>,
    reply: &Reply<'_>,
) -> EventsStreamResponse {
    let mut out = Vec::new();
    put_reply(Form::Proto, correlation_id, session_id, reply, &mut out);
    let read = EventsStreamResponse::decode(&out[..]).expect("decodes");
    assert_eq!(read.encode_to_vec(), out);
    read
}

fn kind(reply: &Reply<'_>) -> Message {
    proto(None, None, reply).message.expect("set")
}

fn read(message: &str) -> (Option<Box<str>>, Asked) {
    let request = Request::read(Form::Json, message.as_bytes());
    (request.correlation_id, request.asked.expect(message))
}

/// The reply to a request that was carried out.
fn answer(message: &str, session_id: Option<&str>) -> String {
    let (correlation_id, asked) = read(message);
    let reply = match &asked {
        Asked::Subscribe(wanted) => Reply::Subscribed(wanted),
        Asked::Unsubscribe(wanted) => Reply::Unsubscribed(wanted),
        Asked::Publish(publish) => Reply::Published { id: id(), publish },
        Asked::Ping(text) => Reply::Pong(text),
    };
    json(correlation_id.as_deref(), session_id, &reply)
}

#[test]
fn the_transcripts_of_the_contract() {
    assert_eq!(
        answer(r#"{"ping":"hello","correlationId":"c1"}"#, Some("s")),
        r#"{"result":{"correlationId":"c1","sessionId":"s","pong":"hello"}}"#
    );
    let subscribe =
        r#"{"subscribe":{"name":"my_app:*","target":{"projectId":"p"}},"correlationId":"c2"}"#;
    let subscribed = r#"{"result":{"correlationId":"c2","subscribed":{"name":"my_app:*","target":{"projectId":"p"}}}}"#;
    assert_eq!(answer(subscribe, None), subscribed);
    assert_eq!(
        answer(&subscribe.replace("subscribe", "unsubscribe"), None),
        subscribed.replace("subscribed", "unsubscribed")
    );
    let publish = r#"{"publish":{"name":"my_app:user_chat","payload":{"custom_event":true},"requestMetadata":{},"target":{}},"correlationId":"c4"}"#;
    let published = r#"{"result":{"correlationId":"c4","published":{"id":"<uuid>","name":"my_app:user_chat","payload":{"custom_event":true},"target":{},"requestMetadata":{}}}}"#;
    assert_eq!(answer(publish, None), published.replace("<uuid>", ID));
    assert_eq!(
        json(
            Some("c4"),
            None,
            &Reply::Error(&Status::new(Code::InvalidArgument, "…"))
        ),
        r#"{"result":{"correlationId":"c4","error":{"code":3,"message":"…"}}}"#
    );
    let reconnect = Reply::ReconnectBefore {
        reauthenticate: false,
        before_ms: 1_649_179_486_223,
    };
    assert_eq!(
        json(None, None, &reconnect),
        r#"{"result":{"reconnectBefore":{"reauthenticate":false,"beforeTimestamp":"1649179486223"}}}"#
    );
}

#[test]
fn unset_optionals_are_absent() {
    assert_eq!(
        answer(r#"{"publish":{"name":"a","payload":{}}}"#, None),
        format!(r#"{{"result":{{"published":{{"id":"{ID}","name":"a","payload":{{}}}}}}}}"#)
    );
    assert_eq!(
        answer(r#"{"subscribe":{"name":"a"}}"#, None),
        r#"{"result":{"subscribed":{"name":"a"}}}"#
    );
}

#[test]
fn a_subscription_is_repeated_as_it_was_said() {
    let said = r#"{"subscribe":{"name":"a|b","target":{"layoutId":"l","projectId":"p\"","collectionId":"c"},"events":["d","e|f"]}}"#;
    let expected = said.replace("subscribe", "subscribed");
    assert_eq!(answer(said, None), format!(r#"{{"result":{expected}}}"#));
}

#[test]
fn the_answer_of_a_single_publish_is_not_wrapped() {
    let body = r#"{"name":"a","payload":{"x" : 1.50},"target":{"projectId":"p"},"requestMetadata":[null]}"#;
    let publish = Publish::read(Form::Json, body.as_bytes()).expect("valid");
    let mut out = Vec::new();
    put_published(Form::Json, id(), &publish, &mut out);
    let expected = body.replacen('{', &format!("{{\"id\":\"{ID}\","), 1);
    assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);

    let mut out = Vec::new();
    put_published(Form::Proto, id(), &publish, &mut out);
    let read = PublishEventResponse::decode(&out[..]).expect("decodes");
    assert_eq!(read.encode_to_vec(), out);
    assert_eq!((&*read.id, &*read.name), (ID, "a"));
    let project = read.target.and_then(|target| target.project_id);
    assert_eq!(project.as_deref(), Some("p"));
}

#[test]
fn errors_outside_of_a_stream() {
    let status = Status::new(Code::Unauthenticated, "no \"token\"");
    let mut out = Vec::new();
    put_fatal(&status, &mut out);
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        r#"{"error":{"code":16,"message":"no \"token\"","details":[]},"code":16,"message":"no \"token\""}"#
    );
    let mut out = Vec::new();
    put_http_error(&Status::new(Code::NotFound, "Layout not found"), &mut out);
    assert_eq!(
        out,
        br#"{"code":5,"message":"Layout not found","details":[]}"#
    );
}

#[test]
fn replies_as_protobuf() {
    let pong = proto(Some("c"), Some("s"), &Reply::Pong("hello"));
    assert_eq!(pong.correlation_id.as_deref(), Some("c"));
    assert_eq!(pong.session_id.as_deref(), Some("s"));
    assert_eq!(pong.message, Some(Message::Pong("hello".into())));
    let silent = proto(None, None, &Reply::Pong(""));
    assert_eq!((silent.correlation_id, silent.session_id), (None, None));
    assert_eq!(silent.message, Some(Message::Pong(String::new())));

    let status = Status::new(Code::PermissionDenied, "no");
    let error = EventsStreamError {
        code: 7,
        message: "no".into(),
    };
    assert_eq!(kind(&Reply::Error(&status)), Message::Error(error));

    let wanted = Wanted {
        name: "a".into(),
        target: Some(Target {
            layout: Some("l".into()),
            project: Some("".into()),
            collection: None,
        }),
        events: vec!["b".into(), "c".into()],
    };
    let payload = SubscribePayload {
        name: "a".into(),
        target: Some(EventTarget {
            layout_id: Some("l".into()),
            project_id: Some(String::new()),
            collection_id: None,
        }),
        events: vec!["b".into(), "c".into()],
    };
    let subscribed = Message::Subscribed(payload.clone());
    assert_eq!(kind(&Reply::Subscribed(&wanted)), subscribed);
    let unsubscribed = Message::Unsubscribed(payload);
    assert_eq!(kind(&Reply::Unsubscribed(&wanted)), unsubscribed);

    for reauthenticate in [false, true] {
        let reply = Reply::ReconnectBefore {
            reauthenticate,
            before_ms: 1_649_179_486_223,
        };
        let request = EventsStreamReconnectRequest {
            reauthenticate,
            before_timestamp: "1649179486223".into(),
        };
        assert_eq!(kind(&reply), Message::ReconnectBefore(request));
    }
}

#[test]
fn published_as_protobuf() {
    let publish = Publish {
        name: "a".into(),
        payload: Bytes::from(r#"{"x":[true,"\u00e9"]}"#),
        target: None,
        metadata: Some(Bytes::from("1.50")),
    };
    let reply = Reply::Published {
        id: id(),
        publish: &publish,
    };
    let Message::Published(event) = kind(&reply) else {
        panic!("published");
    };
    let payload = event
        .payload
        .map(|RawMessage(wire)| super::super::mapping::struct_to_json(&wire).expect("readable"));
    assert_eq!(payload.as_deref(), Some(r#"{"x":[true,"é"]}"#.as_bytes()));
    let metadata = event
        .request_metadata
        .map(|RawMessage(wire)| super::super::mapping::value_to_json(&wire).expect("readable"));
    assert_eq!(metadata.as_deref(), Some(&b"1.5"[..]));
    assert_eq!((event.target, &*event.id), (None, ID));
}

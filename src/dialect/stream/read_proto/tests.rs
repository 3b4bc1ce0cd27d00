//! Requests as generated clients write them, and bytes that no client would.

use proptest::prelude::*;

use super::super::proto::RawMessage;
use super::super::request::Form;
use super::*;
use crate::protocol::grpc::Code;

fn read(message: Option<Message>, correlation_id: Option<&str>) -> Request {
    let message = EventsStreamRequest {
        correlation_id: correlation_id.map(String::from),
        message,
    };
    Request::read(Form::Proto, &message.encode_to_vec())
}

fn refused(message: Option<Message>) -> String {
    let request = read(message, Some("c"));
    assert_eq!(request.correlation_id.as_deref(), Some("c"));
    let error = request.asked.expect_err("refused");
    assert_eq!(error.code, Code::InvalidArgument);
    error.message.into_owned()
}

/// `{"x":true}` as a `Struct`.
const PAYLOAD: &[u8] = b"\x0a\x07\x0a\x01x\x12\x02\x20\x01";

fn event() -> PublishEventRequest {
    PublishEventRequest {
        name: "a".into(),
        payload: Some(RawMessage(PAYLOAD.into())),
        target: Some(EventTarget {
            layout_id: Some("l".into()),
            project_id: None,
            collection_id: Some("c".into()),
        }),
        request_metadata: Some(RawMessage(b"\x1a\x02hi".into())),
    }
}

#[test]
fn each_kind_of_request() {
    let ping = read(Some(Message::Ping("hello".into())), Some("c"));
    assert_eq!(ping.correlation_id.as_deref(), Some("c"));
    assert_eq!(ping.asked, Ok(Asked::Ping("hello".into())));
    assert_eq!(read(None, None).correlation_id, None);
    let payload = SubscribePayload {
        name: "a|b".into(),
        target: Some(EventTarget::default()),
        events: vec!["c".into()],
    };
    let wanted = Wanted {
        name: "a|b".into(),
        target: Some(Target::default()),
        events: vec!["c".into()],
    };
    let subscribe = read(Some(Message::Subscribe(payload.clone())), None);
    assert_eq!(subscribe.asked, Ok(Asked::Subscribe(wanted.clone())));
    let unsubscribe = read(Some(Message::Unsubscribe(payload)), None);
    assert_eq!(unsubscribe.asked, Ok(Asked::Unsubscribe(wanted)));
    let expected = Publish {
        name: "a".into(),
        payload: Bytes::from(r#"{"x":true}"#),
        target: Some(Target {
            layout: Some("l".into()),
            project: None,
            collection: Some("c".into()),
        }),
        metadata: Some(Bytes::from("\"hi\"")),
    };
    let publish = read(Some(Message::Publish(event())), None);
    assert_eq!(
        publish.asked,
        Ok(Asked::Publish(Box::new(expected.clone())))
    );
    let body = event().encode_to_vec();
    assert_eq!(Publish::read(Form::Proto, &body), Ok(expected));
}

#[test]
fn a_null_as_metadata_is_absent_as_in_json() {
    let mut event = event();
    event.request_metadata = Some(RawMessage(b"\x08\0".into()));
    let event = Publish::read(Form::Proto, &event.encode_to_vec()).expect("valid");
    assert_eq!(event.metadata, None);
}

#[test]
fn what_is_wrong_is_said() {
    assert!(refused(None).starts_with("nothing is asked"));
    assert_eq!(
        refused(Some(Message::Ping(String::new()))),
        "\"ping\" is empty"
    );
    let publish = |change: &dyn Fn(&mut PublishEventRequest)| {
        let mut event = event();
        change(&mut event);
        refused(Some(Message::Publish(event)))
    };
    assert_eq!(
        publish(&|event| event.payload = None),
        "\"publish.payload\" is missing"
    );
    assert_eq!(
        publish(&|event| event.name.clear()),
        "\"publish.name\" is empty"
    );
    assert!(publish(&|event| event.name = "é".repeat(129)).contains("128 characters"));
    let nan = [b"\x11".as_slice(), &f64::NAN.to_le_bytes()].concat();
    assert_eq!(
        publish(&|event| event.request_metadata = Some(RawMessage(nan.clone()))),
        "\"publish.request_metadata\" is not a finite number"
    );
    assert_eq!(
        publish(&|event| event.request_metadata = Some(RawMessage::default())),
        "\"publish.request_metadata\" is a value of no kind"
    );
    let long = EventTarget {
        project_id: Some("x".repeat(257)),
        ..EventTarget::default()
    };
    let wanted = SubscribePayload {
        target: Some(long.clone()),
        ..SubscribePayload::default()
    };
    assert!(refused(Some(Message::Subscribe(wanted))).contains("project id is longer"));
    assert!(publish(&|event| event.target = Some(long.clone())).contains("project id is longer"));
    // As JSON it is six times as long.
    let mut wire = Vec::new();
    super::super::mapping::struct_to_wire(
        format!("{{\"a\":\"{}\"}}", "\\u0001".repeat(200_000)).as_bytes(),
        &mut wire,
    );
    let message = publish(&|event| event.payload = Some(RawMessage(wire.clone())));
    assert!(message.contains("bytes of JSON; at most"), "{message}");
}

#[test]
fn the_correlation_id_is_recovered_from_what_does_not_decode() {
    // A publish whose name is not UTF-8, after and before the correlation id.
    let broken = b"\xb2\x06\x03\x0a\x01\xff";
    for message in [
        [b"\x0a\x01c".as_slice(), broken].concat(),
        [broken, b"\x0a\x01c".as_slice()].concat(),
    ] {
        let request = Request::read(Form::Proto, &message);
        assert_eq!(request.correlation_id.as_deref(), Some("c"));
        let error = request.asked.expect_err("refused");
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("UTF-8"), "{}", error.message);
    }
    let cut = Request::read(Form::Proto, b"\x0a\x01c\xb2\x06\x03\x0a");
    assert_eq!(cut.correlation_id, None);
    assert!(cut.asked.is_err());
    let long = read(Some(Message::Ping("a".into())), Some(&"x".repeat(257)));
    assert_eq!(long.correlation_id, None);
    let sentence = "the correlation id is longer than 256 bytes";
    assert_eq!(long.asked.unwrap_err().message, sentence);
}

#[test]
fn parts_of_a_payload_are_merged() {
    let mut body = event().encode_to_vec();
    // Another part of the payload: {"y":false}.
    body.extend_from_slice(b"\x12\x09\x0a\x07\x0a\x01y\x12\x02\x20\x00");
    let event = Publish::read(Form::Proto, &body).expect("valid");
    assert_eq!(event.payload, r#"{"x":true,"y":false}"#);
}

proptest! {
    #[test]
    fn changed_messages_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..5),
    ) {
        let message = EventsStreamRequest {
            correlation_id: Some("c".into()),
            message: Some(Message::Publish(event())),
        };
        let mut bytes = message.encode_to_vec();
        for (at, with, cut) in changes {
            let at = at.index(bytes.len());
            bytes[at] = with;
            if cut {
                bytes.remove(at);
            }
        }
        let request = Request::read(Form::Proto, &bytes);
        if let Ok(decoded) = EventsStreamRequest::decode(&bytes[..]) {
            prop_assert_eq!(request.correlation_id.as_deref(), decoded.correlation_id.as_deref());
        }
        if let Ok(Asked::Publish(event)) = request.asked {
            prop_assert!(serde_json::from_slice::<serde_json::Map<_, _>>(&event.payload).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        Request::read(Form::Proto, &bytes);
        let _ = Publish::read(Form::Proto, &bytes);
    }
}

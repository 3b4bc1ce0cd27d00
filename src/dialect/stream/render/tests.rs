//! Events as subscribers hear them.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use uuid::Uuid;

use super::super::mapping::{struct_to_json, value_to_json};
use super::super::proto::events_stream_response::Message;
use super::super::proto::{EventTarget, EventsStreamResponse, RawMessage};
use super::*;
use crate::dialect::render::put_on_one_line;
use crate::hub::{OrganizationId, Parents, Scope};

const ID: &str = "018f2a3b-0000-7000-8000-000000000001";

fn event(name: &str, payload: &str, address: Address) -> Event {
    Event {
        id: EventId(Uuid::parse_str(ID).expect("a UUID")),
        name: EventName::from_json(Bytes::from(name.to_owned())),
        payload: Bytes::from(payload.to_owned()),
        metadata: None,
        origin: None,
        correlation: None,
        scope: Scope {
            organization: OrganizationId(0),
            address,
        },
        parents: Parents::default(),
        time_ms: 0,
    }
}

fn json(event: &Event, correlation_id: Option<&str>) -> String {
    let mut out = Vec::new();
    put_event(Form::Json, event, correlation_id, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn proto(event: &Event, correlation_id: Option<&str>) -> EventsStreamResponse {
    let mut out = b"before".to_vec();
    put_event(Form::Proto, event, correlation_id, &mut out);
    let wire = out.strip_prefix(b"before").expect("appended");
    let read = EventsStreamResponse::decode(wire).expect("decodes");
    assert_eq!(read.encode_to_vec(), wire);
    read
}

fn name(name: &str) -> ScopeName {
    ScopeName::new(name)
}

#[test]
fn the_transcript_of_the_contract() {
    let mut event = event(
        "\"my_app:x\"",
        "{\"a\" : 1.50}",
        Address::Session(name("l")),
    );
    event.parents = Parents {
        group: Some(name("c")),
        project: Some(name("p")),
    };
    event.metadata = Some(Bytes::from("{ }"));
    event.origin = Some(Bytes::from("publisher"));
    let inside = format!(
        r#""event":{{"id":"{ID}","name":"my_app:x","payload":{{"a" : 1.50}},"target":{{"layoutId":"l","projectId":"p","collectionId":"c"}},"requestMetadata":{{ }}}}"#
    );
    let expected = format!(r#"{{"result":{{"sessionId":"publisher",{inside}}}}}"#);
    assert_eq!(json(&event, None), expected);
    // The publisher's own copy.
    let expected =
        format!(r#"{{"result":{{"correlationId":"c4","sessionId":"publisher",{inside}}}}}"#);
    assert_eq!(json(&event, Some("c4")), expected);
}

#[test]
fn the_target_is_what_is_known() {
    let target = |address, group: Option<&str>, project: Option<&str>| {
        let mut event = event("\"a\"", "{}", address);
        event.parents = Parents {
            group: group.map(ScopeName::new),
            project: project.map(ScopeName::new),
        };
        let json: serde_json::Value = serde_json::from_str(&json(&event, None)).expect("valid");
        let target = json["result"]["event"]
            .get("target")
            .map(ToString::to_string);
        let Some(Message::Event(read)) = proto(&event, None).message else {
            panic!("an event");
        };
        (target.unwrap_or_default(), read.target)
    };
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let ids = |layout: &str, project: &str, collection: &str| {
        Some(EventTarget {
            layout_id: id(layout),
            project_id: id(project),
            collection_id: id(collection),
        })
    };
    assert_eq!(
        target(Address::Organization, None, None),
        (String::new(), None)
    );
    assert_eq!(
        target(Address::Group(name("c")), None, None),
        (r#"{"collectionId":"c"}"#.into(), ids("", "", "c"))
    );
    assert_eq!(
        target(Address::Project(name("p")), Some("c"), None).1,
        ids("", "p", "c")
    );
    assert_eq!(
        target(Address::Session(name("l")), None, Some("p")).1,
        ids("l", "p", "")
    );
    assert_eq!(
        target(Address::Session(name("l")), None, None),
        (r#"{"layoutId":"l"}"#.into(), ids("l", "", ""))
    );
}

#[test]
fn a_payload_that_is_no_object_becomes_its_data() {
    for payload in ["null", "7", " [1] ", "\"x\""] {
        let event = event("\"a\"", payload, Address::Organization);
        let payload = payload.trim();
        let part = format!(r#","payload":{{"data":{payload}}}}}}}}}"#);
        assert!(json(&event, None).ends_with(&part));
        let Some(Message::Event(read)) = proto(&event, None).message else {
            panic!("an event");
        };
        let RawMessage(wire) = read.payload.expect("set");
        let read = struct_to_json(&wire).expect("readable");
        assert_eq!(read, format!(r#"{{"data":{payload}}}"#).as_bytes());
    }
}

#[test]
fn a_name_that_is_no_text_is_its_json() {
    let event = event("{\"a\" : 1}", "{}", Address::Organization);
    assert!(json(&event, None).contains(r#""name":"{\"a\":1}""#));
    let Some(Message::Event(read)) = proto(&event, None).message else {
        panic!("an event");
    };
    assert_eq!(read.name, "{\"a\":1}");
}

#[test]
fn an_event_can_stand_on_one_line() {
    let mut event = event("\"a\"", "{\n\"a\":\r\n\"b\\n\"}\n", Address::Organization);
    event.metadata = Some(Bytes::from("[\n]"));
    let mut text = json(&event, None).into_bytes();
    let before: serde_json::Value = serde_json::from_slice(&text).expect("valid");
    put_on_one_line(&mut text);
    assert!(!text.contains(&b'\n') && !text.contains(&b'\r'));
    let after: serde_json::Value = serde_json::from_slice(&text).expect("valid");
    assert_eq!(after, before);
}

proptest! {
    #[test]
    fn both_forms_say_the_same(
        event_name in any::<String>(),
        correlation_id in proptest::option::of(any::<String>()),
        origin in proptest::option::of(any::<String>()),
        fields in prop::collection::btree_map(any::<String>(), any::<Option<String>>(), 0..4),
        metadata in proptest::option::of(any::<Vec<bool>>()),
    ) {
        let payload = serde_json::json!(fields);
        let metadata = metadata.map(|metadata| serde_json::json!(metadata));
        let quoted = serde_json::json!(event_name).to_string();
        let mut event = event(&quoted, &payload.to_string(), Address::Organization);
        event.origin = origin.clone().map(Bytes::from);
        event.metadata = metadata.as_ref().map(|json| Bytes::from(json.to_string()));

        let json = json(&event, correlation_id.as_deref());
        let json: serde_json::Value = serde_json::from_str(&json).expect("valid");
        let result = &json["result"];
        prop_assert_eq!(result.get("correlationId").and_then(|id| id.as_str()), correlation_id.as_deref());
        prop_assert_eq!(result.get("sessionId").and_then(|id| id.as_str()), origin.as_deref());
        prop_assert_eq!(&result["event"]["name"], &event_name);
        prop_assert_eq!(&result["event"]["payload"], &payload);
        prop_assert_eq!(result["event"].get("requestMetadata"), metadata.as_ref());

        let read = proto(&event, correlation_id.as_deref());
        prop_assert_eq!(read.correlation_id, correlation_id);
        prop_assert_eq!(read.session_id, origin);
        let Some(Message::Event(read)) = read.message else {
            panic!("an event");
        };
        prop_assert_eq!((read.name, &*read.id), (event_name, ID));
        let wire = read.payload.expect("set").0;
        let read_payload: serde_json::Value =
            serde_json::from_slice(&struct_to_json(&wire).expect("readable")).expect("valid");
        prop_assert_eq!(read_payload, payload);
        let read_metadata = read.request_metadata.map(|RawMessage(wire)| {
            let json = value_to_json(&wire).expect("readable");
            serde_json::from_slice::<serde_json::Value>(&json).expect("valid")
        });
        prop_assert_eq!(read_metadata, metadata);
    }
}

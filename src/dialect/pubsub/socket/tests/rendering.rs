//! Contract: an event as its reader sees it.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::testing::event;
use crate::hub::EventName;
use crate::hub::Number;

/// The payload of the one unmasked text frame that `frame` is.
#[track_caller]
fn text(frame: &[u8]) -> String {
    assert_eq!(frame[0], 0x81);
    let (bytes, payload) = match frame[1] {
        126 => (
            usize::from(u16::from_be_bytes([frame[2], frame[3]])),
            &frame[4..],
        ),
        short => (usize::from(short), &frame[2..]),
    };
    assert_eq!(payload.len(), bytes);
    String::from_utf8(payload.to_vec()).expect("text")
}

fn rendered(number: Number, name: &str, payload: &str) -> String {
    let mut out = BytesMut::new();
    encode_event(number, &event(name, payload), &mut out);
    text(&out)
}

#[test]
fn keys_have_their_order_and_bytes_are_kept() {
    let id = "00000000-0000-0000-0000-000000000000";
    let expected =
        format!(r#"{{"eventName":"h\u00e9","data":{{ "a" : 1.50 }},"id":"{id}","number":12}}"#);
    assert_eq!(rendered(12, r#""h\u00e9""#, r#"{ "a" : 1.50 }"#), expected);
    let expected =
        format!(r#"{{"eventName":"{{\"x\":[1,\"y z\"]}}","data":7,"id":"{id}","number":0}}"#);
    assert_eq!(rendered(0, r#"{"x" : [1, "y z"]}"#, "7"), expected);
    let expected = format!(
        r#"{{"eventName":"null","data":null,"id":"{id}","number":{}}}"#,
        u64::MAX
    );
    assert_eq!(rendered(u64::MAX, "null", "null"), expected);
}

#[test]
fn gaps_and_heartbeats_are_frames() {
    let mut out = BytesMut::new();
    encode_gap(Gap::Range { first: 3, last: 9 }, &mut out);
    assert_eq!(text(&out), r#"{"action":"gap","data":{"from":3,"to":9}}"#);
    out.clear();
    encode_gap(Gap::Reset, &mut out);
    assert_eq!(text(&out), r#"{"action":"gap","data":{"reset":true}}"#);
    out.clear();
    encode_heartbeat(7, &mut out);
    assert_eq!(text(&out), r#"{"action":"heartbeat","data":{"next":7}}"#);
}

/// JSON values, small.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_event_reads_as_it_was_published(
        name in values(), data in values(), number: u64, id: u128, pretty: bool
    ) {
        let (id, payload) = (Uuid::from_u128(id), if pretty { format!("{data:#}") } else { data.to_string() });
        let mut published = event("0", &payload);
        published.id = EventId(id);
        let json = if pretty { format!("{name:#}") } else { name.to_string() };
        published.name = EventName::from_json(Bytes::from(json));
        let mut out = BytesMut::from("before");
        encode_event(number, &published, &mut out);
        let read: Value = serde_json::from_str(&text(&out[6..])).expect("JSON");
        let expected = match &name {
            Value::String(text) => text.clone(),
            // Spaces between tokens are gone, keys stay in their order.
            other => other.to_string(),
        };
        prop_assert_eq!(&read["eventName"], &Value::from(expected));
        prop_assert_eq!(&read["data"], &data);
        prop_assert_eq!(&read["number"], &Value::from(number));
        prop_assert_eq!(&read["id"], &Value::from(id.to_string()));
        prop_assert_eq!(read.as_object().expect("an object").len(), 4);
    }
}

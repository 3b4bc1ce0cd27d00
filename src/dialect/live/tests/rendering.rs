//! Events as flat objects, beside a naive rendering through a parsed tree.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::dialect::testing::{name, scope};
use crate::hub::{Address, Parents};

const START: &str =
    r#"{"type":"x","time":1700000000123,"coreServerId":"00000000-0000-0000-0000-00000000000a""#;

fn render(event: &Event) -> String {
    let mut out = Vec::new();
    Tester::new().dialect.render(event, &mut out);
    String::from_utf8(out).expect("text")
}

fn rest(payload: &str) -> String {
    let text = render(&event("\"x\"", payload));
    text.strip_prefix(START).expect("the base").to_owned()
}

#[test]
fn fields_are_kept_as_they_were_sent() {
    assert_eq!(rest("{}"), "}");
    assert_eq!(rest(" { } "), "}");
    assert_eq!(rest(r#"{"a":1.50}"#), r#","a":1.50}"#);
    assert_eq!(
        rest("{ \"a\" : null,\n \"b\":\"\\u00e9\",\"c\":{\"type\":1}}\n"),
        ", \"a\" : null,\n \"b\":\"\\u00e9\",\"c\":{\"type\":1}}"
    );
    assert_eq!(rest(" [1, 2] "), r#","data":[1, 2]}"#);
    assert_eq!(rest("null"), r#","data":null}"#);
    assert_eq!(rest(r#""{}""#), r#","data":"{}"}"#);
}

#[test]
fn base_properties_are_never_overwritten() {
    for base in [
        "type",
        "time",
        "coreServerId",
        "groupId",
        "projectId",
        "sessionId",
    ] {
        let payload = format!(r#"{{"a": 1, "{base}":0, "b" : 2}}"#);
        assert_eq!(rest(&payload), r#","a":1,"b":2}"#);
        assert_eq!(rest(&format!(r#"{{"{base}":0}}"#)), "}");
    }
    assert_eq!(rest(r#"{"\u0074ype":0,"\u0061":1}"#), r#","\u0061":1}"#);
}

#[test]
fn of_a_repeated_field_the_last_one_counts() {
    assert_eq!(rest(r#"{"a":1,"b":2,"a":3}"#), r#","b":2,"a":3}"#);
    assert_eq!(rest(r#"{"a":1,"\u0061":3}"#), r#","\u0061":3}"#);
}

#[test]
fn ids_come_from_the_scope_and_what_is_above_it() {
    let (group, project) = (Some(name("g\"")), Some(name("p")));
    let mut told = event("\"x\"", "{}");
    told.scope = scope(Address::Session(name("s")));
    told.parents = Parents {
        group: group.clone(),
        project,
    };
    let expected = format!(r#"{START},"groupId":"g\"","projectId":"p","sessionId":"s"}}"#);
    assert_eq!(render(&told), expected);
    told.scope = scope(Address::Project(name("q")));
    told.parents = Parents {
        group,
        project: None,
    };
    assert_eq!(
        render(&told),
        format!(r#"{START},"groupId":"g\"","projectId":"q"}}"#)
    );
    told.scope = scope(Address::Group(name("h")));
    told.parents = Parents::default();
    assert_eq!(render(&told), format!(r#"{START},"groupId":"h"}}"#));
}

#[test]
fn names_are_text() {
    assert!(render(&event(r#""\u0061""#, "{}")).starts_with(r#"{"type":"\u0061","time":"#));
    assert!(render(&event(r#"{"a": [1]}"#, "{}")).starts_with(r#"{"type":"{\"a\":[1]}","time":"#));
    assert!(render(&event("7", "{}")).starts_with(r#"{"type":"7","time":"#));
}

#[test]
fn the_news_of_dropped_events() {
    let news = Tester::new().dialect.render_dropped(3);
    assert_eq!(news, r#"{"type":"fanfare:dropped","count":3}"#);
}

/// The rendering as one would write it without regard to bytes and time.
fn naive(payload: &str) -> Value {
    let mut object = Map::new();
    match serde_json::from_str(payload).expect("valid") {
        Value::Object(fields) => object.extend(fields),
        other => {
            object.insert("data".to_owned(), other);
        }
    }
    for absent in ["groupId", "projectId"] {
        object.remove(absent);
    }
    object.insert("type".to_owned(), json!("x"));
    object.insert("time".to_owned(), json!(1_700_000_000_123u64));
    let uuid = "00000000-0000-0000-0000-00000000000a";
    object.insert("coreServerId".to_owned(), json!(uuid));
    object.insert("sessionId".to_owned(), json!("s"));
    Value::Object(object)
}

fn payloads() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("sessionId".to_owned()),
        Just("groupId".to_owned()),
        Just("\\u0074ype".to_owned()),
        "[a-e]{1,2}",
        Just("\\u0061".to_owned()),
        Just("x\\\"y".to_owned()),
        Just(String::new()),
    ];
    let value = prop_oneof![
        Just("1.50".to_owned()),
        Just("\"a\\\"}{,é\"".to_owned()),
        Just("null".to_owned()),
        Just("[ {\"type\" : 1}, 2 ]".to_owned()),
        Just("{ \"a\":{} , \"time\":0}".to_owned()),
    ];
    let field = (key, value.clone(), "[ \n]{0,2}");
    let fields = prop::collection::vec(field, 0..40).prop_map(|fields| {
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    });
    prop_oneof![4 => fields, 1 => value]
}

proptest! {
    #[test]
    fn renderings_equal_the_naive_one(payload in payloads()) {
        let mut told = event("\"x\"", &payload);
        told.scope = scope(Address::Session(name("s")));
        let text = render(&told);
        let ours: Value = serde_json::from_str(&text).expect("valid");
        prop_assert_eq!(&ours, &naive(&payload));
        // No name twice: whichever reader, it reads the same.
        let fields = crate::json::fields(text.as_bytes()).count();
        prop_assert_eq!(fields, ours.as_object().expect("an object").len());
    }
}

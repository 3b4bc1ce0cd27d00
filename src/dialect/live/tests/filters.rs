//! Filter messages: what is heard, and what is refused.

use super::*;
use crate::dialect::testing::{name, replaced, scope};
use crate::hub::{Address, Names, Parents};

const SUCCESS_0: &str = r#"{"type":"filterResponse","success":true,"filters":0}"#;
const SUCCESS_1: &str = r#"{"type":"filterResponse","success":true,"filters":1}"#;

#[test]
fn the_four_examples_of_the_original() {
    let mut tester = Tester::new();
    // Only dial.
    assert_eq!(tester.filter(&[("type", r#""dial""#)]), SUCCESS_1);
    assert!(tester.hears_of("dial", "{}") && !tester.hears_of("login", "{}"));
    // Login or logout.
    tester.filter(&[("type", r#""login""#), ("type", r#""logout""#)]);
    assert!(tester.hears_of("login", "{}") && tester.hears_of("logout", "{}"));
    assert!(!tester.hears_of("dial", "{}") && !tester.hears_of("log", "{}"));
    // Those two for user mikey.
    let text = r#"{"type":"filter","filters":[{"property":"type","value":"login"},{"property":"type","value":"logout"},{"property":"username","value":"mikey"}]}"#;
    let change = subscribe(
        tester
            .dialect
            .read_message(&mut tester.client, text.as_bytes()),
    );
    tester.subscriptions = replaced(change.change);
    assert_eq!(
        change.reply,
        br#"{"type":"filterResponse","success":true,"filters":3}"#
    );
    assert!(tester.hears_of("login", r#"{"username":"mikey"}"#));
    assert!(tester.hears_of("logout", r#"{"username":"mikey"}"#));
    assert!(!tester.hears_of("dial", r#"{"username":"mikey"}"#));
    assert!(!tester.hears_of("login", r#"{"username":"Mikey"}"#));
    assert!(!tester.hears_of("login", "{}"));
    // Any event that references a user.
    tester.filter(&[("username", r#""*""#)]);
    assert!(tester.hears_of("x", r#"{"username":""}"#));
    assert!(!tester.hears_of("x", r#"{"username":null}"#) && !tester.hears_of("x", "{}"));
}

#[test]
fn without_filters_everything_is_heard() {
    let mut tester = Tester::new();
    assert!(tester.hears_of("x", "7"));
    tester.filter(&[("a", "1")]);
    assert!(!tester.hears_of("x", "7"));
    assert_eq!(tester.filter(&[]), SUCCESS_0);
    assert!(tester.hears_of("x", "7"));
    let mut foreign = event("\"x\"", "{}");
    foreign.scope.organization = OrganizationId(1);
    assert!(!tester.hears(&foreign));
}

#[test]
fn values_have_types() {
    let mut tester = Tester::new();
    let mut heard = |filter: &str, payload: &str| {
        tester.filter(&[("p", filter)]);
        tester.hears_of("x", &format!(r#"{{"p":{payload}}}"#))
    };
    assert!(heard(r#""1.50""#, "1.50") && !heard(r#""1.50""#, "1.5"));
    assert!(heard(r#""1""#, r#""1""#) && heard(r#""true""#, "true"));
    assert!(heard("1.50", "1.50") && !heard("1.50", "1.5") && !heard("1", r#""1""#));
    assert!(heard("true", "true") && !heard("true", "false"));
    assert!(heard("null", "null") && !heard("null", "0") && !heard(r#""null""#, "null"));
    assert!(heard(r#""\u002a""#, "[]") && heard(r#""é""#, r#""\u00e9""#));
}

#[test]
fn a_dotted_property_looks_into_objects() {
    let mut tester = Tester::new();
    tester.filter(&[("caller.number", r#""7""#)]);
    assert!(tester.hears_of("x", r#"{"caller":{"number":7}}"#));
    assert!(tester.hears_of("x", r#"{"caller.number":"7"}"#));
    assert!(!tester.hears_of("x", r#"{"caller.number":"8","caller":{"number":7}}"#));
}

#[test]
fn of_a_dotted_property_what_is_nearest_to_the_top_counts() {
    let mut tester = Tester::new();
    tester.filter(&[("a.b.c", "1")]);
    for (payload, hears) in [
        (r#"{"a.b.c":1,"a":{"b.c":2,"b":{"c":3}}}"#, true),
        (r#"{"a":{"b":{"c":1},"b.c":2},"a.b.c":2}"#, false),
        (r#"{"a.b.c":null,"a":{"b":{"c":1}}}"#, false),
        (r#"{"a":{"b.c":1,"b":{"c":2}}}"#, true),
        (r#"{"a":{"b":{"c":1},"b.c":{}}}"#, false),
        (r#"{"a":{"b":{"c":1}}}"#, true),
        (r#"{"a":{"b":{"c":1}},"a":7}"#, false),
        // Only the first dot divides: the flat field `a.b` is another property.
        (r#"{"a.b":{"c":1}}"#, false),
        (r#"{"a.b":2,"a":{"b":{"c":1}}}"#, true),
    ] {
        assert_eq!(tester.hears_of("x", payload), hears, "{payload}");
    }
}

#[test]
fn nothing_is_looked_for_in_what_a_base_property_hides() {
    let mut tester = Tester::new();
    for base in crate::dialect::live::render::BASE_PROPERTIES {
        tester.filter(&[(&format!("{base}.x"), "1")]);
        for (payload, hears) in [
            (format!(r#"{{"{base}":{{"x":1}}}}"#), false),
            (format!(r#"{{"{base}.x":1}}"#), true),
            (format!(r#"{{"{base}.x":1,"{base}":{{"x":2}}}}"#), true),
            (format!(r#"{{"{base}.x":2,"{base}":{{"x":1}}}}"#), false),
        ] {
            assert_eq!(tester.hears_of("x", &payload), hears, "{payload}");
        }
        // Within an object of the payload's own nothing is hidden.
        tester.filter(&[(&format!("own.{base}.x"), "1")]);
        assert!(tester.hears_of("x", &format!(r#"{{"own":{{"{base}":{{"x":1}}}}}}"#)));
    }
}

#[test]
fn a_payload_that_is_no_object_is_the_property_data() {
    let mut tester = Tester::new();
    tester.filter(&[("data", "7")]);
    assert!(tester.hears_of("x", "7") && tester.hears_of("x", r#"{"data":7}"#));
}

#[test]
fn the_type_is_a_name_and_a_star_alone_is_any() {
    let mut tester = Tester::new();
    tester.filter(&[("type", r#""*""#), ("type", r#""a""#)]);
    assert_eq!(tester.subscriptions[0].names, Names::Every);
    tester.filter(&[("type", r#""a*""#)]);
    assert!(tester.hears_of("a*", "{}") && !tester.hears_of("ab", "{}"));
    // A name is text: neither null nor a number.
    for value in ["null", "7", "true"] {
        tester.filter(&[("type", value)]);
        assert!(!tester.hears_of("7", "{}"));
    }
    // A name that is no string is known by its JSON text.
    tester.filter(&[("type", r#""7""#)]);
    assert!(tester.hears(&event("7", "{}")));
    // The payload's own field of that name does not count.
    tester.filter(&[("type", r#""inner""#)]);
    assert!(!tester.hears_of("outer", r#"{"type":"inner"}"#));
}

#[test]
fn the_server_is_the_organization() {
    let mut tester = Tester::new();
    let ours = r#""00000000-0000-0000-0000-00000000000a""#;
    let theirs = r#""00000000-0000-0000-0000-00000000000b""#;
    let upper = r#""00000000-0000-0000-0000-00000000000A""#;
    for (values, hears) in [
        (vec![ours], true),
        (vec![r#""*""#], true),
        (vec![theirs, ours], true),
        (vec![theirs], false),
        (vec![upper], false),
        (vec!["null", "10"], false),
    ] {
        let filters: Vec<_> = values.iter().map(|&v| ("coreServerId", v)).collect();
        tester.filter(&filters);
        assert_eq!(tester.hears_of("x", "{}"), hears, "{values:?}");
        assert!(tester.subscriptions.iter().all(|s| s.properties.is_empty()));
    }
}

#[test]
fn base_properties_are_the_events_own() {
    let mut tester = Tester::new();
    let mut told = event("\"x\"", r#"{"groupId":"p","time":1}"#);
    told.scope = scope(Address::Session(name("s")));
    told.parents = Parents {
        group: Some(name("g")),
        project: None,
    };
    for (property, value, hears) in [
        ("groupId", r#""g""#, true),
        ("groupId", r#""p""#, false),
        ("projectId", r#""*""#, false),
        ("sessionId", r#""s""#, true),
        ("time", "1700000000123", true),
        ("time", r#""1700000000123""#, true),
        ("time", "1", false),
    ] {
        tester.filter(&[(property, value)]);
        assert_eq!(tester.hears(&told), hears, "{property} {value}");
    }
}

#[test]
fn refusals_say_what_and_where_and_change_nothing() {
    let mut tester = Tester::new();
    let mut refused = |filters: &str| {
        let text = tester.ask(&format!(r#"{{"type":"filter","filters":{filters}}}"#));
        let start = r#"{"type":"filterResponse","success":false,"error":""#;
        let error = text.strip_prefix(start).expect("a refusal");
        error
            .strip_suffix("\"}")
            .expect("its end")
            .replace("\\\"", "\"")
    };
    let good = r#"{"property":"a","value":1}"#;
    assert_eq!(
        refused(&format!(r#"[{good},{good},{{"property":"a"}}]"#)),
        r#"filters[2]: "value" is missing"#
    );
    assert_eq!(
        refused(r#"[{"value":1}]"#),
        r#"filters[0]: "property" is missing"#
    );
    assert_eq!(
        refused(r#"[{"property":7,"value":1}]"#),
        r#"filters[0]: "property" is not a string"#
    );
    assert_eq!(
        refused(r#"[{"property":"a","value":[]}]"#),
        r#"filters[0]: "value" is an array"#
    );
    assert_eq!(
        refused(&format!(r#"[{good},{{"property":"a","value":{{}}}}]"#)),
        r#"filters[1]: "value" is an object"#
    );
    assert_eq!(refused("[7]"), "filters[0] is not an object");
    assert_eq!(refused("{}"), r#""filters" is not an array"#);
    assert_eq!(refused("null"), r#""filters" is not an array"#);
    assert_eq!(
        refused(&format!("[{}]", vec![good; 257].join(","))),
        "257 filters in one message; at most 256 (live.filters_max)"
    );
    let long = "x".repeat(4 * 1024 + 1);
    assert_eq!(
        refused(&format!(r#"[{{"property":"a","value":"{long}"}}]"#)),
        r#"filters[0]: "value" is longer than 4096 bytes (live.value_bytes_max)"#
    );
    let just = format!(r#"[{{"property":"{long}","value":1}}]"#);
    assert_eq!(
        refused(&just),
        r#"filters[0]: "property" is longer than 1024 bytes"#
    );
    assert_eq!(
        tester.ask(r#"{"type":"filter"}"#),
        r#"{"type":"filterResponse","success":false,"error":"\"filters\" is missing"}"#
    );
}

#[test]
fn bounds_are_inclusive() {
    let mut tester = Tester::new();
    let property = "p".repeat(1024);
    let value = format!("\"{}\"", "x".repeat(4 * 1024));
    tester.filter(&vec![(&*property, &*value); 256]);
    assert_eq!(tester.subscriptions[0].properties.len(), 1);
    assert_eq!(tester.subscriptions[0].properties[0].values.len(), 1);
}

#[test]
fn what_is_no_message() {
    let mut tester = Tester::new();
    for (message, error) in [
        ("7", "a message is an object"),
        ("[]", "a message is an object"),
        ("{}", r#"\"type\" is missing"#),
        (r#"{"type":7}"#, r#"\"type\" is not a string"#),
        (r#"{"type":"Filter"}"#, r#"unknown type \"Filter\""#),
        (
            r#"{"type":"filterResponse"}"#,
            r#"unknown type \"filterResponse\""#,
        ),
    ] {
        let expected = format!(r#"{{"type":"error","error":"{error}"}}"#);
        assert_eq!(tester.ask(message), expected, "{message}");
    }
    for message in [
        "",
        "{",
        r#"{"type":"filter","type":"filter","filters":[]}"#,
        r#"{"type":"filter","filters":[]} x"#,
        r#"{"type":"filter","filters":[{"property":"a","value":1,"value":2}]}"#,
        r#"{"type":"filter","filters":[{"property":"\ud800","value":1}]}"#,
        r#"{"type":"filter","filters":[{"property":"a","value":1e999}]}"#,
    ] {
        let text = tester.ask(message);
        assert!(
            text.starts_with(r#"{"type":"error","error":""#),
            "{message}: {text}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_get_a_documented_error(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        text in "[ \\[\\]{}\",:a1\\\\]{0,60}",
        filters in "\\[(\\{(\"property\":(\"a\"|1),?)?(\"value\":(\"\\*\"|1|\\[\\]))?\\},?)*\\]",
    ) {
        let mut tester = Tester::new();
        let filters = format!(r#"{{"type":"filter","filters":{filters}}}"#);
        for message in [&bytes[..], text.as_bytes(), filters.as_bytes()] {
            match tester.dialect.read_message(&mut tester.client, message) {
                Reaction::Subscribe(change) => {
                    let success = br#"{"type":"filterResponse","success":true"#;
                    proptest::prop_assert!(change.reply.starts_with(success));
                }
                Reaction::Reply(text) => {
                    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
                    proptest::prop_assert!(value["error"].is_string());
                    let r#type = value["type"].as_str().unwrap();
                    proptest::prop_assert!(["error", "filterResponse"].contains(&r#type));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

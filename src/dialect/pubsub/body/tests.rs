//! Bodies, good and bad: what is kept of them, and where it is said to be wrong.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::testing::name as scope_name;

fn body(scope: &str, event: &str) -> String {
    format!(r#"{{"scope":{scope},"payload":{{"event":{event}}}}}"#)
}

/// A body whose scope is the organization.
fn event(event: &str) -> String {
    body(r#"{"type":"organization"}"#, event)
}

/// A body whose event has nothing but a name.
fn scope(scope: &str) -> String {
    body(scope, r#"{"eventName":"n"}"#)
}

#[track_caller]
fn good(body: &str) -> Publish<'_> {
    read(body.as_bytes()).unwrap_or_else(|problems| panic!("{body}: {problems:?}"))
}

/// The kinds and places of all that is wrong.
#[track_caller]
fn bad(body: &[u8]) -> Vec<(Kind, Option<&'static str>)> {
    let problems = read(body).expect_err("refused");
    let places = problems.iter().map(|one| (one.kind, one.pointer));
    places.collect()
}

fn kept(publish: &Publish<'_>) -> (String, String) {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let Draft { name, payload, .. } = &publish.draft;
    (text(name.as_json()), text(payload))
}

#[test]
fn the_three_types_of_scope() {
    let read = |text: &str| {
        let publish = scope(text);
        let publish = good(&publish);
        (publish.address, publish.parents.group)
    };
    assert_eq!(
        read(r#"{"type":"organization"}"#),
        (Address::Organization, None)
    );
    assert_eq!(
        read(r#"{"type":"event","event_id":"e","session_id":7}"#),
        (Address::Group(scope_name("e")), None)
    );
    assert_eq!(
        read(r#"{"session_id":"\u0073","event_id":"e","type":"session"}"#),
        (Address::Session(scope_name("s")), Some(scope_name("e")))
    );
    let longest = "x".repeat(SCOPE_NAME_BYTES_MAX);
    assert_eq!(
        read(&format!(r#"{{"type":"event","event_id":"{longest}"}}"#)).0,
        Address::Group(scope_name(&longest))
    );
}

#[test]
fn an_organization_may_be_named() {
    let named = |id: &str| {
        let text = scope(&format!(
            r#"{{"type":"organization","organization_id":{id}}}"#
        ));
        good(&text).organization_id.map(Cow::into_owned)
    };
    assert_eq!(named(r#""o""#), Some("o".to_owned()));
    assert_eq!(named("null"), None);
}

#[test]
fn bytes_are_kept_as_sent() {
    for (fields, name, data) in [
        (
            r#""eventName" : "h\u00e9 é", "data" :  { "a" : 1.50, "b":"\ud800" } "#,
            r#""h\u00e9 é""#,
            r#"{ "a" : 1.50, "b":"\ud800" }"#,
        ),
        (r#""eventName":"n","data":null"#, r#""n""#, "null"),
        (r#""eventName":"n""#, r#""n""#, "{}"),
        (r#""eventName":"n","data":1e999"#, r#""n""#, "1e999"),
        (
            r#""data":1,"data":[2 ],"eventName":7,"eventName":"n""#,
            r#""n""#,
            "[2 ]",
        ),
        (r#""data":1,"x":{},"eventName":"n""#, r#""n""#, "1"),
        (r#""\u0064ata":1,"eventName":"n""#, r#""n""#, "1"),
    ] {
        let text = event(&format!("{{{fields}}}"));
        assert_eq!(kept(&good(&text)), (name.to_owned(), data.to_owned()));
    }
}

#[test]
fn of_a_repeated_object_the_last_one_counts_alone() {
    let scope = r#""scope":{"type":"session","event_id":"e"},"scope":{"type":"organization"}"#;
    let payload = r#""payload":{"event":{"data":1},"event":{"eventName":"n"}}"#;
    let text = format!("{{{scope},{payload}}}");
    let publish = good(&text);
    assert_eq!(publish.address, Address::Organization);
    assert_eq!(kept(&publish).1, "{}");
}

#[test]
fn what_is_not_json_is_told_where() {
    for (body, at) in [
        (&b""[..], "at byte 0"),
        (b" \n ", "at byte 3"),
        (b"x", "at byte 0"),
        (br#"{"scope":{"type":"a""#, "at byte 20"),
        (br#"{"scope":1} {}"#, "at byte 12"),
        (br#"{"payload":{"event":{"data":!}}}"#, "at byte 28"),
        (b"{\"a\":\n'b'}", "at byte 6"),
        (b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6"),
        (b"\xef\xbb\xbf{}", "at byte 0"),
        (b"{\"a\t\":1}", "at byte 3"),
    ] {
        let problems = read(body).expect_err("refused");
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        assert_eq!((problem.kind, problem.pointer), (Kind::InvalidJson, None));
        assert!(problem.detail.ends_with(at), "{}", problem.detail);
    }
    let brackets = "[".repeat(1 << 20);
    assert_eq!(bad(brackets.as_bytes()), [(Kind::InvalidJson, None)]);
}

#[test]
fn what_is_missing_or_of_another_type_is_told_where() {
    use Kind::{Empty, MissingField as Missing, UnknownScopeType as Unknown, WrongType as Wrong};
    let session = |fields: &str| scope(&format!(r#"{{"type":"session",{fields}}}"#));
    for (body, kind, pointer) in [
        ("7".to_owned(), Wrong, ""),
        ("[{}]".to_owned(), Wrong, ""),
        ("null".to_owned(), Missing, ""),
        (scope("null"), Missing, "/scope"),
        (scope("[1,[2]]"), Wrong, "/scope"),
        (scope("\"organization\""), Wrong, "/scope"),
        (scope("true"), Wrong, "/scope"),
        (scope("-1"), Wrong, "/scope"),
        (scope("1.5"), Wrong, "/scope"),
        (scope("{}"), Missing, "/scope/type"),
        (scope(r#"{"type":null}"#), Missing, "/scope/type"),
        (scope(r#"{"type":["event"]}"#), Wrong, "/scope/type"),
        (scope(r#"{"type":""}"#), Empty, "/scope/type"),
        (scope(r#"{"type":"Event"}"#), Unknown, "/scope/type"),
        (scope(r#"{"type":"event"}"#), Missing, "/scope/event_id"),
        (session(r#""event_id":"e""#), Missing, "/scope/session_id"),
        (session(r#""session_id":"s""#), Missing, "/scope/event_id"),
        (
            session(r#""event_id":7,"session_id":"s""#),
            Wrong,
            "/scope/event_id",
        ),
        (
            session(r#""event_id":"e","session_id":"""#),
            Empty,
            "/scope/session_id",
        ),
        (
            session(r#""event_id":"e","session_id":"s","organization_id":7"#),
            Wrong,
            "/scope/organization_id",
        ),
        (
            r#"{"scope":{"type":"organization"}}"#.to_owned(),
            Missing,
            "/payload",
        ),
        (event("null"), Missing, "/payload/event"),
        (event("[]"), Wrong, "/payload/event"),
        (event("{}"), Missing, "/payload/event/eventName"),
        (
            event(r#"{"eventName":null}"#),
            Missing,
            "/payload/event/eventName",
        ),
        (
            event(r#"{"eventName":{}}"#),
            Wrong,
            "/payload/event/eventName",
        ),
        (
            event(r#"{"eventName":""}"#),
            Empty,
            "/payload/event/eventName",
        ),
    ] {
        assert_eq!(bad(body.as_bytes()), [(kind, Some(pointer))], "{body}");
    }
}

#[test]
fn there_are_bounds() {
    let ids = "é".repeat(SCOPE_NAME_BYTES_MAX / 2);
    let scoped = |id: &str| {
        scope(&format!(
            r#"{{"type":"session","event_id":"{id}","session_id":"{id}"}}"#
        ))
    };
    good(&scoped(&ids));
    assert_eq!(
        bad(scoped(&format!("{ids}x")).as_bytes()),
        [
            (Kind::TooLong, Some("/scope/event_id")),
            (Kind::TooLong, Some("/scope/session_id")),
        ]
    );
    let named = |bytes: usize| event(&format!(r#"{{"eventName":"\u0061{}"}}"#, "x".repeat(bytes)));
    good(&named(PUBSUB_NAME_BYTES_MAX - 1));
    assert_eq!(
        bad(named(PUBSUB_NAME_BYTES_MAX).as_bytes()),
        [(Kind::TooLong, Some("/payload/event/eventName"))]
    );
    let nested = |depth: usize| {
        let data = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        event(&format!(r#"{{"eventName":"n","data":{data}}}"#))
    };
    good(&nested(JSON_DEPTH_MAX));
    assert_eq!(
        bad(nested(JSON_DEPTH_MAX + 1).as_bytes()),
        [(Kind::TooDeep, Some("/payload/event/data"))]
    );
    // What is ignored may be nested as it likes.
    let ignored = nested(10_000).replace("\"data\"", "\"x\"");
    good(&ignored);
    let unknown = scope(&format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000)));
    let problems = read(unknown.as_bytes()).expect_err("refused");
    assert!(problems[0].detail.len() < 300, "not repeated at length");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let text = r#"{"scope":{"type":"session","event_id":1,"organization_id":""},
                   "payload":{"event":{"eventName":[]}}}"#;
    assert_eq!(
        bad(text.as_bytes()),
        [
            (Kind::Empty, Some("/scope/organization_id")),
            (Kind::WrongType, Some("/scope/event_id")),
            (Kind::MissingField, Some("/scope/session_id")),
            (Kind::WrongType, Some("/payload/event/eventName")),
        ]
    );
    assert_eq!(
        bad(b"{}"),
        [
            (Kind::MissingField, Some("/scope")),
            (Kind::MissingField, Some("/payload")),
        ]
    );
}

/// Values of a good body, each of which stands there once.
const PLACES: [&str; 8] = [
    r#"{"type":"session","event_id":"e","session_id":"s","organization_id":"o"}"#,
    r#""session""#,
    r#""e""#,
    r#""s""#,
    r#""o""#,
    r#"{"event":{"eventName":"n","data":{"d":1}}}"#,
    r#"{"eventName":"n","data":{"d":1}}"#,
    r#""n""#,
];

/// JSON texts as a client may write them, with space between the tokens.
fn values() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|text| Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..4);
        let fields = proptest::collection::vec((any::<String>(), inner), 0..4);
        let field = |(name, value): (String, String)| format!("{} :{value}", Value::from(name));
        prop_oneof![
            items.prop_map(|items| format!("[ {}]", items.join(", "))),
            fields.prop_map(move |fields| {
                let fields: Vec<String> = fields.into_iter().map(field).collect();
                format!("{{\t{}}}", fields.join(",\n"))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_good_body_keeps_its_bytes(
        name in "\\PC{1,40}",
        (event_id, session_id) in ("\\PC{1,40}", "\\PC{1,40}"),
        data in values(),
        (before, after) in (values(), values()),
    ) {
        let quoted = |text: &str| Value::from(text).to_string();
        let text = format!(
            r#" {{"payload" : {{"x":{before},"event":{{"data": {data} ,"eventName":{}}}}},
                "scope":{{"session_id":{},"type":"session","y":{after},"event_id":{}}}}} "#,
            quoted(&name), quoted(&session_id), quoted(&event_id),
        );
        let publish = good(&text);
        prop_assert_eq!(kept(&publish), (quoted(&name), data));
        prop_assert_eq!(publish.address, Address::Session(scope_name(&session_id)));
        prop_assert_eq!(publish.parents.group, Some(scope_name(&event_id)));
    }

    /// JSON is refused for what it says, and where.
    #[test]
    fn any_value_anywhere_is_read_or_refused(value in values(), place in 0..PLACES.len()) {
        let whole = r#"{"scope":{"type":"session","event_id":"e","session_id":"s","organization_id":"o"},"payload":{"event":{"eventName":"n","data":{"d":1}}}}"#;
        let text = whole.replacen(PLACES[place], &value, 1);
        prop_assert!(text != whole || value == PLACES[place]);
        for problem in read(text.as_bytes()).err().unwrap_or_default() {
            // A number beyond all bounds is none to the parser, where it is not just passed over.
            let unreadable = problem.kind == Kind::InvalidJson;
            prop_assert_eq!(problem.pointer.is_none(), unreadable);
            prop_assert!(!unreadable || problem.detail.contains("number out of range"));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Err(problems) = read(&bytes) {
            prop_assert!(!problems.is_empty());
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_not_json(cut in 1..100usize) {
        let whole = event(r#"{"eventName":"n","data":{"d":1}}"#);
        let text = &whole[..whole.len() - cut.min(whole.len())];
        prop_assert_eq!(bad(text.as_bytes()), [(Kind::InvalidJson, None)]);
    }
}

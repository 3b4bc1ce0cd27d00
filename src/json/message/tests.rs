//! The contents of messages, and every way to be refused.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value as Model;

use super::*;

fn read(json: &str) -> Message {
    Message::parse(json.as_bytes()).expect("accepted")
}

fn refused(json: impl AsRef<[u8]>) -> String {
    let json = json.as_ref();
    let error = Message::parse(json).expect_err(&String::from_utf8_lossy(json));
    error.to_string()
}

/// The value as the other parser has it. That one rounds its doubles with less care.
fn same(value: &Value<'_>, model: &Model) -> bool {
    match (value, model) {
        (Value::Null, Model::Null) => true,
        (Value::Bool(is), Model::Bool(expected)) => is == expected,
        (Value::String(text), Model::String(expected)) => text == expected,
        (Value::Number(text), Model::Number(expected)) => {
            let expected = expected.as_f64().unwrap_or(f64::NAN);
            let off = (text.parse::<f64>().unwrap_or(f64::NAN) - expected).abs();
            off <= expected.abs() * 4.0 * f64::EPSILON + f64::MIN_POSITIVE
        }
        (Value::Array(array), Model::Array(expected)) => {
            array.clone().count() == expected.len()
                && array.clone().zip(expected).all(|(v, m)| same(&v, m))
        }
        (Value::Object(object), Model::Object(expected)) => {
            object.clone().count() == expected.len()
                && expected
                    .iter()
                    .all(|(name, model)| object.get(name).is_some_and(|value| same(&value, model)))
        }
        _ => false,
    }
}

#[test]
fn dialects_find_what_they_read() {
    let message = read(r#"{"namespace":"events","name":"subscribe","id":"a","args":["x",2.50]}"#);
    let object = message.value().as_object().expect("object");
    assert_eq!(object.get("id").and_then(|id| id.as_str()), Some("a"));
    assert!(object.get("ID").is_none());
    let mut args = object.get("args").and_then(|args| args.as_array()).unwrap();
    assert_eq!(args.next().and_then(|arg| arg.as_str()), Some("x"));
    assert!(matches!(args.next(), Some(Value::Number("2.50"))));
    assert!(args.next().is_none() && args.next().is_none());
    let names: Vec<_> = object.map(|(name, _)| name).collect();
    assert_eq!(names, ["namespace", "name", "id", "args"]);

    let message = read(r#"{"type":"filter","filters":[{"property":"p","value":5}, {}], "x":null}"#);
    let object = message.value().as_object().unwrap();
    let mut filters = object.get("filters").and_then(|v| v.as_array()).unwrap();
    let filter = filters.next().and_then(|v| v.as_object()).unwrap();
    assert!(matches!(filter.get("value"), Some(Value::Number("5"))));
    assert_eq!(filters.next().unwrap().as_object().unwrap().count(), 0);
    assert!(matches!(object.get("x"), Some(Value::Null)));
}

#[test]
fn numbers_are_kept_as_written() {
    let numbers = [
        "0",
        "-0",
        "1.50",
        "1E5",
        "1e+05",
        "1e-400",
        "18446744073709551615",
        "-9223372036854775808",
        "0.1000000000000000055511151231257827",
        "1e308",
    ];
    let message = read(&format!("[\"-1 \\\" 2\", {} ]", numbers.join(" ,\n")));
    let array = message.value().as_array().unwrap().skip(1);
    let written: Vec<_> = array
        .map(|value| match value {
            Value::Number(text) => text.to_owned(),
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!(written, numbers);
}

#[test]
fn what_is_not_utf8_is_refused() {
    assert_eq!(refused(b"[\"\xff\"]"), "not UTF-8 at byte 2");
    assert_eq!(refused(b"\"\xed\xa0\x80\""), "not UTF-8 at byte 1");
    assert_eq!(refused(b"\"\xc3"), "not UTF-8 at byte 1");
}

#[test]
fn what_is_not_json_is_refused() {
    for (json, what, at) in [
        ("", "EOF while parsing a value", 0),
        ("  ", "EOF while parsing a value", 2),
        ("[1,", "EOF while parsing a value", 3),
        ("[1,]", "expected value", 3),
        ("{\"a\" 1}", "expected `:`", 5),
        ("\n{\n a:1}", "key must be a string", 4),
        ("01", "invalid number", 1),
        ("\u{feff}1", "expected value", 0),
        ("[1}", "expected `,` or `]`", 2),
        ("{} x", "trailing characters", 3),
        ("{}{}", "trailing characters", 2),
        ("1 2", "trailing characters", 2),
        ("{} {\"\\ud800\":1e999}", "trailing characters", 3),
    ] {
        assert_eq!(refused(json), format!("{what} at byte {at}"), "{json}");
    }
    for json in [
        "nul", "tru", "NaN", "+1", ".5", "1.", "1e", "-", "'a'", "1\0", "\"\t\"", "\"\\x\"",
    ] {
        let error = refused(json);
        assert!(error.contains(" at byte "), "{json}: {error}");
    }
}

#[test]
fn lone_surrogates_are_refused() {
    assert_eq!(refused(r#""\ud800""#), "half of a surrogate pair at byte 1");
    assert_eq!(
        refused(r#"{"a":[1,"x\udc00"]}"#),
        "half of a surrogate pair at byte 10"
    );
    assert_eq!(
        refused(r#"{"\ud800\u0041":1}"#),
        "half of a surrogate pair at byte 2"
    );
    let pair = read(r#""\ud83d\ude00""#);
    assert_eq!(pair.value().as_str(), Some("😀"));
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    for number in [
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1e400",
        "-1e400",
        "1.8e308",
    ] {
        let json = format!("[1, \"1e999\", {number}]");
        assert_eq!(refused(json), "number out of range at byte 13", "{number}");
    }
}

#[test]
fn names_that_come_twice_are_refused() {
    assert_eq!(
        refused(r#"{"a":1,"b":2,"a":3}"#),
        "name repeated in one object at byte 13"
    );
    assert_eq!(
        refused(r#"[{"a":[1]},{"b":{"x":{},"\u0078":1}}]"#),
        "name repeated in one object at byte 24"
    );
    assert_eq!(
        refused(r#"{"":1,"":1}"#),
        "name repeated in one object at byte 6"
    );
    assert_eq!(
        refused(r#"{"o":{"b":0,"b":0},"o":0}"#),
        "name repeated in one object at byte 12"
    );
    read(r#"{"a":{"a":{"a":"a"}},"b":[{"a":1},{"a":1}]}"#);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    read(&nested(MESSAGE_DEPTH_MAX));
    let at = MESSAGE_DEPTH_MAX;
    assert_eq!(
        refused(nested(at + 1)),
        format!("nested deeper than 128 at byte {at}")
    );
    let objects = "{\"a\":".repeat(at + 1) + "1" + &"}".repeat(at + 1);
    assert_eq!(
        refused(objects),
        format!("nested deeper than 128 at byte {}", 5 * at)
    );
}

/// A cost that grows faster than the text would keep this test busy for minutes.
#[test]
fn large_messages_are_read_and_refused() {
    assert!(refused("[".repeat(1 << 20)).starts_with("nested deeper than 128"));
    assert!(refused("{\"\":".repeat(1 << 18)).starts_with("nested deeper than 128"));
    let mut names = String::from("{");
    for number in 0..100_000 {
        write!(names, "\"{number}\":0,").unwrap();
    }
    read(&(names.clone() + "\"\":0}"));
    assert!(refused(names + "\"0\":0}").starts_with("name repeated"));
    let one = "[".repeat(100) + "{\"a\":1}" + &"]".repeat(100);
    read(&format!("[{}]", vec![one; 2_000].join(",")));
}

fn documents() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        Just(Model::Null),
        any::<bool>().prop_map(Model::from),
        any::<i64>().prop_map(Model::from),
        any::<u64>().prop_map(Model::from),
        any::<f64>().prop_map(Model::from),
        any::<String>().prop_map(Model::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Model::from),
            proptest::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|fields| Model::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn messages_say_what_another_parser_reads(document in documents()) {
        for json in [document.to_string(), format!(" {document:#}\r\n")] {
            let message = read(&json);
            prop_assert!(same(&message.value(), &document), "{json}");
        }
    }

    #[test]
    fn what_is_accepted_another_parser_accepts(json in r#"[\[\]{}:,"0-3e.\-\\ud8tn ]{0,12}"#) {
        if let Ok(message) = Message::parse(json.as_bytes()) {
            let model: Model = serde_json::from_str(&json).expect("valid");
            prop_assert!(same(&message.value(), &model), "{json}");
        }
    }

    #[test]
    fn a_byte_changed_is_survived(document in documents(), at in any::<usize>(), byte in any::<u8>()) {
        let mut json = document.to_string().into_bytes();
        let at = at % json.len();
        json[at] = byte;
        match (Message::parse(&json), serde_json::from_slice::<Model>(&json)) {
            (Ok(message), model) => prop_assert!(same(&message.value(), &model.expect("valid"))),
            (Err(MessageError::Malformed { at, .. }), model) => {
                prop_assert!(model.is_err() && at <= json.len());
            }
            (Err(_), _) => {}
        }
    }
}

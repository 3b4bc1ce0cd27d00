//! Mutated JSON for the readers of JSON: what they say of it is what other parsers say.
//!
//! [`Message`] takes what nobody vouches for: whatever it accepts, `serde_json` reads the same from
//! it, and what it refuses is as its error says. The walks over valid text are held to a slow
//! reader's word, and on text that is not valid to nothing but an end.

use fanfare::json::{self, Message, MessageError, Value};
use serde::de::IgnoredAny;

use crate::naive_filters::Json;
use crate::naive_json::{self, RawFields};
use crate::{Fuzzer, naive_json::compact};

const ROUNDS: u64 = 60;
const TEXTS: usize = 60;

/// Valid, each odd in its own way; some only for a payload.
pub(crate) const CORPUS: [&str; 22] = [
    r#"{"type":"filter","filters":[{"property":"a.b","value":"*"},{"property":"n","value":1.50}]}"#,
    r#"{"namespace":"events","name":"subscribe","id":"a","args":["dispatcher",null,true,false]}"#,
    r#"{"x":"1","y":1,"x":null,"a":{"b":"x","b":1e5},"a":{"b":{"c":"x"}}}"#,
    r#"{"a":"\ud83d","b":"\ude00\ud83d","\ud800":"x","c":"\ud83d\ude00\u0000\"\\\/\b\f\n\r\t"}"#,
    r#"{"a":1e999999,"b":-0,"c":123456789012345678901234567890.000,"x":1E-5,"y":0.1e+1}"#,
    r#"{"a":18446744073709551615,"b":-9223372036854775808,"c":18446744073709551616,"x":1e308}"#,
    " \t\r\n{ \t\"a\"\r:\n1 ,\t\"b\" : [ ] , \"c\":{\n} }\r\n ",
    r#"{"a.b":"x","a":{"b":"1","b.c":"x","":{"":1}},"":{"":""},".":1,"data":{"data":"x"}}"#,
    r#"{"q\"u":"a\"b","q\u0022u":1,"\u0061":"x","é😀":"é\ud83d\ude00"}"#,
    r#"[1,"x",{"a":[{}]},[[[[]]]],"",-1.5e3]"#,
    "null",
    "\"x\"",
    "1.0",
    " true ",
    "{}",
    "[]",
    r#"{"a":{"a":{"a":{"a":{"a":{"a":[[[{"a":[]}]]]}}}}}}"#,
    r#"{"\\":"\\","\\\\":"\\\"","}":"{","]":"[,:","x":"\u005c\u0022"}"#,
    r#"{"xxxxxxx":"eight by eight","abcdefg\"":"abcdefgh\\","1234567":"\\\\\\\\\"\""}"#,
    r#"{"data":1,"type":"t","time":1000,"x":"1000"}"#,
    "{\"a\":\"\u{7f}\u{80}\u{fffd}\u{2028}\",\"b\":\"e\u{301}\"}",
    r#"{"a":"*","b":["*"],"c":"null","x":"true","y":"1.0"}"#,
];

#[test]
fn readers_of_json_agree_with_another() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    for _ in 0..TEXTS {
        let text = CORPUS[fuzzer.below(CORPUS.len())].as_bytes();
        let other = CORPUS[fuzzer.below(CORPUS.len())].as_bytes();
        let mut bytes = fuzzer.mutate(text, other);
        if fuzzer.below(8) == 0 {
            bytes = nest(&mut fuzzer, &bytes);
        }
        let outcome = std::panic::catch_unwind(|| check(&bytes));
        assert!(outcome.is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
    }
}

/// The text within brackets, up to and beyond the bound.
fn nest(fuzzer: &mut Fuzzer, bytes: &[u8]) -> Vec<u8> {
    let count = [1, 100, 120, 126, 127, 128, 129, 5_000][fuzzer.below(8)];
    let (open, close) = [("[", "]"), ("{\"a\":", "}"), ("[ ", "\n]")][fuzzer.below(3)];
    let missing = fuzzer.below(20) == 0;
    let closes = close.repeat(count - usize::from(missing));
    [open.repeat(count).as_bytes(), bytes, closes.as_bytes()].concat()
}

fn check(bytes: &[u8]) {
    let parsed = Message::parse(bytes);
    assert!(json::fields(bytes).count() <= bytes.len());
    json::text(bytes);
    json::depth(bytes);
    assert!(json::compact(bytes).len() <= bytes.len());
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(matches!(parsed, Err(MessageError::NotUtf8 { .. })));
        return;
    };
    let is_valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
    let naive = naive_json::read(text);
    if is_valid {
        check_walks(text);
        assert_eq!(naive.is_none(), json::depth(bytes) > 128);
    }
    match &parsed {
        Ok(message) => {
            let naive = naive.expect("valid, and not too deep");
            assert!(!naive_json::repeats_a_name(&naive));
            same(&message.value(), &naive);
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
                same_value(&message.value(), &value);
            } else {
                assert_eq!(
                    json::depth(bytes),
                    128,
                    "the other parser's bound is one less"
                );
            }
        }
        Err(error) => refused(error, text, is_valid, naive.as_ref()),
    }
}

/// An error is true, and its position within the text.
fn refused(error: &MessageError, text: &str, is_valid: bool, naive: Option<&Json>) {
    let (MessageError::NotUtf8 { at }
    | MessageError::TooDeep { at }
    | MessageError::Malformed { at, .. }
    | MessageError::LoneSurrogate { at }
    | MessageError::NumberOutOfRange { at }
    | MessageError::DuplicateName { at }) = error;
    assert!(*at <= text.len(), "{error}");
    let rest = &text.as_bytes()[*at..];
    match error {
        MessageError::NotUtf8 { .. } => panic!("it is UTF-8"),
        MessageError::TooDeep { .. } => {
            assert!(matches!(rest[0], b'[' | b'{'));
            assert!(naive.is_none());
        }
        MessageError::Malformed { .. } => assert!(!is_valid, "{error}"),
        MessageError::LoneSurrogate { .. } => assert!(rest.starts_with(b"\\u") && is_valid),
        MessageError::NumberOutOfRange { .. } => {
            assert!(matches!(rest[0], b'-' | b'0'..=b'9') && is_valid);
        }
        MessageError::DuplicateName { .. } => {
            assert_eq!(rest[0], b'"');
            assert!(naive_json::repeats_a_name(naive.expect("valid")));
        }
    }
}

fn check_walks(text: &str) {
    let bytes = text.as_bytes();
    let whole = text.trim_matches([' ', '\t', '\r', '\n']);
    assert_eq!(json::trim(bytes), whole.as_bytes());
    assert_eq!(&*json::compact(bytes), compact(text).as_bytes());
    let expected =
        serde_json::from_str::<RawFields<'_>>(text).map_or(Vec::new(), |fields| fields.0);
    let mut walked = json::fields(bytes);
    for (name, value) in expected {
        let field = walked.next().expect("as many fields");
        assert_eq!(field.key, &name.as_bytes()[1..name.len() - 1]);
        assert_eq!(field.value, value.as_bytes());
        assert_eq!(json::text(field.key), naive_json::text(name));
    }
    assert_eq!(walked.next(), None);
}

fn same(value: &Value<'_>, naive: &Json) {
    match (value, naive) {
        (Value::Null, Json::Null) => {}
        (Value::Bool(is), Json::Literal(text)) => assert_eq!(is.to_string(), *text),
        (Value::Number(number), Json::Literal(text)) => assert_eq!(number, text),
        (Value::String(one), Json::Text(other)) => assert_eq!(one, other),
        (Value::Array(array), Json::List(items)) => {
            assert_eq!(array.clone().count(), items.len());
            for (item, naive) in array.clone().zip(items) {
                same(&item, naive);
            }
        }
        (Value::Object(object), Json::Object(fields)) => {
            assert_eq!(object.clone().count(), fields.len());
            for ((name, value), (naive_name, naive)) in object.clone().zip(fields) {
                assert_eq!(name, naive_name);
                same(&value, naive);
            }
        }
        _ => panic!("{value:?} is not {naive:?}"),
    }
}

fn same_value(value: &Value<'_>, other: &serde_json::Value) {
    use serde_json::Value as Other;
    match (value, other) {
        (Value::Null, Other::Null) => {}
        (Value::Bool(is), Other::Bool(other)) => assert_eq!(is, other),
        (Value::Number(text), Other::Number(number)) => {
            assert_eq!(serde_json::from_str(text).ok().as_ref(), Some(number));
        }
        (Value::String(one), Other::String(other)) => assert_eq!(one, other),
        (Value::Array(array), Other::Array(items)) => {
            assert_eq!(array.clone().count(), items.len());
            array
                .clone()
                .zip(items)
                .for_each(|(a, b)| same_value(&a, b));
        }
        (Value::Object(object), Other::Object(fields)) => {
            assert_eq!(object.clone().count(), fields.len());
            for (name, value) in object.clone() {
                same_value(&value, &fields[name]);
            }
        }
        _ => panic!("{value:?} is not {other}"),
    }
}

//! The top-level fields of a JSON object that is known to be valid, as spans of it.
//!
//! "Valid" means accepted by the parser that read the object when it was published. It lets pass:
//! names that come twice, lone surrogates as escapes, numbers of any size, white space wherever RFC
//! 8259 §2 allows it. So does this walk.

use super::token::{skip_space, string_end, value_end};

/// One field of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'j> {
    /// The name as it stands between its quotes, escapes and all.
    pub key: &'j [u8],
    /// The value's JSON text, without space around it.
    pub value: &'j [u8],
}

/// An iterator over the fields of an object.
#[derive(Clone, Debug)]
pub struct Fields<'j> {
    json: &'j [u8],
    at: usize,
}

/// Walks the fields of valid JSON text, in order, repeated names included. Nothing if it is not an
/// object.
///
/// Of text that is not valid it gives spans without a meaning, and an end.
pub fn fields(json: &[u8]) -> Fields<'_> {
    let at = skip_space(json, 0);
    if json.get(at) == Some(&b'{') {
        return Fields { json, at: at + 1 };
    }
    Fields { json: b"", at: 0 }
}

impl<'j> Iterator for Fields<'j> {
    type Item = Field<'j>;

    #[inline]
    fn next(&mut self) -> Option<Field<'j>> {
        let Self { json, mut at } = *self;
        // Between fields stand a comma and white space; a closing brace is the end.
        while json.get(at).is_some_and(|&byte| byte != b'"') {
            at += 1;
        }
        json.get(at)?;
        let key_end = string_end(json, at);
        let key = json.get(at + 1..key_end - 1)?;
        at = key_end;
        while json.get(at).is_some_and(|&byte| byte != b':') {
            at += 1;
        }
        let value_at = skip_space(json, at + 1);
        let value_end = value_end(json, value_at);
        let value = json.get(value_at..value_end)?;
        self.at = value_end;
        Some(Field { key, value })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::{MapAccess, Visitor};
    use serde_json::value::RawValue;

    use super::super::{compact, depth, text, trim};
    use super::*;

    fn walk(json: &str) -> Vec<(&str, &str)> {
        let utf8 = |bytes| std::str::from_utf8(bytes).expect("cut between characters");
        fields(json.as_bytes())
            .map(|field| (utf8(field.key), utf8(field.value)))
            .collect()
    }

    #[test]
    fn fields_are_spans_in_order() {
        let json = " {\n\"a\" : 1.50,\"b\\\"\\\\\":\"x\\\"}{\" ,\t\"c\":{\"d\":[\"]\",{}]} , \"a\":null } ";
        assert_eq!(
            walk(json),
            [
                ("a", "1.50"),
                ("b\\\"\\\\", "\"x\\\"}{\""),
                ("c", "{\"d\":[\"]\",{}]}"),
                ("a", "null"),
            ]
        );
        let long = "é\\\"".repeat(40);
        let json = format!("{{\"{long}\":[\"{long}\",1],\"\":-1e999}}");
        let value = format!("[\"{long}\",1]");
        assert_eq!(walk(&json), [(&*long, &*value), ("", "-1e999")]);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for json in ["", " ", "1", "[{\"a\":1}]", "\"{\"", "{}", " { } ", "null"] {
            assert_eq!(walk(json), [], "{json}");
        }
    }

    #[test]
    fn text_cut_anywhere_ends() {
        let json = br#" {"a\\":"x\"","b":{"c":[1,"\u0041"]},"d":-1.5e3 ,"e":null} "#;
        for end in 0..json.len() {
            for start in 0..end {
                assert!(fields(&json[start..end]).count() <= 5);
            }
        }
    }

    /// Names and spans of values as the parser sees them.
    struct Spans<'b>(Vec<(String, &'b str)>);

    impl<'de> serde::Deserialize<'de> for Spans<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct SpansVisitor;
            impl<'de> Visitor<'de> for SpansVisitor {
                type Value = Spans<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spans<'de>, A::Error> {
                    let mut spans = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                        spans.push((name, value.get()));
                    }
                    Ok(Spans(spans))
                }
            }
            deserializer.deserialize_map(SpansVisitor)
        }
    }

    /// Objects as text, with white space wherever it may stand and names that come twice.
    fn objects() -> impl Strategy<Value = String> {
        let space = || "[ \t\r\n]{0,2}";
        let string = r#"("([^"\\[:cntrl:]]|\\["\\/bfnrt]|\\u00[0-9a-f]{2}){0,40}"|"[ab]")"#;
        let leaf = prop_oneof![
            Just(String::from("null")),
            Just(String::from("true")),
            "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
            string,
        ];
        let value = leaf.prop_recursive(4, 32, 4, move |inner| {
            let item = (space(), inner.clone(), space()).prop_map(|(a, v, b)| a + &v + &b);
            let field = (space(), string, space(), item.clone());
            let field = field.prop_map(|(a, name, b, item)| a + &name + &b + ":" + &item);
            let list = |items: Vec<String>| items.join(",");
            prop_oneof![
                proptest::collection::vec(item, 0..4).prop_map(move |v| format!("[{}]", list(v))),
                proptest::collection::vec(field, 0..4)
                    .prop_map(move |v| format!("{{{}}}", list(v))),
            ]
        });
        let field = (string, space(), space(), value, space());
        let field = field.prop_map(|(name, a, b, value, c)| name + &a + ":" + &b + &value + &c);
        let fields = proptest::collection::vec(field, 1..6);
        fields.prop_map(|fields| format!(" {{ {} }} ", fields.join(", ")))
    }

    proptest! {
        #[test]
        fn valid_objects_are_walked_as_the_parser_walks_them(json in objects()) {
            let Spans(expected) = serde_json::from_str(&json).expect("valid");
            let walked: Vec<_> = fields(json.as_bytes())
                .map(|field| (text(field.key).into_owned(), field.value))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, value)| (name, value.as_bytes()))
                .collect();
            prop_assert_eq!(walked, expected);
        }

        #[test]
        fn compact_text_means_the_same(json in objects()) {
            let compacted = compact(json.as_bytes());
            prop_assert_eq!(depth(&compacted), depth(json.as_bytes()));
            let again = compact(&compacted);
            prop_assert_eq!(&again, &compacted);
            // Only space inside of strings is left, and only space was taken away.
            let strip = |bytes: &[u8]| -> Vec<u8> {
                bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
            };
            prop_assert_eq!(strip(&compacted), strip(json.as_bytes()));
            let Spans(expected) = serde_json::from_str(&json).expect("valid");
            let walked = fields(&compacted).zip(expected);
            for (field, (name, value)) in walked {
                prop_assert_eq!(text(field.key), name);
                prop_assert_eq!(field.value, &*compact(value.as_bytes()));
            }
        }

        #[test]
        fn arbitrary_bytes_come_to_an_end(mut json in proptest::collection::vec(any::<u8>(), 0..200)) {
            for first in [b'{', b'[', b'"'] {
                prop_assert!(fields(&json).count() <= json.len());
                compact(&json);
                depth(&json);
                trim(&json);
                json.insert(0, first);
            }
        }

        #[test]
        fn tokens_in_any_order_come_to_an_end(json in r#"[{}\[\]":,\\a0 ]{0,60}"#) {
            let json = format!("{{{json}");
            prop_assert!(fields(json.as_bytes()).count() <= json.len());
            compact(json.as_bytes());
            depth(json.as_bytes());
        }
    }
}

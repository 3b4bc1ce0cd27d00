//! JSON read slowly: by another parser, one value at a time, nothing in place.
//!
//! It takes what a publish takes: repeated names, lone surrogates as escapes, numbers of any size.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::naive_filters::Json;

/// Deepest nesting that a publish takes.
const DEPTH_MAX: usize = 128;

/// Names and values of an object as they are written.
pub(crate) struct RawFields<'j>(pub(crate) Vec<(&'j str, &'j str)>);

impl<'de> serde::Deserialize<'de> for RawFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = RawFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    fields.push((name.get(), value.get()));
                }
                Ok(RawFields(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The value that `json` is, if a publish would take it.
pub(crate) fn read(json: &str) -> Option<Json> {
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    value(whole.get(), DEPTH_MAX)
}

fn value(json: &str, deeper: usize) -> Option<Json> {
    Some(match json.as_bytes()[0] {
        b'n' => Json::Null,
        b'"' => Json::Text(text(json)),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            let deeper = deeper.checked_sub(1)?;
            let items = items.into_iter().map(|item| value(item.get(), deeper));
            Json::List(items.collect::<Option<_>>()?)
        }
        b'{' => {
            let fields: RawFields<'_> = serde_json::from_str(json).ok()?;
            let deeper = deeper.checked_sub(1)?;
            let field = |(name, json)| Some((text(name), value(json, deeper)?));
            let fields = fields.0.into_iter().map(field);
            Json::Object(fields.collect::<Option<_>>()?)
        }
        _ => Json::Literal(json.to_owned()),
    })
}

/// What a valid string says, by way of UTF-16: half a pair becomes U+FFFD.
pub(crate) fn text(quoted: &str) -> String {
    let mut units = Vec::new();
    let mut rest = quoted[1..quoted.len() - 1].chars();
    while let Some(character) = rest.next() {
        let character = match character {
            '\\' => match rest.next().expect("an escape goes on") {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).expect("four digits"));
                    continue;
                }
                other => other,
            },
            other => other,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}

/// Valid JSON without the white space between its tokens.
pub(crate) fn compact(json: &str) -> String {
    let (mut is_string, mut is_escaped) = (false, false);
    let keeps = |character: &char| {
        let starts_or_ends = *character == '"' && !is_escaped;
        is_escaped = is_string && *character == '\\' && !is_escaped;
        is_string ^= starts_or_ends;
        is_string || !matches!(character, ' ' | '\t' | '\r' | '\n')
    };
    json.chars().filter(keeps).collect()
}

/// Whether an object in it has a name twice.
pub(crate) fn repeats_a_name(json: &Json) -> bool {
    match json {
        Json::List(items) => items.iter().any(repeats_a_name),
        Json::Object(fields) => {
            let mut names: Vec<_> = fields.iter().map(|field| &field.0).collect();
            names.sort_unstable();
            names.windows(2).any(|pair| pair[0] == pair[1])
                || fields.iter().any(|field| repeats_a_name(&field.1))
        }
        _ => false,
    }
}

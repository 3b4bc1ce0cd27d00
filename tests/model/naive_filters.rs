//! What a subscription hears, decided one subscription at a time from the words of the semantics.
//!
//! Payloads are values here, not text: the model never reads JSON, it only writes it.

use fanfare::hub::{Address, NamePattern, Names, Property, PropertyFilter, ValueFilter};

/// A JSON value, with repeated fields and the digits of numbers kept.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    /// A number or boolean, as it is written.
    Literal(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// An event as the model knows it.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) organization: u32,
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) payload: Json,
    pub(crate) time_ms: u64,
}

/// Where something is: the names of its group, project and session as far as they are known, and
/// which of them it is addressed to (0 is the organization).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: [Option<String>; 3],
    pub(crate) level: usize,
}

/// The level and name of an address.
pub(crate) fn level_of(address: &Address) -> (usize, &str) {
    match address {
        Address::Organization => (0, ""),
        Address::Group(name) => (1, name.as_str()),
        Address::Project(name) => (2, name.as_str()),
        Address::Session(name) => (3, name.as_str()),
    }
}

/// An event at one scope is heard at another if either is above the other, or both are the same.
pub(crate) fn related(a: &Place, b: &Place) -> bool {
    let above = |upper: &Place, lower: &Place| {
        upper.level == 0
            || upper.level <= lower.level
                && upper.path[upper.level - 1] == lower.path[upper.level - 1]
    };
    above(a, b) || above(b, a)
}

pub(crate) fn name_fits(names: &Names, name: &str) -> bool {
    match names {
        Names::Every => true,
        Names::Any(patterns) => patterns.iter().any(|pattern| match pattern {
            NamePattern::Exact(text) => **text == *name,
            NamePattern::Wild(text) => glob(text.as_bytes(), name.as_bytes()),
        }),
    }
}

/// Every way to read the stars, tried in turn.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((first, rest)) => text.first() == Some(first) && glob(rest, &text[1..]),
    }
}

/// Whether an event has what a filter asks of one property.
pub(crate) fn passes(filter: &PropertyFilter, fact: &Fact) -> bool {
    let base = |level: usize| fact.place.path[level].clone().map(Json::Text);
    let value = match &filter.property {
        Property::Time => {
            let time = fact.time_ms.to_string();
            let is_time = |value: &ValueFilter| match value {
                ValueFilter::Present => true,
                ValueFilter::Null => false,
                ValueFilter::Text(text) | ValueFilter::Literal(text) => **text == *time,
            };
            return filter.values.iter().any(is_time);
        }
        Property::Group => base(0),
        Property::Project => base(1),
        Property::Session => base(2),
        Property::Payload(name) => match &fact.payload {
            Json::Object(fields) => lookup(fields, name).cloned(),
            other => (**name == *"data").then(|| other.clone()),
        },
        Property::Field(name) => match &fact.payload {
            Json::Object(fields) => last(fields, name).cloned(),
            other => (**name == *"data").then(|| other.clone()),
        },
    };
    value.is_some_and(|value| filter.values.iter().any(|wanted| fits(wanted, &value)))
}

fn last<'j>(fields: &'j [(String, Json)], name: &str) -> Option<&'j Json> {
    let mut found = fields.iter().rev().filter(|field| field.0 == name);
    found.next().map(|field| &field.1)
}

fn lookup<'j>(fields: &'j [(String, Json)], name: &str) -> Option<&'j Json> {
    if let Some(value) = last(fields, name) {
        return Some(value);
    }
    let (head, rest) = name.split_once('.')?;
    match last(fields, head)? {
        Json::Object(inner) => lookup(inner, rest),
        _ => None,
    }
}

fn fits(wanted: &ValueFilter, value: &Json) -> bool {
    match (wanted, value) {
        (ValueFilter::Present, value) => !matches!(value, Json::Null),
        (ValueFilter::Null, value) => matches!(value, Json::Null),
        (ValueFilter::Text(wanted), Json::Text(text)) => **wanted == **text,
        (ValueFilter::Text(wanted) | ValueFilter::Literal(wanted), Json::Literal(text)) => {
            **wanted == **text
        }
        _ => false,
    }
}

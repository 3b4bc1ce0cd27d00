//! What is published, and what is heard, whoever says it and however.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::speakers::{SPEAKERS, Says};

/// The session in whose room all meet, and the group it is in.
pub(super) const SESSION: &str = "matrix-room";
pub(super) const GROUP: &str = "matrix-group";
/// One beside it, in another group.
pub(super) const OTHER_SESSION: &str = "matrix-other-room";
pub(super) const OTHER_GROUP: &str = "matrix-other-group";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    Sessions,
    Sysadm,
    Live,
    Stream,
    Pubsub,
}

/// Where a fact is addressed to: each level of the tree has one scope that all talk about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Organization,
    Group,
    Session,
}

/// Payloads as JSON text. Their digits, spaces and escapes are theirs to keep.
const OBJECTS: [&str; 4] = [
    r#"{"n":1.50,"s":"h\u00e9 \"q\"","deep":{"a":[1,null,true]}}"#,
    r#"{ "spaced" : 1e2 , "big":12345678901234567890 }"#,
    "{}",
    r#"{"type":"mine","time":1,"sessionId":"x"}"#,
];
const OTHERS: [&str; 5] = ["\"text\"", "7", r#"[1, {"a":2}]"#, "null", "false"];
/// What a publisher of protocol buffers can say, as the JSON text that it becomes.
const DOUBLES: [&str; 2] = [r#"{"n":1.5,"s":"x"}"#, "{}"];

/// One event, on its way and after.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) speaker: &'static str,
    pub(super) dialect: Dialect,
    pub(super) place: Place,
    /// As text.
    pub(super) name: String,
    /// As JSON, where a dialect can say more than text.
    pub(super) name_json: String,
    pub(super) payload: &'static str,
    /// What its publisher was told.
    pub(super) id: String,
    pub(super) number: Option<u64>,
}

/// One event as somebody heard it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) name: String,
    /// The payload's JSON text, or the whole message where the payload's fields stand in it.
    pub(super) payload: String,
    pub(super) id: Option<String>,
    pub(super) number: Option<u64>,
}

/// Everything that is published, in order; ids and numbers come with the answers.
pub(super) fn all() -> Vec<Fact> {
    let mut facts = Vec::new();
    for speaker in &SPEAKERS {
        let payloads: Vec<&'static str> = match speaker.says {
            Says::Anything => OBJECTS.into_iter().chain(OTHERS).collect(),
            Says::Objects => OBJECTS.to_vec(),
            Says::Doubles => DOUBLES.to_vec(),
        };
        for &place in speaker.places {
            for &payload in &payloads {
                let name = format!("matrix:{}", facts.len());
                facts.push(Fact {
                    speaker: speaker.name,
                    dialect: speaker.dialect,
                    place,
                    name_json: format!("\"{name}\""),
                    name,
                    payload,
                    id: String::new(),
                    number: None,
                });
            }
        }
    }
    // One name that is no string, which only the sessions dialect can say.
    if let Some(fact) = facts.iter_mut().find(|f| f.dialect == Dialect::Sessions) {
        fact.name = String::from("7");
        fact.name_json = String::from("7");
    }
    facts
}

/// The fields of a JSON object, each with its text; of anything else, the field `data`.
pub(super) fn fields(json: &str) -> BTreeMap<String, String> {
    match serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(json) {
        Ok(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, value.get().to_owned()))
            .collect(),
        Err(_) => BTreeMap::from([(String::from("data"), json.to_owned())]),
    }
}

/// One field of a message, as text.
pub(super) fn text(fields: &BTreeMap<String, String>, name: &str) -> String {
    let value = fields
        .get(name)
        .unwrap_or_else(|| panic!("no {name:?} in {fields:?}"));
    serde_json::from_str(value).unwrap_or_else(|_| value.clone())
}

/// JSON with every number as the double it becomes in protocol buffers.
pub(super) fn doubles(json: &str) -> serde_json::Value {
    fn walk(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Number(number) => {
                let double = number.as_f64().expect("a finite number");
                *value = serde_json::json!(double);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(walk),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(walk),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(json).expect("JSON");
    walk(&mut value);
    value
}

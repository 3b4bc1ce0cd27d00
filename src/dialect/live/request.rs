//! A client's message as a request: `{"type":"filter","filters":[{"property":"…","value":…},…]}`.
//!
//! Text that is not to be trusted is read here and nowhere else in this dialect. What is not known of a
//! message, or of a filter, is passed over.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialect::message::{as_text, check};
use crate::hub::ValueFilter;
use crate::json;
use crate::limits::PATTERN_BYTES_MAX;

/// Longest part of an unknown `type` that is repeated to its sender, in characters.
const SHOWN_CHARS_MAX: usize = 64;

/// The bounds that an operator sets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Most filters in one message.
    pub(super) filters_max: usize,
    /// Longest value, in bytes.
    pub(super) value_bytes_max: usize,
}

/// What a client asks. Borrows the message.
pub(super) enum Request<'m> {
    /// To set its filters.
    Filter(Filters<'m>),
}

/// The filters of a message, not yet looked at: the JSON text, if there is any.
pub(super) struct Filters<'m>(Option<&'m [u8]>);

/// One filter of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter<'m> {
    /// The property's name.
    pub(super) property: Cow<'m, str>,
    /// What it must be. `"*"` is [`ValueFilter::Present`].
    pub(super) value: ValueFilter,
}

impl<'m> Request<'m> {
    /// Reads a message; what is wrong with it, for people.
    pub(super) fn read(message: &'m [u8]) -> Result<Self, String> {
        check(message)?;
        let message = json::trim(message);
        if message.first() != Some(&b'{') {
            return Err("a message is an object".to_owned());
        }
        let r#type = find(message, "type").ok_or("\"type\" is missing")?;
        let r#type = as_text(r#type).ok_or("\"type\" is not a string")?;
        if r#type != "filter" {
            let shown: String = r#type.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(format!("unknown type {shown:?}"));
        }
        Ok(Self::Filter(Filters(find(message, "filters"))))
    }
}

impl<'m> Filters<'m> {
    /// Reads the filters; what is wrong with them, for people.
    pub(super) fn read(self, limits: &Limits) -> Result<Vec<Filter<'m>>, String> {
        let list = self.0.ok_or("\"filters\" is missing")?;
        let list: Vec<&RawValue> =
            serde_json::from_slice(list).map_err(|_| "\"filters\" is not an array")?;
        let Limits { filters_max, .. } = *limits;
        if list.len() > filters_max {
            let count = list.len();
            return Err(format!(
                "{count} filters in one message; at most {filters_max} (live.filters_max)"
            ));
        }
        let numbered = list.into_iter().enumerate();
        numbered
            .map(|(index, filter)| {
                read_filter(filter.get().as_bytes(), limits)
                    .map_err(|error| format!("filters[{index}]{error}"))
            })
            .collect()
    }
}

fn read_filter<'m>(filter: &'m [u8], limits: &Limits) -> Result<Filter<'m>, String> {
    if filter.first() != Some(&b'{') {
        return Err(" is not an object".to_owned());
    }
    let property = find(filter, "property").ok_or(": \"property\" is missing")?;
    let property = as_text(property).ok_or(": \"property\" is not a string")?;
    if property.len() > PATTERN_BYTES_MAX {
        return Err(format!(
            ": \"property\" is longer than {PATTERN_BYTES_MAX} bytes"
        ));
    }
    let value = find(filter, "value").ok_or(": \"value\" is missing")?;
    let value = read_value(value, limits)?;
    Ok(Filter { property, value })
}

fn read_value(value: &[u8], limits: &Limits) -> Result<ValueFilter, String> {
    let most = limits.value_bytes_max;
    let bounded = |text: &str| {
        if text.len() <= most {
            return Ok(text.into());
        }
        let error = format!(": \"value\" is longer than {most} bytes (live.value_bytes_max)");
        Err(error)
    };
    match (value.first(), as_text(value)) {
        (_, Some(text)) if text == "*" => Ok(ValueFilter::Present),
        (_, Some(text)) => Ok(ValueFilter::Text(bounded(&text)?)),
        (Some(b'n'), None) => Ok(ValueFilter::Null),
        (Some(b'['), None) => Err(": \"value\" is an array".to_owned()),
        (Some(b'{'), None) => Err(": \"value\" is an object".to_owned()),
        (_, None) => {
            let literal = String::from_utf8_lossy(value);
            Ok(ValueFilter::Literal(bounded(&literal)?))
        }
    }
}

/// The value of a field of an object that was checked.
fn find<'m>(object: &'m [u8], key: &str) -> Option<&'m [u8]> {
    json::fields(object)
        .find(|field| json::text(field.key) == key)
        .map(|field| field.value)
}

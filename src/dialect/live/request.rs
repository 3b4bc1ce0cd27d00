//! A client's message as a request: `{"type":"filter","filters":[{"property":"…","value":…},…]}`.
//!
//! Text that is not to be trusted is read here and nowhere else in this dialect. What is not known
//! of a message, or of a filter, is passed over.

use crate::hub::ValueFilter;
use crate::json::{Message, Value};
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

/// What a client asks.
pub(super) enum Request {
    /// To set its filters.
    Filter(Filters),
}

/// The filters of a message, not yet looked at.
pub(super) struct Filters(Message);

/// One filter of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// The property's name.
    pub(super) property: Box<str>,
    /// What it must be. `"*"` is [`ValueFilter::Present`].
    pub(super) value: ValueFilter,
}

impl Request {
    /// Reads a message; what is wrong with it, for people.
    pub(super) fn read(message: &[u8]) -> Result<Self, String> {
        let message = Message::parse(message).map_err(|error| error.to_string())?;
        let whole = message.value();
        let fields = whole.as_object().ok_or("a message is an object")?;
        let r#type = fields.get("type").ok_or("\"type\" is missing")?;
        let r#type = r#type.as_str().ok_or("\"type\" is not a string")?;
        if r#type != "filter" {
            let shown: String = r#type.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(format!("unknown type {shown:?}"));
        }
        Ok(Self::Filter(Filters(message)))
    }
}

impl Filters {
    /// Reads the filters; what is wrong with them, for people.
    pub(super) fn read(&self, limits: &Limits) -> Result<Vec<Filter>, String> {
        let whole = self.0.value();
        let list = whole.as_object().and_then(|fields| fields.get("filters"));
        let list = list.ok_or("\"filters\" is missing")?;
        let list = list.as_array().ok_or("\"filters\" is not an array")?;
        let (count, most) = (list.clone().count(), limits.filters_max);
        if count > most {
            return Err(format!(
                "{count} filters in one message; at most {most} (live.filters_max)"
            ));
        }
        let numbered = list.enumerate();
        numbered
            .map(|(index, filter)| {
                read_filter(&filter, limits).map_err(|error| format!("filters[{index}]{error}"))
            })
            .collect()
    }
}

fn read_filter(filter: &Value<'_>, limits: &Limits) -> Result<Filter, String> {
    let fields = filter.as_object().ok_or(" is not an object")?;
    let property = fields.get("property").ok_or(": \"property\" is missing")?;
    let property = property.as_str().ok_or(": \"property\" is not a string")?;
    if property.len() > PATTERN_BYTES_MAX {
        return Err(format!(
            ": \"property\" is longer than {PATTERN_BYTES_MAX} bytes"
        ));
    }
    let value = fields.get("value").ok_or(": \"value\" is missing")?;
    let value = read_value(&value, limits)?;
    let property = property.into();
    Ok(Filter { property, value })
}

fn read_value(value: &Value<'_>, limits: &Limits) -> Result<ValueFilter, String> {
    let most = limits.value_bytes_max;
    let bounded = |text: &str| {
        if text.len() <= most {
            return Ok(text.into());
        }
        let error = format!(": \"value\" is longer than {most} bytes (live.value_bytes_max)");
        Err(error)
    };
    match *value {
        Value::String("*") => Ok(ValueFilter::Present),
        Value::String(text) => Ok(ValueFilter::Text(bounded(text)?)),
        Value::Null => Ok(ValueFilter::Null),
        Value::Bool(true) => Ok(ValueFilter::Literal("true".into())),
        Value::Bool(false) => Ok(ValueFilter::Literal("false".into())),
        Value::Number(digits) => Ok(ValueFilter::Literal(bounded(digits)?)),
        Value::Array(_) => Err(": \"value\" is an array".to_owned()),
        Value::Object(_) => Err(": \"value\" is an object".to_owned()),
    }
}

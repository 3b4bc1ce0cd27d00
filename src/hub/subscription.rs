//! A connection's live subscription: names × scope × property filters.
//!
//! A subscription is an expression; [`FilterTable`](super::FilterTable) compiles it. Values of one
//! property are alternatives, different properties must all match (DESIGN §4).

use super::scope::{Parents, Scope};
use crate::limits::WILDCARD_NAME_CHARS_MAX;

/// A subscriber: a number chosen by the caller, best a small one, because the table keeps four
/// bytes for each number near those it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(pub u32);

/// One subscription in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(super) u32);

/// One live subscription, as a dialect asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The scope: its events, and those of scopes above and beneath it.
    pub scope: Scope,
    /// The scopes above it, as far as known.
    pub parents: Parents,
    /// The event names.
    pub names: Names,
    /// The conditions on properties; each property at most once.
    pub properties: Vec<PropertyFilter>,
}

impl Subscription {
    /// Returns about how many bytes it takes, in the client's state and compiled. Parts shared with
    /// other subscriptions count for each.
    pub fn bytes(&self) -> usize {
        let names = match &self.names {
            Names::Every => 0,
            Names::Any(patterns) => patterns.iter().map(NamePattern::bytes).sum(),
        };
        let properties = self.properties.iter().map(|filter| {
            let values = filter.values.iter().map(ValueFilter::bytes);
            filter.property.bytes() + values.sum::<usize>()
        });
        PART_BYTES + names + properties.sum::<usize>()
    }
}

/// Overhead of a text or an atom beside its bytes: its place in a list, in a table and in a
/// program, about.
const PART_BYTES: usize = 96;

/// Returns the bytes of a text, in its client's state and compiled.
const fn text_bytes(text: &str) -> usize {
    PART_BYTES + 2 * text.len()
}

/// The wanted event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Every name.
    Every,
    /// Any of these; none if empty.
    Any(Vec<NamePattern>),
}

/// An event name, or many by one or several `*`. `*` stands for any text, also none, also with `:`.
///
/// A name that is not a JSON string is matched by its compact JSON text. Text between two stars is
/// looked for in names of up to [`WILDCARD_NAME_CHARS_MAX`] characters only: that bounds the cost
/// of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// Exactly this name.
    Exact(Box<str>),
    /// A text with at least one `*`.
    Wild(Box<str>),
}

impl NamePattern {
    /// Reads a pattern: with a `*` it is wild. Stars in a row are one.
    pub fn parse(text: &str) -> Self {
        if !text.contains('*') {
            return Self::Exact(text.into());
        }
        let mut one = String::with_capacity(text.len());
        for character in text.chars() {
            if character != '*' || !one.ends_with('*') {
                one.push(character);
            }
        }
        Self::Wild(one.into())
    }

    /// Returns the number of stars.
    pub fn stars(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Wild(text) => memchr::memchr_iter(b'*', text.as_bytes()).count(),
        }
    }

    /// Whether text must follow a star. A pattern such as `my_app:*` is found by its beginning
    /// alone, however many there are; all others are bounded in number.
    pub fn is_costly(&self) -> bool {
        match self {
            Self::Exact(_) => false,
            Self::Wild(text) => text.find('*') != Some(text.len() - 1),
        }
    }

    fn bytes(&self) -> usize {
        let (Self::Exact(text) | Self::Wild(text)) = self;
        text_bytes(text)
    }

    /// Whether a name fits the pattern.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => **text == *name,
            Self::Wild(text) => matches_wild(text, name),
        }
    }
}

fn matches_wild(pattern: &str, name: &str) -> bool {
    let Some((prefix, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(prefix) else {
        return false;
    };
    let mut rest = rest;
    let between = rest.rsplit_once('*').map_or("", |(between, _)| between);
    if between.bytes().any(|byte| byte != b'*')
        && prefix
            .chars()
            .chain(name.chars())
            .nth(WILDCARD_NAME_CHARS_MAX)
            .is_some()
    {
        return false;
    }
    // Between two stars, the earliest place is as good as any.
    while let Some((middle, after)) = rest.split_once('*') {
        let Some(at) = name.find(middle) else {
            return false;
        };
        name = &name[at + middle.len()..];
        rest = after;
    }
    name.ends_with(rest)
}

/// A condition on one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyFilter {
    /// The property.
    pub property: Property,
    /// Alternatives; nothing matches if empty.
    pub values: Vec<ValueFilter>,
}

/// Something that filters may read of an event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// Time of acceptance: a number, unix milliseconds.
    Time,
    /// The group it belongs to, by its scope or the scopes above that.
    Group,
    /// The project it belongs to.
    Project,
    /// The session it was addressed to.
    Session,
    /// A field of the payload. A name with dots that is no field is a path into nested objects: the
    /// text before the first dot is a field that holds an object, the rest a property of that. A
    /// payload that is no object has one field, `data`, which is the payload. Of a repeated field
    /// the last one counts.
    /// last one counts.
    Payload(Box<str>),
    /// A field of the payload that has exactly this name: dots are no path.
    Field(Box<str>),
}

/// A condition on a property's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueFilter {
    /// Anything but null.
    Present,
    /// Null.
    Null,
    /// A string with this text, or a number or boolean with this JSON text.
    Text(Box<str>),
    /// A number or boolean with this JSON text.
    Literal(Box<str>),
}

impl Property {
    fn bytes(&self) -> usize {
        match self {
            Self::Payload(name) | Self::Field(name) => text_bytes(name),
            Self::Time | Self::Group | Self::Project | Self::Session => PART_BYTES,
        }
    }
}

impl ValueFilter {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Literal(text) => text_bytes(text),
            Self::Present | Self::Null => PART_BYTES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_in_a_row_are_one() {
        for (text, same, stars, is_costly) in [
            ("a", "a", 0, false),
            ("**", "*", 1, false),
            ("a**", "a*", 1, false),
            ("***a", "*a", 1, true),
            ("a*b", "a*b", 1, true),
            ("**a**b**", "*a*b*", 3, true),
        ] {
            let pattern = NamePattern::parse(text);
            assert_eq!(pattern, NamePattern::parse(same));
            assert_eq!(
                (pattern.stars(), pattern.is_costly()),
                (stars, is_costly),
                "{text}"
            );
        }
    }

    #[test]
    fn between_stars_nothing_is_found_in_names_that_are_too_long() {
        let name = format!("a{}b", "é".repeat(WILDCARD_NAME_CHARS_MAX - 2));
        let longer = format!("{name}c");
        for (pattern, fits_longer) in [("*é*", false), ("a*é*", false), ("a*", true), ("*", true)]
        {
            let pattern = NamePattern::parse(pattern);
            assert!(pattern.matches(&name));
            assert_eq!(pattern.matches(&longer), fits_longer, "{pattern:?}");
        }
        assert!(NamePattern::parse("a*bc").matches(&longer));
    }

    #[test]
    fn stars_stand_for_any_text() {
        let yes = [
            ("*", ""),
            ("a*", "a"),
            ("my_app:*", "my_app:user:chat"),
            ("*chat", "user_chat"),
            ("a*b*c", "axxbyyc"),
            ("a**c", "ac"),
            ("*b*", "abc"),
        ];
        for (pattern, name) in yes {
            assert!(
                NamePattern::parse(pattern).matches(name),
                "{pattern} {name}"
            );
        }
        let no = [
            ("a*", "b"),
            ("a", "ab"),
            ("a*a", "a"),
            ("a*b*c", "axxc"),
            ("*ab*ba", "aba"),
        ];
        for (pattern, name) in no {
            assert!(
                !NamePattern::parse(pattern).matches(name),
                "{pattern} {name}"
            );
        }
    }
}

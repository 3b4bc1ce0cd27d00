//! Kinds of values: how each is read from TOML, which bounds it has, and how it is written back.
//!
//! A kind knows nothing of the key that it stands behind. Bounds are judged apart from reading,
//! because they are the same for values from the command line.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::value::{format_bytes, format_duration, parse_bytes, parse_duration};
use super::words::{Words, closest, quote, quote_all};
use crate::limits;

/// Knows the address of a host and port.
pub(crate) type Resolve = fn(&str) -> Option<SocketAddr>;

type Read<V> = Box<dyn Fn(&DeValue<'_>, Resolve) -> Option<V>>;
type Check<V> = Box<dyn Fn(&V) -> Result<(), String>>;
type Write<V> = Box<dyn Fn(&V) -> Option<String>>;

/// A kind of value of one key.
pub(crate) struct Kind<V> {
    expected: String,
    /// The words that a value may be, if it is one of a few.
    words: &'static [&'static str],
    bounds: String,
    read: Read<V>,
    check: Check<V>,
    write: Write<V>,
    example: Option<&'static str>,
}

impl<V: 'static> Kind<V> {
    /// A kind without bounds. `expected` is the form of a value in words, `read` returns `None` for
    /// what has not that form, and `write` writes TOML that reads back as the same.
    pub(crate) fn new(
        expected: impl Into<String>,
        read: impl Fn(&DeValue<'_>, Resolve) -> Option<V> + 'static,
        write: impl Fn(&V) -> String + 'static,
    ) -> Self {
        Self {
            expected: expected.into(),
            words: &[],
            bounds: String::new(),
            read: Box::new(read),
            check: Box::new(|_| Ok(())),
            write: Box::new(move |value| Some(write(value))),
            example: None,
        }
    }

    /// The kind with bounds, given in words and as a function; `show` writes a value that is not
    /// within them.
    pub(crate) fn within(
        self,
        bounds: impl Into<String>,
        show: impl Fn(&V) -> String + 'static,
        is_within: impl Fn(&V) -> bool + 'static,
    ) -> Self {
        let bounds = bounds.into();
        let kind = Self {
            bounds: bounds.clone(),
            ..self
        };
        kind.checked(move |value| {
            if is_within(value) {
                return Ok(());
            }
            Err(format!("expected {bounds}, found {}", show(value)))
        })
    }

    /// The kind whose values are judged by a function, too.
    pub(crate) fn checked(self, check: impl Fn(&V) -> Result<(), String> + 'static) -> Self {
        let before = self.check;
        Self {
            check: Box::new(move |value| before(value).and_then(|()| check(value))),
            ..self
        }
    }

    /// The form that is expected, in words, and the word that was perhaps meant by what was found.
    pub(super) fn expected(&self, found: Option<&str>) -> String {
        match found.and_then(|found| closest(found, self.words)) {
            Some(meant) => format!("{} (did you mean \"{meant}\"?)", self.expected),
            None => self.expected.clone(),
        }
    }

    /// The bounds of a value, in words; empty if there are none.
    pub(super) fn bounds(&self) -> &str {
        &self.bounds
    }

    /// The value of a piece of TOML; `None` if that has not the form.
    pub(super) fn read(&self, value: &DeValue<'_>, resolve: Resolve) -> Option<V> {
        (self.read)(value, resolve)
    }

    /// Errors with the problem if the value is out of bounds.
    pub(super) fn check(&self, value: &V) -> Result<(), String> {
        (self.check)(value)
    }

    /// The value as TOML; `None` if the key is left out then.
    pub(super) fn write(&self, value: &V) -> Option<String> {
        (self.write)(value)
    }

    /// TOML to show in the default file in place of a default that is left out.
    pub(super) fn example(&self) -> Option<&'static str> {
        self.example
    }
}

/// `true` or `false`.
pub(crate) fn flag() -> Kind<bool> {
    Kind::new("true or false", |value, _| value.as_bool(), bool::to_string)
}

/// A whole number.
pub(crate) fn count(range: RangeInclusive<usize>) -> Kind<usize> {
    let read = |value: &DeValue<'_>, _| integer(value)?.try_into().ok();
    let bounds = format!("{} to {}", range.start(), range.end());
    Kind::new("a whole number", read, usize::to_string).within(
        bounds,
        usize::to_string,
        move |count| range.contains(count),
    )
}

/// A number of shards; 0 is `None`.
pub(crate) fn shards() -> Kind<Option<NonZeroU16>> {
    let number = |shards: &Option<NonZeroU16>| shards.map_or(0, NonZeroU16::get).to_string();
    let expected = "a number of shards, or 0 for one per core";
    let read = |value: &DeValue<'_>, _| integer(value)?.try_into().ok().map(NonZeroU16::new);
    let bounds = format!("0 to {}", limits::SHARDS_MAX);
    Kind::new(expected, read, number).within(bounds, number, |shards| {
        shards.is_none_or(|shards| usize::from(shards.get()) <= limits::SHARDS_MAX)
    })
}

/// A number of bytes.
pub(crate) fn bytes(range: RangeInclusive<usize>) -> Kind<usize> {
    let least = match *range.start() {
        1 => "one byte".to_owned(),
        least => format_bytes(least),
    };
    let bounds = match *range.end() {
        usize::MAX => format!("at least {least}"),
        most => format!("{least} to {}", format_bytes(most)),
    };
    let expected = "whole bytes, or a size such as \"64KB\", \"8MiB\", \"1GiB\"";
    let read = |value: &DeValue<'_>, _| match value.as_str() {
        Some(text) => parse_bytes(text),
        None => integer(value)?.try_into().ok(),
    };
    let show = |bytes: &usize| format_bytes(*bytes);
    Kind::new(expected, read, move |bytes| quote(&show(bytes)))
        .within(bounds, show, move |bytes| range.contains(bytes))
}

/// A duration above zero.
pub(crate) fn duration() -> Kind<Duration> {
    let most = limits::CONFIG_DURATION_MAX;
    let bounds = format!("a duration above zero and up to {}", format_duration(most));
    duration_within(bounds, move |duration| {
        !duration.is_zero() && *duration <= most
    })
}

/// A duration that is as given in words and by a function.
pub(crate) fn duration_within(
    bounds: String,
    is_within: impl Fn(&Duration) -> bool + 'static,
) -> Kind<Duration> {
    let expected =
        "whole seconds, or a duration such as \"1500ms\", \"60s\", \"5m\", \"1h\", \"2d\"";
    let read = |value: &DeValue<'_>, _| match value.as_str() {
        Some(text) => parse_duration(text),
        None => integer(value).map(Duration::from_secs),
    };
    let show = |duration: &Duration| format_duration(*duration);
    Kind::new(expected, read, move |duration| quote(&show(duration)))
        .within(bounds, show, is_within)
}

/// A duration that may be zero, which is `None` and turns something off.
pub(crate) fn zero_is_none(kind: Kind<Duration>) -> Kind<Option<Duration>> {
    let kind = optional(kind, "");
    let (read, write) = (kind.read, kind.write);
    let is_on = |duration: &Duration| !duration.is_zero();
    Kind {
        read: Box::new(move |value, resolve| read(value, resolve).map(|some| some.filter(is_on))),
        write: Box::new(move |value| write(value).or_else(|| Some("0".to_owned()))),
        example: None,
        ..kind
    }
}

/// A key that is left out by default, with an example of what it may be.
pub(crate) fn optional<V: 'static>(kind: Kind<V>, example: &'static str) -> Kind<Option<V>> {
    let (read, check, write) = (kind.read, kind.check, kind.write);
    Kind {
        expected: kind.expected,
        words: kind.words,
        bounds: kind.bounds,
        read: Box::new(move |value, resolve| read(value, resolve).map(Some)),
        check: Box::new(move |value| value.as_ref().map_or(Ok(()), &check)),
        write: Box::new(move |value| value.as_ref().and_then(&write)),
        example: Some(example),
    }
}

/// One of the words of an enum.
pub(crate) fn word<T: Words>() -> Kind<T> {
    let expected = format!("\"{}\"", T::WORDS.join("\" or \""));
    let read = |value: &DeValue<'_>, _| value.as_str().and_then(T::parse);
    Kind {
        words: T::WORDS,
        ..Kind::new(expected, read, |word| quote(word.as_str()))
    }
}

/// An address and port, or a host that whoever reads the configuration knows.
pub(crate) fn address() -> Kind<SocketAddr> {
    let expected = "an address and port such as \"127.0.0.1:7400\", \"[::1]:7400\" or \"localhost:7400\", the host \
        known by that name";
    let read = |value: &DeValue<'_>, resolve: Resolve| resolve(value.as_str()?);
    Kind::new(expected, read, |address| quote(&address.to_string()))
}

/// Any text.
pub(crate) fn any_text() -> Kind<String> {
    let read = |value: &DeValue<'_>, _| value.as_str().map(str::to_owned);
    Kind::new("text in quotes", read, |text| quote(text))
}

/// A text of printable ASCII, never empty, with this many bytes at most.
///
/// Texts end up in answers and log lines: a line break in one would start a field of its own (RFC
/// 9110 §5.5), a control character would speak to the operator's terminal.
pub(crate) fn text(bytes_max: usize) -> Kind<String> {
    let is_printable = |text: &String| {
        let trimmed = !text.is_empty() && text.trim().len() == text.len();
        trimmed && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    any_text()
        .within(
            format!("at most {bytes_max} bytes"),
            |text| text.len().to_string(),
            move |text| text.len() <= bytes_max,
        )
        .within(
            "printable ASCII without control characters or outer spaces",
            |text| format!("\"{}\"", text.escape_debug()),
            is_printable,
        )
}

/// A list of texts, each of a kind.
pub(crate) fn texts(number: RangeInclusive<usize>, text: Kind<String>) -> Kind<Vec<String>> {
    let (read, check) = (text.read, text.check);
    let read = move |value: &DeValue<'_>, resolve| {
        let elements = value.as_array()?.iter();
        let texts = elements.map(|element| read(element.get_ref(), resolve));
        texts.collect()
    };
    let expected = "a list of texts, such as [\"a\", \"b\"]";
    let number = count(number);
    let kind = Kind::new(expected, read, |texts: &Vec<String>| quote_all(texts));
    Kind {
        bounds: number.bounds.clone(),
        ..kind
    }
    .checked(move |texts| {
        number.check(&texts.len())?;
        texts.iter().try_for_each(&check)
    })
}

/// A TOML integer of any radix that is not negative and fits.
fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

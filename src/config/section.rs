//! One table of a TOML document, with its spans at hand: hands out values by key, refuses what is of the
//! wrong kind and what nobody asked for, and always names the line.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::value::{parse_bytes, parse_duration};

/// Longest excerpt of a refused value in a message.
const EXCERPT_CHARS_MAX: usize = 40;

/// A kind of value: how to say what is expected, and how to read it.
pub(super) struct Kind<T> {
    expected: &'static str,
    read: fn(&DeValue<'_>) -> Option<T>,
}

pub(super) const BOOLEAN: Kind<bool> = Kind {
    expected: "true or false",
    read: |value| value.as_bool(),
};

pub(super) const TEXT: Kind<String> = Kind {
    expected: "text in quotes",
    read: |value| value.as_str().map(str::to_owned),
};

/// A text that is absent by default.
pub(super) const SOME_TEXT: Kind<Option<String>> = Kind {
    expected: TEXT.expected,
    read: |value| (TEXT.read)(value).map(Some),
};

pub(super) const LIST: Kind<Vec<String>> = Kind {
    expected: "a list of texts, such as [\"a\", \"b\"]",
    read: |value| {
        let elements = value.as_array()?.iter();
        elements
            .map(|element| (TEXT.read)(element.get_ref()))
            .collect()
    },
};

/// A list that may be written as its only element.
pub(super) const TEXTS: Kind<Vec<String>> = Kind {
    expected: "text in quotes, or a list of texts",
    read: |value| match (TEXT.read)(value) {
        Some(one) => Some(vec![one]),
        None => (LIST.read)(value),
    },
};

pub(super) const COUNT: Kind<usize> = Kind {
    expected: "a whole number",
    read: |value| integer(value)?.try_into().ok(),
};

/// A number that is absent by default.
pub(super) const SOME_COUNT: Kind<Option<usize>> = Kind {
    expected: COUNT.expected,
    read: |value| (COUNT.read)(value).map(Some),
};

pub(super) const ADDRESS: &str = "an address and port such as \"127.0.0.1:7400\", \"[::1]:7400\" or \
     \"localhost:7400\", the host known by that name";

pub(super) const SHARDS: Kind<Option<NonZeroU16>> = Kind {
    expected: "a number of shards, or 0 for one per core",
    read: |value| integer(value)?.try_into().ok().map(NonZeroU16::new),
};

pub(super) const DURATION: Kind<Duration> = Kind {
    expected: "whole seconds, or a duration such as \"1500ms\", \"60s\", \"5m\", \"1h\", \"2d\"",
    read: duration,
};

/// A bound that is absent by default, and set by any duration.
pub(super) const SOME_DURATION: Kind<Option<Duration>> = Kind {
    expected: DURATION.expected,
    read: |value| duration(value).map(Some),
};

/// A duration that may be zero, which turns something off.
pub(super) const ZERO_IS_NONE: Kind<Option<Duration>> = Kind {
    expected: DURATION.expected,
    read: |value| duration(value).map(|duration| (!duration.is_zero()).then_some(duration)),
};

pub(super) const BYTES: Kind<usize> = Kind {
    expected: "whole bytes, or a size such as \"64KB\", \"8MiB\", \"1GiB\"",
    read: |value| match value.as_str() {
        Some(text) => parse_bytes(text),
        None => integer(value)?.try_into().ok(),
    },
};

pub(super) const SOME_BYTES: Kind<Option<usize>> = Kind {
    expected: BYTES.expected,
    read: |value| (BYTES.read)(value).map(Some),
};

fn duration(value: &DeValue<'_>) -> Option<Duration> {
    match value.as_str() {
        Some(text) => parse_duration(text),
        None => integer(value).map(Duration::from_secs),
    }
}

/// A TOML integer of any radix that is not negative and fits.
fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// One table of the document: hands out keys, and knows at the end which were never asked for.
pub(super) struct Section<'a> {
    text: &'a str,
    path: &'a str,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    lines: &'a mut HashMap<String, usize>,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        text: &'a str,
        path: &'a str,
        table: &'a DeTable<'a>,
        lines: &'a mut HashMap<String, usize>,
    ) -> Self {
        Self {
            text,
            path,
            table,
            known: Vec::new(),
            lines,
        }
    }

    /// Reads one key into its place, which keeps its value when the key is absent.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        kind: &Kind<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.ask(key) else {
            return Ok(());
        };
        *into =
            (kind.read)(value.get_ref()).ok_or_else(|| self.refuse(key, value, kind.expected))?;
        Ok(())
    }

    /// Reads a key that has no default.
    pub(super) fn need<T>(&mut self, key: &'static str, kind: &Kind<T>) -> Result<T, ConfigError> {
        let Some(value) = self.ask(key) else {
            let problem = format!("expected {}, found nothing", kind.expected);
            let line = self.lines.get(self.path).copied();
            return Err(ConfigError::new(self.path_of(key), problem).at_line(line));
        };
        (kind.read)(value.get_ref()).ok_or_else(|| self.refuse(key, value, kind.expected))
    }

    /// Reads a key whose value is one of a few words.
    pub(super) fn word<T>(
        &mut self,
        key: &'static str,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        let mut expected = format!("\"{}\"", words.join("\" or \""));
        let found = self
            .table
            .get(key)
            .and_then(|value| value.get_ref().as_str());
        if let Some(meant) = found.and_then(|found| closest(found, words)) {
            expected = format!("{expected} (did you mean \"{meant}\"?)");
        }
        self.parse(key, &expected, parse, into)
    }

    /// Reads a key whose value is a text that means something else.
    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: fn(&str) -> Option<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.ask(key) else {
            return Ok(());
        };
        let parsed = value.get_ref().as_str().and_then(parse);
        *into = parsed.ok_or_else(|| self.refuse(key, value, expected))?;
        Ok(())
    }

    /// Reads the table under a key, to its last key.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.ask(key) else {
            return Ok(());
        };
        let path = self.path_of(key);
        let Some(table) = value.get_ref().as_table() else {
            return Err(self.refuse(key, value, &format!("a table, [{path}]")));
        };
        let mut section = Section::new(self.text, &path, table, self.lines);
        read(&mut section)?;
        section.finish()
    }

    /// Reads the tables under a key, `[[key]]`, in their order, each to its last key.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'_>) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let Some(value) = self.ask(key) else {
            return Ok(Vec::new());
        };
        let path = self.path_of(key);
        let elements = value.get_ref().as_array();
        let Some(elements) = elements else {
            return Err(self.refuse(key, value, &format!("tables, [[{key}]]")));
        };
        let mut tables = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let Some(table) = element.get_ref().as_table() else {
                return Err(self.refuse(key, element, &format!("tables, [[{key}]]")));
            };
            let path = format!("{path}[{index}]");
            let line = line_at(self.text, element.span().start);
            self.lines.insert(path.clone(), line);
            let mut section = Section::new(self.text, &path, table, self.lines);
            tables.push(read(&mut section)?);
            section.finish()?;
        }
        Ok(tables)
    }

    /// Refuses the first key that was never asked for.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let unknown = self
            .table
            .keys()
            .filter(|key| !self.known.contains(&key.get_ref().as_ref()))
            .min_by_key(|key| key.span().start);
        let Some(unknown) = unknown else {
            return Ok(());
        };
        let key: &str = unknown.get_ref();
        let problem = match closest(key, &self.known) {
            Some(meant) => format!("unknown key; did you mean {}?", self.path_of(meant)),
            None => format!("unknown key; known here: {}", self.known.join(", ")),
        };
        let path = self.path_of(&excerpt(key));
        Err(ConfigError::new(path, problem).at_line(Some(line_at(self.text, unknown.span().start))))
    }

    /// The value of a key, remembered as known.
    fn ask(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        let line = line_at(self.text, value.span().start);
        self.lines.insert(self.path_of(key), line);
        Some(value)
    }

    fn refuse(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> ConfigError {
        let found = self.text.get(value.span()).map(excerpt);
        let found = found.unwrap_or_default();
        let kind = value.get_ref().type_str();
        ConfigError::new(
            self.path_of(key),
            format!("expected {expected}, found the {kind} {found}"),
        )
        .at_line(Some(line_at(self.text, value.span().start)))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// The line, from 1, of a byte position.
pub(super) fn line_at(text: &str, position: usize) -> usize {
    let before = text.as_bytes().iter().take(position);
    1 + before.filter(|b| **b == b'\n').count()
}

/// The beginning of a text, safe to show on a terminal.
fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let quoted = shown.chars().flat_map(|c| {
        // Quotes are kept: the excerpt of a string value shows the operator's own.
        let escaped = c.is_control().then(|| c.escape_default());
        let plain = (!c.is_control()).then_some(c);
        escaped.into_iter().flatten().chain(plain)
    });
    quoted.collect()
}

/// The known key that differs from a mistyped one by a slip or two.
pub(super) fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let slips_max = if key.chars().count() <= 4 { 1 } else { 2 };
    known
        .iter()
        .map(|known| (distance(key, known), *known))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, known)| known)
}

/// How many slips lead from one word to another: a letter more, less or wrong, or two that changed places (the optimal
/// string alignment of Damerau and Levenshtein). Keys longer than any of ours are simply far away.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 4 * EXCERPT_CHARS_MAX {
        return usize::MAX;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let is_wrong = usize::from(a[i - 1] != b[j - 1]);
            let replaced = last[j - 1] + is_wrong;
            row[j] = replaced.min(row[j - 1] + 1).min(last[j] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

//! One table of a TOML document, with its spans at hand: hands out values by key, notes what is of
//! the wrong kind and what nobody asked for, and always names the line. Reading goes on after a
//! mistake, so that all are found.

use std::collections::HashMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::kind::{Kind, Resolve};
use super::words::closest;
use crate::limits;

/// Longest excerpt of a refused value in a message.
const EXCERPT_CHARS_MAX: usize = 40;

/// A document that is being read.
struct Document<'a> {
    text: &'a str,
    resolve: Resolve,
    /// The line of each key that is there, by its path.
    lines: HashMap<String, usize>,
    mistakes: Vec<ConfigError>,
}

/// One table of the document: hands out keys, and knows at the end which were never asked for.
pub(crate) struct Table<'d, 'a> {
    document: &'d mut Document<'a>,
    path: String,
    keys: &'d DeTable<'a>,
    known: Vec<&'static str>,
}

/// What came of reading a document: the line of each key that is there, by its path, and the
/// mistakes.
pub(super) type Outcome = (HashMap<String, usize>, Vec<ConfigError>);

/// Reads a document by its outermost table; errors if it is none.
pub(super) fn read_document(
    text: &str,
    resolve: Resolve,
    read: impl FnOnce(&mut Table<'_, '_>),
) -> Result<Outcome, ConfigError> {
    let bytes_max = limits::CONFIG_BYTES_MAX;
    if text.len() > bytes_max {
        let found = text.len();
        let problem = format!("expected at most {bytes_max} bytes, found {found}");
        return Err(ConfigError::new("", problem));
    }
    let parsed = DeTable::parse(text).map_err(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        ConfigError::new("", format!("not TOML: {}", error.message())).at_line(line)
    })?;
    let mut document = Document {
        text,
        resolve,
        lines: HashMap::new(),
        mistakes: Vec::new(),
    };
    Table::read_whole(&mut document, String::new(), parsed.get_ref(), read);
    Ok((document.lines, document.mistakes))
}

impl<'d, 'a> Table<'d, 'a> {
    /// Reads a table to its last key, and notes those that were never asked for.
    fn read_whole(
        document: &'d mut Document<'a>,
        path: String,
        keys: &'d DeTable<'a>,
        read: impl FnOnce(&mut Self),
    ) {
        let mut table = Self {
            document,
            path,
            keys,
            known: Vec::new(),
        };
        read(&mut table);
        table.finish();
    }

    /// The value of a key, remembered as known.
    pub(crate) fn ask(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'a>>> {
        self.known.push(key);
        let value = self.keys.get(key)?;
        let line = line_at(self.document.text, value.span().start);
        self.document.lines.insert(self.path_of(key), line);
        Some(value)
    }

    /// Reads a value of a kind; notes the mistake if it is of another.
    pub(crate) fn read<V: 'static>(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        kind: &Kind<V>,
        into: &mut V,
    ) {
        match kind.read(value.get_ref(), self.document.resolve) {
            Some(read) => *into = read,
            None => self.refuse(key, value, &kind.expected(value.get_ref().as_str())),
        }
    }

    /// Reads the table under a key.
    pub(crate) fn nested(&mut self, key: &'static str, read: impl FnOnce(&mut Table<'_, 'a>)) {
        let Some(value) = self.ask(key) else {
            return;
        };
        let path = self.path_of(key);
        match value.get_ref().as_table() {
            Some(table) => Table::read_whole(self.document, path, table, read),
            None => self.refuse(key, value, &format!("a table, [{path}]")),
        }
    }

    /// Reads the tables under a key, `[[key]]`, in their order.
    pub(crate) fn elements(&mut self, key: &'static str, mut read: impl FnMut(&mut Table<'_, 'a>)) {
        let Some(value) = self.ask(key) else {
            return;
        };
        let expected = format!("tables, [[{key}]]");
        let Some(elements) = value.get_ref().as_array() else {
            return self.refuse(key, value, &expected);
        };
        for (index, element) in elements.iter().enumerate() {
            let Some(table) = element.get_ref().as_table() else {
                return self.refuse(key, element, &expected);
            };
            let path = format!("{}[{index}]", self.path_of(key));
            let line = line_at(self.document.text, element.span().start);
            self.document.lines.insert(path.clone(), line);
            Table::read_whole(self.document, path, table, &mut read);
        }
    }

    /// Notes that a key is not there which has no default.
    pub(crate) fn miss(&mut self, key: &str, expected: &str) {
        let problem = format!("expected {expected}, found nothing");
        let line = self.document.lines.get(&self.path).copied();
        self.note(ConfigError::new(self.path_of(key), problem).at_line(line));
    }

    /// Notes that a value is not what is expected.
    pub(crate) fn refuse(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let text = self.document.text;
        let found = text.get(value.span()).map(excerpt).unwrap_or_default();
        let kind = value.get_ref().type_str();
        let problem = format!("expected {expected}, found the {kind} {found}");
        let line = line_at(text, value.span().start);
        self.note(ConfigError::new(self.path_of(key), problem).at_line(Some(line)));
    }

    /// Notes the keys that were never asked for.
    fn finish(&mut self) {
        for unknown in self.keys.keys() {
            let key: &str = unknown.get_ref();
            if self.known.contains(&key) {
                continue;
            }
            let problem = match closest(key, &self.known) {
                Some(meant) => format!("unknown key; did you mean {}?", self.path_of(meant)),
                None => format!("unknown key; known here: {}", self.known.join(", ")),
            };
            let line = line_at(self.document.text, unknown.span().start);
            let path = self.path_of(&excerpt(key));
            self.note(ConfigError::new(path, problem).at_line(Some(line)));
        }
    }

    fn note(&mut self, mistake: ConfigError) {
        if self.document.mistakes.len() < limits::CONFIG_MISTAKES_MAX {
            self.document.mistakes.push(mistake);
        }
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
fn line_at(text: &str, position: usize) -> usize {
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

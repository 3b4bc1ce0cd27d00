//! TOML text to [`Config`]: each key read once, by name, and every other key refused by name.
//!
//! The document is walked with its spans at hand, so that every refusal can name a line. Bounds are
//! not judged here: they are the same for values from the command line, and live in `check`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{parse_bytes, parse_duration};
use super::{
    Config, ConfigError, CorsConfig, Driver, HubConfig, LogConfig, LogFormat, RetentionConfig,
    Scopes, ServerConfig, SessionsConfig,
};
use crate::limits;

/// Longest excerpt of a refused value in a message.
const EXCERPT_CHARS_MAX: usize = 40;

impl Config {
    /// Reads a configuration file; keys it does not name keep their defaults.
    ///
    /// Where the server may listen is not judged yet, because the command line may still have its
    /// say: call [`check`](Self::check) when the values are final.
    ///
    /// # Errors
    ///
    /// Text that is not TOML, a key that does not exist, a value of the wrong kind, a value out of
    /// bounds: the error names the dotted key, what was expected, and the line.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        if text.len() > limits::CONFIG_BYTES_MAX {
            let problem = format!(
                "expected at most {} bytes, found {}",
                limits::CONFIG_BYTES_MAX,
                text.len()
            );
            return Err(ConfigError::new("", problem));
        }
        let document = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            ConfigError::new("", format!("not TOML: {}", error.message())).at_line(line)
        })?;

        let mut config = Self::default();
        let mut lines = HashMap::new();
        let mut root = Section::new(text, "", document.get_ref(), &mut lines);
        root.section("server", |section| server(section, &mut config.server))?;
        root.section("log", |section| log(section, &mut config.log))?;
        root.section("hub", |section| hub(section, &mut config.hub))?;
        root.section("sessions", |section| {
            sessions(section, &mut config.sessions)
        })?;
        root.finish()?;

        config.check_bounds().map_err(|error| {
            let line = lines.get(error.key()).copied();
            error.at_line(line)
        })?;
        Ok(config)
    }
}

fn server(section: &mut Section<'_>, server: &mut ServerConfig) -> Result<(), ConfigError> {
    section.read("listen", &ADDRESS, &mut server.listen)?;
    section.read("shards", &SHARDS, &mut server.shards)?;
    section.word("driver", Driver::WORDS, Driver::parse, &mut server.driver)?;
    section.read("open", &BOOLEAN, &mut server.open)?;
    section.read("echo", &BOOLEAN, &mut server.echo)?;
    section.read("connections_max", &COUNT, &mut server.connections_max)?;
    section.read("drain_timeout", &DURATION, &mut server.drain_timeout)
}

fn log(section: &mut Section<'_>, log: &mut LogConfig) -> Result<(), ConfigError> {
    section.word(
        "format",
        LogFormat::WORDS,
        LogFormat::parse,
        &mut log.format,
    )?;
    section.read("level", &TEXT, &mut log.level)
}

fn hub(section: &mut Section<'_>, hub: &mut HubConfig) -> Result<(), ConfigError> {
    section.word("scopes", Scopes::WORDS, Scopes::parse, &mut hub.scopes)?;
    section.read("session_ttl", &DURATION, &mut hub.session_ttl)?;
    section.read("logs_bytes_max", &BYTES, &mut hub.logs_bytes_max)?;
    section.section("retention", |section| {
        let RetentionConfig { age, events, bytes } = &mut hub.retention;
        section.read("age", &DURATION, age)?;
        section.read("events", &COUNT, events)?;
        section.read("bytes", &BYTES, bytes)
    })
}

fn sessions(section: &mut Section<'_>, sessions: &mut SessionsConfig) -> Result<(), ConfigError> {
    section.read("publish_bytes_max", &BYTES, &mut sessions.publish_bytes_max)?;
    let timeout = &mut sessions.poll_timeout_max;
    section.read("poll_timeout_max", &SOME_DURATION, timeout)?;
    section.section("cors", |section| {
        let CorsConfig {
            allow_origin,
            allow_headers,
            allow_methods,
        } = &mut sessions.cors;
        section.read("allow_origin", &TEXT, allow_origin)?;
        section.read("allow_headers", &TEXT, allow_headers)?;
        section.read("allow_methods", &TEXT, allow_methods)
    })
}

/// A kind of value: how to say what is expected, and how to read it.
struct Kind<T> {
    expected: &'static str,
    read: fn(&DeValue<'_>) -> Option<T>,
}

const BOOLEAN: Kind<bool> = Kind {
    expected: "true or false",
    read: |value| value.as_bool(),
};

const TEXT: Kind<String> = Kind {
    expected: "text in quotes",
    read: |value| value.as_str().map(str::to_owned),
};

const COUNT: Kind<usize> = Kind {
    expected: "a whole number",
    read: |value| integer(value)?.try_into().ok(),
};

const ADDRESS: Kind<SocketAddr> = Kind {
    expected: "an address and port such as \"127.0.0.1:7400\" or \"[::1]:7400\"",
    read: |value| value.as_str()?.parse().ok(),
};

const SHARDS: Kind<Option<NonZeroU16>> = Kind {
    expected: "a number of shards, or 0 for one per core",
    read: |value| integer(value)?.try_into().ok().map(NonZeroU16::new),
};

const DURATION: Kind<Duration> = Kind {
    expected: "whole seconds, or a duration such as \"1500ms\", \"60s\", \"5m\", \"1h\", \"2d\"",
    read: duration,
};

/// A bound that is absent by default, and set by any duration.
const SOME_DURATION: Kind<Option<Duration>> = Kind {
    expected: DURATION.expected,
    read: |value| duration(value).map(Some),
};

const BYTES: Kind<usize> = Kind {
    expected: "whole bytes, or a size such as \"64KB\", \"8MiB\", \"1GiB\"",
    read: |value| match value.as_str() {
        Some(text) => parse_bytes(text),
        None => integer(value)?.try_into().ok(),
    },
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
struct Section<'a> {
    text: &'a str,
    path: &'a str,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
    lines: &'a mut HashMap<String, usize>,
}

impl<'a> Section<'a> {
    fn new(
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
    fn read<T>(
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

    /// Reads a key whose value is one of a few words.
    fn word<T>(
        &mut self,
        key: &'static str,
        words: &[&str],
        parse: fn(&str) -> Option<T>,
        into: &mut T,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.ask(key) else {
            return Ok(());
        };
        *into = value.get_ref().as_str().and_then(parse).ok_or_else(|| {
            let expected = format!("\"{}\"", words.join("\" or \""));
            self.refuse(key, value, &expected)
        })?;
        Ok(())
    }

    /// Reads the table under a key, to its last key.
    fn section(
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

    /// Refuses the first key that was never asked for.
    fn finish(&self) -> Result<(), ConfigError> {
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

/// The known key that differs from a mistyped one by a slip or two.
fn closest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let slips_max = if key.chars().count() <= 4 { 1 } else { 2 };
    known
        .iter()
        .map(|known| (distance(key, known), *known))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's distance; keys longer than any of ours are simply far away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    if a.len() > 4 * EXCERPT_CHARS_MAX {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

//! A whole configuration: read from TOML, judged, listed, and written.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use super::ConfigError;
use super::kind::Resolve;
use super::list::{Comment, List, ListedTable};
use super::section::Section;
use super::table::read_document;

/// Reads a configuration; keys that the text does not name keep their defaults. `relations` judges
/// values against their neighbours once each is good by itself. Errors with all mistakes, in the
/// order of their lines.
pub(crate) fn read<S: Section>(
    text: &str,
    resolve: Resolve,
    relations: impl Fn(&S) -> Result<(), ConfigError>,
) -> Result<S, Vec<ConfigError>> {
    let mut section = S::default();
    let read = read_document(text, resolve, |table| section.read(table));
    let (lines, mut mistakes) = read.map_err(|mistake| vec![mistake])?;
    let mut problems = problems(&section);
    // A value that could not be read is what it was before.
    problems.retain(|problem| {
        mistakes
            .iter()
            .all(|mistake| mistake.key() != problem.key())
    });
    if problems.is_empty() && mistakes.is_empty() {
        problems.extend(relations(&section).err());
    }
    mistakes.extend(problems.into_iter().map(|error| {
        // Of a key that is not there, the table where it would be.
        let table = error.key().rsplit_once('.').map_or("", |(table, _)| table);
        let line = lines.get(error.key()).or_else(|| lines.get(table)).copied();
        error.at_line(line)
    }));
    if mistakes.is_empty() {
        return Ok(section);
    }
    mistakes.sort_by_key(ConfigError::line);
    Err(mistakes)
}

/// The values that are out of bounds, in their order.
pub(crate) fn problems(section: &impl Section) -> Vec<ConfigError> {
    let mut problems = Vec::new();
    for table in listed(section) {
        for entry in table.entries {
            let key = || format!("{}.{}", table.path, entry.key);
            problems.extend(
                entry
                    .problem
                    .map(|problem| ConfigError::new(key(), problem)),
            );
        }
    }
    problems
}

fn tables(section: &impl Section, with_examples: bool) -> Vec<ListedTable> {
    let mut list = List::new(with_examples);
    section.list(&mut list);
    list.into_tables()
}

/// The tables of a configuration, in the order in which they are written.
pub(crate) fn listed(section: &impl Section) -> Vec<ListedTable> {
    tables(section, false)
}

/// Writes a configuration so that it reads back as the same values, with every key that has one.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, section: &impl Section) -> fmt::Result {
    for (index, table) in listed(section).iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        writeln!(f, "{gap}{}", header(&table.path))?;
        for entry in &table.entries {
            if let Some(value) = &entry.value {
                writeln!(f, "{} = {value}", entry.key)?;
            }
        }
    }
    Ok(())
}

/// A file with every key at its default, and a comment on each. What several tables have alike is
/// explained once.
pub(crate) fn write_default<S: Section>(about: &str) -> String {
    let mut text = about.to_owned();
    let mut explained = HashSet::new();
    let mut explain = |text: &mut String, prefix: &str, comment: Comment| {
        if explained.insert(comment) {
            for line in comment {
                let line = line.trim_start().replace('`', "");
                let _ = writeln!(text, "{}", format!("{prefix}# {line}").trim_end());
            }
        }
    };
    for table in tables(&S::default(), true) {
        let prefix = if table.is_example { "# " } else { "" };
        let is_within = table.is_example && table.path.contains('.');
        text.push_str(if is_within { "#\n" } else { "\n" });
        explain(
            &mut text,
            if is_within { prefix } else { "" },
            table.comment,
        );
        if table.is_example && !is_within {
            text.push_str("#\n");
        }
        let _ = writeln!(text, "{prefix}{}", header(&table.path));
        for entry in table.entries {
            for comment in entry.comments {
                explain(&mut text, prefix, comment);
            }
            let (mark, value) = match (entry.value, entry.example) {
                (_, Some(example)) if table.is_example => ("", example.to_owned()),
                (Some(value), _) => ("", value),
                (None, example) => ("# ", example.unwrap_or_default().to_owned()),
            };
            let _ = writeln!(text, "{prefix}{mark}{} = {value}", entry.key);
        }
    }
    text
}

/// `[hub.retention]` for `hub.retention`, `[[organizations.tokens]]` for
/// `organizations[0].tokens[1]`.
fn header(path: &str) -> String {
    let names: Vec<&str> = path
        .split('.')
        .map(|name| name.split('[').next().unwrap_or_default())
        .collect();
    let names = names.join(".");
    if path.ends_with(']') {
        format!("[[{names}]]")
    } else {
        format!("[{names}]")
    }
}

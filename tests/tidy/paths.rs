//! The paths that a source file names, with groups taken apart and `super` resolved.

use crate::source::Source;

/// A path in a source file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// Its byte position in the file.
    pub(crate) position: usize,
    /// Its segments; `*` for a glob. A path inside this crate begins with `crate`.
    pub(crate) segments: Vec<String>,
}

/// Every path into this crate, in order.
///
/// `super` counts in what is shipped only: inline test modules are one level deeper than their
/// file.
pub(crate) fn crate_paths(source: &Source) -> Vec<NamedPath> {
    let mut found = paths_from(&source.shipped, "super");
    for path in &mut found {
        resolve_super(&source.module(), &mut path.segments);
    }
    found.extend(paths_from(&source.code, "crate"));
    found.sort_by_key(|path| path.position);
    found
}

/// Every path of `code` that begins with the segment `first`, in order.
pub(crate) fn paths_from(code: &str, first: &str) -> Vec<NamedPath> {
    let mut found = Vec::new();
    for position in crate::source::words(code, first) {
        if !continues_a_path(&code[..position]) {
            let mut cursor = Cursor { code, at: position };
            cursor.tree(&mut Vec::new(), &mut found);
        }
    }
    found
}

/// Whether what comes next is a later segment of a path, or a field or method.
fn continues_a_path(before: &str) -> bool {
    let before = before.trim_end();
    match before.strip_suffix("::") {
        // A leading `::` begins a path; `a::` and `<a>::` continue one.
        Some(head) => head
            .trim_end()
            .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>'),
        None => before.ends_with('.') && !before.ends_with(".."),
    }
}

/// Turns leading `super` segments into `crate` and the module they lead to.
fn resolve_super(module: &[&str], segments: &mut Vec<String>) {
    let climbs = segments.iter().take_while(|s| *s == "super").count();
    if climbs == 0 {
        return;
    }
    // Inline modules are deeper than their file; climbing past the root cannot compile.
    let kept = module.len().saturating_sub(climbs);
    let mut resolved = vec!["crate".to_owned()];
    resolved.extend(module[..kept].iter().map(|&s| s.to_owned()));
    resolved.extend(segments.drain(..).skip(climbs));
    *segments = resolved;
}

struct Cursor<'a> {
    code: &'a str,
    at: usize,
}

impl Cursor<'_> {
    /// Reads `a::b`, `a::{b, c::d}` or `a::*` and appends each path that it names.
    fn tree(&mut self, prefix: &mut Vec<String>, found: &mut Vec<NamedPath>) {
        self.skip_space();
        let position = self.at;
        let depth = prefix.len();
        loop {
            self.skip_space();
            if self.take("{") {
                while !self.take("}") && self.at < self.code.len() {
                    let before = self.at;
                    self.tree(prefix, found);
                    self.skip_space();
                    self.take(",");
                    self.skip_space();
                    if self.at == before {
                        // Not a use tree after all; nothing more can be read from it.
                        break;
                    }
                }
                break;
            }
            let segment = if self.take("*") {
                "*".to_owned()
            } else {
                self.word()
            };
            if segment.is_empty() {
                break;
            }
            if segment != "self" {
                prefix.push(segment);
            }
            self.skip_space();
            if !self.take("::") {
                let segments = prefix.clone();
                found.push(NamedPath { position, segments });
                self.skip_alias();
                break;
            }
        }
        prefix.truncate(depth);
    }

    fn skip_alias(&mut self) {
        self.skip_space();
        if self.code[self.at..].starts_with("as ") {
            self.take("as ");
            self.skip_space();
            self.word();
        }
    }

    fn word(&mut self) -> String {
        let rest = &self.code[self.at..];
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.code[self.at..].starts_with(text);
        self.at += if taken { text.len() } else { 0 };
        taken
    }

    fn skip_space(&mut self) {
        let rest = &self.code[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(paths: &[NamedPath]) -> Vec<String> {
        paths.iter().map(|path| path.segments.join("::")).collect()
    }

    fn paths(file: &str, text: &str) -> Vec<String> {
        joined(&crate_paths(&Source::new(file, text)))
    }

    fn outside(text: &str) -> Vec<String> {
        joined(&paths_from(&Source::new("src/x.rs", text).code, "toml"))
    }

    #[test]
    fn groups_are_taken_apart() {
        let text = "use crate::{buf::{Arena, Bytes as B}, hub::*, limits};\nuse crate::x::{self};";
        let expected = [
            "crate::buf::Arena",
            "crate::buf::Bytes",
            "crate::hub::*",
            "crate::limits",
            "crate::x",
        ];
        assert_eq!(paths("src/x.rs", text), expected);
        assert_eq!(
            outside("use {serde::de, toml::{de, Value}};"),
            ["toml::de", "toml::Value"]
        );
    }

    #[test]
    fn paths_in_expressions_count_and_comments_do_not() {
        let text =
            "fn f() -> crate::hub::Event { g(&crate::a::b(), [crate::c::d]) } // crate::e::f";
        assert_eq!(
            paths("src/x.rs", text),
            ["crate::hub::Event", "crate::a::b", "crate::c::d"]
        );
        assert_eq!(paths("src/x.rs", "pub(crate) fn f() {}"), ["crate"]);
        assert!(outside("config::toml::x; self.toml; my_toml::x").is_empty());
        assert_eq!(outside("::toml::x; 0..toml::x"), ["toml::x", "toml::x"]);
    }

    #[test]
    fn climbing_is_resolved() {
        assert_eq!(
            paths("src/hub/event.rs", "use super::scope::Scope;"),
            ["crate::hub::scope::Scope"]
        );
        assert_eq!(
            paths("src/hub/event.rs", "use super::super::shard::X;"),
            ["crate::shard::X"]
        );
        assert_eq!(
            paths("src/hub/mod.rs", "use super::shard;"),
            ["crate::shard"]
        );
        let tests = "#[cfg(test)] mod tests { use super::*; use crate::shard; }";
        assert_eq!(paths("src/hub/mod.rs", tests), ["crate::shard"]);
    }
}

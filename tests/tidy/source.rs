//! A source file as the rules see it: with comments and literals blanked, with its tests blanked,
//! and with its paths resolved.
//!
//! Blanking keeps every byte position and line break, so that a finding can name its line.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One Rust source file.
pub(crate) struct Source {
    /// Relative to the package, with `/` between segments.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Comments, strings and characters blanked.
    pub(crate) code: String,
    /// `code` without the items under `#[cfg(test)]`.
    pub(crate) shipped: String,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let code = blank_literals(&text);
        let shipped = blank_tests(&code);
        Self {
            path: path.into(),
            text,
            code,
            shipped,
        }
    }

    /// `path:line` of a byte position.
    pub(crate) fn at(&self, position: usize) -> String {
        let line = 1 + self.text[..position].matches('\n').count();
        format!("{}:{line}", self.path)
    }

    /// The module path below the crate: `hub`, `event` for `src/hub/event.rs`; empty for the roots.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        let mut segments: Vec<&str> = inner.split('/').collect();
        if segments.last() == Some(&"mod") || segments == ["lib"] {
            segments.pop();
        }
        segments
    }

    /// The files that hold this file's `#[cfg(test)] mod name;`, as prefixes without `.rs`.
    pub(crate) fn test_files(&self) -> Vec<String> {
        let directory = match self.path.rsplit_once('/') {
            Some((directory, "mod.rs" | "lib.rs" | "main.rs")) => directory.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let items = test_items(&self.code);
        let files = items.into_iter().filter_map(|item| {
            let declaration = self.code[item].trim_end().strip_suffix(';')?.to_owned();
            let name = declaration.split_whitespace().next_back()?.to_owned();
            declaration
                .contains("mod ")
                .then(|| format!("{directory}/{name}"))
        });
        files.collect()
    }
}

/// Every Rust file below the given folders of the package, in order of path.
pub(crate) fn sources(folders: &[&str]) -> Vec<Source> {
    let files = folders.iter().flat_map(|folder| files(folder));
    files
        .filter(|path| has_extension(path, "rs"))
        .map(|path| {
            let text = read(&path);
            Source::new(path, text)
        })
        .collect()
}

/// Every file below a folder of the package, in order; build output and hidden files are not ours.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().expect("an entry").to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let inner = path.strip_prefix(root()).expect("below the package");
                found.push(inner.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// Whether a path ends in a dot and `extension`.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// A text file of the package.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The package's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Whether a byte may be part of an identifier; all of ours are ASCII.
fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Positions where `word` stands by itself: not as a part of a longer identifier.
pub(crate) fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let begins = word.bytes().next().is_some_and(is_word);
    let ends = word.bytes().next_back().is_some_and(is_word);
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| {
            let before = at.checked_sub(1).map(|i| bytes[i]);
            let after = bytes.get(at + word.len()).copied();
            !(begins && before.is_some_and(is_word) || ends && after.is_some_and(is_word))
        })
        .collect()
}

/// Replaces everything in a range but line breaks by spaces.
fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Blanks comments, string literals and character literals.
fn blank_literals(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let previous_is_word = at > 0 && is_word(text.as_bytes()[at - 1]);
        let length = literal_length(rest, previous_is_word);
        if length > 0 {
            blank(&mut bytes, at..at + length);
        }
        at += length.max(1);
    }
    String::from_utf8(bytes).expect("whole literals were blanked")
}

/// The length of the comment or literal that `rest` begins with; 0 if it begins with neither.
fn literal_length(rest: &[u8], previous_is_word: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => find(rest, 2, |tail| tail[0] == b'\n', 0),
        [b'/', b'*', ..] => block_comment_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'r', ..] if !previous_is_word => raw_length(rest, 1),
        [b'b' | b'c', b'r', ..] if !previous_is_word => raw_length(rest, 2),
        [b'\'', b'\\', ..] => quoted_length(rest, b'\''),
        [b'\'', first, ..] => {
            // A character has its closing quote after one character; a lifetime has none.
            let width = first.leading_ones().max(1) as usize;
            let closed = rest.get(1 + width) == Some(&b'\'');
            if closed { 2 + width } else { 0 }
        }
        _ => 0,
    }
}

/// The first position from `from` on where `found` holds, plus `extra`; or everything.
fn find(rest: &[u8], from: usize, found: impl Fn(&[u8]) -> bool, extra: usize) -> usize {
    (from..rest.len())
        .find(|&at| found(&rest[at..]))
        .map_or(rest.len(), |at| at + extra)
}

fn quoted_length(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return 0;
    }
    let close: Vec<u8> = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
    find(rest, open + 1, |tail| tail.starts_with(&close), close.len())
}

/// Block comments nest.
fn block_comment_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let tail = &rest[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn blank_tests(code: &str) -> String {
    let mut bytes = code.as_bytes().to_vec();
    for item in test_items(code) {
        blank(&mut bytes, item);
    }
    String::from_utf8(bytes).expect("whole items were blanked")
}

/// Items under `#[cfg(test)]`, each with its attribute, to its semicolon or closing brace.
fn test_items(code: &str) -> Vec<Range<usize>> {
    let attributes = code.match_indices("#[cfg(").filter_map(|(begin, _)| {
        let length = code[begin..].find(']')?;
        let condition = &code[begin..begin + length];
        let only_tests = !words(condition, "test").is_empty() && !condition.contains("not(");
        only_tests.then_some((begin, begin + length + 1))
    });
    attributes
        .map(|(begin, end)| begin..end + item_length(&code.as_bytes()[end..]))
        .collect()
}

/// The length of the item that `rest` begins with, attributes included.
fn item_length(rest: &[u8]) -> usize {
    let mut depth = 0usize;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *byte == b'}' {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let blanked = |text: &str| {
            let code = blank_literals(text);
            assert_eq!(code.len(), text.len());
            code.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(blanked("a // b\nc /* d /* e */ f */ g"), "a c g");
        assert_eq!(
            blanked(r##"a("b \" c", r#"d " e"#, b"f", br"g\")"##),
            "a( , , b , )"
        );
        assert_eq!(
            blanked("fn f<'a>(x: &'a u8) { g('b', '\\'', 'é', b'\"') }"),
            "fn f<'a>(x: &'a u8) { g( , , , b ) }"
        );
        assert_eq!(blanked("number\"x\" r#type"), "number r#type");
        assert_eq!(blanked("a \"never closed"), "a");
    }

    #[test]
    fn tests_are_not_shipped() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { if c {} }\n}\nfn d() {}\n";
        let source = Source::new("src/x.rs", text);
        assert!(source.shipped.contains("fn d()"));
        assert!(!source.shipped.contains("fn b()"));
        assert!(source.code.contains("fn b()"));
        let split = Source::new(
            "src/x/mod.rs",
            "#[cfg(test)]\n#[rustfmt::skip]\nmod tests;\nfn d() {}",
        );
        assert_eq!(split.test_files(), ["src/x/tests"]);
        assert!(split.shipped.contains("fn d()"));
        assert_eq!(
            Source::new("src/y.rs", split.text).test_files(),
            ["src/y/tests"]
        );
        let kept = Source::new("src/x.rs", "#[cfg(not(test))]\nfn a() {}");
        assert!(kept.shipped.contains("fn a()"));
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("Mutex MutexGuard a.Mutex my_Mutex", "Mutex"), [0, 19]);
        assert_eq!(words("println!(x) eprintln!(x)", "println!"), [0]);
    }

    #[test]
    fn modules_are_named_by_their_place() {
        assert_eq!(
            Source::new("src/hub/event.rs", "").module(),
            ["hub", "event"]
        );
        assert_eq!(Source::new("src/hub/mod.rs", "").module(), ["hub"]);
        assert_eq!(Source::new("src/limits.rs", "").module(), ["limits"]);
        assert!(Source::new("src/lib.rs", "").module().is_empty());
    }
}

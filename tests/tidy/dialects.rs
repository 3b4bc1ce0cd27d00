//! What holds for dialects: there is one list of them, nothing above names one, and nothing that is
//! made of the list has an arm for "all others".

use crate::paths::crate_paths;
use crate::source::{Source, read, words};

/// The enums that have a variant for each dialect.
const ENUMS: [&str; 5] = ["Route", "Pending", "Client", "Undo", "Encoding"];

/// A dialect: its module, and its type, which is also its variant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) module: String,
    kind: String,
    /// Only tests have it.
    pub(crate) is_for_tests: bool,
}

/// The dialects, in order, as `src/dialect/mod.rs` lists them.
pub(crate) fn listed() -> Vec<Listed> {
    let list = listed_in(&Source::new(
        "src/dialect/mod.rs",
        read("src/dialect/mod.rs"),
    ));
    assert!(list.len() > 5, "the list is where it is expected");
    list
}

fn listed_in(source: &Source) -> Vec<Listed> {
    let (_, rest) = source
        .code
        .split_once("dialects! {")
        .expect("a list of dialects");
    let (list, _) = rest.split_once('}').expect("the end of the list");
    // What stands before an entry in brackets is when there is one.
    let entries = list.split(',').filter_map(|entry| {
        let is_for_tests = entry.contains("#[cfg(test)]");
        let entry = entry.rsplit(']').next()?;
        let (module, kind) = entry.split_once(':')?;
        Some(Listed {
            module: module.trim().to_owned(),
            kind: kind.trim().to_owned(),
            is_for_tests,
        })
    });
    entries.collect()
}

/// Where a file above `dialect` names a dialect: by its module, or by its variant of one of the
/// enums.
pub(crate) fn named_above(source: &Source, list: &[Listed]) -> Vec<String> {
    let mut findings = Vec::new();
    for path in crate_paths(source) {
        let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
        if let ["crate", "dialect", named, ..] = segments[..]
            && list.iter().any(|dialect| dialect.module == named)
        {
            let at = source.at(path.position);
            findings.push(format!("{at}: `{named}`"));
        }
    }
    for (variant, position) in variants(&source.code, list) {
        let at = source.at(position);
        findings.push(format!("{at}: `{variant}`"));
    }
    findings
}

/// Where a match over one of the enums has an arm for whatever is not named.
pub(crate) fn catch_alls(source: &Source, list: &[Listed]) -> Vec<String> {
    let code = &source.shipped;
    let matches = words(code, "match").into_iter();
    let mut findings = Vec::new();
    for position in matches {
        let patterns = patterns(&code[position..]);
        let of_dialects = patterns
            .iter()
            .any(|pattern| !variants(pattern, list).is_empty());
        if of_dialects && patterns.iter().any(|pattern| is_catch_all(pattern)) {
            findings.push(source.at(position));
        }
    }
    findings
}

/// The variants of dialects that stand in some code, and where.
fn variants(code: &str, list: &[Listed]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for name in ENUMS {
        for Listed { kind, .. } in list {
            let variant = format!("{name}::{kind}");
            let positions = words(code, &variant);
            found.extend(positions.into_iter().map(|at| (variant.clone(), at)));
        }
    }
    found
}

/// The patterns of the match that some code begins with, without guards.
fn patterns(code: &str) -> Vec<String> {
    let bytes = code.as_bytes();
    let Some(begin) = body_begin(bytes) else {
        return Vec::new();
    };
    let (mut at, mut depth, mut from) = (begin, 0_usize, begin);
    let (mut found, mut in_pattern) = (Vec::new(), true);
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => break,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 && !in_pattern && bytes[at] == b'}' && ends_arm(&code[at + 1..]) {
                    (in_pattern, from) = (true, at + 1);
                }
            }
            b'=' if depth == 0 && in_pattern && bytes.get(at + 1) == Some(&b'>') => {
                let pattern = code[from..at].trim_start_matches(',').trim();
                let pattern = pattern.split(" if ").next().unwrap_or(pattern);
                found.push(pattern.trim().to_owned());
                in_pattern = false;
                at += 1;
            }
            b',' if depth == 0 && !in_pattern => (in_pattern, from) = (true, at + 1),
            _ => {}
        }
        at += 1;
    }
    found
}

/// Where the body of a match begins, behind its brace.
fn body_begin(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.checked_sub(1)?,
            b'{' if depth == 0 => return Some(at + 1),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Whether what follows a closing brace shows that it ended an arm, and not a part of an
/// expression.
fn ends_arm(rest: &str) -> bool {
    !rest
        .trim_start()
        .starts_with(['.', '?', '=', '&', '|', ')'])
        && !rest.trim_start().starts_with("else")
}

/// Whether a pattern takes whatever comes.
fn is_catch_all(pattern: &str) -> bool {
    let mut parts = pattern.split(['(', ')', ',', '|']).map(str::trim);
    let mut named = parts.by_ref().filter(|part| !part.is_empty()).peekable();
    named.peek().is_some() && named.all(|part| matches!(part, "_" | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<Listed> {
        let text = "dialects! {\n    #[cfg(test)] one: One,\n    two: Two,\n}\n";
        listed_in(&Source::new("src/dialect/mod.rs", text))
    }

    fn above(text: &str) -> Vec<String> {
        named_above(&Source::new("src/shard/x.rs", text), &list())
    }

    fn catching(text: &str) -> usize {
        catch_alls(&Source::new("src/x.rs", text), &list()).len()
    }

    #[test]
    fn a_list_is_read() {
        let listed = |module: &str, kind: &str, is_for_tests| Listed {
            module: module.to_owned(),
            kind: kind.to_owned(),
            is_for_tests,
        };
        assert_eq!(
            list(),
            [listed("one", "One", true), listed("two", "Two", false)]
        );
    }

    #[test]
    fn a_dialect_is_named_by_its_module_or_its_variant() {
        for bad in [
            "use crate::dialect::one::Thing;",
            "use crate::dialect::{Client, two};",
            "fn f(x: &Client) { if let Client::One(_) = x {} }",
            "const X: Encoding = dialect::Encoding::Two(());",
        ] {
            assert_eq!(above(bad).len(), 1, "{bad}");
        }
        for good in [
            "use crate::dialect::{Client, Route};",
            "// crate::dialect::one, Client::One",
            "fn f() { Client::Onerous }",
        ] {
            assert_eq!(above(good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn an_arm_for_all_others_is_found() {
        for bad in [
            "match x { Client::One(_) => 1, _ => 2 }",
            "match (x, y) { (Client::One(a), Pending::One(b)) => { f() } (_, _) => {} }",
            "match x { Route::One(a) if a.b() => {} _ if c => {} Route::Two(_) => {} }",
            "match f(x, |y| { y }) { Undo::Two(a) => match a { A => 1 }, _ => 2 }",
        ] {
            assert_eq!(catching(bad), 1, "{bad}");
        }
        for good in [
            "match x { Client::One(_) => 1, Client::Two(_) => 2 }",
            "match x { Client::One(a) => match a { A => 1, _ => 2 }, Client::Two(_) => 2 }",
            "match y { Some(_) => Client::One(1), _ => Client::Two(2) }",
        ] {
            assert_eq!(catching(good), 0, "{good}");
        }
    }
}

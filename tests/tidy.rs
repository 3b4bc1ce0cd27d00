//! The house rules, held by reading the sources: the import ladder, the homes of outside crates,
//! of `unsafe` and of the clock, and how files and pages look.
//!
//! Each rule is one test. A failure names file and line and what to write instead. Where a rule is
//! wrong, change it, or its table in `tidy/house.rs`, in the same commit, and say why.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/dialects.rs"]
mod dialects;
#[path = "tidy/house.rs"]
mod house;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tables.rs"]
mod tables;

use std::fs;

use house::{
    BANNED_BUT_HERE, BANNED_PATHS, BANNED_WORDS, CIRCLES, COMMENT_COLUMNS_MAX, DOOR_LINES_MAX,
    FILE_LINES_MAX, HOMES, RANKS, SAME_RANK, TEST_FILE_LINES_MAX, TOP_LEVEL, UNSAFE_HOMES,
    WIDE_DOORS,
};
use paths::{crate_paths, paths_from};
use source::{Source, files, read, root, sources, words};

/// Where the rules for Rust files hold.
const CODE: [&str; 4] = ["src", "tests", "benches", "loadtest"];

/// Fails with every finding of a rule.
fn assert_none(rule: &str, mut findings: Vec<String>) {
    findings.sort();
    findings.dedup();
    assert!(
        findings.is_empty(),
        "{rule}\n\n  {}\n",
        findings.join("\n  ")
    );
}

fn rank(module: &str) -> Option<u8> {
    let found = RANKS.iter().find(|(name, _)| *name == module);
    found.map(|(_, rank)| *rank)
}

/// The files of src that stand on the ladder: all but the map itself.
fn rungs() -> impl Iterator<Item = Source> {
    let all = sources(&["src"]);
    assert!(all.len() > 10, "the sources are where they are expected");
    all.into_iter().filter(|source| source.path != "src/lib.rs")
}

/// The files of modules below `runtime`, without those that are only tests.
fn core_sources() -> Vec<Source> {
    let all = sources(&["src"]);
    let test_files: Vec<String> = all.iter().flat_map(Source::test_files).collect();
    let below = rungs().filter(|source| {
        let rank = source.module().first().and_then(|module| rank(module));
        let only_tests = test_files.iter().any(|file| {
            let rest = source.path.strip_prefix(file.as_str());
            rest.is_some_and(|rest| rest.starts_with(['.', '/']))
        });
        rank.is_some_and(|rank| rank < 7) && !only_tests
    });
    below.collect()
}

#[test]
fn every_module_has_a_rank() {
    let unranked = rungs().filter(|source| rank(source.module()[0]).is_none());
    let findings = unranked.map(|source| source.path);
    assert_none(
        "give these modules a rank on the ladder, in tests/tidy/house.rs:",
        findings.collect(),
    );
}

#[test]
fn imports_point_down_the_ladder() {
    let mut findings = Vec::new();
    for source in rungs() {
        let module = source.module()[0].to_owned();
        for path in crate_paths(&source) {
            let Some(target) = path.segments.get(1) else {
                continue;
            };
            if *target == module || SAME_RANK.contains(&(module.as_str(), target.as_str())) {
                continue;
            }
            let at = source.at(path.position);
            match (rank(&module), rank(target)) {
                (Some(from), Some(to)) if to < from => {}
                (Some(from), Some(to)) => findings.push(format!(
                    "{at}: `{module}` (rank {from}) imports `{target}` (rank {to}); move what both \
                     need to a lower rank, or pass it in as a value"
                )),
                _ => findings.push(format!(
                    "{at}: `{target}` is not a module; name where it lives"
                )),
            }
        }
    }
    assert_none(
        "imports point to a strictly lower rank (src/ARCHITECTURE.md):",
        findings,
    );
}

#[test]
fn dialects_do_not_know_each_other() {
    let list = dialects::listed();
    let is_dialect = |name: &str| list.iter().any(|dialect| dialect.module == name);
    let mut findings = Vec::new();
    for source in rungs() {
        let module = source.module();
        let ["dialect", own, ..] = module[..] else {
            continue;
        };
        if !is_dialect(own) {
            continue;
        }
        for path in crate_paths(&source) {
            let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
            if let ["crate", "dialect", other, ..] = segments[..]
                && other != own
                && is_dialect(other)
            {
                let at = source.at(path.position);
                findings.push(format!(
                    "{at}: `{own}` imports `{other}`; share it in `dialect` itself"
                ));
            }
        }
    }
    assert_none("a dialect never imports another:", findings);
}

#[test]
fn no_two_files_of_a_folder_need_each_other() {
    let mut found = circles::circles(&sources(&["src"]));
    for (folder, files) in CIRCLES {
        let files = files.iter().map(|&file| file.to_owned()).collect();
        let known = (folder.to_owned(), files);
        let there = found.clone();
        assert!(
            found.remove(&known),
            "{known:?} is gone: correct tests/tidy/house.rs; there are {there:?}"
        );
    }
    let findings = found
        .into_iter()
        .map(|(folder, files)| format!("{folder}: {}", files.join(" ⇄ ")));
    assert_none(
        "move what these files share below them, or into one of them:",
        findings.collect(),
    );
}

#[test]
fn nothing_above_the_dialects_names_one() {
    let list = dialects::listed();
    let above = rungs().filter(|source| rank(source.module()[0]).is_some_and(|rank| rank > 4));
    let findings = above.flat_map(|source| dialects::named_above(&source, &list));
    assert_none(
        "ask the dialect by a method of `Dialect` (src/dialect/contract.rs):",
        findings.collect(),
    );
}

#[test]
fn a_dialect_has_an_arm_of_its_own() {
    let list = dialects::listed();
    let findings = rungs().flat_map(|source| dialects::catch_alls(&source, &list));
    assert_none(
        "name every dialect, or `dispatch!`; another one would be forgotten here:",
        findings.collect(),
    );
}

#[test]
fn outside_crates_stay_at_home() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let module = source.module().first().copied().unwrap_or("lib");
        for (name, allowed, instead) in &HOMES {
            if allowed.contains(&module) {
                continue;
            }
            for path in paths_from(&source.code, name) {
                // A variable or a field may share a crate's name; a path or an import may not.
                let before = source.code[..path.position].trim_end();
                let imported = before.ends_with("use") || before.ends_with("crate");
                if path.segments.len() > 1 || imported {
                    let at = source.at(path.position);
                    let homes = allowed.join("`, `");
                    findings.push(format!("{at}: `{name}` lives in `{homes}`; {instead}"));
                }
            }
        }
    }
    assert_none("these outside crates have a home:", findings);
}

#[test]
fn the_core_has_no_clock_socket_thread_or_file() {
    let mut findings = Vec::new();
    for source in core_sources() {
        for path in ["std", "core"]
            .iter()
            .flat_map(|root| paths_from(&source.shipped, root))
        {
            let named = path.segments.join("::").replacen("core::", "std::", 1);
            let banned = BANNED_PATHS.iter().find(|(banned, _)| {
                let whole_module = !["std::time", "std::net"].contains(banned);
                let rest = named.strip_prefix(banned);
                rest.is_some_and(|rest| rest.is_empty() || whole_module && rest.starts_with("::"))
            });
            if let Some((_, instead)) = banned {
                findings.push(format!(
                    "{}: `{named}`; instead: {instead}",
                    source.at(path.position)
                ));
            }
        }
        for (word, instead) in BANNED_WORDS {
            if BANNED_BUT_HERE.contains(&(word, source.path.as_str())) {
                continue;
            }
            for position in words(&source.shipped, word) {
                findings.push(format!(
                    "{}: `{word}`; instead: {instead}",
                    source.at(position)
                ));
            }
        }
    }
    assert_none(
        "below `runtime` everything is a deterministic state machine:",
        findings,
    );
}

#[test]
fn unsafe_has_a_home() {
    let mut findings = Vec::new();
    for source in sources(&CODE) {
        if UNSAFE_HOMES
            .iter()
            .any(|home| source.path.starts_with(home))
        {
            continue;
        }
        for position in words(&source.code, "unsafe") {
            findings.push(source.at(position));
        }
    }
    assert_none(
        "`unsafe`; use a safe crate's API (bytes, socket2, rtrb), or argue for a home:",
        findings,
    );
}

#[test]
fn files_begin_by_saying_what_they_are() {
    let all = sources(&CODE);
    let headless = all.into_iter().filter(|source| {
        let first = source
            .text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        !first.is_some_and(|line| line.starts_with("//! "))
    });
    let findings = headless.map(|source| source.path).collect();
    assert_none(
        "begin these files with `//! What it is, and what it must never know`:",
        findings,
    );
}

#[test]
fn files_are_short() {
    let long = sources(&CODE).into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        let max = if source.path.starts_with("src/") {
            FILE_LINES_MAX
        } else {
            TEST_FILE_LINES_MAX
        };
        (lines > max).then(|| format!("{}: {lines} lines", source.path))
    });
    let rule = "split long files by what they know; tests go first:";
    assert_none(rule, long.collect());
    // Functions are counted by clippy, with this bound.
    assert!(read(".clippy.toml").contains("too-many-lines-threshold = 70"));
}

#[test]
fn comments_are_narrow() {
    let mut findings = Vec::new();
    for source in sources(&CODE) {
        for (number, line) in (1..).zip(source.text.lines()) {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                continue;
            };
            let drawn = comment.contains(['│', '─', '►', '⟲', '…']) || comment.starts_with("! |");
            let columns = line.chars().count();
            // A word that is too long by itself, such as an address, cannot be wrapped.
            let words = comment.split_whitespace().count();
            if columns > COMMENT_COLUMNS_MAX && !drawn && words > 2 {
                findings.push(format!("{}:{number}: {columns} columns", source.path));
            }
        }
    }
    let rule = format!("wrap comments at {COMMENT_COLUMNS_MAX} columns:");
    assert_none(&rule, findings);
}

#[test]
fn a_door_is_not_the_work() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        if !source.path.ends_with("/mod.rs") {
            continue;
        }
        let code = source
            .shipped
            .lines()
            .filter(|line| !line.trim().is_empty());
        let lines = code.count();
        let wide = WIDE_DOORS.iter().find(|(path, _)| *path == source.path);
        let max = wide.map_or(DOOR_LINES_MAX, |(_, lines)| *lines);
        // What a dialect is stands in its door.
        let is_dialect = source.shipped.contains("\nimpl Dialect for ");
        if lines > max && !is_dialect {
            findings.push(format!("{}: {lines} lines of code", source.path));
        }
    }
    let rule = format!(
        "a door with more than {DOOR_LINES_MAX} lines of code does the work of a file beside it:"
    );
    assert_none(&rule, findings);
}

#[test]
fn nothing_is_left_for_later() {
    // Assembled, so that the rule does not find itself.
    let needles = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let mut paths: Vec<String> = CODE.iter().flat_map(|folder| files(folder)).collect();
    paths.extend(["Cargo.toml", "README.md", ".clippy.toml", ".ci/run"].map(str::to_owned));
    let mut findings = Vec::new();
    for path in paths {
        // Test data may be anything, also not text.
        let Ok(text) = fs::read_to_string(root().join(&path)) else {
            continue;
        };
        if path.starts_with("tests/testdata/") {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            for needle in needles
                .iter()
                .filter(|needle| !words(line, needle).is_empty())
            {
                findings.push(format!("{path}:{number}: {needle}"));
            }
        }
    }
    assert_none(
        "do it now, or leave it out and say so in src/ARCHITECTURE.md:",
        findings,
    );
}

#[test]
fn dependencies_say_why_they_are_here() {
    let manifest = read("Cargo.toml");
    let (mut depends, mut depth, mut before) = (false, 0, "");
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') && depth == 0 {
            depends = line.trim_end().ends_with("dependencies]");
        } else if depends
            && depth == 0
            && line.contains('=')
            && !line.starts_with('#')
            && !before.starts_with("# ")
        {
            findings.push(format!("Cargo.toml:{number}: {line}"));
        }
        depth += line.matches(['[', '{']).count();
        depth -= line.matches([']', '}']).count().min(depth);
        before = line;
    }
    assert_none(
        "write `# why this crate, and why not another` directly above:",
        findings,
    );
}

#[test]
fn the_top_level_is_what_one_expects() {
    let entries = fs::read_dir(root()).expect("the package");
    let names = entries.map(|entry| {
        entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let strangers = names.filter(|name| {
        let known = TOP_LEVEL.contains(&name.as_str()) || name.starts_with("LICENSE-");
        !known && !name.starts_with('.') && name != "target"
    });
    let rule = format!(
        "only {} and LICENSE-* can be seen at the top; move these below one of them:",
        TOP_LEVEL.join(", ")
    );
    assert_none(&rule, strangers.collect());
}

#[test]
fn each_sentence_of_a_contract_and_each_fault_has_a_test() {
    let mut findings = tables::findings("tests/CONTRACTS.md", 3);
    findings.extend(tables::findings("tests/FAULTS.md", 4));
    assert_none("name the test, in full:", findings);
}

#[test]
fn the_architecture_mentions_every_module() {
    if !root().join("src/ARCHITECTURE.md").exists() {
        return;
    }
    let architecture = read("src/ARCHITECTURE.md");
    let mut modules: Vec<String> = rungs()
        .map(|source| source.module()[0].to_owned())
        .collect();
    modules.dedup();
    modules.retain(|module| words(&architecture, module).is_empty());
    assert_none(
        "src/ARCHITECTURE.md says nothing about these modules:",
        modules,
    );
}

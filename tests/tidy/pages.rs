//! The pages: Markdown beside what it describes. Links lead somewhere, every page can be found from
//! the front page, and commands name what exists. That `console` blocks print what they show is
//! held by `end_to_end readme`.

use std::collections::BTreeSet;

use crate::assert_none;
use crate::dialects::listed;
use crate::house::{FRONT_PAGE_LINES_MAX, LANGUAGES, PROSE_COLUMNS_MAX};
use crate::source::{files, has_extension, read, root};

/// Where readers begin.
const FRONT_PAGE: &str = "README.md";

/// One page, without its blocks of code.
struct Page {
    /// Relative to the package.
    path: String,
    text: String,
}

impl Page {
    fn new(path: String) -> Self {
        let text = read(&path);
        Self { path, text }
    }

    /// The lines outside of blocks of code, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_code = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        })
    }

    /// The languages of the blocks of code, with the numbers of their first lines.
    fn languages(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut is_code = false;
        (1..)
            .zip(self.text.lines())
            .filter_map(move |(number, line)| {
                let language = line.trim_start().strip_prefix("```")?;
                is_code = !is_code;
                is_code.then_some((number, language))
            })
    }

    /// The targets of all links, with the numbers of their lines; what is code is no link.
    fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            let plain: String = line.split('`').step_by(2).collect();
            for rest in plain.split("](").skip(1) {
                let target = rest.split(')').next().expect("at least one piece");
                if !target.contains("://") {
                    links.push((number, target.to_owned()));
                }
            }
        }
        links
    }

    /// The path of what a link leads to, and the place in it.
    fn resolve(&self, target: &str) -> (String, Option<String>) {
        let (path, anchor) = match target.split_once('#') {
            Some((path, anchor)) => (path, Some(anchor.to_owned())),
            None => (target, None),
        };
        if path.is_empty() {
            return (self.path.clone(), anchor);
        }
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in path.split('/') {
            match part {
                ".." => _ = parts.pop(),
                "" | "." => {}
                part => parts.push(part),
            }
        }
        (parts.join("/"), anchor)
    }

    /// What headings can be linked by, as GitHub makes it of them.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, line) in self.prose() {
            let text = line.trim_start_matches('#');
            if text.len() == line.len() || !text.starts_with(' ') {
                continue;
            }
            let kept = text.trim().to_lowercase();
            let kept = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            let slug = kept.collect::<String>().replace(' ', "-");
            let again = (1..).map(|count| format!("{slug}-{count}"));
            let mut names = std::iter::once(slug.clone()).chain(again);
            let free = names.find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }
}

/// Every page of the package, in order.
fn pages() -> Vec<Page> {
    let mut found = files("");
    found.retain(|path| has_extension(path, "md") && !path.contains("node_modules/"));
    let pages: Vec<Page> = found.into_iter().map(Page::new).collect();
    assert!(pages.len() > 10, "the pages are where they are expected");
    pages
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut findings = Vec::new();
    for page in &pages {
        for (number, target) in page.links() {
            let (path, anchor) = page.resolve(&target);
            let at = format!("{}:{number}: {target}", page.path);
            if !root().join(&path).exists() {
                findings.push(format!("{at}: there is no {path}"));
            } else if let Some(anchor) = anchor {
                let there = pages.iter().find(|page| page.path == path);
                if !there.is_some_and(|page| page.anchors().contains(&anchor)) {
                    findings.push(format!("{at}: {path} has no such heading"));
                }
            }
        }
    }
    assert_none("mend these links:", findings);
}

#[test]
fn every_page_is_found_from_the_front_page() {
    let pages = pages();
    let mut found = vec![FRONT_PAGE.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next) {
        next += 1;
        let Some(page) = pages.iter().find(|page| page.path == *path) else {
            continue;
        };
        for (_, target) in page.links() {
            let (path, _) = page.resolve(&target);
            if !found.contains(&path) {
                found.push(path);
            }
        }
    }
    let lost = pages.into_iter().filter(|page| !found.contains(&page.path));
    assert_none(
        "link these pages from README.md, or from a page that is linked there:",
        lost.map(|page| page.path).collect(),
    );
}

#[test]
fn every_dialect_has_a_page_and_the_front_page_is_short() {
    let lines = read(FRONT_PAGE).lines().count();
    assert!(
        lines <= FRONT_PAGE_LINES_MAX,
        "{FRONT_PAGE} has {lines} lines, at most {FRONT_PAGE_LINES_MAX}: say it on the page it belongs to"
    );
    let served = listed().into_iter().filter(|dialect| !dialect.is_for_tests);
    let folders = served.map(|dialect| format!("src/dialect/{}", dialect.module));
    let folders = folders.filter(|path| root().join(path).is_dir());
    let pages = folders.map(|path| format!("{path}/README.md"));
    let missing = pages.filter(|path| !root().join(path).exists());
    assert_none("write these pages:", missing.collect());
}

#[test]
fn prose_is_wrapped() {
    let mut findings = Vec::new();
    for page in pages() {
        for (number, line) in (1..).zip(page.text.lines()) {
            let table_or_link =
                line.trim_start().starts_with('|') || line.contains("](") || line.contains("://");
            let columns = line.chars().count();
            if columns > PROSE_COLUMNS_MAX && !table_or_link {
                findings.push(format!("{}:{number}: {columns} columns", page.path));
            }
        }
    }
    assert_none(
        &format!("wrap prose at {PROSE_COLUMNS_MAX} columns:"),
        findings,
    );
}

#[test]
fn blocks_of_code_say_what_they_are() {
    let mut findings = Vec::new();
    for page in pages() {
        let strange = page.languages();
        let strange = strange.filter(|(_, language)| !LANGUAGES.contains(language));
        findings
            .extend(strange.map(|(line, language)| format!("{}:{line}: {language:?}", page.path)));
    }
    assert_none(
        &format!(
            "what is run with its output is `console`, what is only typed is `sh`; one of {}:",
            LANGUAGES.join(", ")
        ),
        findings,
    );
}

#[test]
fn commands_name_suites_and_benchmarks_that_exist() {
    let mut findings = Vec::new();
    for page in pages() {
        for (option, folder) in [("--test ", "tests"), ("--bench ", "benches")] {
            for rest in page.text.split(option).skip(1) {
                let ends = |c: char| !c.is_alphanumeric() && c != '_';
                let name = rest.split(ends).next().unwrap_or_default();
                let file = root().join(folder).join(format!("{name}.rs"));
                let is_there = file.exists() || root().join(folder).join(name).exists();
                if !is_there {
                    findings.push(format!("{}: {option}{name}", page.path));
                }
            }
        }
    }
    assert_none("there are no such suites or benchmarks:", findings);
}

//! A page as Markdown: its parts, its blocks of code, and what a block shows.

use std::fs;
use std::path::{Path, PathBuf};

/// The package's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A text file of the package.
pub(crate) fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page of the package, in order.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let inner = path.strip_prefix(root()).expect("below the package");
                pages.push(inner.to_string_lossy().into_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// One block of code.
#[derive(Debug)]
pub(crate) struct Block<'p> {
    /// What follows the opening fence.
    pub(crate) language: &'p str,
    /// The lines between the fences.
    pub(crate) text: &'p str,
}

/// The blocks of a page, in order.
pub(crate) fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("\n```") {
        let (language, code) = rest[start + 4..].split_once('\n').expect("a line's end");
        let end = code.find("```\n").expect("a closing fence");
        let text = &code[..end];
        blocks.push(Block { language, text });
        rest = &code[end + 3..];
    }
    blocks
}

/// The blocks in a language, without their fences.
pub(crate) fn code<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let blocks = blocks(page).into_iter();
    let blocks = blocks.filter(|block| block.language == language);
    blocks.map(|block| block.text).collect()
}

/// A part of a page: from its heading to the next one of the same level, or a higher one.
pub(crate) fn section(page: &str, heading: &str) -> String {
    let level = heading.split(' ').next().expect("a heading");
    let start = page.find(&format!("\n{heading}\n")).expect("it is there") + 1;
    let rest = &page[start..];
    let higher = (1..=level.len()).map(|count| format!("\n{} ", "#".repeat(count)));
    let end = higher.filter_map(|start| rest[1..].find(&start)).min();
    rest[..end.map_or(rest.len(), |end| end + 1)].to_owned()
}

/// The commands of a console block, each with the output that is shown for it. A command goes on in
/// the next line while its quotes are open, or after a backslash or a bar.
pub(crate) fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        let start = line.strip_prefix("$ ").filter(|_| !goes_on);
        if let Some(command) = start {
            commands.push((command.to_owned(), String::new()));
        } else {
            let (command, shown) = commands.last_mut().expect("a command comes first");
            let text = if goes_on { command } else { shown };
            text.push('\n');
            text.push_str(line);
        }
        let (command, shown) = commands.last().expect("one was added");
        let is_quoted = !command.matches('\'').count().is_multiple_of(2);
        goes_on = shown.is_empty() && (is_quoted || command.ends_with(['\\', '|']));
    }
    for (_, shown) in &mut commands {
        *shown = shown.trim_start_matches('\n').to_owned();
    }
    commands
}

//! The tables of contracts and faults: no cell is empty, and each test that is named exists.

use crate::source::{files, has_extension, read, root};

/// What each row of a table lacks; `at` is where the table is.
pub(crate) fn findings(at: &str, columns: usize) -> Vec<String> {
    let text = read(at);
    let rows = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("| "));
    // The heads of the tables name their columns.
    let rows = rows.filter(|(_, line)| !line.ends_with("| test |") && !line.starts_with("| ---"));
    let mut findings = Vec::new();
    let mut count = 0;
    for (number, row) in rows {
        count += 1;
        let at = format!("{at}:{}", number + 1);
        let cells = cells(row);
        if cells.len() != columns || cells.iter().any(String::is_empty) {
            findings.push(format!("{at}: {columns} cells, none of them empty"));
            continue;
        }
        let named: Vec<&str> = cells[columns - 1].split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            findings.push(format!("{at}: it names no test"));
        }
        for test in named {
            if !exists(test) {
                findings.push(format!("{at}: there is no test `{test}`"));
            }
        }
    }
    assert!(count > 0, "{at} has no rows");
    findings
}

/// The cells of a row; a bar that is escaped is text.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{0}");
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split('|')
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// `suite path::name` is a function of a test suite, `lib path::name` one beside the sources,
/// `client.part name` a test of the browser client; a path may end in `*`. What is run by hand is a
/// command of the load tester.
fn exists(test: &str) -> bool {
    let Some((suite, name)) = test.split_once(' ') else {
        return false;
    };
    if suite == "fanfare-loadtest" {
        return true;
    }
    if suite.starts_with("client") {
        let file = format!("src/dialect/pubsub/client/{suite}.test.js");
        let called = format!("test(\"{name}\"");
        return root().join(&file).exists() && read(&file).contains(&called);
    }
    let folder = match suite {
        "lib" => "src".to_owned(),
        "bench" => "benches".to_owned(),
        "loadtest" => "loadtest/src".to_owned(),
        suite => format!("tests/{suite}"),
    };
    let mut path: Vec<&str> = name.split("::").collect();
    let function = path.pop().unwrap_or_default();
    // Tests beside what they test stand in its file, or in one of their own.
    path.retain(|part| *part != "tests");
    let Some(module) = path.last() else {
        return false;
    };
    let sources = files(&folder);
    let mut sources = sources.iter().filter(|path| has_extension(path, "rs"));
    sources.any(|source| {
        let mut parts = source.trim_end_matches(".rs").split('/');
        let is_there = parts.any(|part| part.trim_end_matches("_tests") == *module);
        let declared = [format!("fn {function}("), format!("mod {function} ")];
        is_there && (function == "*" || declared.iter().any(|one| read(source).contains(one)))
    })
}

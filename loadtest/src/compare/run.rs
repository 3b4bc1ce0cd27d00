//! One measurement as a process of its own, and the figures in what it printed.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::suite::Measurement;
use crate::failure::{During, Failure};

/// What one measurement found.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    /// The command line that repeats it.
    pub(super) command: String,
    pub(super) notes: Vec<String>,
    pub(super) rows: Vec<Map<String, Value>>,
    /// Why there are none.
    pub(super) problem: Option<String>,
}

impl Measured {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "command": self.command,
            "notes": self.notes,
            "rows": self.rows,
            "problem": self.problem,
        })
    }
}

/// Runs a measurement and lets its table be seen. One that fails has a problem and no rows; only what
/// concerns all of them is a failure.
pub(super) fn measure(
    measurement: &'static Measurement,
    server: &Path,
    progress: &str,
) -> Result<Measured, Failure> {
    let program = env::current_exe().during("finding this program")?;
    let arguments = measurement.command.split_whitespace();
    let mut command = Command::new(program);
    command.args(arguments).arg("--json");
    command.arg("--server").arg(server);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // Servers say when they come and go; that is for nobody to read here.
    command.stderr(Stdio::null());
    let line = format!("fanfare-loadtest {}", measurement.command);
    say(&format!("\n{progress} {line}"))?;
    let start = Instant::now();
    let mut child = command.spawn().during(&line)?;
    let stdout = child.stdout.take();
    let stdout = stdout.ok_or_else(|| Failure::new("no standard output"))?;
    let mut printed = None;
    let mut last = String::new();
    for text in BufReader::new(stdout).lines() {
        let text = text.during(&line)?;
        if let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) {
            printed = Some(value);
        } else {
            say(&text)?;
            last = text;
        }
    }
    let status = child.wait().during(&line)?;
    say(&format!("{progress} {} s", start.elapsed().as_secs()))?;
    let problem = match (&printed, status.success()) {
        (Some(_), true) => None,
        // What it needs is not here: it says so.
        (None, true) => Some(last),
        (_, false) => Some(format!("failed with {status}")),
    };
    let array = |key: &str| {
        printed
            .as_ref()
            .and_then(|all| all[key].as_array().cloned())
    };
    let notes = array("notes").unwrap_or_default().into_iter();
    let rows = array("rows").unwrap_or_default().into_iter();
    Ok(Measured {
        name: measurement.name,
        command: line,
        notes: notes
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect(),
        rows: rows
            .filter_map(|row| match row {
                Value::Object(row) => Some(row),
                _ => None,
            })
            .collect(),
        problem,
    })
}

/// The figure in a column of the first row whose cells are as said.
pub(super) fn pick(rows: &[Map<String, Value>], at: &[(&str, &str)], column: &str) -> Option<f64> {
    let is_so = |row: &&Map<String, Value>| {
        at.iter().all(|&(name, wanted)| match row.get(name) {
            Some(Value::String(text)) => text == wanted,
            Some(other) => *wanted == *other.to_string(),
            None => false,
        })
    };
    rows.iter().find(is_so)?.get(column)?.as_f64()
}

/// What the figures were found on: kernel, processor, cores.
pub(super) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let release = read("/proc/sys/kernel/osrelease");
    let information = read("/proc/cpuinfo");
    let models = information.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then_some(value.trim())
    });
    let models: Vec<&str> = models.collect();
    let model = models.first().copied().unwrap_or("processor unknown");
    format!("Linux {}, {} × {model}", release.trim(), models.len())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").during("printing")?;
    out.flush().during("printing")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &Value) -> Map<String, Value> {
        cells.as_object().cloned().expect("an object")
    }

    #[test]
    fn a_figure_is_picked_by_the_cells_beside_it() {
        let rows = [
            row(&json!({"driver": "epoll", "window": 1, "round": "median", "ratio": 1.2})),
            row(&json!({"driver": "epoll", "window": 16, "round": "median", "ratio": 1.3})),
            row(&json!({"driver": "epoll", "window": 16, "round": 1, "ratio": null})),
        ];
        let at = [("driver", "epoll"), ("window", "16"), ("round", "median")];
        assert_eq!(pick(&rows, &at, "ratio"), Some(1.3));
        assert_eq!(pick(&rows, &at, "missing"), None);
        assert_eq!(pick(&rows, &[("round", "1")], "ratio"), None);
        assert_eq!(pick(&rows, &[("driver", "io_uring")], "ratio"), None);
        assert_eq!(pick(&rows, &[], "ratio"), Some(1.2));
    }
}

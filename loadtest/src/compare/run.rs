//! One measurement as a process of its own, and the figures in what it printed.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::progress::Progress;
use super::rows::Row;
use super::suite::Measurement;
use crate::failure::{During, Failure};
use crate::report::median;

/// How often progress is shown.
const GLANCE: Duration = Duration::from_millis(250);

/// What the runs of one measurement found.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    /// The command line that repeats it.
    pub(super) command: String,
    pub(super) notes: Vec<String>,
    /// Percent of the machine's time that its host gave to others, in each run.
    pub(super) stolen: Vec<f64>,
    /// The table of each run that had one.
    pub(super) runs: Vec<Vec<Map<String, Value>>>,
    /// Why one has none.
    pub(super) problem: Option<String>,
}

impl Measured {
    /// Before anything is run.
    pub(super) fn new(measurement: &Measurement) -> Self {
        Self {
            name: measurement.name,
            command: format!("fanfare-loadtest {}", measurement.command),
            notes: Vec::new(),
            stolen: Vec::new(),
            runs: Vec::new(),
            problem: None,
        }
    }

    /// The figure in a column of the first row whose cells are as said: of several runs, the one in
    /// the middle.
    pub(super) fn pick(&self, at: &str, column: &str) -> Option<f64> {
        let figures = self.figures(at, column);
        (!figures.is_empty()).then(|| median(&figures))
    }

    /// That figure in every run.
    fn figures(&self, at: &str, column: &str) -> Vec<f64> {
        self.runs
            .iter()
            .filter_map(|rows| pick(rows, at, column))
            .collect()
    }

    /// What every run found for a row of the table.
    pub(super) fn figures_of(&self, row: &Row) -> Vec<f64> {
        let figure = |rows: &Vec<Map<String, Value>>| {
            let figure = pick(rows, row.at, row.column)?;
            let Some(over) = row.over else {
                return Some(figure);
            };
            Some(figure / pick(rows, over, row.column)?)
        };
        self.runs.iter().filter_map(figure).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "command": self.command,
            "notes": self.notes,
            "stolen %": self.stolen,
            "runs": self.runs,
            "problem": self.problem,
        })
    }
}

/// Runs a measurement once more and lets its table be seen. One that fails has a problem and no
/// table; only what concerns all of them is a failure.
pub(super) fn measure(
    measurement: &'static Measurement,
    server: &Path,
    measured: &mut Measured,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let program = env::current_exe().during("finding this program")?;
    let arguments = measurement.command.split_whitespace();
    let mut command = Command::new(program);
    command.args(arguments).arg("--json");
    command.arg("--server").arg(server);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // Servers say when they come and go; that is for nobody to read here.
    command.stderr(Stdio::null());
    let line = measured.command.clone();
    progress.begin(&line, measurement.seconds)?;
    let before = Host::look();
    let mut child = command.spawn().during(&line)?;
    let stdout = child.stdout.take();
    let stdout = stdout.ok_or_else(|| Failure::new("no standard output"))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    let mut printed = None;
    let mut last = String::new();
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(text) => {
                if let Ok(value @ Value::Object(_)) = serde_json::from_str(&text) {
                    printed = Some(value);
                } else {
                    progress.say(&text)?;
                    last = text;
                }
            }
            Err(RecvTimeoutError::Timeout) => progress.glance(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().during(&line)?;
    measured.stolen.push(Host::look().stolen_since(before));
    progress.end()?;
    let array = |key: &str| {
        printed
            .as_ref()
            .and_then(|all| all[key].as_array().cloned())
    };
    match (&printed, status.success()) {
        (Some(_), true) => {}
        // What it needs is not here: it says so.
        (None, true) => measured.problem = Some(last),
        (_, false) => measured.problem = Some(format!("failed with {status}: {last}")),
    }
    let notes = array("notes").unwrap_or_default();
    measured.notes = notes
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let rows = array("rows").unwrap_or_default().into_iter();
    let rows = rows.filter_map(|row| match row {
        Value::Object(row) => Some(row),
        _ => None,
    });
    if printed.is_some() && status.success() {
        measured.runs.push(rows.collect());
    }
    Ok(())
}

/// The figure in a column of the first row whose cells are as said.
fn pick(rows: &[Map<String, Value>], at: &str, column: &str) -> Option<f64> {
    let row = rows.iter().find(|row| is_at(row, at))?;
    row.get(column)?.as_f64()
}

/// Whether a row has these cells, `column=cell; column=cell`; nothing is in all of them.
fn is_at(row: &Map<String, Value>, at: &str) -> bool {
    cells(at).all(|(name, wanted)| match row.get(name) {
        Some(Value::String(text)) => text == wanted,
        Some(other) => *wanted == *other.to_string(),
        None => false,
    })
}

/// The cells of a row as they are written in the table.
pub(super) fn cells(at: &str) -> impl Iterator<Item = (&str, &str)> {
    at.split("; ").filter_map(|cell| cell.split_once('='))
}

/// The places on both axes of all rows whose cells are as said, ascending on the horizontal one.
pub(super) fn pick_all(rows: &[Map<String, Value>], at: &str, x: &str, y: &str) -> Vec<(f64, f64)> {
    let place = |row: &Map<String, Value>| Some((row.get(x)?.as_f64()?, row.get(y)?.as_f64()?));
    let chosen = rows.iter().filter(|row| is_at(row, at));
    let mut places: Vec<_> = chosen.filter_map(place).collect();
    places.sort_by(|left, right| left.0.total_cmp(&right.0));
    places
}

/// What the machine's host did with its time, in the kernel's ticks.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    all: u64,
    stolen: u64,
}

impl Host {
    /// Since the machine started; nothing where the kernel does not say.
    fn look() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&text).unwrap_or_default()
    }

    /// `cpu user nice system idle iowait irq softirq steal guest guest_nice`: proc(5). Guests' time
    /// is in the first two.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.starts_with("cpu "))?;
        let ticks = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    /// In percent.
    fn stolen_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.stolen.saturating_sub(before.stolen) as f64 * 100.0 / all as f64
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &Value) -> Map<String, Value> {
        cells.as_object().cloned().expect("an object")
    }

    #[test]
    fn stolen_time_is_the_eighth_of_the_kernels_counts() {
        let before = Host::parse("cpu  10 0 10 60 0 0 0 20 5 0\ncpu0 1 1 1\n").expect("a line");
        assert_eq!((before.all, before.stolen), (100, 20));
        let after = Host::parse("cpu  10 0 10 110 0 0 0 70 5 0\n").expect("a line");
        assert!((after.stolen_since(before) - 50.0).abs() < 1e-9);
        assert!(Host::parse("cpu  1 2\n").is_none() && Host::parse("").is_none());
    }

    #[test]
    fn a_figure_is_picked_by_the_cells_beside_it() {
        let rows = [
            row(&json!({"driver": "epoll", "window": 1, "round": "median", "ratio": 1.2})),
            row(&json!({"driver": "epoll", "window": 16, "round": "median", "ratio": 1.3})),
            row(&json!({"driver": "epoll", "window": 16, "round": 1, "ratio": null})),
        ];
        let at = "driver=epoll; window=16; round=median";
        assert_eq!(pick(&rows, at, "ratio"), Some(1.3));
        assert_eq!(pick(&rows, at, "missing"), None);
        assert_eq!(pick(&rows, "round=1", "ratio"), None);
        assert_eq!(pick(&rows, "driver=io_uring", "ratio"), None);
        assert_eq!(pick(&rows, "", "ratio"), Some(1.2));
    }
}

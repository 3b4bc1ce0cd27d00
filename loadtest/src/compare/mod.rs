//! `compare`: every measurement of the table, one after the other, each against its bound; then a
//! page to look at.
//!
//! A measurement is a command line of this very program, run as a process of its own: it prints its
//! table as it would for a person, and its JSON is what figures are picked from. So nothing is
//! measured twice in different ways, cores and memory are as fresh as for a person, and what fails
//! or is absent costs its own rows only.

mod chart;
mod charts;
mod page;
mod progress;
mod rows;
mod run;
mod suite;

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::failure::{During, Failure};
use crate::report::{Cell, Report, median, spread_percent};
use charts::CHARTS;
use progress::Progress;
use rows::{Row, rows};
use run::Measured;
use suite::MEASUREMENTS;

/// What is measured, and where the outcome goes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// The server's program. Without it: the one beside this program, which cargo builds first if
    /// it was what started this one.
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// How often everything is measured; figures are those in the middle.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Only measurements whose name has this in it; repeatable.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Where the page is written.
    #[arg(long, value_name = "FILE", default_value = "target/compare.html")]
    html: PathBuf,
    /// Where everything is written as JSON, to be compared with later.
    #[arg(long, value_name = "FILE", default_value = "target/compare.json")]
    out: PathBuf,
    /// Where the cost curves are written as a picture (SVG).
    #[arg(long, value_name = "FILE", default_value = "target/cost.svg")]
    picture: PathBuf,
    /// An earlier JSON file: how its figures stand beside these.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
}

/// How a figure stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Within it.
    Met,
    /// Beyond it.
    Missed,
    /// There is no figure.
    Absent,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// No more.
    AtMost(f64),
    /// No less.
    AtLeast(f64),
}

/// A row of the table with what was found for it.
#[derive(Clone, Debug)]
struct Outcome {
    row: &'static Row,
    figure: Option<f64>,
    /// How far apart the runs are, in percent of it, if there are several.
    spread: Option<f64>,
    /// What an earlier run found.
    before: Option<f64>,
}

impl Bound {
    fn judge(self, figure: Option<f64>) -> Verdict {
        let is_met = |figure: f64| match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        };
        match figure {
            None => Verdict::Absent,
            Some(figure) if is_met(figure) => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Absent => "absent",
        }
    }
}

impl Outcome {
    fn verdict(&self) -> Verdict {
        self.row.bound.judge(self.figure)
    }
}

/// What is measured: the server, and the peers that are built from here.
const PACKAGES: [&str; 3] = ["fanfare", "fanfare-tonic", "fanfare-sockets"];

/// From so many percent of the machine's time on, it is told that others had it.
const STOLEN_PERCENT_MIN: f64 = 3.0;

const COLUMNS: [&str; 7] = [
    "row", "unit", "found", "bound", "verdict", "spread %", "before",
];

/// Runs it.
pub(crate) fn run(args: &CompareArgs) -> Result<Report, Failure> {
    let before = args.before.as_ref().map(read_json).transpose()?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|w| name.contains(w));
    let chosen: Vec<_> = MEASUREMENTS.iter().filter(|m| wanted(m.name)).collect();
    let server = server(args)?;
    let start = Instant::now();
    let mut measured: Vec<Measured> = chosen.iter().map(|m| Measured::new(m)).collect();
    let seconds: u64 = chosen.iter().map(|measurement| measurement.seconds).sum();
    let runs = args.runs as usize;
    let mut progress = Progress::new(chosen.len() * runs, seconds * u64::from(args.runs));
    // One after the other and then again, so that a bad minute does not fall upon all runs of one
    // of them.
    for _ in 0..runs {
        for (measurement, measured) in chosen.iter().zip(&mut measured) {
            run::measure(measurement, &server, measured, &mut progress)?;
        }
    }
    progress.finish();
    let outcomes: Vec<Outcome> = rows()
        .filter(|row| wanted(row.measurement))
        .map(|row| outcome(row, &measured, before.as_ref()))
        .collect();
    let mut report = Report::new("compare", &COLUMNS);
    for measured in measured.iter().filter(|m| m.problem.is_some()) {
        let problem = measured.problem.as_deref().unwrap_or_default();
        report.note(format!("{}: {problem}", measured.name));
    }
    let stolen = measured
        .iter()
        .flat_map(|m| m.stolen.iter().map(|&stolen| (m.name, stolen)));
    for (name, stolen) in stolen.filter(|&(_, stolen)| stolen >= STOLEN_PERCENT_MIN) {
        report.note(format!(
            "{name}: the machine's host gave {stolen:.0} % of its time to others"
        ));
    }
    report.note(format!("took {} s", start.elapsed().as_secs()));
    for outcome in &outcomes {
        report.row(cells(outcome));
    }
    let json = to_json(&outcomes, &measured);
    write(&args.out, &json.to_string())?;
    let page = page::page(&outcomes, &measured, &CHARTS);
    write(&args.html, &page)?;
    write(&args.picture, &page::pictured(&measured, &CHARTS))?;
    report.note(format!("page: {}", args.html.display()));
    Ok(report)
}

/// The server's program, built if it can be.
fn server(args: &CompareArgs) -> Result<PathBuf, Failure> {
    if let Some(server) = &args.server {
        return Ok(server.clone());
    }
    if let Some(cargo) = env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        // Not the workspace: this very program would be replaced while it runs.
        build.args(["build", "--release"]);
        build.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        let status = build.status().during("building the server")?;
        if !status.success() {
            return Err(Failure::new("the server could not be built"));
        }
    }
    let this = env::current_exe().during("finding this program")?;
    Ok(this.with_file_name("fanfare"))
}

fn outcome(row: &'static Row, measured: &[Measured], before: Option<&Value>) -> Outcome {
    let measured = measured.iter().find(|m| m.name == row.measurement);
    let figures = measured.map_or_else(Vec::new, |m| m.figures_of(row));
    Outcome {
        row,
        figure: (!figures.is_empty()).then(|| median(&figures)),
        spread: (figures.len() > 1).then(|| spread_percent(&figures)),
        before: before.and_then(|before| earlier(before, row)),
    }
}

fn cells(outcome: &Outcome) -> [Cell; 7] {
    let figure = |figure: Option<f64>| figure.map_or(Cell::Empty, |figure| Cell::Figure(figure, 3));
    [
        Cell::text(outcome.row.title),
        Cell::text(outcome.row.unit),
        figure(outcome.figure),
        Cell::text(outcome.row.bound.to_string()),
        Cell::text(outcome.verdict().as_str()),
        outcome
            .spread
            .map_or(Cell::Empty, |spread| Cell::Figure(spread, 0)),
        figure(outcome.before),
    ]
}

fn to_json(outcomes: &[Outcome], measured: &[Measured]) -> Value {
    let rows: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "row": outcome.row.title,
                "unit": outcome.row.unit,
                "found": outcome.figure,
                "bound": outcome.row.bound.to_string(),
                "verdict": outcome.verdict().as_str(),
                "spread %": outcome.spread,
            })
        })
        .collect();
    let measurements: Vec<Value> = measured.iter().map(Measured::to_json).collect();
    json!({ "machine": run::machine(), "rows": rows, "measurements": measurements })
}

/// What an earlier run found for a row.
fn earlier(before: &Value, row: &Row) -> Option<f64> {
    let rows = before["rows"].as_array()?;
    let same = rows.iter().find(|earlier| earlier["row"] == row.title)?;
    same["found"].as_f64()
}

fn read_json(file: &PathBuf) -> Result<Value, Failure> {
    let what = file.display().to_string();
    let text = fs::read_to_string(file).during(&what)?;
    serde_json::from_str(&text).during(&what)
}

fn write(file: &PathBuf, text: &str) -> Result<(), Failure> {
    let what = file.display().to_string();
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).during(&what)?;
    }
    fs::write(file, text).during(&what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_on_its_bound_is_within() {
        assert_eq!(Bound::AtMost(1.05).judge(Some(1.05)), Verdict::Met);
        assert_eq!(Bound::AtMost(1.05).judge(Some(1.06)), Verdict::Missed);
        assert_eq!(Bound::AtLeast(2.0).judge(Some(2.0)), Verdict::Met);
        assert_eq!(Bound::AtLeast(2.0).judge(Some(1.9)), Verdict::Missed);
        assert_eq!(Bound::AtLeast(2.0).judge(None), Verdict::Absent);
    }

    #[test]
    fn a_row_may_be_a_ratio_of_two_of_the_table() {
        let row = rows()
            .find(|row| row.over.is_some())
            .expect("there are some");
        let mut measured = Measured::new(&MEASUREMENTS[0]);
        let cells = |at: &str, figure: f64| {
            let cells = run::cells(at).map(|(name, cell)| (name.to_owned(), json!(cell)));
            let figure = (row.column.to_owned(), json!(figure));
            cells.chain([figure]).collect()
        };
        let over = row.over.expect("it was asked for");
        measured.runs = vec![vec![cells(over, 4.0), cells(row.at, 3.0)]];
        assert_eq!(measured.figures_of(row), [0.75]);
        measured.runs = vec![vec![cells(row.at, 3.0)]];
        assert!(
            measured.figures_of(row).is_empty(),
            "there is nothing to compare with"
        );
    }

    #[test]
    fn an_earlier_run_is_found_by_the_title_of_its_row() {
        let row = rows().next().expect("there are some");
        let before = json!({ "rows": [{ "row": row.title, "found": 1.5 }] });
        assert_eq!(earlier(&before, row), Some(1.5));
        assert_eq!(earlier(&json!({ "rows": [] }), row), None);
        assert_eq!(earlier(&json!({}), row), None);
    }
}

//! `compare`: every measurement of the table, one after the other, each against its bound; then a page to look at.
//!
//! A measurement is a command line of this very program, run as a process of its own: it prints its table as it
//! would for a person, and its JSON is what figures are picked from. So nothing is measured twice in different
//! ways, cores and memory are as fresh as for a person, and what fails or is absent costs its own rows only.

mod chart;
mod page;
mod run;
mod suite;

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::failure::{During, Failure};
use crate::report::{Cell, Report};
use run::Measured;
use suite::{CURVES, MEASUREMENTS, ROWS, Row};

/// What is measured, and where the outcome goes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// The server's program.
    #[arg(long, value_name = "PATH", default_value = "target/release/fanfare")]
    server: PathBuf,
    /// Only measurements whose name has this in it; repeatable.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
    /// Where the page is written.
    #[arg(long, value_name = "FILE", default_value = "target/compare.html")]
    html: PathBuf,
    /// Where everything is written as JSON, to be compared with later.
    #[arg(long, value_name = "FILE", default_value = "target/compare.json")]
    out: PathBuf,
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

const COLUMNS: [&str; 6] = ["row", "unit", "found", "bound", "verdict", "before"];

/// Runs it.
pub(crate) fn run(args: &CompareArgs) -> Result<Report, Failure> {
    let before = args.before.as_ref().map(read_json).transpose()?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|w| name.contains(w));
    let chosen: Vec<_> = MEASUREMENTS.iter().filter(|m| wanted(m.name)).collect();
    let start = Instant::now();
    let mut measured: Vec<Measured> = Vec::with_capacity(chosen.len());
    for (index, measurement) in chosen.iter().enumerate() {
        let progress = format!("[{}/{}]", index + 1, chosen.len());
        measured.push(run::measure(measurement, &args.server, &progress)?);
    }
    let found = |row: &Row, all: &[Measured]| {
        let measured = all.iter().find(|m| m.name == row.measurement)?;
        run::pick(&measured.rows, row.at, row.column)
    };
    let outcomes: Vec<Outcome> = ROWS
        .iter()
        .filter(|row| wanted(row.measurement))
        .map(|row| Outcome {
            row,
            figure: found(row, &measured),
            before: before.as_ref().and_then(|before| earlier(before, row)),
        })
        .collect();
    let mut report = Report::new("compare", &COLUMNS);
    for measured in measured.iter().filter(|m| m.problem.is_some()) {
        let problem = measured.problem.as_deref().unwrap_or_default();
        report.note(format!("{}: {problem}", measured.name));
    }
    report.note(format!("took {} s", start.elapsed().as_secs()));
    for outcome in &outcomes {
        report.row(cells(outcome));
    }
    let json = to_json(&outcomes, &measured);
    write(&args.out, &json.to_string())?;
    let page = page::page(&outcomes, &measured, &CURVES);
    write(&args.html, &page)?;
    report.note(format!("page: {}", args.html.display()));
    Ok(report)
}

fn cells(outcome: &Outcome) -> [Cell; 6] {
    let figure = |figure: Option<f64>| figure.map_or(Cell::Empty, |figure| Cell::Figure(figure, 3));
    [
        Cell::text(outcome.row.title),
        Cell::text(outcome.row.unit),
        figure(outcome.figure),
        Cell::text(outcome.row.bound.to_string()),
        Cell::text(outcome.verdict().as_str()),
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
    fn an_earlier_run_is_found_by_the_title_of_its_row() {
        let row = &ROWS[0];
        let before = json!({ "rows": [{ "row": row.title, "found": 1.5 }] });
        assert_eq!(earlier(&before, row), Some(1.5));
        assert_eq!(earlier(&json!({ "rows": [] }), row), None);
        assert_eq!(earlier(&json!({}), row), None);
    }
}

//! Tables for people and one line of JSON for programs, from the same values.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// One value of a table.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A word.
    Text(String),
    /// A count.
    Count(u64),
    /// A figure, and how many digits after the point are worth printing.
    Figure(f64, usize),
    /// Nothing was measured.
    Empty,
}

impl Cell {
    /// A word.
    pub(crate) fn text(word: impl Into<String>) -> Self {
        Self::Text(word.into())
    }

    /// A figure with so many digits after the point; nothing if it is not a number.
    pub(crate) fn figure(value: f64, digits: usize) -> Self {
        if value.is_finite() {
            Self::Figure(value, digits)
        } else {
            Self::Empty
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Figure(figure, digits) => format!("{figure:.digits$}"),
            Self::Empty => "-".to_owned(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(count) => json!(count),
            Self::Figure(figure, _) => json!(figure),
            Self::Empty => Value::Null,
        }
    }
}

/// What one measurement found.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    mode: &'static str,
    /// What was measured, under which circumstances: one line each.
    notes: Vec<String>,
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    /// What the server did wrong, if anything.
    fault: Option<String>,
}

impl Report {
    /// An empty table.
    pub(crate) fn new(mode: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            mode,
            notes: Vec::new(),
            columns,
            rows: Vec::new(),
            fault: None,
        }
    }

    /// Adds a line above the table.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// The lines above the table.
    #[cfg(test)]
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds a row, one cell for each column.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Says what the server did wrong: the figures are printed all the same, and the program fails.
    /// The first one counts.
    pub(crate) fn fail(&mut self, sentence: impl Into<String>) {
        self.fault.get_or_insert_with(|| sentence.into());
    }

    /// Fails with what the server did wrong.
    pub(crate) fn verdict(&self) -> Result<(), Failure> {
        self.fault
            .as_ref()
            .map_or(Ok(()), |why| Err(Failure::new(why)))
    }

    /// Writes notes and table, and then the JSON line if it is wanted.
    pub(crate) fn print(&self, with_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(self.table().as_bytes())?;
        if with_json {
            writeln!(out, "{}", self.json())?;
        }
        out.flush()
    }

    fn table(&self) -> String {
        let header = self.columns.iter().map(|&name| name.to_owned()).collect();
        let rows = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::shown).collect());
        let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let mut text = String::new();
        for note in &self.notes {
            text.extend(["# ", note, "\n"]);
        }
        for line in &lines {
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                // The first column names the row, the others are figures.
                let padded = if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("  {cell:>width$}")
                };
                text.push_str(&padded);
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let named = self.columns.iter().zip(row);
            named
                .map(|(name, cell)| ((*name).to_owned(), cell.value()))
                .collect::<Map<_, _>>()
        });
        let rows: Vec<Value> = rows.map(Value::Object).collect();
        json!({ "mode": self.mode, "notes": self.notes, "rows": rows })
    }
}

/// The word for whether a target was reached.
pub(crate) fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// Cells of figures, each with the digits that are worth printing.
pub(crate) fn figures<const N: usize>(
    figures: [f64; N],
    digits: [usize; N],
) -> impl Iterator<Item = Cell> {
    let figures = figures.into_iter().zip(digits);
    figures.map(|(figure, digits)| Cell::Figure(figure, digits))
}

/// The figures of one subject, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds<const N: usize>(Vec<[f64; N]>);

impl<const N: usize> Rounds<N> {
    /// Adds those of a round.
    pub(crate) fn add(&mut self, figures: [f64; N]) {
        self.0.push(figures);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The median of each figure.
    pub(crate) fn medians(&self) -> [f64; N] {
        std::array::from_fn(|place| median(&self.all(place)))
    }

    /// How far apart the extremes of each figure are, in percent of its median.
    pub(crate) fn spreads(&self) -> [f64; N] {
        std::array::from_fn(|place| spread_percent(&self.all(place)))
    }

    /// The median of each figure's ratio to another subject's, who took turns with this one.
    pub(crate) fn ratios(&self, to: &Self) -> [f64; N] {
        std::array::from_fn(|place| median_ratio(&self.all(place), &to.all(place)))
    }

    fn all(&self, place: usize) -> Vec<f64> {
        self.0.iter().map(|round| round[place]).collect()
    }
}

/// The middle of what was measured; of an even count, the mean of the two middle ones.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// How far apart the extremes are, in percent of the middle.
pub(crate) fn spread_percent(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (most - least) * 100.0 / median(values)
}

/// The middle of the ratios of what was measured in turns: whatever else the machine did, it did it
/// to both of a pair.
pub(crate) fn median_ratio(numerators: &[f64], denominators: &[f64]) -> f64 {
    let pairs = numerators.iter().zip(denominators);
    let ratios: Vec<f64> = pairs.map(|(above, below)| above / below).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_named() {
        let mut report = Report::new("wake", &["round", "cpu µs"]);
        report.note("quiet");
        report.row([Cell::text("median"), Cell::Figure(12.345, 2)]);
        report.row([Cell::Count(1), Cell::Empty]);
        assert_eq!(
            report.table(),
            "# quiet\nround   cpu µs\nmedian   12.35\n1            -\n"
        );
        let expected = json!({
            "mode": "wake",
            "notes": ["quiet"],
            "rows": [{ "round": "median", "cpu µs": 12.345 }, { "round": 1, "cpu µs": null }],
        });
        assert_eq!(report.json(), expected);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
        assert!((spread_percent(&[3.0, 1.0, 2.0]) - 100.0).abs() < 1e-9);
        let (mut above, mut below) = (Rounds::default(), Rounds::default());
        for (number, divisor) in [(2.0, 1.0), (9.0, 3.0), (30.0, 10.0)] {
            above.add([number]);
            below.add([divisor]);
        }
        assert_eq!(above.count(), 3);
        assert!((above.ratios(&below)[0] - 3.0).abs() < 1e-9);
        assert!((above.medians()[0] - 9.0).abs() < 1e-9);
    }
}

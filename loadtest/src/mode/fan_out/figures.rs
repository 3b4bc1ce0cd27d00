//! The figures of one server with one window in `fan-out`: rows of rounds, medians, spreads, and ratios to a peer's.

use super::Round;
use crate::report::{Cell, Report, median, median_ratio, spread_percent, verdict};

/// With one event in flight, the most that a delivery may cost of what the floor does.
const RATIO_TARGET: f64 = 1.15;
/// With sixteen, the most that it may cost: microseconds of cpu.
const MICROS_TARGET: f64 = 0.20;

/// The figures of which medians are printed.
#[derive(Default)]
pub(super) struct Figures {
    per_second: Vec<f64>,
    pub(super) micros: Vec<f64>,
    floors: Vec<f64>,
    frames_per_write: Vec<f64>,
}

impl Figures {
    /// The row of a round, without what names it.
    pub(super) fn add(&mut self, round: &Round) -> [Cell; 9] {
        self.per_second.push(round.per_second);
        self.micros.push(round.micros);
        let mut row = [const { Cell::Empty }; 9];
        row[3] = Cell::Figure(round.per_second, 0);
        row[4] = Cell::Figure(round.micros, 3);
        if let Some(floor) = round.floor {
            self.floors.push(floor);
            row[5] = Cell::Figure(floor, 3);
            row[6] = Cell::Figure(round.micros / floor, 3);
        }
        if let Some(frames) = round.frames_per_write {
            self.frames_per_write.push(frames);
            row[7] = Cell::Figure(frames, 2);
        }
        row[8] = Cell::Count(round.frame_bytes as u64);
        row
    }

    /// How these stand to a peer's, round by round.
    pub(super) fn ratio_row(&self, peer: &Self, name: String, window: u16) -> [Cell; 9] {
        let mut row = [const { Cell::Empty }; 9];
        row[0] = Cell::text(name);
        row[1] = Cell::Count(window.into());
        row[2] = Cell::text("ratio");
        row[3] = Cell::Figure(median_ratio(&self.per_second, &peer.per_second), 3);
        row[4] = Cell::Figure(median_ratio(&self.micros, &peer.micros), 3);
        row
    }

    /// The rows of medians and of spreads, and how the medians stand to the target if there was a floor.
    pub(super) fn sum_up(&self, driver: &str, window: u16, report: &mut Report) {
        let ratios: Vec<f64> = self
            .micros
            .iter()
            .zip(&self.floors)
            .map(|(a, b)| a / b)
            .collect();
        let columns = [
            &self.per_second,
            &self.micros,
            &self.floors,
            &ratios,
            &self.frames_per_write,
        ];
        let digits = [0, 3, 3, 3, 2];
        let mut medians = [const { Cell::Empty }; 9];
        let mut spreads = [const { Cell::Empty }; 9];
        for (row, what) in [(&mut medians, "median"), (&mut spreads, "spread %")] {
            row[0] = Cell::text(driver);
            row[1] = Cell::Count(window.into());
            row[2] = Cell::text(what);
        }
        for (index, (values, digits)) in columns.into_iter().zip(digits).enumerate() {
            if values.is_empty() {
                continue;
            }
            medians[3 + index] = Cell::Figure(median(values), digits);
            spreads[3 + index] = Cell::Figure(spread_percent(values), 0);
        }
        report.row(medians);
        report.row(spreads);
        if self.floors.is_empty() {
            return;
        }
        let (ratio, micros) = (
            median_ratio(&self.micros, &self.floors),
            median(&self.micros),
        );
        match window {
            1 => report.note(format!(
                "target of window 1, at most {RATIO_TARGET} of the floor: {driver} {ratio:.3}, {}",
                verdict(ratio <= RATIO_TARGET)
            )),
            16 => report.note(format!(
                "target of window 16, at most {MICROS_TARGET:.2} us: {driver} {micros:.3}, {}",
                verdict(micros <= MICROS_TARGET)
            )),
            _ => {}
        }
    }
}

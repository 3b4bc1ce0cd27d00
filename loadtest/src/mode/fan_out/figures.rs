//! The figures of one server with one window in `fan-out`: rows of rounds, medians, spreads, and
//! ratios to a peer's.

use crate::report::{Cell, Report, Rounds, verdict};

/// With one event in flight, the most that a delivery may cost of what the floor does.
const RATIO_TARGET: f64 = 1.15;
/// With sixteen, the most that it may cost: microseconds of cpu.
const MICROS_TARGET: f64 = 0.20;

/// The columns from `deliveries/s` to `frames/write`, as far as they are numbers: a peer has no
/// floor beside it.
pub(super) type Figures = [f64; 5];

/// Where in the figures these are.
pub(super) const MICROS: usize = 1;
pub(super) const RATIO: usize = 3;

/// A row of a round, of medians or of spreads.
pub(super) fn row(
    name: &str,
    window: u16,
    round: Cell,
    figures: Figures,
    digits: [usize; 5],
) -> [Cell; 9] {
    let mut row = [const { Cell::Empty }; 9];
    row[0] = Cell::text(name);
    row[1] = Cell::Count(window.into());
    row[2] = round;
    for (cell, (figure, digits)) in row[3..].iter_mut().zip(figures.into_iter().zip(digits)) {
        *cell = Cell::figure(figure, digits);
    }
    row
}

/// The rows of medians and of spreads, and how the medians stand to the target if there was a
/// floor.
pub(super) fn sum_up(rounds: &Rounds<5>, name: &str, window: u16, report: &mut Report) {
    let medians = rounds.medians();
    let median = Cell::text("median");
    report.row(row(name, window, median, medians, [0, 3, 3, 3, 2]));
    let spread = Cell::text("spread %");
    report.row(row(name, window, spread, rounds.spreads(), [0; 5]));
    let (ratio, micros) = (medians[RATIO], medians[MICROS]);
    match window {
        _ if ratio.is_nan() => {}
        1 => report.note(format!(
            "target of window 1, at most {RATIO_TARGET} of the floor: {name} {ratio:.3}, {}",
            verdict(ratio <= RATIO_TARGET)
        )),
        16 => report.note(format!(
            "target of window 16, at most {MICROS_TARGET:.2} us: {name} {micros:.3}, {}",
            verdict(micros <= MICROS_TARGET)
        )),
        _ => {}
    }
}

/// How ours stand to a peer's, round by round: speed and cost only.
pub(super) fn ratio_row(ours: &Rounds<5>, peer: &Rounds<5>, name: &str, window: u16) -> [Cell; 9] {
    let [faster, dearer, ..] = ours.ratios(peer);
    let figures = [faster, dearer, f64::NAN, f64::NAN, f64::NAN];
    row(name, window, Cell::text("ratio"), figures, [3; 5])
}

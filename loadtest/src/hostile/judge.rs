//! What is asked of a server under attack, and whether it was so. No clock, no socket: figures in,
//! verdicts out.

use hdrhistogram::Histogram;

use crate::report::{Cell, Report, verdict};

/// Up to this many attackers, the bounds are as they stand.
const FEW_CONNECTIONS: usize = 200;
/// Up to this many they are twice as wide; beyond nothing is asked.
const MANY_CONNECTIONS: usize = 1_000;
/// A server under a way of holding may grow by what it is configured to let wait, and so much more.
pub(crate) const SLACK_MIB: f64 = 64.0;
/// Right logins that succeed in time, in percent.
pub(crate) const LOGINS_PERCENT: f64 = 99.0;

/// How long the slowest of a hundred may wait while others flood, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FloodBounds {
    /// An answer on a connection that is open.
    pub(crate) open: f64,
    /// A connection, and an answer on it.
    pub(crate) new: f64,
    /// A poll's answer after its time is over.
    pub(crate) poll: f64,
}

impl FloodBounds {
    /// The bounds beside so many attackers; none are set beyond a thousand.
    pub(crate) fn beside(connections: usize) -> Option<Self> {
        if connections > MANY_CONNECTIONS {
            return None;
        }
        let is_few = connections <= FEW_CONNECTIONS;
        let factor = if is_few { 1.0 } else { 2.0 };
        Some(Self {
            open: 50.0 * factor,
            new: 150.0 * factor,
            poll: 50.0 * factor,
        })
    }
}

/// Milliseconds that a share of a histogram's nanoseconds does not exceed.
pub(crate) fn millis_at(of: &Histogram<u64>, share: f64) -> f64 {
    if of.is_empty() {
        return f64::NAN;
    }
    of.value_at_quantile(share) as f64 / 1e6
}

/// MiB of KiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Collects verdicts.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    missed: Vec<String>,
    met: usize,
}

impl Judge {
    /// Whether `found` is at most `bound`, where there is one: the two cells bound and verdict.
    /// What was not measured has missed.
    pub(crate) fn at_most(&mut self, what: &str, found: f64, bound: Option<f64>) -> [Cell; 2] {
        self.holds(what, found, bound, |found, bound| found <= bound, "over")
    }

    /// The same, for what must not be less.
    pub(crate) fn at_least(&mut self, what: &str, found: f64, bound: Option<f64>) -> [Cell; 2] {
        self.holds(what, found, bound, |found, bound| found >= bound, "under")
    }

    /// So many were refused, which no bound allows for.
    pub(crate) fn broken(&mut self, what: &str, refused: u64, bound: f64) -> [Cell; 2] {
        self.missed.push(format!("{what}: {refused} were refused"));
        [Cell::Figure(bound, 0), Cell::text("missed")]
    }

    fn holds(
        &mut self,
        what: &str,
        found: f64,
        bound: Option<f64>,
        is_so: impl Fn(f64, f64) -> bool,
        side: &str,
    ) -> [Cell; 2] {
        let Some(bound) = bound else {
            return [Cell::Empty, Cell::Empty];
        };
        let is_met = is_so(found, bound);
        if is_met {
            self.met += 1;
        } else {
            let sentence = format!("{what}: {found:.1} is {side} {bound:.1}");
            self.missed.push(sentence);
        }
        let word = verdict(is_met);
        [Cell::Figure(bound, 0), Cell::text(word)]
    }

    /// Notes how it went; with `must_hold` a bound that was missed, or that nothing was judged, is
    /// the report's fault.
    pub(crate) fn close(self, must_hold: bool, report: &mut Report) {
        let (met, missed) = (self.met, self.missed.len());
        report.note(format!("bounds: {met} met, {missed} missed"));
        if must_hold && met + missed == 0 {
            report.fail("nothing was judged: no bound is set for this");
        }
        for sentence in &self.missed {
            report.note(format!("missed: {sentence}"));
        }
        if must_hold && let Some(first) = self.missed.first() {
            report.fail(format!("{missed} bounds missed, the first: {first}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::histogram;

    fn judged(judge: Judge, must_hold: bool) -> Report {
        let mut report = Report::new("hostile", &[]);
        judge.close(must_hold, &mut report);
        report
    }

    #[test]
    fn bounds_widen_once_and_then_end() {
        let open = |connections| FloodBounds::beside(connections).map(|bounds| bounds.open);
        assert_eq!(open(2), Some(50.0));
        assert_eq!(open(200), Some(50.0));
        assert_eq!(open(201), Some(100.0));
        assert_eq!(open(1_000), Some(100.0));
        assert_eq!(open(1_001), None);
        let bounds = FloodBounds::beside(1_000).expect("set");
        assert!((bounds.new - 300.0).abs() < 1e-9 && (bounds.poll - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_bound_is_met_up_to_itself() {
        let mut judge = Judge::default();
        let word = |cells: [Cell; 2]| format!("{:?}", cells[1]);
        assert!(word(judge.at_most("a", 50.0, Some(50.0))).contains("met"));
        assert!(word(judge.at_most("b", 50.1, Some(50.0))).contains("missed"));
        assert!(word(judge.at_least("c", 99.0, Some(99.0))).contains("met"));
        assert!(word(judge.at_least("d", 98.9, Some(99.0))).contains("missed"));
        assert!(word(judge.at_most("e", 1e9, None)).contains("Empty"));
        assert!(word(judge.broken("f", 1, 50.0)).contains("missed"));
        assert!(judged(judge, true).verdict().is_err());
    }

    #[test]
    fn nothing_measured_is_missed() {
        let mut judge = Judge::default();
        let empty = millis_at(&histogram().expect("a histogram"), 0.99);
        judge.at_most("open", empty, Some(50.0));
        judge.at_least("logins", f64::NAN, Some(99.0));
        let report = judged(judge, true);
        assert!(report.verdict().is_err());
        assert_eq!(report.notes()[0], "bounds: 0 met, 2 missed");
        assert!(judged(Judge::default(), true).verdict().is_err());
    }

    #[test]
    fn without_judging_a_missed_bound_is_only_told() {
        let mut judge = Judge::default();
        judge.at_most("open", 51.0, Some(50.0));
        let report = judged(judge, false);
        assert!(report.verdict().is_ok());
        assert_eq!(report.notes()[1], "missed: open: 51.0 is over 50.0");
        let mut judge = Judge::default();
        judge.at_most("open", 49.0, Some(50.0));
        assert!(judged(judge, true).verdict().is_ok());
    }

    #[test]
    fn milliseconds_are_of_nanoseconds() {
        let mut found = histogram().expect("a histogram");
        for millis in 1..=100_u64 {
            found.saturating_record(millis * 1_000_000);
        }
        assert!((millis_at(&found, 0.99) - 99.0).abs() < 0.2);
        assert!((mib(2_560) - 2.5).abs() < 1e-9);
    }
}

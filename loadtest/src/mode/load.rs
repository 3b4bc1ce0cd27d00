//! A load of events each of which is for some subscribers, and the columns that modes with one
//! share.
//!
//! An event's latency ends when the last one who is entitled to it has heard it. Of an open load it
//! begins when the event was due, of a closed one when it was sent.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Pid;

use crate::check::exact::Exact;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::load::{Load, micros_at};
use crate::machine::Usage;
use crate::publisher::{HttpPublishing, Plan};
use crate::pump::Pump;
use crate::report::{self, Cell, Report};
use crate::target::settle;
use crate::voice::session::SessionVoice;

/// The columns of every mode that measures this.
pub(super) const COLUMNS: [&str; 16] = [
    "driver",
    "dialect",
    "load",
    "round",
    "events/s",
    "deliveries/s",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "max us",
    "lag p99 us",
    "cpu us/event",
    "cpu us/delivery",
    "core busy %",
    "client busy %",
    "waited %",
];
/// Digits after the point of the figures, which are all columns after the first four.
const DIGITS: [usize; FIGURES] = [0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 1];
const FIGURES: usize = COLUMNS.len() - 4;
/// Where in the figures these are.
pub(super) const P99: usize = 3;
const LAG: usize = 6;
const CLIENT: usize = 10;
const WAITED: usize = 11;
/// A client that worked more than this share of the time, in percent, may be the limit.
const CLIENT_BUSY_MAX: f64 = 90.0;
/// When server and client together waited for their cores more than this share of the time, in
/// percent, the machine had something else to do.
const WAITED_MAX: f64 = 2.0;

/// Subscribers each of which is entitled to some of the events.
pub(super) type ExactFleet = Fleet<SessionVoice, Exact>;

/// Connects subscribers, each with its group, and those who publish what a plan says.
pub(super) fn open_planned(
    address: SocketAddr,
    subscribers: Vec<(usize, SessionVoice)>,
    publishers: usize,
    plan: &Rc<dyn Plan>,
) -> Result<ExactFleet, Failure> {
    let (groups, voices): (Vec<_>, Vec<_>) = subscribers.into_iter().unzip();
    let publishers = publishers.max(1);
    let check = Exact::new(groups, Rc::clone(plan), publishers);
    let mut fleet = Fleet::open(address, voices, check)?;
    for _ in 0..publishers {
        let publishing = HttpPublishing::planned(address, plan);
        fleet.attach(address, Box::new(publishing), 0)?;
    }
    Ok(fleet)
}

/// How fast events come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// So many, of which a window is in flight.
    Window { window: u64, events: u64 },
    /// So many per second, whatever is heard of them, for some time.
    Rate { rate: u64, seconds: u64 },
}

impl Pace {
    /// The word for it in tables.
    pub(super) fn name(self) -> String {
        match self {
            Self::Window { window, .. } => format!("window {window}"),
            Self::Rate { rate, .. } => format!("{rate}/s"),
        }
    }

    /// Publishes it.
    pub(super) fn run(self, fleet: &mut ExactFleet) -> Result<Load, Failure> {
        match self {
            Self::Window { window, events } => fleet.publish(events, window),
            Self::Rate { rate, seconds } => fleet.publish_at(rate, rate * seconds),
        }
    }
}

/// What a load came to.
#[derive(Debug)]
pub(super) struct Measured {
    load: Load,
    deliveries: u64,
    /// Of the server.
    used: Usage,
    /// Time that the client worked.
    worked: Duration,
    /// Time that server and client could have worked and their cores were somebody else's.
    waited: Duration,
}

/// Publishes, from a server at rest to a server at rest. A message that comes to somebody who is
/// not entitled to it is a failure, until the end.
pub(super) fn measure(
    usage: &impl Fn() -> Result<Usage, Failure>,
    fleet: &mut ExactFleet,
    pace: Pace,
) -> Result<Measured, Failure> {
    settle(usage, |duration| fleet.pump_for(duration))?;
    let client = || Usage::of(&[Pid::this()]);
    let (before, client_before) = (usage()?, client()?);
    let (delivered, worked) = (fleet.check().deliveries(), fleet.worked());
    let load = pace.run(fleet)?;
    let worked = fleet.worked().saturating_sub(worked);
    let waited = usage()?.since(before).waited + client()?.since(client_before).waited;
    let at_rest = settle(usage, |duration| fleet.pump_for(duration))?;
    Ok(Measured {
        load,
        deliveries: fleet.check().deliveries() - delivered,
        used: at_rest.since(before),
        worked,
        waited,
    })
}

impl Measured {
    /// Deliveries per second.
    pub(super) fn per_second(&self) -> f64 {
        self.deliveries as f64 / self.load.elapsed.as_secs_f64()
    }

    /// Microseconds of the server's cpu for each delivery.
    pub(super) fn micros(&self) -> f64 {
        self.used.micros_per(self.deliveries)
    }

    /// The server's cpu, in percent of the time that it took.
    pub(super) fn core_busy(&self) -> f64 {
        self.share(self.used.cpu)
    }

    /// The client's work, in percent of the time that it took.
    pub(super) fn client_busy(&self) -> f64 {
        self.share(self.worked)
    }

    /// The time that server and client waited for their cores, in percent of the time that it took.
    pub(super) fn waited(&self) -> f64 {
        self.share(self.waited)
    }

    fn share(&self, of: Duration) -> f64 {
        of.as_secs_f64() * 100.0 / self.load.elapsed.as_secs_f64()
    }

    fn figures(&self) -> [f64; FIGURES] {
        let (late, lags) = (&self.load.latencies, &self.load.lags);
        let lag = if lags.is_empty() {
            f64::NAN
        } else {
            micros_at(lags, 0.99)
        };
        let events = late.len();
        [
            events as f64 / self.load.elapsed.as_secs_f64(),
            self.per_second(),
            micros_at(late, 0.5),
            micros_at(late, 0.99),
            micros_at(late, 0.999),
            late.max() as f64 / 1e3,
            lag,
            self.used.micros_per(events),
            self.micros(),
            self.core_busy(),
            self.client_busy(),
            self.waited(),
        ]
    }
}

/// The figures of one subject, round by round.
#[derive(Debug)]
pub(super) struct Rounds {
    names: [String; 3],
    rounds: report::Rounds<FIGURES>,
}

impl Rounds {
    /// Of this driver, dialect and load.
    pub(super) fn new(driver: &str, dialect: &str, pace: Pace) -> Self {
        Self {
            names: [driver.to_owned(), dialect.to_owned(), pace.name()],
            rounds: report::Rounds::default(),
        }
    }

    /// Adds a round, and its row.
    pub(super) fn add(&mut self, measured: &Measured, report: &mut Report) {
        let figures = measured.figures();
        self.rounds.add(figures);
        let round = Cell::Count(self.rounds.count());
        report.row(self.row(round, figures));
    }

    /// Adds the row of medians, gives them, and notes it if the server was not the limit.
    pub(super) fn sum_up(&self, report: &mut Report) -> [f64; FIGURES] {
        let medians = self.rounds.medians();
        report.row(self.row(Cell::text("median"), medians));
        let (busy, lag, waited) = (medians[CLIENT], medians[LAG], medians[WAITED]);
        let names = self.names.join(", ");
        // A client that is not let run is late, too, and it is not its fault. Without a lag, which
        // is not a number then, only the first can be so.
        let is_late = busy > CLIENT_BUSY_MAX || lag > medians[P99] / 2.0;
        if !note_waiting(&names, waited, report) && is_late {
            report.note(format!(
                "{names}: the client was the limit, {busy:.0} % busy, p99 of its own lag {lag:.0} us"
            ));
        }
        medians
    }

    fn row(&self, round: Cell, figures: [f64; FIGURES]) -> Vec<Cell> {
        let names = self.names.iter().map(Cell::text);
        let figures = figures.into_iter().zip(DIGITS);
        let figures = figures.map(|(figure, digits)| Cell::figure(figure, digits));
        names.chain([round]).chain(figures).collect()
    }
}

/// Notes it if the machine had something else to do; says whether it had.
pub(super) fn note_waiting(names: &str, percent: f64, report: &mut Report) -> bool {
    let was_busy = percent > WAITED_MAX;
    if was_busy {
        report.note(format!(
            "{names}: the machine was not idle, server and client waited for their cores {percent:.0} % of the time"
        ));
    }
    was_busy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_late_is_noted() {
        let mut report = Report::new("rooms", &COLUMNS);
        let pace = Pace::Rate {
            rate: 5,
            seconds: 1,
        };
        let mut rounds = Rounds::new("epoll", "live", pace);
        let mut figures = [1.0; FIGURES];
        figures[P99] = 100.0;
        for (lag, is_noted) in [(f64::NAN, false), (49.0, false), (51.0, true)] {
            figures[LAG] = lag;
            rounds.rounds = report::Rounds::default();
            rounds.rounds.add(figures);
            rounds.sum_up(&mut report);
            assert_eq!(report.notes().len(), usize::from(is_noted), "{lag}");
        }
        figures[WAITED] = 3.0;
        rounds.rounds = report::Rounds::default();
        rounds.rounds.add(figures);
        rounds.sum_up(&mut report);
        let last = report.notes().last().expect("a note");
        assert!(last.contains("not idle"), "{last}");
    }
}

//! `hostile logins`: others try wrong passwords without end; is the right one still let in, and in
//! time?
//!
//! The honest user comes from an address of its own, as users do: a server may tell addresses
//! apart.

use std::net::{IpAddr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Client;
use crate::failure::Failure;
use crate::hostile::attackers::Manner;
use crate::hostile::http1::Pipelined;
use crate::hostile::judge::{Judge, LOGINS_PERCENT, SLACK_MIB, mib, millis_at};
use crate::hostile::peak::Peak;
use crate::hostile::socket::Dialect;
use crate::hostile::told::Words;
use crate::hostile::{Attacker, Attackers, Says};
use crate::load::{histogram, nanos};
use crate::machine::reserve_descriptors;
use crate::mode::{configured, pause};
use crate::pump::Pump;
use crate::report::{Cell, Report};

use super::organization::{NOBODY, Organizations, RIGHT, WRONG};
use super::{AFTER_PAUSE, Common, Resident, waited_percent};

/// A right login succeeds within this time, or it is counted as one that did not.
const IN_TIME: Duration = Duration::from_secs(1);

/// The attempts, and how frequent they are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LoginsArgs {
    #[command(flatten)]
    common: Common,
    /// Connections that try wrong passwords, the next as soon as one is refused.
    #[arg(long, default_value_t = 200)]
    connections: usize,
    /// They try the honest user's name instead of one that does not exist.
    #[arg(long)]
    same_user: bool,
    /// Milliseconds between two right logins.
    #[arg(long, default_value_t = 100)]
    every_ms: u64,
    /// Where the honest user comes from; attackers come from 127.0.0.1.
    #[arg(long, default_value = "127.0.0.2")]
    from: IpAddr,
    /// Seconds of the attack.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds without it before.
    #[arg(long, default_value_t = 2)]
    quiet_seconds: u64,
}

const COLUMNS: [&str; 11] = [
    "logins",
    "tried",
    "in time",
    "in time %",
    "bound %",
    "verdict",
    "p50 ms",
    "p99 ms",
    "max ms",
    "lag p99 ms",
    "others",
];

/// Runs it.
pub(crate) fn run(args: &LoginsArgs) -> Result<Report, Failure> {
    if args.connections == 0 || args.seconds == 0 || args.every_ms == 0 {
        return Err(Failure::new(
            "hostile logins: connections, seconds and milliseconds begin at 1",
        ));
    }
    reserve_descriptors(args.connections)?;
    let organizations = Organizations::draw(&args.common.target.server)?;
    let (_folder, target_args) = configured(&args.common.target, &organizations.config)?;
    let target = args.common.start(&target_args)?;
    let mut report = Report::new("hostile-logins", &COLUMNS);
    report.note(&target.banner);
    report.note(format!(
        "hostile logins: {} connections with wrong passwords of {}, a right one every {} ms from {}, {} s, {}",
        args.connections,
        if args.same_user { "the same user" } else { "nobody" },
        args.every_ms,
        args.from,
        args.seconds,
        args.common.sentence()
    ));
    let address = target.address;
    let interval = Duration::from_millis(args.every_ms);
    let honest = |duration| Honest::start(address, args.from, interval, duration);
    let mut judge = Judge::default();
    // What right passwords cost in memory counts as well.
    let (before, peak) = (target.memory()?.resident, Peak::watch(target.pid()));
    if args.quiet_seconds > 0 {
        let quiet = honest(Duration::from_secs(args.quiet_seconds)).finish()?;
        report.row(quiet.row("alone", [Cell::Empty, Cell::Empty]));
    }
    let usage = target.usage()?;
    let mut attackers = attackers(args, address)?;
    let duration = Duration::from_secs(args.seconds);
    let tries = honest(duration);
    // The last ones have their time, too, and it is no better.
    attackers.pump_for(duration + IN_TIME)?;
    let waited = waited_percent(&target, usage, duration + IN_TIME)?;
    let told = attackers.told().clone();
    drop(attackers);
    let logins = tries.finish()?;
    let peak = peak.finish()?;
    pause(AFTER_PAUSE)?;
    let resident = Resident {
        before: mib(before),
        peak: mib(peak),
        after: mib(target.memory()?.resident),
    };
    let percent = logins.percent();
    let verdict = judge.at_least("right logins in time, %", percent, Some(LOGINS_PERCENT));
    report.row(logins.row("attacked", verdict));
    // The memory of one check is a third of this.
    judge.at_most("MiB grown by logins", resident.grown(), Some(SLACK_MIB));
    report.note(format!(
        "rss {:.1} MiB before, {:.1} at most, {:.1} after",
        resident.before, resident.peak, resident.after
    ));
    report.note(format!(
        "wrong ones: {:.0}/s refused: {}; ended: {}",
        told.refusals.total() as f64 / (duration + IN_TIME).as_secs_f64(),
        told.refusals.sentence(),
        told.endings.sentence()
    ));
    if told.answers > 0 {
        report.fail(format!("{} wrong passwords were accepted", told.answers));
    }
    report.note(format!(
        "the server waited {waited:.1} % of the time for its core"
    ));
    judge.close(args.common.judge, &mut report);
    target.stop()?;
    Ok(report)
}

fn attackers(args: &LoginsArgs, address: SocketAddr) -> Result<Attackers, Failure> {
    let basic = if args.same_user { WRONG } else { NOBODY };
    let request = login(address, basic);
    let manner = Manner {
        comes_again: true,
        is_narrow: false,
    };
    Attackers::open(address, args.connections, manner, move |_| {
        let requests = Says::Same(request.clone());
        let attacker: Box<dyn Attacker> = Box::new(Pipelined::endless(requests).with_window(1));
        attacker
    })
}

fn login(address: SocketAddr, basic: &str) -> Vec<u8> {
    let field = format!("Authorization: Basic {basic}\r\n");
    Dialect::Live.handshake(address, "", &field)
}

/// What became of right logins.
#[derive(Debug)]
struct Logins {
    tried: u64,
    in_time: u64,
    /// Nanoseconds until the answer, whatever it was.
    latencies: Histogram<u64>,
    lags: Histogram<u64>,
    /// What was answered instead.
    others: Words,
}

impl Logins {
    fn percent(&self) -> f64 {
        // Of none, not a number.
        self.in_time as f64 * 100.0 / self.tried as f64
    }

    fn count(&mut self, login: Login) {
        self.tried += 1;
        self.latencies.saturating_record(nanos(login.took));
        match login.answer {
            Ok(101) if login.took <= IN_TIME => self.in_time += 1,
            Ok(101) => self.others.add("too late"),
            Ok(status) => self.others.add(&status.to_string()),
            Err(why) => self.others.add(&why.to_string()),
        }
    }

    fn row(&self, name: &str, [bound, verdict]: [Cell; 2]) -> [Cell; 11] {
        let millis = |of, share| Cell::figure(millis_at(of, share), 1);
        [
            Cell::text(name),
            Cell::Count(self.tried),
            Cell::Count(self.in_time),
            Cell::figure(self.percent(), 1),
            bound,
            verdict,
            millis(&self.latencies, 0.5),
            millis(&self.latencies, 0.99),
            Cell::Figure(self.latencies.max() as f64 / 1e6, 1),
            millis(&self.lags, 0.99),
            Cell::text(self.others.sentence()),
        ]
    }
}

/// One right login.
#[derive(Debug)]
struct Login {
    /// From when it was due.
    took: Duration,
    answer: Result<u16, Failure>,
}

/// The honest user, who does not wait for one answer before trying again.
#[derive(Debug)]
struct Honest {
    thread: JoinHandle<Result<Logins, Failure>>,
}

impl Honest {
    fn start(address: SocketAddr, from: IpAddr, interval: Duration, duration: Duration) -> Self {
        let (first, request) = (Instant::now(), login(address, RIGHT));
        let end = first + duration;
        let thread = thread::spawn(move || {
            let (mut due, mut lags, mut tries) = (first, histogram()?, Vec::new());
            while due < end {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                lags.saturating_record(nanos(due.elapsed()));
                let request = request.clone();
                tries.push(thread::spawn(move || {
                    let answer = Client::connect_from(Some(SocketAddr::new(from, 0)), address)
                        .and_then(|mut client| client.ask(&request));
                    Login {
                        took: due.elapsed(),
                        answer: answer.map(|answer| answer.status),
                    }
                }));
                due += interval;
            }
            let mut logins = Logins {
                tried: 0,
                in_time: 0,
                latencies: histogram()?,
                lags,
                others: Words::default(),
            };
            for login in tries {
                let gone = |_| Failure::new("a thread that logs in ended");
                logins.count(login.join().map_err(gone)?);
            }
            Ok(logins)
        });
        Self { thread }
    }

    fn finish(self) -> Result<Logins, Failure> {
        let gone = |_| Failure::new("the thread of an honest user ended");
        self.thread.join().map_err(gone)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_accepted_in_time_counts() {
        let mut logins = Logins {
            tried: 0,
            in_time: 0,
            latencies: histogram().expect("a histogram"),
            lags: histogram().expect("a histogram"),
            others: Words::default(),
        };
        assert!(logins.percent().is_nan());
        let millis = Duration::from_millis;
        for (took, answer) in [
            (millis(20), Ok(101)),
            (IN_TIME, Ok(101)),
            (IN_TIME + millis(1), Ok(101)),
            (millis(1), Ok(503)),
            (millis(1), Err(Failure::new("closed"))),
        ] {
            logins.count(Login { took, answer });
        }
        assert_eq!((logins.tried, logins.in_time), (5, 2));
        assert!((logins.percent() - 40.0).abs() < 1e-9);
        assert_eq!(logins.latencies.len(), 5);
        assert_eq!(
            logins.others.sentence(),
            "1 x 503; 1 x closed; 1 x too late"
        );
    }

    #[test]
    fn a_login_is_a_handshake_with_credentials() {
        let request = login(SocketAddr::from(([127, 0, 0, 1], 7400)), RIGHT);
        let text = String::from_utf8(request).expect("text");
        assert!(text.starts_with("GET /live/ws HTTP/1.1\r\n"));
        assert!(text.contains(&format!("\r\nAuthorization: Basic {RIGHT}\r\n")));
        assert!(text.ends_with("\r\n\r\n"));
    }
}

//! `latency`: how long an event is on its way to every subscriber, while events come at a set rate.
//!
//! The load is open: an event is due at its time whether or not those before it were heard, and its latency
//! counts from when it was due. So a server that stalls is late for all that fell due meanwhile, and
//! nothing is omitted because the client waited along with it. First the peak is found, with a window of events in
//! flight; then the rates are shares of it. `lag` is the client's own: how long after it was due an event was sent.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::audience::{Audience, Opening};
use crate::failure::Failure;
use crate::machine::{pin, reserve_descriptors};
use crate::mode::session;
use crate::pipeline::Form;
use crate::report::{Cell, Report};
use crate::schedule::micros_at;
use crate::target::{Target, TargetArgs};

/// Events that may be on their way before a server is said to have fallen behind.
const IN_FLIGHT_MAX: usize = 1 << 16;
/// Events in flight while the peak is looked for.
const PEAK_WINDOW: u64 = 64;

/// Subscribers and rates.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// WebSocket subscribers of the live dialect.
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Offered loads, in percent of the peak.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 25, 50, 75, 90])]
    percent: Vec<u32>,
    /// Seconds of each load, after one that is not counted.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Bytes that pad each payload.
    #[arg(long, default_value_t = 40)]
    padding: usize,
}

const COLUMNS: [&str; 10] = [
    "load %",
    "events/s",
    "deliveries/s",
    "p50 us",
    "p90 us",
    "p99 us",
    "p99.9 us",
    "max us",
    "lag p99 us",
    "core busy %",
];

/// Runs it.
pub(crate) fn run(args: &LatencyArgs) -> Result<Report, Failure> {
    if args.subscribers == 0 || args.percent.contains(&0) || args.seconds == 0 {
        return Err(Failure::new(
            "latency: subscribers, loads and seconds begin at 1",
        ));
    }
    reserve_descriptors(args.subscribers)?;
    let target = Target::open(&args.target, 1, Some(args.target.server_core))?;
    pin(args.target.probe_core)?;
    let mut report = Report::new("latency", &COLUMNS);
    report.note(&target.banner);
    let session = session(0);
    let opening = Opening::WebSocket {
        path: "/live/ws",
        hello: Some(r#"{"type":"filter","filters":[{"property":"type","value":"probe"}]}"#),
        answer: "",
        unasked: 0,
    };
    let mut audience = Audience::open(target.address, opening, args.subscribers, IN_FLIGHT_MAX)?;
    let form = Form {
        session,
        padding: args.padding,
        is_array: false,
    };
    audience.attach(target.address, form)?;
    let peak = peak(&mut audience)?;
    let (subscribers, driver) = (args.subscribers, &args.target.driver);
    report.note(format!(
        "latency: {subscribers} subscribers, {} s each, peak {peak} events/s with {PEAK_WINDOW} in flight, \
         driver {driver}, 1 shard",
        args.seconds
    ));
    for &percent in &args.percent {
        let rate = (peak * u64::from(percent) / 100).max(1);
        target.settle(|duration| audience.pump_for(duration))?;
        audience.publish_at(rate, rate)?;
        let before = target.usage()?;
        let load = audience.publish_at(rate, rate * u64::from(args.seconds))?;
        let used = target.usage()?.since(before);
        let busy = used.cpu.as_secs_f64() * 100.0 / load.elapsed.as_secs_f64();
        let deliveries = load.latencies.len() as f64 / load.elapsed.as_secs_f64();
        let quantile = |of: &Histogram<u64>, q: f64| Cell::Figure(micros_at(of, q), 0);
        let late = &load.latencies;
        report.row([
            Cell::Count(percent.into()),
            Cell::Count(rate),
            Cell::Figure(deliveries, 0),
            quantile(late, 0.5),
            quantile(late, 0.9),
            quantile(late, 0.99),
            quantile(late, 0.999),
            Cell::Figure(late.max() as f64 / 1e3, 0),
            quantile(&load.lags, 0.99),
            Cell::Figure(busy, 0),
        ]);
    }
    drop(audience);
    target.stop()?;
    Ok(report)
}

/// Events per second with a window of them in flight.
fn peak(audience: &mut Audience) -> Result<u64, Failure> {
    let warm_up = 20 * PEAK_WINDOW;
    let rate = per_second(warm_up, audience.publish(warm_up, PEAK_WINDOW)?);
    // As many as take about a second.
    let count = rate.max(warm_up);
    Ok(per_second(count, audience.publish(count, PEAK_WINDOW)?))
}

/// Whole events in a second, of so many in that time.
fn per_second(count: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_whole_events() {
        assert_eq!(per_second(30, Duration::from_millis(1_500)), 20);
        assert_eq!(per_second(1, Duration::from_secs(3)), 0);
        assert_eq!(per_second(5, Duration::ZERO), 5_000_000_000);
    }
}

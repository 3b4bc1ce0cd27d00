//! What is measured, in order. Whoever adds a mode adds a measurement here, and its
//! [`rows`](mod@super::rows) and [`charts`](super::charts).

/// One run of a mode.
#[derive(Debug)]
pub(super) struct Measurement {
    /// What rows call it.
    pub(super) name: &'static str,
    /// The command line, without this program and where the server is.
    pub(super) command: &'static str,
    /// How long it usually takes: only the bar of progress says so.
    pub(super) seconds: u64,
}

/// A line has seconds, name and command.
macro_rules! measurements {
    ($($seconds:literal $name:literal $command:literal,)+) => {
        [$(Measurement { name: $name, command: $command, seconds: $seconds }),+]
    };
}

/// All of them, in order. Together they take less than a quarter of an hour.
pub(super) const MEASUREMENTS: [Measurement; 24] = measurements! {
     14 "fan-out 10" "fan-out --subscribers 10 --windows 1,16 --turns 2000 --rounds 3",
     35 "fan-out 100" "fan-out --subscribers 100 --windows 1,16,64 --turns 500 --rounds 5",
     45 "fan-out 1000" "fan-out --subscribers 1000 --windows 1,16 --turns 150 --rounds 5",
     40 "fan-out 5000" "fan-out --subscribers 5000 --windows 1,16 --turns 40 --rounds 3",
     20 "fan-out 15000 io_uring" "fan-out --driver io_uring --subscribers 15000 --windows 1 --turns 30 --rounds 3",
     20 "fan-out 15000 epoll" "fan-out --driver epoll --subscribers 15000 --windows 1 --turns 30 --rounds 3",
     35 "room 1000" "fan-out --dialect live,room --windows 1,16 --turns 100 --rounds 3",
    100 "peers 1000" "fan-out --peers nchan,axum,fastwebsockets,node,nats,mosquitto,redis,sockudo --windows 1,16 --turns 60 --rounds 2",
     80 "latency 100" "latency --subscribers 100 --peers nchan,axum,fastwebsockets,node --percent 25,50,75 --seconds 2",
     30 "connect storm" "connect-storm --peers nchan,axum,fastwebsockets,node --rounds 1",
     20 "filters" "filters --rounds 1",
     40 "rooms" "rooms --dialect live,room --rounds 1",
     25 "long poll" "long-poll --rounds 3",
     25 "wake" "wake --rounds 5",
     50 "publish io_uring" "publish --driver io_uring --seconds 2 --rounds 4",
     50 "publish epoll" "publish --driver epoll --seconds 2 --rounds 4",
     40 "gRPC fan-out" "grpc-fan-out --shapes 100/10,1000/10 --windows 1,16 --rounds 3",
     30 "gRPC publish" "grpc-publish --connections 1,4 --seconds 2 --rounds 3",
      6 "idle poll" "idle --kind poll --cycles 1",
      6 "idle websocket" "idle --kind websocket --cycles 1",
      6 "idle sse" "idle --kind sse --cycles 1",
      6 "idle room" "idle --kind room --cycles 1",
     10 "broadcast" "broadcast --rounds 5",
     50 "ramp 100" "ramp",
};

#[cfg(test)]
mod tests {
    use super::super::charts::{CHARTS, Points};
    use super::super::rows::rows;
    use super::*;

    #[test]
    fn what_rows_and_curves_name_is_measured() {
        let is_measured = |name: &str| MEASUREMENTS.iter().any(|m| m.name == name);
        for row in rows() {
            assert!(is_measured(row.measurement), "{}", row.title);
        }
        for curve in CHARTS.iter().flat_map(|chart| chart.curves) {
            match curve.points {
                Points::Of(points) => {
                    for (_, name) in points {
                        assert!(is_measured(name), "{name}");
                    }
                }
                Points::Along(name, _) => assert!(is_measured(name), "{name}"),
            }
        }
        let mut titles: Vec<&str> = rows().map(|row| row.title).collect();
        let count = titles.len();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(
            titles.len(),
            count,
            "titles are what a later run finds rows by"
        );
    }

    #[test]
    fn a_run_takes_less_than_a_quarter_of_an_hour() {
        let seconds: u64 = MEASUREMENTS
            .iter()
            .map(|measurement| measurement.seconds)
            .sum();
        assert!(seconds < 15 * 60, "{seconds} s");
    }
}

//! What is measured, in order. Whoever adds a mode adds a measurement here, and its [`rows`](mod@super::rows) and
//! [`charts`](super::charts).

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

const fn measurement(name: &'static str, command: &'static str, seconds: u64) -> Measurement {
    Measurement {
        name,
        command,
        seconds,
    }
}

/// All of them, in order. Together they take less than a quarter of an hour.
pub(super) const MEASUREMENTS: [Measurement; 24] = [
    measurement(
        "fan-out 10",
        "fan-out --subscribers 10 --windows 1,16 --turns 2000 --rounds 3",
        14,
    ),
    measurement(
        "fan-out 100",
        "fan-out --subscribers 100 --windows 1,16,64 --turns 500 --rounds 5",
        35,
    ),
    measurement(
        "fan-out 1000",
        "fan-out --subscribers 1000 --windows 1,16 --turns 150 --rounds 5",
        45,
    ),
    measurement(
        "fan-out 5000",
        "fan-out --subscribers 5000 --windows 1,16 --turns 40 --rounds 3",
        40,
    ),
    measurement(
        "fan-out 15000 io_uring",
        "fan-out --driver io_uring --subscribers 15000 --windows 1 --turns 30 --rounds 3",
        20,
    ),
    measurement(
        "fan-out 15000 epoll",
        "fan-out --driver epoll --subscribers 15000 --windows 1 --turns 30 --rounds 3",
        20,
    ),
    measurement(
        "room 1000",
        "fan-out --dialect live,room --windows 1,16 --turns 100 --rounds 3",
        35,
    ),
    measurement(
        "peers 1000",
        "fan-out --peers nchan,axum,fastwebsockets,node,nats,mosquitto,redis,sockudo --windows 1,16 --turns 60 --rounds 2",
        100,
    ),
    measurement(
        "latency 100",
        "latency --subscribers 100 --peers nchan,axum,fastwebsockets,node --percent 25,50,75 --seconds 2",
        80,
    ),
    measurement(
        "connect storm",
        "connect-storm --peers nchan,axum,fastwebsockets,node --rounds 1",
        30,
    ),
    measurement("filters", "filters --rounds 1", 20),
    measurement("rooms", "rooms --dialect live,room --rounds 1", 40),
    measurement("long poll", "long-poll --rounds 3", 25),
    measurement("wake", "wake --rounds 5", 25),
    measurement(
        "publish io_uring",
        "publish --driver io_uring --seconds 2 --rounds 4",
        50,
    ),
    measurement(
        "publish epoll",
        "publish --driver epoll --seconds 2 --rounds 4",
        50,
    ),
    measurement(
        "gRPC fan-out",
        "grpc-fan-out --shapes 100/10,1000/10 --windows 1,16 --rounds 3",
        40,
    ),
    measurement(
        "gRPC publish",
        "grpc-publish --connections 1,4 --seconds 2 --rounds 3",
        30,
    ),
    measurement("idle poll", "idle --kind poll --cycles 1", 6),
    measurement("idle websocket", "idle --kind websocket --cycles 1", 6),
    measurement("idle sse", "idle --kind sse --cycles 1", 6),
    measurement("idle room", "idle --kind room --cycles 1", 6),
    measurement("broadcast", "broadcast --rounds 5", 10),
    measurement("ramp 100", "ramp", 50),
];

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

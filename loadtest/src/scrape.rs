//! What the server counts itself, read from `/metrics` (Prometheus' text format).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::{During, Failure};
use crate::http::Response;

/// An answer comes within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Counters of the server, all shards together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Writes to sockets.
    pub(crate) writes: u64,
    /// Events put into send queues.
    pub(crate) delivered: u64,
    /// Events taken out of send queues again.
    pub(crate) dropped: u64,
    /// Connections closed for being too slow.
    pub(crate) slow_consumers: u64,
}

impl Counters {
    /// Asks the server. Its answer is one write, which the next scrape counts.
    pub(crate) fn scrape(address: SocketAddr) -> Result<Self, Failure> {
        let what = "reading the server's metrics";
        let mut stream = TcpStream::connect(address).during(what)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).during(what)?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).during(what)?;
        let (mut received, mut scratch) = (Vec::new(), [0; 16 * 1024]);
        loop {
            if let Some((response, _)) = Response::parse(&received).during(what)? {
                let text = String::from_utf8_lossy(&response.body);
                return Self::parse(&text)
                    .ok_or_else(|| Failure::new("the server's metrics lack a counter"));
            }
            match stream.read(&mut scratch).during(what)? {
                0 => return Err(Failure::new("the server closed while it told its metrics")),
                count => received.extend_from_slice(&scratch[..count]),
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(Self {
            writes: sum(text, "fanfare_writes_total")?,
            delivered: sum(text, "fanfare_events_delivered_total")?,
            dropped: sum(text, "fanfare_events_dropped_total")?,
            slow_consumers: sum(text, "fanfare_slow_consumers_total")?,
        })
    }
}

/// A counter, summed over its labels.
fn sum(text: &str, name: &str) -> Option<u64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let is_whole = rest.starts_with(['{', ' ']);
        let (_, value) = rest.rsplit_once(' ')?;
        is_whole.then(|| value.parse::<u64>().ok())
    });
    samples.reduce(|sum, value| Some(sum? + value?))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_shards() {
        let text = "# TYPE fanfare_writes_total counter\nfanfare_writes_total{shard=\"0\"} 3\n\
            fanfare_writes_total{shard=\"1\"} 4\nfanfare_writes_total_x 9\n\
            fanfare_events_delivered_total 5\nfanfare_events_dropped_total 6\n\
            fanfare_slow_consumers_total 7\n";
        let expected = Counters {
            writes: 7,
            delivered: 5,
            dropped: 6,
            slow_consumers: 7,
        };
        assert_eq!(Counters::parse(text), Some(expected));
        assert_eq!(sum(text, "fanfare_reads_total"), None);
        assert_eq!(sum("a{b=\"c\"} x\n", "a"), None);
    }
}

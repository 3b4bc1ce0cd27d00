//! Connections that publish by unary calls, a number of them in flight on each.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Token;

use super::publishing::UnaryPublishing;
use crate::failure::Failure;
use crate::publisher::Publisher;
use crate::pump::{Pump, WAIT_TIMEOUT, left};
use crate::sockets::Sockets;

/// What one round found.
#[derive(Debug)]
pub(crate) struct Called {
    /// From the first call to the last answer.
    pub(crate) elapsed: Duration,
    /// Microseconds of every call, shortest first.
    micros: Vec<u32>,
}

impl Called {
    /// How many calls were answered.
    pub(crate) fn calls(&self) -> u64 {
        self.micros.len() as u64
    }

    /// So many percent of the calls took at most so many microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> u64 {
        let last = self.micros.len().saturating_sub(1);
        let place = (self.micros.len() * percent / 100).min(last);
        self.micros.get(place).copied().unwrap_or_default().into()
    }
}

/// The connections.
pub(crate) struct Callers {
    sockets: Sockets,
    publishers: Vec<Publisher<UnaryPublishing>>,
    sequence: u64,
}

impl Callers {
    /// Connects; payloads have so many bytes as compact JSON.
    pub(crate) fn open(
        address: SocketAddr,
        connections: usize,
        payload_bytes: usize,
    ) -> Result<Self, Failure> {
        let sockets = Sockets::new()?;
        let publisher = |index| {
            let publishing = Box::new(UnaryPublishing::new(address, payload_bytes));
            Publisher::open(address, publishing, 0, &sockets, Token(index), index)
        };
        let publishers = (0..connections).map(publisher).collect::<Result<_, _>>()?;
        Ok(Self {
            sockets,
            publishers,
            sequence: 0,
        })
    }

    /// Keeps `in_flight` calls going on each connection for a while, and waits for the last
    /// answers.
    pub(crate) fn publish(
        &mut self,
        duration: Duration,
        in_flight: u64,
    ) -> Result<Called, Failure> {
        let start = Instant::now();
        let (deadline, patience) = (start + duration, start + duration + WAIT_TIMEOUT);
        loop {
            let is_over = left(deadline).is_none();
            let mut pending = 0;
            for publisher in &mut self.publishers {
                let room = in_flight - publisher.unanswered();
                for _ in 0..if is_over { 0 } else { room } {
                    publisher.add(self.sequence);
                    self.sequence += 1;
                }
                publisher.publish()?;
                pending += publisher.unanswered();
            }
            if pending == 0 {
                break;
            }
            let Some(left) = left(patience) else {
                return Err(Failure::new(format!(
                    "{pending} calls were not answered within {WAIT_TIMEOUT:?}"
                )));
            };
            self.pump(left)?;
        }
        let elapsed = start.elapsed();
        let publishers = self.publishers.iter_mut();
        let mut micros: Vec<u32> = publishers
            .flat_map(|publisher| publisher.publishing().take_micros())
            .collect();
        micros.sort_unstable();
        Ok(Called { elapsed, micros })
    }
}

impl Pump for Callers {
    fn pump(&mut self, timeout: Duration) -> Result<(), Failure> {
        let events = self.sockets.wait(timeout)?;
        for event in &events {
            let Token(index) = event.token();
            let ready = self.publishers[index].ready(&mut self.sockets.scratch);
            ready.map_err(|why| Failure::new(format!("connection {index}: {why}")))?;
        }
        self.sockets.give_back(events);
        Ok(())
    }

    fn progress(&self) -> String {
        let pending: u64 = self.publishers.iter().map(Publisher::unanswered).sum();
        format!("{pending} calls are not answered")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_counted_from_below() {
        let called = Called {
            elapsed: Duration::from_secs(1),
            micros: (1..=200).collect(),
        };
        assert_eq!(called.calls(), 200);
        assert_eq!((called.percentile(50), called.percentile(99)), (101, 199));
        assert_eq!(called.percentile(100), 200);
    }
}

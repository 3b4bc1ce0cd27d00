//! The number of useless control frames that a peer may send: in proportion to its useful work.
//!
//! A bound per second alone would either stop a busy client (at 100,000 calls per second it sends
//! as many window updates, and a subscriber sends nothing else) or stop no flood. So useless frames
//! are paid for from a budget that fills in three ways:
//!
//! * HEADERS, and DATA with a payload, bring a few of them each: a client that makes calls also has
//!   windows;
//! * bytes that we send bring them: windows for events, and the PINGs by which clients measure
//!   them;
//! * time, slowly, and only up to what an idle peer may do at once.
//!
//! Each is bounded elsewhere: streams by h2 and by rate limits, bytes by the peer's own reading.
//! The answer to a PING or SETTINGS is shorter than the cost of a frame, so that a flood does not
//! feed itself. Well-behaved clients need far less: gRPC's C core sends two window updates per
//! call, and in calls, subscriptions and cancelled calls never went below 998 of its first 1,000
//! frames.

use super::scanner::{FrameKind, FrameTally};
use crate::limits::{
    HTTP2_CONTROL_FRAMES_PER_SECOND_MAX, HTTP2_CONTROL_FRAMES_PER_USEFUL_FRAME,
    HTTP2_CONTROL_FRAMES_STORED_MAX, HTTP2_SENT_BYTES_PER_CONTROL_FRAME,
};
use crate::time::Instant;

/// Cost of one useless frame; one byte sent brings one.
const FRAME_COST: u64 = HTTP2_SENT_BYTES_PER_CONTROL_FRAME as u64;
/// Gain of a HEADERS or DATA frame.
const USEFUL_FRAME: u64 = HTTP2_CONTROL_FRAMES_PER_USEFUL_FRAME as u64 * FRAME_COST;
/// Gain of a second, and the budget at first.
const SECOND: u64 = HTTP2_CONTROL_FRAMES_PER_SECOND_MAX as u64 * FRAME_COST;
/// Largest budget.
const STORED_MAX: u64 = HTTP2_CONTROL_FRAMES_STORED_MAX as u64 * FRAME_COST;

/// The judgement of a peer's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Fine,
    /// End the connection with `ENHANCE_YOUR_CALM` (RFC 9113 §10.5): too many useless frames, and
    /// most of the last ones were of this kind.
    Excessive(FrameKind),
}

/// A peer's budget of useless frames. 16 bytes.
#[derive(Clone, Debug)]
pub struct AbuseBudget {
    /// In bytes sent, or [`FRAME_COST`] for each frame.
    stored: u64,
    /// Time up to which the gain was counted.
    counted: Instant,
}

impl AbuseBudget {
    /// The budget of a peer that connected at `now`.
    pub const fn new(now: Instant) -> Self {
        Self {
            stored: SECOND,
            counted: now,
        }
    }

    /// Adds bytes sent to the peer: all of the connection's output, in any pieces.
    pub fn sent(&mut self, bytes: usize) {
        self.bring(bytes as u64, STORED_MAX);
    }

    /// Judges frames that the peer sent. After [`Verdict::Excessive`] nothing is left, but time
    /// goes on.
    pub fn received(&mut self, now: Instant, frames: &FrameTally) -> Verdict {
        let millis = now.since(self.counted).as_millis() as u64;
        self.counted = now.max(self.counted);
        self.bring(millis.saturating_mul(SECOND) / 1_000, SECOND);
        let useful = u64::from(frames.useful());
        // Gains first: the order of frames within one piece of input is chance.
        self.bring(useful * USEFUL_FRAME, STORED_MAX);
        if let Some(rest) = self
            .stored
            .checked_sub(u64::from(frames.useless()) * FRAME_COST)
        {
            self.stored = rest;
            Verdict::Fine
        } else {
            self.stored = 0;
            Verdict::Excessive(frames.most_useless())
        }
    }

    /// Adds to the budget, but not beyond `up_to`.
    fn bring(&mut self, amount: u64, up_to: u64) {
        let filled = self.stored.saturating_add(amount).min(up_to);
        self.stored = self.stored.max(filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(frames: &[(FrameKind, u32)]) -> FrameTally {
        let mut tally = FrameTally::default();
        for &(kind, count) in frames {
            (0..count).for_each(|_| tally.add(kind));
        }
        tally
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<AbuseBudget>() <= 16);
    }

    #[test]
    fn an_idle_peer_has_its_rate_and_no_more() {
        let per_second = HTTP2_CONTROL_FRAMES_PER_SECOND_MAX;
        for kind in FrameKind::ALL.into_iter().filter(|kind| !kind.is_useful()) {
            let mut budget = AbuseBudget::new(at(0));
            let second = frames(&[(kind, per_second)]);
            let one = frames(&[(kind, 1)]);
            assert_eq!(budget.received(at(0), &second), Verdict::Fine);
            assert_eq!(budget.received(at(0), &one), Verdict::Excessive(kind));
            // Hours bring no more than a second.
            for millis in [1_000, 2_000, 9_000_000] {
                assert_eq!(budget.received(at(millis), &second), Verdict::Fine);
            }
            assert_eq!(
                budget.received(at(9_000_000), &one),
                Verdict::Excessive(kind)
            );
        }
    }

    #[test]
    fn a_second_may_be_spent_in_pieces() {
        let mut budget = AbuseBudget::new(at(0));
        let piece = frames(&[(FrameKind::Ping, HTTP2_CONTROL_FRAMES_PER_SECOND_MAX / 1_000)]);
        for millis in 0..10_000 {
            assert_eq!(budget.received(at(millis), &piece), Verdict::Fine);
        }
    }

    #[test]
    fn a_busy_client_is_never_excessive() {
        // 100,000 calls in one second, 64 at a time, all in the same millisecond's time or not;
        // each with an empty DATA frame at its end, two window updates, a PING and a reset.
        let calls = frames(&[
            (FrameKind::Headers, 64),
            (FrameKind::Data, 64),
            (FrameKind::EmptyData, 64),
            (FrameKind::WindowUpdate, 128),
            (FrameKind::Ping, 64),
            (FrameKind::RstStream, 64),
        ]);
        for millis_per_round in [0, 1] {
            let mut budget = AbuseBudget::new(at(0));
            for round in 0..2_000 {
                let now = at(round * millis_per_round);
                assert_eq!(budget.received(now, &calls), Verdict::Fine);
            }
        }
    }

    #[test]
    fn a_subscriber_may_answer_what_it_is_sent() {
        // The smallest of events, each answered by windows for stream and connection, and a PING.
        let mut budget = AbuseBudget::new(at(0));
        let answer = frames(&[(FrameKind::WindowUpdate, 2), (FrameKind::Ping, 1)]);
        for _ in 0..1_000_000 {
            budget.sent(100);
            assert_eq!(budget.received(at(0), &answer), Verdict::Fine);
        }
    }

    #[test]
    fn a_flood_does_not_feed_itself() {
        for (kind, answer_bytes) in [(FrameKind::Ping, 17), (FrameKind::Settings, 9)] {
            let mut budget = AbuseBudget::new(at(0));
            let one = frames(&[(kind, 1)]);
            let mut flood = (0..10 * HTTP2_CONTROL_FRAMES_PER_SECOND_MAX).map(|_| {
                budget.sent(answer_bytes);
                budget.received(at(0), &one)
            });
            assert!(flood.any(|verdict| verdict == Verdict::Excessive(kind)));
        }
    }

    #[test]
    fn stores_have_an_end() {
        let mut budget = AbuseBudget::new(at(0));
        budget.sent(usize::MAX);
        let all = frames(&[(FrameKind::Priority, HTTP2_CONTROL_FRAMES_STORED_MAX)]);
        assert_eq!(budget.received(at(0), &all), Verdict::Fine);
        let mixed = frames(&[(FrameKind::Ping, 1), (FrameKind::Priority, 2)]);
        let verdict = Verdict::Excessive(FrameKind::Priority);
        assert_eq!(budget.received(at(0), &mixed), verdict);
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing() {
        let mut budget = AbuseBudget::new(at(1_000));
        let second = frames(&[(FrameKind::Ping, HTTP2_CONTROL_FRAMES_PER_SECOND_MAX)]);
        assert_eq!(budget.received(at(1_000), &second), Verdict::Fine);
        for millis in [0, 1_000] {
            let verdict = budget.received(at(millis), &second);
            assert_eq!(verdict, Verdict::Excessive(FrameKind::Ping));
        }
    }
}

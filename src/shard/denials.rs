//! Refusals of access, counted all and told to the operator a few at a time: a guesser must not
//! fill the log.
//!
//! Of each kind so many are told in a span of time. How many were left out is said with the next
//! that is told, or when the span is over.

use super::{Effect, Shard, Told, ToldDenial};
use crate::auth::Network;
use crate::dialect::Denial;
use crate::limits::{DENIALS_TOLD_MAX, DENIALS_TOLD_SPAN};
use crate::metrics::RefusalKind;
use crate::time::{Instant, Now};

/// How much was told lately.
#[derive(Debug, Default)]
pub(super) struct Throttle([Span; RefusalKind::EVERY.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    began: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Span {
    fn is_over(&self, now: Instant) -> bool {
        self.began
            .is_none_or(|began| now.since(began) >= DENIALS_TOLD_SPAN)
    }
}

impl Throttle {
    /// Whether one more may be told, and then how many were left out before it.
    fn admit(&mut self, now: Instant, kind: RefusalKind) -> Option<u64> {
        let span = &mut self.0[kind as usize];
        if span.is_over(now) {
            span.began = Some(now);
            span.told = 0;
        }
        if span.told >= DENIALS_TOLD_MAX {
            span.left_out += 1;
            return None;
        }
        span.told += 1;
        Some(std::mem::take(&mut span.left_out))
    }

    /// A kind of which some were left out, in a span that is over, and how many.
    fn overdue(&mut self, now: Instant) -> Option<(RefusalKind, u64)> {
        let spans = RefusalKind::EVERY.iter().zip(&mut self.0);
        let mut overdue = spans.filter(|(_, span)| span.left_out > 0 && span.is_over(now));
        let (&kind, span) = overdue.next()?;
        Some((kind, std::mem::take(&mut span.left_out)))
    }
}

impl Shard {
    /// Somebody was refused.
    pub(super) fn note_denial(&mut self, now: Now, network: Network, denial: Denial) {
        let Denial {
            kind,
            api,
            organization,
        } = denial;
        self.metrics().refusals.of(kind, api).add(1);
        let Some(left_out) = self.throttle.admit(now.instant, kind) else {
            return;
        };
        let organization =
            organization.map(|id| self.directory.organization(id).name.as_str().into());
        let one = Some(ToldDenial {
            dialect: api.as_str(),
            network,
            organization,
        });
        self.connections.push_effect(Effect::Tell(Told {
            kind,
            one,
            left_out,
        }));
    }

    /// Says how many refusals were not told.
    pub(super) fn tell_left_out(&mut self, now: Now) {
        while let Some((kind, left_out)) = self.throttle.overdue(now.instant) {
            let one = None;
            self.connections.push_effect(Effect::Tell(Told {
                kind,
                one,
                left_out,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_told_and_the_others_counted() {
        let mut throttle = Throttle::default();
        let at = |seconds: u64| Instant::from_millis(1_000 * seconds);
        let kind = RefusalKind::Token;
        for _ in 0..DENIALS_TOLD_MAX {
            assert_eq!(throttle.admit(at(0), kind), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(throttle.admit(at(1), kind), None);
        }
        // Other kinds have their own.
        assert_eq!(throttle.admit(at(1), RefusalKind::Password), Some(0));
        assert_eq!(throttle.overdue(at(1)), None);
        let over = at(0) + DENIALS_TOLD_SPAN;
        assert_eq!(throttle.overdue(over), Some((kind, 7)));
        assert_eq!(throttle.overdue(over), None);
        assert_eq!(throttle.admit(over, kind), Some(0));
        for _ in 1..DENIALS_TOLD_MAX {
            throttle.admit(over, kind);
        }
        assert_eq!(throttle.admit(over, kind), None);
        // Or with the next one that is told.
        assert_eq!(throttle.admit(over + DENIALS_TOLD_SPAN, kind), Some(1));
    }
}

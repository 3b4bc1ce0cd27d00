//! Readers of logs, each of which must hear every event of its log once and in order: the numbers
//! say so.

use super::DeliveryCheck;
use crate::failure::Failure;
use crate::load::Timing;
use crate::voice::Heard;

/// What was heard, of all readers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Whole answers to polls.
    pub(crate) answers: u64,
    /// Events.
    pub(crate) events: u64,
}

/// The readers.
#[derive(Debug)]
pub(crate) struct InOrder {
    /// The number of the next event of each; the first one may have any.
    next: Vec<Option<u64>>,
    totals: Totals,
}

impl InOrder {
    /// So many readers, none of which has heard anything.
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            next: vec![None; readers],
            totals: Totals::default(),
        }
    }

    /// What was heard so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Fails unless all readers of a session have heard the same, `last(i)` being the number of the
    /// last event of reader `i`'s session.
    pub(crate) fn verify(&self, last: impl Fn(usize) -> u64) -> Result<(), Failure> {
        for (index, next) in self.next.iter().enumerate() {
            let found = next.and_then(|next| next.checked_sub(1));
            let expected = Some(last(index));
            if expected != found {
                return Err(Failure::new(format!(
                    "reader {index} should have heard up to {expected:?}, heard {found:?}"
                )));
            }
        }
        Ok(())
    }
}

impl DeliveryCheck for InOrder {
    fn heard(&mut self, reader: usize, heard: Heard<'_>, _: &mut Timing) -> Result<(), String> {
        match heard {
            Heard::Opened => {}
            Heard::Answered => self.totals.answers += 1,
            Heard::Hole(_) => return Err("told of a gap".to_owned()),
            Heard::Event(event) => {
                self.totals.events += 1;
                if let Some(found) = event.number {
                    let next = self.next[reader].replace(found + 1);
                    if let Some(expected) = next.filter(|&expected| expected != found) {
                        return Err(format!("expected event {expected}, found {found}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn progress(&self) -> String {
        format!("heard so far: {:?}", self.totals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::{Event, Hole};

    /// What comes of a reader that hears these numbers.
    fn heard(numbers: &[u64]) -> Result<InOrder, String> {
        let (mut check, mut timing) = (InOrder::new(1), Timing::new().expect("a histogram"));
        for &number in numbers {
            let number = Some(number);
            let event = Event {
                number,
                ..Event::default()
            };
            check.heard(0, Heard::Event(event), &mut timing)?;
        }
        Ok(check)
    }

    #[test]
    fn lost_repeated_and_reordered_events_are_found() {
        for wrong in [[5, 4], [5, 5], [5, 7]] {
            let why = heard(&wrong).expect_err("wrong");
            assert!(why.starts_with("expected event 6"), "{why}");
        }
        let check = heard(&[5, 6, 7]).expect("in order");
        assert_eq!((check.totals().events, check.totals().answers), (3, 0));
        assert!(check.verify(|_| 7).is_ok() && check.verify(|_| 8).is_err());
        assert!(heard(&[]).expect("nothing").verify(|_| 0).is_err());
    }

    #[test]
    fn a_gap_is_never_right() {
        let (mut check, mut timing) = (InOrder::new(1), Timing::new().expect("a histogram"));
        check.heard(0, Heard::Answered, &mut timing).expect("sound");
        assert_eq!(check.totals().answers, 1);
        check
            .heard(0, Heard::Hole(Hole::Reset), &mut timing)
            .expect_err("a gap");
        assert_eq!(check.ended(0, 1001, "closed"), Err("closed".to_owned()));
    }
}

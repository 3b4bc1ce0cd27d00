//! What explains a loss and what does not, and the books against a model that remembers everything.

use super::*;
use crate::random::Random;

/// Books of one topic with so many events, and one subscriber who was there from the start.
fn present(has_cursor: bool, events: u64) -> Audit {
    let mut audit = Audit::new(1);
    audit.subscribe(0, has_cursor);
    audit.attach(0);
    audit.publish(0, events);
    audit
}

/// Hears events whose number is their sequence.
fn hear(audit: &mut Audit, events: impl IntoIterator<Item = u64>) {
    for event in events {
        audit.hear(0, event, Some(event));
    }
}

fn totals(audit: Audit) -> Totals {
    let due = audit.published[0];
    let (totals, first) = audit.finish();
    assert_eq!(first.is_some(), totals.violations() > 0, "{first:?}");
    assert_eq!(totals.due, due);
    assert_eq!(totals.accounted(), due);
    totals
}

#[test]
fn everything_once_and_in_order_is_right() {
    let mut audit = present(true, 5);
    assert_eq!(audit.cursor(0), -1);
    hear(&mut audit, 0..3);
    assert_eq!((audit.cursor(0), audit.is_current(0)), (2, false));
    audit.detach(0);
    audit.attach(0);
    hear(&mut audit, 3..5);
    assert!(audit.is_current(0));
    let totals = totals(audit);
    assert_eq!((totals.delivered, totals.violations()), (5, 0));
}

#[test]
fn what_is_wrong_is_told_apart() {
    let mut audit = present(false, 6);
    for event in [0, 0, 4, 2, 9] {
        audit.hear(0, event, None);
    }
    // 1 and 3 are missing, and 5 at the end.
    let totals = totals(audit);
    assert_eq!((totals.repeated, totals.late, totals.unknown), (1, 1, 1));
    assert_eq!(
        (totals.delivered, totals.missing, totals.misstated),
        (2, 3, 0)
    );
}

#[test]
fn a_gap_explains_exactly_what_it_says() {
    // The gap, where hearing continues; missing and misstated.
    let cases = [
        ((2, 4), 5, 0, 0),
        ((2, 3), 5, 1, 1),
        ((2, 5), 5, 0, 2),
        ((1, 4), 5, 0, 2),
    ];
    for ((first, last), then, missing, misstated) in cases {
        let mut audit = present(true, 6);
        hear(&mut audit, 0..2);
        audit.hole(0, Hole::Range { first, last });
        hear(&mut audit, [then]);
        let totals = totals(audit);
        assert_eq!(
            (totals.missing, totals.misstated),
            (missing, misstated),
            "{first}-{last}"
        );
        assert_eq!(totals.by_gaps, 3 - missing);
    }
    // Two gaps in a row, with a connection that ended in between.
    let mut audit = present(true, 6);
    audit.hole(0, Hole::Range { first: 0, last: 1 });
    audit.detach(0);
    assert_eq!(audit.cursor(0), 1);
    audit.attach(0);
    audit.hole(0, Hole::Range { first: 2, last: 2 });
    hear(&mut audit, 3..6);
    let totals = totals(audit);
    assert_eq!((totals.by_gaps, totals.violations()), (3, 0));
}

#[test]
fn a_reset_explains_any_loss_and_begins_numbers_anew() {
    let mut audit = present(true, 9);
    hear(&mut audit, 0..3);
    audit.hole(0, Hole::Reset);
    assert_eq!(audit.cursor(0), -1);
    for event in 6..9 {
        audit.hear(0, event, Some(event - 6));
    }
    let totals = totals(audit);
    assert_eq!(
        (totals.by_resets, totals.delivered, totals.violations()),
        (3, 6, 0)
    );
}

#[test]
fn dropped_events_are_counted() {
    for (told, missing, misstated) in [(3, 0, 0), (2, 1, 0), (4, 0, 1)] {
        let mut audit = present(false, 6);
        audit.hear(0, 0, None);
        audit.hole(0, Hole::Dropped(told));
        audit.hear(0, 4, None);
        audit.hear(0, 5, None);
        let totals = totals(audit);
        assert_eq!(
            (totals.missing, totals.misstated),
            (missing, misstated),
            "{told}"
        );
        assert_eq!(totals.by_drops, told.min(3));
    }
}

#[test]
fn who_has_no_cursor_has_no_claim_while_away() {
    let mut audit = present(false, 2);
    audit.hear(0, 0, None);
    audit.detach(0);
    audit.publish(0, 3);
    assert!(audit.is_current(0), "nothing is due to who is away");
    audit.attach(0);
    assert!(audit.is_current(0));
    // Published before it listened, and perhaps heard; from 5 on it is entitled.
    audit.hear(0, 4, None);
    audit.publish(0, 2);
    assert!(!audit.is_current(0));
    audit.hear(0, 6, None);
    let totals = totals(audit);
    assert_eq!(
        (totals.by_closes, totals.missing, totals.delivered),
        (3, 1, 3)
    );
    // With a cursor all of that is missing.
    let mut audit = present(true, 2);
    audit.detach(0);
    audit.publish(0, 3);
    assert_eq!(self::totals(audit).missing, 5);
    // Who never came has missed nothing.
    let mut audit = Audit::new(1);
    audit.subscribe(0, false);
    audit.detach(0);
    audit.publish(0, 3);
    assert_eq!(self::totals(audit).by_closes, 3);
}

#[test]
fn honest_losses_are_explained_and_others_found() {
    for seed in 1..=2_000u64 {
        let mut random = Random::new(seed);
        let mut audit = present(true, 0);
        let (mut missing, mut told, mut next) = (0, 0, 0);
        for _ in 0..20 {
            audit.publish(0, 1 + random.below(9));
            let end = audit.published[0];
            match random.below(4) {
                // A loss that is owned up to, or not.
                0 => {
                    let (first, last) = (next, next + random.below(end - next));
                    audit.hole(0, Hole::Range { first, last });
                    told += last - first + 1;
                    next = last + 1;
                }
                1 if next + 1 < end => {
                    // The number goes along, so that the loss is one of sequences only.
                    audit.hear(0, next, Some(next));
                    audit.hole(
                        0,
                        Hole::Range {
                            first: next + 1,
                            last: next + 1,
                        },
                    );
                    next += 2;
                    told += 1;
                }
                2 => {
                    missing += end - next;
                    next = end;
                }
                _ => {}
            }
            for event in next..end {
                audit.hear(0, event, Some(event));
            }
            next = end;
        }
        let end = audit.published[0];
        let totals = totals(audit);
        assert_eq!(
            (totals.missing, totals.by_gaps),
            (missing, told),
            "seed {seed}"
        );
        assert_eq!(totals.delivered, end - missing - told, "seed {seed}");
        assert_eq!((totals.repeated, totals.late), (0, 0), "seed {seed}");
    }
}

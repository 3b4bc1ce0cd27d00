//! What explains a loss and what does not, and the check against a model that remembers everything.

use super::*;

/// One topic with so many events, and one subscriber who was there from the start.
fn present(has_cursor: bool, events: u64) -> Resumable {
    let mut check = Resumable::new(1);
    check.subscribe(0, Group::Healthy, has_cursor);
    check.attach(0, Instant::now());
    publish(&mut check, events);
    check
}

fn publish(check: &mut Resumable, events: u64) {
    for _ in 0..events {
        check.start();
    }
}

/// Hears events whose number is their sequence.
fn hear(check: &mut Resumable, events: impl IntoIterator<Item = u64>) {
    for event in events {
        check.hear(0, event, Some(event));
    }
}

fn totals(check: Resumable) -> Totals {
    let due = check.published[0];
    let (totals, first) = check.finish();
    assert_eq!(first.is_some(), totals.violations() > 0, "{first:?}");
    assert_eq!(totals.due, due);
    assert_eq!(totals.accounted(), due);
    totals
}

#[test]
fn everything_once_and_in_order_is_right() {
    let mut check = present(true, 5);
    hear(&mut check, 0..3);
    assert!(!check.is_current(0));
    check.detach(0);
    check.attach(0, Instant::now());
    hear(&mut check, 3..5);
    assert!(check.is_current(0));
    let totals = totals(check);
    assert_eq!((totals.delivered, totals.violations()), (5, 0));
}

#[test]
fn what_is_wrong_is_told_apart() {
    let mut check = present(false, 6);
    for event in [0, 0, 4, 2, 9] {
        check.hear(0, event, None);
    }
    // 1 and 3 are missing, and 5 at the end.
    let totals = totals(check);
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
        let mut check = present(true, 6);
        hear(&mut check, 0..2);
        check.hole(0, Hole::Range { first, last });
        hear(&mut check, [then]);
        let totals = totals(check);
        assert_eq!(
            (totals.missing, totals.misstated),
            (missing, misstated),
            "{first}-{last}"
        );
        assert_eq!(totals.by_gaps, 3 - missing);
    }
    // Two gaps in a row, with a connection that ended in between.
    let mut check = present(true, 6);
    check.hole(0, Hole::Range { first: 0, last: 1 });
    check.detach(0);
    check.attach(0, Instant::now());
    check.hole(0, Hole::Range { first: 2, last: 2 });
    hear(&mut check, 3..6);
    let totals = totals(check);
    assert_eq!((totals.by_gaps, totals.violations()), (3, 0));
}

#[test]
fn a_reset_explains_any_loss_and_begins_numbers_anew() {
    let mut check = present(true, 9);
    hear(&mut check, 0..3);
    check.hole(0, Hole::Reset);
    for event in 6..9 {
        check.hear(0, event, Some(event - 6));
    }
    let totals = totals(check);
    assert_eq!(
        (totals.by_resets, totals.delivered, totals.violations()),
        (3, 6, 0)
    );
}

#[test]
fn dropped_events_are_counted() {
    for (told, missing, misstated) in [(3, 0, 0), (2, 1, 0), (4, 0, 1)] {
        let mut check = present(false, 6);
        check.hear(0, 0, None);
        check.hole(0, Hole::Dropped(told));
        check.hear(0, 4, None);
        check.hear(0, 5, None);
        let totals = totals(check);
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
    let mut check = present(false, 2);
    check.hear(0, 0, None);
    check.detach(0);
    publish(&mut check, 3);
    assert!(check.is_current(0), "nothing is due to who is away");
    check.attach(0, Instant::now());
    assert!(check.is_current(0));
    // Published before it listened, and perhaps heard; from 5 on it is entitled.
    check.hear(0, 4, None);
    publish(&mut check, 2);
    assert!(!check.is_current(0));
    check.hear(0, 6, None);
    let totals = totals(check);
    assert_eq!(
        (totals.by_closes, totals.missing, totals.delivered),
        (3, 1, 3)
    );
    // With a cursor all of that is missing.
    let mut check = present(true, 2);
    check.detach(0);
    publish(&mut check, 3);
    assert_eq!(self::totals(check).missing, 5);
    // Who never came has missed nothing.
    let mut check = Resumable::new(1);
    check.subscribe(0, Group::Healthy, false);
    check.detach(0);
    publish(&mut check, 3);
    assert_eq!(self::totals(check).by_closes, 3);
}

#[test]
fn honest_losses_are_explained_and_others_found() {
    for seed in 1..=2_000u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut check = present(true, 0);
        let (mut missing, mut told, mut next) = (0, 0, 0);
        for _ in 0..20 {
            publish(&mut check, 1 + random.u64(..9));
            let end = check.published[0];
            match random.u64(..4) {
                // A loss that is owned up to, or not.
                0 => {
                    let (first, last) = (next, next + random.u64(..end - next));
                    check.hole(0, Hole::Range { first, last });
                    told += last - first + 1;
                    next = last + 1;
                }
                1 if next + 1 < end => {
                    // The number goes along, so that the loss is one of sequences only.
                    check.hear(0, next, Some(next));
                    check.hole(
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
                check.hear(0, event, Some(event));
            }
            next = end;
        }
        let end = check.published[0];
        let totals = totals(check);
        assert_eq!(
            (totals.missing, totals.by_gaps),
            (missing, told),
            "seed {seed}"
        );
        assert_eq!(totals.delivered, end - missing - told, "seed {seed}");
        assert_eq!((totals.repeated, totals.late), (0, 0), "seed {seed}");
    }
}

#[test]
fn groups_are_told_apart_and_only_what_fell_due_while_one_listened_is_timed() {
    let mut check = Resumable::new(2);
    for (topic, group) in [(0, Group::Healthy), (1, Group::Slow)] {
        check.subscribe(topic, group, true);
    }
    assert_eq!([(); 3].map(|()| check.start()), [(0, 0), (1, 0), (0, 1)]);
    let mut timing = Timing::new().expect("a histogram");
    timing.begin(crate::load::Schedule {
        first: 1,
        start: Instant::now(),
        rate: 1_000_000,
    });
    let event = |sequence| {
        Heard::Event(crate::voice::Event {
            number: Some(sequence),
            sequence: Some(sequence),
            ..Default::default()
        })
    };
    let told = [
        (0, Heard::Opened),
        (1, Heard::Opened),
        (0, event(0)),
        (1, event(0)),
        (0, event(1)),
        (0, Heard::Hole(Hole::Dropped(1))),
    ];
    for (index, heard) in told {
        check.heard(index, heard, &mut timing).expect("sound");
    }
    check.ended(1, 1013, "").expect("it may");
    check.left(1);
    let (healthy, slow) = (check.tally(Group::Healthy), check.tally(Group::Slow));
    assert_eq!((healthy.opened, healthy.drops, healthy.ended()), (1, 1, 0));
    assert_eq!((slow.opened, slow.endings[&1013]), (1, 1));
    let load = timing.end(Instant::now(), None).expect("a histogram");
    assert!(load.latencies.len() <= 1, "the first was before the load");
    assert_eq!(check.totals().delivered, 3);
}

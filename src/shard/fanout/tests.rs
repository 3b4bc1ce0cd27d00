//! Who is in which group, and that all frames come to those they are for.

use super::*;

/// The real thing, without a hub: pieces are given to listeners by hand.
fn hear(fanout: &mut Fanout, index: u32, text: &str) {
    let piece = fanout
        .groups
        .add(|out| out.extend_from_slice(text.as_bytes()));
    let listener = &mut fanout.listeners[index as usize];
    listener.hear(
        SubscriberId(index),
        piece,
        &mut fanout.groups,
        &mut fanout.grouped,
    );
}

fn taken(fanout: &mut Fanout, index: u32) -> Option<(String, u32)> {
    let group = fanout.leave_group(index)?;
    let (frames, events) = fanout.frames(group);
    Some((String::from_utf8(frames.to_vec()).expect("text"), events))
}

fn fanout() -> Fanout {
    let mut fanout = Fanout::new(ShardId(0), Meter::default());
    for index in 0..3 {
        fanout.listen(index, index, Encoding::TWO[0]);
    }
    fanout
}

#[test]
fn who_hears_stands_in_the_list_until_its_frames_are_taken() {
    let mut fanout = fanout();
    hear(&mut fanout, 0, "a");
    hear(&mut fanout, 2, "b");
    hear(&mut fanout, 0, "c");
    assert_eq!(fanout.grouped, [0, 2]);
    assert_eq!(taken(&mut fanout, 0), Some(("ac".to_owned(), 2)));
    assert_eq!(taken(&mut fanout, 0), None, "only once");
    assert_eq!(taken(&mut fanout, 1), None, "nothing was for it");
    // What comes after that is another group's.
    hear(&mut fanout, 0, "d");
    assert_eq!(fanout.addressed(), 3);
    assert_eq!(taken(&mut fanout, 0), Some(("d".to_owned(), 1)));
    assert_eq!(taken(&mut fanout, 2), Some(("b".to_owned(), 1)));
}

#[test]
fn the_next_connection_at_a_place_hears_nothing_of_the_last_one() {
    let mut fanout = fanout();
    hear(&mut fanout, 1, "a");
    fanout.forget(1);
    fanout.listen(1, 7, Encoding::TWO[0]);
    assert_eq!(taken(&mut fanout, 1), None);
    // A place that nobody ever had is nobody's.
    fanout.forget(99);
    assert_eq!(taken(&mut fanout, 99), None);
}

#[test]
fn numbers_of_subscriptions_are_not_0() {
    let mut fanout = fanout();
    assert_eq!(fanout.number_subscription(), 1);
    fanout.last_subscription = u32::MAX;
    assert_eq!(fanout.number_subscription(), 1);
}

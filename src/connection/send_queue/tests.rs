//! The send queue, cut at every byte and with events dropped at any time.

use super::*;
use proptest::prelude::*;

fn text(queue: &SendQueue) -> String {
    queue
        .chunks()
        .map(|chunk| String::from_utf8_lossy(chunk))
        .collect()
}

fn notice(count: u64) -> Bytes {
    Bytes::from(format!("[{count}]"))
}

#[test]
fn order_is_kept_at_every_cut() {
    for cut in 0..=9 {
        let mut queue = SendQueue::default();
        for chunk in ["abc", "", "def", "ghi"] {
            queue.push(Bytes::from_static(chunk.as_bytes()));
        }
        assert_eq!(queue.len(), 9);
        queue.advance(cut);
        assert_eq!(text(&queue), "abcdefghi"[cut..]);
        assert_eq!(queue.is_empty(), cut == 9);
        queue.push(Bytes::from_static(b"x"));
        assert_eq!(text(&queue), format!("{}x", &"abcdefghi"[cut..]));
    }
}

#[test]
fn an_empty_queue_owns_nothing() {
    assert!(size_of::<SendQueue>() <= 64, "{}", size_of::<SendQueue>());
    let mut queue = SendQueue::default();
    queue.push(Bytes::from_static(b"a"));
    assert_eq!(queue.single(), Some(&b"a"[..]));
    queue.push(Bytes::from_static(b"b"));
    assert_eq!(queue.single(), None);
    queue.advance(2);
    assert!(matches!(queue.chunks, Chunks::Empty));
}

fn queue() -> SendQueue {
    let mut queue = SendQueue::default();
    queue.push_events(Bytes::from_static(b"aaaa"), 1);
    queue.push(Bytes::from_static(b"ANSW"));
    queue.push_events(Bytes::from_static(b"bbbb"), 2);
    queue.push_events(Bytes::from_static(b"cccc"), 1);
    queue
}

#[test]
fn the_oldest_events_are_dropped_and_nothing_else() {
    let mut queue = queue();
    assert_eq!(queue.drop_oldest(9, notice), 3);
    assert_eq!(text(&queue), "[3]ANSWcccc");
    queue.push_events(Bytes::from_static(b"dddd"), 1);
    // The news of three is taken up into the news of four.
    assert_eq!(queue.drop_oldest(11, notice), 1);
    assert_eq!(text(&queue), "[4]ANSWdddd");
    assert_eq!(queue.len(), 11);
}

#[test]
fn what_was_begun_is_sent_to_its_end() {
    let mut queue = queue();
    queue.advance(1);
    assert_eq!(queue.drop_oldest(0, notice), 3);
    assert_eq!(text(&queue), "aaaANSW[3]");
    queue.advance(3);
    assert_eq!(text(&queue), "ANSW[3]");
    let mut queue = self::queue();
    queue.advance(6);
    assert_eq!(queue.drop_events(), 3);
    assert_eq!((text(&queue).as_str(), queue.len()), ("SW", 2));
    let mut queue = self::queue();
    queue.advance(1);
    assert_eq!(queue.drop_events(), 3);
    assert_eq!((text(&queue).as_str(), queue.len()), ("aaaANSW", 7));
    let mut queue = self::queue();
    assert_eq!(queue.drop_events(), 4);
    assert_eq!((text(&queue).as_str(), queue.len()), ("ANSW", 4));
}

/// Something that happens to a queue.
#[derive(Clone, Debug)]
enum Step {
    Due,
    Events(u32),
    Advance(usize),
    DropOldest(usize),
    DropEvents,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Due),
        (1u32..4).prop_map(Step::Events),
        (0usize..30).prop_map(Step::Advance),
        (0usize..60).prop_map(Step::DropOldest),
        Just(Step::DropEvents),
    ]
}

proptest! {
    /// Whatever is dropped in between: the peer gets whole chunks, all that was due in its order,
    /// and events and the news of missing ones add up.
    #[test]
    fn nothing_is_torn_lost_or_miscounted(steps in prop::collection::vec(step(), 0..60)) {
        let mut queue = SendQueue::default();
        let (mut sent, mut due, mut events, mut silent, mut told) = (String::new(), 0, 0, 0, 0);
        for step in steps {
            match step {
                Step::Due => {
                    queue.push(Bytes::from(format!("<{due}>")));
                    due += 1;
                }
                Step::Events(count) => {
                    queue.push_events(Bytes::from("e".repeat(count as usize) + ";"), count);
                    events += u64::from(count);
                }
                Step::Advance(bytes) => {
                    let bytes = bytes.min(queue.len());
                    sent += &text(&queue)[..bytes];
                    queue.advance(bytes);
                }
                Step::DropOldest(bytes_max) => told += queue.drop_oldest(bytes_max, notice),
                Step::DropEvents => {
                    let news = |text: &str| text.matches('[').count();
                    let before = news(&text(&queue));
                    silent += queue.drop_events();
                    prop_assert_eq!(news(&text(&queue)), before);
                }
            }
            prop_assert_eq!(queue.len(), text(&queue).len());
        }
        sent += &text(&queue);
        let in_order: Vec<String> = (0..due).map(|number| format!("<{number}>")).collect();
        let (mut came, mut missing, mut others) = (0, 0u64, String::new());
        let mut rest = &sent[..];
        while !rest.is_empty() {
            let end = rest.find([';', ']', '>']).expect("a whole chunk") + 1;
            let (chunk, after) = rest.split_at(end);
            match &chunk[..1] {
                "e" => came += chunk.len() as u64 - 1,
                "[" => missing += chunk[1..end - 1].parse::<u64>().expect("a count"),
                _ => others.push_str(chunk),
            }
            rest = after;
        }
        prop_assert_eq!((others, missing), (in_order.concat(), told));
        prop_assert_eq!(came + missing + silent, events);
    }
}

//! `hub::Log` against a list that forgets nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::hub::{
    Cursor, Epoch, Event, EventId, EventName, Gap, Log, OrganizationId, Resume, Retention,
    ScopeName, SessionKey,
};
use fanfare::time::Instant;
use proptest::prelude::*;

const EPOCH: Epoch = Epoch(0x0123_4567_89ab_cdef);

fn event(number: u64, payload_bytes: usize) -> Arc<Event> {
    let key = SessionKey {
        organization: OrganizationId(0),
        token: ScopeName::new("s"),
    };
    Arc::new(Event {
        id: EventId(uuid::Uuid::from_u128(u128::from(number))),
        name: EventName::from_text("n"),
        payload: Bytes::from("1".repeat(payload_bytes)),
        metadata: None,
        origin: None,
        correlation: None,
        scope: key.scope(),
        parents: fanfare::hub::Parents::default(),
        time_ms: 0,
    })
}

/// Every event ever appended; what is retained is computed from scratch each time.
struct Naive {
    retention: Retention,
    events: Vec<(Arc<Event>, Instant)>,
}

impl Naive {
    /// The longest tail within all bounds; by count and bytes, at least one event.
    fn oldest(&self, now: Instant) -> u64 {
        let fits = |&first: &usize| {
            let tail = &self.events[first..];
            let bytes: usize = tail.iter().map(|(e, _)| e.retained_bytes()).sum();
            let small = tail.len() <= self.retention.events && bytes <= self.retention.bytes;
            let young = tail
                .iter()
                .all(|&(_, at)| now.since(at) <= self.retention.age);
            young && (small || tail.len() == 1)
        };
        let len = self.events.len();
        (0..len).find(fits).unwrap_or(len) as u64
    }

    fn resume(&self, now: Instant, cursor: Cursor) -> Resume {
        let (oldest, next) = (self.oldest(now), self.events.len() as u64);
        let foreign = cursor.epoch.is_some() && cursor.epoch != Some(EPOCH);
        if foreign || i128::from(cursor.last) >= i128::from(next) {
            return Resume {
                from: oldest,
                gap: Some(Gap::Reset),
            };
        }
        let missing: Vec<u64> = (0..oldest)
            .filter(|&number| i128::from(number) > i128::from(cursor.last))
            .collect();
        let gap = missing.first().map(|&first| Gap::Range {
            first,
            last: oldest - 1,
        });
        let from = (0..next).find(|&n| n >= oldest && i128::from(n) > i128::from(cursor.last));
        Resume {
            from: from.unwrap_or(next),
            gap,
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Append(usize),
    Trim,
    Resume(Cursor),
    /// One of three readers reads what there is.
    Read(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let epoch = prop_oneof![
        Just(None),
        Just(Some(EPOCH)),
        any::<u64>().prop_map(|e| Some(Epoch(e)))
    ];
    let last = prop_oneof![8 => -2..60i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let cursor = (epoch, last).prop_map(|(epoch, last)| Cursor { epoch, last });
    let op = prop_oneof![
        2 => (0..12u64).prop_map(Op::Wait),
        6 => prop_oneof![9 => 0..40usize, 1 => 0..2_000usize].prop_map(Op::Append),
        1 => Just(Op::Trim),
        2 => cursor.prop_map(Op::Resume),
        2 => (0..3usize).prop_map(Op::Read),
    ];
    prop::collection::vec(op, 0..200)
}

fn retention() -> impl Strategy<Value = Retention> {
    (0..40u64, 0..20usize, 0..5_000usize).prop_map(|(age, events, bytes)| Retention {
        age: Duration::from_millis(age),
        events,
        bytes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_answer_is_the_naive_one(retention in retention(), ops in ops()) {
        let mut log = Log::new(EPOCH, retention);
        let mut naive = Naive { retention, events: Vec::new() };
        // The last number each reader saw.
        let mut readers = [-1i64; 3];
        let mut millis = 0;
        for op in ops {
            let now = Instant::from_millis(millis);
            match op {
                Op::Wait(ms) => {
                    millis += ms;
                    continue;
                }
                Op::Append(payload_bytes) => {
                    let event = event(log.next(), payload_bytes);
                    let number = log.append(now, Arc::clone(&event));
                    prop_assert_eq!(number, naive.events.len() as u64);
                    naive.events.push((event, now));
                    prop_assert_eq!(log.oldest(), naive.oldest(now));
                }
                Op::Trim => log.trim(now),
                Op::Resume(cursor) => {
                    log.trim(now);
                    prop_assert_eq!(log.resume(cursor), naive.resume(now, cursor));
                }
                Op::Read(reader) => {
                    log.trim(now);
                    readers[reader] = read(&log, readers[reader])?;
                }
            }
            let oldest = naive.oldest(now);
            prop_assert_eq!((log.oldest(), log.next()), (oldest, naive.events.len() as u64));
            let tail = &naive.events[oldest as usize..];
            let bytes: usize = tail.iter().map(|(e, _)| e.retained_bytes()).sum();
            prop_assert_eq!(log.bytes(), bytes);
            let expected = (oldest..).zip(tail.iter().map(|(e, _)| e));
            prop_assert!(log.range(0).eq(expected.clone()));
            prop_assert_eq!(log.range(0).len(), tail.len());
            prop_assert!(log.range(0).rev().eq(expected.collect::<Vec<_>>().into_iter().rev()));
        }
    }
}

/// A reader that comes back goes on where it was, or is told exactly what it missed.
fn read(log: &Log, last: i64) -> Result<i64, TestCaseError> {
    let cursor = Cursor {
        epoch: Some(log.epoch()),
        last,
    };
    let resume = log.resume(cursor);
    let mut expected = (last + 1) as u64;
    match resume.gap {
        None => {}
        Some(Gap::Range { first, last }) => {
            prop_assert_eq!(first, expected);
            prop_assert!(last >= first);
            expected = last + 1;
        }
        Some(Gap::Reset) => prop_assert!(false, "a cursor of this epoch, within the log"),
    }
    prop_assert_eq!(resume.from, expected);
    for (number, event) in log.range(resume.from) {
        prop_assert_eq!(number, expected);
        prop_assert_eq!(event.id.0.as_u128(), u128::from(number));
        expected += 1;
    }
    prop_assert_eq!(expected, log.next());
    Ok(expected as i64 - 1)
}

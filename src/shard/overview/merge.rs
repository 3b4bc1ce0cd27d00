//! Many shards' answers as one.

use crate::hub::{Ask, Item, Report, Why};

/// The answer to a question, of all shards' answers.
pub(super) fn merge(ask: &Ask, reports: Vec<Report>) -> Report {
    match ask {
        Ask::Page { limit, .. } => merge_pages(*limit, reports),
        Ask::One(..) | Ask::End(..) => {
            // One has it at most. Who has not may still know what became of it.
            let rank = |report: &Report| match report {
                Report::Not(Why::Absent) => 0,
                Report::Not(_) => 1,
                _ => 2,
            };
            let best = reports.into_iter().max_by_key(rank);
            best.unwrap_or(Report::Not(Why::Absent))
        }
    }
}

fn merge_pages(limit: usize, reports: Vec<Report>) -> Report {
    let mut all: Vec<Item> = Vec::new();
    // Where a shard stopped before its end: what others have behind that is for the next page.
    let mut end = None;
    for report in reports {
        match report {
            Report::Page { items, more } => {
                if more && let Some(last) = items.last() {
                    end = Some(end.map_or(last.key, |end: u128| end.min(last.key)));
                }
                all.extend(items);
            }
            why @ Report::Not(_) => return why,
            Report::One(_) | Report::Done => {}
        }
    }
    let before = all.len();
    if let Some(end) = end {
        all.retain(|item| item.key <= end);
    }
    let mut more = end.is_some() || all.len() < before;
    all.sort_by_key(|item| item.key);
    // A connection that moved meanwhile may have been seen twice.
    all.dedup_by_key(|item| item.key);
    if all.len() > limit {
        all.truncate(limit);
        more = true;
    }
    Report::Page { items: all, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Kind, Set};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn item(key: u128) -> Item {
        Item {
            key,
            id: Uuid::from_u128(key),
            name: None,
            json: Box::default(),
        }
    }

    proptest! {
        /// Pages of any size, of shards that stop early as they like, are together all there is,
        /// each once.
        #[test]
        fn a_walk_sees_everything_once(
            placed in prop::collection::btree_map(0..500u128, 0..3usize, 0..120),
            limit in 1..20usize,
            stops in prop::collection::vec(1..20usize, 1..50),
        ) {
            let ask = Ask::Page { set: Set::All(Kind::Group), after: None, limit };
            let (mut seen, mut after, mut stops) = (Vec::new(), None, stops.into_iter().cycle());
            for _ in 0..1_000 {
                let reports = (0..3usize).map(|shard| {
                    let own = placed.iter().filter(|&(key, at)| *at == shard && Some(*key) > after);
                    let mut items: Vec<Item> = own.map(|(&key, _)| item(key)).collect();
                    let stop = stops.next().unwrap_or(1);
                    let more = items.len() > stop && stop <= limit;
                    items.truncate(if more { stop } else { limit + 1 });
                    Report::Page { items, more }
                });
                let Report::Page { items, more } = merge(&ask, reports.collect()) else {
                    panic!("a page");
                };
                prop_assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| item.key));
                if !more {
                    break;
                }
                prop_assert!(!items.is_empty(), "a walk goes on");
                after = seen.last().copied();
            }
            prop_assert_eq!(seen, placed.into_keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn who_knows_more_is_believed() {
        let ask = Ask::One(Kind::Session, crate::hub::Named::Id(Uuid::nil()));
        let absent = || Report::Not(Why::Absent);
        assert_eq!(merge(&ask, vec![absent(), absent()]), absent());
        let found = Report::One(item(1));
        assert_eq!(merge(&ask, vec![absent(), found.clone(), absent()]), found);
        let ended = Report::Not(Why::Ended);
        assert_eq!(merge(&ask, vec![absent(), ended.clone()]), ended);
    }
}

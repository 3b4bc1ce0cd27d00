//! What bounds broadcasts: memory, their number, and the time that sessions and their events have.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::hub::{
    Address, Answer, Bounds, Command, Event, EventId, EventName, Full, Hub, HubConfig, Log,
    OrganizationId, Parents, Placement, Refusal, Retention, Scope, ScopeName, SessionIndex,
    SessionKey, Table, Whose,
};
use fanfare::limits::{BROADCASTS_PENDING_MAX, PUBLISH_EVENTS_MAX};
use proptest::prelude::*;

use super::{
    SESSIONS, Step, accept, accept_at, config, hub, log_of, publish, steps, tell, to_all, to_one,
    token,
};
use crate::calls::{at, key};

fn full(table: Table, whose: Whose, retry_after: u32) -> Answer {
    Answer::Refused(Refusal::Full(Full {
        table,
        whose,
        retry_after,
    }))
}

#[test]
fn what_is_on_its_way_is_bounded_and_counted() {
    let mut hub = hub(config(1));
    for session in [0, 3] {
        accept(&mut hub, to_one(session, "0"));
    }
    let before = hub.retained_bytes();
    for tick in 0..BROADCASTS_PENDING_MAX as u64 {
        accept_at(&mut hub, tick, to_all("1"));
    }
    let accepted = hub.retained_bytes();
    assert!(accepted > before);
    let busy = full(Table::Broadcasts, Whose::Everyone, 1);
    assert_eq!(hub.execute(at(0), to_all("2")), busy);
    assert_eq!(hub.retained_bytes(), accepted);
    hub.finish_broadcasts(at(0));
    assert!(!hub.is_broadcasting());
    assert_eq!(hub.retained_bytes(), accepted, "as it was weighed");
    accept(&mut hub, to_all("3"));
    assert_eq!(log_of(&mut hub, 3).len(), BROADCASTS_PENDING_MAX + 2);
}

#[test]
fn what_does_not_fit_is_refused_before_it_begins() {
    let mut roomy = hub(config(1));
    for session in [0, 3] {
        accept(&mut roomy, to_one(session, "0"));
    }
    let mut tight = hub(HubConfig {
        logs_bytes_max: 2 * roomy.retained_bytes(),
        ..config(1)
    });
    for session in [0, 3] {
        accept(&mut tight, to_one(session, "0"));
    }
    accept(&mut tight, to_all("1"));
    let busy = full(Table::LogBytes, Whose::Everyone, 61);
    assert!(tight.is_broadcasting());
    // What the first will need is not to be had any more, neither for all nor for one.
    assert_eq!(tight.execute(at(0), to_all("2")), busy);
    assert_eq!(tight.execute(at(0), to_one(6, "2")), busy);
    tight.finish_broadcasts(at(0));
    assert_eq!(log_of(&mut tight, 3), ["0", "1"]);
}

/// An event for the organization that another shard accepted.
fn mail(payload: &str) -> Arc<Event> {
    Arc::new(Event {
        id: EventId(uuid::Uuid::nil()),
        name: EventName::from_text("mailed"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        metadata: None,
        origin: None,
        correlation: None,
        scope: Scope {
            organization: OrganizationId(0),
            address: Address::Organization,
        },
        parents: Parents::default(),
        time_ms: 0,
    })
}

#[test]
fn nobody_inherits_an_event_with_the_place_of_a_session_whose_time_is_over() {
    let mut hub = hub(HubConfig {
        session_ttl: Duration::from_secs(1),
        ..config(1)
    });
    for session in [0, 3] {
        accept(&mut hub, to_one(session, "0"));
    }
    for tick in 0..BROADCASTS_PENDING_MAX as u64 {
        accept_at(&mut hub, tick, to_all("1"));
    }
    // There is no room for it before the oldest is at its end, and by then nobody is left.
    let later = at(1_001);
    hub.append_from_mail(later, &mail("2"));
    assert_eq!(hub.sessions(), 0);
    let stranger = Address::Session(ScopeName::new("stranger"));
    let command = publish(1, stranger, Parents::default(), "3");
    let answer = hub.execute(later, command);
    let Answer::Published { position, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(position.map(|(_, number)| number), Some(0));
    assert!(!hub.is_broadcasting());
}

/// Two organizations with a share each, and two sessions of each.
fn two(share: Bounds) -> Hub {
    let mut hub = hub(HubConfig {
        bounds: vec![share, share],
        ..config(1)
    });
    for organization in 0..2 {
        for session in ["a", "b"] {
            let address = Address::Session(ScopeName::new(session));
            let command = publish(organization, address, Parents::default(), "0");
            accept(&mut hub, command);
        }
    }
    hub
}

fn to_organization(organization: u32, events: usize) -> Command {
    let address = Address::Organization;
    let mut command = publish(organization, address, Parents::default(), "1");
    if let Command::Publish { drafts, .. } = &mut command {
        *drafts = vec![drafts[0].clone(); events];
    }
    command
}

#[test]
fn one_organization_leaves_room_for_the_broadcasts_of_others() {
    let mut hub = two(Bounds::SHARE);
    let share = BROADCASTS_PENDING_MAX / 2;
    let busy = full(Table::Broadcasts, Whose::Organization, 1);
    for tick in 0..share as u64 {
        accept_at(&mut hub, tick, to_organization(0, 1));
    }
    assert_eq!(hub.execute(at(100), to_organization(0, 1)), busy);
    // It is for its own sessions to catch up, so who has none under way may begin one of any
    // length.
    accept_at(&mut hub, 100, to_organization(1, PUBLISH_EVENTS_MAX));
    assert_eq!(hub.execute(at(101), to_organization(1, 1)), busy);
    assert_eq!(hub.broadcasts(), share + 1);
    // Those that are at their end are not counted, though older ones of others are not.
    for session in ["a", "b"] {
        let key = SessionKey {
            organization: OrganizationId(1),
            token: ScopeName::new(session),
        };
        hub.execute(at(101), Command::Read { session: key });
    }
    assert_eq!(hub.broadcasts(), share);
    accept_at(&mut hub, 101, to_organization(1, 1));
    // What cannot be refused has the organization's own oldest come to its end.
    hub.append_from_mail(at(102), &mail("2"));
    assert_eq!(hub.broadcasts(), 2);
    hub.finish_broadcasts(at(102));
    accept_at(&mut hub, 103, to_organization(0, 1));
}

#[test]
fn what_is_mailed_takes_no_more_than_the_share() {
    let one = two(Bounds::SHARE).retained_bytes() / 4;
    let share = 5 * one;
    let mut hub = two(Bounds {
        logs_bytes: share,
        ..Bounds::SHARE
    });
    let own = OrganizationId(0);
    for number in 0..4 {
        hub.append_from_mail(at(0), &mail(&number.to_string()));
        assert!(hub.is_broadcasting() && hub.retained_bytes_of(own) <= share);
    }
    let busy = full(Table::LogBytes, Whose::Organization, 61);
    assert_eq!(hub.execute(at(1), to_organization(0, 1)), busy);
    accept_at(&mut hub, 1, to_organization(1, 1));
    hub.finish_broadcasts(at(1));
    assert!(hub.retained_bytes_of(own) <= share);
    assert_eq!(hub.retained_bytes(), logs_bytes(&hub));
    // Each log gave up its own oldest.
    let hash = Placement::new(7, 1).session_hash("a");
    let reader = hub.attach(at(1), own, "a", hash, 1);
    let log = hub.log(reader.expect("room for readers"));
    let newest = log.and_then(|log| log.range(0).next_back());
    assert_eq!(newest.map(|(number, _)| number), Some(4));
}

#[test]
fn what_comes_one_by_one_in_a_tick_is_one_broadcast() {
    let mut hub = hub(config(1));
    for session in [0, 3] {
        accept(&mut hub, to_one(session, "0"));
    }
    for number in 1..=2 * BROADCASTS_PENDING_MAX {
        hub.append_from_mail(at(0), &mail(&number.to_string()));
    }
    assert_eq!(hub.broadcasts(), 1);
    // To one that has reached somebody, or is for others, or came earlier, nothing is added.
    hub.continue_broadcasts(at(0));
    hub.append_from_mail(at(0), &mail("a"));
    accept(&mut hub, to_one(6, "0"));
    hub.append_from_mail(at(0), &mail("b"));
    hub.append_from_mail(at(1), &mail("c"));
    assert_eq!(hub.broadcasts(), 4);
    hub.finish_broadcasts(at(1));
    let numbers = (0..=2 * BROADCASTS_PENDING_MAX).map(|number| number.to_string());
    let mut expected: Vec<String> = numbers.collect();
    expected.extend(["a", "b", "c"].map(String::from));
    assert_eq!(log_of(&mut hub, 0), expected);
    assert_eq!(log_of(&mut hub, 3), expected);
    assert_eq!(log_of(&mut hub, 6), ["0", "b", "c"]);
    assert_eq!(hub.retained_bytes(), logs_bytes(&hub));
}

#[test]
fn who_waits_is_told_however_short_the_retention() {
    let retention = Retention {
        age: Duration::ZERO,
        ..Retention::default()
    };
    let mut hub = hub(HubConfig {
        retention,
        ..config(1)
    });
    for (session, connection) in [(0, 1), (3, 2)] {
        let token = token(session);
        let hash = Placement::new(7, 1).session_hash(&token);
        let reader = hub.attach(at(0), OrganizationId(0), &token, hash, connection);
        assert!(reader.is_ok());
    }
    accept(&mut hub, to_all("1"));
    let mut woken = Vec::new();
    for millis in [5, 10] {
        hub.continue_broadcasts(at(millis));
        woken.clear();
        hub.take_woken(&mut woken);
        assert_eq!(woken.len(), 1);
        hub.trim(at(millis), woken[0]);
        let log = hub.session_log(woken[0]).expect("it is there");
        assert_eq!(log.range(0).len(), 1, "after {millis} ms");
    }
    // Who comes later does not find what is too old by then.
    hub.trim(at(11), woken[0]);
    assert_eq!(hub.session_log(woken[0]).map(Log::bytes), Some(0));
}

/// Bytes of all logs.
fn logs_bytes(hub: &Hub) -> usize {
    let logs = (0..4 * SESSIONS).filter_map(|index| hub.session_log(SessionIndex::new(index)));
    logs.map(Log::bytes).sum()
}

proptest! {
    #[test]
    fn the_bytes_of_all_logs_are_known_after_each_step(
        slice in 0..6usize,
        tight in prop_oneof![Just(usize::MAX), 500..8_000usize],
        log_bytes in prop_oneof![Just(usize::MAX), 200..1_500usize],
        age_ms in prop_oneof![Just(60u64), Just(60_000)],
        share in prop_oneof![Just(usize::MAX), 300..4_000usize],
        steps in prop::collection::vec((steps(), any::<bool>(), 0..40u64), 0..8),
    ) {
        let retention = Retention { age: Duration::from_millis(age_ms), events: 7, bytes: log_bytes };
        let mut hub = hub(HubConfig {
            retention,
            session_ttl: Duration::from_millis(100),
            logs_bytes_max: tight,
            bounds: vec![Bounds { logs_bytes: share, ..Bounds::ALL }],
            ..config(slice)
        });
        let mut millis = 0;
        for (steps, has_mail, wait) in steps {
            millis += wait;
            let now = at(millis);
            if has_mail {
                hub.append_from_mail(now, &mail("mailed"));
            }
            for (number, step) in steps.into_iter().enumerate() {
                let payload = number.to_string();
                let _ = match step {
                    Step::Tell(scope) => hub.execute(now, tell(scope, &payload)),
                    Step::TellOne(session) => hub.execute(now, to_one(session, &payload)),
                    Step::Delete(session) => {
                        hub.execute(now, Command::Delete { session: key(&token(session)) })
                    }
                    Step::Slice => {
                        hub.continue_broadcasts(now);
                        hub.sweep(now, 3);
                        Answer::Done
                    }
                };
                let (known, actual) = (hub.retained_bytes(), logs_bytes(&hub));
                prop_assert!(actual <= known, "{actual} of {known}");
                prop_assert!(actual <= tight, "{actual} of {tight}");
                let own = hub.retained_bytes_of(OrganizationId(0));
                prop_assert_eq!(own + hub.retained_bytes_of(OrganizationId(1)), known);
                prop_assert!(own <= share);
                prop_assert!(known <= tight, "{known} of {tight}");
                prop_assert!(hub.is_broadcasting() || known == actual);
                prop_assert_eq!(hub.is_broadcasting(), hub.broadcasts() > 0);
            }
        }
        hub.finish_broadcasts(at(millis));
        prop_assert_eq!(hub.retained_bytes(), logs_bytes(&hub));
    }
}

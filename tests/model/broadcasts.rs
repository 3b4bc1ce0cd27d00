//! Broadcasts that go on a slice at a time: no session is missed or told twice, order is kept.

mod bounds;

use bytes::Bytes;
use fanfare::hub::{
    Address, Answer, Command, Hub, HubConfig, OrganizationId, Parents, Placement, Scope, ScopeName,
    ShardId,
};
use proptest::prelude::*;

use crate::calls::{at, draft, key};

const SESSIONS: usize = 9;

/// What happens to the hub.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An event for the organization, a group, a project in it, or another organization.
    Tell(usize),
    /// An event for one session, which comes to be.
    TellOne(usize),
    Delete(usize),
    Slice,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize).prop_map(Step::Tell),
        4 => (0..SESSIONS).prop_map(Step::TellOne),
        1 => (0..SESSIONS).prop_map(Step::Delete),
        3 => Just(Step::Slice),
    ];
    prop::collection::vec(step, 0..80)
}

fn config(slice_appends: usize) -> HubConfig {
    HubConfig {
        slice_appends,
        ..HubConfig::default()
    }
}

fn hub(config: HubConfig) -> Hub {
    Hub::new(config, Placement::new(7, 1), ShardId(0), [7; 32])
}

fn token(session: usize) -> String {
    format!("session-{session}")
}

/// A third of the sessions each: beneath the organization alone, in the group, in the group's
/// project.
fn parents(session: usize) -> Parents {
    let name = |known: bool, name| known.then(|| ScopeName::new(name));
    Parents {
        group: name(!session.is_multiple_of(3), "g"),
        project: name(session % 3 > 1, "p"),
    }
}

fn publish(organization: u32, address: Address, parents: Parents, payload: &str) -> Command {
    Command::Publish {
        scope: Scope {
            organization: OrganizationId(organization),
            address,
        },
        parents,
        drafts: vec![draft(payload)],
    }
}

fn to_all(payload: &str) -> Command {
    publish(0, Address::Organization, Parents::default(), payload)
}

fn to_one(session: usize, payload: &str) -> Command {
    let address = Address::Session(ScopeName::new(&token(session)));
    publish(0, address, parents(session), payload)
}

/// Which sessions an event for the scope of [`Step::Tell`] is for.
fn is_for(scope: usize, session: usize) -> bool {
    scope < 3 && session % 3 >= scope
}

fn tell(scope: usize, payload: &str) -> Command {
    let address = match scope {
        1 => Address::Group(ScopeName::new("g")),
        2 => Address::Project(ScopeName::new("p")),
        _ => Address::Organization,
    };
    publish(u32::from(scope == 3), address, Parents::default(), payload)
}

/// All payloads of a session's log.
fn log_of(hub: &mut Hub, session: usize) -> Vec<Bytes> {
    let token = token(session);
    let hash = Placement::new(7, 1).session_hash(&token);
    let reader = hub.attach(at(0), OrganizationId(0), &token, hash, 1);
    let reader = reader.expect("room for readers");
    let log = hub.log(reader).expect("it is attached");
    let payloads = log.range(0).map(|(_, event)| event.payload.clone());
    let payloads = payloads.collect();
    hub.detach(at(0), reader);
    payloads
}

fn accept(hub: &mut Hub, command: Command) {
    accept_at(hub, 0, command);
}

fn accept_at(hub: &mut Hub, millis: u64, command: Command) {
    let answer = hub.execute(at(millis), command);
    assert!(matches!(answer, Answer::Published { .. }), "{answer:?}");
}

proptest! {
    #[test]
    fn each_log_has_what_was_accepted_for_it_in_order(slice in 0..6usize, steps in steps(), all_at_once: bool) {
        let mut hub = hub(config(slice));
        let mut expected: Vec<Option<Vec<Bytes>>> = vec![None; SESSIONS];
        for (number, step) in steps.into_iter().enumerate() {
            let payload = number.to_string();
            match step {
                Step::Tell(scope) => {
                    accept(&mut hub, tell(scope, &payload));
                    for (session, log) in expected.iter_mut().enumerate() {
                        if let Some(log) = log.as_mut().filter(|_| is_for(scope, session)) {
                            log.push(payload.clone().into());
                        }
                    }
                }
                Step::TellOne(session) => {
                    accept(&mut hub, to_one(session, &payload));
                    expected[session].get_or_insert_default().push(payload.into());
                }
                Step::Delete(session) => {
                    let existed = expected[session].take().is_some();
                    let answer = hub.execute(at(0), Command::Delete { session: key(&token(session)) });
                    prop_assert_eq!(answer == Answer::Done, existed);
                }
                Step::Slice => hub.continue_broadcasts(at(0)),
            }
        }
        if all_at_once {
            let mut slices = 0;
            while hub.is_broadcasting() {
                hub.continue_broadcasts(at(0));
                slices += 1;
                prop_assert!(slices <= SESSIONS * 80, "each slice reaches someone");
            }
        }
        for (session, log) in expected.into_iter().enumerate() {
            if let Some(log) = log {
                prop_assert_eq!(log_of(&mut hub, session), log);
            }
        }
    }
}

#[test]
fn a_small_one_does_not_overtake_a_large_one() {
    let mut hub = hub(config(4));
    for session in 0..SESSIONS {
        accept(&mut hub, to_one(session, "0"));
    }
    accept(&mut hub, to_all("1"));
    assert!(hub.is_broadcasting());
    // The group of six is as much as two slices, the project of three less than one.
    accept(&mut hub, tell(1, "2"));
    accept(&mut hub, tell(2, "3"));
    accept(&mut hub, to_one(8, "4"));
    hub.finish_broadcasts(at(0));
    assert_eq!(log_of(&mut hub, 8), ["0", "1", "2", "3", "4"]);
    assert_eq!(log_of(&mut hub, 7), ["0", "1", "2"]);
    assert_eq!(log_of(&mut hub, 6), ["0", "1"]);
}

#[test]
fn who_comes_after_an_event_does_not_get_it() {
    let mut hub = hub(config(1));
    for session in [0, 3, 6] {
        accept(&mut hub, to_one(session, "0"));
    }
    accept(&mut hub, to_all("1"));
    hub.continue_broadcasts(at(0));
    // Its place in the table goes to the next.
    let session = key(&token(6));
    hub.execute(at(0), Command::Delete { session });
    accept(&mut hub, to_one(1, "2"));
    accept(&mut hub, to_one(6, "3"));
    hub.finish_broadcasts(at(0));
    assert_eq!(log_of(&mut hub, 1), ["2"]);
    assert_eq!(log_of(&mut hub, 6), ["3"]);
    assert_eq!(log_of(&mut hub, 3), ["0", "1"]);
}

//! Random calls to a hub, over few enough names that they meet.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fanfare::hub::{
    Address, Bounds, Command, Draft, Event, EventId, EventName, HubConfig, OrganizationId, Parents,
    Retention, Scope, ScopeName, SessionKey, Transition,
};
use fanfare::time::{Instant, Now};
use proptest::prelude::*;

const TOKENS: [&str; 5] = ["token-a", "token-b", "token-bc", "other", "x"];
const PREFIXES: [&str; 4] = ["token-", "token-b", "x", "none"];
const PROJECTS: [&str; 2] = ["p", "q"];
const GROUPS: [&str; 2] = ["g", "h"];
/// The wall clock's lead over the monotonic one.
const UNIX_MS: u64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Wait(u64),
    Execute(Command),
    Find(OrganizationId, &'static str),
    Mail(Arc<Event>),
    Attach(SessionKey),
    Detach(usize),
    /// Broadcasts go on.
    Slice,
    Tick,
}

fn session_keys() -> impl Strategy<Value = SessionKey> {
    (0..2u32, prop::sample::select(&TOKENS[..])).prop_map(|(o, token)| SessionKey {
        organization: OrganizationId(o),
        token: ScopeName::new(token),
    })
}

fn all_parents() -> impl Strategy<Value = Parents> {
    let name = |names: &'static [&'static str]| {
        prop::option::of(prop::sample::select(names).prop_map(ScopeName::new))
    };
    (name(&PROJECTS), name(&GROUPS)).prop_map(|(project, group)| Parents { group, project })
}

/// None, most of the time.
fn some_parents() -> impl Strategy<Value = Parents> {
    prop_oneof![2 => Just(Parents::default()), 1 => all_parents()]
}

fn scopes_above() -> impl Strategy<Value = Scope> {
    let address = prop_oneof![
        Just(Address::Organization),
        prop::sample::select(&GROUPS[..]).prop_map(|g| Address::Group(ScopeName::new(g))),
        prop::sample::select(&PROJECTS[..]).prop_map(|p| Address::Project(ScopeName::new(p))),
    ];
    (0..2u32, address).prop_map(|(o, address)| Scope {
        organization: OrganizationId(o),
        address,
    })
}

fn all_drafts() -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..1_000u32, prop::option::of(0..9u8)).prop_map(|(payload, extra)| Draft {
        metadata: extra.map(|e| Bytes::from(e.to_string())),
        ..draft(&payload.to_string())
    });
    prop::collection::vec(draft, 1..4)
}

fn labels() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-c]", 0..3)
}

/// To a session, to what is above one, and where either stands.
fn targeted() -> impl Strategy<Value = Command> {
    let to_session =
        (session_keys(), some_parents(), all_drafts()).prop_map(|(session, parents, drafts)| {
            Command::Publish {
                scope: session.scope(),
                parents,
                drafts,
            }
        });
    let above =
        (scopes_above(), some_parents(), all_drafts()).prop_map(|(scope, parents, drafts)| {
            Command::Publish {
                scope,
                parents,
                drafts,
            }
        });
    let scopes = prop_oneof![
        2 => session_keys().prop_map(|session| session.scope()),
        1 => scopes_above(),
    ];
    let place =
        (scopes, all_parents()).prop_map(|(scope, parents)| Command::Place { scope, parents });
    prop_oneof![8 => to_session, 4 => above, 2 => place]
}

fn commands() -> impl Strategy<Value = Command> {
    let declare = (0..2u32, all_parents()).prop_map(|(o, parents)| Command::Declare {
        organization: OrganizationId(o),
        project: parents.project.unwrap_or_else(|| ScopeName::new("p")),
        group: parents.group,
    });
    let create = (
        session_keys(),
        all_parents(),
        labels(),
        // From when the command is executed, which is not known here.
        prop::option::weighted(0.2, 1..2_000u64),
        prop::option::weighted(0.2, 0..300u64),
    )
        .prop_map(
            |(session, parents, labels, expires, retention)| Command::Create {
                session,
                parents,
                labels,
                expires_ms: expires,
                retention: retention.map(Duration::from_millis),
            },
        );
    let transitions = [Transition::Start, Transition::Pause, Transition::Stop];
    let transition = (session_keys(), prop::sample::select(transitions.to_vec())).prop_map(
        |(session, transition)| Command::Transition {
            session,
            transition,
        },
    );
    let resume = session_keys().prop_map(|session| Command::Resume {
        session,
        resume_token: Bytes::from_static(b"\"again\""),
    });
    prop_oneof![
        14 => targeted(),
        1 => declare,
        4 => create,
        3 => session_keys().prop_map(|session| Command::Read { session }),
        2 => session_keys().prop_map(|session| Command::ReadAny { token: session.token }),
        4 => transition,
        1 => resume,
        1 => (session_keys(), labels())
            .prop_map(|(session, labels)| Command::SetLabels { session, labels }),
        1 => session_keys().prop_map(|session| Command::Delete { session }),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let mail = (scopes_above(), 0..100u32).prop_map(|(scope, payload)| {
        Op::Mail(Arc::new(Event {
            id: EventId(uuid::Uuid::nil()),
            name: EventName::from_text("mailed"),
            payload: Bytes::from(payload.to_string()),
            metadata: None,
            origin: None,
            correlation: None,
            scope,
            parents: Parents::default(),
            time_ms: UNIX_MS,
        }))
    });
    let find = (0..2u32, prop::sample::select(&PREFIXES[..]))
        .prop_map(|(o, prefix)| Op::Find(OrganizationId(o), prefix));
    let op = prop_oneof![
        4 => prop_oneof![0..20u64, 100..900u64].prop_map(Op::Wait),
        16 => commands().prop_map(Op::Execute),
        1 => mail,
        1 => find,
        4 => session_keys().prop_map(Op::Attach),
        2 => any::<usize>().prop_map(Op::Detach),
        2 => Just(Op::Slice),
        3 => Just(Op::Tick),
    ];
    prop::collection::vec(op, 0..120)
}

fn share(logs_bytes: usize) -> Bounds {
    Bounds {
        logs_bytes,
        ..Bounds::ALL
    }
}

pub(crate) fn configs() -> impl Strategy<Value = HubConfig> {
    let tight = prop_oneof![2 => Just(usize::MAX), 1 => 0..6_000usize];
    // Everything at once, as by default, or nearly nothing.
    let slices = prop_oneof![1 => Just(4_096usize), 2 => 0..6usize];
    let shares = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(0..4_000usize, 1..3),
    ];
    let sessions_max = prop_oneof![2 => Just(100usize), 1 => 1..6usize];
    (
        0..400u64,
        1..12usize,
        300..3_000usize,
        tight,
        sessions_max,
        prop::bool::weighted(0.2),
        (slices, 0..3usize, shares),
    )
        .prop_map(
            |(age, events, bytes, logs_bytes_max, sessions_max, declared_scopes, slices)| {
                HubConfig {
                    retention: Retention {
                        age: Duration::from_millis(age),
                        events,
                        bytes,
                    },
                    session_ttl: Duration::from_secs(1),
                    logs_bytes_max,
                    sessions_max,
                    bounds: slices.2.into_iter().map(share).collect(),
                    scope_ttl: Duration::from_secs(3_600),
                    declared_scopes,
                    retained_names: Vec::new(),
                    slice_appends: slices.0,
                    slice_woken: slices.1,
                }
            },
        )
}

pub(crate) fn at(millis: u64) -> Now {
    Now {
        instant: Instant::from_millis(millis),
        unix_ms: UNIX_MS + millis,
    }
}

pub(crate) fn key(token: &str) -> SessionKey {
    SessionKey {
        organization: OrganizationId(0),
        token: ScopeName::new(token),
    }
}

pub(crate) fn draft(payload: &str) -> Draft {
    Draft {
        name: EventName::from_text("n"),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        metadata: None,
        origin: None,
        correlation: None,
    }
}

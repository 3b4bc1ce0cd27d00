//! Scenes that random calls to a hub would seldom play.

use std::sync::Arc;

use bytes::Bytes;
use fanfare::hub::{
    Address, Answer, Command, Correlation, Draft, Event, Full, Hub, HubConfig, News,
    OrganizationId, Parents, Placement, Refusal, Scope, ScopeName, SessionView, ShardId,
    SubscriberId, Table, Whose,
};
use fanfare::time::Now;

use crate::calls::{at, draft, key};

fn publish(address: Address, payloads: &[&str]) -> Command {
    Command::Publish {
        scope: Scope {
            organization: OrganizationId(0),
            address,
        },
        parents: Parents::default(),
        drafts: payloads.iter().map(|p| draft(p)).collect(),
    }
}

fn create(token: &str, project: Option<&str>, group: Option<&str>) -> Command {
    Command::Create {
        session: key(token),
        parents: Parents {
            group: group.map(ScopeName::new),
            project: project.map(ScopeName::new),
        },
        labels: Vec::new(),
        expires_ms: None,
        retention: None,
    }
}

#[test]
fn bytes_of_all_logs_are_bounded() {
    let one = naive_bytes("0");
    let config = HubConfig {
        logs_bytes_max: 4 * one,
        ..HubConfig::default()
    };
    let age = config.retention.age.as_millis() as u64;
    let mut hub = Hub::new(config, Placement::new(7, 1), ShardId(0), [7; 32]);
    let to =
        |token: &str, payloads: &[&str]| publish(Address::Session(ScopeName::new(token)), payloads);
    let busy = Answer::Refused(Refusal::Full(Full {
        table: Table::LogBytes,
        whose: Whose::Everyone,
        retry_after: 61,
    }));
    let first = hub.execute(at(0), to("a", &["0", "1", "2"]));
    assert!(matches!(first, Answer::Published { .. }));
    // All or none, and a session is not created for what was refused.
    assert_eq!(hub.execute(at(1), to("b", &["0", "1"])), busy);
    assert_eq!((hub.sessions(), hub.retained_bytes()), (1, 3 * one));
    assert!(matches!(
        hub.execute(at(1), to("b", &["0"])),
        Answer::Published { .. }
    ));
    let all = publish(Address::Organization, &["0"]);
    assert_eq!(hub.execute(at(2), all.clone()), busy);
    assert_eq!(hub.retained_bytes(), 4 * one);
    // What is too old makes room, without a sweep.
    assert!(matches!(
        hub.execute(at(age + 1), all),
        Answer::Published { .. }
    ));
    assert_eq!(hub.retained_bytes(), 3 * one);
}

fn naive_bytes(payload: &str) -> usize {
    size_of::<Event>() + "\"n\"".len() + payload.len()
}

/// Two shards whose every effect reaches the other.
fn two_shards(config: &HubConfig) -> [Hub; 2] {
    [0, 1].map(|shard| {
        Hub::new(
            config.clone(),
            Placement::new(7, 2),
            ShardId(shard),
            [7; 32],
        )
    })
}

fn exchange(hubs: &mut [Hub; 2], now: Now) -> usize {
    let mut count = 0;
    for from in [0, 1] {
        let mut effects = Vec::new();
        hubs[from].take_news(&mut effects);
        count += effects.len();
        for effect in effects {
            match effect {
                News::Append(event) => hubs[1 - from].append_from_mail(now, &event),
                News::Hear(to, event) => hubs[to.index()].hear_from_mail(&event),
                News::Learn {
                    organization,
                    session,
                    parents,
                } => hubs[1 - from].learn_from_mail(organization, session.as_ref(), &parents),
                News::Scope {
                    scope,
                    parents,
                    news,
                    ..
                } => {
                    let from_shard = ShardId(from as u16);
                    hubs[1 - from].hear_of_scope(from_shard, scope, &parents, news);
                }
            }
        }
    }
    count
}

fn view(hub: &mut Hub, now: Now, token: &str) -> SessionView {
    let session = key(token);
    match hub.execute(now, Command::Read { session }) {
        Answer::Session(view) => *view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_learned_on_one_shard_is_heard_on_the_other() {
    let mut hubs = two_shards(&HubConfig::default());
    let now = at(0);
    let created = hubs[1].execute(now, create("s", Some("p"), None));
    assert_eq!(created, Answer::Created(ScopeName::new("s")));
    assert_eq!(exchange(&mut hubs, now), 1);
    let declare = Command::Declare {
        organization: OrganizationId(0),
        project: ScopeName::new("p"),
        group: Some(ScopeName::new("g")),
    };
    let parents = Parents {
        group: Some(ScopeName::new("g")),
        project: Some(ScopeName::new("p")),
    };
    assert_eq!(
        hubs[0].execute(now, declare),
        Answer::Parents(parents.clone())
    );
    assert_eq!(exchange(&mut hubs, now), 1);
    assert_eq!(exchange(&mut hubs, now), 0, "what is learned by mail stays");
    assert_eq!(view(&mut hubs[1], now, "s").parents, parents);
    hubs[0].execute(
        now,
        publish(Address::Group(ScopeName::new("g")), &["1", "2"]),
    );
    assert_eq!(exchange(&mut hubs, now), 2);
    assert_eq!(view(&mut hubs[1], now, "s").next, 2);
}

#[test]
fn mail_gives_way_when_the_bytes_are_used_up() {
    let one = naive_bytes("0");
    let config = HubConfig {
        logs_bytes_max: 3 * one,
        ..HubConfig::default()
    };
    let [mut first, mut second] = two_shards(&config);
    for token in ["a", "b", "c"] {
        second.execute(at(0), create(token, None, None));
    }
    for payload in ["0", "1", "2"] {
        second.execute(
            at(0),
            publish(Address::Session(ScopeName::new("a")), &[payload]),
        );
    }
    let published = first.execute(at(1), publish(Address::Organization, &["9"]));
    assert!(matches!(published, Answer::Published { .. }));
    let mut effects = Vec::new();
    first.take_news(&mut effects);
    let [News::Append(event)] = &effects[..] else {
        panic!("{effects:?}");
    };
    second.append_from_mail(at(1), event);
    assert_eq!(second.retained_bytes(), 3 * one);
    let place = |view: SessionView| (view.oldest, view.next);
    // Each made room by itself; an empty log could only give up the event, and says so.
    assert_eq!(place(view(&mut second, at(1), "a")), (1, 4));
    assert_eq!(place(view(&mut second, at(1), "b")), (1, 1));
    assert_eq!(place(view(&mut second, at(1), "c")), (1, 1));
}

#[test]
fn a_resumed_session_ends_after_its_readers_were_shown() {
    let placement = Placement::new(7, 1);
    let mut hub = Hub::new(HubConfig::default(), placement.clone(), ShardId(0), [7; 32]);
    let organization = OrganizationId(0);
    hub.execute(at(0), create("s", None, None));
    let epoch = view(&mut hub, at(0), "s").epoch;
    let hash = placement.session_hash("s");
    let reader = hub.attach(at(0), organization, "s", hash, 5).unwrap();
    let resume = Command::Resume {
        session: key("s"),
        resume_token: Bytes::from_static(b"\"again\""),
    };
    assert_eq!(hub.execute(at(0), resume.clone()), Answer::Done);
    let not_found = Answer::Refused(Refusal::NotFound);
    assert_eq!(hub.execute(at(0), resume), not_found);
    // Its name is free at once; a new session is another life.
    let next = hub.execute(
        at(0),
        publish(Address::Session(ScopeName::new("s")), &["1"]),
    );
    let Answer::Published { position, .. } = next else {
        panic!("{next:?}");
    };
    let (new_epoch, number) = position.unwrap();
    assert!(number == 0 && new_epoch != epoch);

    hub.end_tick();
    assert_eq!((hub.sessions(), hub.readers()), (2, 1), "not shown yet");
    let (mut woken, mut ended) = (Vec::new(), Vec::new());
    hub.take_woken(&mut woken);
    assert_eq!(woken, [hub.session_of(reader).unwrap()]);
    let log = hub.log(reader).unwrap();
    let names: Vec<_> = log
        .range(0)
        .map(|(_, e)| e.name.as_text().unwrap())
        .collect();
    assert_eq!(names, ["resume"]);
    hub.take_ended(&mut ended);
    assert!(ended.is_empty());
    hub.end_tick();
    hub.take_ended(&mut ended);
    assert_eq!(ended, [5]);
    assert_eq!((hub.sessions(), hub.readers()), (1, 0));
    assert!(hub.log(reader).is_none());
}

#[test]
fn declared_scopes_refuse_the_unknown() {
    let config = HubConfig {
        declared_scopes: true,
        ..HubConfig::default()
    };
    let mut hub = Hub::new(config, Placement::new(7, 1), ShardId(0), [7; 32]);
    let undeclared = Answer::Refused(Refusal::Undeclared);
    let unknown = [
        Address::Session(ScopeName::new("s")),
        Address::Project(ScopeName::new("p")),
        Address::Group(ScopeName::new("g")),
    ];
    for address in &unknown {
        assert_eq!(
            hub.execute(at(0), publish(address.clone(), &["1"])),
            undeclared
        );
    }
    let attached = hub.attach(at(0), OrganizationId(0), "s", 0, 1);
    assert_eq!(attached, Err(Refusal::Undeclared));
    hub.execute(at(0), create("s", Some("p"), Some("g")));
    for address in unknown {
        let answer = hub.execute(at(0), publish(address, &["1"]));
        assert!(matches!(answer, Answer::Published { .. }));
    }
    assert_eq!(view(&mut hub, at(0), "s").next, 3);
}

#[test]
fn who_uses_scopes_declares_none() {
    let config = HubConfig {
        declared_scopes: true,
        ..HubConfig::default()
    };
    let mut hub = Hub::new(config, Placement::new(7, 2), ShardId(0), [7; 32]);
    hub.set_listener(OrganizationId(0), ShardId(1), true);
    let created = hub.execute(at(0), create("s", None, None));
    assert_eq!(created, Answer::Created(ScopeName::new("s")));
    let calls = |address: Address, project: Option<&str>, group: Option<&str>| {
        let parents = Parents {
            group: group.map(ScopeName::new),
            project: project.map(ScopeName::new),
        };
        let scope = Scope {
            organization: OrganizationId(0),
            address,
        };
        let drafts = vec![draft("1")];
        let place = Command::Place {
            scope: scope.clone(),
            parents: parents.clone(),
        };
        let publish = Command::Publish {
            scope,
            parents,
            drafts,
        };
        [place, publish]
    };
    let session = || Address::Session(ScopeName::new("s"));
    let project = || Address::Project(ScopeName::new("p"));
    let undeclared = [
        calls(session(), Some("p"), None),
        calls(session(), None, Some("g")),
        calls(Address::Session(ScopeName::new("new")), None, None),
        calls(project(), None, None),
        calls(project(), None, Some("g")),
        calls(Address::Group(ScopeName::new("g")), None, None),
    ];
    for command in undeclared.into_iter().flatten() {
        let answer = hub.execute(at(0), command);
        assert_eq!(answer, Answer::Refused(Refusal::Undeclared));
    }
    let mut effects = Vec::new();
    hub.take_news(&mut effects);
    assert_eq!((effects.len(), hub.sessions()), (0, 1));
    assert_eq!(view(&mut hub, at(0), "s").next, 0);
    // Declared by another session, they may be said of this one.
    hub.execute(at(0), create("other", Some("p"), Some("g")));
    let [place, publish] = calls(session(), Some("p"), None);
    let Answer::Parents(parents) = hub.execute(at(0), place) else {
        panic!("its project is declared");
    };
    assert_eq!(parents.group, Some(ScopeName::new("g")));
    assert!(matches!(
        hub.execute(at(0), publish),
        Answer::Published { .. }
    ));
}

#[test]
fn who_published_travels_with_the_event_and_is_counted() {
    let mut hub = Hub::new(
        HubConfig::default(),
        Placement::new(7, 1),
        ShardId(0),
        [7; 32],
    );
    let correlation = Arc::new(Correlation {
        shard: ShardId(2),
        subscriber: SubscriberId(3),
        serial: 4,
        id: "c4".into(),
    });
    let scope = Scope {
        organization: OrganizationId(0),
        address: Address::Session(ScopeName::new("s")),
    };
    hub.execute(
        at(0),
        Command::Publish {
            scope,
            parents: Parents::default(),
            drafts: vec![Draft {
                correlation: Some(Arc::clone(&correlation)),
                ..draft("0")
            }],
        },
    );
    let extra = size_of::<Correlation>() + "c4".len();
    assert_eq!(hub.retained_bytes(), naive_bytes("0") + extra);
    let hash = Placement::new(7, 1).session_hash("s");
    let reader = hub.attach(at(0), OrganizationId(0), "s", hash, 1).unwrap();
    let (_, event) = hub.log(reader).unwrap().range(0).next().unwrap();
    assert_eq!(event.correlation.as_ref(), Some(&correlation));
}

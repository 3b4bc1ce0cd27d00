//! Groups and projects that nobody uses are forgotten, everywhere, and an organization that has as
//! many as it may is refused by name while others find room.

use std::time::Duration;

use fanfare::hub::{
    Address, Answer, Bounds, Command, Full, Hub, HubConfig, News, OrganizationId, Parents,
    Placement, Refusal, Scope, ScopeName, SessionKey, ShardId, Table, Whose,
};
use fanfare::limits::SCOPE_FORGET_GRACE;
use fanfare::time::{Instant, Now};

const TTL: Duration = Duration::from_secs(60);
const ONE: OrganizationId = OrganizationId(0);
const TWO: OrganizationId = OrganizationId(1);

/// Hubs that hear of each other at once, unless mail is held back.
struct Mesh {
    hubs: Vec<Hub>,
    placement: Placement,
    now: Instant,
}

impl Mesh {
    fn new(shards: u16, scopes: usize) -> Self {
        let placement = Placement::new(7, shards);
        let config = HubConfig {
            scope_ttl: TTL,
            session_ttl: 10 * TTL,
            bounds: vec![
                Bounds {
                    scopes,
                    sessions: 5,
                    ..Bounds::ALL
                },
                Bounds::SHARE,
            ],
            ..HubConfig::default()
        };
        let hub = |shard| Hub::new(config.clone(), placement.clone(), ShardId(shard), [7; 32]);
        Self {
            hubs: (0..shards).map(hub).collect(),
            placement,
            now: Instant::from_millis(0),
        }
    }

    fn now(&self) -> Now {
        Now {
            instant: self.now,
            unix_ms: 1_700_000_000_000 + self.now.as_millis(),
        }
    }

    /// Delivers all mail about the tree.
    fn deliver(&mut self) {
        let mut effects = Vec::new();
        loop {
            let mut mail = Vec::new();
            for from in 0..self.hubs.len() {
                self.hubs[from].take_news(&mut effects);
                mail.extend(effects.drain(..).map(|effect| (from, effect)));
            }
            if mail.is_empty() {
                return;
            }
            for (from, effect) in mail {
                for at in (0..self.hubs.len()).filter(|&at| at != from) {
                    let hub = &mut self.hubs[at];
                    match &effect {
                        News::Learn {
                            organization,
                            session: None,
                            parents,
                        } => {
                            hub.learn_from_mail(*organization, None, parents);
                        }
                        News::Scope {
                            to,
                            scope,
                            parents,
                            news,
                        } if to.is_none_or(|to| to.index() == at) => {
                            let from = ShardId(from as u16);
                            hub.hear_of_scope(from, scope.clone(), parents, *news);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Time passes, second by second.
    fn pass(&mut self, duration: Duration) {
        for _ in 0..duration.as_secs() {
            self.now = self.now + Duration::from_secs(1);
            let now = self.now();
            for hub in &mut self.hubs {
                hub.sweep(now, 1_000);
            }
            self.deliver();
        }
    }

    fn ask(&mut self, scope: &Scope, command: Command) -> Answer {
        let (home, now) = (self.placement.home(scope).index(), self.now());
        let answer = self.hubs[home].execute(now, command);
        self.deliver();
        answer
    }

    /// Says that a project is in a group.
    fn place(
        &mut self,
        organization: OrganizationId,
        project: &str,
        group: Option<&str>,
    ) -> Answer {
        let scope = Scope {
            organization,
            address: Address::Project(ScopeName::new(project)),
        };
        let parents = Parents {
            group: group.map(ScopeName::new),
            project: None,
        };
        self.ask(&scope.clone(), Command::Place { scope, parents })
    }

    fn create(&mut self, organization: OrganizationId, token: &str, project: &str) -> Answer {
        let session = SessionKey {
            organization,
            token: ScopeName::new(token),
        };
        let parents = Parents {
            group: None,
            project: Some(ScopeName::new(project)),
        };
        self.ask(
            &session.scope(),
            Command::Create {
                session,
                parents,
                labels: Vec::new(),
                expires_ms: None,
                retention: None,
            },
        )
    }
}

fn full(table: Table, after: Duration) -> Answer {
    Answer::Refused(Refusal::Full(Full {
        table,
        whose: Whose::Organization,
        retry_after: after.as_secs() as u32 + 1,
    }))
}

fn parents(project: &str, group: Option<&str>) -> Answer {
    Answer::Parents(Parents {
        group: group.map(ScopeName::new),
        project: Some(ScopeName::new(project)),
    })
}

#[test]
fn an_organization_fills_its_own_share_and_not_for_good() {
    for shards in [1, 3] {
        let mut mesh = Mesh::new(shards, 4);
        for project in ["a", "b", "c", "d"] {
            assert_eq!(mesh.place(ONE, project, None), parents(project, None));
        }
        let refused = full(Table::Scopes, TTL + SCOPE_FORGET_GRACE);
        assert_eq!(mesh.place(ONE, "e", None), refused);
        assert_eq!(mesh.place(TWO, "e", None), parents("e", None));
        // What is named from time to time stays.
        mesh.pass(TTL / 2);
        assert_eq!(mesh.place(ONE, "a", None), parents("a", None));
        mesh.pass(TTL / 2 + SCOPE_FORGET_GRACE + Duration::from_secs(3));
        for project in ["e", "f", "g"] {
            assert_eq!(
                mesh.place(ONE, project, None),
                parents(project, None),
                "{shards}"
            );
        }
        assert_eq!(mesh.place(ONE, "h", None), refused);
    }
}

#[test]
fn what_was_forgotten_may_be_placed_anew() {
    for shards in [1, 3] {
        let mut mesh = Mesh::new(shards, 100);
        assert_eq!(mesh.place(ONE, "p", Some("g")), parents("p", Some("g")));
        let contradiction = Answer::Refused(Refusal::Contradiction);
        assert_eq!(mesh.place(ONE, "p", Some("h")), contradiction);
        mesh.pass(TTL + SCOPE_FORGET_GRACE + Duration::from_secs(3));
        assert_eq!(mesh.place(ONE, "p", Some("h")), parents("p", Some("h")));
        // A session says the same on whatever shard it lives.
        for number in 0..5 {
            let token = format!("s{number}");
            assert_eq!(
                mesh.create(ONE, &token, "p"),
                Answer::Created(ScopeName::new(&token))
            );
            let key = SessionKey {
                organization: ONE,
                token: ScopeName::new(&token),
            };
            let Answer::Session(view) = mesh.ask(
                &key.scope(),
                Command::Read {
                    session: key.clone(),
                },
            ) else {
                panic!("no session");
            };
            assert_eq!(
                view.parents.group,
                Some(ScopeName::new("h")),
                "{shards} shards"
            );
        }
        // As many sessions as the organization may have; another's find room.
        assert_eq!(
            mesh.create(ONE, "s5", "p") == full(Table::Sessions, 10 * TTL),
            shards == 1
        );
        assert_eq!(
            mesh.create(TWO, "s5", "p"),
            Answer::Created(ScopeName::new("s5"))
        );
    }
}

#[test]
fn what_stands_above_a_living_session_stays_on_all_shards() {
    for shards in [1, 3] {
        let mut mesh = Mesh::new(shards, 100);
        assert_eq!(mesh.place(ONE, "p", Some("g")), parents("p", Some("g")));
        mesh.create(ONE, "s", "p");
        mesh.pass(4 * TTL);
        let contradiction = Answer::Refused(Refusal::Contradiction);
        assert_eq!(mesh.place(ONE, "p", Some("h")), contradiction);
        assert_eq!(mesh.place(ONE, "p", Some("g")), parents("p", Some("g")));
    }
}

/// A session comes to a project on one shard, which was told to forget it, while the project's home
/// still waits.
#[test]
fn what_is_used_while_its_home_forgets_comes_back_as_it_was() {
    let mut mesh = Mesh::new(3, 100);
    assert_eq!(mesh.place(ONE, "p", Some("g")), parents("p", Some("g")));
    mesh.pass(TTL + Duration::from_secs(3));
    for number in 0..3 {
        mesh.create(ONE, &format!("s{number}"), "p");
    }
    mesh.pass(2 * SCOPE_FORGET_GRACE);
    let contradiction = Answer::Refused(Refusal::Contradiction);
    assert_eq!(mesh.place(ONE, "p", Some("h")), contradiction);
    for number in 0..3 {
        let token = ScopeName::new(&format!("s{number}"));
        let key = SessionKey {
            organization: ONE,
            token,
        };
        let Answer::Session(view) = mesh.ask(
            &key.scope(),
            Command::Read {
                session: key.clone(),
            },
        ) else {
            panic!("no session");
        };
        assert_eq!(view.parents.group, Some(ScopeName::new("g")));
    }
}

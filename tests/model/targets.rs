//! Who hears what is told at which level: every level against every level, the same scope, what is
//! above and beneath it, siblings and another organization; however, and in whatever order, the
//! hubs came to know who is above whom.

use std::collections::BTreeSet;

use fanfare::hub::{
    Address, Answer, Command, OrganizationId, Parents, Scope, ScopeName, SessionKey, SubscriberId,
};
use proptest::prelude::*;

use crate::calls::draft;
use crate::facts::Facts;
use crate::mesh::Mesh;

/// A scope and the truth about it.
#[derive(Clone, Copy, Debug)]
struct Node {
    organization: u32,
    level: Level,
    name: &'static str,
    project: Option<&'static str>,
    group: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Organization,
    Group,
    Project,
    Session,
}

const fn node(
    organization: u32,
    level: Level,
    name: &'static str,
    project: Option<&'static str>,
    group: Option<&'static str>,
) -> Node {
    Node {
        organization,
        level,
        name,
        project,
        group,
    }
}

/// Names of one level are used at others, and by another organization.
const TREE: [Node; 21] = [
    node(0, Level::Organization, "", None, None),
    node(0, Level::Group, "g", None, None),
    node(0, Level::Group, "h", None, None),
    node(0, Level::Project, "p", None, Some("g")),
    node(0, Level::Project, "q", None, Some("g")),
    node(0, Level::Project, "g", None, Some("h")),
    node(0, Level::Project, "alone", None, None),
    node(0, Level::Session, "a", Some("p"), Some("g")),
    node(0, Level::Session, "b", Some("p"), Some("g")),
    node(0, Level::Session, "c", Some("q"), Some("g")),
    node(0, Level::Session, "p", Some("g"), Some("h")),
    node(0, Level::Session, "e", Some("alone"), None),
    node(0, Level::Session, "f", None, Some("g")),
    node(0, Level::Session, "z", None, None),
    node(1, Level::Organization, "", None, None),
    node(1, Level::Group, "g", None, None),
    node(1, Level::Group, "h", None, None),
    node(1, Level::Project, "p", None, Some("h")),
    node(1, Level::Session, "a", Some("p"), Some("h")),
    node(1, Level::Session, "b", None, Some("g")),
    node(1, Level::Session, "z", None, None),
];

impl Node {
    fn scope(self) -> Scope {
        let name = || ScopeName::new(self.name);
        Scope {
            organization: OrganizationId(self.organization),
            address: match self.level {
                Level::Organization => Address::Organization,
                Level::Group => Address::Group(name()),
                Level::Project => Address::Project(name()),
                Level::Session => Address::Session(name()),
            },
        }
    }

    /// The truth, or the part of it that is said.
    fn parents(self, project: bool, group: bool) -> Parents {
        Parents {
            group: self.group.filter(|_| group).map(ScopeName::new),
            project: self.project.filter(|_| project).map(ScopeName::new),
        }
    }

    fn is_above(self, other: Self) -> bool {
        self.organization == other.organization
            && match self.level {
                Level::Organization => true,
                Level::Group => other.group == Some(self.name),
                Level::Project => other.project == Some(self.name),
                Level::Session => false,
            }
    }

    fn is(self, other: Self) -> bool {
        (self.organization, self.level, self.name) == (other.organization, other.level, other.name)
    }

    fn hears(self, told: Self) -> bool {
        self.is(told) || self.is_above(told) || told.is_above(self)
    }

    fn place(self, parents: Parents) -> Command {
        Command::Place {
            scope: self.scope(),
            parents,
        }
    }

    fn publish(self, parents: Parents) -> Command {
        Command::Publish {
            scope: self.scope(),
            parents,
            drafts: vec![draft("0")],
        }
    }
}

/// What makes the tree known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teacher {
    Place,
    Publish,
    Create,
    /// What a subscriber says when it asks.
    Subscriber,
}

fn teach(mesh: &mut Mesh, teacher: Teacher, piecewise: bool) {
    let mut all: Vec<Node> = TREE.to_vec();
    if piecewise {
        // The sessions first, and only their projects: the projects bring the rest.
        all.reverse();
    }
    for node in all {
        let says_group = !piecewise || node.project.is_none();
        let parents = node.parents(true, says_group);
        let key = SessionKey {
            organization: OrganizationId(node.organization),
            token: ScopeName::new(node.name),
        };
        let command = match teacher {
            Teacher::Subscriber => return,
            Teacher::Publish if node.level != Level::Organization => node.publish(parents),
            Teacher::Create if node.level == Level::Session => Command::Create {
                session: key,
                parents,
                labels: Vec::new(),
                expires_ms: None,
                retention: None,
            },
            _ => node.place(parents),
        };
        let answer = mesh.execute(&command);
        assert!(!matches!(answer, Answer::Refused(_)), "{command:?}");
        mesh.settle();
    }
}

/// Everyone subscribes, everywhere.
fn subscribe(mesh: &mut Mesh, says: bool) -> Vec<(SubscriberId, Node)> {
    let mut all = Vec::new();
    for node in TREE {
        for shard in 0..mesh.shards() {
            let subscriber = mesh.subscribe(shard, &node.scope(), &node.parents(says, says));
            all.push((subscriber, node));
            mesh.settle();
        }
    }
    all
}

fn check(mesh: &mut Mesh, subscribers: &[(SubscriberId, Node)], what: &str) {
    for told in TREE {
        let heard = mesh.publish(&told.scope());
        for (subscriber, node) in subscribers {
            assert_eq!(
                heard.contains(subscriber),
                node.hears(told),
                "{what}: {told:?} at {node:?} ({subscriber:?})"
            );
        }
    }
}

#[test]
fn every_level_hears_every_level_that_it_should() {
    for shards in [1, 3] {
        for piecewise in [false, true] {
            for teacher in [Teacher::Place, Teacher::Publish, Teacher::Create] {
                let what = format!("{shards} shards, {teacher:?}, piecewise: {piecewise}");
                let mut mesh = Mesh::new(shards);
                teach(&mut mesh, teacher, piecewise);
                let subscribers = subscribe(&mut mesh, false);
                check(&mut mesh, &subscribers, &format!("{what}, known before"));
                if teacher == Teacher::Create {
                    // A subscription makes a session known, which cannot be created then.
                    continue;
                }
                let mut mesh = Mesh::new(shards);
                let subscribers = subscribe(&mut mesh, false);
                teach(&mut mesh, teacher, piecewise);
                check(&mut mesh, &subscribers, &format!("{what}, known after"));
            }
        }
        let mut mesh = Mesh::new(shards);
        let subscribers = subscribe(&mut mesh, true);
        teach(&mut mesh, Teacher::Subscriber, false);
        check(&mut mesh, &subscribers, "known from the subscribers");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deliver(usize, usize),
    /// Somebody on a shard says something of a node: project, group; by publishing or not.
    Say(usize, usize, [bool; 3]),
    Subscribe(usize, usize, [bool; 2]),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shard = || 0..3usize;
    // Of the first organization; of the second nothing is said.
    let node = || (0..14usize).prop_filter("below the top", |&node| node > 0);
    let step = prop_oneof![
        6 => (shard(), shard()).prop_map(|(from, to)| Step::Deliver(from, to)),
        2 => (shard(), node(), any::<[bool; 3]>()).prop_map(|(s, n, said)| Step::Say(s, n, said)),
        2 => (shard(), node(), any::<[bool; 2]>())
            .prop_map(|(s, n, said)| Step::Subscribe(s, n, said)),
    ];
    prop::collection::vec(step, 0..60)
}

/// What is said of a node, as facts. Sessions are called by their place in the tree.
fn note(facts: &mut Facts, index: usize, parents: &Parents) {
    let node = TREE[index];
    let project = parents.project.as_ref().map(ScopeName::as_str);
    let group = parents.group.as_ref().map(ScopeName::as_str);
    let noted = match node.level {
        Level::Organization => return,
        Level::Group => facts.with(None, None, Some(node.name)),
        Level::Project => facts.with(None, Some(node.name), group),
        Level::Session => facts.with(Some(index), project, group),
    };
    *facts = noted.expect("only what is true is said");
}

/// The node as far as anybody can know.
fn as_known(facts: &Facts, index: usize) -> Node {
    let mut node = TREE[index];
    let parents = match node.level {
        Level::Session => (facts.project_of(index), facts.group_of(index)),
        Level::Project => (None, facts.group_of_project(node.name)),
        Level::Group | Level::Organization => (None, None),
    };
    // The true one, or none.
    node.project = node.project.filter(|_| parents.0.is_some());
    node.group = node.group.filter(|_| parents.1.is_some());
    node
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_overtakes_whatever_all_that_was_said_holds_in_the_end(steps in steps()) {
        let mut mesh = Mesh::new(3);
        let mut facts = Facts::default();
        let mut subscribers: Vec<(SubscriberId, usize)> = Vec::new();
        for step in steps {
            match step {
                Step::Deliver(from, to) => {
                    mesh.deliver(from, to);
                }
                Step::Say(shard, index, [project, group, publishes]) => {
                    let node = TREE[index];
                    let parents = node.parents(project, group);
                    note(&mut facts, index, &parents);
                    let command = if publishes && !parents.is_empty() {
                        node.publish(parents)
                    } else {
                        node.place(parents)
                    };
                    mesh.send(shard, command);
                }
                Step::Subscribe(shard, index, [project, group]) => {
                    let parents = TREE[index].parents(project, group);
                    note(&mut facts, index, &parents);
                    let subscriber = mesh.subscribe(shard, &TREE[index].scope(), &parents);
                    subscribers.push((subscriber, index));
                }
            }
        }
        for index in 0..14 {
            let told = as_known(&facts, index);
            let heard = mesh.publish(&told.scope());
            let expected = subscribers
                .iter()
                .filter(|(_, at)| as_known(&facts, *at).hears(told))
                .map(|(subscriber, _)| *subscriber);
            prop_assert_eq!(heard, expected.collect::<BTreeSet<_>>(), "{:?}", told);
        }
    }
}

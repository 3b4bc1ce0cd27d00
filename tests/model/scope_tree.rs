//! `hub::ScopeTree` against a list of facts.

use fanfare::hub::{
    Address, Child, LearnError, OrganizationId, Parents, Scope, ScopeName, ScopeTree, SessionIndex,
};
use proptest::prelude::*;

use crate::facts::Facts;

const SESSIONS: usize = 8;
const PROJECTS: [&str; 4] = ["a", "b", "c", "same"];
const GROUPS: [&str; 3] = ["x", "y", "same"];

#[derive(Clone, Debug)]
enum Op {
    Session(usize, Option<usize>, Option<usize>),
    Project(usize, usize, Option<usize>),
    Group(usize, usize),
    Remove(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let project = || prop::option::of(0..PROJECTS.len());
    let group = || prop::option::of(0..GROUPS.len());
    let op = prop_oneof![
        6 => (0..SESSIONS, project(), group()).prop_map(|(s, p, g)| Op::Session(s, p, g)),
        2 => (0..2usize, 0..PROJECTS.len(), group()).prop_map(|(o, p, g)| Op::Project(o, p, g)),
        1 => (0..2usize, 0..GROUPS.len()).prop_map(|(o, g)| Op::Group(o, g)),
        2 => (0..SESSIONS).prop_map(Op::Remove),
    ];
    prop::collection::vec(op, 0..60)
}

fn organization(index: usize) -> OrganizationId {
    OrganizationId(index as u32)
}

/// Each session is of one organization.
fn home(session: usize) -> usize {
    session % 2
}

fn parents(project: Option<&str>, group: Option<&str>) -> Parents {
    Parents {
        group: group.map(ScopeName::new),
        project: project.map(ScopeName::new),
    }
}

/// A statement as the model takes it: whose tree, session, project, group.
type Statement = (
    usize,
    Option<usize>,
    Option<&'static str>,
    Option<&'static str>,
);

struct Pair {
    tree: ScopeTree,
    nodes_max: usize,
    facts: [Facts; 2],
    /// Organizations that anything was learned of.
    roots: [bool; 2],
}

impl Pair {
    fn learn(&mut self, child: Child<'_>, statement: Statement) -> Result<(), TestCaseError> {
        let (home, session, project, group) = statement;
        // A project or group is the child itself, not its own parent.
        let named = match child {
            Child::Session(_) => parents(project, group),
            Child::Project(_) => parents(None, group),
            Child::Group(_) => parents(None, None),
        };
        let revision = self.tree.revision();
        let foreseen = self.tree.foresee(organization(home), child, &named);
        prop_assert_eq!(self.tree.revision(), revision, "nothing is learned");
        let answer = self.tree.learn(organization(home), child, &named);
        match &foreseen {
            Ok(foreseen) => {
                prop_assert_eq!(answer.as_ref(), Ok(&foreseen.parents));
                prop_assert!(foreseen.added == 0 || self.tree.revision() != revision);
            }
            Err(error) => prop_assert_eq!(answer.as_ref(), Err(error)),
        }
        let facts = self.facts[home].with(session, project, group);
        let expected = match facts {
            None => Err(LearnError::Contradiction),
            Some(facts) if self.is_full(home, &facts) => Err(LearnError::Full),
            Some(facts) => {
                let news = facts.above() != self.facts[home].above();
                prop_assert_eq!(self.tree.revision() != revision, news);
                self.facts[home] = facts;
                self.roots[home] = true;
                let facts = &self.facts[home];
                Ok(match (session, project) {
                    (Some(s), _) => parents(facts.project_of(s), facts.group_of(s)),
                    (None, Some(p)) => parents(Some(p), facts.group_of_project(p)),
                    (None, None) => parents(None, group),
                })
            }
        };
        if expected.is_err() {
            prop_assert_eq!(self.tree.revision(), revision);
        }
        prop_assert_eq!(answer, expected);
        Ok(())
    }

    fn is_full(&self, home: usize, facts: &Facts) -> bool {
        let count = |facts: &Facts| facts.groups.len() + facts.projects.len();
        let roots = self.roots.iter().filter(|&&root| root).count();
        let before = roots + self.facts.iter().map(count).sum::<usize>();
        let added = count(facts) - count(&self.facts[home]);
        added > 0 && before + added > self.nodes_max
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (home, facts) in self.facts.iter().enumerate() {
            for &s in &facts.sessions {
                let expected = parents(facts.project_of(s), facts.group_of(s));
                prop_assert_eq!(self.tree.parents(SessionIndex::new(s)), expected);
            }
            self.check_scope(home, Address::Organization, true, facts.beneath(None, None))?;
            for p in PROJECTS {
                let known = facts.projects.iter().any(|known| known == p);
                let beneath = facts.beneath(Some(p), None);
                self.check_scope(home, Address::Project(ScopeName::new(p)), known, beneath)?;
            }
            for g in GROUPS {
                let known = facts.groups.iter().any(|known| known == g);
                let beneath = facts.beneath(None, Some(g));
                self.check_scope(home, Address::Group(ScopeName::new(g)), known, beneath)?;
            }
        }
        Ok(())
    }

    fn check_scope(
        &self,
        home: usize,
        address: Address,
        known: bool,
        expected: Vec<usize>,
    ) -> Result<(), TestCaseError> {
        let scope = Scope {
            organization: organization(home),
            address,
        };
        prop_assert_eq!(self.tree.knows(&scope), known);
        let mut found = Vec::new();
        self.tree.sessions_beneath(&scope, &mut found);
        let mut found: Vec<usize> = found.into_iter().map(SessionIndex::index).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected, "beneath {:?}", scope);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_tree_is_what_the_facts_say(nodes_max in prop_oneof![Just(100usize), 0..10usize], ops in ops()) {
        let mut pair = Pair {
            tree: ScopeTree::new(7, nodes_max),
            nodes_max,
            facts: Default::default(),
            roots: [false; 2],
        };
        for op in ops {
            match op {
                Op::Session(s, p, g) => {
                    let (p, g) = (p.map(|p| PROJECTS[p]), g.map(|g| GROUPS[g]));
                    pair.learn(Child::Session(SessionIndex::new(s)), (home(s), Some(s), p, g))?;
                }
                Op::Project(o, p, g) => {
                    let (p, g) = (PROJECTS[p], g.map(|g| GROUPS[g]));
                    pair.learn(Child::Project(&ScopeName::new(p)), (o, None, Some(p), g))?;
                }
                Op::Group(o, g) => {
                    let g = GROUPS[g];
                    pair.learn(Child::Group(&ScopeName::new(g)), (o, None, None, Some(g)))?;
                }
                Op::Remove(s) => {
                    pair.tree.remove(SessionIndex::new(s));
                    pair.facts[home(s)].remove(s);
                }
            }
            pair.check()?;
        }
    }
}

#[test]
fn a_project_that_learns_its_group_brings_its_sessions() {
    let mut tree = ScopeTree::new(7, 100);
    let (a, b) = (SessionIndex::new(0), SessionIndex::new(1));
    let project = ScopeName::new("project");
    let in_project = parents(Some("project"), None);
    for session in [a, b] {
        let learned = tree.learn(organization(0), Child::Session(session), &in_project);
        assert_eq!(learned, Ok(in_project.clone()));
    }
    let group = parents(None, Some("group"));
    let all = parents(Some("project"), Some("group"));
    let learned = tree.learn(organization(0), Child::Project(&project), &group);
    assert_eq!(learned, Ok(all.clone()));
    assert_eq!((tree.parents(a), tree.parents(b)), (all.clone(), all));
    let mut beneath = Vec::new();
    let scope = Scope {
        organization: organization(0),
        address: Address::Group(ScopeName::new("group")),
    };
    tree.sessions_beneath(&scope, &mut beneath);
    assert_eq!(beneath, [a, b]);
    let other = parents(None, Some("other"));
    let learned = tree.learn(organization(0), Child::Project(&project), &other);
    assert_eq!(learned, Err(LearnError::Contradiction));
}

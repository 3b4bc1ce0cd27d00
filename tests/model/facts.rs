//! What calls have told about the tree, as a plain list of facts.

use fanfare::hub::{Parents, ScopeName};

/// One organization's worth of statements: `(child, parent)`, searched linearly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) groups: Vec<String>,
    pub(crate) projects: Vec<String>,
    pub(crate) sessions: Vec<usize>,
    pub(crate) project_in_group: Vec<(String, String)>,
    pub(crate) session_in_project: Vec<(usize, String)>,
    pub(crate) session_in_group: Vec<(usize, String)>,
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) -> bool {
    let is_new = !list.contains(&item);
    if is_new {
        list.push(item);
    }
    is_new
}

fn functional<K: PartialEq, V: PartialEq>(list: &[(K, V)]) -> bool {
    list.iter()
        .all(|(k, v)| list.iter().all(|(k2, v2)| k != k2 || v == v2))
}

impl Facts {
    /// The facts after a statement; `None` if no tree satisfies them all.
    pub(crate) fn with(
        &self,
        session: Option<usize>,
        project: Option<&str>,
        group: Option<&str>,
    ) -> Option<Self> {
        let mut facts = self.clone();
        if let Some(s) = session {
            add(&mut facts.sessions, s);
        }
        if let Some(p) = project {
            add(&mut facts.projects, p.to_owned());
        }
        if let Some(g) = group {
            add(&mut facts.groups, g.to_owned());
        }
        if let (Some(s), Some(p)) = (session, project) {
            add(&mut facts.session_in_project, (s, p.to_owned()));
        }
        if let (Some(s), Some(g)) = (session, group) {
            add(&mut facts.session_in_group, (s, g.to_owned()));
        }
        if let (Some(p), Some(g)) = (project, group) {
            add(&mut facts.project_in_group, (p.to_owned(), g.to_owned()));
        }
        while facts.follow() {}
        let consistent = functional(&facts.project_in_group)
            && functional(&facts.session_in_project)
            && functional(&facts.session_in_group);
        consistent.then_some(facts)
    }

    /// Adds what follows in one step; whether there was anything.
    fn follow(&mut self) -> bool {
        let mut any = false;
        for (s, p) in self.session_in_project.clone() {
            for (_, g) in self.project_in_group.clone().iter().filter(|f| f.0 == p) {
                any |= add(&mut self.session_in_group, (s, g.clone()));
            }
            for (_, g) in self.session_in_group.clone().iter().filter(|f| f.0 == s) {
                any |= add(&mut self.project_in_group, (p.clone(), g.clone()));
            }
        }
        any
    }

    pub(crate) fn remove(&mut self, session: usize) {
        self.sessions.retain(|&s| s != session);
        self.session_in_project.retain(|f| f.0 != session);
        self.session_in_group.retain(|f| f.0 != session);
    }

    pub(crate) fn project_of(&self, session: usize) -> Option<&str> {
        let mut facts = self.session_in_project.iter();
        facts.find(|f| f.0 == session).map(|f| f.1.as_str())
    }

    pub(crate) fn group_of(&self, session: usize) -> Option<&str> {
        let mut facts = self.session_in_group.iter();
        facts.find(|f| f.0 == session).map(|f| f.1.as_str())
    }

    /// What is above a session.
    pub(crate) fn parents(&self, session: usize) -> Parents {
        Parents {
            group: self.group_of(session).map(ScopeName::new),
            project: self.project_of(session).map(ScopeName::new),
        }
    }

    pub(crate) fn group_of_project(&self, project: &str) -> Option<&str> {
        let mut facts = self.project_in_group.iter();
        facts.find(|f| f.0 == project).map(|f| f.1.as_str())
    }

    /// Sessions beneath a project, a group, or, if neither is named, the organization; ascending.
    pub(crate) fn beneath(&self, project: Option<&str>, group: Option<&str>) -> Vec<usize> {
        let fits = |&&s: &&usize| {
            (project.is_none() || self.project_of(s) == project)
                && (group.is_none() || self.group_of(s) == group)
        };
        let mut found: Vec<usize> = self.sessions.iter().filter(fits).copied().collect();
        found.sort_unstable();
        found
    }

    /// Groups, projects and links above sessions: what other shards are told about.
    pub(crate) fn above(&self) -> usize {
        self.groups.len() + self.projects.len() + self.project_in_group.len()
    }
}

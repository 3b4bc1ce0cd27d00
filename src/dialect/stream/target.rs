//! Where an event goes, or from where events are wanted.

use super::errors::invalid;
use crate::hub::{Address, Parents, ScopeName};
use crate::limits::SCOPE_NAME_BYTES_MAX;
use crate::protocol::grpc::Status;

/// A target as the client said it. Only an id that is not there is no restriction: an empty one is
/// refused, for it would mean everything to whoever forgot to fill it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// A layout, which is a session.
    pub layout: Option<Box<str>>,
    /// A project.
    pub project: Option<Box<str>>,
    /// A collection, which is a group.
    pub collection: Option<Box<str>>,
}

/// What a target means: two that mean the same are equal. Layout, project and collection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TargetKey([Option<Box<str>>; 3]);

impl Target {
    /// The innermost level given, as a hub address; the organization if none.
    pub fn address(&self) -> Address {
        if let Some(layout) = name(self.layout.as_deref()) {
            Address::Session(layout)
        } else if let Some(project) = name(self.project.as_deref()) {
            Address::Project(project)
        } else if let Some(collection) = name(self.collection.as_deref()) {
            Address::Group(collection)
        } else {
            Address::Organization
        }
    }

    /// What the target says stands above that address; never the address itself.
    pub fn parents(&self) -> Parents {
        let group = name(self.collection.as_deref());
        let project = name(self.project.as_deref());
        match self.address() {
            Address::Session(_) => Parents { group, project },
            Address::Project(_) => Parents {
                group,
                project: None,
            },
            Address::Group(_) | Address::Organization => Parents::default(),
        }
    }

    /// Whether each id that is there fits a scope's name.
    pub(super) fn check(&self) -> Result<(), Status> {
        let ids = [
            ("layout", &self.layout),
            ("project", &self.project),
            ("collection", &self.collection),
        ];
        for (level, id) in ids {
            let what = match id.as_deref().map_or(1, str::len) {
                0 => String::from("is empty; without it nothing is restricted"),
                1..=SCOPE_NAME_BYTES_MAX => continue,
                _ => format!("is longer than {SCOPE_NAME_BYTES_MAX} bytes"),
            };
            return Err(invalid(format!("the target's {level} id {what}")));
        }
        Ok(())
    }

    /// What it means.
    pub(super) fn key(&self) -> TargetKey {
        let ids = [&self.layout, &self.project, &self.collection];
        TargetKey(ids.map(Clone::clone))
    }
}

impl TargetKey {
    /// The innermost level, as a hub address.
    pub(super) fn address(&self) -> Address {
        let [layout, project, collection] = &self.0;
        let target = Target {
            layout: layout.clone(),
            project: project.clone(),
            collection: collection.clone(),
        };
        target.address()
    }
}

fn name(id: Option<&str>) -> Option<ScopeName> {
    id.map(ScopeName::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(layout: &str, project: &str, collection: &str) -> Target {
        let id = |id: &str| (id != "-").then(|| id.into());
        Target {
            layout: id(layout),
            project: id(project),
            collection: id(collection),
        }
    }

    fn read(layout: &str, project: &str, collection: &str) -> (Address, Parents) {
        let target = target(layout, project, collection);
        (target.address(), target.parents())
    }

    fn parents(group: &'static str, project: &'static str) -> Parents {
        let given = |id: &'static str| Some(id).filter(|id| !id.is_empty());
        Parents {
            group: name(given(group)),
            project: name(given(project)),
        }
    }

    #[test]
    fn the_innermost_level_is_the_address_and_the_others_stand_above() {
        let (l, p, c) = (
            Address::Session(ScopeName::new("l")),
            Address::Project(ScopeName::new("p")),
            Address::Group(ScopeName::new("c")),
        );
        assert_eq!(read("l", "p", "c"), (l.clone(), parents("c", "p")));
        assert_eq!(read("l", "-", "c"), (l.clone(), parents("c", "")));
        assert_eq!(read("l", "-", "-"), (l, parents("", "")));
        assert_eq!(read("-", "p", "c"), (p.clone(), parents("c", "")));
        assert_eq!(read("-", "p", "-"), (p, parents("", "")));
        assert_eq!(read("-", "-", "c"), (c, parents("", "")));
        assert_eq!(
            read("-", "-", "-"),
            (Address::Organization, parents("", ""))
        );
    }

    #[test]
    fn an_empty_id_is_refused() {
        for (level, empty) in [
            ("layout", target("", "p", "c")),
            ("project", target("-", "", "-")),
            ("collection", target("l", "-", "")),
        ] {
            let expected =
                format!("the target's {level} id is empty; without it nothing is restricted");
            assert_eq!(empty.check().unwrap_err().message, expected);
        }
        assert_eq!(Target::default().check(), Ok(()));
        assert_eq!(Target::default().key(), TargetKey::default());
        assert_ne!(target("p", "-", "-").key(), target("-", "p", "-").key());
    }

    #[test]
    fn ids_have_a_bound() {
        let fits = "x".repeat(SCOPE_NAME_BYTES_MAX);
        assert_eq!(target(&fits, &fits, &fits).check(), Ok(()));
        let error = target("-", &"é".repeat(129), "-").check().unwrap_err();
        assert_eq!(
            error.message,
            "the target's project id is longer than 256 bytes"
        );
    }
}

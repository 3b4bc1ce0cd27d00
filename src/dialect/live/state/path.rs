//! Paths of the state: roots, instances, sub resources and actions, under either base path. Nothing
//! is decoded or allocated here.
//!
//! ```text
//!   /live/organizations                          (alias coreServers)
//!   /live/organizations/{org}                    {org}, {thing}: a UUID, or getByName/ and a name
//!   /live/organizations/{org}/{kind}     sessions, groups, projects, connections, subscriptions
//!   /live/organizations/{org}/{kind}/{thing}
//!   …/sessions/{thing}/subscribers  …/events
//!   POST …/sessions/{thing}/close  …/connections/{thing}/disconnect  …/subscriptions/{thing}/cancel
//!   /live/{kind}…                                the same, of the sender's own organization
//! ```

use crate::hub::Kind;

/// The paths below which everything is the state's: ours, and that of the original.
const BASES: [&str; 2] = ["/live", "/communication_manager/rest/live"];

/// What is called by a name and not by an id.
const BY_NAME: &str = "getByName";

/// A path of the state, behind its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatePath<'b>(&'b str);

/// One thing, as a path calls it; not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called<'b> {
    /// By its id.
    Id(&'b str),
    /// By its name.
    Name(&'b str),
}

/// What belongs to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongings {
    /// Who reads it.
    Subscribers,
    /// What its log retains.
    Events,
}

/// What a path names. The first of each below an organization is that, if it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'b> {
    /// All organizations that may be seen, which is one.
    Organizations,
    /// An organization.
    Organization(Called<'b>),
    /// All of a kind.
    All(Option<Called<'b>>, Kind),
    /// One of a kind.
    One(Option<Called<'b>>, Kind, Called<'b>),
    /// What belongs to a session.
    Belongings(Option<Called<'b>>, Called<'b>, Belongings),
    /// The end of a thing.
    End(Option<Called<'b>>, Kind, Called<'b>),
}

impl<'b> StatePath<'b> {
    /// The path behind its base; `None` when it is not below one.
    pub fn parse(path: &'b str) -> Option<Self> {
        let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(Self(rest))
    }

    /// What it names; `None` if that is nothing.
    pub(super) fn resource(self) -> Option<Resource<'b>> {
        let path = self.0.strip_prefix('/')?;
        // A slash at the end means the same.
        let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
        let first = segments.next()?;
        if !matches!(first, "organizations" | "coreServers") {
            return below(None, kind(first)?, segments);
        }
        let Some(segment) = segments.next() else {
            return Some(Resource::Organizations);
        };
        let organization = called(segment, &mut segments)?;
        match segments.next() {
            None => Some(Resource::Organization(organization)),
            Some(word) => below(Some(organization), kind(word)?, segments),
        }
    }
}

fn below<'b>(
    of: Option<Called<'b>>,
    kind: Kind,
    mut segments: impl Iterator<Item = &'b str>,
) -> Option<Resource<'b>> {
    let Some(segment) = segments.next() else {
        return Some(Resource::All(of, kind));
    };
    let thing = called(segment, &mut segments)?;
    let resource = match (kind, segments.next()) {
        (_, None) => return Some(Resource::One(of, kind, thing)),
        (Kind::Session, Some("subscribers")) => {
            Resource::Belongings(of, thing, Belongings::Subscribers)
        }
        (Kind::Session, Some("events")) => Resource::Belongings(of, thing, Belongings::Events),
        (Kind::Session, Some("close"))
        | (Kind::Connection, Some("disconnect"))
        | (Kind::Subscription, Some("cancel")) => Resource::End(of, kind, thing),
        _ => return None,
    };
    segments.next().is_none().then_some(resource)
}

fn called<'b>(segment: &'b str, rest: &mut impl Iterator<Item = &'b str>) -> Option<Called<'b>> {
    if segment == BY_NAME {
        return rest.next().map(Called::Name);
    }
    Some(Called::Id(segment))
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "sessions" => Kind::Session,
        "groups" => Kind::Group,
        "projects" => Kind::Project,
        "connections" => Kind::Connection,
        "subscriptions" => Kind::Subscription,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(rest: &str) -> Option<Resource<'_>> {
        StatePath(rest).resource()
    }

    #[test]
    fn both_base_paths_name_the_same() {
        for base in BASES {
            for rest in ["", "/", "/organizations", "/x/y"] {
                let path = format!("{base}{rest}");
                assert_eq!(StatePath::parse(&path), Some(StatePath(rest)));
            }
            assert_eq!(StatePath::parse(&format!("{base}x")), None);
        }
        assert_eq!(StatePath::parse("/communication_manager"), None);
    }

    #[test]
    fn four_kinds_of_path() {
        let (id, name) = (Called::Id("i"), Called::Name("n"));
        for root in ["organizations", "coreServers"] {
            let under = |rest: &str| format!("/{root}{rest}");
            assert_eq!(resource(&under("")), Some(Resource::Organizations));
            assert_eq!(resource(&under("/")), Some(Resource::Organizations));
            assert_eq!(resource(&under("/i")), Some(Resource::Organization(id)));
            let by_name = under("/getByName/n");
            assert_eq!(resource(&by_name), Some(Resource::Organization(name)));
            let set = under("/getByName/n/groups");
            assert_eq!(resource(&set), Some(Resource::All(Some(name), Kind::Group)));
            let one = under("/i/sessions/getByName/n");
            let expected = Resource::One(Some(id), Kind::Session, name);
            assert_eq!(resource(&one), Some(expected));
            let end = under("/i/connections/i/disconnect");
            let expected = Resource::End(Some(id), Kind::Connection, id);
            assert_eq!(resource(&end), Some(expected));
        }
        assert_eq!(
            resource("/sessions"),
            Some(Resource::All(None, Kind::Session))
        );
        let events = Resource::Belongings(None, name, Belongings::Events);
        assert_eq!(resource("/sessions/getByName/n/events"), Some(events));
        for nothing in [
            "",
            "/",
            "/x",
            "/organizations/getByName",
            "/organizations/i/x",
            "/sessions/i/x",
            "/sessions/i/events/x",
            "/groups/i/close",
            "/sessions/i/disconnect",
            "/connections/i/cancel",
            "/subscriptions/i/close",
            "/projects/i/events",
        ] {
            assert_eq!(resource(nothing), None, "{nothing}");
        }
    }
}

//! What a client wants to hear: names and a target.

use super::errors::{check_name, invalid};
use super::target::{Target, TargetKey};
use crate::hub::NamePattern;
use crate::limits::{NAME_STARS_MAX, STREAM_NAMES_MAX};
use crate::protocol::grpc::{Status, quoted};
use crate::protocol::http1::{decode_form, query_pairs};

/// The payload of `subscribe` and `unsubscribe`, as the client said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A name, or several with bars between them; a star stands for any text.
    pub name: Box<str>,
    /// From where; `None` is the organization.
    pub target: Option<Target>,
    /// Further names, as above.
    pub events: Vec<Box<str>>,
}

/// What a subscription is found by: names in any order and however they were listed, and the
/// target. Two that ask for the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WantedKey {
    pub(super) names: Box<str>,
    pub(super) target: TargetKey,
    /// How many of the names are [costly](NamePattern::is_costly).
    wildcards: u8,
}

impl WantedKey {
    /// How many of the names are [costly](NamePattern::is_costly).
    pub fn wildcards(&self) -> usize {
        usize::from(self.wildcards)
    }
}

impl Wanted {
    /// All names as patterns: each 1 to 128 characters with up to [`NAME_STARS_MAX`] stars, at most
    /// [`STREAM_NAMES_MAX`] of them, otherwise `INVALID_ARGUMENT`. `name` may be empty if `events`
    /// is not.
    pub fn names(&self) -> Result<Vec<NamePattern>, Status> {
        let mut patterns = Vec::new();
        for name in self.alternatives() {
            check_name("a name of the subscription", name)?;
            if patterns.len() == STREAM_NAMES_MAX {
                return Err(invalid(format!(
                    "a subscription has more than {STREAM_NAMES_MAX} names"
                )));
            }
            let pattern = NamePattern::parse(name);
            if pattern.stars() > NAME_STARS_MAX {
                return Err(invalid(format!(
                    "a name of the subscription has more than {NAME_STARS_MAX} \"*\": \"{}\"",
                    quoted(name)
                )));
            }
            patterns.push(pattern);
        }
        Ok(patterns)
    }

    /// What unsubscribing finds it by.
    pub fn key(&self) -> WantedKey {
        let mut names: Vec<&str> = self.alternatives().collect();
        names.sort_unstable();
        names.dedup();
        let costly = names
            .iter()
            .filter(|name| NamePattern::parse(name).is_costly());
        let wildcards = costly.count() as u8;
        WantedKey {
            names: names.join("|").into(),
            target: self.target.as_ref().map(Target::key).unwrap_or_default(),
            wildcards,
        }
    }

    /// Reads what the query of `GET /event/v2/stream` asks for: `subscribe.name`,
    /// `subscribe.events`, `subscribe.target.layoutId`, `…projectId`, `…collectionId`. Names of
    /// fields in any case, or with underscores. `events` may come several times; of the others the
    /// last one counts. `None` if no `subscribe.` is there.
    pub fn from_query(query: Option<&str>) -> Result<Option<Self>, Status> {
        let mut wanted: Option<Self> = None;
        for (key, value) in query_pairs(query.unwrap_or("")) {
            // A key that cannot be decoded is none of ours.
            let Ok(key) = decode_form(key) else { continue };
            let Some(field) = strip_prefix(&key, "subscribe.") else {
                continue;
            };
            let text = || decode_form(value).map_err(|error| invalid(format!("{key}: {error}")));
            let wanted = wanted.get_or_insert_default();
            if field.eq_ignore_ascii_case("name") {
                wanted.name = text()?.into();
            } else if field.eq_ignore_ascii_case("events") {
                wanted.events.push(text()?.into());
            } else if let Some(level) = strip_prefix(field, "target.") {
                let target = wanted.target.get_or_insert_default();
                if is_either(level, "layoutId", "layout_id") {
                    target.layout = Some(text()?.into());
                } else if is_either(level, "projectId", "project_id") {
                    target.project = Some(text()?.into());
                } else if is_either(level, "collectionId", "collection_id") {
                    target.collection = Some(text()?.into());
                } else {
                    return Err(no_level(&key));
                }
            } else if field.eq_ignore_ascii_case("target") {
                return Err(no_level(&key));
            }
        }
        if let Some(wanted) = &wanted {
            wanted.check()?;
        }
        Ok(wanted)
    }

    /// Whether the target can be one.
    pub(super) fn check(&self) -> Result<(), Status> {
        self.target.as_ref().map_or(Ok(()), Target::check)
    }

    /// The names one by one.
    fn alternatives(&self) -> impl Iterator<Item = &str> {
        let name = (!self.name.is_empty() || self.events.is_empty()).then_some(&self.name);
        let lists = name.into_iter().chain(&self.events);
        lists.flat_map(|list| list.split('|'))
    }
}

fn strip_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_either(text: &str, camel: &str, snake: &str) -> bool {
    text.eq_ignore_ascii_case(camel) || text.eq_ignore_ascii_case(snake)
}

/// A target was meant, which must not be taken for none: that is the whole organization.
fn no_level(key: &str) -> Status {
    invalid(format!(
        "{key}: a target is subscribe.target.layoutId, projectId or collectionId"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::grpc::Code;

    fn wanted(name: &str, events: &[&str]) -> Wanted {
        Wanted {
            name: name.into(),
            target: None,
            events: events.iter().map(|&event| event.into()).collect(),
        }
    }

    fn names(name: &str, events: &[&str]) -> Vec<NamePattern> {
        wanted(name, events).names().expect("valid")
    }

    fn refused(name: &str, events: &[&str]) -> String {
        let error = wanted(name, events).names().expect_err("refused");
        assert_eq!(error.code, Code::InvalidArgument);
        error.message.into_owned()
    }

    #[test]
    fn alternatives_are_exact_or_have_a_star() {
        let exact = |name: &str| NamePattern::Exact(name.into());
        let wild = |name: &str| NamePattern::Wild(name.into());
        assert_eq!(names("*", &[]), [wild("*")]);
        assert_eq!(names("a|b|c:*", &[]), [exact("a"), exact("b"), wild("c:*")]);
        assert_eq!(names("a", &["b|c"]), [exact("a"), exact("b"), exact("c")]);
        assert_eq!(names("", &["b"]), [exact("b")]);
    }

    #[test]
    fn each_name_has_1_to_128_characters() {
        let longest = "é".repeat(128);
        assert_eq!(names(&format!("{longest}|{longest}"), &[]).len(), 2);
        assert!(refused(&"é".repeat(129), &[]).contains("128 characters"));
        for (name, events) in [
            ("", &[][..]),
            ("a|", &[]),
            ("|a", &[]),
            ("a||b", &[]),
            ("a", &[""]),
            ("", &["a", ""]),
        ] {
            assert_eq!(refused(name, events), "a name of the subscription is empty");
        }
    }

    #[test]
    fn a_subscription_has_at_most_so_many_names() {
        let list = |count| vec!["a"; count].join("|");
        assert_eq!(names(&list(64), &[]).len(), 64);
        assert!(refused(&list(65), &[]).contains("more than 64 names"));
        assert!(refused(&list(64), &["b"]).contains("more than 64 names"));
    }

    #[test]
    fn a_name_has_at_most_so_many_stars() {
        let stars = |count: usize| "*a".repeat(count);
        assert_eq!(names(&stars(NAME_STARS_MAX), &[]).len(), 1);
        assert!(refused(&stars(NAME_STARS_MAX + 1), &[]).contains("more than 8 \"*\": \"*a*a"));
        assert_eq!(
            names(&"*".repeat(100), &[]),
            names("*", &[]),
            "in a row they are one"
        );
        assert_eq!(wanted("a*|*a|a|*|a*b|**", &[]).key().wildcards(), 2);
    }

    #[test]
    fn a_subscription_is_found_by_names_and_target() {
        assert_eq!(wanted("b|a", &[]).key(), wanted("a", &["b", "a"]).key());
        assert_eq!(wanted("", &["a"]).key(), wanted("a", &[]).key());
        assert_ne!(wanted("a", &[]).key(), wanted("a*", &[]).key());
        let mut empty_target = wanted("a", &[]);
        empty_target.target = Some(Target::default());
        assert_eq!(empty_target.key(), wanted("a", &[]).key());
        let mut project = wanted("a", &[]);
        project.target = Some(Target {
            project: Some("p".into()),
            ..Target::default()
        });
        assert_ne!(project.key(), wanted("a", &[]).key());
    }

    fn query(query: &str) -> Option<Wanted> {
        Wanted::from_query(Some(query)).expect("valid")
    }

    #[test]
    fn a_query_says_what_is_wanted() {
        assert_eq!(Wanted::from_query(None), Ok(None));
        assert_eq!(query("sessionId=s&subscribe=x&subscribers.name=a"), None);
        assert_eq!(
            query("subscribe.name=my_app:*"),
            Some(wanted("my_app:*", &[]))
        );
        let all = "subscribe.name=a&Subscribe.Events=b%7Cc&subscribe.events=d+e&x=1\
                   &subscribe.target.projectId=p&SUBSCRIBE.TARGET.layout_id=l%26\
                   &subscribe.target.COLLECTIONID=c";
        let mut expected = wanted("a", &["b|c", "d e"]);
        expected.target = Some(Target {
            layout: Some("l&".into()),
            project: Some("p".into()),
            collection: Some("c".into()),
        });
        assert_eq!(query(all), Some(expected));
        assert_eq!(
            query("subscribe.name=a&subscribe.name=b"),
            Some(wanted("b", &[]))
        );
        // What is misspelled is missed when the names are asked for.
        assert_eq!(query("subscribe.nmae=a"), Some(wanted("", &[])));
    }

    #[test]
    fn a_query_that_cannot_be_read_says_where() {
        let error = |query: &str| Wanted::from_query(Some(query)).expect_err("refused");
        assert!(
            error("subscribe.name=%ff")
                .message
                .starts_with("subscribe.name:")
        );
        let long = format!("subscribe.target.projectId={}", "x".repeat(257));
        assert!(error(&long).message.contains("project id"));
        for level in ["layoutId", "projectId", "collection_id"] {
            let empty = format!("subscribe.name=a&subscribe.target.{level}=");
            assert!(error(&empty).message.contains("id is empty"), "{level}");
        }
        // What was meant as a target is never taken for the whole organization.
        for target in ["subscribe.target=x", "subscribe.target.layout=x"] {
            let status = error(&format!("subscribe.name=a&{target}"));
            assert!(status.message.starts_with("subscribe.target"), "{status:?}");
        }
        assert_eq!(query("%ff=1&subscribe.name=a"), Some(wanted("a", &[])));
    }
}

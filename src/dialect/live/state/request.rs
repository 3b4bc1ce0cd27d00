//! What a request about the state asks for: names and ids of its path, and what its query says of a
//! page.

use uuid::Uuid;

use super::Live;
use super::path::{Belongings, Called, Resource};
use crate::dialect::{Refused, Responder, query_text};
use crate::hub::{Ask, Kind, Named, ScopeName, Set};
use crate::limits::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, SCOPE_NAME_BYTES_MAX};
use crate::protocol::http1::{Head, decode_segment};

/// Which part of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) after: Option<Uuid>,
    limit: usize,
}

impl Page {
    /// The question for this part of a set.
    pub(super) const fn of(self, set: Set) -> Ask {
        Ask::Page {
            set,
            after: self.after,
            limit: self.limit,
        }
    }
}

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Request {
    /// The organization that it names, if it does.
    pub(super) of: Option<Named>,
    pub(super) wanted: Wanted,
}

/// What it wants.
#[derive(Debug)]
pub(super) enum Wanted {
    Organizations(Page),
    Organization,
    All(Kind, Page),
    One(Kind, Named),
    Belongings(Named, Belongings, Page),
    End(Kind, Named),
}

impl Live {
    /// Reads a request; a refusal is written.
    pub(super) fn read_request(
        resource: &Resource<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Request, Refused> {
        let (of, wanted) = match *resource {
            Resource::Organizations => {
                let page = Self::page(head, |_| true, to)?;
                (None, Wanted::Organizations(page))
            }
            Resource::Organization(called) => (Some(called), Wanted::Organization),
            Resource::All(of, kind) => {
                let page = Self::page(head, |id| kind.may_have(id), to)?;
                (of, Wanted::All(kind, page))
            }
            Resource::One(of, kind, called) => (of, Wanted::One(kind, Self::named(called, to)?)),
            Resource::Belongings(of, session, which) => {
                let is_one = |id: Uuid| match which {
                    Belongings::Subscribers => Kind::Connection.may_have(id),
                    // Events have ids with a time in them.
                    Belongings::Events => id.get_version_num() == 7,
                };
                let page = Self::page(head, is_one, to)?;
                let session = Self::named(session, to)?;
                (of, Wanted::Belongings(session, which, page))
            }
            Resource::End(of, kind, called) => (of, Wanted::End(kind, Self::named(called, to)?)),
        };
        let of = of.map(|called| Self::named(called, to)).transpose()?;
        Ok(Request { of, wanted })
    }

    fn named(called: Called<'_>, to: &mut Responder<'_>) -> Result<Named, Refused> {
        match called {
            Called::Id(segment) => {
                // As text, without the other forms that libraries read.
                let has_form = segment.len() == uuid::fmt::Hyphenated::LENGTH;
                let id = has_form.then(|| Uuid::try_parse(segment).ok()).flatten();
                id.map(Named::Id).ok_or_else(|| {
                    let message = "there is no such id: ids are UUIDs, and a name is looked up with getByName/<name>";
                    Self::not_found(message, to)
                })
            }
            Called::Name(segment) => match decode_segment(segment) {
                Ok(name) if (1..=SCOPE_NAME_BYTES_MAX).contains(&name.len()) => {
                    Ok(Named::Name(ScopeName::new(&name)))
                }
                Ok(_) => Err(Self::not_found("there is no such name", to)),
                Err(error) => {
                    let message = format!("the name is not well escaped: {error}");
                    Err(Self::invalid("invalid_name", &message, to))
                }
            },
        }
    }

    fn page(
        head: &Head<'_, '_>,
        is_of_set: impl Fn(Uuid) -> bool,
        to: &mut Responder<'_>,
    ) -> Result<Page, Refused> {
        let query = head.query.unwrap_or("");
        let text = |key| query_text(query, key);
        let (limit, after) = match (text("limit"), text("after")) {
            (Ok(limit), Ok(after)) => (limit, after),
            (Err((code, message)), _) | (_, Err((code, message))) => {
                return Err(Self::invalid(code, &message, to));
            }
        };
        let limit = match limit {
            None => PAGE_ITEMS_DEFAULT,
            Some(text) => {
                let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
                let limit = text.parse().ok().filter(|_| is_plain);
                let limit = limit.filter(|limit| (1..=PAGE_ITEMS_MAX).contains(limit));
                limit.ok_or_else(|| {
                    let message =
                        format!("limit is a number from 1 to {PAGE_ITEMS_MAX}, and not {text:?}");
                    Self::invalid("invalid_limit", &message, to)
                })?
            }
        };
        let after = match after {
            None => None,
            Some(text) => {
                let has_form = text.len() == uuid::fmt::Hyphenated::LENGTH;
                let after = has_form.then(|| Uuid::try_parse(&text).ok()).flatten();
                let after = after.ok_or_else(|| {
                    let message =
                        format!("after is an id of this set, which is a UUID, and not {text:?}");
                    Self::invalid("invalid_after", &message, to)
                })?;
                if !is_of_set(after) {
                    return Err(Self::foreign_after(to));
                }
                Some(after)
            }
        };
        Ok(Page { after, limit })
    }
}

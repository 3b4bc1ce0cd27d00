//! What a client of this dialect hears, for who looks after the server.

use super::request::Filter;
use super::{Client, Heard, Live};
use crate::auth::OrganizationId;
use crate::dialect;
use crate::dialect::{Change, Reaction, Subscribe, Undo};
use crate::hub::{Address, ValueFilter};

impl Heard {
    /// What passes these filters.
    pub(super) fn of(filters: Vec<Filter>) -> Self {
        let filters = (!filters.is_empty()).then(|| Box::new(filters.into()));
        Self(filters)
    }
}

impl Live {
    /// What events call an organization's server.
    pub fn server(&self, organization: OrganizationId) -> uuid::Uuid {
        self.directory.organization(organization).uuid
    }
}

impl Client {
    /// What it hears, as it was asked for: values of `type` are names, the others filters.
    pub(super) fn heard(&self) -> Option<dialect::Heard> {
        if self.cancelled {
            return None;
        }
        let filters: &[Filter] = self.heard.0.as_deref().map_or(&[], |filters| filters);
        let is_type = |filter: &&Filter| &*filter.property == "type";
        let mut names: Vec<Box<str>> = Vec::new();
        for filter in filters.iter().filter(is_type) {
            match &filter.value {
                ValueFilter::Present => names.push("*".into()),
                ValueFilter::Text(text) | ValueFilter::Literal(text) => names.push(text.clone()),
                ValueFilter::Null => names.push("null".into()),
            }
        }
        if names.is_empty() {
            names.push("*".into());
        }
        let others = filters.iter().filter(|filter| !is_type(filter));
        Some(dialect::Heard {
            scope: Address::Organization,
            names,
            filters: others
                .map(|filter| (filter.property.clone(), filter.value.clone()))
                .collect(),
        })
    }

    /// Ends what it hears, until it sets filters again.
    pub(super) fn cancel(&mut self) -> Reaction {
        self.cancelled = true;
        self.heard = Heard::default();
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Replace(Vec::new()),
            retained: Vec::new(),
            reply: Vec::new(),
            undo: Undo::Nothing,
        }))
    }
}

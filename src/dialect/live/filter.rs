//! Filters as a subscription: base properties are read from the event, everything else from its
//! payload.

use std::collections::{BTreeMap, BTreeSet};

use super::Live;
use super::render::BASE_PROPERTIES;
use super::request::Filter;
use crate::hub::{
    Address, NamePattern, Names, OrganizationId, Parents, Property, PropertyFilter, Scope,
    Subscription, ValueFilter,
};

/// Whether a dotted name would look into a field of the payload that a base property of its name
/// hides.
fn is_hidden(name: &str) -> bool {
    name.split_once('.')
        .is_some_and(|(head, _)| BASE_PROPERTIES.contains(&head))
}

impl Live {
    /// What passes the filters in an organization; everything if there is none. No subscription at
    /// all if they ask for another organization.
    pub(super) fn subscriptions(
        &self,
        organization: OrganizationId,
        filters: &[Filter],
    ) -> Vec<Subscription> {
        let (mut names, mut properties) = (None::<BTreeSet<NamePattern>>, BTreeMap::new());
        let (mut every_name, mut this_server) = (false, None);
        for Filter { property, value } in filters {
            let property = match &**property {
                "type" => {
                    let names = names.get_or_insert_default();
                    match value {
                        ValueFilter::Present => every_name = true,
                        // A name is always text here, and `*` in it is a letter.
                        ValueFilter::Text(name) => {
                            names.insert(NamePattern::Exact(name.clone()));
                        }
                        ValueFilter::Null | ValueFilter::Literal(_) => {}
                    }
                    continue;
                }
                // The same for every event of the organization, so it is judged here and now.
                "coreServerId" => {
                    let fits = self.is_server(organization, value);
                    this_server = Some(this_server.unwrap_or(false) || fits);
                    continue;
                }
                "time" => Property::Time,
                "groupId" => Property::Group,
                "projectId" => Property::Project,
                "sessionId" => Property::Session,
                name if is_hidden(name) => Property::Field(name.into()),
                name => Property::Payload(name.into()),
            };
            let values: &mut BTreeSet<ValueFilter> = properties.entry(property).or_default();
            values.insert(value.clone());
        }
        if this_server == Some(false) {
            return Vec::new();
        }
        let names = match names {
            Some(names) if !every_name => Names::Any(names.into_iter().collect()),
            _ => Names::Every,
        };
        let properties = properties.into_iter().map(|(property, values)| {
            let values = values.into_iter().collect();
            PropertyFilter { property, values }
        });
        vec![Subscription {
            scope: Scope {
                organization,
                address: Address::Organization,
            },
            parents: Parents::default(),
            names,
            properties: properties.collect(),
        }]
    }

    fn is_server(&self, organization: OrganizationId, value: &ValueFilter) -> bool {
        match value {
            ValueFilter::Present => true,
            ValueFilter::Text(text) => {
                let uuid = self.directory.organization(organization).uuid;
                let mut buf = uuid::Uuid::encode_buffer();
                uuid.hyphenated().encode_lower(&mut buf) == &**text
            }
            ValueFilter::Null | ValueFilter::Literal(_) => false,
        }
    }
}

//! Generated subscriptions and events for the filter table, the same from the same seed.
//!
//! The mix: events of five properties, `kind` (20 values), `room` (1,000), `user` (10,000),
//! `region` (16) and `priority` (5 numbers), each value as likely as the others, in a payload of
//! about 128 bytes. A filter asks for one value of two or of three of them, each choice as likely
//! as the others; no two filters are the same. So there are few filters of unselective properties
//! alone, and many of one `user`.

use std::collections::HashSet;
use std::fmt::Write as _;

use bytes::Bytes;
use fanfare::hub::{
    Address, Event, EventId, EventName, Names, OrganizationId, Parents, Property, PropertyFilter,
    Scope, Subscription, ValueFilter,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// The properties of the mix, and how many values each has.
pub(crate) const PROPERTIES: [(&str, u32); 5] = [
    ("kind", 20),
    ("room", 1_000),
    ("user", 10_000),
    ("region", 16),
    ("priority", 5),
];
/// The property whose values are numbers.
const NUMBER: usize = 4;

/// Random choices.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        (self.0.next_u64() % u64::from(bound)) as u32
    }
}

/// A filter of the mix: for each property the value it asks for, if it does.
pub(crate) type Filter = [Option<u32>; PROPERTIES.len()];

/// Returns `count` filters, all distinct.
pub(crate) fn filters(count: usize, random: &mut Random) -> Vec<Filter> {
    let mut seen = HashSet::new();
    let mut filters = Vec::with_capacity(count);
    while filters.len() < count {
        let mut filter = [None; PROPERTIES.len()];
        let mut left = 2 + random.below(2);
        while left > 0 {
            let at = random.below(PROPERTIES.len() as u32) as usize;
            if filter[at].is_none() {
                filter[at] = Some(random.below(PROPERTIES[at].1));
                left -= 1;
            }
        }
        if seen.insert(filter) {
            filters.push(filter);
        }
    }
    filters
}

/// An event of the mix: a value of each property.
pub(crate) fn values(random: &mut Random) -> [u32; PROPERTIES.len()] {
    PROPERTIES.map(|(_, count)| random.below(count))
}

/// The text of a value.
pub(crate) fn value_text(property: usize, value: u32) -> String {
    if property == NUMBER {
        return value.to_string();
    }
    format!("{}-{value:05}", &PROPERTIES[property].0[..2])
}

/// A value as JSON.
pub(crate) fn value_json(property: usize, value: u32) -> String {
    let text = value_text(property, value);
    if property == NUMBER {
        text
    } else {
        format!("\"{text}\"")
    }
}

/// The payload of an event of the mix.
pub(crate) fn payload(values: &[u32; PROPERTIES.len()]) -> Bytes {
    let mut json = String::from("{");
    for (at, &value) in values.iter().enumerate() {
        let (name, json_value) = (PROPERTIES[at].0, value_json(at, value));
        let _ = write!(json, "\"{name}\": {json_value}, ");
    }
    json.push_str("\"text\": \"as much again as one says in a chat\"}");
    Bytes::from(json)
}

/// The whole organization.
pub(crate) fn everywhere() -> Scope {
    Scope {
        organization: OrganizationId(0),
        address: Address::Organization,
    }
}

/// A subscription of the whole organization.
pub(crate) fn subscription(names: Names, properties: Vec<PropertyFilter>) -> Subscription {
    Subscription {
        scope: everywhere(),
        parents: Parents::default(),
        names,
        properties,
    }
}

/// A condition on a property of the payload.
pub(crate) fn asks(name: &str, values: Vec<ValueFilter>) -> PropertyFilter {
    PropertyFilter {
        property: Property::Payload(name.into()),
        values,
    }
}

/// A string or number as a filter asks for it.
pub(crate) fn text(text: &str) -> ValueFilter {
    ValueFilter::Text(text.into())
}

/// A filter of the mix as a subscription.
pub(crate) fn of_mix(filter: &Filter) -> Subscription {
    let asked = filter.iter().enumerate();
    let asked = asked.filter_map(|(at, value)| value.map(|value| (at, value)));
    let asks = asked.map(|(at, value)| asks(PROPERTIES[at].0, vec![text(&value_text(at, value))]));
    subscription(Names::Every, asks.collect())
}

/// An event with this name, addressed to the whole organization.
pub(crate) fn event(name: &str, payload: Bytes) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        name: EventName::from_text(name),
        payload,
        metadata: None,
        origin: None,
        correlation: None,
        scope: everywhere(),
        parents: Parents::default(),
        time_ms: 1_700_000_000_000,
    }
}

/// Returns `count` events of the mix.
pub(crate) fn events(count: usize, random: &mut Random) -> Vec<Event> {
    (0..count)
        .map(|_| event("status", payload(&values(random))))
        .collect()
}

//! Subscriptions with any names and filters: an event is heard by the same subscribers in one
//! table as in a table for each.
#![no_main]

use bytes::Bytes;
use fanfare::hub::{
    Address, Event, EventId, EventName, FilterTable, MatchScratch, NamePattern, Names,
    OrganizationId, Parents, Property, PropertyFilter, Scope, SubscriberId, Subscription,
    ValueFilter,
};
use libfuzzer_sys::fuzz_target;

fn scope() -> Scope {
    Scope {
        organization: OrganizationId(0),
        address: Address::Organization,
    }
}

/// `pattern = property = value`, each as far as it is there.
fn subscription(line: &str) -> Subscription {
    let mut parts = line.split('=');
    let names = match parts.next().unwrap_or_default() {
        "" => Names::Every,
        patterns => Names::Any(patterns.split('|').map(NamePattern::parse).collect()),
    };
    let property = parts.next().map(|name| PropertyFilter {
        property: Property::Payload(name.into()),
        values: parts
            .map(|value| match value {
                "null" => ValueFilter::Null,
                "*" => ValueFilter::Present,
                text => ValueFilter::Text(text.into()),
            })
            .collect(),
    });
    Subscription {
        scope: scope(),
        parents: Parents::default(),
        names,
        properties: property.into_iter().collect(),
    }
}

fn hear(subscriptions: &[(SubscriberId, Subscription)], event: &Event) -> Vec<SubscriberId> {
    let mut table = FilterTable::new(1);
    let held: Vec<_> = subscriptions
        .iter()
        .map(|(subscriber, wanted)| table.subscribe(*subscriber, wanted))
        .collect();
    let mut scratch = MatchScratch::default();
    table.matches(event, &mut scratch);
    held.into_iter().for_each(|id| table.unsubscribe(id));
    assert!(table.is_empty() && table.programs() == 0);
    let mut heard = scratch.subscribers.clone();
    heard.sort_unstable();
    heard
}

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let (name, payload) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    if serde_json::from_str::<serde::de::IgnoredAny>(payload).is_err() {
        return;
    }
    let event = Event {
        id: EventId(uuid::Uuid::nil()),
        name: EventName::from_json(Bytes::from(serde_json::json!(name).to_string())),
        payload: Bytes::from(payload.to_owned()),
        metadata: None,
        origin: None,
        correlation: None,
        scope: scope(),
        parents: Parents::default(),
        time_ms: 1,
    };
    let wanted = lines.take(8).map(subscription);
    let all: Vec<_> = (0..).map(SubscriberId).zip(wanted).collect();
    let each: Vec<_> = all.chunks(1).flat_map(|one| hear(one, &event)).collect();
    assert_eq!(hear(&all, &event), each);
});

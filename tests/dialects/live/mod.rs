//! The socket of the live dialect, sentence by sentence.

mod access;
mod events;
mod filters;
mod interest;
mod leaving;
mod order;
mod refusals;
mod slow;
mod state;

use crate::stage::Stage;
use crate::support::socket::Socket;

/// The dialect's path.
const PATH: &str = "/live/ws";

/// A filter message of properties and the JSON texts of their values.
fn filter(filters: &[(&str, &str)]) -> String {
    let filters: Vec<String> = filters
        .iter()
        .map(|(property, value)| format!(r#"{{"property":"{property}","value":{value}}}"#))
        .collect();
    format!(r#"{{"type":"filter","filters":[{}]}}"#, filters.join(","))
}

/// The answer to a filter message that is accepted.
fn accepted(count: usize) -> String {
    format!(r#"{{"type":"filterResponse","success":true,"filters":{count}}}"#)
}

/// Sets filters, which are accepted.
#[track_caller]
fn set(stage: &mut Stage, socket: &mut Socket, filters: &[(&str, &str)]) {
    let answer = socket.ask(&mut stage.node, &filter(filters));
    assert_eq!(answer, accepted(filters.len()));
}

/// The types of the events that a socket got since the last look.
fn types(stage: &mut Stage, socket: &mut Socket) -> Vec<String> {
    let texts = stage.texts(socket);
    let types = texts.iter().map(|text| {
        let event: serde_json::Value = serde_json::from_str(text).expect("JSON");
        event["type"].as_str().expect("a type").to_owned()
    });
    types.collect()
}

//! The state as resources, sentence by sentence.

mod actions;
mod fields;
mod refusals;
mod walks;

use fanfare::dialect::Config;
use serde_json::Value;

use crate::stage::Stage;
use crate::support::http::Response;
use crate::support::organizations::{bearer, organization, organized};

/// The organization's id in events, and here.
const SERVER: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

/// An organization `one` with somebody for each grant, and another with an administrator.
fn config() -> Config {
    let tokens = [
        ("admin-1", "admin"),
        ("listen-1", "subscribe"),
        ("publish-1", "publish"),
    ];
    let mut one = organization("one", &tokens);
    one.id = Some(SERVER.to_owned());
    let mut two = organization("two", &[("admin-2", "admin"), ("publish-2", "publish")]);
    two.id = Some("6ba7b811-9dad-11d1-80b4-00c04fd430c8".to_owned());
    organized([one, two])
}

/// A request to the state.
fn ask(stage: &mut Stage, line: &str, headers: &str) -> Response {
    stage.ask("t", line, headers, "")
}

/// What a path of the state shows an administrator of `one`, or anybody in open mode.
#[track_caller]
fn get(stage: &mut Stage, path: &str) -> Value {
    let response = ask(stage, &format!("GET {path}"), &bearer("admin-1"));
    assert_eq!(response.status, 200, "{path}: {response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    serde_json::from_str(&response.body).expect("JSON")
}

/// The items of a set that fits on one page.
#[track_caller]
fn items(stage: &mut Stage, path: &str) -> Vec<Value> {
    let page = get(stage, path);
    assert_eq!(page["next"], Value::Null, "{page}");
    page["items"].as_array().expect("items").clone()
}

/// The only item of a set.
#[track_caller]
fn only(stage: &mut Stage, path: &str) -> Value {
    let mut items = items(stage, path);
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0)
}

/// A field of each of some items, as text.
fn texts(items: &[Value], field: &str) -> Vec<String> {
    let text = |item: &Value| item[field].as_str().expect("text").to_owned();
    items.iter().map(text).collect()
}

//! The socket: rooms as their clients see them.

mod access;
mod events;
mod leaving;
mod moving;
mod resuming;

use serde_json::Value;

use crate::stage::Stage;
use crate::support::socket::Socket;

/// A client of a room that was welcomed.
struct Member {
    socket: Socket,
    epoch: String,
    next: u64,
    /// What came with the welcome.
    more: Vec<String>,
}

/// An event as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    name: String,
    data: String,
    number: u64,
    id: String,
}

/// The path of a room; `rest` is the end of the query.
fn path(group: &str, session: &str, rest: &str) -> String {
    format!("/pubsub/ws?event_id={group}&session_id={session}{rest}")
}

/// Enters the room `t` of the group `e`.
#[track_caller]
fn enter(stage: &mut Stage, rest: &str) -> Member {
    enter_as(stage, ("e", "t"), rest, "")
}

/// Enters a room with further header lines.
#[track_caller]
fn enter_as(
    stage: &mut Stage,
    (group, session): (&str, &str),
    rest: &str,
    headers: &str,
) -> Member {
    let socket = stage.open(&path(group, session, rest), headers);
    welcome(stage, socket)
}

/// A member of the client that was just welcomed.
#[track_caller]
fn welcome(stage: &mut Stage, mut socket: Socket) -> Member {
    let mut more = stage.texts(&mut socket);
    assert!(
        !more.is_empty(),
        "no welcome: {:?}",
        socket.goodbye(&mut stage.node)
    );
    let text = more.remove(0);
    let welcome: Value = serde_json::from_str(&text).expect("JSON");
    let data = &welcome["data"];
    let epoch = data["epoch"].as_str().expect("an epoch").to_owned();
    let next = data["next"].as_u64().expect("a number");
    let exact = format!(
        r#"{{"action":"welcome","data":{{"epoch":"{epoch}","next":{next},"heartbeat":25}}}}"#
    );
    assert_eq!(text, exact);
    assert_eq!(epoch.len(), 16);
    Member {
        socket,
        epoch,
        next,
        more,
    }
}

/// Subscribes to some names; the events that come with the reply.
#[track_caller]
fn subscribe(stage: &mut Stage, member: &mut Member, names: &[&str]) -> Vec<Heard> {
    let names = serde_json::to_string(names).expect("texts");
    let text =
        format!(r#"{{"action":"subscribe-event","data":{{"eventNames":{names}}},"ref":"s"}}"#);
    member.socket.say(&mut stage.node, &text);
    let mut texts = stage.texts(&mut member.socket);
    assert!(!texts.is_empty(), "no reply");
    assert_eq!(texts.remove(0), r#"{"action":"subscribed","ref":"s"}"#);
    texts.iter().map(|text| heard(text)).collect()
}

/// The text of a publish; `scope` may be empty.
fn publish(name: &str, data: &str, scope: &str) -> String {
    let scope = match scope {
        "" => String::new(),
        scope => format!(r#","scope":"{scope}""#),
    };
    format!(
        r#"{{"action":"publish-event","data":{{"eventName":"{name}","data":{data}{scope}}},"ref":7}}"#
    )
}

/// The id and number that a publish is answered with.
#[track_caller]
fn published(text: &str) -> (String, Option<u64>) {
    let reply: Value = serde_json::from_str(text).expect("JSON");
    let id = reply["data"]["id"].as_str();
    let id = id
        .unwrap_or_else(|| panic!("not published: {text}"))
        .to_owned();
    let number = reply["data"]["number"].as_u64();
    let shown = number.map_or_else(String::new, |number| format!(",\"number\":{number}"));
    let exact = format!(r#"{{"action":"published","ref":7,"data":{{"id":"{id}"{shown}}}}}"#);
    assert_eq!(text, exact);
    (id, number)
}

/// Reads an event, which must be in the contract's form to the byte.
#[track_caller]
fn heard(text: &str) -> Heard {
    let event: Value = serde_json::from_str(text).expect("JSON");
    let name = event["eventName"].as_str();
    let name = name
        .unwrap_or_else(|| panic!("not an event: {text}"))
        .to_owned();
    let data = event["data"].to_string();
    let id = event["id"].as_str().expect("an id").to_owned();
    let parsed: uuid::Uuid = id.parse().expect("a UUID");
    assert_eq!(parsed.get_version_num(), 7);
    let number = event["number"].as_u64().expect("a number");
    let exact = format!(
        r#"{{"eventName":{},"data":{data},"id":"{id}","number":{number}}}"#,
        Value::from(&*name)
    );
    assert_eq!(text, exact);
    Heard {
        name,
        data,
        number,
        id,
    }
}

/// The names and numbers of the events that a client got since the last look; nothing else may have
/// come.
#[track_caller]
fn news(stage: &mut Stage, member: &mut Member) -> Vec<(String, u64)> {
    let texts = stage.texts(&mut member.socket);
    pairs(texts.iter().map(|text| heard(text)))
}

fn pairs(events: impl IntoIterator<Item = Heard>) -> Vec<(String, u64)> {
    let events = events.into_iter();
    events.map(|event| (event.name, event.number)).collect()
}

/// What is expected of [`pairs`].
fn expect(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
    let pairs = pairs.iter();
    pairs
        .map(|&(name, number)| (name.to_owned(), number))
        .collect()
}

/// The code of the error that is the last message, and the code of the close after it.
#[track_caller]
fn dismissed(stage: &mut Stage, socket: &mut Socket) -> (String, u16) {
    let mut texts = stage.texts(socket);
    let text = texts.pop().expect("an error");
    assert_eq!(texts, [""; 0]);
    let error: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(error["action"], "error", "{text}");
    let code = error["data"]["code"].as_str().expect("a code").to_owned();
    (code, socket.close_code(&mut stage.node))
}

//! The sysadm dialect, sentence by sentence.

mod closing;
mod events;
mod login;
mod order;
mod refusals;
mod retained;
mod subscribe;
mod system_state;

use crate::stage::Stage;
use crate::support::socket::Socket;

/// The dialect's path.
const PATH: &str = "/sysadm";

/// A request with the id `1`.
fn call(namespace: &str, name: &str, args: &str) -> String {
    format!(r#"{{"namespace":"{namespace}","name":"{name}","id":"1","args":{args}}}"#)
}

/// A success with the id `1`.
fn response(namespace: &str, args: &str) -> String {
    format!(r#"{{"args":{args},"id":"1","name":"response","namespace":"{namespace}"}}"#)
}

/// An error with the id `1`, in the original's form.
fn error(code: u16) -> String {
    error_of("1", code)
}

/// An error in the original's form.
fn error_of(id: &str, code: u16) -> String {
    let message = match code {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        _ => panic!("{code} is not of this dialect"),
    };
    format!(
        r#"{{"args":{{"code":"{code}","message":"{message}"}},"id":"{id}","name":"error","namespace":"error"}}"#
    )
}

/// An event as it is sent.
fn event(class: &str, args: &str) -> String {
    format!(r#"{{"args":{args},"id":"","name":"{class}","namespace":"events"}}"#)
}

/// Subscribes to known classes, the last of which is answered; returns the events that came before.
#[track_caller]
fn subscribe(stage: &mut Stage, socket: &mut Socket, classes: &[&str]) -> Vec<String> {
    let args = serde_json::to_string(classes).expect("JSON");
    socket.say(&mut stage.node, &call("events", "subscribe", &args));
    let mut texts = stage.texts(socket);
    let last = classes.last().expect("a class");
    let expected = response("events", &format!(r#"{{"subscribe":"{last}"}}"#));
    assert_eq!(texts.pop(), Some(expected));
    texts
}

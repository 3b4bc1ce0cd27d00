//! Contract: "Targets" — who hears what, at every level against every other, by a naive tree.

use fanfare::dialect::Config;

use super::{PATH, body, names, publish, subscribe};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::organizations::{bearer, organization, organized};
use crate::support::socket::Socket;

/// The tree of the matrix: each scope by the path that leads to it from the organization.
const SCOPES: [&[&str]; 10] = [
    &[],
    &["c1"],
    &["c2"],
    &["c1", "p1"],
    &["c1", "p2"],
    &["c2", "p3"],
    &["c1", "p1", "l1"],
    &["c1", "p1", "l2"],
    &["c1", "p2", "l3"],
    &["c2", "p3", "l4"],
];

/// When the tree is told of.
#[derive(Clone, Copy, Debug)]
enum Learned {
    /// Before anybody subscribes.
    Before,
    /// By those who subscribe.
    Meanwhile,
    /// After everybody has subscribed to scopes of which nobody knew where they stand.
    After,
}

/// A scope by its own id alone.
fn alone(path: &[&str]) -> String {
    match path.last() {
        None => String::new(),
        Some(id) => format!(r#"{{"{}":"{id}"}}"#, LEVELS[path.len()]),
    }
}

/// A scope with everything above it, as the contract orders ids.
fn whole(path: &[&str]) -> String {
    let ids = path.iter().zip(&LEVELS[1..]).rev();
    let ids: Vec<String> = ids
        .map(|(id, level)| format!(r#""{level}":"{id}""#))
        .collect();
    format!("{{{}}}", ids.join(","))
}

#[test]
fn an_empty_id_is_refused_and_never_means_everything() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        for (level, id) in [
            ("layout", "layoutId"),
            ("project", "projectId"),
            ("collection", "collection_id"),
        ] {
            let message =
                format!("the target's {level} id is empty; without it nothing is restricted");
            for target in [
                format!(r#"{{"{id}":""}}"#),
                format!(r#"{{"x":1,"{id}":"","layoutId":""}}"#),
            ] {
                for kind in ["subscribe", "unsubscribe", "publish"] {
                    let asked = body("n", "{}", &target);
                    let request = format!(r#"{{"{kind}":{asked},"correlationId":"c"}}"#);
                    let refused = super::ask(stage, &mut socket, &request);
                    let (correlation, code, text) = super::error_of(&refused);
                    assert_eq!(
                        (correlation.as_deref(), code),
                        (Some("c"), 3),
                        "{kind} {target}"
                    );
                    assert!(text.contains("id is empty"), "{text}");
                }
                let answer = super::post(stage, "", &body("n", "{}", &target));
                assert_eq!(
                    (answer.status, super::http_error_of(&answer.body).0),
                    (400, 3)
                );
            }
            let path = format!("{PATH}?subscribe.name=n&subscribe.target.{id}=");
            let answer = stage.ask("t", &format!("GET {path}"), "", "");
            assert_eq!(answer.status, 400);
            assert_eq!(super::http_error_of(&answer.body), (3, message.clone()));
            let mut first = stage.open(&path, "");
            let texts = stage.texts(&mut first);
            assert_eq!(super::fatal_of(&texts[0]), (3, message));
        }
        assert_eq!(super::subscriptions(stage), 0);
        // What is absent, or null, restricts nothing.
        subscribe(stage, &mut socket, "n", "{}");
        publish(stage, "n", r#"{"projectId":null}"#);
        assert_eq!(names(stage, &mut socket), ["n"]);
    });
}

const LEVELS: [&str; 4] = ["", "collectionId", "projectId", "layoutId"];

/// Whether what is published at one is heard at the other: one is the other, or above it.
fn is_heard(published: &[&str], subscribed: &[&str]) -> bool {
    published.starts_with(subscribed) || subscribed.starts_with(published)
}

fn teach(stage: &mut Stage) {
    for path in SCOPES {
        publish(stage, "taught", &whole(path));
    }
}

#[test]
fn an_event_is_heard_at_its_scope_above_and_beneath_and_nowhere_else() {
    for learned in [Learned::Before, Learned::Meanwhile, Learned::After] {
        everywhere(|stage| {
            if matches!(learned, Learned::Before) {
                teach(stage);
            }
            let mut listeners: Vec<(&[&str], Socket)> = Vec::new();
            for path in SCOPES {
                let target = match learned {
                    Learned::Meanwhile => whole(path),
                    Learned::Before | Learned::After => alone(path),
                };
                for mut socket in stage.open_everywhere(PATH) {
                    subscribe(stage, &mut socket, "n*", &target);
                    listeners.push((path, socket));
                }
            }
            if matches!(learned, Learned::After) {
                teach(stage);
            }
            for path in SCOPES {
                publish(stage, "n", &alone(path));
                publish(stage, "no", &whole(path));
                publish(stage, "other", &whole(path));
                for (at, socket) in &mut listeners {
                    let heard = names(stage, socket);
                    let expected: &[&str] = if is_heard(path, at) {
                        &["n", "no"]
                    } else {
                        &[]
                    };
                    assert_eq!(
                        heard, expected,
                        "{learned:?}: at {at:?}, published at {path:?}"
                    );
                }
            }
        });
    }
}

#[test]
fn the_same_id_at_two_levels_is_two_scopes() {
    everywhere(|stage| {
        let targets =
            ["collectionId", "projectId", "layoutId"].map(|level| format!(r#"{{"{level}":"x"}}"#));
        let mut sockets = Vec::new();
        for target in &targets {
            let mut socket = stage.open(PATH, "");
            subscribe(stage, &mut socket, "*", target);
            sockets.push(socket);
        }
        for (at, target) in targets.iter().enumerate() {
            publish(stage, "n", target);
            for (other, socket) in sockets.iter_mut().enumerate() {
                let expected: &[&str] = if at == other { &["n"] } else { &[] };
                assert_eq!(names(stage, socket), expected, "{target}");
            }
        }
    });
}

#[test]
fn an_events_target_is_what_is_known_of_it() {
    everywhere(|stage| {
        let mut socket = stage.open(PATH, "");
        subscribe(stage, &mut socket, "n", "");
        publish(stage, "n", r#"{"layoutId":"l"}"#);
        publish(stage, "n", r#"{"layoutId":"l","projectId":"p"}"#);
        publish(stage, "n", r#"{"projectId":"p","collectionId":"c"}"#);
        publish(stage, "n", r#"{"layoutId":"l"}"#);
        publish(stage, "n", r#"{"projectId":"p"}"#);
        publish(stage, "n", r#"{"collectionId":"c"}"#);
        publish(stage, "n", "{}");
        let expected = [
            r#","target":{"layoutId":"l"}"#,
            r#","target":{"layoutId":"l","projectId":"p"}"#,
            r#","target":{"projectId":"p","collectionId":"c"}"#,
            r#","target":{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
            r#","target":{"projectId":"p","collectionId":"c"}"#,
            r#","target":{"collectionId":"c"}"#,
            "",
        ];
        let expected = expected.map(|target| {
            format!(
                r#"{{"result":{{"event":{{"id":"<uuid>","name":"n","payload":{{}}{target}}}}}}}"#
            )
        });
        assert_eq!(super::texts(stage, &mut socket), expected);
    });
}

fn two_organizations() -> Config {
    organized(["one", "two"].map(|name| organization(name, &[(name, "publish,subscribe")])))
}

#[test]
fn another_organization_hears_nothing_at_any_level() {
    everywhere_with(&two_organizations(), |stage| {
        let mut own = Vec::new();
        let mut others = Vec::new();
        for path in SCOPES {
            for (name, sockets) in [("one", &mut own), ("two", &mut others)] {
                let mut socket = stage.open(PATH, &bearer(name));
                subscribe(stage, &mut socket, "*", &whole(path));
                sockets.push((path, socket));
            }
        }
        for path in SCOPES {
            let event = super::body("n", "{}", &alone(path));
            assert_eq!(super::post(stage, &bearer("one"), &event).status, 200);
            for (at, socket) in &mut own {
                let expected: &[&str] = if is_heard(path, at) { &["n"] } else { &[] };
                assert_eq!(
                    names(stage, socket),
                    expected,
                    "at {at:?}, published at {path:?}"
                );
            }
            for (at, socket) in &mut others {
                assert_eq!(
                    names(stage, socket),
                    [""; 0],
                    "at {at:?}, published at {path:?}"
                );
            }
        }
    });
}

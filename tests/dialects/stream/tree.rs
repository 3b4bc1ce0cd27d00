//! Contract: "Targets" — what a target says of the tree: implied, contradicted, unknown.

use fanfare::config::Scopes;
use fanfare::dialect::Config;

use super::{
    PATH, ask, assert_alive, body, error_of, http_error_of, names, post, publish, subscribe,
};
use crate::stage::{Stage, everywhere, everywhere_with};
use crate::support::socket::Socket;

/// The code and message that a subscription and a publish at a target are refused with, on a stream
/// and by one request alike.
#[track_caller]
fn refused(stage: &mut Stage, socket: &mut Socket, target: &str) -> (u64, String) {
    let event = body("n", "{}", target);
    let answer = post(stage, "", &event);
    let by_request = http_error_of(&answer.body);
    let expected_status = match by_request.0 {
        3 => 400,
        5 => 404,
        other => panic!("code {other}"),
    };
    assert_eq!(answer.status, expected_status);
    for request in [
        format!(r#"{{"publish":{event},"correlationId":"c"}}"#),
        format!(r#"{{"subscribe":{{"name":"n","target":{target}}},"correlationId":"c"}}"#),
    ] {
        let (id, code, message) = error_of(&ask(stage, socket, &request));
        assert_eq!(id.as_deref(), Some("c"));
        assert_eq!((code, message), by_request, "{request}");
    }
    assert_alive(stage, socket);
    by_request
}

#[test]
fn a_layout_implies_its_project_and_collection() {
    everywhere(|stage| {
        publish(
            stage,
            "x",
            r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
        );
        // Whoever names the layout alone hears what is for its project and its collection.
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            subscribe(stage, socket, "n", r#"{"layoutId":"l"}"#);
        }
        for target in [r#"{"projectId":"p"}"#, r#"{"collectionId":"c"}"#, ""] {
            publish(stage, "n", target);
            for socket in &mut sockets {
                assert_eq!(names(stage, socket), ["n"], "{target}");
            }
        }
    });
}

#[test]
fn given_ones_must_match() {
    everywhere(|stage| {
        publish(
            stage,
            "x",
            r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
        );
        publish(
            stage,
            "x",
            r#"{"layoutId":"m","projectId":"q","collectionId":"d"}"#,
        );
        let mut everything = stage.open(PATH, "");
        subscribe(stage, &mut everything, "n", "");
        let mut socket = stage.open(PATH, "");
        let layout = "the layout is in another project or collection";
        let project = "the project is in another collection";
        for (target, message) in [
            (r#"{"layoutId":"l","projectId":"q"}"#, layout),
            (r#"{"layoutId":"l","projectId":"new"}"#, layout),
            (r#"{"layoutId":"l","collectionId":"d"}"#, layout),
            (
                r#"{"layoutId":"l","projectId":"q","collectionId":"d"}"#,
                layout,
            ),
            (
                r#"{"layoutId":"l","projectId":"p","collectionId":"d"}"#,
                project,
            ),
            (
                r#"{"layoutId":"l","projectId":"p","collectionId":"new"}"#,
                project,
            ),
            (
                r#"{"layoutId":"new","projectId":"p","collectionId":"d"}"#,
                project,
            ),
            (r#"{"projectId":"p","collectionId":"d"}"#, project),
        ] {
            let (code, said) = refused(stage, &mut socket, target);
            assert_eq!((code, &*said), (3, message), "{target}");
        }
        // Nothing was published, subscribed to or learned.
        assert_eq!(names(stage, &mut everything), [""; 0]);
        assert_eq!(super::subscriptions(stage), 1);
        for target in [
            r#"{"layoutId":"l","projectId":"p","collectionId":"c"}"#,
            r#"{"layoutId":"l","collectionId":"c"}"#,
            r#"{"layoutId":"new","projectId":"q","collectionId":"d"}"#,
        ] {
            publish(stage, "n", target);
            assert_eq!(names(stage, &mut everything), ["n"], "{target}");
            subscribe(stage, &mut socket, "m", target);
        }
    });
}

fn declared() -> Config {
    let mut config = Config::default();
    config.hub.scopes = Scopes::Declared;
    config
}

#[test]
fn an_unknown_layout_is_not_found_where_scopes_are_declared() {
    everywhere_with(&declared(), |stage| {
        let mut socket = stage.open(PATH, "");
        for (target, message) in [
            (r#"{"layoutId":"l"}"#, "Layout not found"),
            (r#"{"projectId":"p"}"#, "Project not found"),
            (r#"{"collectionId":"c"}"#, "Collection not found"),
        ] {
            let (code, said) = refused(stage, &mut socket, target);
            assert_eq!((code, &*said), (5, message), "{target}");
        }
        // The organization needs no declaration.
        subscribe(stage, &mut socket, "n", "");
        publish(stage, "n", "");
        assert_eq!(names(stage, &mut socket), ["n"]);
    });
}

#[test]
fn a_session_that_was_created_is_a_layout_that_is_known() {
    everywhere_with(&declared(), |stage| {
        let token = stage.create(r#"{"event_id":"c","project_id":"p"}"#);
        let targets = [
            format!(r#"{{"layoutId":"{token}"}}"#),
            format!(r#"{{"layoutId":"{token}","projectId":"p","collectionId":"c"}}"#),
            r#"{"projectId":"p","collectionId":"c"}"#.to_owned(),
            r#"{"collectionId":"c"}"#.to_owned(),
        ];
        let mut sockets = stage.open_everywhere(PATH);
        for socket in &mut sockets {
            for target in &targets {
                subscribe(stage, socket, "n", target);
            }
        }
        for target in &targets {
            publish(stage, "n", target);
            for socket in &mut sockets {
                assert_eq!(names(stage, socket), ["n"], "{target}");
            }
        }
        // Its project's other name is still none of its own.
        let target = format!(r#"{{"layoutId":"{token}","projectId":"q"}}"#);
        let answer = post(stage, "", &body("n", "{}", &target));
        assert_eq!(answer.status, 400, "{answer:?}");
    });
}

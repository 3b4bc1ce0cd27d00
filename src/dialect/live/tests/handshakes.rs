//! Who may open a socket.

use super::*;
use crate::auth::Verdict;
use crate::dialect::testing::{Ground, UPGRADE, respond};
use crate::dialect::{self, Action, Call, Exchange, Operation, Outcome};
use crate::hub::Names;
use crate::protocol::http1::Version;

fn ask(directory: Directory, request: &str) -> (Action, String) {
    let dialect = Live::new(&LiveConfig::default(), Arc::new(directory));
    Ground::new().request(request, |head, _, to| dialect.shake_hands(head, to))
}

/// A handshake that presents something, as base64 where it must be.
fn present(authorization: &str) -> (Action, String) {
    let request = format!("GET /live/ws HTTP/1.1\r\n{UPGRADE}Authorization: {authorization}\r\n");
    ask(organizations(), &request)
}

#[track_caller]
fn opened(action: Action) -> OrganizationId {
    let Action::Open(open) = action else {
        panic!("not opened: {action:?}");
    };
    let dialect::Client::Live(client) = open.client else {
        panic!("not of this dialect");
    };
    // Everything of the organization, before any filter.
    assert_eq!(open.subscriptions.len(), 1);
    assert_eq!(open.subscriptions[0].names, Names::Every);
    assert!(open.subscriptions[0].properties.is_empty());
    assert_eq!(
        open.subscriptions[0].scope.organization,
        client.organization
    );
    client.organization
}

#[track_caller]
fn unauthorized(action: &Action, text: &str) {
    assert!(matches!(action, Action::Done));
    assert!(text.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{text}");
    assert!(text.contains("\r\nWWW-Authenticate: Basic realm=\"fanfare\", charset=\"UTF-8\"\r\n"));
    assert!(text.contains("\r\nWWW-Authenticate: Bearer "));
    assert!(text.contains(r#"{"error":{"code":"unauthorized","message":"#));
}

/// Presents a user, and answers for the password.
fn log_in(authorization: &str, outcome: &Outcome) -> (Action, String) {
    let (action, _) = present(authorization);
    let Action::Execute(call) = action else {
        panic!("no call: {action:?}");
    };
    let Call {
        operation: Operation::Verify(_),
        pending: dialect::Pending::Live(pending),
        ..
    } = *call
    else {
        panic!("not a password: {call:?}");
    };
    let dialect = Live::new(&LiveConfig::default(), Arc::new(organizations()));
    let exchange = Exchange {
        version: Version::Http11,
        keep_alive: true,
        head_only: false,
    };
    respond(b"", exchange, |to| match pending {
        Pending::Handshake(pending) => dialect.answer_handshake(*pending, outcome, to),
        Pending::State(_) => panic!("no handshake"),
    })
}

// a-listens:pw, a-nothing:pw, nobody:pw.
const LISTENS: &str = "Basic YS1saXN0ZW5zOnB3";
const NOTHING: &str = "Basic YS1ub3RoaW5nOnB3";
const NOBODY: &str = "Basic bm9ib2R5OnB3";

#[test]
fn what_is_no_handshake() {
    let (action, text) = ask(organizations(), "GET /live/ws HTTP/1.1");
    assert!(matches!(action, Action::Done));
    assert!(text.starts_with("HTTP/1.1 426 ") && text.contains("\r\nUpgrade: websocket\r\n"));
    let old = format!("GET /live/ws HTTP/1.1\r\n{}", UPGRADE.replace("13", "8"));
    assert!(ask(Directory::open(), &old).1.starts_with("HTTP/1.1 426 "));
    let keyless = format!(
        "GET /live/ws HTTP/1.1\r\n{}",
        UPGRADE.replace("-Key", "-Kay")
    );
    assert!(
        ask(Directory::open(), &keyless)
            .1
            .starts_with("HTTP/1.1 400 ")
    );
    let post = format!("POST /live/ws HTTP/1.1\r\n{UPGRADE}");
    assert!(ask(Directory::open(), &post).1.starts_with("HTTP/1.1 405 "));
}

#[test]
fn in_open_mode_anything_is_good_enough() {
    for header in [
        "",
        "Authorization: Bearer x\r\n",
        "Authorization: nonsense\r\n",
    ] {
        let request = format!("GET /live/ws HTTP/1.1\r\n{UPGRADE}{header}");
        assert_eq!(
            opened(ask(Directory::open(), &request).0),
            OrganizationId(0)
        );
    }
}

#[test]
fn nothing_or_nonsense_is_challenged() {
    let request = format!("GET /live/ws HTTP/1.1\r\n{UPGRADE}");
    let (action, text) = ask(organizations(), &request);
    unauthorized(&action, &text);
    let long = format!("Basic {}", "QUFB".repeat(1_000));
    for nonsense in ["Bearer wrong", "Digest x", "Basic !", "Basic QQ==", &long] {
        let (action, text) = present(nonsense);
        unauthorized(&action, &text);
    }
}

#[test]
fn tokens_open_what_they_grant() {
    assert_eq!(opened(present("Bearer a-all").0), OrganizationId(0));
    assert_eq!(opened(present("Bearer b-listens").0), OrganizationId(1));
    let (action, text) = present("Bearer a-nothing");
    assert!(matches!(action, Action::Done));
    assert!(text.starts_with("HTTP/1.1 403 "));
    assert!(text.contains(r#"{"error":{"code":"forbidden","message":"#));
}

#[test]
fn passwords_are_checked_first() {
    let right = Outcome::Verified(Verdict::Right);
    assert_eq!(opened(log_in(LISTENS, &right).0), OrganizationId(0));
    assert!(log_in(NOTHING, &right).1.starts_with("HTTP/1.1 403 "));
    for (user, answer) in [
        (LISTENS, Outcome::Verified(Verdict::Wrong)),
        // Nobody's password is checked like any other, and never right.
        (NOBODY, Outcome::Verified(Verdict::Wrong)),
        (NOBODY, right),
    ] {
        let (action, text) = log_in(user, &answer);
        unauthorized(&action, &text);
    }
    for (verdict, status, retry_after) in [
        (Verdict::Busy { retry_after: 3 }, "503", "3"),
        (Verdict::Blocked { retry_after: 3_599 }, "429", "3599"),
    ] {
        let (action, text) = log_in(LISTENS, &Outcome::Verified(verdict));
        assert!(matches!(action, Action::Done));
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        let line = format!("\r\nRetry-After: {retry_after}\r\n");
        assert!(text.contains(&line), "{text}");
    }
}

//! Handshakes, and who is shown out when.

use super::*;

#[test]
fn a_plain_request_is_told_to_upgrade() {
    let dialect = Tester::open().dialect;
    let (action, text) = Ground::new().request("GET /sysadm HTTP/1.1", |head, tools, to| {
        dialect.handle(Route, head, b"", tools, to)
    });
    assert!(matches!(action, Action::Done));
    assert!(text.starts_with("HTTP/1.1 426 ") && text.contains("\r\nUpgrade: websocket\r\n"));
    assert!(text.contains(r#"{"error":{"code":"handshake","message":"#));
}

#[test]
fn a_bearer_is_logged_in_at_once() {
    let mut tester = Tester::bearer("a-listens");
    assert!(
        tester
            .ask(&rpc("query", "{}"))
            .contains(r#"{"events/*":"read"}"#)
    );
    // There is no token, so there is nothing to renew: the reply came at once.
    let dialect = tester.dialect;
    for bad in ["Bearer wrong", "Digest x"] {
        let request = format!("GET /sysadm HTTP/1.1\r\n{UPGRADE}Authorization: {bad}\r\n");
        let (action, text) = Ground::new().request(&request, |head, tools, to| {
            dialect.handle(Route, head, b"", tools, to)
        });
        assert!(matches!(action, Action::Done));
        assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
        assert!(text.contains("\r\nWWW-Authenticate: Bearer "), "{text}");
    }
}

#[test]
fn strangers_and_the_silent_are_shown_out() {
    let close = |reaction| match reaction {
        Reaction::Close(_, code, _) => Some(code),
        Reaction::Reply(text) if text.is_empty() => None,
        other => panic!("{other:?}"),
    };
    let mut tester = Tester::stranger();
    tester.ground.wait(29);
    tester.ask(&rpc("query", "{}"));
    assert_eq!(close(tester.expire()), None);
    tester.ground.wait(1);
    assert!(tester.client.due() <= tester.ground.now.instant);
    assert_eq!(close(tester.expire()), Some(CLOSE_NO_LOGIN));

    let mut tester = Tester::stranger();
    tester.ground.wait(29);
    tester.log_in("a-all");
    tester.ground.wait(30 * 60 - 1);
    assert_eq!(close(tester.expire()), None);
    tester.ground.wait(1);
    assert_eq!(close(tester.expire()), Some(CLOSE_IDLE));

    // Whoever loses a login has the time of a newcomer.
    let mut tester = Tester::bearer("a-all");
    tester.ground.wait(600);
    tester.ask(&rpc("auth_x", "{}"));
    assert_eq!(close(tester.expire()), None);
    tester.ground.wait(15);
    tester.ask(&rpc("auth_x", "{}"));
    tester.ground.wait(15);
    assert_eq!(close(tester.expire()), Some(CLOSE_NO_LOGIN));
}

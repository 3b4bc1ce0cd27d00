//! Handshakes, and who is shown out when.

use super::*;

#[test]
fn a_plain_request_is_told_to_upgrade() {
    let dialect = Client::open().dialect;
    let (action, text) = Ground::new().request("GET /sysadm HTTP/1.1", |head, tools, to| {
        dialect.handle(head, tools, to)
    });
    assert!(matches!(action, Action::Done));
    assert!(text.starts_with("HTTP/1.1 426 ") && text.contains("\r\nUpgrade: websocket\r\n"));
    assert!(text.contains(r#"{"error":{"code":"handshake","message":"#));
}

#[test]
fn a_bearer_is_logged_in_at_once() {
    let mut client = Client::bearer("a-listens");
    assert!(
        client
            .ask(&rpc("query", "{}"))
            .contains(r#"{"events/*":"read"}"#)
    );
    // There is no token, so there is nothing to renew: the reply came at once.
    let dialect = client.dialect;
    for bad in ["Bearer wrong", "Digest x"] {
        let request = format!("GET /sysadm HTTP/1.1\r\n{UPGRADE}Authorization: {bad}\r\n");
        let (action, text) =
            Ground::new().request(&request, |head, tools, to| dialect.handle(head, tools, to));
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
    let mut client = Client::stranger();
    client.ground.wait(29);
    client.ask(&rpc("query", "{}"));
    assert_eq!(close(client.expire()), None);
    client.ground.wait(1);
    assert!(client.socket.due() <= client.ground.now.instant);
    assert_eq!(close(client.expire()), Some(CLOSE_NO_LOGIN));

    let mut client = Client::stranger();
    client.ground.wait(29);
    client.log_in("a-all");
    client.ground.wait(30 * 60 - 1);
    assert_eq!(close(client.expire()), None);
    client.ground.wait(1);
    assert_eq!(close(client.expire()), Some(CLOSE_IDLE));

    // Whoever loses a login has the time of a newcomer.
    let mut client = Client::bearer("a-all");
    client.ground.wait(600);
    client.ask(&rpc("auth_x", "{}"));
    assert_eq!(close(client.expire()), None);
    client.ground.wait(15);
    client.ask(&rpc("auth_x", "{}"));
    client.ground.wait(15);
    assert_eq!(close(client.expire()), Some(CLOSE_NO_LOGIN));
}

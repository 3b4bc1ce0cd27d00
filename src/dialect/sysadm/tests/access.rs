//! Who may ask what: logins by message, and their ends.

use super::*;
use crate::auth::{Attempt, Verdict};
use crate::dialect::LoginChange;
use crate::dialect::testing::{replaced, subscribe};
use crate::hub::{Answer, Refusal};
use crate::limits::{LOGIN_TTL, PASSWORD_BYTES_MAX};

const UNAUTHORIZED: &str = r#"{"args":{"code":"401","message":"Unauthorized"},"id":"1","name":"error","namespace":"error"}"#;

fn auth(name: &str) -> String {
    rpc(
        "auth",
        &format!(r#"{{"username":"{name}","password":"secret"}}"#),
    )
}

fn logged_in(token: &LoginToken) -> String {
    let token = std::str::from_utf8(&token.0).unwrap();
    format!(r#"{{"args":["{token}",900],"id":"1","name":"response","namespace":"rpc"}}"#)
}

impl Tester {
    fn identity(&self, user: &str) -> Identity {
        let directory = &self.dialect.directory;
        let id = directory.user(user).expect("a user");
        directory.user_of(id).expect("that user").identity
    }

    /// Logs in by password, with every answer as one hopes.
    pub(super) fn log_in(&mut self, user: &str) -> LoginToken {
        let (operation, pending) = call(self.send(&auth(user)));
        assert!(matches!(
            operation,
            Operation::Verify(Attempt { user: Some(_), .. })
        ));
        let (operation, pending) = call(self.answer(pending, Outcome::Verified(Verdict::Right)));
        let identity = self.identity(user);
        let Operation::Login { token, change } = operation else {
            panic!("no login: {operation:?}");
        };
        assert_eq!(change, LoginChange::Issue(identity));
        let text = reply(self.answer(pending, Outcome::Login(Some(identity))));
        assert_eq!(text, logged_in(&token));
        token
    }

    /// Sends a request that renews the token, which is still good.
    #[track_caller]
    fn renewing(&mut self, text: &str, identity: Identity) -> Reaction {
        let (operation, pending) = call(self.send(text));
        assert!(matches!(
            operation,
            Operation::Login {
                change: LoginChange::Renew,
                ..
            }
        ));
        self.answer(pending, Outcome::Login(Some(identity)))
    }
}

#[test]
fn a_stranger_may_identify_the_server_and_nothing_else() {
    let mut tester = Tester::stranger();
    assert!(tester.ask(&rpc("identify", "{}")).contains("node-1"));
    assert_eq!(tester.ask(&rpc("query", "{}")), UNAUTHORIZED);
    for text in [
        r#"{"namespace":"events","name":"subscribe","id":"1","args":["dispatcher"]}"#,
        r#"{"namespace":"nothing","name":"such","id":"1"}"#,
        r#"{"namespace":"rpc","name":"dispatcher","id":"1"}"#,
    ] {
        assert_eq!(tester.ask(text), UNAUTHORIZED);
    }
}

#[test]
fn a_password_becomes_a_token_that_requests_renew() {
    let mut tester = Tester::stranger();
    let token = tester.log_in("a-listens");
    let identity = tester.identity("a-listens");
    let text = reply(tester.renewing(&rpc("query", "{}"), identity));
    assert!(text.contains(r#""args":{"events/*":"read"}"#));
    // Also one that fails is a request of somebody who is authorized.
    let (operation, _) = call(tester.send(&rpc("nothing", "{}")));
    assert!(matches!(operation, Operation::Login { token: renewed, .. } if renewed == token));
    assert_eq!(LOGIN_TTL.as_secs(), 900);
}

#[test]
fn args_may_be_the_whole_message() {
    let mut tester = Tester::stranger();
    let text = r#"{"namespace":"RPC","name":"auth","username":"a-all","password":"x"}"#;
    let (operation, _) = call(tester.send(text));
    let attempt = Attempt {
        user: tester.dialect.directory.user("a-all"),
        name: "a-all".into(),
        password: Secret::new("x"),
    };
    assert!(matches!(operation, Operation::Verify(asked) if asked == attempt));
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_alike() {
    for user in ["a-all", "nobody"] {
        let mut tester = Tester::stranger();
        let (operation, pending) = call(tester.send(&auth(user)));
        assert!(matches!(operation, Operation::Verify(_)));
        assert_eq!(
            reply(tester.answer(pending, Outcome::Verified(Verdict::Wrong))),
            UNAUTHORIZED
        );
        assert_eq!(tester.ask(&rpc("query", "{}")), UNAUTHORIZED);
    }
    let mut tester = Tester::stranger();
    let (_, pending) = call(tester.send(&auth("nobody")));
    assert_eq!(
        reply(tester.answer(pending, Outcome::Verified(Verdict::Right))),
        UNAUTHORIZED
    );
}

#[test]
fn who_has_to_wait_is_told_for_how_long() {
    let refused = |verdict| {
        let mut tester = Tester::stranger();
        let (_, pending) = call(tester.send(&auth("a-all")));
        let text = reply(tester.answer(pending, Outcome::Verified(verdict)));
        assert_eq!(tester.ask(&rpc("query", "{}")), UNAUTHORIZED);
        text
    };
    let retry_after = 3_600;
    let blocked = refused(Verdict::Blocked { retry_after });
    let args = r#"{"args":{"code":"429","message":"Too Many Requests","retry_after":3600},"#;
    assert!(blocked.starts_with(args), "{blocked}");
    let busy = refused(Verdict::Busy { retry_after: 2 });
    let args = r#"{"args":{"code":"503","message":"Service Unavailable","retry_after":2},"#;
    assert!(busy.starts_with(args), "{busy}");
}

#[test]
fn a_full_server_says_so() {
    let mut tester = Tester::stranger();
    let busy = Outcome::refused(Refusal::Busy);
    let unavailable = r#""code":"503","message":"Service Unavailable""#;
    let (_, pending) = call(tester.send(&auth("a-all")));
    assert!(reply(tester.answer(pending, busy.clone())).contains(unavailable));
    let (_, pending) = call(tester.send(&auth("a-all")));
    let (_, pending) = call(tester.answer(pending, Outcome::Verified(Verdict::Right)));
    assert!(reply(tester.answer(pending, Outcome::Login(None))).contains(unavailable));
    tester.log_in("a-all");
    // Nothing is known against a login that could not be renewed just now.
    let (_, pending) = call(tester.send(&rpc("query", "{}")));
    assert!(reply(tester.answer(pending, busy)).contains("events/*"));
}

#[test]
fn a_token_logs_in_on_another_socket() {
    let token = Tester::stranger().log_in("a-listens");
    let mut tester = Tester::stranger();
    let text = std::str::from_utf8(&token.0).unwrap().to_owned();
    let present = rpc("auth_token", &format!(r#"{{"token":"{text}"}}"#));
    let (operation, pending) = call(tester.send(&present));
    assert!(matches!(
        operation,
        Operation::Login { token: presented, change: LoginChange::Renew } if presented == token
    ));
    let identity = tester.identity("a-listens");
    let good = Outcome::Login(Some(identity));
    assert_eq!(
        reply(tester.answer(pending, good.clone())),
        logged_in(&token)
    );
    assert!(reply(tester.renewing(&rpc("query", "{}"), identity)).contains("events/*"));
    // Presenting the token that one has already is no farewell to it.
    let (operation, pending) = call(tester.send(&present));
    assert!(matches!(
        operation,
        Operation::Login {
            change: LoginChange::Renew,
            ..
        }
    ));
    assert_eq!(reply(tester.answer(pending, good)), logged_in(&token));
    // One that ended.
    let (_, pending) = call(tester.send(&present));
    assert_eq!(
        reply(tester.answer(pending, Outcome::Login(None))),
        UNAUTHORIZED
    );
    assert_eq!(tester.ask(&rpc("query", "{}")), UNAUTHORIZED);
}

#[test]
fn bad_args_and_other_names_beginning_with_auth() {
    let mut tester = Tester::stranger();
    for (name, args, code) in [
        ("auth", r#"{"username":"a"}"#, "400"),
        ("auth", r#"{"username":"a","password":7}"#, "400"),
        ("auth", r#"["a","b"]"#, "400"),
        ("auth", "null", "400"),
        ("auth_token", "{}", "400"),
        ("auth_token", r#"{"token":1}"#, "400"),
        ("auth_token", r#"{"token":"short"}"#, "401"),
        ("auth_token", r#"{"token":"12345678901234567 é"}"#, "401"),
        ("auth_ssl", "{}", "401"),
        ("authentic", "{}", "401"),
    ] {
        let code = format!(r#""code":"{code}""#);
        assert!(
            tester.ask(&rpc(name, args)).contains(&code),
            "{name} {args}"
        );
    }
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    let args = format!(r#"{{"username":"a-all","password":"{long}"}}"#);
    assert_eq!(tester.ask(&rpc("auth", &args)), UNAUTHORIZED);
}

#[test]
fn every_name_beginning_with_auth_drops_the_login() {
    for (name, args) in [
        ("auth", r#"{"username":"nobody","password":"x"}"#),
        ("auth", "7"),
        ("auth_token", r#"{"token":"AAAAAAAAAAAAAAAAAAAA"}"#),
        ("auth_clear", "{}"),
        ("auth_x", "{}"),
    ] {
        let mut tester = Tester::stranger();
        let token = tester.log_in("a-all");
        let (operation, _) = call(tester.send(&rpc(name, args)));
        assert!(matches!(
            operation,
            Operation::Login { token: cleared, change: LoginChange::Clear } if cleared == token
        ));
        assert_eq!(tester.ask(&rpc("query", "{}")), UNAUTHORIZED);
    }
}

#[test]
fn clearing_is_not_answered_and_ends_subscriptions() {
    let mut tester = Tester::stranger();
    tester.log_in("a-all");
    let identity = tester.identity("a-all");
    let request = r#"{"namespace":"events","name":"subscribe","args":"dispatcher"}"#;
    let begin = subscribe(tester.renewing(request, identity));
    assert_eq!(replaced(begin.change).len(), 1);
    let (_, pending) = call(tester.send(&rpc("auth_clear", "{}")));
    let end = subscribe(tester.answer(pending, Outcome::Answer(Answer::Done)));
    assert!(end.reply.is_empty() && replaced(end.change).is_empty());
    // Nothing more to end.
    assert_eq!(tester.ask(&rpc("auth_clear", "{}")), "");
}

#[test]
fn subscriptions_survive_only_a_login_that_may_hear_them() {
    for (user, survive) in [
        ("a-listens", true),
        ("a-nothing", false),
        ("b-listens", false),
    ] {
        let mut tester = Tester::bearer("a-all");
        let request = r#"{"namespace":"events","name":"subscribe","args":"dispatcher"}"#;
        subscribe(tester.send(request));
        let (_, pending) = call(tester.send(&auth(user)));
        let (_, pending) = call(tester.answer(pending, Outcome::Verified(Verdict::Right)));
        let identity = tester.identity(user);
        match tester.answer(pending, Outcome::Login(Some(identity))) {
            Reaction::Reply(_) => assert!(survive, "{user}"),
            Reaction::Subscribe(end) => {
                assert!(!end.reply.is_empty());
                assert!(!survive && replaced(end.change).is_empty(), "{user}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_login_that_ended_meanwhile_serves_nobody() {
    let mut tester = Tester::stranger();
    tester.log_in("a-all");
    let request = r#"{"namespace":"events","name":"subscribe","id":"1","args":"dispatcher"}"#;
    let (_, pending) = call(tester.send(request));
    let end = subscribe(tester.answer(pending, Outcome::Login(None)));
    assert_eq!(String::from_utf8(end.reply).unwrap(), UNAUTHORIZED);
    assert!(replaced(end.change).is_empty());
    assert_eq!(tester.ask(request), UNAUTHORIZED);
}

#[test]
fn in_open_mode_everyone_is_logged_in_and_may_log_in() {
    let mut tester = Tester::open();
    let anyone = tester.dialect.directory.anonymous().unwrap();
    assert!(tester.ask(&rpc("query", "{}")).contains("events/*"));
    let stale = rpc("auth_token", r#"{"token":"AAAAAAAAAAAAAAAAAAAA"}"#);
    for text in [
        auth("whoever"),
        rpc("auth_token", r#"{"token":"x"}"#),
        stale,
    ] {
        let (mut operation, mut pending) = call(tester.send(&text));
        // The former login, or the token of another life of the server.
        while !matches!(
            operation,
            Operation::Login {
                change: LoginChange::Issue(_),
                ..
            }
        ) {
            (operation, pending) = call(tester.answer(pending, Outcome::Login(None)));
        }
        let Operation::Login { token, change } = operation else {
            panic!("{operation:?}");
        };
        assert_eq!(change, LoginChange::Issue(anyone));
        let text = reply(tester.answer(pending, Outcome::Login(Some(anyone))));
        assert_eq!(text, logged_in(&token));
    }
    let (_, pending) = call(tester.send(&rpc("query", "{}")));
    assert!(reply(tester.answer(pending, Outcome::Login(None))).contains("events/*"));
    assert_eq!(tester.ask(&rpc("auth_clear", "{}")), "");
    assert!(tester.ask(&rpc("query", "{}")).contains("events/*"));
    assert!(tester.ask(&rpc("auth_x", "{}")).contains("401"));
    assert!(tester.ask(&rpc("auth", "{}")).contains("400"));
}

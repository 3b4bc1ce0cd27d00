//! A client's position waits from the welcome on, until the first request that is carried out.

use super::*;

const SUBSCRIBE: &str = r#"{"action":"subscribe-event","data":{"eventName":"a"},"ref":1}"#;
const UNSUBSCRIBE: &str = r#"{"action":"unsubscribe-event","data":{"eventName":"a"},"ref":1}"#;
const PUBLISH: &str = r#"{"action":"publish-event","data":{"eventName":"a"},"ref":1}"#;
const AUTHENTICATE: &str = r#"{"action":"authenticate","data":{"token":"a-all"},"ref":1}"#;

const PUBLISHED: Answer = Answer::Published {
    id: EventId(Uuid::nil()),
    position: None,
};

#[test]
fn a_subscription_keeps_the_position_until_it_is_in_force() {
    let mut tester = Tester::welcomed();
    assert!(tester.client.waits);
    assert!(matches!(tester.say(SUBSCRIBE), Reaction::Show(_)));
    assert!(tester.client.waits);
}

#[test]
fn what_is_not_carried_out_changes_nothing() {
    for refused in [
        "nonsense",
        "7",
        r#"{"action":"dance","ref":1}"#,
        r#"{"action":"subscribe-event","data":{"eventName":"a"}}"#,
        r#"{"action":"subscribe-event","data":{"eventName":7},"ref":1}"#,
        r#"{"action":"unsubscribe-event","data":{"eventName":"a"},"ref":true}"#,
        r#"{"action":"unsubscribe-event","data":{},"ref":1}"#,
        r#"{"action":"publish-event","data":{"eventName":"a","scope":"x"},"ref":1}"#,
    ] {
        let mut tester = Tester::welcomed();
        let reply = tester.ask(refused);
        assert!(reply.starts_with(r#"{"action":"error""#), "{reply}");
        assert!(tester.client.waits, "{refused}");
    }
    let mut tester = Tester::welcomed();
    tester.message(Message::Binary(SUBSCRIBE.as_bytes()));
    assert!(tester.client.waits);
    let mut tester = Tester::welcomed_as("a-listens");
    assert_eq!(error_of(&tester.ask(PUBLISH), "1"), "forbidden");
    assert!(tester.client.waits);
    let mut tester = Tester::welcomed();
    let (_, pending) = execution(tester.say(PUBLISH));
    tester.answer(pending, Answer::Refused(Refusal::Busy));
    assert!(tester.client.waits);
}

#[test]
fn to_say_who_one_is_changes_nothing() {
    for mut tester in [Tester::welcomed(), Tester::welcomed_as("a-all")] {
        tester.ask(AUTHENTICATE);
        assert!(tester.client.waits);
    }
}

#[test]
fn what_is_carried_out_ends_it() {
    let mut tester = Tester::welcomed();
    // It hears nothing of that name: so a client says that it does not want what it missed.
    tester.ask(UNSUBSCRIBE);
    assert!(!tester.client.waits);
    let mut tester = Tester::welcomed();
    let (_, pending) = execution(tester.say(PUBLISH));
    assert!(tester.client.waits, "it may be refused");
    tester.answer(pending, PUBLISHED);
    assert!(!tester.client.waits);
}

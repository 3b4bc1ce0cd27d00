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
    let mut client = Client::welcomed();
    assert!(client.room.waits);
    assert!(matches!(client.say(SUBSCRIBE), Reaction::Show(_)));
    assert!(client.room.waits);
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
        let mut client = Client::welcomed();
        let reply = client.ask(refused);
        assert!(reply.starts_with(r#"{"action":"error""#), "{reply}");
        assert!(client.room.waits, "{refused}");
    }
    let mut client = Client::welcomed();
    client.message(Message::Binary(SUBSCRIBE.as_bytes()));
    assert!(client.room.waits);
    let mut client = Client::welcomed_as("a-listens");
    assert_eq!(error_of(&client.ask(PUBLISH), "1"), "forbidden");
    assert!(client.room.waits);
    let mut client = Client::welcomed();
    let (_, pending) = execution(client.say(PUBLISH));
    client.answer(pending, Answer::Refused(Refusal::Busy));
    assert!(client.room.waits);
}

#[test]
fn to_say_who_one_is_changes_nothing() {
    for mut client in [Client::welcomed(), Client::welcomed_as("a-all")] {
        client.ask(AUTHENTICATE);
        assert!(client.room.waits);
    }
}

#[test]
fn what_is_carried_out_ends_it() {
    let mut client = Client::welcomed();
    // It hears nothing of that name: so a client says that it does not want what it missed.
    client.ask(UNSUBSCRIBE);
    assert!(!client.room.waits);
    let mut client = Client::welcomed();
    let (_, pending) = execution(client.say(PUBLISH));
    assert!(client.room.waits, "it may be refused");
    client.answer(pending, PUBLISHED);
    assert!(!client.room.waits);
}

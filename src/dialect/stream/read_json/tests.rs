//! Requests as the contract writes them, and what is wrong with others.

use proptest::prelude::*;

use super::super::request::Form;
use super::*;
use crate::hub::Address;
use crate::protocol::grpc::Code;

fn read(message: &str) -> Request {
    Request::read(Form::Json, message.as_bytes())
}

fn asked(message: &str) -> Asked {
    read(message).asked.expect(message)
}

/// The correlation id and the sentence.
fn refused(message: &str) -> (Option<String>, String) {
    let request = read(message);
    let error = request.asked.expect_err(message);
    assert_eq!(error.code, Code::InvalidArgument, "{message}");
    (
        request.correlation_id.map(String::from),
        error.message.into_owned(),
    )
}

fn says(message: &str, sentence: &str) {
    assert_eq!(refused(message).1, sentence, "{message}");
}

fn published(message: &str) -> Publish {
    match asked(message) {
        Asked::Publish(event) => *event,
        other => panic!("{message}: {other:?}"),
    }
}

fn subscribed(message: &str) -> Wanted {
    match asked(message) {
        Asked::Subscribe(wanted) => wanted,
        other => panic!("{message}: {other:?}"),
    }
}

#[test]
fn the_requests_of_the_contract() {
    let ping = read(r#"{"ping":"hello","correlationId":"c1"}"#);
    assert_eq!(ping.correlation_id.as_deref(), Some("c1"));
    assert_eq!(ping.asked, Ok(Asked::Ping("hello".into())));

    let subscribe =
        r#"{"subscribe":{"name":"my_app:*","target":{"projectId":"p"}},"correlationId":"c2"}"#;
    assert_eq!(read(subscribe).correlation_id.as_deref(), Some("c2"));
    let wanted = Wanted {
        name: "my_app:*".into(),
        target: Some(Target {
            project: Some("p".into()),
            ..Target::default()
        }),
        events: Vec::new(),
    };
    assert_eq!(asked(subscribe), Asked::Subscribe(wanted.clone()));
    let unsubscribe = subscribe.replace("subscribe", "unsubscribe");
    assert_eq!(asked(&unsubscribe), Asked::Unsubscribe(wanted));

    let publish = r#"{"publish":{"name":"my_app:user_chat","payload":{"custom_event":true},"requestMetadata":{},"target":{}},"correlationId":"c4"}"#;
    assert_eq!(read(publish).correlation_id.as_deref(), Some("c4"));
    let event = Publish {
        name: "my_app:user_chat".into(),
        payload: Bytes::from(r#"{"custom_event":true}"#),
        target: Some(Target::default()),
        metadata: Some(Bytes::from("{}")),
    };
    assert_eq!(published(publish), event);
    let body = r#"{"name":"my_app:user_chat","payload":{"custom_event":true},"requestMetadata":{},"target":{}}"#;
    assert_eq!(Publish::read(Form::Json, body.as_bytes()), Ok(event));
}

#[test]
fn payload_and_metadata_keep_their_bytes() {
    let event = published(
        "{ \"publish\" : {\"payload\": {\"a\" : 1.50,\n\"a\":\"\\ud800\"} ,\"name\":\"\\u0061\",\
         \"requestMetadata\": [ 1e999 ] } }",
    );
    assert_eq!(event.payload, "{\"a\" : 1.50,\n\"a\":\"\\ud800\"}");
    assert_eq!(event.metadata.as_deref(), Some(&b"[ 1e999 ]"[..]));
    let draft = event.draft(Some(Bytes::from("s")));
    assert_eq!(draft.name.as_json(), "\"a\"");
    assert_eq!(draft.payload, event.payload);
    assert_eq!(draft.metadata, event.metadata);
    assert_eq!(draft.origin.as_deref(), Some(&b"s"[..]));
}

#[test]
fn names_of_fields_may_be_snake_case() {
    let request = read(
        r#"{"publish":{"name":"a","payload":{},"request_metadata":1,
            "target":{"layout_id":"l","project_id":"p","collection_id":"c"}},"correlation_id":"c"}"#,
    );
    assert_eq!(request.correlation_id.as_deref(), Some("c"));
    let Ok(Asked::Publish(event)) = request.asked else {
        panic!("{request:?}");
    };
    assert_eq!(event.metadata.as_deref(), Some(&b"1"[..]));
    let target = event.target.expect("given");
    assert_eq!(target.layout.as_deref(), Some("l"));
    assert_eq!(target.project.as_deref(), Some("p"));
    assert_eq!(target.collection.as_deref(), Some("c"));
}

#[test]
fn unknown_fields_are_ignored_and_null_is_absent() {
    let event = published(
        r#"{"x":{"y":[1]},"ping":null,"correlationId":null,"publish":{"name":"a","payload":{},"z":1,
            "requestMetadata":null,"target":{"w":0,"layoutId":null,"projectId":null}}}"#,
    );
    assert_eq!(event.metadata, None);
    let target = event.target.expect("given");
    assert_eq!(target.layout, None);
    assert_eq!(target.project, None);
    assert_eq!(target.address(), Address::Organization);
    let wanted = subscribed(r#"{"subscribe":{"name":"a","target":null,"events":null}}"#);
    assert_eq!((wanted.target, wanted.events.len()), (None, 0));
}

#[test]
fn of_repeated_fields_the_last_one_counts() {
    assert_eq!(
        asked(r#"{"ping":"a","p\u0069ng":"b"}"#),
        Asked::Ping("b".into())
    );
    let event = published(r#"{"publish":{"name":"a","name":"b","payload":1,"payload":{}}}"#);
    assert_eq!(&*event.name, "b");
}

#[test]
fn a_subscription_may_list_names() {
    let wanted = subscribed(r#"{"subscribe":{"name":"a","events":["b|c","\u0064"]}}"#);
    assert_eq!(*wanted.events, ["b|c".into(), "d".into()]);
    assert_eq!(wanted.names().expect("valid").len(), 4);
    let wanted = subscribed(r#"{"subscribe":{"events":["b"]}}"#);
    assert_eq!(wanted.names().expect("valid").len(), 1);
    assert!(subscribed(r#"{"subscribe":{}}"#).names().is_err());
}

#[test]
fn a_message_asks_one_thing() {
    says(
        r#"{"ping":"a","subscribe":{"name":"a"}}"#,
        "\"subscribe\" and \"ping\" are both set; a message asks one thing",
    );
    let one_of = r#"a message asks one of ["subscribe", "unsubscribe", "publish", "ping"]"#;
    says("{}", &format!("nothing is asked; {one_of}"));
    says(r#"{"ping":null}"#, &format!("nothing is asked; {one_of}"));
    says(
        r#"{"pong":"a"}"#,
        &format!("\"pong\" is not known; {one_of}"),
    );
    says(r#"{"ping":""}"#, "\"ping\" is empty");
}

/// Requests with one thing wrong, and what is said of it.
const WRONG: [(&str, &str); 18] = [
    (r#"{"ping":1}"#, "\"ping\" must be a string"),
    (r#"{"publish":[]}"#, "\"publish\" must be an object"),
    (r#"{"subscribe":"a"}"#, "\"subscribe\" must be an object"),
    (
        r#"{"unsubscribe":true}"#,
        "\"unsubscribe\" must be an object",
    ),
    (
        r#"{"correlationId":7,"ping":"a"}"#,
        "\"correlationId\" must be a string",
    ),
    (
        r#"{"subscribe":{"name":1}}"#,
        "\"subscribe.name\" must be a string",
    ),
    (
        r#"{"subscribe":{"name":"a","events":"b"}}"#,
        "\"subscribe.events\" must be an array of strings",
    ),
    (
        r#"{"subscribe":{"name":"a","events":["b",1]}}"#,
        "\"subscribe.events\" must be an array of strings",
    ),
    (
        r#"{"subscribe":{"name":"a","events":[["b"]]}}"#,
        "\"subscribe.events\" must be an array of strings",
    ),
    (
        r#"{"subscribe":{"name":"a","target":"p"}}"#,
        "\"subscribe.target\" must be an object",
    ),
    (
        r#"{"publish":{"name":"a","payload":{},"target":{"projectId":1}}}"#,
        "\"publish.target.projectId\" must be a string",
    ),
    (
        r#"{"publish":{"name":{},"payload":{}}}"#,
        "\"publish.name\" must be a string",
    ),
    (
        r#"{"publish":{"name":"a","payload":[]}}"#,
        "\"publish.payload\" must be an object",
    ),
    (
        r#"{"publish":{"name":"a","payload":"{}"}}"#,
        "\"publish.payload\" must be an object",
    ),
    (
        r#"{"publish":{"name":"a"}}"#,
        "\"publish.payload\" is missing",
    ),
    (
        r#"{"publish":{"name":"a","payload":null}}"#,
        "\"publish.payload\" is missing",
    ),
    (
        r#"{"publish":{"payload":{}}}"#,
        "\"publish.name\" is missing",
    ),
    (
        r#"{"publish":{"name":"","payload":{}}}"#,
        "\"publish.name\" is empty",
    ),
];

#[test]
fn wrong_types_are_named() {
    for (message, sentence) in WRONG {
        says(message, sentence);
        // Whatever is wrong with the rest, the correlation id is known.
        if !message.contains("correlationId") {
            let message = message.replacen('{', r#"{"correlationId":"\u00e9","#, 1);
            assert_eq!(refused(&message).0.as_deref(), Some("é"));
        }
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    for (message, sentence) in [
        ("", "the message is empty"),
        (" \n", "the message is empty"),
        ("7", "the message is not a JSON object"),
        ("[]", "the message is not a JSON object"),
        ("null", "the message is not a JSON object"),
        (
            r#"{"correlationId":"c","ping":x}"#,
            "the message is not JSON: expected value at byte 28",
        ),
        (
            r#"{"ping":"a"} {"ping":"b"}"#,
            "the message is not JSON: trailing characters at byte 13",
        ),
    ] {
        assert_eq!(refused(message), (None, sentence.into()), "{message}");
    }
    let error = Request::read(Form::Json, b"{\"ping\":\"\xff\"}").asked;
    assert_eq!(
        error.unwrap_err().message,
        "the message is not UTF-8 at byte 9"
    );
    let error = Publish::read(Form::Json, b"[]").unwrap_err();
    assert_eq!(error.message, "the body is not a JSON object");
    let error = Publish::read(Form::Json, b"{\"name\":\"a\"}").unwrap_err();
    assert_eq!(error.message, "\"payload\" is missing");
}

#[test]
fn bounds() {
    let id = "x".repeat(257);
    let (none, sentence) = refused(&format!(r#"{{"ping":"a","correlationId":"{id}"}}"#));
    assert_eq!(none, None);
    assert_eq!(sentence, "the correlation id is longer than 256 bytes");
    let named = |name: &str| format!(r#"{{"publish":{{"name":"{name}","payload":{{}}}}}}"#);
    published(&named(&"é".repeat(128)));
    assert!(
        refused(&named(&"é".repeat(129)))
            .1
            .contains("128 characters")
    );
    published(&named("a*|b"));
    let to = |id: &str| {
        format!(r#"{{"publish":{{"name":"a","payload":{{}},"target":{{"layoutId":"{id}"}}}}}}"#)
    };
    published(&to(&"x".repeat(256)));
    assert!(
        refused(&to(&id))
            .1
            .contains("layout id is longer than 256 bytes")
    );
    let deep = |field: &str, depth: usize| {
        let value = format!("{}{}", r#"{"a":"#.repeat(depth - 1), "{}") + &"}".repeat(depth - 1);
        format!(r#"{{"publish":{{"name":"a","payload":{{}},"{field}":{value}}}}}"#)
    };
    for field in ["payload", "requestMetadata"] {
        published(&deep(field, 128));
        for depth in [129, 1_000, 50_000] {
            let sentence = format!("\"publish.{field}\" is nested deeper than 128");
            assert_eq!(refused(&deep(field, depth)).1, sentence);
        }
    }
    // An unknown field may be as deep as it likes.
    let unknown = format!(
        r#"{{"x":{}{},"ping":"a"}}"#,
        "[".repeat(1_000),
        "]".repeat(1_000)
    );
    assert_eq!(asked(&unknown), Asked::Ping("a".into()));
    let long_name = format!(r#"{{"{}":1}}"#, "y".repeat(5_000));
    assert!(refused(&long_name).1.len() < 300);
}

proptest! {
    #[test]
    fn changed_requests_are_survived(
        message in prop::sample::select(vec![
            r#"{"ping":"hello","correlationId":"c1"}"#,
            r#"{"subscribe":{"name":"a|b","events":["c"],"target":{"projectId":"p"}},"correlationId":"c"}"#,
            r#"{"publish":{"name":"\u0061","payload":{"x":[true]},"requestMetadata":{},"target":{}}}"#,
        ]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), r#"[{}\[\]":,\\nul]"#), 1..4),
    ) {
        let mut message = message.to_owned();
        for (at, with) in changes {
            let at = at.index(message.len());
            message.replace_range(at..=at, &with);
        }
        let request = read(&message);
        let correlation = serde_json::from_str::<serde_json::Value>(&message).ok();
        if let Some(id) = correlation.as_ref().and_then(|json| json.get("correlationId")?.as_str()) {
            prop_assert_eq!(request.correlation_id.as_deref(), Some(id));
        }
        if let Ok(Asked::Publish(event)) = request.asked {
            prop_assert!(serde_json::from_slice::<serde_json::Map<_, _>>(&event.payload).is_ok());
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        Request::read(Form::Json, &bytes);
        let _ = Publish::read(Form::Json, &bytes);
    }
}

#[test]
fn of_too_many_names_only_what_is_needed_to_refuse_is_kept() {
    let many = vec![r#""a""#; 200_000].join(",");
    let wanted = subscribed(&format!(r#"{{"subscribe":{{"events":[{many}]}}}}"#));
    assert_eq!(wanted.events.len(), STREAM_NAMES_MAX + 1);
    assert!(wanted.names().is_err());
    let mixed = format!(r#"{{"subscribe":{{"events":[{many},1]}}}}"#);
    says(&mixed, r#""subscribe.events" must be an array of strings"#);
}

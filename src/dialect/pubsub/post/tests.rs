//! A publish, from its head to its answer: what is asked of the hub, and every kind of refusal.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::auth::Directory;
use crate::dialect::pubsub::PubsubConfig;
use crate::dialect::testing::{Ground, name, organizations, respond};
use crate::dialect::{Dialect, Exchange, Refused};
use crate::hub::{Parents, Status};
use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;

const LINE: &str = "POST /api/v1/pub_subs HTTP/1.1";
const EVENT: &str = r#"{"scope":{"type":"organization"},"payload":{"event":{"eventName":"n"}}}"#;

fn open() -> Pubsub {
    Pubsub::new(&PubsubConfig::default(), Arc::new(Directory::open()))
}

fn closed() -> Pubsub {
    Pubsub::new(&PubsubConfig::default(), Arc::new(organizations()))
}

/// What becomes of a request, judged by its head and then, if it is admitted, as a whole.
fn send(pubsub: &Pubsub, head: &str, body: &[u8]) -> (Action, String) {
    let lines = format!("{head}\r\nContent-Length: {}", body.len());
    let cors = Dialect::cors(pubsub, None).expect("a dialect for pages");
    Ground::new().request_with(cors, &lines, |head, tools, to| {
        match pubsub.admit(Route::Publish, head, to) {
            Ok(_) => pubsub.handle(Route::Publish, head, body, tools, to),
            Err(Refused) => Action::Done,
        }
    })
}

/// What is written to who waited.
fn written(pubsub: &Pubsub, answer: impl FnOnce(&mut Responder<'_>) -> Action) -> String {
    let cors = Dialect::cors(pubsub, None).expect("a dialect for pages");
    respond(cors, Exchange::upgraded(), answer).1
}

#[track_caller]
fn call(pubsub: &Pubsub, head: &str, body: &str) -> Call {
    match send(pubsub, head, body.as_bytes()) {
        (Action::Execute(call), written) => {
            assert_eq!(written, "");
            *call
        }
        other => panic!("not asked: {other:?}"),
    }
}

/// The status of an answer, and its body.
#[track_caller]
fn split(written: &str) -> (u16, &str) {
    let (head, body) = written.split_once("\r\n\r\n").expect("an answer");
    assert!(
        head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nAccess-Control-Expose-Headers: Retry-After\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nContent-Type: application/json\r\n"),
        "{head}"
    );
    (head[9..12].parse().expect("a status"), body)
}

/// The body of an answer with one error.
fn one(title: &str, detail: &str, code: &str, pointer: &str) -> String {
    let detail = serde_json::Value::from(detail);
    let source = match pointer {
        "-" => String::new(),
        pointer => format!(r#","source":{{"pointer":"{pointer}"}}"#),
    };
    format!(r#"{{"errors":[{{"title":"{title}","detail":{detail},"code":"{code}"{source}}}]}}"#)
}

#[track_caller]
fn refused(pubsub: &Pubsub, head: &str, body: &str) -> (u16, String) {
    match send(pubsub, head, body.as_bytes()) {
        (Action::Done, written) => {
            let (status, body) = split(&written);
            (status, body.to_owned())
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_publish_asks_the_home_of_its_scope() {
    let body = r#"{"scope":{"type":"session","event_id":"e","session_id":"s"},
                   "payload":{"event":{"eventName":"hello","data":{"foo" : "bar"}}}}"#;
    let call = call(&closed(), &format!("{LINE}\r\nAuthorization: a-all"), body);
    let Operation::Command(Command::Publish {
        scope,
        parents,
        drafts,
    }) = call.operation
    else {
        panic!("no publish");
    };
    assert_eq!(scope.organization, OrganizationId(0));
    assert_eq!(scope.address, Address::Session(name("s")));
    let group = Some(name("e"));
    assert_eq!(
        parents,
        Parents {
            group,
            project: None
        }
    );
    assert_eq!(drafts.len(), 1);
    assert_eq!(drafts[0].name.to_text(), "hello");
    assert_eq!(&drafts[0].payload[..], br#"{"foo" : "bar"}"#);
    assert_eq!(drafts[0].metadata, None);
    assert_eq!(call.idempotency_key, None);
    assert!(
        matches!(call.pending, dialect::Pending::Pubsub(Pending::Posted(_)))
            && call.pending.publishes()
    );
}

#[test]
fn the_answer_is_the_id_and_in_a_session_the_number() {
    let pubsub = open();
    let posted = Posted::to(&Address::Organization);
    let answer = |position| {
        let id = EventId(Uuid::nil());
        let published = Answer::Published { id, position };
        let written = written(&pubsub, |to| posted.answer(&published, to));
        let (status, body) = split(&written);
        assert_eq!(status, 201);
        body.to_owned()
    };
    let id = "00000000-0000-0000-0000-000000000000";
    assert_eq!(answer(None), format!(r#"{{"id":"{id}"}}"#));
    for number in [0, 12, u64::MAX] {
        let expected = format!(r#"{{"id":"{id}","number":{number}}}"#);
        assert_eq!(answer(Some((Epoch(1), number))), expected);
    }
}

#[test]
fn the_refusals_of_the_hub() {
    let pubsub = open();
    let answer = |address: &Address, refusal| {
        let refused = Answer::Refused(refusal);
        let written = written(&pubsub, |to| Posted::to(address).answer(&refused, to));
        let (status, body) = split(&written);
        (
            status,
            body.to_owned(),
            written.contains("\r\nRetry-After: 1\r\n"),
        )
    };
    let session = Address::Session(name("s"));
    let group = Address::Group(name("e"));
    let unknown = "nobody created what has this id";
    for (address, refusal, status, error) in [
        (
            &session,
            Refusal::Undeclared,
            404,
            one("Not found", unknown, "not_found", "/scope/session_id"),
        ),
        (
            &group,
            Refusal::Undeclared,
            404,
            one("Not found", unknown, "not_found", "/scope/event_id"),
        ),
        (
            &session,
            Refusal::NotFound,
            404,
            one("Not found", unknown, "not_found", "/scope/session_id"),
        ),
        (
            &session,
            Refusal::Contradiction,
            422,
            one(
                "Contradiction",
                "the session belongs to another event",
                "contradiction",
                "/scope/event_id",
            ),
        ),
        (
            &session,
            Refusal::Status(Status::Aborted),
            409,
            one(
                "Conflict",
                "its status does not allow that",
                "conflict",
                "/scope/session_id",
            ),
        ),
        (
            &group,
            Refusal::Busy,
            503,
            one(
                "Busy",
                "a bound of this server is reached, try again",
                "busy",
                "-",
            ),
        ),
    ] {
        assert_eq!(answer(address, refusal), (status, error, status == 503));
    }
}

#[test]
fn who_publishes_too_fast_is_told_for_how_long() {
    let refused = Answer::Refused(Refusal::TooFast { retry_after: 17 });
    let written = written(&open(), |to| {
        Posted::to(&Address::Organization).answer(&refused, to)
    });
    let (status, body) = split(&written);
    let detail = "this organization publishes faster than it may, try again in 17 s";
    let error = one("Rate limited", detail, "rate_limited", "-");
    assert_eq!((status, body), (429, &*error));
    assert!(written.contains("\r\nRetry-After: 17\r\n"), "{written}");
}

#[test]
fn who_may_publish() {
    let pubsub = closed();
    for line in ["a-all", "Bearer a-all", "bearer a-all"] {
        call(&pubsub, &format!("{LINE}\r\nAuthorization: {line}"), EVENT);
    }
    for (lines, detail) in [
        ("", "this needs an API token"),
        ("\r\nAuthorization: unknown", "the API token is not known"),
        (
            "\r\nAuthorization: Bearer unknown",
            "the API token is not known",
        ),
        (
            "\r\nAuthorization: Basic YS1hbGw6",
            "the Authorization field is not an API token",
        ),
        (
            "\r\nAuthorization: a b",
            "the Authorization field is not an API token",
        ),
    ] {
        // Before the body is looked at.
        let head = format!("{LINE}{lines}");
        let error = one("Unauthorized", detail, "unauthorized", "-");
        assert_eq!(refused(&pubsub, &head, "!"), (401, error));
        let (_, written) = send(&pubsub, &head, b"");
        assert!(written.contains("\r\nWWW-Authenticate: Bearer\r\n"));
    }
    for token in ["a-nothing", "a-listens", "b-listens"] {
        let head = format!("{LINE}\r\nAuthorization: {token}");
        let detail = "the API token lacks the grant \"publish\"";
        let error = one("Forbidden", detail, "forbidden", "-");
        assert_eq!(refused(&pubsub, &head, "!"), (403, error));
    }
    // Without organizations nobody looks.
    for lines in [
        "",
        "\r\nAuthorization: unknown",
        "\r\nAuthorization: Basic !",
    ] {
        call(&open(), &format!("{LINE}{lines}"), EVENT);
    }
}

#[test]
fn only_ones_own_organization_may_be_named() {
    let naming = |id: &str| EVENT.replace("tion\"}", &format!("tion\",\"organization_id\":{id}}}"));
    let head = format!("{LINE}\r\nAuthorization: a-all");
    for id in ["null", r#""00000000-0000-0000-0000-00000000000a""#] {
        call(&closed(), &head, &naming(id));
        call(&closed(), &head, &naming(id).replace("000a", "000A"));
    }
    let foreign = [
        r#""00000000-0000-0000-0000-00000000000b""#,
        r#""a""#,
        r#""default""#,
    ];
    let detail = "this is not the organization of the API token";
    let error = one("Forbidden", detail, "forbidden", "/scope/organization_id");
    for id in foreign {
        let answer = refused(&closed(), &head, &naming(id));
        assert_eq!(answer, (403, error.clone()), "{id}");
    }
    // Whatever the scope.
    let session = r#""type":"session","event_id":"e","session_id":"s""#;
    let body = naming(foreign[0]).replace(r#""type":"organization""#, session);
    assert_eq!(refused(&closed(), &head, &body).0, 403);
    for id in [r#""default""#, r#""00000000-0000-0000-0000-000000000000""#] {
        call(&open(), LINE, &naming(id));
    }
    assert_eq!(refused(&open(), LINE, &naming(r#""a""#)), (403, error));
}

#[test]
fn all_that_is_wrong_with_a_body_is_one_answer() {
    let (status, body) = refused(
        &open(),
        LINE,
        r#"{"scope":{"type":"x"},"payload":{"event":{}}}"#,
    );
    assert_eq!(status, 422);
    let expected = r#"{"errors":[{"title":"Unknown scope type","detail":"\"x\" is not \"organization\", \"event\" or \"session\"","code":"unknown_scope_type","source":{"pointer":"/scope/type"}},{"title":"Missing field","detail":"this must be a string","code":"missing_field","source":{"pointer":"/payload/event/eventName"}}]}"#;
    assert_eq!(body, expected);
    let (status, body) = refused(&open(), LINE, "{\"scope\":!}");
    let detail = "the body is not JSON: expected value at byte 9";
    assert_eq!(
        (status, body),
        (400, one("Invalid JSON", detail, "invalid_json", "-"))
    );
}

#[test]
fn a_key_has_1_to_255_bytes() {
    let keyed = |key: &str| format!("{LINE}\r\nIdempotency-Key: {key}");
    let longest = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX);
    let asked = call(&open(), &keyed(&longest), EVENT);
    assert_eq!(asked.idempotency_key.as_deref(), Some(longest.as_bytes()));
    let detail = "Idempotency-Key has 1 to 255 bytes";
    let title = "Invalid Idempotency-Key field";
    let error = one(title, detail, "invalid_idempotency_key", "-");
    for key in ["", &format!("{longest}k")] {
        assert_eq!(refused(&open(), &keyed(key), EVENT), (400, error.clone()));
    }
}

#[test]
fn other_methods_and_preflights() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let (_, written) = send(&closed(), &LINE.replace("POST", method), b"");
        assert!(written.starts_with("HTTP/1.1 405 "), "{written}");
        assert!(
            written.contains("\r\nAllow: POST, OPTIONS\r\n"),
            "{written}"
        );
    }
    // A browser asks without credentials.
    let (_, written) = send(&closed(), &LINE.replace("POST", "OPTIONS"), b"");
    assert!(written.starts_with("HTTP/1.1 204 "), "{written}");
    for line in [
        "Allow-Origin: *",
        "Allow-Headers: *, Authorization",
        "Allow-Methods: *",
    ] {
        assert!(
            written.contains(&format!("\r\nAccess-Control-{line}\r\n")),
            "{written}"
        );
    }
}

#[test]
fn what_the_connection_refuses_is_in_this_form() {
    for (status, title, code) in [
        (400, "Bad body", "bad_body"),
        (408, "Request timeout", "request_timeout"),
        (411, "Length required", "length_required"),
        (413, "Content too large", "too_large"),
    ] {
        let written = written(&open(), |to| {
            open().refuse(Route::Publish, to, status, "", "so it is");
            Action::Done
        });
        let error = one(title, "so it is", code, "-");
        assert_eq!(split(&written), (status, &*error));
    }
}

#[test]
fn http_1_0_must_say_the_length() {
    let head = LINE.replace("1.1", "1.0");
    let pubsub = open();
    let cors = Dialect::cors(&pubsub, None).expect("a dialect for pages");
    let (_, written) = Ground::new().request_with(cors, &head, |head, _, to| {
        assert_eq!(pubsub.admit(Route::Publish, head, to), Err(Refused));
        Action::Done
    });
    let detail = "a publish by HTTP/1.0 needs Content-Length";
    let error = one("Length required", detail, "length_required", "-");
    assert_eq!(split(&written), (411, &*error));
}

proptest! {
    #[test]
    fn any_body_is_asked_or_refused(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            r#"\{"scope":[\{\}"a-z:,]{0,40}"#.prop_map(String::into_bytes),
        ]
    ) {
        match send(&open(), LINE, &bytes) {
            (Action::Execute(_), written) => prop_assert_eq!(written, ""),
            (_, written) => {
                let (status, body) = split(&written);
                prop_assert!([400, 403, 422].contains(&status));
                let document: serde_json::Value = serde_json::from_str(body).expect("JSON");
                prop_assert!(!document["errors"].as_array().expect("errors").is_empty());
            }
        }
    }
}

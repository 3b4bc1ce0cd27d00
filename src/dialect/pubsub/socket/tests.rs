//! The contract of the socket, sentence by sentence, on one room without connection or shard.

mod access;
mod arbitrary;
mod rendering;
mod requests;
mod waiting;

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::super::Pubsub;
use super::*;
use crate::auth::Directory;
use crate::dialect::pubsub::PubsubConfig;
use crate::dialect::testing::{Ground, UPGRADE, organizations, reply};
use crate::dialect::{Action, Dialect as _, Message, Open, Opening, Operation, Outcome};
use crate::hub::{Epoch, EventId, Gap};

/// A room's client and its server.
pub(super) struct Tester {
    pub(super) dialect: Pubsub,
    pub(super) client: Box<Client>,
    pub(super) ground: Ground,
    pub(super) home: Option<u64>,
    pub(super) subprotocol: Option<&'static str>,
}

/// Where a log stands whose next number is 12.
fn standing(session: ScopeName, gap: Option<Gap>) -> Standing {
    Standing {
        session,
        log: LogState {
            epoch: Epoch(0xab),
            oldest: 3,
            next: 12,
            gap,
        },
    }
}
const WELCOME: &str =
    r#"{"action":"welcome","data":{"epoch":"00000000000000ab","next":12,"heartbeat":25}}"#;

impl Tester {
    pub(super) fn connect(directory: Directory, query: &str, headers: &str) -> Self {
        let dialect = Pubsub::new(&PubsubConfig::default(), Arc::new(directory));
        let mut ground = Ground::new();
        let request = format!("GET /pubsub/ws{query} HTTP/1.1\r\n{UPGRADE}{headers}");
        let (action, _) = ground.request(&request, |head, tools, to| dialect.open(head, tools, to));
        let Action::Open(open) = action else {
            panic!("not opened: {action:?}");
        };
        let Open {
            opening: Opening::WebSocket(_, subprotocol),
            client: dialect::Client::Pubsub(client),
            subscriptions,
            home,
        } = *open
        else {
            panic!("no room");
        };
        assert!(subscriptions.is_empty());
        Self {
            dialect,
            client,
            ground,
            home,
            subprotocol,
        }
    }

    /// The session `s` of the event `e`, with a token in `Authorization`; `query` is the rest of
    /// it.
    pub(super) fn bearer(token: &str, query: &str) -> Self {
        let header = match token {
            "" => String::new(),
            token => format!("Authorization: {token}\r\n"),
        };
        let query = format!("?event_id=e&session_id=s{query}");
        Self::connect(organizations(), &query, &header)
    }

    /// Welcomed on a server without organizations.
    pub(super) fn welcomed() -> Self {
        let mut tester = Self::connect(Directory::open(), "?event_id=e&session_id=s", "");
        tester.come_in();
        tester
    }

    /// Welcomed with a token.
    pub(super) fn welcomed_as(token: &str) -> Self {
        let mut tester = Self::bearer(token, "");
        tester.come_in();
        tester
    }

    fn come_in(&mut self) {
        let reaction = self.opened();
        let (_, pending) = execution(reaction);
        let reaction = self.answer(pending, Answer::Parents(Parents::default()));
        assert!(matches!(reaction, Reaction::Follow(_)), "{reaction:?}");
        assert_eq!(self.followed(None), [WELCOME]);
    }

    pub(super) fn opened(&mut self) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect.opened(&mut self.client, tools)
    }

    pub(super) fn say(&mut self, text: &str) -> Reaction {
        self.message(Message::Text(text.as_bytes()))
    }

    pub(super) fn message(&mut self, message: Message<'_>) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect.message(&mut self.client, message, tools)
    }

    /// Sends what is replied to at once.
    #[track_caller]
    pub(super) fn ask(&mut self, text: &str) -> String {
        reply(self.say(text))
    }

    /// Sends what changes which events are shown, as the connection does it; the reply.
    #[track_caller]
    pub(super) fn change(&mut self, text: &str) -> String {
        let reaction = self.say(text);
        let Reaction::Show(show) = reaction else {
            panic!("nothing changes: {reaction:?}");
        };
        let Show { view, reply } = *show;
        let wanted = view.map(|view| match view {
            LogView::Pubsub(wanted) => wanted,
            other => panic!("not of this dialect: {other:?}"),
        });
        self.dialect.show(&mut self.client, wanted);
        String::from_utf8(reply).expect("text")
    }

    pub(super) fn answer(&mut self, pending: Waiting, answer: Answer) -> Reaction {
        let tools = &mut self.ground.tools();
        let pending = super::super::Pending::Asked(pending);
        let outcome = Outcome::Answer(answer);
        self.dialect
            .answer_client(&mut self.client, pending, outcome, tools)
    }

    pub(super) fn followed(&mut self, gap: Option<Gap>) -> Vec<String> {
        let standing = standing(self.client.place.session.clone(), gap);
        let said = self.dialect.followed(&mut self.client, &standing);
        let texts = said.into_iter().map(String::from_utf8);
        texts.map(|text| text.expect("text")).collect()
    }

    pub(super) fn expire(&mut self) -> Reaction {
        let tools = &mut self.ground.tools();
        self.dialect.expire(&mut self.client, tools)
    }

    /// Whether an event of that name is wanted.
    pub(super) fn hears(&self, name: &str) -> bool {
        let event = crate::dialect::testing::event(&format!("\"{name}\""), "{}");
        let wanted = self.client.wanted.as_ref();
        wanted.is_some_and(|wanted| wanted.has(&event))
    }
}

/// What is asked of the hub.
#[track_caller]
pub(super) fn execution(reaction: Reaction) -> (Command, Waiting) {
    match reaction {
        Reaction::Execute(call) => {
            assert!(call.idempotency_key.is_none() && call.correlation_id.is_none());
            let dialect::Pending::Pubsub(super::super::Pending::Asked(pending)) = call.pending
            else {
                panic!("another dialect's");
            };
            match call.operation {
                Operation::Command(command) => (command, pending),
                other => panic!("not the hub's: {other:?}"),
            }
        }
        other => panic!("nothing is asked: {other:?}"),
    }
}

/// The last message, the code and the reason of a goodbye.
#[track_caller]
pub(super) fn goodbye(reaction: Reaction) -> (String, u16, &'static str) {
    match reaction {
        Reaction::Close(last, code, reason) => {
            // RFC 6455 §5.5: all of it fits into the frame.
            assert!(reason.len() <= 123, "{reason}");
            (String::from_utf8(last).expect("text"), code.0, reason)
        }
        other => panic!("no goodbye: {other:?}"),
    }
}

/// The code of the error in a message, which has that `ref` and a sentence.
#[track_caller]
pub(super) fn error_of(text: &str, reference: &str) -> String {
    let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let (code, sentence) = (&message["data"]["code"], &message["data"]["message"]);
    let reference = match reference {
        "" => String::new(),
        reference => format!(",\"ref\":{reference}"),
    };
    let exact =
        format!(r#"{{"action":"error"{reference},"data":{{"code":{code},"message":{sentence}}}}}"#);
    assert_eq!(text, exact);
    assert!(
        sentence
            .as_str()
            .is_some_and(|sentence| !sentence.is_empty())
    );
    code.as_str().expect("a code").to_owned()
}

#[test]
fn a_room_is_its_sessions_place_and_then_its_log() {
    let query = "?event_id=e%20f&session_id=s%2Ft&last_event=7&epoch=00000000000000ab";
    let mut tester = Tester::connect(Directory::open(), query, "");
    let hash = tester.ground.tools().placement.session_hash("s/t");
    assert_eq!(tester.home, Some(hash));
    assert_eq!(tester.client.due(), Instant::NEVER);
    let (command, pending) = execution(tester.opened());
    let Command::Place { scope, parents } = command else {
        panic!("something else is asked");
    };
    assert_eq!(scope.address, Address::Session(ScopeName::new("s/t")));
    assert_eq!(parents.group, Some(ScopeName::new("e f")));
    assert_eq!(parents.project, None);
    assert!(!pending.publishes());
    let reaction = tester.answer(pending, Answer::Parents(parents));
    let Reaction::Follow(follow) = reaction else {
        panic!("nothing is followed: {reaction:?}");
    };
    let cursor = Some(Cursor {
        epoch: Some(Epoch(0xab)),
        last: 7,
    });
    let Follow {
        organization,
        token,
        by: By::Itself,
        ..
    } = &*follow
    else {
        panic!("not by the client: {follow:?}");
    };
    assert_eq!(*organization, Some(OrganizationId(0)));
    assert_eq!(*token, ScopeName::new("s/t"));
    assert_eq!((follow.hash, follow.cursor), (hash, cursor));
}

#[test]
fn the_welcome_says_where_the_log_stands_and_what_was_missed() {
    let range = Gap::Range { first: 3, last: 9 };
    let gap = r#"{"action":"gap","data":{"from":3,"to":9}}"#;
    let reset = r#"{"action":"gap","data":{"reset":true}}"#;
    let mut tester = Tester::welcomed();
    assert_eq!(tester.followed(None), [WELCOME]);
    assert_eq!(tester.followed(Some(range)), [WELCOME, gap]);
    assert_eq!(tester.followed(Some(Gap::Reset)), [WELCOME, reset]);
}

#[test]
fn what_the_hub_refuses_is_told_and_closed() {
    for (refusal, code, close) in [
        (Refusal::NotFound, "not_found", 4404),
        (Refusal::Gone, "not_found", 4404),
        (Refusal::Undeclared, "not_found", 4404),
        (Refusal::Contradiction, "conflict", 4409),
        (Refusal::Busy, "busy", 1013),
        (Refusal::Leaving, "busy", 1013),
    ] {
        let mut tester = Tester::bearer("a-all", "");
        let (_, pending) = execution(tester.opened());
        let (last, closed, _) = goodbye(tester.answer(pending, Answer::Refused(refusal)));
        assert_eq!((&*error_of(&last, ""), closed), (code, close));
        let reaction = tester.dialect.not_followed(&mut tester.client, refusal);
        let (last, closed, _) = goodbye(reaction);
        assert_eq!((&*error_of(&last, ""), closed), (code, close));
    }
}

#[test]
fn a_publish_is_answered_with_its_id_and_its_number_in_the_room() {
    let id = EventId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let mut tester = Tester::welcomed();
    let ask = r#"{"action":"publish-event","data":{"eventName":"a"},"ref":"x"}"#;
    let (_, pending) = execution(tester.say(ask));
    assert!(pending.publishes());
    let position = Some((Epoch(1), 7));
    let answered = tester.answer(pending, Answer::Published { id, position });
    let expected = r#"{"action":"published","ref":"x","data":{"id":"01900000-0000-7000-8000-000000000001","number":7}}"#;
    assert_eq!(reply(answered), expected);
    let (_, pending) = execution(tester.say(ask));
    let position = None;
    let answered = tester.answer(pending, Answer::Published { id, position });
    let expected =
        r#"{"action":"published","ref":"x","data":{"id":"01900000-0000-7000-8000-000000000001"}}"#;
    assert_eq!(reply(answered), expected);
    for (refusal, code) in [
        (Refusal::NotFound, "not_found"),
        (Refusal::Undeclared, "not_found"),
        (Refusal::Contradiction, "conflict"),
        (Refusal::Busy, "busy"),
        (Refusal::Leaving, "busy"),
        (Refusal::TooFast { retry_after: 3 }, "rate_limited"),
    ] {
        let (_, pending) = execution(tester.say(ask));
        let answered = reply(tester.answer(pending, Answer::Refused(refusal)));
        assert_eq!(error_of(&answered, "\"x\""), code);
    }
}

#[test]
fn a_server_that_leaves_says_until_when_and_closes_then() {
    let strangers = Tester::bearer("", "");
    for mut tester in [Tester::welcomed(), Tester::welcomed_as("a-all"), strangers] {
        let start = tester.ground.now;
        let tools = &mut tester.ground.tools();
        let told = tester.dialect.drain(&mut tester.client, 3_000, tools);
        let expected = r#"{"action":"reconnect","data":{"before":1700000003000}}"#;
        assert_eq!(reply(told.expect("it is told")), expected);
        assert_eq!(tester.client.due(), start.instant + Duration::from_secs(3));
        // Once is enough, and the first time counts.
        let tools = &mut tester.ground.tools();
        let again = tester.dialect.drain(&mut tester.client, 4_000, tools);
        assert_eq!(reply(again.expect("it is no other connection")), "");
        tester.ground.wait(3);
        let left = goodbye(tester.expire());
        assert_eq!(left, (String::new(), 1001, "the server is leaving"));
        assert_eq!(tester.client.due(), Instant::NEVER);
    }
}

#[test]
fn who_says_who_they_are_to_a_leaving_server_still_has_to_leave() {
    let mut tester = Tester::bearer("", "");
    tester.opened();
    let tools = &mut tester.ground.tools();
    tester.dialect.drain(&mut tester.client, 3_000, tools);
    let due = tester.client.due();
    tester.say(r#"{"action":"authenticate","data":{"token":"a-all"}}"#);
    assert_eq!(tester.client.due(), due);
}

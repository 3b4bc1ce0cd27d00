//! Contract `stream`, "Semantics": what is said on a stream, and what is answered.

use std::time::Duration;

use fanfare_tonic::event::{
    EventTarget, EventsStreamRequest, EventsStreamResponse, PublishEventResponse,
    events_stream_request::Message as Ask, events_stream_response::Message as Say,
};

use crate::stage::{Stage, everywhere};
use crate::support::grpc::{PUBLISH, STREAM, ask, event, framed, head, number_of, subscription};
use crate::support::http2::{Client, End};

/// Sends a request and returns all that is answered.
fn say(
    stage: &mut Stage,
    client: &mut Client,
    call: usize,
    request: &EventsStreamRequest,
) -> Vec<EventsStreamResponse> {
    client.send_message(call, request);
    client.settle(&mut stage.node);
    client.calls[call].take_messages()
}

fn target(layout: &str, project: &str, collection: &str) -> EventTarget {
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    EventTarget {
        layout_id: id(layout),
        project_id: id(project),
        collection_id: id(collection),
    }
}

fn connect(stage: &mut Stage) -> Client {
    let shard = stage.shards() - 1;
    Client::connect(&mut stage.node, shard)
}

fn only(mut responses: Vec<EventsStreamResponse>) -> (Option<String>, Say) {
    assert_eq!(responses.len(), 1, "{responses:?}");
    let response = responses.remove(0);
    (
        response.correlation_id,
        response.message.expect("says something"),
    )
}

#[test]
fn an_empty_id_of_a_target_is_an_invalid_argument() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        let empty = || Some(String::new());
        let mut targets = [
            EventTarget::default(),
            EventTarget::default(),
            target("l", "p", ""),
        ];
        targets[0].layout_id = empty();
        targets[1].project_id = empty();
        targets[2].collection_id = empty();
        for target in targets {
            let mut sent = event("n", 1, "");
            sent.target = Some(target.clone());
            let wanted = subscription("*", Some(target));
            for asked in [
                Ask::Subscribe(wanted.clone()),
                Ask::Unsubscribe(wanted),
                Ask::Publish(sent.clone()),
            ] {
                let (_, said) = only(say(stage, &mut client, call, &ask("c", asked)));
                assert!(
                    matches!(&said, Say::Error(error) if error.code == 3),
                    "{said:?}"
                );
            }
            let unary = client.unary(&mut stage.node, PUBLISH, &sent);
            let status = client.calls[unary].grpc_status();
            assert_eq!(status.map(|(code, _)| code), Some(3));
        }
        let (_, said) = only(say(
            stage,
            &mut client,
            call,
            &ask(
                "c",
                Ask::Subscribe(subscription("*", Some(target("", "", "")))),
            ),
        ));
        assert!(
            matches!(said, Say::Subscribed(_)),
            "what is absent restricts nothing"
        );
    });
}

#[test]
fn every_request_is_answered_by_its_own_kind() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        let id = |n: &str| Some(n.to_owned());
        let answer = say(
            stage,
            &mut client,
            call,
            &ask("1", Ask::Ping("hello".into())),
        );
        assert_eq!(only(answer), (id("1"), Say::Pong("hello".into())));
        let wanted = subscription("a:*", Some(target("l", "p", "c")));
        let answer = say(
            stage,
            &mut client,
            call,
            &ask("2", Ask::Subscribe(wanted.clone())),
        );
        assert_eq!(only(answer), (id("2"), Say::Subscribed(wanted.clone())));
        let answer = say(
            stage,
            &mut client,
            call,
            &ask("3", Ask::Unsubscribe(wanted.clone())),
        );
        assert_eq!(only(answer), (id("3"), Say::Unsubscribed(wanted)));
        let answer = say(
            stage,
            &mut client,
            call,
            &ask("4", Ask::Publish(event("a", 7, ""))),
        );
        let (correlation, Say::Published(published)) = only(answer) else {
            panic!("it is published");
        };
        assert_eq!((correlation, published.name), (id("4"), "a".into()));
        assert_eq!(number_of(published.payload.as_ref()), Some(7));
        assert_eq!(published.id.len(), 36);
        // Without a correlation id the answer has none.
        let answer = say(stage, &mut client, call, &ask("", Ask::Ping("x".into())));
        assert_eq!(only(answer), (None, Say::Pong("x".into())));
    });
}

#[test]
fn a_publisher_that_is_subscribed_gets_both_in_that_order() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let mut other = Client::connect(&mut stage.node, 0);
        let call = client.open(head(STREAM, &[("sessionid", "mine")]), false);
        client.send_message(call, &ask("s", Ask::Subscribe(subscription("*", None))));
        client.settle(&mut stage.node);
        client.calls[call].take_said();
        let elsewhere = other.subscribe(&mut stage.node, "*");
        for n in 0..20 {
            let answers = say(
                stage,
                &mut client,
                call,
                &ask("c", Ask::Publish(event("a", n, ""))),
            );
            let [published, heard] = &answers[..] else {
                panic!("two answers: {answers:?}");
            };
            assert!(matches!(published.message, Some(Say::Published(_))));
            let Some(Say::Event(event)) = &heard.message else {
                panic!("its own event: {heard:?}");
            };
            assert_eq!(number_of(event.payload.as_ref()), Some(n));
            assert_eq!(heard.correlation_id.as_deref(), Some("c"));
            assert_eq!(heard.session_id.as_deref(), Some("mine"));
            other.settle(&mut stage.node);
            let heard: Vec<EventsStreamResponse> = other.calls[elsewhere].take_messages();
            let (correlation, _) = only(heard.clone());
            assert_eq!(
                (correlation, heard[0].session_id.as_deref()),
                (None, Some("mine"))
            );
        }
    });
}

#[test]
fn errors_do_not_end_the_stream() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        let long = "x".repeat(200);
        let parents = ask(
            "p",
            Ask::Subscribe(subscription("a", Some(target("l", "p1", "c1")))),
        );
        say(stage, &mut client, call, &parents);
        for (request, code) in [
            (ask("e", Ask::Ping(String::new())), 3),
            (ask("e", Ask::Subscribe(subscription("", None))), 3),
            (ask("e", Ask::Subscribe(subscription(&long, None))), 3),
            (ask("e", Ask::Publish(event("", 0, ""))), 3),
            (
                ask(
                    "e",
                    Ask::Subscribe(subscription("a", Some(target("l", "p2", "")))),
                ),
                3,
            ),
            (
                EventsStreamRequest {
                    correlation_id: Some("e".into()),
                    message: None,
                },
                3,
            ),
        ] {
            let (correlation, said) = only(say(stage, &mut client, call, &request));
            assert_eq!(correlation.as_deref(), Some("e"), "{request:?}");
            let Say::Error(error) = said else {
                panic!("{request:?} was answered by {said:?}");
            };
            assert_eq!(error.code, code, "{error:?}");
            assert!(!error.message.is_empty());
        }
        // Neither does a message that cannot be read at all.
        client.send(call, &framed(b"\xff\xff\xff"));
        client.settle(&mut stage.node);
        let said = client.calls[call].take_said();
        assert!(
            matches!(&said[..], [Say::Error(error)] if error.code == 3),
            "{said:?}"
        );
        let answer = say(stage, &mut client, call, &ask("1", Ask::Ping("x".into())));
        assert_eq!(only(answer).1, Say::Pong("x".into()));
    });
}

#[test]
fn requests_in_one_piece_and_in_single_bytes_are_answered_in_order() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        let mut requests = Vec::new();
        for n in 0..40 {
            let message = match n % 4 {
                0 => Ask::Ping(n.to_string()),
                1 => Ask::Publish(event("a", n, "")),
                2 => Ask::Subscribe(subscription("b", Some(target(&n.to_string(), "", "")))),
                _ => Ask::Unsubscribe(subscription("b", None)),
            };
            let request = ask(&n.to_string(), message);
            requests.extend(framed(&fanfare_tonic::prost::Message::encode_to_vec(
                &request,
            )));
        }
        let expected: Vec<String> = (0..40).map(|n| n.to_string()).collect();
        for piece in [requests.len(), 1] {
            for part in requests.chunks(piece) {
                client.send(call, part);
                if piece == 1 {
                    client.turn(&mut stage.node);
                    stage.node.settle();
                }
            }
            client.settle(&mut stage.node);
            let answers: Vec<EventsStreamResponse> = client.calls[call].take_messages();
            let order = answers
                .into_iter()
                .filter_map(|answer| answer.correlation_id);
            assert_eq!(order.collect::<Vec<_>>(), expected);
        }
    });
}

#[test]
fn an_event_that_several_subscriptions_match_comes_once() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.subscribe(&mut stage.node, "a");
        for name in ["*", "a|b", "a"] {
            say(
                stage,
                &mut client,
                call,
                &ask("s", Ask::Subscribe(subscription(name, None))),
            );
        }
        let mut publisher = Client::connect(&mut stage.node, 0);
        publisher.unary(&mut stage.node, PUBLISH, &event("a", 1, ""));
        client.settle(&mut stage.node);
        assert_eq!(client.calls[call].take_numbers(), [1]);
        for name in ["*", "a|b", "a"] {
            say(
                stage,
                &mut client,
                call,
                &ask("u", Ask::Unsubscribe(subscription(name, None))),
            );
        }
        publisher.unary(&mut stage.node, PUBLISH, &event("a", 2, ""));
        client.settle(&mut stage.node);
        assert!(client.calls[call].take_said().is_empty());
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("subscriptions"), 0);
    });
}

#[test]
fn publish_answers_with_the_event() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let mut request = event("a", 5, "text");
        request.target = Some(target("l", "p", "c"));
        let call = client.unary(&mut stage.node, PUBLISH, &request);
        let answers: Vec<PublishEventResponse> = client.calls[call].take_messages();
        let [answer] = &answers[..] else {
            panic!("one answer: {answers:?}");
        };
        assert_eq!(answer.name, request.name);
        assert_eq!(answer.payload, request.payload);
        assert_eq!(answer.target, request.target);
        assert_eq!(client.calls[call].grpc_status(), Some((0, String::new())));
        assert_eq!(
            client.calls[call].field("content-type"),
            Some("application/grpc")
        );
    });
}

#[test]
fn who_says_no_more_and_hears_nothing_is_done() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        client.send_message(call, &ask("1", Ask::Ping("x".into())));
        client.send_message(call, &ask("2", Ask::Publish(event("a", 1, ""))));
        client.half_close(call);
        client.settle(&mut stage.node);
        assert_eq!(client.calls[call].take_said().len(), 2);
        assert_eq!(client.calls[call].end, Some(End::Complete));
        assert_eq!(client.calls[call].grpc_status(), Some((0, String::new())));
    });
}

#[test]
fn who_says_no_more_and_is_subscribed_hears_on() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.call(STREAM);
        client.send_message(call, &ask("1", Ask::Subscribe(subscription("e", None))));
        client.half_close(call);
        client.settle(&mut stage.node);
        assert_eq!(client.calls[call].take_said().len(), 1);
        let mut publisher = Client::connect(&mut stage.node, 0);
        super::publish(stage, &mut publisher, 0..10, "", &mut [&mut client]);
        assert_eq!(client.calls[call].take_numbers().len(), 10);
        assert_eq!(client.calls[call].end, None);
        client.cancel(call);
        client.settle(&mut stage.node);
        stage.node.pass(Duration::from_secs(1));
        assert_eq!(stage.node.sum("subscriptions"), 0);
        assert_eq!(stage.node.sum("http2_streams"), 0);
    });
}

#[test]
fn a_cancelled_stream_is_gone_whatever_it_waited_for() {
    everywhere(|stage| {
        let mut client = connect(stage);
        for step in 0..12 {
            let call = client.call(STREAM);
            client.send_message(call, &ask("1", Ask::Subscribe(subscription("e", None))));
            let far = subscription("e", Some(target("l", "p", "c")));
            client.send_message(call, &ask("2", Ask::Subscribe(far)));
            client.send_message(call, &ask("3", Ask::Publish(event("e", 1, ""))));
            client.turn(&mut stage.node);
            // So far and no further.
            for shard in 0..step {
                stage.node.receive(client.peer, 100);
                stage.node.turn(shard % stage.node.shards.len());
                for to in 0..stage.node.shards.len() {
                    stage.node.deliver(shard % stage.node.shards.len(), to);
                }
            }
            client.turn(&mut stage.node);
            client.cancel(call);
            client.settle(&mut stage.node);
            stage.node.pass(Duration::from_secs(1));
            let left = ["subscriptions", "http2_streams", "buffered_bytes"];
            assert_eq!(
                left.map(|name| stage.node.sum(name)),
                [0; 3],
                "at step {step}"
            );
        }
    });
}

#[test]
fn the_server_says_until_when_to_be_gone() {
    everywhere(|stage| {
        let mut client = connect(stage);
        let call = client.subscribe(&mut stage.node, "e");
        let now = stage.node.now;
        for shard in 0..stage.shards() {
            stage.node.shards[shard].drain(now);
        }
        client.settle(&mut stage.node);
        let said = client.calls[call].take_said();
        let [Say::ReconnectBefore(before)] = &said[..] else {
            panic!("{said:?}");
        };
        let before: u64 = before.before_timestamp.parse().expect("milliseconds");
        assert!(before > now.unix_ms);
        assert_eq!(client.calls[call].end, None, "it has the time it was given");
        for _ in 0..10 {
            stage.node.pass(Duration::from_secs(1));
            client.settle(&mut stage.node);
        }
        let status = client.calls[call].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(14));
        assert_eq!(client.ended, Some(Ok(())));
    });
}

//! The stream dialect over gRPC, spoken to by clients that tonic generates from the definitions.

use std::time::Duration;

use fanfare_tonic::event::EventsStreamRequest;
use fanfare_tonic::event::event_service_client::EventServiceClient;
use fanfare_tonic::event::events_stream_request::Message as Asked;
use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::health::HealthCheckRequest;
use fanfare_tonic::health::health_check_response::ServingStatus;
use fanfare_tonic::health::health_client::HealthClient;
use fanfare_tonic::reflection::ServerReflectionRequest;
use fanfare_tonic::reflection::server_reflection_client::ServerReflectionClient;
use fanfare_tonic::reflection::server_reflection_request::MessageRequest;
use fanfare_tonic::reflection::server_reflection_response::MessageResponse;
use fanfare_tonic::tonic::{Code, Request};

use crate::calls::{Stream, connect, count_of, counted, run, target, wanted, with_fields};
use crate::server::{Server, Setting};
use crate::tokens::server_with_tokens;

on_every_setting!(
    every_request_is_answered_by_its_kind,
    events_cross_connections_streams_and_shards,
    a_target_is_heard_above_and_below,
    health_and_reflection_are_served,
);
on_both_drivers!(
    who_is_subscribed_hears_itself_after_the_reply,
    many_streams_of_one_connection_keep_their_order,
    a_deadline_ends_a_call,
    a_half_closed_stream_goes_on_hearing,
    a_token_is_asked_for,
);

fn every_request_is_answered_by_its_kind(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let fields = [("sessionid", "me")];
        let mut stream = Stream::open(&channel, &fields).await.expect("it opens");
        stream.tell("c1", Asked::Ping("hello".to_owned())).await;
        let pong = stream.next().await;
        assert_eq!(pong.correlation_id.as_deref(), Some("c1"));
        assert_eq!(pong.session_id.as_deref(), Some("me"));
        assert_eq!(pong.message, Some(Told::Pong("hello".to_owned())));

        let mut two = wanted("a|b:*", Some(target("", "p", "")));
        two.events = vec!["c".to_owned()];
        stream.subscribe(two.clone()).await;
        let told = stream.ask("c2", Asked::Unsubscribe(two.clone())).await;
        assert_eq!(told, Told::Unsubscribed(two));

        let event = counted("a", 1, Some(target("l", "p", "c")));
        match stream.ask("c3", Asked::Publish(event.clone())).await {
            Told::Published(published) => {
                assert_eq!(published.name, event.name);
                assert_eq!(published.payload, event.payload);
                assert_eq!(published.target, event.target);
                // UUID, version 7.
                assert_eq!(published.id.len(), 36);
                assert_eq!(published.id.as_bytes()[14], b'7');
            }
            other => panic!("not published: {other:?}"),
        }
        for wrong in [
            Asked::Ping(String::new()),
            Asked::Subscribe(wanted("", None)),
            Asked::Publish(counted("a", 1, Some(target("l", "another", "")))),
        ] {
            match stream.ask("c4", wrong.clone()).await {
                Told::Error(error) => {
                    assert_eq!(error.code, Code::InvalidArgument as i32, "{wrong:?}");
                    assert!(!error.message.is_empty());
                }
                other => panic!("{wrong:?} is answered by {other:?}"),
            }
        }
        // The stream has survived all that.
        let told = stream.ask("c5", Asked::Ping("still".to_owned())).await;
        assert_eq!(told, Told::Pong("still".to_owned()));
    });
}

fn events_cross_connections_streams_and_shards(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let mut streams = Vec::new();
        for _ in 0..6 {
            let channel = connect(&server).await;
            for _ in 0..2 {
                let mut stream = Stream::open(&channel, &[]).await.expect("it opens");
                stream.subscribe(wanted("count*", None)).await;
                streams.push(stream);
            }
        }
        let mut publisher = EventServiceClient::new(connect(&server).await);
        let mut ids = Vec::new();
        for n in 0..20 {
            let event = counted("count", n, Some(target("one", "", "")));
            let request = with_fields(event, &[("sessionid", "the-publisher")]);
            let answer = publisher.publish(request).await.expect("it is published");
            ids.push(answer.into_inner().id);
        }
        assert!(ids.is_sorted(), "{ids:?}");
        for stream in &mut streams {
            for (n, id) in ids.iter().enumerate() {
                let message = stream.next().await;
                assert_eq!(message.session_id.as_deref(), Some("the-publisher"));
                assert_eq!(message.correlation_id, None);
                let Some(Told::Event(event)) = message.message else {
                    panic!("not an event");
                };
                assert_eq!((count_of(&event) as usize, &event.id), (n, id));
            }
        }
    });
    server.await_metric("http2_streams", 0);
    server.await_metric("subscriptions", 0);
}

fn a_target_is_heard_above_and_below(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let places = [
            None,
            Some(target("", "", "c")),
            Some(target("", "p", "c")),
            Some(target("l", "p", "c")),
            Some(target("m", "p", "c")),
            Some(target("", "q", "c")),
        ];
        // A second connection stands on any shard.
        let other = connect(&server).await;
        let mut streams = Vec::new();
        for (index, place) in places.iter().enumerate() {
            let channel = [&channel, &other][index % 2];
            let mut stream = Stream::open(channel, &[]).await.expect("it opens");
            stream.subscribe(wanted("*", place.clone())).await;
            streams.push(stream);
        }
        let mut publisher = EventServiceClient::new(other.clone());
        for (n, place) in (0..).zip(&places) {
            let event = counted("t", n, place.clone());
            publisher.publish(event).await.expect("it is published");
        }
        let heard: [&[u32]; 6] = [
            &[0, 1, 2, 3, 4, 5],
            &[0, 1, 2, 3, 4, 5],
            &[0, 1, 2, 3, 4],
            &[0, 1, 2, 3],
            &[0, 1, 2, 4],
            &[0, 1, 5],
        ];
        for (stream, heard) in streams.iter_mut().zip(heard) {
            let mut seen = Vec::new();
            for _ in heard {
                seen.push(count_of(&stream.event().await) as u32);
            }
            // Only one scope's events are in order.
            seen.sort_unstable();
            assert_eq!(seen, heard);
            let told = stream.ask("end", Asked::Ping("end".to_owned())).await;
            assert_eq!(told, Told::Pong("end".to_owned()), "and nothing else");
        }
    });
}

fn who_is_subscribed_hears_itself_after_the_reply(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let mut stream = Stream::open(&channel, &[("sessionid", "me")])
            .await
            .expect("it opens");
        // Twice over, but once is enough to hear it once.
        stream.subscribe(wanted("chat", None)).await;
        stream.subscribe(wanted("c*", None)).await;
        for n in 0..50 {
            let id = format!("c{n}");
            let place = target(&format!("layout-{n}"), "", "");
            let event = counted("chat", n, Some(place));
            let Told::Published(published) = stream.ask(&id, Asked::Publish(event)).await else {
                panic!("the reply comes first");
            };
            let copy = stream.next().await;
            assert_eq!(copy.correlation_id, Some(id));
            assert_eq!(copy.session_id.as_deref(), Some("me"));
            assert_eq!(copy.message, Some(Told::Event(published)));
        }
    });
}

fn many_streams_of_one_connection_keep_their_order(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let mut listeners = Vec::new();
        for n in 0..100 {
            let mut stream = Stream::open(&channel, &[]).await.expect("it opens");
            stream.subscribe(wanted(&format!("n{n}|all"), None)).await;
            listeners.push(stream);
        }
        let mut publisher = EventServiceClient::new(connect(&server).await);
        let place = target("one", "", "");
        for round in 0..5 {
            for n in 0..100 {
                let event = counted(&format!("n{n}"), round, Some(place.clone()));
                publisher.publish(event).await.expect("it is published");
            }
            let event = counted("all", round, Some(place.clone()));
            publisher.publish(event).await.expect("it is published");
        }
        for (n, stream) in listeners.iter_mut().enumerate() {
            for round in 0..5 {
                for name in [format!("n{n}"), "all".to_owned()] {
                    let event = stream.event().await;
                    let heard = (event.name.clone(), count_of(&event) as u32);
                    assert_eq!(heard, (name, round));
                }
            }
        }
    });
}

fn a_deadline_ends_a_call(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let mut brief = Stream::open(&channel, &[("grpc-timeout", "300m")])
            .await
            .expect("it opens");
        let mut long = Stream::open(&channel, &[]).await.expect("it opens");
        brief.subscribe(wanted("*", None)).await;
        let status = brief.read().await.expect_err("the deadline passes");
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        let told = long.ask("c", Asked::Ping("here".to_owned())).await;
        assert_eq!(told, Told::Pong("here".to_owned()));
    });
    server.await_metric("subscriptions", 0);
}

fn a_half_closed_stream_goes_on_hearing(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let channel = connect(&server).await;
        let mut stream = Stream::open(&channel, &[]).await.expect("it opens");
        stream.subscribe(wanted("t", None)).await;
        let mut responses = stream.half_close();
        let mut publisher = EventServiceClient::new(connect(&server).await);
        let event = counted("t", 7, None);
        publisher.publish(event).await.expect("it is published");
        let heard = responses.message().await.expect("it goes on");
        assert!(matches!(
            heard.and_then(|heard| heard.message),
            Some(Told::Event(_))
        ));
        // Who hears nothing and will ask nothing has had its answers: the call is over.
        let ping = EventsStreamRequest {
            correlation_id: None,
            message: Some(Asked::Ping("only".to_owned())),
        };
        let mut client = EventServiceClient::new(channel.clone());
        let only = client.stream(tokio_stream::once(ping)).await;
        let mut answers = only.expect("it opens").into_inner();
        let answer = answers.message().await.expect("an answer").expect("one");
        assert_eq!(answer.message, Some(Told::Pong("only".to_owned())));
        assert_eq!(answers.message().await.expect("status OK"), None);
    });
}

fn a_token_is_asked_for(setting: Setting) {
    let (server, tokens) = server_with_tokens(setting);
    run(async {
        let channel = connect(&server).await;
        let mut client = EventServiceClient::new(channel.clone());
        let wrong: [&[_]; 3] = [
            &[],
            &[("authorization", "Bearer ff_unknown")],
            &[("authorization", "Basic bWlrZXk6c2VjcmV0")],
        ];
        for fields in wrong {
            let status = Stream::open(&channel, fields).await.expect_err("refused");
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            let event = with_fields(counted("t", 0, None), fields);
            let status = client.publish(event).await.expect_err("refused");
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            assert!(!status.message().is_empty());
        }
        let subscriber = format!("Bearer {}", tokens.subscriber);
        let fields = [("authorization", &*subscriber)];
        let mut stream = Stream::open(&channel, &fields).await.expect("it is known");
        stream.subscribe(wanted("t", None)).await;
        let event = counted("t", 0, None);
        match stream.ask("c", Asked::Publish(event.clone())).await {
            Told::Error(error) => assert_eq!(error.code, Code::PermissionDenied as i32),
            other => panic!("published without the grant: {other:?}"),
        }
        let request = with_fields(event.clone(), &fields);
        let status = client.publish(request).await.expect_err("no grant");
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        let request = with_fields(event, &[("x-api-key", &tokens.publisher)]);
        client.publish(request).await.expect("the grant is there");
        assert_eq!(stream.event().await.name, "t");
    });
}

fn health_and_reflection_are_served(setting: Setting) {
    // Tools ask before they have a token.
    let (server, _) = server_with_tokens(setting);
    run(async {
        let channel = connect(&server).await;
        let mut health = HealthClient::new(channel.clone());
        let about = |service: &str| HealthCheckRequest {
            service: service.to_owned(),
        };
        for service in ["", "apis.event.v2.EventService"] {
            let answer = health.check(about(service)).await.expect("it is known");
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        }
        let status = health.check(about("x")).await.expect_err("unknown");
        assert_eq!(status.code(), Code::NotFound);
        let mut watch = Request::new(about(""));
        watch.set_timeout(Duration::from_millis(500));
        let mut watched = health.watch(watch).await.expect("it opens").into_inner();
        let state = watched.message().await.expect("a state").expect("one");
        assert_eq!(state.status(), ServingStatus::Serving);
        let status = watched.message().await.expect_err("nothing changes");
        assert_eq!(status.code(), Code::DeadlineExceeded);

        let ask = |asked| {
            tokio_stream::once(ServerReflectionRequest {
                host: String::new(),
                message_request: Some(asked),
            })
        };
        let mut reflection = ServerReflectionClient::new(channel);
        let list = ask(MessageRequest::ListServices(String::new()));
        let answers = reflection.server_reflection_info(list).await;
        let mut answers = answers.expect("it is served").into_inner();
        let answer = answers.message().await.expect("an answer").expect("one");
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("not a list: {answer:?}");
        };
        let names: Vec<&str> = list.service.iter().map(|one| &*one.name).collect();
        for name in ["apis.event.v2.EventService", "grpc.health.v1.Health"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let symbol = "apis.event.v2.EventService.Stream".to_owned();
        let find = ask(MessageRequest::FileContainingSymbol(symbol));
        let answers = reflection.server_reflection_info(find).await;
        let mut answers = answers.expect("it is served").into_inner();
        let answer = answers.message().await.expect("an answer").expect("one");
        assert!(matches!(
            answer.message_response,
            Some(MessageResponse::FileDescriptorResponse(file)) if !file.file_descriptor_proto.is_empty()
        ));
    });
}

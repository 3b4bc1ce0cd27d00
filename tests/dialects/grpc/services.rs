//! Services for tools, over the wire: health and reflection.

use std::time::Duration;

use fanfare_tonic::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus,
};
use fanfare_tonic::reflection::{
    ServerReflectionRequest, ServerReflectionResponse,
    server_reflection_request::MessageRequest as Question,
    server_reflection_response::MessageResponse as Told,
};

use fanfare_tonic::prost::Message as _;
use fanfare_tonic::prost_types::FileDescriptorProto;

use crate::stage::everywhere;
use crate::support::grpc::framed;
use crate::support::http::request;
use crate::support::http2::{Client, End};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const LIST: &str = "/grpc.health.v1.Health/List";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[test]
fn health_is_checked_and_listed() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        for service in ["", "apis.event.v2.EventService", "grpc.health.v1.Health"] {
            let call = client.unary(&mut stage.node, CHECK, &about(service));
            let answer: Vec<HealthCheckResponse> = client.calls[call].take_messages();
            assert_eq!(answer[0].status, ServingStatus::Serving as i32, "{service}");
            assert_eq!(client.calls[call].grpc_status(), Some((0, String::new())));
        }
        let call = client.unary(&mut stage.node, CHECK, &about("no.such.Service"));
        let status = client.calls[call].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(5));
        let call = client.unary(&mut stage.node, LIST, &HealthListRequest {});
        let answer: Vec<HealthListResponse> = client.calls[call].take_messages();
        assert!(
            answer[0]
                .statuses
                .contains_key("apis.event.v2.EventService")
        );
    });
}

#[test]
fn a_question_is_one_message() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let one = framed(&about("").encode_to_vec());
        for path in [CHECK, LIST, WATCH] {
            for count in [0, 2] {
                let call = client.call(path);
                client.send(call, &one.repeat(count));
                client.half_close(call);
                client.settle(&mut stage.node);
                let status = client.calls[call].grpc_status();
                assert_eq!(status.map(|(code, _)| code), Some(12), "{path} {count}");
                assert!(client.calls[call].body.is_empty());
                // By gRPC-web too.
                let fields = format!(
                    "Content-Type: application/grpc-web+proto\r\nContent-Length: {}\r\n",
                    count * one.len()
                );
                let head = request(&format!("POST {path}"), &fields, "");
                let peer = stage.connect("t");
                stage
                    .node
                    .send(peer, [head.as_bytes(), &one.repeat(count)].concat());
                stage.node.settle();
                let answer = String::from_utf8_lossy(&stage.node.peers[peer].received);
                assert!(answer.contains("grpc-status:12\r\n"), "{answer}");
                stage.node.break_off(peer);
            }
        }
    });
}

#[test]
fn who_watches_is_told_that_the_server_leaves() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.unary(&mut stage.node, WATCH, &about(""));
        let none = client.unary(&mut stage.node, WATCH, &about("no.such.Service"));
        let told = |client: &mut Client, call: usize| -> Vec<i32> {
            let answers: Vec<HealthCheckResponse> = client.calls[call].take_messages();
            answers.into_iter().map(|answer| answer.status).collect()
        };
        assert_eq!(told(&mut client, call), [ServingStatus::Serving as i32]);
        let unknown = ServingStatus::ServiceUnknown as i32;
        assert_eq!(told(&mut client, none), [unknown]);
        assert_eq!(client.calls[call].end, None);
        let now = stage.node.now;
        for shard in 0..stage.shards() {
            stage.node.shards[shard].drain(now);
        }
        client.settle(&mut stage.node);
        assert_eq!(told(&mut client, call), [ServingStatus::NotServing as i32]);
        assert_eq!(client.calls[call].end, Some(End::Complete));
        let status = client.calls[call].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(14));
        stage.node.pass(Duration::from_secs(3));
        assert_eq!(stage.node.sum("http2_streams"), 0);
    });
}

#[test]
fn both_versions_of_reflection_list_the_services() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        for version in ["v1", "v1alpha"] {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            let call = client.call(&path);
            let question = |question| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(question),
            };
            let symbol = "apis.event.v2.EventService".to_owned();
            for question in [
                question(Question::ListServices(String::new())),
                question(Question::FileContainingSymbol(symbol)),
                question(Question::FileContainingSymbol("no.Such".into())),
            ] {
                client.send_message(call, &question);
            }
            client.settle(&mut stage.node);
            let told: Vec<ServerReflectionResponse> = client.calls[call].take_messages();
            let told: Vec<Told> = told
                .into_iter()
                .filter_map(|t| t.message_response)
                .collect();
            let [
                Told::ListServicesResponse(list),
                Told::FileDescriptorResponse(files),
                Told::ErrorResponse(error),
            ] = &told[..]
            else {
                panic!("{told:?}");
            };
            let names: Vec<&str> = list.service.iter().map(|s| s.name.as_str()).collect();
            assert!(names.contains(&"apis.event.v2.EventService"), "{names:?}");
            assert!(!files.file_descriptor_proto.is_empty());
            assert_eq!(error.error_code, 5);
            client.half_close(call);
            client.settle(&mut stage.node);
            assert_eq!(client.calls[call].grpc_status(), Some((0, String::new())));
        }
    });
}

/// Contract, "Services": every message with its fields, as tools are told of them; a question mark
/// is `optional`.
const MESSAGES: [&str; 8] = [
    "EventTarget layout_id?=1 project_id?=4 collection_id?=5",
    "PublishEventRequest name=1 payload=2 target?=3 request_metadata?=4",
    "PublishEventResponse name=1 payload=2 target?=3 request_metadata?=4 id=5",
    "SubscribePayload name=1 target?=2 events=3",
    "EventsStreamError code=1 message=2",
    "EventsStreamReconnectRequest reauthenticate=1 before_timestamp=2",
    "EventsStreamRequest correlation_id?=1 subscribe=100 unsubscribe=101 publish=102 ping=103",
    "EventsStreamResponse correlation_id?=2 session_id?=3 event=100 pong=200 error=201 subscribed=202 \
     unsubscribed=203 published=204 reconnect_before=205",
];

#[test]
fn the_definitions_are_the_originals() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.call("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
        let path = "apis/event/v2/event.proto".to_owned();
        client.send_message(
            call,
            &ServerReflectionRequest {
                host: String::new(),
                message_request: Some(Question::FileByFilename(path)),
            },
        );
        client.settle(&mut stage.node);
        let told: Vec<ServerReflectionResponse> = client.calls[call].take_messages();
        let Some(Told::FileDescriptorResponse(files)) = &told[0].message_response else {
            panic!("{told:?}");
        };
        let file = FileDescriptorProto::decode(&files.file_descriptor_proto[0][..]);
        let file = file.expect("a definition");
        assert_eq!(file.package(), "apis.event.v2");
        let messages = file.message_type.iter().map(|message| {
            let fields = message.field.iter().map(|field| {
                let optional = if field.proto3_optional() { "?" } else { "" };
                format!(" {}{optional}={}", field.name(), field.number())
            });
            message.name().to_owned() + &fields.collect::<String>()
        });
        assert_eq!(messages.collect::<Vec<_>>(), MESSAGES);
        let [kinds] = &file.enum_type[..] else {
            panic!("{:?}", file.enum_type);
        };
        assert_eq!(kinds.name(), "EventsStreamMessageType");
        let names = [
            "UNSPECIFIED",
            "PING",
            "ERROR",
            "SUBSCRIBED",
            "UNSUBSCRIBED",
            "PUBLISHED",
        ];
        let expected = (0..).zip(names.map(|name| format!("EVENTS_STREAM_MESSAGE_TYPE_{name}")));
        let found = kinds.value.iter();
        let found = found.map(|value| (value.number(), value.name().to_owned()));
        assert!(found.eq(expected));
    });
}

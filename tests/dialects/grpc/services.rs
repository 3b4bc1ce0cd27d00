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

use crate::stage::everywhere;
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

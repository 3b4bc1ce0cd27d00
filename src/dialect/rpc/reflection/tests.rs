//! Reflection as tools use it, and the definitions held against what is served.

use std::collections::BTreeSet;

use super::super::route::{Method, Route, Service};
use super::*;

fn ask(wanted: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::from("h"),
        message_request: Some(wanted),
    };
    let answer = Reflection::new().answer(&request.encode_to_vec());
    let answer = ServerReflectionResponse::decode(&answer.expect("an answer")[..]);
    let answer = answer.expect("a response");
    assert_eq!(answer.valid_host, "h");
    assert_eq!(answer.original_request, Some(request));
    answer.message_response.expect("says something")
}

fn file(path: &str) -> MessageRequest {
    MessageRequest::FileByFilename(path.to_owned())
}

fn symbol(name: &str) -> MessageRequest {
    MessageRequest::FileContainingSymbol(name.to_owned())
}

/// The paths of the files in an answer, in order.
fn paths(answer: MessageResponse) -> Vec<String> {
    let MessageResponse::FileDescriptorResponse(answer) = answer else {
        panic!("not files: {answer:?}");
    };
    let files = answer.file_descriptor_proto.iter();
    let files = files.map(|bytes| File::decode(&bytes[..]).expect("a file").name);
    files.collect()
}

fn error(answer: MessageResponse) -> ErrorResponse {
    let MessageResponse::ErrorResponse(error) = answer else {
        panic!("not an error: {answer:?}");
    };
    error
}

const EVENT: &str = "apis/event/v2/event.proto";
const STRUCT: &str = "google/protobuf/struct.proto";
const HEALTH: &str = "grpc/health/v1/health.proto";
const REFLECTION: &str = "grpc/reflection/v1/reflection.proto";
const ALPHA: &str = "grpc/reflection/v1alpha/reflection.proto";

#[test]
fn services_are_listed() {
    let answer = ask(MessageRequest::ListServices(String::from("*")));
    let MessageResponse::ListServicesResponse(list) = answer else {
        panic!("not a list: {answer:?}");
    };
    let names: Vec<&str> = list.service.iter().map(|service| &*service.name).collect();
    assert_eq!(names, Service::ALL.map(Service::name));
}

#[test]
fn the_definitions_are_what_is_served() {
    let set = FileSet::decode(DESCRIPTORS).expect("a set");
    let (mut methods, mut events) = (Vec::new(), 0);
    for bytes in &set.file {
        let file = File::decode(&bytes[..]).expect("a file");
        for service in &file.service {
            let name = full_name(&file.package, &service.name);
            for method in &service.method {
                let path = format!("/{name}/{}", method.name);
                if name == Service::Event.name() {
                    // The stream dialect's.
                    let streams = (method.client_streaming, method.server_streaming);
                    assert_eq!(streams, [method.name == "Stream"; 2].into());
                    events += 1;
                    continue;
                }
                let Some(Route::Method(served)) = Route::parse(&path) else {
                    panic!("not served: {path}");
                };
                assert_eq!(
                    served.is_unary_request(),
                    !method.client_streaming,
                    "{path}"
                );
                assert_eq!(
                    served.is_unary_response(),
                    !method.server_streaming,
                    "{path}"
                );
                methods.push(served);
            }
        }
    }
    assert_eq!(methods, Method::ALL);
    assert_eq!(events, 2);
}

#[test]
fn a_file_comes_with_all_that_it_imports() {
    assert_eq!(paths(ask(file(EVENT))), [EVENT, STRUCT]);
    for alone in [STRUCT, HEALTH, REFLECTION, ALPHA] {
        assert_eq!(paths(ask(file(alone))), [alone]);
    }
}

#[test]
fn every_kind_of_symbol_is_found() {
    for (name, path) in [
        // Services and methods.
        ("apis.event.v2.EventService", EVENT),
        ("apis.event.v2.EventService.Stream", EVENT),
        ("grpc.health.v1.Health.Watch", HEALTH),
        (
            "grpc.reflection.v1.ServerReflection.ServerReflectionInfo",
            REFLECTION,
        ),
        ("grpc.reflection.v1alpha.ServerReflection", ALPHA),
        // Messages, their fields and oneofs.
        ("apis.event.v2.EventsStreamRequest", EVENT),
        ("apis.event.v2.EventsStreamRequest.ping", EVENT),
        ("apis.event.v2.EventsStreamRequest.message", EVENT),
        ("grpc.reflection.v1alpha.ErrorResponse.error_code", ALPHA),
        // Nested.
        ("google.protobuf.Struct.FieldsEntry", STRUCT),
        ("google.protobuf.Struct.FieldsEntry.value", STRUCT),
        ("grpc.health.v1.HealthCheckResponse.ServingStatus", HEALTH),
        // Enums and their values: beside the enum, and as some tools say, beneath.
        ("google.protobuf.NullValue", STRUCT),
        ("google.protobuf.NULL_VALUE", STRUCT),
        ("google.protobuf.NullValue.NULL_VALUE", STRUCT),
        ("grpc.health.v1.HealthCheckResponse.SERVING", HEALTH),
        (
            "grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING",
            HEALTH,
        ),
    ] {
        assert_eq!(paths(ask(symbol(name)))[0], path, "{name}");
    }
}

#[test]
fn what_is_not_there_is_told_and_named() {
    for name in [
        "",
        "apis.event.v2",
        ".apis.event.v2.EventService",
        "apis.event.v2.eventservice",
        "EventService",
        "apis.event.v2.EventService.Stream.x",
    ] {
        let error = error(ask(symbol(name)));
        assert_eq!(error.error_code, 5);
        assert!(error.error_message.ends_with(name));
    }
    assert_eq!(error(ask(file("event.proto"))).error_code, 5);
}

#[test]
fn what_is_not_there_is_named_in_part_if_it_is_long() {
    let long = "x".repeat(1 << 20);
    for wanted in [
        file(&long),
        symbol(&long),
        MessageRequest::AllExtensionNumbersOfType(long.clone()),
        MessageRequest::FileContainingExtension(super::super::reflection_proto::ExtensionRequest {
            containing_type: long.clone(),
            extension_number: 1,
        }),
    ] {
        let message = error(ask(wanted)).error_message;
        assert!(message.ends_with("xxx…"));
        assert!(message.len() < 200);
    }
}

#[test]
fn messages_have_no_extensions() {
    let numbers = |name: &str| ask(MessageRequest::AllExtensionNumbersOfType(name.to_owned()));
    let name = "apis.event.v2.EventTarget";
    assert_eq!(numbers(name), no_extensions(name));
    assert_eq!(error(numbers("x")).error_code, 5);
    assert_eq!(error(numbers("apis.event.v2.EventService")).error_code, 5);
    let extension = super::super::reflection_proto::ExtensionRequest {
        containing_type: name.to_owned(),
        extension_number: 100,
    };
    let answer = ask(MessageRequest::FileContainingExtension(extension));
    let error = error(answer);
    assert_eq!(error.error_code, 5);
    assert!(
        error
            .error_message
            .contains("100 of apis.event.v2.EventTarget")
    );
}

#[test]
fn a_request_for_nothing_ends_the_call() {
    let reflection = Reflection::new();
    // Also one of a kind that is not known yet.
    for request in [&b""[..], b"\x0a\x01h", b"\x42\x01x"] {
        let status = reflection.answer(request).expect_err("nothing");
        assert_eq!(status.code, Code::InvalidArgument);
    }
    let status = reflection.answer(b"\x3a\x05x").expect_err("malformed");
    assert_eq!(status.code, Code::Internal);
}

/// Both versions define the same, each within its own package.
#[test]
fn the_earlier_version_differs_in_its_package_alone() {
    let set = FileSet::decode(DESCRIPTORS).expect("a set");
    let bytes_of = |path: &str| {
        let mut files = set.file.iter();
        let is_it = |bytes: &&Vec<u8>| File::decode(&bytes[..]).expect("a file").name == path;
        files.find(is_it).expect("is there")
    };
    let symbols = |path: &str, package: &str| -> BTreeSet<String> {
        let file = File::decode(&bytes_of(path)[..]).expect("a file");
        assert_eq!(file.package, package);
        let symbols = file.symbols().into_iter();
        let names = symbols.map(|symbol| {
            let name = symbol.name.strip_prefix(package).expect("within");
            name.to_owned()
        });
        names.collect()
    };
    let later = symbols(REFLECTION, "grpc.reflection.v1");
    assert_eq!(later, symbols(ALPHA, "grpc.reflection.v1alpha"));
    // Nothing in it refers to the later one.
    let text = String::from_utf8_lossy(bytes_of(ALPHA));
    assert!(text.contains(".grpc.reflection.v1alpha.ErrorResponse"));
    assert!(!text.contains(".grpc.reflection.v1.ErrorResponse"));
}

//! PROTOCOL-HTTP2, "Requests" (Content-Type, Message-Encoding); PROTOCOL-WEB, Content-Type;
//! compression.md, "Compression Method Asymmetry Between Peers" and test case 4.

use fanfare::protocol::grpc::{ACCEPT_ENCODING, CallRefusal, Code, Kind};

use super::{read, read_with};

#[test]
fn content_type_tells_the_kind() {
    for (value, kind) in [
        ("application/grpc", Kind::Grpc),
        ("application/grpc+proto", Kind::Grpc),
        ("application/grpc;charset=utf-8", Kind::Grpc),
        ("application/grpc+proto ; a=b; c=\"d;e\"", Kind::Grpc),
        ("Application/gRPC+Proto", Kind::Grpc),
        ("application/grpc-web", Kind::Web),
        ("application/grpc-web+proto", Kind::Web),
        ("application/grpc-web;x", Kind::Web),
        ("application/grpc-web-text", Kind::WebText),
        ("application/grpc-web-text+proto", Kind::WebText),
    ] {
        let fields = read(&[("content-type", value)]).expect(value);
        assert_eq!(
            (fields.kind, fields.answer, fields.timeout),
            (kind, kind, None)
        );
    }
}

#[test]
fn content_type_of_something_else_is_415() {
    for value in [
        "",
        ";",
        "text/plain",
        "application/json",
        "application/protobuf",
        "application/grp",
        "application/grpcx",
        "application/grpc+",
        "application/grpc+json",
        "application/grpc+proto+proto",
        "application/grpc+protobuf",
        "application/grpc-web+json",
        "application/grpc-web+thrift",
        "application/grpc-web-",
        "application/grpc-web-texts",
        "application/grpc-web-text+json",
        "application/grpc, application/grpc",
        "application /grpc",
        "+proto",
    ] {
        let found = read(&[("content-type", value)]);
        assert_eq!(found, Err(CallRefusal::MediaType), "{value}");
    }
    assert_eq!(read(&[("te", "trailers")]), Err(CallRefusal::MediaType));
}

#[test]
fn content_type_of_an_answer_is_a_kind_that_is_read_again() {
    for kind in [Kind::Grpc, Kind::Web, Kind::WebText] {
        let again = Kind::of_media_type(kind.content_type().as_bytes());
        assert_eq!(again, Some(kind));
    }
}

#[test]
fn message_encoding_identity_is_none() {
    assert!(read_with("grpc-encoding", "identity").is_ok());
    assert!(read_with("grpc-accept-encoding", "gzip,deflate").is_ok());
}

#[test]
fn message_encoding_that_is_not_supported_is_unimplemented_and_both_are_named() {
    for kind in [Kind::Grpc, Kind::Web, Kind::WebText] {
        for encoding in ["deflate", "snappy", "zstd", "gzip,identity", ""] {
            let fields = [
                ("content-type", kind.content_type()),
                ("grpc-encoding", encoding),
            ];
            let Err(CallRefusal::Status { answer, status }) = read(&fields) else {
                panic!("{encoding} is accepted");
            };
            assert_eq!((answer, status.code), (kind, Code::Unimplemented));
            assert!(status.message.contains(encoding));
            for supported in ACCEPT_ENCODING.1.split(',') {
                assert!(status.message.contains(supported));
            }
        }
    }
    assert_eq!(ACCEPT_ENCODING, ("grpc-accept-encoding", "identity,gzip"));
}

#[test]
fn custom_metadata_is_passed_over_whatever_it_is() {
    let fields = [
        ("x-bin", "!"),
        ("grpc-message-type", "\u{7f}"),
        ("content-type", "application/grpc"),
        ("grpc-tags-bin", ""),
        ("te", "gzip"),
        ("user-agent", "grpc-x/1"),
    ];
    assert!(read(&fields).is_ok());
}

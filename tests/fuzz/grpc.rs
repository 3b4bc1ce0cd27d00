//! Mutated calls for gRPC's own layer: fields, messages in pieces, and requests of the two services
//! that answer from what they know.
//!
//! Whatever comes is read as a naive reader reads it, or ends the call with a status that says
//! whose fault it was; every answer is a message of the form that the definition gives it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::BytesMut;
use fanfare::dialect::rpc::{Reflection, Route, health};
use fanfare::protocol::Parsed;
use fanfare::protocol::grpc::{
    CallFields, CallRefusal, Code, Kind, MessageEncoding, decode_text, parse_message, put_message,
    put_text,
};

use crate::Fuzzer;

const ROUNDS: u64 = 60;
const CALLS: usize = 60;
const MESSAGE_BYTES_MAX: usize = 2_000;

/// Values of fields, some of them right for more than one.
const VALUES: [&str; 12] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web+proto; charset=utf-8",
    "application/grpc-web-text",
    "application/grpc-web-text+proto,application/grpc-web",
    "identity",
    "gzip",
    "1S",
    "99999999H",
    "15m",
    "*/*",
];

/// Names of fields.
const NAMES: [&str; 5] = [
    "content-type",
    "accept",
    "grpc-timeout",
    "grpc-encoding",
    "grpc-tags-bin",
];

/// Paths, some of which are served.
const PATHS: [&str; 4] = [
    "/apis.event.v2.EventService/Publish",
    "/grpcweb/event/v2/apis.event.v2.EventService/Stream",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Requests of health and reflection, as they should be.
const REQUESTS: [&[u8]; 8] = [
    b"",
    b"\x0a\x15grpc.health.v1.Health",
    b"\x0a\x01h\x3a\x01*",
    b"\x1a\x1cgoogle/protobuf/struct.proto",
    b"\x22\x1aapis.event.v2.EventService",
    b"\x22\x16google.protobuf.Struct",
    b"\x32\x19apis.event.v2.EventTarget",
    b"\x2a\x05\x0a\x01x\x10\x64",
];

#[test]
fn calls_are_read_or_refused() {
    crate::repeat(ROUNDS, run);
}

fn run(seed: u64) {
    let mut fuzzer = Fuzzer::new(seed);
    let reflection = Reflection::new();
    for _ in 0..CALLS {
        fields(&mut fuzzer);
        pieces(&mut fuzzer);
        let one = REQUESTS[1 + fuzzer.below(REQUESTS.len() - 1)];
        let other = REQUESTS[fuzzer.below(REQUESTS.len())];
        let request = fuzzer.mutate(one, other);
        let outcome = catch_unwind(AssertUnwindSafe(|| answers(&reflection, &request)));
        assert!(outcome.is_ok(), "{request:?}");
    }
}

fn fields(fuzzer: &mut Fuzzer) {
    let fields: Vec<(&str, Vec<u8>)> = (0..fuzzer.below(6))
        .map(|_| {
            let value = VALUES[fuzzer.below(VALUES.len())].as_bytes();
            let value = fuzzer.mutate(value, VALUES[0].as_bytes());
            (NAMES[fuzzer.below(NAMES.len())], value)
        })
        .collect();
    let values = |wanted: &str| {
        let wanted = wanted.to_owned();
        let fields = fields.iter().filter(move |(name, _)| *name == wanted);
        fields.map(|(_, value)| &value[..])
    };
    let kinds: Vec<Option<Kind>> = values("content-type").map(Kind::of_media_type).collect();
    let is_grpc =
        kinds.first().is_some_and(Option::is_some) && kinds.iter().all(|kind| *kind == kinds[0]);
    let known = |value: &[u8]| {
        [&b"identity"[..], b"gzip"]
            .into_iter()
            .any(|name| value.eq_ignore_ascii_case(name))
    };
    let is_known = values("grpc-encoding").all(known);
    match CallFields::read(fields.iter().map(|(name, value)| (*name, &value[..]))) {
        Ok(read) => {
            assert!(is_grpc && is_known);
            assert_eq!(Some(read.kind), kinds[0]);
            assert_eq!(read.kind.is_web(), read.answer.is_web());
            assert_eq!(read.timeout.is_some(), values("grpc-timeout").count() > 0);
        }
        Err(CallRefusal::MediaType) => assert!(!is_grpc),
        Err(CallRefusal::Status { answer, status }) => {
            assert!(is_grpc);
            assert_eq!(kinds[0].map(Kind::is_web), Some(answer.is_web()));
            match status.code {
                Code::Unimplemented => assert!(!is_known),
                code => assert_eq!(code, Code::Internal),
            }
        }
    }
    let path = PATHS[fuzzer.below(PATHS.len())];
    let mutated = fuzzer.mutate(path.as_bytes(), b"/");
    let text = str::from_utf8(&mutated).ok();
    if let Some(Route::Method(method)) = text.and_then(Route::parse) {
        let path = format!("/{}/{}", method.service().name(), method.name());
        assert_eq!(text, Some(&*path));
    }
}

/// Messages in a mutated body, whole and in pieces, as bytes and as text.
fn pieces(fuzzer: &mut Fuzzer) {
    let mut body = BytesMut::new();
    for _ in 0..=fuzzer.below(4) {
        put_message(&mut body, REQUESTS[fuzzer.below(REQUESTS.len())]);
    }
    let body = fuzzer.mutate(&body, b"\0\0\0\x07\xd0");
    let mut text = BytesMut::new();
    let (mut kept, mut heard, mut failed) = (Vec::new(), Vec::new(), None);
    let mut rest = &body[..];
    while !rest.is_empty() && failed.is_none() {
        let (piece, after) = rest.split_at(1 + fuzzer.below(rest.len()));
        rest = after;
        put_text(&mut text, piece);
        kept.extend_from_slice(piece);
        failed = take(&mut kept, &mut heard);
    }
    if rest.is_empty() {
        assert_eq!(decode_text(&text).as_deref(), Ok(&body[..]));
    }
    let (mut whole, mut expected) = (body.clone(), Vec::new());
    assert_eq!(take(&mut whole, &mut expected), failed);
    assert_eq!(heard, expected);
    // Nothing was lost on the way: messages and what is left are the body again.
    let mut again = BytesMut::new();
    for message in &expected {
        put_message(&mut again, message);
    }
    again.extend_from_slice(&whole);
    assert_eq!(&again[..], body);
}

/// Takes messages off the front, until there is none or an error.
fn take(kept: &mut Vec<u8>, heard: &mut Vec<Vec<u8>>) -> Option<Code> {
    loop {
        match parse_message(kept, MESSAGE_BYTES_MAX, MessageEncoding::Identity) {
            Ok(Parsed::Complete(message, used)) => {
                heard.push(message.bytes.to_vec());
                kept.drain(..used);
            }
            Ok(Parsed::Partial) => return None,
            Err(error) => return Some(error.status().code),
        }
    }
}

fn answers(reflection: &Reflection, request: &[u8]) {
    match reflection.answer(request) {
        Ok(answer) => {
            let fields = walk(&answer).expect("a message");
            let (says, about): (Vec<_>, Vec<_>) = fields.iter().partition(|(tag, _)| *tag >= 4);
            assert_eq!(says.len(), 1, "one answer");
            assert!(matches!(says[0].0, 4..=7));
            let request = about
                .iter()
                .find(|(tag, _)| *tag == 2)
                .expect("is repeated");
            assert!(walk(&request.1).is_some());
        }
        Err(status) => assert!(matches!(
            status.code,
            Code::Internal | Code::InvalidArgument
        )),
    }
    match health::check(request, true) {
        Ok(answer) => assert_eq!(answer, [8, 1]),
        Err(status) => assert!(matches!(status.code, Code::Internal | Code::NotFound)),
    }
    let watched = health::watch(request).map(|watched| watched.state(false));
    assert!(watched.is_err() || matches!(watched.as_deref(), Ok([8, 2 | 3])));
}

/// The fields of a message, all of which must be length-delimited: the naive reader.
fn walk(mut bytes: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = varint(&mut bytes)? as usize;
        let (value, rest) = bytes.split_at_checked(length)?;
        if key & 7 != 2 {
            return None;
        }
        fields.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

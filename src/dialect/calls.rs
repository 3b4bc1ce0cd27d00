//! Calls of gRPC and of gRPC-web, as far as they are alike whichever dialect serves them: what is
//! said about a call whose head or body is not what it should be, and how an answer of gRPC-web is
//! written.
//!
//! Which methods there are is their dialect's: the event service's are routes of `stream`, those of
//! health and reflection of `rpc`.

use std::borrow::Cow;

use bytes::BytesMut;

use super::client::{Open, Opening, Streamed};
use super::nowhere::refuse_all;
use super::render::Envelope;
use super::{Action, Admission, Client, Cors, Refused, Responder, STREAMED, respond_error};
use crate::auth::{Directory, Identity};
use crate::config::CorsConfig;
use crate::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use crate::protocol::Parsed;
use crate::protocol::grpc::{
    ACCEPT_ENCODING, CallFields, CallRefusal, Code, Kind, MESSAGE_HEADER_BYTES, MessageEncoding,
    MessageError, Status, TextError, decode_text, parse_message, quoted, truncated,
};
use crate::protocol::http1::{Head, Method};

/// A whole call of gRPC-web.
pub(super) struct WebCall {
    /// How it is answered.
    pub(super) answer: Kind,
    /// How its messages are compressed.
    pub(super) encoding: MessageEncoding,
    /// Its messages, each as gRPC frames them.
    pub(super) messages: Vec<u8>,
}

impl WebCall {
    /// Becomes a client, which says the messages and hears what comes of them.
    pub(super) fn open(self, client: Client, cors: &Cors) -> Action {
        let headers = [&cors[..], STREAMED].concat();
        Action::Open(Box::new(Open {
            opening: Opening::Response(Box::new(Streamed {
                content_type: self.answer.content_type(),
                headers,
                envelope: Envelope::of_call(self.answer),
                messages: self.messages,
                encoding: self.encoding,
                heartbeat: None,
            })),
            client,
            subscriptions: Vec::new(),
            home: None,
        }))
    }
}

/// What answers of gRPC-web tell browsers, whichever dialect serves the call.
pub(super) fn cors(config: &CorsConfig, directory: &Directory) -> Cors {
    let exposed = "Grpc-Status, Grpc-Message, Retry-After";
    Cors::new(config, directory.anonymous().is_none(), exposed)
}

/// The end of a call of a method that nobody has.
pub fn no_such_method(path: &str) -> Status {
    Status::new(Code::Unimplemented, format!("no such method: {path}"))
}

/// Judges a call of gRPC-web by its head, where a message may have `message_bytes_max` bytes; a
/// refusal is written. `judge` identifies its sender.
pub(super) fn admit_web_call(
    head: &Head<'_, '_>,
    message_bytes_max: usize,
    to: &mut Responder<'_>,
    judge: impl FnOnce(&mut Responder<'_>) -> Result<Option<Identity>, Status>,
) -> Result<Admission, Refused> {
    if head.method == Method::Options {
        return Ok(Admission::BODILESS);
    }
    if head.method != Method::Post {
        let headers = [&b"Allow: POST, OPTIONS\r\n"[..]];
        let message = "allowed: POST, OPTIONS";
        return Err(respond_error(
            to,
            &headers,
            405,
            "method_not_allowed",
            message,
        ));
    }
    let identity = match CallFields::read(head.headers()) {
        Ok(fields) if fields.kind.is_web() => judge(to).map_err(|status| {
            respond_web(fields.answer, b"", b"", &status, to);
            Refused
        })?,
        // It is answered once it is whole.
        Err(CallRefusal::Status { answer, .. }) if answer.is_web() => None,
        Ok(_) | Err(CallRefusal::Status { .. }) => {
            let message = "gRPC needs HTTP/2; gRPC-web does not";
            return Err(respond_error(to, &[], 505, "http_version", message));
        }
        Err(CallRefusal::MediaType) => {
            let message = "a call is application/grpc or application/grpc-web, with protobuf";
            return Err(respond_error(to, &[], 415, "media_type", message));
        }
    };
    // Base64 takes four bytes for three.
    let message = message_bytes_max + MESSAGE_HEADER_BYTES;
    let bytes_max = (message.div_ceil(3) * 4) as u64;
    Ok(Admission::of(bytes_max, identity))
}

/// Judges a request for a method that its service has not: a browser may ask, nobody else is
/// served.
pub(super) fn admit_no_method(
    head: &Head<'_, '_>,
    to: &mut Responder<'_>,
) -> Result<Admission, Refused> {
    if head.method == Method::Options {
        return Ok(Admission::BODILESS);
    }
    Err(refuse_all(head, to))
}

/// Handles a whole request of gRPC-web, which `begin` makes something of.
pub(super) fn web_call(
    head: &Head<'_, '_>,
    body: &[u8],
    to: &mut Responder<'_>,
    begin: impl FnOnce(WebCall) -> Result<Action, Status>,
) -> Action {
    let (fields, answer) = match CallFields::read(head.headers()) {
        Ok(fields) => (Ok(fields), fields.answer),
        Err(CallRefusal::Status { answer, status }) => (Err(status), answer),
        // Admitted requests are something else.
        Err(CallRefusal::MediaType) => {
            refuse_all(head, to);
            return Action::Done;
        }
    };
    let action = fields.and_then(|fields| {
        let messages = match fields.kind {
            Kind::WebText => decode_text(body).map_err(TextError::status)?,
            Kind::Web | Kind::Grpc => body.to_vec(),
        };
        let encoding = fields.encoding;
        let call = WebCall {
            answer,
            encoding,
            messages,
        };
        begin(call)
    });
    action.unwrap_or_else(|status| {
        let mut headers = Vec::new();
        if status.code == Code::Unimplemented {
            // compression.md: whoever asked for an encoding learns which there are.
            let (name, accepts) = ACCEPT_ENCODING;
            headers.extend_from_slice(format!("{name}: {accepts}\r\n").as_bytes());
        }
        respond_web(answer, &headers, b"", &status, to);
        Action::Done
    })
}

/// Refuses a call that does not come as it should: what is too long is told as a call is told.
pub(super) fn refuse_call(status: u16, code: &str, message: &str, to: &mut Responder<'_>) {
    if status == 413 {
        let status = Status::new(Code::ResourceExhausted, message.to_owned());
        respond_status(&status, to);
    } else {
        respond_error(to, &[], status, code, message);
    }
}

/// Refuses what is a call of gRPC-web, but of a method that is not there; no if it is something
/// else.
pub(super) fn refuse_web_call(head: &Head<'_, '_>, to: &mut Responder<'_>) -> bool {
    let is_web = match CallFields::read(head.headers()) {
        Ok(fields) => fields.answer.is_web(),
        Err(CallRefusal::Status { answer, .. }) => answer.is_web(),
        Err(CallRefusal::MediaType) => false,
    };
    if is_web && head.method == Method::Post {
        respond_status(&no_such_method(quoted(head.path).as_ref()), to);
        return true;
    }
    false
}

/// The only message of a body.
pub(super) fn one_message(
    messages: &[u8],
    encoding: MessageEncoding,
) -> Result<Cow<'_, [u8]>, Status> {
    match parse_message(messages, WEBSOCKET_MESSAGE_BYTES_MAX, encoding) {
        Ok(Parsed::Complete(message, used)) if used == messages.len() => message
            .decoded(WEBSOCKET_MESSAGE_BYTES_MAX)
            .map_err(MessageError::status),
        Ok(Parsed::Partial) if !messages.is_empty() => Err(truncated()),
        Ok(_) => Err(Status::cardinality("the body is not exactly one message")),
        Err(error) => Err(error.status()),
    }
}

/// An answer of gRPC-web that is a status and nothing else, where its client looks before it reads
/// a body ("Trailers-Only").
fn respond_status(status: &Status, to: &mut Responder<'_>) {
    let exchange = to.exchange;
    let code = u64::from(status.code as u8);
    to.begin(200)
        .header_number("grpc-status", code)
        .header(
            "grpc-message",
            status.encoded_message().to_string().as_bytes(),
        )
        .body(
            Some(Kind::Web.content_type()),
            b"",
            exchange.keep_alive,
            exchange.head_only,
        );
}

/// A whole answer of gRPC-web: a message, unless the call failed, and the trailers.
pub(super) fn respond_web(
    kind: Kind,
    headers: &[u8],
    message: &[u8],
    status: &Status,
    to: &mut Responder<'_>,
) {
    let envelope = Envelope::of_call(kind);
    let mut body = BytesMut::new();
    if *status == Status::OK {
        envelope.put(message, &mut body);
    }
    envelope.put_end(status, &mut body);
    let exchange = to.exchange;
    to.begin(200).raw(headers).body(
        Some(kind.content_type()),
        &body,
        exchange.keep_alive,
        exchange.head_only,
    );
}

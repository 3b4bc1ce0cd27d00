//! Calls of gRPC and of gRPC-web: from a method's path and fields to the client that serves it.

use std::borrow::Cow;

use bytes::BytesMut;

use super::client::{Client, Open, Opening, Streamed};
use super::render::Envelope;
use super::{Action, Dialects, Judge, Refused, Responder, STREAMED, respond_error, rpc};
use crate::limits::{STRANGER_MESSAGE_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use crate::protocol::Parsed;
use crate::protocol::grpc::{
    ACCEPT_ENCODING, CallFields, CallRefusal, Code, Kind, MESSAGE_HEADER_BYTES, MessageEncoding,
    MessageError, Status, TextError, decode_text, parse_message, quoted, truncated,
};
use crate::protocol::http1::{Head, Method};

impl Dialects {
    /// The client of a call that begins.
    pub fn begin_call(
        &self,
        method: rpc::Method,
        head: &Head<'_, '_>,
        judge: Judge<'_>,
    ) -> Result<Client, Status> {
        let publishes = match method {
            rpc::Method::Stream => false,
            rpc::Method::Publish => true,
            other => return Ok(Client::Rpc(rpc::Client::new(other))),
        };
        let client = self.stream.call(publishes, head, judge)?;
        Ok(Client::Stream(Box::new(client)))
    }

    /// Judges a call of gRPC-web by its head: the most bytes its body may have, or a refusal (written).
    pub(super) fn admit_web_call(
        &self,
        method: rpc::Method,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        let cors = self.stream.cors();
        if head.method == Method::Options {
            return Ok(0);
        }
        if head.method != Method::Post {
            let headers = [cors, &b"Allow: POST, OPTIONS\r\n"[..]];
            let message = "allowed: POST, OPTIONS";
            return Err(respond_error(
                to,
                &headers,
                405,
                "method_not_allowed",
                message,
            ));
        }
        match CallFields::read(head.headers()) {
            Ok(fields) if fields.kind.is_web() => {
                let allowed = match method {
                    rpc::Method::Publish => self.stream.publisher(head, to.judge()).map(drop),
                    rpc::Method::Stream => self.stream.may_come(head, to.judge()),
                    _ => Ok(()),
                };
                if let Err(status) = allowed {
                    respond_web(fields.answer, cors, b"", &status, to);
                    return Err(Refused);
                }
            }
            Err(CallRefusal::Status { answer, .. }) if answer.is_web() => {}
            Ok(_) | Err(CallRefusal::Status { .. }) => {
                let message = "gRPC needs HTTP/2; gRPC-web does not";
                return Err(respond_error(to, &[cors], 505, "http_version", message));
            }
            Err(CallRefusal::MediaType) => {
                let message = "a call is application/grpc or application/grpc-web, with protobuf";
                return Err(respond_error(to, &[cors], 415, "media_type", message));
            }
        }
        let message = match method {
            rpc::Method::Publish | rpc::Method::Stream => WEBSOCKET_MESSAGE_BYTES_MAX,
            // Nobody asks who asks.
            _ => STRANGER_MESSAGE_BYTES_MAX,
        };
        // Base64 takes four bytes for three.
        let message = message + MESSAGE_HEADER_BYTES;
        Ok((message.div_ceil(3) * 4) as u64)
    }

    /// Handles a whole request of gRPC-web.
    pub(super) fn web_call(
        &self,
        method: rpc::Method,
        head: &Head<'_, '_>,
        body: &[u8],
        to: &mut Responder<'_>,
    ) -> Action {
        if head.method == Method::Options {
            let exchange = to.exchange;
            to.begin(204)
                .raw(self.stream.cors().preflight())
                .empty(exchange.keep_alive);
            return Action::Done;
        }
        let (fields, answer) = match CallFields::read(head.headers()) {
            Ok(fields) => (Ok(fields), fields.answer),
            Err(CallRefusal::Status { answer, status }) => (Err(status), answer),
            // Admitted requests are something else.
            Err(CallRefusal::MediaType) => return Action::Done,
        };
        let begun = fields.and_then(|fields| {
            let messages = match fields.kind {
                Kind::WebText => decode_text(body).map_err(TextError::status)?,
                Kind::Web | Kind::Grpc => body.to_vec(),
            };
            if method == rpc::Method::Publish {
                let message = one_message(&messages, fields.encoding)?;
                return self.stream.post_web(answer, head, &message, to.judge());
            }
            let client = self.begin_call(method, head, to.judge())?;
            let headers = [&self.stream.cors()[..], STREAMED].concat();
            Ok(Action::Open(Box::new(Open {
                opening: Opening::Response(Box::new(Streamed {
                    content_type: answer.content_type(),
                    headers,
                    envelope: Envelope::of_call(answer),
                    messages,
                    encoding: fields.encoding,
                    heartbeat: None,
                })),
                client,
                subscriptions: Vec::new(),
                home: None,
            })))
        });
        begun.unwrap_or_else(|status| {
            let mut headers = self.stream.cors().to_vec();
            if status.code == Code::Unimplemented {
                // compression.md: whoever asked for an encoding learns which there are.
                let (name, accepts) = ACCEPT_ENCODING;
                headers.extend_from_slice(format!("{name}: {accepts}\r\n").as_bytes());
            }
            respond_web(answer, &headers, b"", &status, to);
            Action::Done
        })
    }
}

/// Refuses what is a call of gRPC-web, but of a method that is not there; no if it is something else.
pub(super) fn refuse_web_call(cors: &[u8], head: &Head<'_, '_>, to: &mut Responder<'_>) -> bool {
    let is_web = match CallFields::read(head.headers()) {
        Ok(fields) => fields.answer.is_web(),
        Err(CallRefusal::Status { answer, .. }) => answer.is_web(),
        Err(CallRefusal::MediaType) => false,
    };
    if is_web && head.method == Method::Post {
        let message = format!("no such method: {}", quoted(head.path));
        respond_status(cors, &Status::new(Code::Unimplemented, message), to);
        return true;
    }
    false
}

/// The only message of a body.
fn one_message(messages: &[u8], encoding: MessageEncoding) -> Result<Cow<'_, [u8]>, Status> {
    match parse_message(messages, WEBSOCKET_MESSAGE_BYTES_MAX, encoding) {
        Ok(Parsed::Complete(message, used)) if used == messages.len() => message
            .decoded(WEBSOCKET_MESSAGE_BYTES_MAX)
            .map_err(MessageError::status),
        Ok(Parsed::Partial) if !messages.is_empty() => Err(truncated()),
        Ok(_) => Err(Status::cardinality("the body is not exactly one message")),
        Err(error) => Err(error.status()),
    }
}

/// An answer of gRPC-web that is a status and nothing else, where its client looks before it reads a body
/// ("Trailers-Only").
pub(super) fn respond_status(headers: &[u8], status: &Status, to: &mut Responder<'_>) {
    let exchange = to.exchange;
    let code = u64::from(status.code as u8);
    to.begin(200)
        .raw(headers)
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

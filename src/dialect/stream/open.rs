//! What opens a stream: a WebSocket's handshake, a request for a response that does not end, a gRPC
//! call.

use std::num::NonZeroU16;

use bytes::Bytes;

use super::access::{SUBPROTOCOLS, note};
use super::client::Kind;
use super::errors::invalid;
use super::{Admission, Client, EventService, Form, Wanted, put_http_error};
use crate::auth::{Grant, Identity};
use crate::dialect::client::{Open, Opening, Streamed};
use crate::dialect::render::Envelope;
use crate::dialect::{
    self, Action, Offer, Refused, Responder, STREAMED, handshake_fields, idempotency_key,
};
use crate::limits::{STREAM_HEARTBEAT_SECONDS_MAX, STREAM_SESSION_ID_BYTES_MAX};
use crate::protocol::grpc::{Code, MessageEncoding, Status};
use crate::protocol::http1::{Head, Method, decode_form, query_last_of, query_pairs};
use crate::protocol::websocket::Handshake;

/// RFC 9110 §15.5.2: a 401 says how to do better (RFC 6750 §3).
const CHALLENGE: &[u8] = b"WWW-Authenticate: Bearer\r\n";
/// RFC 9110 §10.2.3.
const RETRY_AFTER: &[u8] = b"Retry-After: 1\r\n";

impl EventService {
    /// Judges a request that is no call by its head: the most bytes its body may have, or a refusal
    /// (written).
    pub(super) fn admit_plain(
        &self,
        publishes: bool,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Admission, Refused> {
        if head.method == Method::Options {
            return Ok(Admission::BODILESS);
        }
        let (allowed, allow, bytes_max) = if publishes {
            (Method::Post, "POST, OPTIONS", self.publish_bytes_max as u64)
        } else {
            (Method::Get, "GET, OPTIONS", 0)
        };
        if head.method != allowed {
            let header = format!("Allow: {allow}\r\n");
            let status = Status::new(Code::Unimplemented, format!("allowed: {allow}"));
            return Err(respond_error(405, header.as_bytes(), &status, to));
        }
        let sender = if publishes {
            let sender = self.publisher(head, to.judge());
            Some(sender.map_err(|status| refuse(&status, to))?)
        } else {
            None
        };
        Ok(Admission::of(bytes_max, sender))
    }

    /// Handles an admitted request for a stream that is no call.
    pub(super) fn open(&self, head: &Head<'_, '_>, to: &mut Responder<'_>) -> Action {
        let opened = if head.wants_upgrade("websocket") {
            self.open_socket(head, to)
        } else {
            self.open_response(head, to)
        };
        opened.unwrap_or(Action::Done)
    }

    fn open_socket(&self, head: &Head<'_, '_>, to: &mut Responder<'_>) -> Result<Action, Refused> {
        let handshake = Handshake::check(handshake_fields(head)).map_err(|error| {
            let status = invalid(error.to_string());
            respond_error(error.status(), error.headers(), &status, to)
        })?;
        let offer = Offer::read(head, &SUBPROTOCOLS);
        let client = session_id(head).and_then(|session_id| {
            let identity = self.known(head, offer, to.judge())?;
            let first = Wanted::from_query(head.query)?;
            Ok(Client::new(
                identity,
                Form::Json,
                Kind::Stream,
                session_id,
                first,
            ))
        });
        // A browser's WebSocket shows nothing of a handshake that fails, so it is told on the open
        // socket.
        let client = client.unwrap_or_else(Client::refused);
        let protocol = offer.subprotocol;
        Ok(open(Opening::WebSocket(handshake, protocol), client))
    }

    fn open_response(
        &self,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<Action, Refused> {
        let client = session_id(head).and_then(|session_id| {
            let identity = self.known(head, Offer::default(), to.judge())?;
            let wanted = Wanted::from_query(head.query)?
                .ok_or_else(|| invalid("subscribe.name is missing"))?;
            // What is known to fail now is a refusal that every client understands.
            note(identity.with_grant(to.now, Grant::Subscribe), to.judge())?;
            wanted.names()?;
            let first = Some(wanted);
            Ok(Client::new(
                identity,
                Form::Json,
                Kind::Listen,
                session_id,
                first,
            ))
        });
        let opened = client.and_then(|client| Ok((client, heartbeat(head.query)?)));
        let (client, heartbeat) = opened.map_err(|status| refuse(&status, to))?;
        let streamed = Streamed {
            content_type: "application/json",
            headers: [&self.cors[..], STREAMED].concat(),
            envelope: Envelope::Line,
            messages: Vec::new(),
            encoding: MessageEncoding::Identity,
            heartbeat,
        };
        Ok(open(Opening::Response(Box::new(streamed)), client))
    }

    /// A gRPC call begins: a stream, or one publish.
    pub(super) fn call(
        method: super::Method,
        head: &Head<'_, '_>,
        judge: impl FnOnce() -> Result<Identity, Status>,
    ) -> Result<Client, Status> {
        let session_id = session_id(head)?;
        let identity = judge()?;
        let kind = match method {
            super::Method::Publish => Kind::Publish(idempotency_key(head).map_err(invalid)?),
            super::Method::Stream => Kind::Stream,
        };
        Ok(Client::new(identity, Form::Proto, kind, session_id, None))
    }
}

/// Refuses a request, in this dialect's form.
pub(super) fn refuse(status: &Status, to: &mut Responder<'_>) -> Refused {
    let header = match status.code {
        Code::Unauthenticated => CHALLENGE,
        Code::Unavailable | Code::ResourceExhausted => RETRY_AFTER,
        _ => b"",
    };
    respond_error(status.code.http_status(), header, status, to)
}

/// Writes an error answer with further header lines, each with its CR LF.
pub(super) fn respond_error(
    http_status: u16,
    headers: &[u8],
    status: &Status,
    to: &mut Responder<'_>,
) -> Refused {
    let exchange = to.exchange;
    let mut body = Vec::new();
    put_http_error(status, &mut body);
    to.begin(http_status).raw(headers).body(
        Some("application/json"),
        &body,
        exchange.keep_alive,
        exchange.head_only,
    );
    Refused
}

fn open(opening: Opening, client: Client) -> Action {
    Action::Open(Box::new(Open {
        opening,
        client: dialect::Client::EventService(Box::new(client)),
        subscriptions: Vec::new(),
        home: None,
    }))
}

/// After how much silence a client that reads lines wants an empty one: `heartbeat`, in any case,
/// in whole seconds.
fn heartbeat(query: Option<&str>) -> Result<Option<NonZeroU16>, Status> {
    let most = STREAM_HEARTBEAT_SECONDS_MAX;
    let wrong = || {
        invalid(format!(
            "heartbeat is a whole number of seconds, 1 to {most}"
        ))
    };
    let is_ours = |key: &str| key.eq_ignore_ascii_case("heartbeat");
    let value = query_last_of(query.unwrap_or(""), is_ours).map_err(|_| wrong())?;
    let Some(value) = value else {
        return Ok(None);
    };
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: Option<NonZeroU16> = value.parse().ok().filter(|_| digits);
    let seconds = seconds.filter(|seconds| seconds.get() <= most);
    seconds.map(Some).ok_or_else(wrong)
}

/// The client's own id, from the field `SessionId` or the query, there in any case.
pub(super) fn session_id(head: &Head<'_, '_>) -> Result<Option<Bytes>, Status> {
    let wrong = |what: &str| invalid(format!("sessionId is {what}"));
    let id = match head.header("sessionid") {
        Some(id) => {
            let text = std::str::from_utf8(id).map_err(|_| wrong("not UTF-8"))?;
            Some(Bytes::copy_from_slice(text.as_bytes()))
        }
        None => query_pairs(head.query.unwrap_or(""))
            .rfind(|(key, _)| key.eq_ignore_ascii_case("sessionid"))
            .map(|(_, value)| decode_form(value))
            .transpose()
            .map_err(|error| wrong(&error.to_string()))?
            .map(|value| Bytes::from(value.into_owned())),
    };
    let id = id.filter(|id| !id.is_empty());
    match &id {
        Some(long) if long.len() > STREAM_SESSION_ID_BYTES_MAX => {
            let most = format!("longer than {STREAM_SESSION_ID_BYTES_MAX} bytes");
            Err(wrong(&most))
        }
        _ => Ok(id),
    }
}

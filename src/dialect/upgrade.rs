//! What every dialect with a WebSocket asks of the request that opens it: the handshake of RFC 6455
//! §4.2, and who is asking.

use super::{Refused, Responder, respond_error};
use crate::auth::Credentials;
use crate::protocol::http1::{Head, Method, Version};
use crate::protocol::websocket::{Handshake, HandshakeFields};

/// The fields of a request that a WebSocket handshake looks at (RFC 6455 §4.2.1).
pub fn handshake_fields<'b>(head: &Head<'_, 'b>) -> HandshakeFields<'b> {
    HandshakeFields {
        method_is_get: head.method == Method::Get,
        http11: head.version == Version::Http11,
        upgrade_websocket: head.has_token("upgrade", "websocket"),
        connection_upgrade: head.has_token("connection", "upgrade"),
        version: head.header_once("sec-websocket-version"),
        key: head.header("sec-websocket-key"),
        key_count: head.header_values("sec-websocket-key").count(),
    }
}

/// Judges a request that is to become a WebSocket; a refusal is written.
pub fn check_upgrade(head: &Head<'_, '_>, to: &mut Responder<'_>) -> Result<Handshake, Refused> {
    Handshake::check(handshake_fields(head)).map_err(|error| {
        let message = error.to_string();
        respond_error(
            to,
            &[error.headers()],
            error.status(),
            "handshake",
            &message,
        )
    })
}

/// What a request presents in `Authorization`.
pub fn read_credentials<'b>(head: &Head<'_, 'b>) -> Credentials<'b> {
    Credentials::from_headers(head.header_values("authorization"))
}

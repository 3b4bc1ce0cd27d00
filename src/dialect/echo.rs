//! The echo for protocol test suites: `/echo` gives back the body of a request, and on a WebSocket
//! each message.

use std::convert::Infallible;

use bytes::Bytes;

use super::{
    Action, Client as AnyClient, Dialect, Message, Open, Opening, Parts, Reaction, Refused,
    Responder, Tools, handshake_fields,
};
use crate::limits::ECHO_MESSAGE_BYTES_MAX;
use crate::protocol::http1::Head;
use crate::protocol::websocket::Handshake;

/// The echo, if it is served.
#[derive(Debug)]
pub struct Echo {
    is_served: bool,
}

/// Its only path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route;

/// A client on a WebSocket: nothing is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct Client;

impl Dialect for Echo {
    type Route<'b> = Route;
    type Pending = Infallible;
    type Client = Client;
    type Undo = Infallible;
    type Encoding = Infallible;
    type Rendering = ();
    type View = Infallible;

    const NAME: &'static str = "echo";

    fn of(parts: &Parts<'_>) -> Self {
        Self {
            is_served: parts.config.server.echo,
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        (self.is_served && path == "/echo").then_some(Route)
    }

    fn admit(
        &self,
        _route: Route,
        _head: &Head<'_, '_>,
        _to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        Ok(ECHO_MESSAGE_BYTES_MAX as u64)
    }

    fn handle(
        &self,
        _route: Route,
        head: &Head<'_, '_>,
        body: &[u8],
        _tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let exchange = to.exchange;
        if !head.wants_upgrade("websocket") {
            to.begin(200).body(
                head.header_str("content-type"),
                body,
                exchange.keep_alive,
                exchange.head_only,
            );
            return Action::Done;
        }
        match Handshake::check(handshake_fields(head)) {
            Ok(handshake) => Action::Open(Box::new(Open {
                opening: Opening::WebSocket(handshake, None),
                client: AnyClient::Echo(Client),
                subscriptions: Vec::new(),
                home: None,
            })),
            Err(error) => {
                to.begin(error.status())
                    .raw(error.headers())
                    .empty(exchange.keep_alive);
                Action::Done
            }
        }
    }

    fn message_bytes_max(_client: &Client) -> usize {
        ECHO_MESSAGE_BYTES_MAX
    }

    fn message(
        &self,
        _client: &mut Client,
        message: Message<'_>,
        _tools: &mut Tools<'_>,
    ) -> Reaction {
        let is_text = matches!(message, Message::Text(_));
        Reaction::Send(is_text, Bytes::copy_from_slice(message.bytes()))
    }
}

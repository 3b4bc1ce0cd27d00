//! From a request to the dialect whose path it is, and from an answer to whoever asked.

use super::respond::{Refused, Responder};
use super::{
    Action, AllowedOrigin, Client, Cors, Dialect, Dialects, Outcome, Pending, Route, Tools,
    dispatch,
};
use crate::protocol::grpc::Status;
use crate::protocol::http1::Head;

impl Dialects {
    /// What the answers on a path tell browsers; `None` where that is not a dialect's to say.
    fn cors(&self, route: Route<'_>) -> Option<&Cors> {
        dispatch!(self, Route, route, |dialect, route| Dialect::cors(
            dialect,
            Some(route)
        ))
    }

    /// The lines with which every answer on a path begins.
    fn lines(&self, route: Route<'_>) -> &[u8] {
        self.cors(route).map_or(b"", |cors| cors)
    }

    /// The origin that the answer to a request is to name, if that depends on the request.
    pub fn allowed_origin(&self, route: Route<'_>, origin: Option<&[u8]>) -> Option<AllowedOrigin> {
        self.cors(route)?.allowed(origin)
    }

    /// Judges a request by its head alone, before any of its body is read: the most bytes its body
    /// may have, or a refusal (already written).
    pub fn admit<'o>(
        &'o self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        to: &mut Responder<'o>,
    ) -> Result<u64, Refused> {
        to.lines = self.lines(route);
        dispatch!(self, Route, route, |dialect, route| Dialect::admit(
            dialect, route, head, to
        ))
    }

    /// Refuses a request that does not come as it should, in the form of whoever serves its path.
    pub fn refuse<'o>(
        &'o self,
        route: Route<'_>,
        to: &mut Responder<'o>,
        status: u16,
        code: &str,
        message: &str,
    ) {
        to.lines = self.lines(route);
        dispatch!(self, Route, route, |dialect, route| Dialect::refuse(
            dialect, route, to, status, code, message
        ));
    }

    /// Handles a whole request that was admitted.
    pub fn handle<'o>(
        &'o self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        body: &[u8],
        tools: &mut Tools<'_>,
        to: &mut Responder<'o>,
    ) -> Action {
        to.lines = self.lines(route);
        dispatch!(self, Route, route, |dialect, route| Dialect::handle(
            dialect, route, head, body, tools, to
        ))
    }

    /// Turns an operation's outcome into a response, or into the next operation.
    pub fn answer<'o>(
        &'o self,
        pending: Pending,
        outcome: Outcome,
        tools: &mut Tools<'_>,
        to: &mut Responder<'o>,
    ) -> Action {
        dispatch!(self, Pending, pending, |dialect, pending| {
            to.lines = Dialect::cors(dialect, None).map_or(b"", |cors| cors);
            Dialect::answer(dialect, pending, outcome, tools, to)
        })
    }

    /// The client of a call of gRPC that begins, or the status that ends it.
    pub fn begin_call(
        &self,
        route: Route<'_>,
        head: &Head<'_, '_>,
        tools: &mut Tools<'_>,
    ) -> Result<Client, Status> {
        dispatch!(self, Route, route, |dialect, route| Dialect::begin_call(
            dialect, route, head, tools
        ))
    }
}

impl Pending {
    /// A request from which nothing follows.
    #[cfg(test)]
    pub fn foreign() -> Self {
        Self::Sessions(super::sessions::Pending::Simple)
    }

    /// Whether events wait to be published.
    pub fn publishes(&self) -> bool {
        dispatch!(Pending, self, |D, pending| D::publishes(pending))
    }

    /// Whether the client that waits hears a log's home, and nothing else.
    pub fn follows_log(&self) -> bool {
        dispatch!(Pending, self, |D, pending| D::follows_log(pending))
    }
}

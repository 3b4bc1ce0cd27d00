//! The hub's answers as responses of this dialect.

use bytes::BytesMut;
use serde::Serialize;
use serde_json::json;

use super::errors::respond_refusal;
use super::lifecycle::{Creation, iso_date};
use super::render::{self, Part};
use super::{Sessions, execute};
use crate::dialect::{Action, LogState, Operation, Outcome, Responder, STREAMED, Tools};
use crate::hub::{
    Answer, Epoch, EventId, Log, Number, OrganizationId, Parents, Refusal, ScopeName, SessionView,
};
use crate::protocol::websocket::Handshake;

/// Shortest part of a token that `GET /api/sessions/<fragment>` looks for.
const FRAGMENT_BYTES_MIN: usize = 8;

/// A request of this dialect that waits for the hub.
#[derive(Debug)]
pub enum Pending {
    /// A publish.
    Publish,
    /// A creation whose project is being declared.
    #[expect(
        private_interfaces,
        reason = "made and taken apart in this module only"
    )]
    Declared(Box<Creation>),
    /// A creation.
    Created,
    /// A description of the session, or the token of the one that the fragment fits.
    Read {
        /// The token, or a fragment of one.
        fragment: ScopeName,
        /// Whose sessions may be searched, if any.
        searched: Option<OrganizationId>,
    },
    /// The search for a fragment.
    Find,
    /// The status in short.
    Status,
    /// Anything that is answered `200` without content.
    Simple,
}

/// Appends where a log stands, as every answer about events says.
fn put_state(log: LogState, out: &mut BytesMut) {
    use std::fmt::Write as _;
    // Writing to a growing buffer cannot fail.
    let _ = write!(
        out,
        "Fanfare-Epoch: {}\r\nFanfare-Oldest: {}\r\nFanfare-Next: {}\r\n",
        log.epoch, log.oldest, log.next
    );
    if let Some(gap) = log.gap {
        let _ = write!(out, "Fanfare-Gap: {gap}\r\n");
    }
}

/// What all other answers about events say of themselves: they are nobody's to keep.
const NO_STORE: &[u8] = b"Cache-Control: no-store\r\n";

/// Turns the hub's answer into a response, or into the next command.
pub(super) fn respond(
    pending: Pending,
    outcome: Outcome,
    tools: &mut Tools<'_>,
    to: &mut Responder<'_>,
) -> Action {
    match (pending, outcome) {
        (
            Pending::Read {
                fragment,
                searched: Some(organization),
            },
            Outcome::Answer(Answer::Refused(Refusal::NotFound)),
        ) if fragment.as_str().len() >= FRAGMENT_BYTES_MIN => {
            let find = Operation::Find {
                organization,
                prefix: fragment.as_str().into(),
            };
            return execute(find, Pending::Find);
        }
        (_, Outcome::Answer(Answer::Refused(refusal))) => respond_refusal(to, refusal),
        (Pending::Declared(creation), Outcome::Answer(Answer::Parents(parents))) => {
            return Sessions::create_below(parents, *creation, tools);
        }
        (Pending::Publish, Outcome::Answer(Answer::Published { id, position })) => {
            respond_published(id, position, to);
        }
        (Pending::Created, Outcome::Answer(Answer::Created(token))) => {
            respond_json(&json!({"token": token.as_str()}), to);
        }
        (Pending::Read { .. }, Outcome::Answer(Answer::Session(view))) => {
            respond_json(&describe(&view), to);
        }
        (Pending::Status, Outcome::Answer(Answer::Session(view))) => {
            respond_json(&short(&view), to);
        }
        (Pending::Find, Outcome::Found(tokens)) => match &tokens[..] {
            [token] => respond_json(&json!({"token": token.as_str()}), to),
            _ => respond_refusal(to, Refusal::NotFound),
        },
        (_, _) => {
            let exchange = to.exchange;
            to.begin(200).empty(exchange.keep_alive);
        }
    }
    Action::Done
}

fn respond_published(id: EventId, position: Option<(Epoch, Number)>, to: &mut Responder<'_>) {
    let keep_alive = to.exchange.keep_alive;
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let id = id.0.as_hyphenated().encode_lower(&mut text);
    let mut response = to.begin(200).header("Fanfare-Id", id.as_bytes());
    if let Some((epoch, number)) = position {
        response = response
            .header("Fanfare-Epoch", &epoch.digits())
            .header_number("Fanfare-Number", number);
    }
    response.empty(keep_alive);
}

fn respond_json(value: &impl Serialize, to: &mut Responder<'_>) {
    let exchange = to.exchange;
    // Plain structs of text and numbers: serializing them cannot fail.
    let body = serde_json::to_vec(value).unwrap_or_default();
    to.begin(200).header("Cache-Control", b"no-store").body(
        Some("application/json"),
        &body,
        exchange.keep_alive,
        exchange.head_only,
    );
}

/// A poll's whole answer, to be shared by all polls that stand at the same place: as many events
/// from `from` on as fit into `bytes_max`. Returns how many these are.
pub(super) fn respond_events(
    log: &Log,
    (from, state): (Number, LogState),
    bytes_max: usize,
    to: &mut Responder<'_>,
) -> usize {
    let Part {
        events: count,
        bytes,
    } = Part::of(log.range(from), bytes_max);
    to.out.reserve(bytes + to.lines.len() + 512);
    let mut block = BytesMut::with_capacity(256);
    put_state(state, &mut block);
    if count < log.range(from).len() {
        block.extend_from_slice(b"Fanfare-More: true\r\n");
    }
    block.extend_from_slice(NO_STORE);
    let keep_alive = to.exchange.keep_alive;
    to.begin(200)
        .raw(&block)
        .content_head(Some("application/json"), bytes as u64, keep_alive);
    render::encode_array(to.out, log.range(from).take(count));
    count
}

/// The head of an event stream, which ends with the connection.
pub(super) fn begin_event_stream(log: LogState, to: &mut Responder<'_>) {
    let mut block = BytesMut::with_capacity(256);
    put_state(log, &mut block);
    to.begin(200)
        .raw(&block)
        .raw(STREAMED)
        .header("Content-Type", b"text/event-stream")
        .finish_streaming();
}

/// The head that turns a connection into a WebSocket.
pub(super) fn begin_websocket(handshake: &Handshake, log: LogState, to: &mut Responder<'_>) {
    let mut block = BytesMut::from(to.lines);
    put_state(log, &mut block);
    block.extend_from_slice(NO_STORE);
    handshake.write_response(to.out, None, &block);
}

/// A session in full. Fields are written in this order.
#[derive(Serialize)]
struct Description<'v> {
    token: &'v str,
    labels: &'v [String],
    date_created: Option<String>,
    status: &'static str,
    date_started: Option<String>,
    date_finished: Option<String>,
    expiration_date: Option<String>,
    event_id: Option<&'v str>,
    project_id: Option<&'v str>,
    epoch: String,
    oldest: Number,
    next: Number,
}

fn describe(view: &SessionView) -> Description<'_> {
    let Parents { group, project } = &view.parents;
    Description {
        token: view.token.as_str(),
        labels: &view.labels,
        date_created: iso_date(view.created_ms),
        status: view.status.as_str(),
        date_started: view.started_ms.and_then(iso_date),
        date_finished: view.finished_ms.and_then(iso_date),
        expiration_date: view.expires_ms.and_then(iso_date),
        event_id: group.as_ref().map(ScopeName::as_str),
        project_id: project.as_ref().map(ScopeName::as_str),
        epoch: view.epoch.to_string(),
        oldest: view.oldest,
        next: view.next,
    }
}

/// A session's status in short. Fields are written in this order.
#[derive(Serialize)]
struct Short<'v> {
    token: &'v str,
    status: &'static str,
    date_started: Option<String>,
    date_finished: Option<String>,
    expiration_date: Option<String>,
}

fn short(view: &SessionView) -> Short<'_> {
    Short {
        token: view.token.as_str(),
        status: view.status.as_str(),
        date_started: view.started_ms.and_then(iso_date),
        date_finished: view.finished_ms.and_then(iso_date),
        expiration_date: view.expires_ms.and_then(iso_date),
    }
}

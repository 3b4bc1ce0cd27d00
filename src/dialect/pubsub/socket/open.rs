//! The handshake: which room, where its client stands, and who it is.
//!
//! `GET /pubsub/ws?event_id=…&session_id=…[&last_event=N&epoch=E]`

use super::super::Pubsub;
use super::access::SUBPROTOCOL;
use super::reply::Dismissal;
use super::{Client, Place, Who};
use crate::dialect::{
    self, Action, Offer, Open, Opening, Responder, Tools, check_upgrade, query_cursor,
};
use crate::hub::{Cursor, Placement, ScopeName};
use crate::limits::{PUBSUB_AUTHENTICATION_TIMEOUT, SCOPE_NAME_BYTES_MAX};
use crate::protocol::http1::{Head, query_last};
use crate::time::Instant;

impl Pubsub {
    /// Handles the opening handshake.
    pub(in super::super) fn open(
        &self,
        head: &Head<'_, '_>,
        tools: &mut Tools<'_>,
        to: &mut Responder<'_>,
    ) -> Action {
        let Ok(handshake) = check_upgrade(head, to) else {
            return Action::Done;
        };
        let offer = Offer::read(head, &[SUBPROTOCOL]);
        let (client, home) = match self.read_room(head, offer, tools) {
            Ok(client) => {
                let hash = client.place.hash;
                (client, Some(hash))
            }
            // A page sees nothing of a handshake that fails, so it is told on the open socket.
            Err(dismissal) => {
                to.denied = dismissal.denial();
                (Client::dismissed(dismissal), None)
            }
        };
        Action::Open(Box::new(Open {
            opening: Opening::WebSocket(handshake, offer.subprotocol),
            client: dialect::Client::Pubsub(Box::new(client)),
            subscriptions: Vec::new(),
            home,
        }))
    }

    fn read_room(
        &self,
        head: &Head<'_, '_>,
        offer: Offer<'_>,
        tools: &Tools<'_>,
    ) -> Result<Client, Dismissal> {
        let query = head.query.unwrap_or("");
        let place = Place::read(query, tools.placement)?;
        let cursor =
            query_cursor(query).map_err(|(_, message)| Dismissal::Address(message.into()))?;
        let (who, due) = self.identify(head, offer, tools.now)?.map_or_else(
            || {
                (
                    Who::Stranger,
                    tools.now.instant + PUBSUB_AUTHENTICATION_TIMEOUT,
                )
            },
            |identity| (Who::Known(identity), Instant::NEVER),
        );
        Ok(Client::new(who, place, cursor, due))
    }
}

impl Client {
    fn new(who: Who, place: Place, cursor: Option<Cursor>, due: Instant) -> Self {
        Self {
            position: None,
            wanted: None,
            waits: false,
            leaves: false,
            who,
            place,
            cursor: cursor.map(Box::new),
            due,
        }
    }

    /// A client that is only told why it may not stay; which room it wanted does not matter any
    /// more.
    fn dismissed(dismissal: Dismissal) -> Self {
        let nowhere = Place {
            group: ScopeName::new(""),
            session: ScopeName::new(""),
            hash: 0,
        };
        Self::new(Who::Dismissed(dismissal), nowhere, None, Instant::NEVER)
    }
}

impl Place {
    fn read(query: &str, placement: &Placement) -> Result<Self, Dismissal> {
        let group = scope_name(query, "event_id")?;
        let session = scope_name(query, "session_id")?;
        let hash = placement.session_hash(session.as_str());
        Ok(Self {
            group,
            session,
            hash,
        })
    }
}

/// An id of the query, decoded: 1 to [`SCOPE_NAME_BYTES_MAX`] bytes.
fn scope_name(query: &str, key: &str) -> Result<ScopeName, Dismissal> {
    let wrong = |what: String| Dismissal::Address(format!("{key} {what}").into());
    match query_last(query, key) {
        Ok(None) => Err(wrong("is missing".to_owned())),
        Ok(Some(id)) if (1..=SCOPE_NAME_BYTES_MAX).contains(&id.len()) => Ok(ScopeName::new(&id)),
        Ok(Some(_)) => Err(wrong(format!("has 1 to {SCOPE_NAME_BYTES_MAX} bytes"))),
        Err(error) => Err(wrong(format!("cannot be read: {error}"))),
    }
}

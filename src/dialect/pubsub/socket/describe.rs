//! What a room's client hears, for who looks after the server.

use super::{Client, Who, show};
use crate::auth::OrganizationId;
use crate::dialect::Heard;
use crate::dialect::Reaction;
use crate::hub::Address;

impl Client {
    /// Whose client it is, once that is known.
    pub fn organization(&self) -> Option<OrganizationId> {
        match &self.who {
            Who::Known(identity) => Some(identity.organization),
            Who::Dismissed(_) | Who::Stranger => None,
        }
    }

    /// What it hears of its session.
    pub fn heard(&self) -> Option<Heard> {
        let wanted = self.wanted.as_ref()?;
        let scope = Address::Session(self.place.session.clone());
        Some(Heard::names(scope, wanted.names()))
    }

    /// Ends what it hears, until it subscribes again.
    pub fn cancel(&mut self) -> Reaction {
        show(None, Vec::new())
    }
}

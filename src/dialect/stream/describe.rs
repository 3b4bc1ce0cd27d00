//! What a client of this dialect hears, for who looks after the server.

use super::WantedKey;
use super::client::{Client, Kind};
use crate::auth::OrganizationId;
use crate::dialect::Heard;
use crate::dialect::{Change, Reaction, Subscribe, Undo};
use crate::hub::Address;
use crate::protocol::grpc::{Code, Status};

impl Client {
    /// Whose client it is.
    pub fn organization(&self) -> Option<OrganizationId> {
        (!matches!(self.kind, Kind::Refused(_))).then_some(self.identity.organization)
    }

    /// What its subscription at that place asks for.
    pub fn heard(&self, place: usize) -> Option<Heard> {
        self.wanted.get(place).map(WantedKey::heard)
    }
}

impl WantedKey {
    fn heard(&self) -> Heard {
        let names = self.names.split('|').map(Box::from);
        Heard::names(self.address(), names)
    }

    /// Where events are heard from.
    fn address(&self) -> Address {
        self.target.address()
    }
}

impl Client {
    /// Ends its subscription at that place. Who came for that one alone has nothing to stay for.
    pub(super) fn cancel(&mut self, place: usize) -> Reaction {
        self.wanted.swap_remove(place);
        if matches!(self.kind, Kind::Listen) {
            let message = "the subscription was cancelled by an administrator";
            return self.end(Status::new(Code::Aborted, message));
        }
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Remove(place),
            retained: Vec::new(),
            reply: Vec::new(),
            undo: Undo::Nothing,
        }))
    }
}

//! What a client of this dialect hears, for who looks after the server.

use super::socket::{Kind, Socket};
use super::{Stream, WantedKey};
use crate::auth::OrganizationId;
use crate::dialect::Heard;
use crate::dialect::socket::{Change, Reaction, Subscribe, Undo};
use crate::hub::Address;
use crate::protocol::grpc::{Code, Status};

impl Socket {
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

impl Stream {
    /// Ends a client's subscription at that place. Who came for that one alone has nothing to stay for.
    pub fn cancel(&self, socket: &mut Socket, place: usize) -> Reaction {
        socket.wanted.swap_remove(place);
        if matches!(socket.kind, Kind::Listen) {
            let message = "the subscription was cancelled by an administrator";
            return socket.end(Status::new(Code::Aborted, message));
        }
        Reaction::Subscribe(Box::new(Subscribe {
            change: Change::Remove(place),
            retained: Vec::new(),
            reply: Vec::new(),
            undo: Undo::Nothing,
        }))
    }
}

//! Questions for administrators about the hub's contents: sets to be walked, single things, and
//! operations on them. Plain data: it travels between shards.
//!
//! Every thing has an id that is a UUID, and every set an order by id, so that a walk goes on after
//! any id, whether that thing still exists or not. A session, group or project whose name is a UUID
//! has that as its id, because events carry the names; others have one that is made of the name.
//! Ids that are made here are of version 8 (RFC 9562 §5.8) and say what kind of thing they name.

use std::fmt;

use uuid::Uuid;

use super::event::Epoch;
use super::scope::{OrganizationId, Parents, ScopeName};
use super::{Number, Status};

/// Namespace of ids made of names (RFC 9562 §5.5): the hub's own.
const NAMES: Uuid = Uuid::from_u128(0x5f2b_5e0c_7a53_5d0e_9b7a_2f1c_66a1_d3b4);

/// The kind of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A session.
    Session = 1,
    /// A group.
    Group = 2,
    /// A project.
    Project = 3,
    /// A connection that listens.
    Connection = 4,
    /// A subscription of a connection.
    Subscription = 5,
}

/// A set of things of one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// All of a kind.
    All(Kind),
    /// The connections that read a session, which exists.
    Subscribers(ScopeName),
    /// The events that a session's log retains.
    Events(ScopeName),
}

/// A reference to one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its id.
    Id(Uuid),
    /// By its name.
    Name(ScopeName),
}

/// The operation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// At most `limit` of a set, those that follow an id.
    Page {
        /// The set.
        set: Set,
        /// The id to go on after.
        after: Option<Uuid>,
        /// The most things in the answer.
        limit: usize,
    },
    /// One thing.
    One(Kind, Named),
    /// That a thing ends: a connection is disconnected, a session closed, a subscription cancelled.
    End(Kind, Named),
}

/// A question about an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The organization.
    pub organization: OrganizationId,
    /// The operation.
    pub ask: Ask,
}

/// One thing of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its place in its set's order.
    pub key: u128,
    /// Its id.
    pub id: Uuid,
    /// Its name, if it has one.
    pub name: Option<ScopeName>,
    /// Its JSON text.
    pub json: Box<[u8]>,
}

/// The reason why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no such thing, here or in this organization.
    Absent,
    /// It has ended: for other commands this is as good as done.
    Ended,
    /// The connection is being closed already.
    Closing,
    /// A change of the connection's subscriptions is under way.
    Changing,
    /// The id to go on after is not one of this set's.
    Foreign,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A part of a set, in order.
    Page {
        /// The things.
        items: Vec<Item>,
        /// There are others behind the last one.
        more: bool,
    },
    /// One thing.
    One(Item),
    /// The thing has been ended.
    Done,
    /// No answer; the reason.
    Not(Why),
}

/// A session as administrators may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Its id.
    pub id: Uuid,
    /// Its token.
    pub token: ScopeName,
    /// The scopes above it.
    pub parents: Parents,
    /// Its status.
    pub status: Status,
    /// Creation time, unix milliseconds.
    pub created_ms: u64,
    /// The life of its log.
    pub epoch: Epoch,
    /// The oldest retained number.
    pub oldest: Number,
    /// The number the next event will get.
    pub next: Number,
    /// Bytes of the retained events.
    pub bytes: usize,
    /// Its attached readers.
    pub readers: usize,
}

impl Kind {
    /// Returns the id of a thing of this name.
    pub fn id_of(self, name: &str) -> Uuid {
        if let Some(own) = own_id(name) {
            return own;
        }
        let mut bytes = Uuid::new_v5(&NAMES, name.as_bytes()).into_bytes();
        bytes[6] = 0x80 | self as u8;
        Uuid::from_bytes(bytes)
    }

    /// Whether an id may be one of this kind's: ids made here say their kind.
    pub fn may_have(self, id: Uuid) -> bool {
        let made = id.get_version_num() == 8;
        match self {
            Self::Session | Self::Group | Self::Project => !made || is_made(id, self),
            Self::Connection | Self::Subscription => made && is_made(id, self),
        }
    }

    /// Whether an id was made of a name of this kind, which cannot be read from it.
    pub fn is_hidden(self, id: Uuid) -> bool {
        id.get_version_num() == 8 && is_made(id, self)
    }
}

fn is_made(id: Uuid, kind: Kind) -> bool {
    id.as_bytes()[6] & 0x0f == kind as u8
}

/// Returns a name that is itself an id: a UUID as this server writes them, and none that could be
/// made here.
fn own_id(name: &str) -> Option<Uuid> {
    if name.len() != uuid::fmt::Hyphenated::LENGTH || name.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let id = Uuid::try_parse(name).ok()?;
    (id.get_version_num() != 8).then_some(id)
}

/// The identity of a connection of a node: the millisecond of its arrival, the shard that accepted
/// it, and a number among those of that millisecond. It keeps this when it moves. Unaligned,
/// because there are very many.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 9]);

/// Connections that one shard tells apart within a millisecond.
const SAME_MS_BITS: u32 = 14;

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.key())
    }
}

impl Identity {
    /// The identity that follows `last` on its shard, for a connection that comes now.
    #[must_use]
    pub fn following(last: Self, shard: u16, now_ms: u64) -> Self {
        let (mut ms, mut count) = (now_ms & ((1 << 48) - 1), 0);
        if last.since_ms() >= ms {
            ms = last.since_ms();
            count = (last.key() as u32 + 1) & ((1 << SAME_MS_BITS) - 1);
            ms += u64::from(count == 0);
        }
        let low = u32::from(shard) << SAME_MS_BITS | count;
        Self::of_key(u128::from(ms) << 24 | u128::from(low))
    }

    /// Before all others.
    pub const FIRST: Self = Self([0; 9]);

    /// Returns the time of its arrival, unix milliseconds.
    pub fn since_ms(self) -> u64 {
        (self.key() >> 24) as u64
    }

    /// Returns its place among all of a node.
    pub fn key(self) -> u128 {
        let mut bytes = [0; 16];
        bytes[7..].copy_from_slice(&self.0);
        u128::from_be_bytes(bytes)
    }

    fn of_key(key: u128) -> Self {
        let mut bytes = [0; 9];
        bytes.copy_from_slice(&key.to_be_bytes()[7..]);
        Self(bytes)
    }

    /// Returns its id as a connection.
    pub fn id(self) -> Uuid {
        self.made(Kind::Connection, 0)
    }

    /// Returns the id of one of its subscriptions.
    pub fn subscription_id(self, number: u32) -> Uuid {
        self.made(Kind::Subscription, number)
    }

    fn made(self, kind: Kind, number: u32) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&self.0[..6]);
        bytes[6] = 0x80 | kind as u8;
        bytes[8] = 0x80;
        bytes[9..12].copy_from_slice(&self.0[6..]);
        bytes[12..].copy_from_slice(&number.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// Reads a connection's or subscription's id: the connection, and the subscription's number.
    pub fn of_id(id: Uuid) -> (Self, u32) {
        let bytes = id.as_bytes();
        let mut own = [0; 9];
        own[..6].copy_from_slice(&bytes[..6]);
        own[6..].copy_from_slice(&bytes[9..12]);
        let [.., a, b, c, d] = *bytes;
        (Self(own), u32::from_be_bytes([a, b, c, d]))
    }
}

/// Returns the place of a subscription among all of a node.
pub fn subscription_key(identity: Identity, number: u32) -> u128 {
    identity.key() << 32 | u128::from(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_uuid_is_its_own_id() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        assert_eq!(Kind::Session.id_of(uuid).to_string(), uuid);
        for other in [
            "demo",
            "",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "6ba7b810-9dad-81d1-80b4-00c04fd430c8",
        ] {
            let ids = [Kind::Session, Kind::Group, Kind::Project].map(|kind| kind.id_of(other));
            assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
            for id in ids {
                assert_eq!((id.get_version_num(), id.to_string() == other), (8, false));
                assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            }
            assert!(Kind::Session.may_have(ids[0]) && !Kind::Session.may_have(ids[1]));
            assert_eq!(ids[0], Kind::Session.id_of(other), "the same for good");
        }
    }

    #[test]
    fn connections_are_in_the_order_in_which_they_came() {
        let mut last = Identity::FIRST;
        let mut clock = [7_000u64, 7_000, 7_001, 6_000, 6_000, 9_000]
            .into_iter()
            .cycle();
        for _ in 0..40_000 {
            let next = Identity::following(last, 1_023, clock.next().unwrap_or_default());
            assert!(next > last && next.key() > last.key());
            let id = next.id();
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (8, uuid::Variant::RFC4122)
            );
            assert_eq!(Identity::of_id(id).0, next);
            assert!(Kind::Connection.may_have(id) && !Kind::Subscription.may_have(id));
            assert!(!Kind::Session.may_have(id));
            let of_it = next.subscription_id(u32::MAX);
            assert_eq!(Identity::of_id(of_it), (next, u32::MAX));
            last = next;
        }
        assert!(last.since_ms() < 9_010);
    }
}

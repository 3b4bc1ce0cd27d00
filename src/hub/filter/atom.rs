//! An elementary fact about an event, as a number.

/// An elementary fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Atom(pub(super) u32);

impl Atom {
    /// Holds for every event; nothing refers to it by text.
    pub(super) const ALWAYS: Self = Self(0);
    /// Set in the number of an atom of [`Kind::Wild`]: thousands may fit one name, so they are kept
    /// apart.
    const WILD: u32 = 1 << 30;

    pub(super) fn new(kind: Kind, slot: u32) -> Self {
        debug_assert!(slot < Self::WILD);
        Self(if kind == Kind::Wild {
            slot | Self::WILD
        } else {
            slot
        })
    }

    pub(super) fn slot(self) -> u32 {
        self.0 & !Self::WILD
    }

    #[inline]
    pub(super) fn is_wild(self) -> bool {
        self.0 & Self::WILD != 0
    }

    /// Returns the low byte of an atom, for places without room for more.
    pub(super) fn tag(self) -> u8 {
        self.0 as u8
    }
}

/// The kind of fact about a property, or about the name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// The name is this text.
    #[default]
    Name,
    /// The name fits this pattern; the property is the organization that asks.
    Wild,
    /// The property is a string with this text, or a number or boolean with this JSON text.
    Text,
    /// The property is a number or boolean with this JSON text.
    Literal,
    /// The property is there and not null.
    Present,
    /// The property is null.
    Null,
}

/// Folds a hash to 32 bits.
#[inline]
pub(super) fn fold(hash: u64) -> u32 {
    (hash ^ (hash >> 32)) as u32
}

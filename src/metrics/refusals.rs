//! Refusals of access, counted by reason and by API: the labels are these words and no others,
//! whatever clients send.

use super::Metric;

/// Declares an enum whose variants are the values of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of declaration.
            pub const EVERY: &'static [Self] = &[$(Self::$variant),+];

            /// Returns its word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

label! {
    /// The reason of a refusal.
    RefusalKind {
        /// The user's name or password is wrong.
        Password = "password",
        /// The API token or login token is not known.
        Token = "token",
        /// The credentials are missing, malformed or contradictory.
        Credentials = "credentials",
        /// Too many wrong passwords came from the client's address.
        Blocked = "blocked",
        /// Too many passwords wait to be checked.
        Busy = "busy",
        /// The client is known, and lacks the grant.
        Grant = "grant",
        /// A page of another origin.
        Origin = "origin",
    }
}

label! {
    /// The API of the request.
    Api {
        /// The sessions dialect.
        Sessions = "sessions",
        /// The sysadm dialect.
        Sysadm = "sysadm",
        /// The live dialect.
        Live = "live",
        /// The stream dialect.
        Stream = "stream",
        /// The pubsub dialect.
        Pubsub = "pubsub",
    }
}

const KINDS: usize = RefusalKind::EVERY.len();
const APIS: usize = Api::EVERY.len();

/// One counter for each pair of labels.
#[derive(Debug, Default)]
pub struct Refusals([[Metric; APIS]; KINDS]);

impl Refusals {
    /// The counter of a pair.
    pub const fn of(&self, kind: RefusalKind, api: Api) -> &Metric {
        &self.0[kind as usize][api as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_counted_apart() {
        let refusals = Refusals::default();
        let mut count = 0;
        for (place, &kind) in RefusalKind::EVERY.iter().enumerate() {
            assert_eq!(kind as usize, place);
            for &api in Api::EVERY {
                count += 1;
                refusals.of(kind, api).add(count);
                assert_eq!(refusals.of(kind, api).value(), count);
            }
        }
        assert_eq!(refusals.of(RefusalKind::Origin, Api::Pubsub).value(), count);
    }
}

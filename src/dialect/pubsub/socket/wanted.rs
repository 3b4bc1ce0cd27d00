//! Which events a room's client hears: names, to the letter.
//!
//! A value, shared by the room and by what was last rendered for it: a change makes a new one. So
//! rooms that want the same share one rendering.

use std::sync::Arc;

use super::reply::{Code, Error};
use crate::hub::Event;
use crate::limits::PUBSUB_NAMES_MAX;

/// What a name takes beside its bytes: its counts and its place in the list.
const NAME_OVERHEAD: usize = 32;

/// Which events a room's client wants to hear, by their exact names: at least one, each once,
/// sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    names: Vec<Arc<str>>,
    /// What they take in all.
    bytes: usize,
}

impl Wanted {
    fn new(names: Vec<Arc<str>>) -> Self {
        let bytes = names.iter().map(|name| name.len() + NAME_OVERHEAD).sum();
        Self { names, bytes }
    }

    /// About how many bytes they take.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event is one of these.
    pub fn has(&self, event: &Event) -> bool {
        let name = event.name.to_text();
        self.names
            .binary_search_by(|one| (**one).cmp(&*name))
            .is_ok()
    }

    /// All of them.
    pub(super) fn names(&self) -> impl Iterator<Item = Box<str>> {
        self.names.iter().map(|name| Box::from(&**name))
    }

    /// These and others; refused if they are more than [`PUBSUB_NAMES_MAX`].
    pub(super) fn with(&self, names: &[Arc<str>]) -> Result<Self, Error> {
        let mut all = [&self.names, names].concat();
        all.sort_unstable();
        all.dedup();
        if all.len() > PUBSUB_NAMES_MAX {
            let message = format!("{PUBSUB_NAMES_MAX} event names of one socket at most");
            return Err(Error::new(Code::TooMany, message));
        }
        Ok(Self::new(all))
    }

    /// These without some; `None` if nothing is left.
    pub(super) fn without(&self, names: &[Arc<str>]) -> Option<Self> {
        let kept = self.names.iter().filter(|one| !names.contains(one));
        let kept: Vec<Arc<str>> = kept.cloned().collect();
        (!kept.is_empty()).then(|| Self::new(kept))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::dialect::testing::event;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn names_match_to_the_letter() {
        let wanted = Wanted::default().with(&names(&["b", "a*", "7", r#"{"x":1}"#]));
        let wanted = wanted.unwrap();
        for name in [
            r#""b""#,
            r#""\u0062""#,
            r#""a*""#,
            "7",
            r#""7""#,
            r#"{"x" : 1}"#,
        ] {
            assert!(wanted.has(&event(name, "{}")), "{name}");
        }
        for name in [r#""B""#, r#""ab""#, r#""""#, r#""bb""#, "7.0", "null"] {
            assert!(!wanted.has(&event(name, "{}")), "{name}");
        }
    }

    #[test]
    fn names_are_counted_once_each() {
        let many: Vec<Arc<str>> = (0..PUBSUB_NAMES_MAX)
            .map(|i| i.to_string().into())
            .collect();
        let full = Wanted::default().with(&many).unwrap();
        assert_eq!(full.with(&many).unwrap(), full);
        let error = full.with(&names(&["x"])).unwrap_err();
        assert_eq!(error.code, Code::TooMany);
        let client = full.without(&names(&["0"])).unwrap();
        assert!(client.with(&names(&["x", "x"])).is_ok());
        assert_eq!(full.without(&many), None);
    }

    proptest! {
        #[test]
        fn changes_are_those_of_a_set(
            changes in proptest::collection::vec((any::<bool>(), proptest::collection::vec("[a-e]", 0..4)), 0..12)
        ) {
            let (mut naive, mut wanted) = (BTreeSet::new(), None::<Wanted>);
            for (adds, some) in changes {
                let some: Vec<Arc<str>> = some.into_iter().map(Arc::from).collect();
                let former = wanted.take().unwrap_or_default();
                if adds {
                    wanted = Some(former.with(&some).unwrap());
                    naive.extend(some);
                } else {
                    wanted = former.without(&some);
                    naive.retain(|name| !some.contains(name));
                }
                for letter in ["a", "b", "c", "d", "e", "f"] {
                    let heard = wanted.as_ref().is_some_and(|wanted| {
                        wanted.has(&event(&format!("\"{letter}\""), "1"))
                    });
                    prop_assert_eq!(heard, naive.contains(letter));
                }
            }
        }
    }
}

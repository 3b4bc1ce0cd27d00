//! The names of choices: what the command line calls them, tables call them, too.

use clap::ValueEnum;

/// A choice with a name.
pub(crate) trait Named: ValueEnum {
    /// The word for it on the command line and in tables.
    fn name(&self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl<T: ValueEnum> Named for T {}

/// The choices that were made, or all there are if none was.
pub(crate) fn or_all<T: ValueEnum>(chosen: &[T]) -> &[T] {
    if chosen.is_empty() {
        T::value_variants()
    } else {
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn a_choice_is_named_as_it_is_made() {
        assert_eq!(Kind::Websocket.name(), "websocket");
        assert_eq!(Kind::from_str("sse", false), Ok(Kind::Sse));
        assert_eq!(or_all(&[Kind::Live]), [Kind::Live]);
        assert_eq!(or_all::<Kind>(&[]).len(), 5);
    }
}

//! Enums whose variants are words in the configuration, words that were nearly right, and words in
//! quotes.

/// An enum whose variants are words in the configuration; declared by `words!`.
pub trait Words: Copy + 'static {
    /// Every word, in the order to show them.
    const WORDS: &'static [&'static str];

    /// The word for this value.
    fn as_str(self) -> &'static str;

    /// The value for a word; `None` for anything not in [`WORDS`](Self::WORDS).
    fn parse(word: &str) -> Option<Self>;
}

/// Declares an enum whose variants are words in the configuration.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $crate::config::Words for $name {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;

/// The known word that differs from a mistyped one by a slip or two: a letter more, less or wrong,
/// or two that changed places.
pub(super) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// What is longer than any word of ours is not compared.
    const BYTES_MAX: usize = 160;
    if word.len() > BYTES_MAX {
        return None;
    }
    let slips_max = if word.chars().count() <= 4 { 1 } else { 2 };
    known
        .iter()
        .map(|known| (strsim::osa_distance(word, known), *known))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, known)| known)
}

/// A text as a basic string of TOML. Texts have no control characters, so two characters are
/// escaped.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Texts as an array of TOML.
pub(super) fn quote_all(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}

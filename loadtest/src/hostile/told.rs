//! What a server said to attackers: answers, refusals in its own words, and how connections ended.
//!
//! Words are counted, and bounded: an error may quote what it refuses.

use std::collections::BTreeMap;

/// Different words that are kept of each sort; more are counted as others.
const WORDS_MAX: usize = 32;
/// Longest word that is kept.
const WORD_CHARS_MAX: usize = 110;
/// What all beyond those are counted as.
const OTHERS: &str = "others";
/// Words that a sentence has room for.
const WORDS_SHOWN: usize = 3;

/// Words, and how often each was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    counts: BTreeMap<String, u64>,
    /// The first one ever.
    first: Option<String>,
}

impl Words {
    /// Counts a word.
    pub(crate) fn add(&mut self, word: &str) {
        self.add_many(&tidy(word), 1);
    }

    /// Counts what somebody else has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some(first) = &other.first {
            self.first.get_or_insert_with(|| first.clone());
        }
        for (word, count) in &other.counts {
            self.add_many(word, *count);
        }
    }

    fn add_many(&mut self, word: &str, count: u64) {
        self.first.get_or_insert_with(|| word.to_owned());
        let has_room = self.counts.len() < WORDS_MAX || self.counts.contains_key(word);
        let word = if has_room { word } else { OTHERS };
        *self.counts.entry(word.to_owned()).or_default() += count;
    }

    /// How often anything was said.
    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The first word.
    pub(crate) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// The most frequent words.
    pub(crate) fn sentence(&self) -> String {
        let mut words: Vec<(&String, &u64)> = self.counts.iter().collect();
        words.sort_by_key(|(word, count)| (std::cmp::Reverse(**count), *word));
        if words.is_empty() {
            return "never".to_owned();
        }
        let shown = words.iter().take(WORDS_SHOWN);
        let mut shown: Vec<String> = shown
            .map(|(word, count)| format!("{count} x {word}"))
            .collect();
        if words.len() > WORDS_SHOWN {
            shown.push(format!("{} sorts more", words.len() - WORDS_SHOWN));
        }
        shown.join("; ")
    }
}

/// One line, not too long.
fn tidy(word: &str) -> String {
    let line = word.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(WORD_CHARS_MAX).collect()
}

/// All that attackers were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Connections that were accepted for what they came for: a handshake, a stream that opened.
    pub(crate) opened: u64,
    /// Whatever was answered and is not a refusal.
    pub(crate) answers: u64,
    /// Errors.
    pub(crate) refusals: Words,
    /// Connections that the server ended, or that broke.
    pub(crate) endings: Words,
}

impl Told {
    /// Counts an answer of HTTP by its status; what refuses is a refusal in the server's words.
    pub(crate) fn answer(&mut self, status: u16, body: &[u8]) {
        if status < 400 {
            self.answers += 1;
        } else {
            let text = String::from_utf8_lossy(body);
            self.refusals.add(&format!("{status} {text}"));
        }
    }

    /// By what an attacker was stopped: the first refusal, or else the first ending.
    pub(crate) fn first_refusal(&self) -> Option<&str> {
        self.refusals.first().or(self.endings.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_kept_and_the_most_frequent_is_told_first() {
        let mut told = Told::default();
        assert_eq!(told.first_refusal(), None);
        told.endings.add("closed");
        assert_eq!(told.first_refusal(), Some("closed"));
        told.answer(503, b"{\"busy\":\n true}");
        told.answer(200, b"");
        for _ in 0..2 {
            told.answer(429, b"slow down");
        }
        assert_eq!(told.first_refusal(), Some("503 {\"busy\": true}"));
        assert_eq!((told.answers, told.refusals.total()), (1, 3));
        assert_eq!(
            told.refusals.sentence(),
            "2 x 429 slow down; 1 x 503 {\"busy\": true}"
        );
        assert_eq!(Words::default().sentence(), "never");
    }

    #[test]
    fn words_are_bounded_in_number_and_length() {
        let mut words = Words::default();
        for number in 0..1_000 {
            words.add(&format!("{number:0>500}"));
        }
        for number in 0..1_000 {
            words.add(&format!("{number} is unknown"));
        }
        assert_eq!(words.total(), 2_000);
        assert!(words.counts.len() <= WORDS_MAX + 1);
        let mut merged = Words::default();
        merged.merge(&words);
        assert_eq!((merged.total(), merged.first()), (2_000, words.first()));
        assert!(words.counts.keys().all(|word| word.len() <= WORD_CHARS_MAX));
    }
}

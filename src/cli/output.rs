//! The output of `tail`: lines for a person's terminal, JSON lines for the next program.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::event_stream::StreamEvent;

/// The name of the event that announces a gap.
const GAP_NAME: &str = "fanfare:gap";

/// A gap that the server announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Events `from` to `to`, both included, are no longer retained.
    Missing {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// The log began a new life; the events before it are unknown.
    Reset,
}

/// Returns the gap that an event announces, if any.
pub(super) fn gap_of(event: &StreamEvent) -> Option<Gap> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Data {
        Missing { from: u64, to: u64 },
        Reset { reset: bool },
    }
    if event.name.as_deref() != Some(GAP_NAME) {
        return None;
    }
    match serde_json::from_str(&event.data).ok()? {
        Data::Missing { from, to } => Some(Gap::Missing { from, to }),
        Data::Reset { reset } => reset.then_some(Gap::Reset),
    }
}

/// The form of written events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object a line.
    Lines,
    /// Number, type and data for a person, in colours or without.
    Terminal {
        /// Whether the terminal shows colours.
        colours: bool,
    },
}

/// Writes one event.
pub(super) fn write_event(out: &mut impl Write, form: Form, event: &StreamEvent) -> io::Result<()> {
    let number = number_of(&event.id);
    match form {
        Form::Lines => {
            let number = number.map_or_else(|| "null".to_owned(), |number| number.to_string());
            let name = serde_json::to_string(&event.name)?;
            let data = one_line_json(&event.data);
            writeln!(out, r#"{{"number":{number},"type":{name},"data":{data}}}"#)
        }
        Form::Terminal { colours } => {
            let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let name = visible(event.name.as_deref().unwrap_or("-"));
            let data = visible(&event.data);
            if colours {
                writeln!(
                    out,
                    "\x1b[33m{number:>6}\x1b[0m \x1b[1;36m{name}\x1b[0m {data}"
                )
            } else {
                writeln!(out, "{number:>6} {name} {data}")
            }
        }
    }
}

/// Writes a gap.
pub(super) fn write_gap(out: &mut impl Write, form: Form, gap: Gap) -> io::Result<()> {
    match (form, gap) {
        (Form::Lines, Gap::Missing { from, to }) => {
            writeln!(out, r#"{{"gap":{{"from":{from},"to":{to}}}}}"#)
        }
        (Form::Lines, Gap::Reset) => writeln!(out, r#"{{"gap":{{"reset":true}}}}"#),
        (Form::Terminal { colours }, gap) => {
            let (begin, end) = if colours {
                ("\x1b[1;41m", "\x1b[0m")
            } else {
                ("", "")
            };
            writeln!(out, "{begin} GAP: {} {end}", describe(gap))
        }
    }
}

/// A gap in words.
pub(super) fn describe(gap: Gap) -> String {
    match gap {
        Gap::Missing { from, to } if from == to => {
            format!("event {from} is no longer retained")
        }
        Gap::Missing { from, to } => format!("events {from} to {to} are no longer retained"),
        Gap::Reset => "the log began anew; events before this point are lost".to_owned(),
    }
}

/// The number in an id of the form `<epoch>:<number>`.
fn number_of(id: &str) -> Option<u64> {
    id.rsplit_once(':')?.1.parse().ok()
}

/// JSON as one line; text that is not JSON becomes a JSON string.
fn one_line_json(data: &str) -> String {
    match serde_json::from_str::<&RawValue>(data) {
        // RFC 8259 §7: inside strings line breaks are escaped, so these are insignificant space.
        Ok(json) => json.get().replace(['\r', '\n'], " "),
        Err(_) => serde_json::Value::from(data).to_string(),
    }
}

/// Text with its control characters written out: publishers must not speak to our terminal.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(' '),
            c if c.is_control() || is_bidirectional_control(c) => {
                // Writing to a String does not fail.
                let _ = write!(shown, "{}", c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Characters that reorder the rest of a terminal's line (UAX #9 §2).
fn is_bidirectional_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: Option<&str>, data: &str, id: &str) -> StreamEvent {
        StreamEvent {
            name: name.map(str::to_owned),
            data: data.to_owned(),
            id: id.to_owned(),
        }
    }

    fn written(form: Form, event: &StreamEvent) -> String {
        let mut out = Vec::new();
        match gap_of(event) {
            Some(gap) => write_gap(&mut out, form, gap),
            None => write_event(&mut out, form, event),
        }
        .expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn lines_are_json_with_the_data_as_sent() {
        let lines = |event| written(Form::Lines, &event);
        let status = event(Some("status"), "{\"a\": 1.50}", "ab:7");
        let expected = "{\"number\":7,\"type\":\"status\",\"data\":{\"a\": 1.50}}\n";
        assert_eq!(lines(status), expected);
        let odd = event(None, "[1,\n\"a\"]", "");
        assert_eq!(
            lines(odd),
            "{\"number\":null,\"type\":null,\"data\":[1, \"a\"]}\n"
        );
        let not_json = event(Some("a\"b"), "oops", "x");
        assert_eq!(
            lines(not_json),
            "{\"number\":null,\"type\":\"a\\\"b\",\"data\":\"oops\"}\n"
        );
        let gap = event(Some(GAP_NAME), r#"{"from":3,"to":9}"#, "");
        assert_eq!(lines(gap), "{\"gap\":{\"from\":3,\"to\":9}}\n");
        let reset = event(Some(GAP_NAME), r#"{"reset":true}"#, "");
        assert_eq!(lines(reset), "{\"gap\":{\"reset\":true}}\n");
    }

    #[test]
    fn a_terminal_shows_colours_and_gaps_loudly() {
        let plain = Form::Terminal { colours: false };
        let colours = Form::Terminal { colours: true };
        let status = event(Some("status"), "1", "ab:7");
        assert_eq!(written(plain, &status), "     7 status 1\n");
        let expected = "\x1b[33m     7\x1b[0m \x1b[1;36mstatus\x1b[0m 1\n";
        assert_eq!(written(colours, &status), expected);
        let gap = event(Some(GAP_NAME), r#"{"from":3,"to":9}"#, "");
        assert_eq!(
            written(plain, &gap),
            " GAP: events 3 to 9 are no longer retained \n"
        );
        assert!(written(colours, &gap).starts_with("\x1b[1;41m GAP: "));
    }

    #[test]
    fn a_terminal_is_not_spoken_to() {
        let hostile = event(Some("\u{1b}]0;x\u{7}"), "\"\u{9b}31m\u{202e}\"\n1", "ab:7");
        let shown = written(Form::Terminal { colours: false }, &hostile);
        assert_eq!(
            shown,
            "     7 \\u{1b}]0;x\\u{7} \"\\u{9b}31m\\u{202e}\" 1\n"
        );
    }

    #[test]
    fn what_is_not_a_gap_is_an_event() {
        assert_eq!(gap_of(&event(Some("other"), r#"{"reset":true}"#, "")), None);
        assert_eq!(
            gap_of(&event(Some(GAP_NAME), r#"{"reset":false}"#, "")),
            None
        );
        assert_eq!(gap_of(&event(Some(GAP_NAME), "7", "")), None);
    }
}

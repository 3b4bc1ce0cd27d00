//! Events in this dialect's form:
//! `{"args":<payload>,"id":"","name":"<class>","namespace":"events"}`.

use memchr::memmem;

use super::Sysadm;
use crate::dialect::put_event_name;
use crate::hub::Event;
use crate::json;

/// What the numbers of a priority mean, by number.
const PRIORITIES: [&str; 11] = [
    "\"0 - Information\"",
    "\"1 - Information\"",
    "\"2 - Information\"",
    "\"3 - Warning\"",
    "\"4 - Warning\"",
    "\"5 - Warning\"",
    "\"6 - Critical\"",
    "\"7 - Critical\"",
    "\"8 - Critical\"",
    "\"9 - Urgent\"",
    "\"10 - Urgent\"",
];

impl Sysadm {
    /// Appends an event as JSON text.
    pub fn render(&self, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"args\":");
        put_args(out, &event.payload);
        out.extend_from_slice(b",\"id\":\"\",\"name\":");
        put_event_name(out, &event.name);
        out.extend_from_slice(b",\"namespace\":\"events\"}");
    }

    /// The news that events were dropped, as JSON text.
    pub fn render_dropped(&self, count: u64) -> String {
        format!(
            "{{\"args\":{{\"count\":\"{count}\"}},\"id\":\"\",\"name\":\"dropped\",\
             \"namespace\":\"fanfare\"}}"
        )
    }
}

/// Appends the payload as it is, but with a priority that is a number spelled out.
fn put_args(out: &mut Vec<u8>, payload: &[u8]) {
    let mut copied = 0;
    // Most payloads have no priority, which is seen without walking them. A name with an escape may
    // be any name.
    let may_have_priority =
        memmem::find(payload, b"priority").is_some() || memchr::memchr(b'\\', payload).is_some();
    if may_have_priority {
        for field in json::fields(payload) {
            if let Some(spelled) = spell_priority(field.value)
                && json::text(field.key) == "priority"
            {
                let at = field.value.as_ptr() as usize - payload.as_ptr() as usize;
                out.extend_from_slice(&payload[copied..at]);
                out.extend_from_slice(spelled.as_bytes());
                copied = at + field.value.len();
            }
        }
    }
    out.extend_from_slice(&payload[copied..]);
}

/// The text for an integer from 0 to 10.
fn spell_priority(value: &[u8]) -> Option<&'static str> {
    let number = match value {
        [digit @ b'0'..=b'9'] => usize::from(digit - b'0'),
        b"10" => 10,
        _ => return None,
    };
    PRIORITIES.get(number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn args(payload: &str) -> String {
        let mut out = Vec::new();
        put_args(&mut out, payload.as_bytes());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_priority_is_spelled_out() {
        let words = [
            (0..=2, "Information"),
            (3..=5, "Warning"),
            (6..=8, "Critical"),
            (9..=10, "Urgent"),
        ];
        for (numbers, word) in words {
            for number in numbers {
                let payload = format!("{{ \"a\" : 1, \"priority\" : {number} , \"b\":[2]}} ");
                let spelled =
                    format!("{{ \"a\" : 1, \"priority\" : \"{number} - {word}\" , \"b\":[2]}} ");
                assert_eq!(args(&payload), spelled);
            }
        }
        let escaped = args(r#"{"\u0070riority":4}"#);
        assert_eq!(escaped, r#"{"\u0070riority":"4 - Warning"}"#);
        let twice = args(r#"{"priority":4,"priority":5}"#);
        assert_eq!(
            twice,
            r#"{"priority":"4 - Warning","priority":"5 - Warning"}"#
        );
    }

    #[test]
    fn anything_else_is_left_as_it_is() {
        let payloads = [
            r#"{"priority":"4 - Warning"}"#,
            r#"{"priority":11}"#,
            r#"{"priority":-1}"#,
            r#"{"priority":4.0}"#,
            r#"{"priority":null}"#,
            r#"{"Priority":4}"#,
            r#"{"x":{"priority":4}}"#,
            r#"[{"priority":4}]"#,
            r#""priority""#,
            "4",
            " null ",
        ];
        for payload in payloads {
            assert_eq!(args(payload), payload);
        }
    }

    proptest! {
        #[test]
        fn only_priorities_change(fields in prop::collection::vec(
            (
                prop::sample::select(vec!["a", "priority", "\\u0070riority", "Priority", ""]),
                prop::sample::select(vec!["4", "10", "11", "4.0", "\"}\\\"{\"", "{\"priority\":4}", "[]"]),
                "[ \n]{0,2}",
            ),
            0..6,
        )) {
            // The same text twice, once with each priority as it should become.
            let text = |spell: bool| {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(key, value, space)| {
                        let value = match *value {
                            "4" if spell && key.ends_with("riority") && *key != "Priority" => {
                                "\"4 - Warning\""
                            }
                            "10" if spell && key.ends_with("riority") && *key != "Priority" => {
                                "\"10 - Urgent\""
                            }
                            other => other,
                        };
                        format!("{space}\"{key}\"{space}:{space}{value}{space}")
                    })
                    .collect();
                format!("{{{}}}", fields.join(","))
            };
            prop_assert_eq!(args(&text(false)), text(true));
        }
    }
}

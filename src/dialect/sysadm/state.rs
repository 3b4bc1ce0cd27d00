//! The node's own `system-state`: what its payload says, as text throughout.
//!
//! The original's clients show these fields as they are, so units are part of the text where they
//! are not in the name.

use std::fmt::Write as _;

use crate::dialect::NodeReport;
use crate::hub::{Draft, EventName};

/// The name of the event.
const SYSTEM_STATE: &str = "system-state";

/// The event.
pub(super) fn report(report: &NodeReport) -> Draft {
    Draft {
        name: EventName::from_text(SYSTEM_STATE),
        payload: to_json(report).into(),
        metadata: None,
        origin: None,
        correlation: None,
    }
}

/// How serious this is, 0–10: a machine with more to do than processors, or little memory left, is
/// a warning, and critical at twice that.
fn priority(report: &NodeReport) -> u8 {
    let busy = report.load[0] / report.processors.max(1) as f64;
    let (all, available) = report.memory;
    // A machine that says nothing about its memory is not said to be short of it.
    let left = if all == 0 {
        1.0
    } else {
        available as f64 / all as f64
    };
    if busy >= 2.0 || left < 0.05 {
        6
    } else if busy >= 1.0 || left < 0.1 {
        3
    } else {
        1
    }
}

/// The payload as JSON text: keys in alphabetical order, all values strings.
fn to_json(report: &NodeReport) -> String {
    let [one, five, fifteen] = report.load;
    let (all, available) = report.memory;
    let fields = [
        ("connections", report.connections.to_string()),
        (
            "events_per_second",
            format!("{:.1}", report.events_per_second),
        ),
        ("hostname", report.hostname.to_string()),
        ("load", format!("{one:.2} {five:.2} {fifteen:.2}")),
        ("memory_available_bytes", available.to_string()),
        ("memory_bytes", all.to_string()),
        ("priority", priority_text(priority(report)).to_owned()),
        ("uptime_seconds", report.uptime.as_secs().to_string()),
    ];
    let mut json = String::from("{");
    for (name, value) in fields {
        let comma = if json.len() > 1 { "," } else { "" };
        let value = serde_json::Value::from(value);
        // Writing to a `String` cannot fail.
        let _ = write!(json, "{comma}\"{name}\":{value}");
    }
    json.push('}');
    json
}

/// A priority of 0–10 as the dialect writes it; above that, as 10.
pub(super) fn priority_text(priority: u8) -> &'static str {
    const TEXTS: [&str; 11] = [
        "0 - Information",
        "1 - Information",
        "2 - Information",
        "3 - Warning",
        "4 - Warning",
        "5 - Warning",
        "6 - Critical",
        "7 - Critical",
        "8 - Critical",
        "9 - Urgent",
        "10 - Urgent",
    ];
    TEXTS[usize::from(priority).min(10)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn calm() -> NodeReport {
        NodeReport {
            hostname: "a\"b".into(),
            uptime: Duration::from_millis(61_900),
            load: [0.5, 0.25, 0.125],
            processors: 2,
            memory: (1_000, 900),
            connections: 7,
            events_per_second: 1.25,
        }
    }

    #[test]
    fn every_value_is_text_and_keys_are_in_order() {
        let json = to_json(&calm());
        let parsed: serde_json::Value = serde_json::from_str(&json).expect("valid");
        let fields = parsed.as_object().expect("an object");
        assert!(fields.values().all(serde_json::Value::is_string), "{json}");
        assert_eq!(parsed["hostname"], "a\"b");
        assert_eq!(parsed["priority"], "1 - Information");
        assert_eq!(parsed["uptime_seconds"], "61");
        // Serialized anew, keys are sorted: the text has them in that order already.
        assert_eq!(parsed.to_string(), json);
    }

    #[test]
    fn a_machine_in_trouble_says_so() {
        let changed = |change: fn(&mut NodeReport)| {
            let mut state = calm();
            change(&mut state);
            priority(&state)
        };
        assert_eq!(changed(|_| {}), 1);
        assert_eq!(changed(|state| state.load[0] = 2.0), 3);
        assert_eq!(changed(|state| state.load[0] = 4.0), 6);
        assert_eq!(changed(|state| state.memory.1 = 99), 3);
        assert_eq!(changed(|state| state.memory.1 = 49), 6);
        assert_eq!(changed(|state| state.memory = (0, 0)), 1);
    }
}

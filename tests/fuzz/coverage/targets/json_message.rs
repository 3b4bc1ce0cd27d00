//! Messages in JSON: what is taken serde takes, too, and every value in it can be read.
#![no_main]

use fanfare::json::{Message, Value};
use libfuzzer_sys::fuzz_target;

fn read(value: Value<'_>) -> usize {
    let mut values = 1 + value.as_str().map_or(0, str::len);
    for element in value.as_array().into_iter().flatten() {
        values += read(element);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        values += name.len() + read(member);
    }
    values
}

fuzz_target!(|json: &[u8]| {
    if let Ok(message) = Message::parse(json) {
        assert!(read(message.value()) > 0);
        let other = serde_json::from_slice::<serde::de::IgnoredAny>(json);
        assert!(other.is_ok(), "{other:?}");
    }
});

//! Heads of HTTP/1.1: what is refused or whole is so at once, and more bytes change nothing.
#![no_main]

use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{Scratch, parse_head};
use libfuzzer_sys::fuzz_target;

/// Bytes of the head, if it is whole; `None` if it is refused.
fn outcome(bytes: &[u8]) -> Parsed<Option<usize>> {
    match parse_head(bytes, &mut Scratch::new()) {
        Ok(Parsed::Complete(_, used)) => Parsed::Complete(Some(used), used),
        Ok(Parsed::Partial) => Parsed::Partial,
        Err(_) => Parsed::Complete(None, 0),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut decided = None;
    for end in 0..=bytes.len().min(512) {
        match (outcome(&bytes[..end]), decided) {
            (Parsed::Complete(now, _), None) => decided = Some(now),
            (Parsed::Complete(now, _), Some(then)) => assert_eq!(now, then, "at {end}"),
            (Parsed::Partial, None) => {}
            (Parsed::Partial, Some(then)) => panic!("{then:?}, and partial at {end}"),
        }
    }
});

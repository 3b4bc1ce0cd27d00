//! Durations and byte sizes as people write them, in both directions, and addresses.
//!
//! Whole numbers with a unit only: fractions would round, and a bare `K` means two things.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Milliseconds in each unit, largest first.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Bytes in each unit, largest binary first: these are the ones that are written.
const BYTES_UNITS: [(&str, usize); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Reads `"1500ms"`, `"60s"`, `"5m"`, `"1h"`, `"2d"`, or whole seconds without a unit.
///
/// `None` for anything else, also for what does not fit 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (digits, unit) = split_unit(text)?;
    let count: u64 = digits.parse().ok()?;
    let scale = match unit {
        "" => 1_000,
        _ => DURATION_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    count.checked_mul(scale).map(Duration::from_millis)
}

/// Reads `"8MiB"`, `"64KB"`, `"512B"`, or whole bytes without a unit; units in any case.
///
/// `None` for anything else, also for what does not fit the address space.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let (digits, unit) = split_unit(text)?;
    let count: usize = digits.parse().ok()?;
    let scale = match unit {
        "" => 1,
        _ => {
            BYTES_UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))?
                .1
        }
    };
    count.checked_mul(scale)
}

/// Reads `"127.0.0.1:7400"`, `"[::1]:7400"`, or `"localhost:7400"`, which is always the former (RFC
/// 6761 §6.3). Other names mean something to a resolver only.
pub fn parse_address(text: &str) -> Option<SocketAddr> {
    let named = || {
        let (host, port) = text.rsplit_once(':')?;
        let is_local = host.eq_ignore_ascii_case("localhost");
        let port = port.parse().ok().filter(|_| is_local)?;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    text.parse().ok().or_else(named)
}

/// Writes what [`parse_duration`] reads back, in the largest unit that is exact.
pub(super) fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, scale) = DURATION_UNITS
        .into_iter()
        .find(|(_, scale)| millis >= *scale && millis.is_multiple_of(*scale))
        .unwrap_or(("ms", 1));
    format!("{}{unit}", millis / scale)
}

/// Writes what [`parse_bytes`] reads back, in the largest binary unit that is exact.
pub(super) fn format_bytes(bytes: usize) -> String {
    let (unit, scale) = BYTES_UNITS
        .into_iter()
        .take(3)
        .find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale))
        .unwrap_or(("B", 1));
    format!("{}{unit}", bytes / scale)
}

/// Splits `12 MiB` into digits and unit; at least one digit, at most one space between.
fn split_unit(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let dangling_space = unit.is_empty() && !rest.is_empty();
    (!digits.is_empty() && !dangling_space).then_some((digits, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let millis = |text| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(millis("1500ms"), Some(1_500));
        assert_eq!(millis("60s"), Some(60_000));
        assert_eq!(millis("5m"), Some(300_000));
        assert_eq!(millis("1h"), Some(3_600_000));
        assert_eq!(millis("2d"), Some(172_800_000));
        assert_eq!(millis("7"), Some(7_000));
        assert_eq!(millis("7 s"), Some(7_000));
        for bad in [
            "",
            " ",
            "s",
            "1.5s",
            "-1s",
            "+1s",
            "1 ",
            "1  s",
            "1S",
            "1min",
            "1s ",
            "9999999999999d",
            "18446744073709551616",
            "1s1",
            "１s",
        ] {
            assert_eq!(millis(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses() {
        let address = |text| parse_address(text).map(|address| address.to_string());
        for (text, expected) in [
            ("127.0.0.1:7400", "127.0.0.1:7400"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:7400", "127.0.0.1:7400"),
            ("LocalHost:1", "127.0.0.1:1"),
        ] {
            assert_eq!(address(text).as_deref(), Some(expected), "{text}");
        }
        for bad in [
            "",
            ":7400",
            "localhost",
            "localhost:",
            "localhost:x",
            "a:1",
            "localhost:70000",
        ] {
            assert_eq!(address(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("8MiB"), Some(8 << 20));
        assert_eq!(parse_bytes("64KB"), Some(64_000));
        assert_eq!(parse_bytes("64kib"), Some(65_536));
        assert_eq!(parse_bytes("3 GB"), Some(3_000_000_000));
        assert_eq!(parse_bytes("0"), Some(0));
        assert_eq!(parse_bytes("512B"), Some(512));
        for bad in [
            "",
            "MiB",
            "1K",
            "1M",
            "1.5MiB",
            "-1",
            "1TiB",
            "99999999999999GiB",
            "1 ",
        ] {
            assert_eq!(parse_bytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn written_in_the_largest_exact_unit() {
        let duration = |text| format_duration(parse_duration(text).expect("a duration"));
        let bytes = |text| format_bytes(parse_bytes(text).expect("a size"));
        assert_eq!(duration("1h"), "1h");
        assert_eq!(duration("60s"), "1m");
        assert_eq!(duration("61s"), "61s");
        assert_eq!(duration("1500ms"), "1500ms");
        assert_eq!(duration("0"), "0ms");
        assert_eq!(bytes("8MiB"), "8MiB");
        assert_eq!(bytes("64KB"), "64000B");
    }

    proptest! {
        #[test]
        fn durations_round_trip(millis in 0..=u64::MAX) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }

        #[test]
        fn sizes_round_trip(bytes in 0..=usize::MAX, shift in 0..64u32) {
            let bytes = bytes >> shift;
            prop_assert_eq!(parse_bytes(&format_bytes(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,12}") {
            let _ = (parse_duration(&text), parse_bytes(&text));
        }
    }
}

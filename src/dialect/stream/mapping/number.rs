//! Doubles as JSON numbers.

use std::io::Write as _;

/// Numbers below this are written without an exponent (ECMA-262, `Number::toString`).
const PLAIN_BELOW: f64 = 1e21;
/// Numbers from this on are written without an exponent.
const PLAIN_FROM: f64 = 1e-6;

/// Appends a finite number in the shortest form that reads back the same: `1`, not `1.0`; very large and
/// very small ones with an exponent, from where JavaScript has one. `-0` stays `-0`.
pub(super) fn put_number(out: &mut Vec<u8>, number: f64) {
    let magnitude = number.abs();
    // Writing to memory cannot fail.
    let _ = if magnitude == 0.0 || (PLAIN_FROM..PLAIN_BELOW).contains(&magnitude) {
        write!(out, "{number}")
    } else {
        write!(out, "{number:e}")
    };
}

/// The double nearest to a JSON number. Beyond the range of doubles it is the largest one of that sign.
pub(super) fn double(json: &[u8]) -> f64 {
    let text = std::str::from_utf8(json).unwrap_or_default();
    let number: f64 = text.parse().unwrap_or_default();
    number.clamp(f64::MIN, f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(number: f64) -> String {
        let mut out = Vec::new();
        put_number(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_as_short_as_can_be() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.1, "0.1"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1e20, "100000000000000000000"),
            (1e21, "1e21"),
            (-1.5e300, "-1.5e300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(written(number), text);
        }
    }

    #[test]
    fn numbers_out_of_range_become_the_largest() {
        assert_eq!(double(b"1e309"), f64::MAX);
        assert_eq!(double(b"-1e999999"), f64::MIN);
        assert_eq!(double(b"1e-999"), 0.0);
        assert_eq!(double("9".repeat(400).as_bytes()), f64::MAX);
        assert!(double(b"-0").is_sign_negative());
        assert_eq!(double(b"1.50"), 1.5);
    }

    proptest! {
        #[test]
        fn numbers_read_back_the_same(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let text = written(number);
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), bits, "{}", &text);
            prop_assert_eq!(double(text.as_bytes()).to_bits(), bits);
            prop_assert!(serde_json::from_str::<serde_json::Number>(&text).is_ok());
            // Not longer than what another prints.
            prop_assert!(text.len() <= number.to_string().len());
        }
    }
}

//! Doubles as JSON numbers.
//!
//! Both ways cost about the same whatever the number is, for a payload may be a hundred thousand of the worst.
//! The standard library's printing of doubles and its reading of many digits fall back, where it is close, to
//! long arithmetic; with large exponents that has a thousand bits, and is a hundred times as slow.

use std::io::Write as _;

/// Numbers below this are written without an exponent (ECMA-262, `Number::toString`).
const PLAIN_BELOW: f64 = 1e21;
/// Numbers from this on are written without an exponent.
const PLAIN_FROM: f64 = 1e-6;

/// Digits that decide quickly which double is nearest: as many as 64 bits hold.
const DIGITS_MAX: usize = 19;
/// Beyond this power of ten, up or down, further digits are costly to heed.
const EXPONENT_MAX: i32 = 40;

/// Appends a finite number in the shortest form that reads back the same: `1`, not `1.0`; very large and
/// very small ones with an exponent, from where JavaScript has one. `-0` stays `-0`.
pub(super) fn put_number(out: &mut Vec<u8>, number: f64) {
    let magnitude = number.abs();
    // Writing to memory cannot fail.
    if magnitude == 0.0 || (PLAIN_FROM..PLAIN_BELOW).contains(&magnitude) {
        let _ = write!(out, "{number}");
        return;
    }
    let begin = out.len();
    let _ = serde_json::to_writer(&mut *out, &number);
    // It signs exponents, which is a byte more than needed.
    if let Some(plus) = memchr::memchr(b'+', &out[begin..]) {
        out.remove(begin + plus);
    }
}

/// The digits of a positive number, without zeros around them, and how many stand before the point; less
/// than none if zeros follow it.
fn decimal(text: &[u8]) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = split_exponent(text);
    let before = memchr::memchr(b'.', mantissa).unwrap_or(mantissa.len());
    let mut digits: Vec<u8> = mantissa
        .iter()
        .copied()
        .filter(u8::is_ascii_digit)
        .collect();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.drain(..zeros);
    let used = digits.iter().rposition(|digit| *digit != b'0');
    digits.truncate(used.map_or(0, |last| last + 1));
    let exponent = exponent.unwrap_or_default();
    (digits, exponent + before as i32 - zeros as i32)
}

/// Mantissa and exponent, `None` if it is beyond 32 bits; 0 if there is none.
fn split_exponent(text: &[u8]) -> (&[u8], Option<i32>) {
    match memchr::memchr2(b'e', b'E', text) {
        None => (text, Some(0)),
        Some(at) => {
            let exponent = str::from_utf8(&text[at + 1..]).unwrap_or_default();
            (&text[..at], exponent.parse().ok())
        }
    }
}

/// The double nearest to a JSON number. Beyond the range of doubles it is the largest one of that sign.
///
/// Of a number with an exponent beyond 40, up or down, the first 19 digits count: if there are more, it may be the
/// double beside the nearest one.
pub(super) fn double(json: &[u8]) -> f64 {
    let parsed = |text: &[u8]| -> f64 {
        let text = str::from_utf8(text).unwrap_or_default();
        text.parse().unwrap_or_default()
    };
    let number = match shortened(json) {
        Some(short) => parsed(&short),
        None => parsed(json),
    };
    number.clamp(f64::MIN, f64::MAX)
}

/// The same number with fewer digits, if all of them would be costly.
fn shortened(json: &[u8]) -> Option<Vec<u8>> {
    if json.len() <= DIGITS_MAX {
        return None;
    }
    let (mantissa, exponent) = split_exponent(json);
    let exponent = exponent.filter(|exponent| exponent.unsigned_abs() > EXPONENT_MAX as u32)?;
    let positive = mantissa.strip_prefix(b"-").unwrap_or(mantissa);
    let (mut digits, point) = decimal(positive);
    digits.truncate(DIGITS_MAX);
    let point = point
        .checked_add(exponent)?
        .checked_sub(digits.len() as i32)?;
    let sign = if positive.len() < mantissa.len() {
        "-"
    } else {
        ""
    };
    let mut short = Vec::with_capacity(2 * DIGITS_MAX);
    short.extend_from_slice(sign.as_bytes());
    short.extend_from_slice(if digits.is_empty() { b"0" } else { &digits });
    // Writing to memory cannot fail.
    let _ = write!(short, "e{point}");
    Some(short)
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
            (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
            (-123_456_789.125, "-123456789.125"),
            (1.234e15, "1234000000000000"),
            (0.000_123, "0.000123"),
        ] {
            assert_eq!(written(number), text);
        }
    }

    #[test]
    fn numbers_out_of_range_become_the_largest() {
        let digits = "9".repeat(400);
        for (json, number) in [
            ("1e309", f64::MAX),
            ("-1e999999", f64::MIN),
            (&digits, f64::MAX),
            ("1e-999", 0.0),
            ("-1e-999", -0.0),
            ("-0", -0.0),
            ("1.50", 1.5),
            // With more digits than are looked at.
            (&format!("{digits}e41"), f64::MAX),
            (&format!("-0.{digits}e309"), f64::MIN),
            (&format!("0.0{digits}e-400"), 0.0),
            (&format!("-0.{}e99", "0".repeat(30)), -0.0),
            (&format!("1{}e-600", "0".repeat(600)), 1.0),
            (&format!("0.{}1e+600", "0".repeat(599)), 1.0),
            ("1000000000000000000000E2147483647", f64::MAX),
            ("1000000000000000000000e-2147483648", 0.0),
            ("1000000000000000000000e99999999999", f64::MAX),
        ] {
            let read = double(json.as_bytes());
            assert_eq!(read.to_bits(), number.to_bits(), "{json}");
        }
    }

    #[test]
    fn digits_that_would_be_costly_decide_no_more_than_a_neighbour() {
        // Each is as close as can be to the middle between two doubles.
        for json in [
            "1322850120423073908773366e277",
            "4041222936340279541964694e126",
            "3771526340747132640239546e-175",
            "1152177296424501630897162e-325",
        ] {
            let exact: f64 = json.parse().unwrap();
            let read = double(json.as_bytes());
            assert!(exact.to_bits().abs_diff(read.to_bits()) <= 1, "{json}");
            assert!(shortened(json.as_bytes()).is_some_and(|short| short.len() < json.len()));
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(
            json in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
        ) {
            let exact = json.parse::<f64>().unwrap().clamp(f64::MIN, f64::MAX);
            let read = double(json.as_bytes());
            prop_assert!(exact.to_bits().abs_diff(read.to_bits()) <= 1, "{} {}", exact, read);
            let few = json.bytes().filter(u8::is_ascii_digit).count() <= 21;
            if few || shortened(json.as_bytes()).is_none() {
                prop_assert_eq!(exact.to_bits(), read.to_bits());
            }
        }

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

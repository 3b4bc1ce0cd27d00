//! Doubles as JSON numbers.
//!
//! Both ways cost about the same whatever the number is, for a payload may be a hundred thousand of
//! the worst. The standard library's printing of doubles and its reading of many digits fall back,
//! where it is close, to long arithmetic, and are ten to fifty times as slow there.

/// Appends a finite number in the shortest form that reads back the same, as JavaScript does
/// (ECMA-262, `Number::toString`): `1`, not `1.0`; very large and very small ones with an exponent.
/// But `-0` stays `-0`, and exponents have no plus sign, which is a byte more than needed.
pub(super) fn put_number(out: &mut Vec<u8>, number: f64) {
    if number == 0.0 && number.is_sign_negative() {
        out.push(b'-');
    }
    let mut buffer = ryu_js::Buffer::new();
    let text = buffer.format_finite(number).as_bytes();
    match memchr::memchr(b'+', text) {
        Some(plus) => {
            out.extend_from_slice(&text[..plus]);
            out.extend_from_slice(&text[plus + 1..]);
        }
        None => out.extend_from_slice(text),
    }
}

/// The double nearest to a JSON number. Beyond the range of doubles it is the largest one of that
/// sign.
pub(super) fn double(json: &[u8]) -> f64 {
    let number: f64 = lexical_core::parse(json).unwrap_or_default();
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
            (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
            (-123_456_789.125, "-123456789.125"),
            (1.234e15, "1234000000000000"),
            (0.000_123, "0.000123"),
            // Two are as near: the even one.
            (1_658_206_780_088_562.2, "1658206780088562.2"),
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
    fn digits_that_are_costly_decide() {
        // Each is as close as can be to the middle between two doubles.
        for json in [
            "1322850120423073908773366e277",
            "4041222936340279541964694e126",
            "3771526340747132640239546e-175",
            "1152177296424501630897162e-325",
        ] {
            assert_eq!(Ok(double(json.as_bytes())), json.parse(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_the_standard_library_reads_them(
            json in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
        ) {
            let exact = json.parse::<f64>().unwrap().clamp(f64::MIN, f64::MAX);
            let read = double(json.as_bytes());
            prop_assert_eq!(exact.to_bits(), read.to_bits());
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

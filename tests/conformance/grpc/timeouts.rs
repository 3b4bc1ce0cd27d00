//! PROTOCOL-HTTP2, "Timeout": at most 8 digits and a unit.

use std::time::Duration;

use fanfare::protocol::grpc::{CallRefusal, Code, Kind, Timeout};
use proptest::prelude::*;
use proptest::sample::select;

use super::read_with;

const UNITS: [(char, u128); 6] = [
    ('H', 3_600_000_000_000),
    ('M', 60_000_000_000),
    ('S', 1_000_000_000),
    ('m', 1_000_000),
    ('u', 1_000),
    ('n', 1),
];

#[test]
fn timeout_omitted_is_infinite() {
    let fields = read_with("te", "trailers").expect("a call");
    assert_eq!(fields.timeout, None);
}

#[test]
fn timeout_units_are_what_they_are() {
    for (unit, nanos) in UNITS {
        for count in [1_u128, 7, 99_999_999] {
            let fields = read_with("grpc-timeout", &format!("{count}{unit}")).expect("a call");
            let timeout = fields.timeout.expect("a timeout");
            assert_eq!(timeout.as_nanos(), count * nanos, "{count}{unit}");
        }
    }
}

/// Clients send it when their deadline has passed: the call is over, but not wrong.
#[test]
fn timeout_of_zero_is_over_at_once() {
    for value in ["0n", "00000000S"] {
        let fields = read_with("grpc-timeout", value).expect("a call");
        assert_eq!(fields.timeout, Some(Duration::ZERO));
    }
}

/// As in grpc-go; grpc/grpc#26401 has the other implementations.
#[test]
fn timeout_malformed_is_internal() {
    for value in [
        "",
        "1",
        "S",
        "123456789n",
        "000000001S",
        "-1S",
        "+1S",
        "1.5S",
        "1 S",
        " 1S",
        "1S ",
        "1s",
        "1h",
        "1U",
        "1N",
        "1ms",
        "0x1S",
        "1e3S",
        "１S",
        "1µ",
        "S1",
        "1SS",
    ] {
        let Err(CallRefusal::Status { answer, status }) = read_with("grpc-timeout", value) else {
            panic!("{value:?} is accepted");
        };
        assert_eq!((answer, status.code), (Kind::Grpc, Code::Internal));
        assert!(status.message.contains("grpc-timeout"));
    }
}

/// The definition, by another way.
fn naive(value: &str) -> Option<u128> {
    let (_, nanos) = UNITS.into_iter().find(|(unit, _)| value.ends_with(*unit))?;
    let digits: Option<Vec<u128>> = value[..value.len() - 1]
        .chars()
        .map(|digit| "0123456789".find(digit).map(|digit| digit as u128))
        .collect();
    let digits = digits.filter(|digits| (1..=8).contains(&digits.len()))?;
    let count = digits.iter().fold(0, |count, digit| count * 10 + digit);
    Some(count * nanos)
}

proptest! {
    #[test]
    fn timeouts_are_what_another_reader_says(
        value in prop_oneof![
            ("[0-9]{0,10}", select(UNITS.to_vec())).prop_map(|(digits, (unit, _))| format!("{digits}{unit}")),
            "[0-9HMSmun. +-]{0,10}",
            any::<String>(),
        ],
    ) {
        let timeout = Timeout::parse(value.as_bytes());
        prop_assert_eq!(timeout.map(|timeout| timeout.0.as_nanos()), naive(&value));
    }
}

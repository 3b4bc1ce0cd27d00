//! A peer's accepted media ranges and their weights (RFC 9110 §12.4.2, §12.5.1).
//!
//! A field that cannot be read is no reason to refuse a request (§12.5.1: it may be disregarded),
//! so an element that is no media range is skipped, and a malformed weight is ignored.

/// Weights are thousandths.
const WEIGHT_MAX: u16 = 1_000;

/// One element of an `Accept` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaRange<'v> {
    /// `type/subtype`, as sent; either may be `*`.
    pub name: &'v [u8],
    /// Whether it asks for more than the type: any parameter but the character set that all of ours
    /// have.
    pub is_narrowed: bool,
    /// In thousandths; 0 is *not acceptable*.
    pub weight: u16,
}

/// The rank of a media type. A greater one is liked better, and of equal weights the more specific
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Liking {
    weight: u16,
    precedence: Precedence,
}

/// How closely a range names a media type (RFC 9110 §12.5.1); a later variant takes precedence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    #[default]
    Unnamed,
    Any,
    AnySubtype,
    Narrowed,
    Exact,
}

/// The media ranges of one field value, in order.
pub fn media_ranges(value: &[u8]) -> impl Iterator<Item = MediaRange<'_>> {
    split_unquoted(value, b',').filter_map(MediaRange::read)
}

/// Whether a peer that sent these `Accept` fields wants `media_type` rather than `usual`, its
/// default. Of two that it likes equally and names equally well, it gets the one that is not usual:
/// that is never named by accident.
pub fn prefers<'v>(
    fields: impl Iterator<Item = &'v [u8]> + Clone,
    media_type: &str,
    usual: &str,
) -> bool {
    let liked = liking(fields.clone(), media_type);
    let is_named = liked.precedence >= Precedence::Narrowed;
    match liked.cmp(&liking(fields, usual)) {
        _ if liked.weight == 0 => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => is_named,
        std::cmp::Ordering::Less => false,
    }
}

/// RFC 9110 §12.5.1: the weight of the most specific range that matches.
fn liking<'v>(fields: impl Iterator<Item = &'v [u8]>, media_type: &str) -> Liking {
    let matching = fields.flat_map(media_ranges).filter_map(|range| {
        let precedence = range.precedence(media_type.as_bytes())?;
        Some((precedence, range.weight))
    });
    matching
        .max()
        .map(|(precedence, weight)| Liking { weight, precedence })
        .unwrap_or_default()
}

impl<'v> MediaRange<'v> {
    fn read(element: &'v [u8]) -> Option<Self> {
        let mut parts = split_unquoted(element, b';').map(<[u8]>::trim_ascii);
        let name = parts.next().filter(|name| name.contains(&b'/'))?;
        let mut range = Self {
            name,
            is_narrowed: false,
            weight: WEIGHT_MAX,
        };
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let at = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
            let (key, value) = parameter.split_at(at);
            let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
            let key = key.trim_ascii();
            if key.eq_ignore_ascii_case(b"q") {
                range.weight = read_weight(value).unwrap_or(WEIGHT_MAX);
                // The rest is about the field, not about the type.
                break;
            }
            range.is_narrowed |= !(key.eq_ignore_ascii_case(b"charset") && is_utf8(value));
        }
        Some(range)
    }

    /// How closely the range names this media type; `None` if it does not match.
    fn precedence(&self, media_type: &[u8]) -> Option<Precedence> {
        if self.name.eq_ignore_ascii_case(media_type) {
            return Some(if self.is_narrowed {
                Precedence::Narrowed
            } else {
                Precedence::Exact
            });
        }
        if self.name == b"*/*" {
            return Some(Precedence::Any);
        }
        let of_range = self.name.strip_suffix(b"/*")?;
        let of_type = &media_type[..memchr::memchr(b'/', media_type)?];
        let matches = of_range.eq_ignore_ascii_case(of_type);
        matches.then_some(Precedence::AnySubtype)
    }
}

fn is_utf8(value: &[u8]) -> bool {
    let bare = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value);
    bare.eq_ignore_ascii_case(b"utf-8")
}

/// `weight = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` (RFC 9110 §12.4.2), with any
/// number of digits.
fn read_weight(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match memchr::memchr(b'.', value) {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, &[][..]),
    };
    let whole = match whole {
        b"0" => 0,
        b"1" => WEIGHT_MAX,
        _ => return None,
    };
    let mut scale = WEIGHT_MAX;
    let mut thousandths = 0;
    for digit in fraction {
        if !digit.is_ascii_digit() {
            return None;
        }
        scale /= 10;
        thousandths += u16::from(digit - b'0') * scale;
    }
    let weight = whole + thousandths;
    (weight <= WEIGHT_MAX).then_some(weight)
}

/// The pieces between separators that do not stand within quotes (RFC 9110 §5.6.4).
fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |&byte| {
        let was_escaped = escaped;
        escaped = quoted && byte == b'\\' && !was_escaped;
        quoted ^= byte == b'"' && !was_escaped;
        byte == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants_events(lines: &[&str]) -> bool {
        let lines = lines.iter().map(|line| line.as_bytes());
        prefers(lines, "text/event-stream", "application/json")
    }

    #[test]
    fn what_is_preferred() {
        for lines in [
            &["text/event-stream"][..],
            &["TEXT/Event-Stream"],
            &["application/json, text/event-stream"],
            &["text/event-stream, application/json"],
            &["application/json", "text/event-stream"],
            &["", "application/json", "*/*;q=0.1 ,text/event-stream"],
            &["text/*"],
            &["text/*, */*"],
            &["*/*", "text/event-stream"],
            &["application/json;q=0.5, text/event-stream"],
            &["application/json;q=0, */*"],
            &["text/event-stream;q=0.001"],
            &["text/event-stream;Q=1.000"],
            &["text/event-stream;charset=UTF-8"],
            &["text/event-stream; charset=\"utf-8\"; q=0.5, */*;q=0.1"],
            &["text/event-stream;level=1"],
            &["x/y;a=\",;\\\"\", text/event-stream"],
            &["text/event-stream;q=high"],
        ] {
            assert!(wants_events(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/json"],
            &["application/*, text/*;q=0.9"],
            &["text/event-stream;q=0"],
            &["text/event-stream ; q=0.000, */*"],
            &["text/event-stream;q=0", "text/*"],
            &["text/event-stream;q=0, text/event-stream;level=1"],
            &["text/event-stream;q=0.5, application/json"],
            &["text/event-stream;q=0.5, */*"],
            &["text/*, application/json"],
            &["text/event-streams, xtext/event-stream"],
            &["x/y;a=\", text/event-stream\""],
            &["text/plain;what=text/event-stream"],
            &["text"],
        ] {
            assert!(!wants_events(lines), "{lines:?}");
        }
    }

    #[test]
    fn weights() {
        for (text, weight) in [
            ("1", Some(1_000)),
            ("1.", Some(1_000)),
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.123", Some(123)),
            ("0.1239", Some(123)),
            ("1.001", None),
            ("2", None),
            ("", None),
            (".5", None),
            ("0.x", None),
            ("-1", None),
        ] {
            assert_eq!(read_weight(text.as_bytes()), weight, "{text:?}");
        }
    }
}

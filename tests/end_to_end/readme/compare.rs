//! Compares what a page shows with what was printed.
//!
//! What is drawn at random or read from a clock (UUIDs, epochs, unix milliseconds, tokens, digests)
//! counts as equal, and `…` stands for any text. JSON may be wrapped as its page likes. How much
//! memory the server takes is no matter. Of the answers that `curl -i` prints, `Date` and the
//! `Access-Control-*` fields may be left out.

use serde_json::{Deserializer, Value};

/// Whether `got` is what is `shown`; if the command still runs, it may have printed more since.
pub(crate) fn is_shown(shown: &str, got: &str, may_go_on: bool) -> bool {
    let (shown, got) = (masked(shown), masked(got));
    if !shown.starts_with("HTTP/") {
        return is_text(&shown, &got, may_go_on);
    }
    let (shown_head, shown_body) = halves(&shown);
    let (got_head, got_body) = halves(&got);
    let mut got_head = got_head.lines().filter(|line| {
        let name = line.to_ascii_lowercase();
        !name.starts_with("date:") && !name.starts_with("access-control-")
    });
    let is_same = shown_head.lines().all(|line| got_head.next() == Some(line));
    is_same && got_head.next().is_none() && is_text(shown_body, got_body, may_go_on)
}

/// Whether a value is what is shown; strings may have `…` in them.
pub(crate) fn is_value(shown: &Value, got: &Value) -> bool {
    match (shown, got) {
        (Value::String(shown), Value::String(got)) => is_like(shown, got),
        (Value::Array(shown), Value::Array(got)) => {
            shown.len() == got.len()
                && shown
                    .iter()
                    .zip(got)
                    .all(|(one, other)| is_value(one, other))
        }
        (Value::Object(shown), Value::Object(got)) => {
            let mut pairs = shown.iter();
            shown.len() == got.len()
                && pairs.all(|(name, one)| {
                    let other = got.get(name);
                    other.is_some_and(|other| *name == "retainedBytes" || is_value(one, other))
                })
        }
        _ => shown == got,
    }
}

/// A value without what was drawn.
pub(crate) fn value(text: &str) -> Value {
    let value = serde_json::from_str(&masked(text));
    value.unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn halves(answer: &str) -> (&str, &str) {
    answer.split_once("\n\n").unwrap_or((answer, ""))
}

fn is_text(shown: &str, got: &str, may_go_on: bool) -> bool {
    if let (Some(shown), Some(got)) = (values(shown), values(got)) {
        let is_as_long = shown.len() == got.len() || may_go_on && shown.len() < got.len();
        return is_as_long
            && shown
                .iter()
                .zip(&got)
                .all(|(one, other)| is_value(one, other));
    }
    let mut got = got.lines();
    let is_same = shown
        .lines()
        .all(|line| got.next().is_some_and(|other| is_like(line, other)));
    is_same && (may_go_on || got.next().is_none())
}

/// The values that a text of nothing but JSON consists of.
fn values(text: &str) -> Option<Vec<Value>> {
    let values = Deserializer::from_str(text).into_iter();
    values.collect::<Result<_, _>>().ok()
}

/// Whether the pieces between the dots of `shown` stand in `got`, in order.
fn is_like(shown: &str, got: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else {
        return shown == got;
    };
    let Some(mut got) = got.strip_prefix(start) else {
        return false;
    };
    let (middle, end) = rest.rsplit_once('…').unwrap_or(("", rest));
    for piece in middle.split('…') {
        let Some(at) = got.find(piece) else {
            return false;
        };
        got = &got[at + piece.len()..];
    }
    got.ends_with(end)
}

/// The text with `0` in place of everything that is another one each time, and without the spaces
/// at the ends of lines.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let mut rest = line.trim_end();
        while !rest.is_empty() {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            masked.push_str(if is_drawn(word) { "0" } else { word });
            let mut others = after.chars();
            masked.extend(others.next());
            rest = others.as_str();
        }
        masked.push('\n');
    }
    masked.trim_end().to_owned()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-$+/…".contains(c)
}

fn is_drawn(word: &str) -> bool {
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    let is_uuid = lengths == [8, 4, 4, 4, 12];
    let is_epoch_or_digest = is_hex && (word.len() == 16 || word.len() == 64);
    let is_time = word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_secret = word.len() == 46 && word.starts_with("ff_");
    // What follows the parameters of a password's hash: its salt and itself.
    let is_hash = word.len() == 68 && word.matches('$').count() == 2;
    let start = word.strip_suffix('…').unwrap_or_default();
    let is_start = start.len() >= 4
        && start
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_start || is_uuid || is_epoch_or_digest || is_time || is_secret || is_hash
}

#[test]
fn what_differs_is_noticed() {
    for (shown, got) in [
        ("{\"a\":1}", "{\"a\":2}"),
        ("{\"a\":1}", "{\"a\":1,\"b\":1}"),
        ("{\"a\":1}\n", "{\"a\":1}\n{\"a\":1}\n"),
        ("one", "one\ntwo"),
        ("a … c", "a b d"),
        (
            "HTTP/1.1 200 OK\nA: 1\n\nx",
            "HTTP/1.1 200 OK\nA: 1\nB: 1\n\nx",
        ),
        ("HTTP/1.1 200 OK\n\nx", "HTTP/1.1 200 OK\n\ny"),
    ] {
        assert!(!is_shown(shown, got, false), "{shown:?} is not {got:?}");
    }
    for (shown, got) in [
        ("{\"a\":\n1}", "{\"a\":1}"),
        (
            "{\"id\":\"01a1fc10-af30-7002-9199-b3ea06e32c78\"}",
            "{\"id\":\"0-0\"}",
        ),
        ("{\"a\":\"b…\"}", "{\"a\":\"bcd\"}"),
        ("{\"id\":\"01a1fc10-…\"}", "{\"id\":\"0-0\"}"),
        ("id: e89788c099a1a592:0", "id: 0123456789abcdef:0"),
        (
            "HTTP/1.1 200 OK\nA: 1\n\nx",
            "HTTP/1.1 200 OK\nDate: now\nA: 1\n\nx",
        ),
    ] {
        let got = got.replace("0-0", "01a1fc10-af30-7002-9199-000000000000");
        assert!(is_shown(shown, &got, false), "{shown:?} is {got:?}");
    }
    assert!(is_shown("one", "one\ntwo", true));
    assert!(is_shown("{}", "{} {}", true));
}

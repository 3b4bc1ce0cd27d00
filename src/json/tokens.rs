//! The tokens of JSON text that is known to be valid, in document order: the whole tree in one
//! walk.
//!
//! [`fields`](super::fields()) finds the end of each value before it lends it, so walking a tree
//! with it reads a text once for each level of nesting. This reads each byte once.

use super::token::{is_space, scalar_end, skip_space, string_end};

/// One token. Commas and colons are left out: the order of tokens says as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'j> {
    /// An object begins.
    Object,
    /// An array begins.
    Array,
    /// The innermost object or array ends.
    End,
    /// The name of a field, as it stands between its quotes; its value follows.
    Name(&'j [u8]),
    /// A string, as it stands between its quotes.
    String(&'j [u8]),
    /// A number, as it is written.
    Number(&'j [u8]),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// An iterator over the tokens of JSON text.
#[derive(Clone, Debug)]
pub struct Tokens<'j> {
    json: &'j [u8],
    at: usize,
}

/// Walks valid JSON text.
///
/// Of text that is not valid it gives tokens without a meaning, and an end.
pub fn tokens(json: &[u8]) -> Tokens<'_> {
    Tokens { json, at: 0 }
}

impl<'j> Iterator for Tokens<'j> {
    type Item = Token<'j>;

    #[inline]
    fn next(&mut self) -> Option<Token<'j>> {
        let Self { json, mut at } = *self;
        let between = |byte: u8| is_space(byte) || matches!(byte, b',' | b':');
        while json.get(at).is_some_and(|&byte| between(byte)) {
            at += 1;
        }
        let first = *json.get(at)?;
        let (token, end) = match first {
            b'{' => (Token::Object, at + 1),
            b'[' => (Token::Array, at + 1),
            b'}' | b']' => (Token::End, at + 1),
            b'"' => {
                let end = string_end(json, at);
                let inside = json.get(at + 1..end - 1)?;
                // RFC 8259 §4: only a name has a colon after it.
                if json.get(skip_space(json, end)) == Some(&b':') {
                    (Token::Name(inside), end)
                } else {
                    (Token::String(inside), end)
                }
            }
            _ => {
                let end = scalar_end(json, at);
                let token = match first {
                    b't' => Token::Bool(true),
                    b'f' => Token::Bool(false),
                    b'n' => Token::Null,
                    _ => Token::Number(&json[at..end]),
                };
                (token, end)
            }
        };
        self.at = end;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::text;
    use super::*;

    #[test]
    fn tokens_in_document_order() {
        let json = br#" {"a" : [1.50,"x,]", true,false , null,{}] ,"b\"":{"":"\\"},"c":-0} "#;
        let expected = [
            Token::Object,
            Token::Name(b"a"),
            Token::Array,
            Token::Number(b"1.50"),
            Token::String(b"x,]"),
            Token::Bool(true),
            Token::Bool(false),
            Token::Null,
            Token::Object,
            Token::End,
            Token::End,
            Token::Name(br#"b\""#),
            Token::Object,
            Token::Name(b""),
            Token::String(br"\\"),
            Token::End,
            Token::Name(b"c"),
            Token::Number(b"-0"),
            Token::End,
        ];
        assert!(tokens(json).eq(expected));
        assert!(tokens(b" ").next().is_none());
        assert!(tokens(b"7 ").eq([Token::Number(b"7")]));
        assert!(tokens(br#" "x" "#).eq([Token::String(b"x")]));
    }

    /// The tree that tokens are the walk of.
    fn tree(tokens: &mut Tokens<'_>, token: Token<'_>) -> Value {
        match token {
            Token::Object => {
                let mut fields = serde_json::Map::new();
                while let Some(Token::Name(name)) = tokens.next() {
                    let first = tokens.next().expect("a value");
                    fields.insert(text(name).into_owned(), tree(tokens, first));
                }
                Value::Object(fields)
            }
            Token::Array => {
                let mut items = Vec::new();
                loop {
                    match tokens.next().expect("an element or the end") {
                        Token::End => return Value::Array(items),
                        first => items.push(tree(tokens, first)),
                    }
                }
            }
            Token::String(raw) => Value::String(text(raw).into_owned()),
            Token::Number(raw) => serde_json::from_slice(raw).expect("a number"),
            Token::Bool(is) => Value::Bool(is),
            Token::Null => Value::Null,
            Token::End | Token::Name(_) => panic!("{token:?} is no value"),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_walk_is_the_tree(value in values(), pretty: bool) {
            let json = if pretty { format!("{value:#}") } else { value.to_string() };
            let expected: Value = serde_json::from_str(&json).expect("valid");
            let mut walk = tokens(json.as_bytes());
            let first = walk.next().expect("a token");
            prop_assert_eq!(tree(&mut walk, first), expected);
            prop_assert!(walk.next().is_none());
        }

        #[test]
        fn any_text_comes_to_an_end(json in r#"[{}\[\]":,\\a0tfn ]{0,60}"#) {
            prop_assert!(tokens(json.as_bytes()).count() <= json.len());
        }

        #[test]
        fn any_bytes_come_to_an_end(json in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(tokens(&json).count() <= json.len());
        }
    }
}

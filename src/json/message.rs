//! A message that a client sent over a socket: not trusted, read whole or refused whole.
//!
//! The strict parser is simd-json, which refuses lone surrogates and numbers that do not fit. It
//! keeps no number's text, though, and lends its strings from a copy of the input that it writes
//! into; so its result is copied into a flat list of nodes, in document order, with the texts
//! beside it. Two things that the parser would let pass are refused here: nesting over
//! `MESSAGE_DEPTH_MAX`, which is checked before parsing, and names that come twice in an object.

use simd_json::{Node as Parsed, StaticNode};

use super::refusal::{MessageError, explain, scalars};
use super::space::too_deep_at;
use crate::limits::MESSAGE_DEPTH_MAX;

/// A message that was accepted. It owns its contents.
#[derive(Clone, Debug)]
pub struct Message {
    nodes: Vec<Node>,
    /// The decoded strings and the numbers as written, one after the other.
    texts: String,
}

/// One value or name, in document order; a container's contents follow it.
#[derive(Clone, Copy, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(Span),
    String(Span),
    /// The number of following nodes that are inside.
    Array(u32),
    /// Likewise: names, each followed by its value.
    Object(u32),
}

/// A part of a message's texts.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

/// A value in a message.
#[derive(Clone, Debug)]
pub enum Value<'m> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written: `1.50` is not `1.5`.
    Number(&'m str),
    /// A string, decoded.
    String(&'m str),
    /// An array.
    Array(Array<'m>),
    /// An object.
    Object(Object<'m>),
}

/// An array: an iterator over its elements, in order.
#[derive(Clone, Debug)]
pub struct Array<'m> {
    message: &'m Message,
    at: usize,
    end: usize,
}

/// An object: an iterator over its names and values, in order. No name comes twice.
#[derive(Clone, Debug)]
pub struct Object<'m> {
    message: &'m Message,
    at: usize,
    end: usize,
}

impl Message {
    /// Reads one JSON value of at most 4 GiB. Errors with the reason if it is refused.
    pub fn parse(json: &[u8]) -> Result<Self, MessageError> {
        let text = std::str::from_utf8(json).map_err(|error| MessageError::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        if let Some(at) = too_deep_at(json, MESSAGE_DEPTH_MAX) {
            return Err(MessageError::TooDeep { at });
        }
        let mut copy = json.to_vec();
        let tape = simd_json::to_tape(&mut copy).map_err(|_| explain(text))?;
        refuse_duplicates(&tape.0, text)?;
        Ok(Self::copy(&tape.0, text))
    }

    /// The whole message as a value.
    pub fn value(&self) -> Value<'_> {
        self.value_at(0)
    }

    /// Copies the parser's result for `json`, and the text of numbers from `json`: both have the
    /// same scalars in the same order.
    fn copy(parsed: &[Parsed<'_>], json: &str) -> Self {
        let mut texts = String::with_capacity(json.len());
        let mut put = |text: &str| {
            let start = texts.len() as u32;
            texts.push_str(text);
            let end = texts.len() as u32;
            Span { start, end }
        };
        let mut written = scalars(json.as_bytes());
        let nodes = parsed.iter().map(|node| {
            let as_written = match node {
                Parsed::Array { .. } | Parsed::Object { .. } => None,
                _ => written.next(),
            };
            match node {
                Parsed::Array { count, .. } => Node::Array(*count as u32),
                Parsed::Object { count, .. } => Node::Object(*count as u32),
                Parsed::String(text) => Node::String(put(text)),
                Parsed::Static(StaticNode::Null) => Node::Null,
                Parsed::Static(StaticNode::Bool(is)) => Node::Bool(*is),
                Parsed::Static(_) => {
                    let (at, number) = as_written.unwrap_or_default();
                    Node::Number(put(&json[at..at + number.len()]))
                }
            }
        });
        let nodes = nodes.collect();
        Self { nodes, texts }
    }

    fn text(&self, span: Span) -> &str {
        &self.texts[span.start as usize..span.end as usize]
    }

    fn value_at(&self, at: usize) -> Value<'_> {
        let (message, inside) = (self, at + 1);
        match self.nodes[at] {
            Node::Null => Value::Null,
            Node::Bool(is) => Value::Bool(is),
            Node::Number(span) => Value::Number(self.text(span)),
            Node::String(span) => Value::String(self.text(span)),
            Node::Array(nodes) => Value::Array(Array {
                message,
                at: inside,
                end: inside + nodes as usize,
            }),
            Node::Object(nodes) => Value::Object(Object {
                message,
                at: inside,
                end: inside + nodes as usize,
            }),
        }
    }

    /// Returns the index of the value after the one at `at`.
    fn after(&self, at: usize) -> usize {
        match self.nodes[at] {
            Node::Array(nodes) | Node::Object(nodes) => at + 1 + nodes as usize,
            _ => at + 1,
        }
    }
}

/// Errors with the first name in `json` that an object has twice.
///
/// Names are sorted, not compared each with each: a message of many names must not cost its square.
fn refuse_duplicates(parsed: &[Parsed<'_>], json: &str) -> Result<(), MessageError> {
    let mut names = Vec::new();
    let mut repeated: Option<usize> = None;
    for (at, node) in parsed.iter().enumerate() {
        let Parsed::Object { len, count } = *node else {
            continue;
        };
        if len < 2 {
            continue;
        }
        names.clear();
        let (mut next, end) = (at + 1, at + 1 + count);
        while next < end {
            if let Parsed::String(name) = parsed[next] {
                names.push((name, next));
            }
            next += 2 + parsed.get(next + 1).map_or(0, nodes_inside);
        }
        names.sort_unstable();
        let pairs = names.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let first = pairs.map(|pair| pair[1].1).min();
        repeated = [repeated, first].into_iter().flatten().min();
    }
    let Some(node) = repeated else { return Ok(()) };
    let before = &parsed[..node];
    let is_container =
        |node: &&Parsed<'_>| matches!(node, Parsed::Array { .. } | Parsed::Object { .. });
    let scalars_before = node - before.iter().filter(is_container).count();
    let name = scalars(json.as_bytes()).nth(scalars_before);
    let at = name.map_or(0, |(at, _)| at);
    Err(MessageError::DuplicateName { at })
}

fn nodes_inside(node: &Parsed<'_>) -> usize {
    match node {
        Parsed::Array { count, .. } | Parsed::Object { count, .. } => *count,
        _ => 0,
    }
}

impl<'m> Value<'m> {
    /// Returns its text, if it is a string.
    pub fn as_str(&self) -> Option<&'m str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns it as an object, if it is one.
    pub fn as_object(&self) -> Option<Object<'m>> {
        match self {
            Self::Object(object) => Some(object.clone()),
            _ => None,
        }
    }

    /// Returns it as an array, if it is one.
    pub fn as_array(&self) -> Option<Array<'m>> {
        match self {
            Self::Array(array) => Some(array.clone()),
            _ => None,
        }
    }
}

impl<'m> Object<'m> {
    /// Returns the value of this name, if it is among those not yet walked.
    pub fn get(&self, name: &str) -> Option<Value<'m>> {
        let mut fields = self.clone();
        fields.find(|field| field.0 == name).map(|field| field.1)
    }
}

impl<'m> Iterator for Object<'m> {
    type Item = (&'m str, Value<'m>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let Value::String(name) = self.message.value_at(self.at) else {
            return None;
        };
        let value = self.message.value_at(self.at + 1);
        self.at = self.message.after(self.at + 1);
        Some((name, value))
    }
}

impl<'m> Iterator for Array<'m> {
    type Item = Value<'m>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let value = self.message.value_at(self.at);
        self.at = self.message.after(self.at);
        Some(value)
    }
}

#[cfg(test)]
mod tests;

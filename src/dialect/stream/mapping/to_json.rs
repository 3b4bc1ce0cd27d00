//! The wire form of `Struct` and `Value` to JSON text.
//!
//! Bytes that a client sent: all that a reader of Protocol Buffers would refuse is refused, and
//! what JSON cannot say. A message may come in parts, which are merged as if they stood one after
//! the other ("Last One Wins"); what is overridden thereby is passed over like unknown fields.

use std::borrow::Cow;

use prost::DecodeError;

use super::super::errors::invalid;
use super::super::wire::{Content, fields};
use super::field::{BOOL, FIELDS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE, VALUES};
use super::number::put_number;
use crate::dialect::put_text;
use crate::limits::JSON_DEPTH_MAX;
use crate::protocol::grpc::{Status, quoted};

/// Most steps of a way into a value that an error tells, from the outside.
const STEPS_SHOWN_MAX: usize = 8;

/// Why bytes have no JSON form, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    what: Cow<'static, str>,
    /// Names and positions that lead there, innermost first.
    way: Vec<String>,
}

impl MappingError {
    fn new(what: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            way: Vec::new(),
        }
    }

    fn within(mut self, step: String) -> Self {
        self.way.push(step);
        self
    }

    /// It as `INVALID_ARGUMENT`: what was read is a field's value.
    pub(in super::super) fn status(&self, at: &str, field: &str) -> Status {
        let mut place = format!("{at}{field}");
        for step in self.way.iter().rev().take(STEPS_SHOWN_MAX) {
            place.push_str(step);
        }
        if self.way.len() > STEPS_SHOWN_MAX {
            place.push('…');
        }
        invalid(format!("\"{place}\" {}", self.what))
    }
}

impl From<DecodeError> for MappingError {
    fn from(error: DecodeError) -> Self {
        Self::new(format!("cannot be decoded: {error}"))
    }
}

/// A `Struct` as a JSON object.
pub fn struct_to_json(wire: &[u8]) -> Result<Vec<u8>, MappingError> {
    let mut reader = Reader::new(wire);
    reader.object(&Parts::one(wire), 1)?;
    Ok(reader.out)
}

/// A `Value` as JSON text.
pub fn value_to_json(wire: &[u8]) -> Result<Vec<u8>, MappingError> {
    let mut reader = Reader::new(wire);
    reader.value(&Parts::one(wire), 0)?;
    Ok(reader.out)
}

/// A message that may have come in parts: their fields one after the other are its fields.
struct Parts<'b> {
    first: &'b [u8],
    more: Vec<&'b [u8]>,
}

impl<'b> Parts<'b> {
    const fn one(first: &'b [u8]) -> Self {
        let more = Vec::new();
        Self { first, more }
    }

    /// The field came again, if it came before.
    fn add(parts: &mut Option<Self>, part: &'b [u8]) {
        match parts {
            Some(parts) => parts.more.push(part),
            None => *parts = Some(Self::one(part)),
        }
    }

    fn fields(&self) -> impl Iterator<Item = Result<(u32, Content<'b>), DecodeError>> {
        let parts = std::iter::once(self.first).chain(self.more.iter().copied());
        parts.flat_map(fields)
    }

    /// The messages that a repeated field holds.
    fn repeated(&self, field: u32) -> impl Iterator<Item = Result<&'b [u8], MappingError>> {
        self.fields().filter_map(move |read| match read {
            Ok((number, Content::Bytes(bytes))) if number == field => Some(Ok(bytes)),
            Ok((number, _)) if number == field => Some(Err(wrong_wire_type())),
            Ok(_) => None,
            Err(error) => Some(Err(error.into())),
        })
    }
}

/// What a `Value` says.
enum Kind<'b> {
    Null,
    Number(f64),
    Text(&'b str),
    Bool(bool),
    Object(Parts<'b>),
    Array(Parts<'b>),
}

struct Reader<'b> {
    out: Vec<u8>,
    /// Scratch: the names of one object, each with the position of its entry.
    names: Vec<(&'b str, usize)>,
}

impl<'b> Reader<'b> {
    fn new(wire: &[u8]) -> Self {
        Self {
            out: Vec::with_capacity(wire.len()),
            names: Vec::new(),
        }
    }

    /// Appends a `Value` that stands in `depth` objects and arrays.
    fn value(&mut self, parts: &Parts<'b>, depth: usize) -> Result<(), MappingError> {
        match kind(parts)? {
            Kind::Null => self.out.extend_from_slice(b"null"),
            Kind::Number(number) if number.is_finite() => put_number(&mut self.out, number),
            Kind::Number(_) => return Err(MappingError::new("is not a finite number")),
            Kind::Text(text) => put_text(&mut self.out, text),
            Kind::Bool(true) => self.out.extend_from_slice(b"true"),
            Kind::Bool(false) => self.out.extend_from_slice(b"false"),
            Kind::Object(parts) => self.object(&parts, depth + 1)?,
            Kind::Array(parts) => self.array(&parts, depth + 1)?,
        }
        Ok(())
    }

    /// Appends a `Struct`, which is nested `depth` deep.
    fn object(&mut self, parts: &Parts<'b>, depth: usize) -> Result<(), MappingError> {
        check_depth(depth)?;
        let overridden = self.overridden(parts)?;
        self.out.push(b'{');
        let mut is_first = true;
        for (position, entry) in parts.repeated(FIELDS).enumerate() {
            if overridden.binary_search(&position).is_ok() {
                continue;
            }
            let (name, value) = read_entry(entry?)?;
            if !is_first {
                self.out.push(b',');
            }
            is_first = false;
            put_text(&mut self.out, name);
            self.out.push(b':');
            let written = match value {
                Some(value) => self.value(&value, depth),
                None => Err(without_kind()),
            };
            written.map_err(|error| error.within(format!(".{}", quoted(name))))?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Appends a `ListValue`, which is nested `depth` deep.
    fn array(&mut self, parts: &Parts<'b>, depth: usize) -> Result<(), MappingError> {
        check_depth(depth)?;
        self.out.push(b'[');
        for (position, value) in parts.repeated(VALUES).enumerate() {
            if position > 0 {
                self.out.push(b',');
            }
            self.value(&Parts::one(value?), depth)
                .map_err(|error| error.within(format!("[{position}]")))?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// The positions of entries whose name comes again later, in order.
    fn overridden(&mut self, parts: &Parts<'b>) -> Result<Vec<usize>, MappingError> {
        self.names.clear();
        for (position, entry) in parts.repeated(FIELDS).enumerate() {
            let (name, _) = read_entry(entry?)?;
            self.names.push((name, position));
        }
        // Sorted, not compared each with each: an object of many names must not cost its square.
        self.names.sort_unstable();
        let pairs = self.names.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let mut overridden: Vec<usize> = pairs.map(|pair| pair[0].1).collect();
        overridden.sort_unstable();
        Ok(overridden)
    }
}

/// Reads an entry of a map: its name, empty if it has none, and its value.
fn read_entry(entry: &[u8]) -> Result<(&str, Option<Parts<'_>>), MappingError> {
    let (mut name, mut value) = ("", None);
    for field in fields(entry) {
        match field? {
            (KEY, Content::Bytes(bytes)) => name = utf8(bytes)?,
            (VALUE, Content::Bytes(bytes)) => Parts::add(&mut value, bytes),
            (KEY | VALUE, _) => return Err(wrong_wire_type()),
            _ => {}
        }
    }
    Ok((name, value))
}

/// What a `Value` says last.
fn kind<'b>(parts: &Parts<'b>) -> Result<Kind<'b>, MappingError> {
    let mut kind = None;
    for field in parts.fields() {
        kind = match (field?, kind) {
            // Two of the same message are merged; anything else takes the place of what was there.
            ((STRUCT, Content::Bytes(bytes)), Some(Kind::Object(mut parts))) => {
                parts.more.push(bytes);
                Some(Kind::Object(parts))
            }
            ((LIST, Content::Bytes(bytes)), Some(Kind::Array(mut parts))) => {
                parts.more.push(bytes);
                Some(Kind::Array(parts))
            }
            ((STRUCT, Content::Bytes(bytes)), _) => Some(Kind::Object(Parts::one(bytes))),
            ((LIST, Content::Bytes(bytes)), _) => Some(Kind::Array(Parts::one(bytes))),
            ((NULL, Content::Varint(_)), _) => Some(Kind::Null),
            ((NUMBER, Content::Fixed64(bits)), _) => Some(Kind::Number(f64::from_bits(bits))),
            ((STRING, Content::Bytes(bytes)), _) => Some(Kind::Text(utf8(bytes)?)),
            ((BOOL, Content::Varint(is)), _) => Some(Kind::Bool(is != 0)),
            ((NULL..=LIST, _), _) => return Err(wrong_wire_type()),
            (_, kind) => kind,
        };
    }
    kind.ok_or_else(without_kind)
}

fn check_depth(depth: usize) -> Result<(), MappingError> {
    if depth > JSON_DEPTH_MAX {
        let what = format!("is nested deeper than {JSON_DEPTH_MAX}");
        return Err(MappingError::new(what));
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<&str, MappingError> {
    std::str::from_utf8(bytes).map_err(|_| MappingError::new("has text that is not UTF-8"))
}

fn without_kind() -> MappingError {
    MappingError::new("is a value of no kind")
}

fn wrong_wire_type() -> MappingError {
    MappingError::new("has a field of another wire type than google.protobuf.Struct says")
}

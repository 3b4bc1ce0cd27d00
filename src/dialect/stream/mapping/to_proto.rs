//! JSON text to the wire form of `Struct` and `Value`.

use std::borrow::Cow;

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::super::wire::Writer;
use super::field::{BOOL, FIELDS, KEY, LIST, NULL, NUMBER, STRING, STRUCT, VALUE, VALUES};
use super::number::double;
use crate::json::{self, Token, Tokens};

/// What a payload that is no object is the field of.
const WRAPPED_IN: &[u8] = b"data";

/// Every field here has a number below 16, so its key is one byte.
const KEY_BYTES: usize = 1;

/// Appends valid JSON text as a `Struct`. What is no object becomes the object `{"data": …}`.
pub fn struct_to_wire(json: &[u8], out: &mut Vec<u8>) {
    let mut wire = Writer::new(out);
    put_struct(json, &mut wire);
    wire.finish();
}

/// Appends valid JSON text as a `Value`.
pub fn value_to_wire(json: &[u8], out: &mut Vec<u8>) {
    let mut wire = Writer::new(out);
    put_value(json, &mut wire);
    wire.finish();
}

/// Writes valid JSON text as the fields of a `Struct`, which is the innermost message.
pub(in super::super) fn put_struct(json: &[u8], wire: &mut Writer<'_>) {
    let mut tokens = json::tokens(json);
    let is_object = json::trim(json).first() == Some(&b'{');
    if is_object {
        tokens.next();
    }
    let mut walk = Walk {
        wire,
        inside: vec![Inside {
            place: Place::Field,
            messages: 0,
        }],
        name: if is_object { b"" } else { WRAPPED_IN },
    };
    walk.all(tokens);
}

/// Writes valid JSON text as the field of a `Value`, which is the innermost message.
pub(in super::super) fn put_value(json: &[u8], wire: &mut Writer<'_>) {
    let mut walk = Walk {
        wire,
        inside: Vec::new(),
        name: b"",
    };
    walk.all(json::tokens(json));
}

/// What a value is for what it is in, which says what is written around it.
#[derive(Clone, Copy)]
enum Place {
    /// The field of an object.
    Field,
    /// The element of an array.
    Element,
    /// Nothing is around it.
    Whole,
}

/// An object or array that has begun.
struct Inside {
    /// What the values in it are.
    place: Place,
    /// How many messages end with it.
    messages: usize,
}

/// The walk over a text. It keeps its own stack, so depth is no danger to the thread's.
struct Walk<'w, 'o, 'j> {
    wire: &'w mut Writer<'o>,
    inside: Vec<Inside>,
    /// The name of the field whose value comes next.
    name: &'j [u8],
}

/// A value without anything inside.
enum Scalar<'j> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'j, str>),
}

impl<'j> Walk<'_, '_, 'j> {
    fn all(&mut self, tokens: Tokens<'j>) {
        for token in tokens {
            match token {
                Token::Name(name) => self.name = name,
                Token::Object => self.begin(STRUCT, Place::Field),
                Token::Array => self.begin(LIST, Place::Element),
                Token::End => self.end(),
                Token::Null => self.scalar(&Scalar::Null),
                Token::Bool(is) => self.scalar(&Scalar::Bool(is)),
                Token::Number(json) => self.scalar(&Scalar::Number(double(json))),
                Token::String(raw) => self.scalar(&Scalar::Text(json::text(raw))),
            }
        }
        // Valid text leaves nothing open but what the caller has begun.
        while !self.inside.is_empty() {
            self.end();
        }
    }

    fn place(&self) -> Place {
        self.inside
            .last()
            .map_or(Place::Whole, |inside| inside.place)
    }

    fn begin(&mut self, kind: u32, place: Place) {
        let messages = match self.place() {
            Place::Field => {
                self.wire.open(FIELDS);
                self.wire.text(KEY, &json::text(self.name));
                self.wire.open(VALUE);
                3
            }
            Place::Element => {
                self.wire.open(VALUES);
                2
            }
            Place::Whole => 1,
        };
        self.wire.open(kind);
        self.inside.push(Inside { place, messages });
    }

    fn end(&mut self) {
        let messages = self.inside.pop().map_or(0, |inside| inside.messages);
        for _ in 0..messages {
            self.wire.close();
        }
    }

    /// A scalar's lengths are known before it is written, so it needs no hole.
    fn scalar(&mut self, scalar: &Scalar<'_>) {
        let place = self.place();
        let out = self.wire.raw();
        let bytes = scalar.wire_bytes();
        match place {
            Place::Field => {
                let name = json::text(self.name);
                let entry = delimited_bytes(name.len()) + delimited_bytes(bytes);
                put_length(out, FIELDS, entry);
                put_length(out, KEY, name.len());
                out.extend_from_slice(name.as_bytes());
                put_length(out, VALUE, bytes);
            }
            Place::Element => put_length(out, VALUES, bytes),
            Place::Whole => {}
        }
        scalar.put(out);
    }
}

impl Scalar<'_> {
    /// How long a `Value` with it is.
    fn wire_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => KEY_BYTES + 1,
            Self::Number(_) => KEY_BYTES + size_of::<f64>(),
            Self::Text(text) => delimited_bytes(text.len()),
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => {
                encode_key(NULL, WireType::Varint, out);
                out.push(0);
            }
            Self::Bool(is) => {
                encode_key(BOOL, WireType::Varint, out);
                out.push(u8::from(*is));
            }
            Self::Number(number) => {
                encode_key(NUMBER, WireType::SixtyFourBit, out);
                out.extend_from_slice(&number.to_le_bytes());
            }
            Self::Text(text) => {
                put_length(out, STRING, text.len());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// How long a field with `bytes` of text or message is.
fn delimited_bytes(bytes: usize) -> usize {
    KEY_BYTES + encoded_len_varint(bytes as u64) + bytes
}

/// Appends what stands before `bytes` of text or message.
fn put_length(out: &mut Vec<u8>, field: u32, bytes: usize) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes as u64, out);
}

//! The mapping beside an independent reader and writer of the same messages: the trees of
//! `prost-types`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message as _};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as Tree};
use serde_json::value::RawValue;

use super::*;
use crate::json;

fn wire_of(json: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    struct_to_wire(json.as_bytes(), &mut wire);
    wire
}

fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("UTF-8")
}

fn back(json: &str) -> String {
    text(struct_to_json(&wire_of(json)).expect("what was written can be read"))
}

fn refused(wire: &[u8]) -> String {
    let error = struct_to_json(wire).expect_err("refused");
    error.status("publish.", "payload").message.into_owned()
}

fn value(kind: Kind) -> Tree {
    Tree { kind: Some(kind) }
}

fn object(fields: &[(&str, Tree)]) -> Vec<u8> {
    let fields = fields.iter().cloned();
    let fields = fields.map(|(name, tree)| (name.to_owned(), tree)).collect();
    Struct { fields }.encode_to_vec()
}

/// A tree as JSON can say it, if it can.
fn model(tree: &Tree) -> Option<Tree> {
    Some(value(match tree.kind.as_ref()? {
        Kind::NullValue(_) => Kind::NullValue(0),
        Kind::NumberValue(number) if !number.is_finite() => return None,
        Kind::StructValue(tree) => return model_struct(tree),
        Kind::ListValue(list) => {
            let values = list.values.iter().map(model).collect::<Option<_>>()?;
            Kind::ListValue(ListValue { values })
        }
        other => other.clone(),
    }))
}

fn model_struct(tree: &Struct) -> Option<Tree> {
    let fields = tree.fields.iter();
    let fields = fields.map(|(name, tree)| Some((name.clone(), model(tree)?)));
    let fields = fields.collect::<Option<_>>()?;
    Some(value(Kind::StructValue(Struct { fields })))
}

/// JSON as a tree: `serde_json` takes it apart, and `std` reads the numbers, which it does exactly.
fn read(json: &[u8]) -> Tree {
    let json = std::str::from_utf8(json).expect("UTF-8");
    read_raw(serde_json::from_str(json).expect("valid JSON"))
}

fn read_raw(json: &RawValue) -> Tree {
    let json = json.get();
    let valid = "valid JSON";
    value(match json.as_bytes()[0] {
        b'n' => Kind::NullValue(0),
        b't' | b'f' => Kind::BoolValue(json == "true"),
        b'"' => Kind::StringValue(serde_json::from_str(json).expect(valid)),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).expect(valid);
            let values = items.into_iter().map(read_raw).collect();
            Kind::ListValue(ListValue { values })
        }
        b'{' => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).expect(valid);
            let fields = fields.into_iter();
            let fields = fields.map(|(name, json)| (name, read_raw(json))).collect();
            Kind::StructValue(Struct { fields })
        }
        _ => Kind::NumberValue(json.parse().expect("a number")),
    })
}

/// A tree without infinity as another prints it.
fn print(tree: &Struct) -> serde_json::Value {
    let fields = tree.fields.iter();
    let fields = fields.map(|(name, tree)| (name.clone(), print_value(tree)));
    serde_json::Value::Object(fields.collect())
}

fn print_value(tree: &Tree) -> serde_json::Value {
    match tree.kind.as_ref().expect("a kind") {
        Kind::NullValue(_) => serde_json::Value::Null,
        Kind::NumberValue(number) => serde_json::Value::from(*number),
        Kind::StringValue(text) => serde_json::Value::from(text.as_str()),
        Kind::BoolValue(is) => serde_json::Value::from(*is),
        Kind::StructValue(tree) => print(tree),
        Kind::ListValue(list) => list.values.iter().map(print_value).collect(),
    }
}

#[test]
fn each_kind_of_value_there_and_back() {
    let plain =
        r#"{"a":null,"b":true,"c":false,"d":1,"e":-1.5,"f":"x","g":[],"h":{},"":[[{"i":[0]}]]}"#;
    assert_eq!(back(plain), plain);
    let spaced = " {\n\"a\" : [ 1.0 , 100e-2 ] ,\t\"\\u0062\": \"\\u00e9\\n\\/\" } ";
    assert_eq!(back(spaced), r#"{"a":[1,1],"b":"é\n/"}"#);
    assert_eq!(back("{}"), "{}");
    assert_eq!(wire_of("{}"), b"");
}

#[test]
fn a_value_alone_is_any_value() {
    for json in [
        "null",
        "true",
        "false",
        "0",
        "\"\"",
        "\"x\"",
        "[]",
        "{}",
        r#"[{"a":[null]}]"#,
    ] {
        let mut wire = Vec::new();
        value_to_wire(json.as_bytes(), &mut wire);
        let tree = Tree::decode(&wire[..]).expect("decodes");
        assert_eq!(tree.encode_to_vec(), wire, "{json}");
        assert_eq!(text(value_to_json(&wire).expect("readable")), json);
    }
}

#[test]
fn a_payload_that_is_no_object_becomes_its_data() {
    for json in ["null", "true", "-0", "\"x\"", "[1,{\"data\":2}]", "[]"] {
        assert_eq!(back(json), format!("{{\"data\":{json}}}"));
    }
}

#[test]
fn of_repeated_names_the_last_one_counts() {
    let json = r#"{"a":1,"b":2,"\u0061":{"x":1},"c":3,"b":4}"#;
    assert_eq!(back(json), r#"{"a":{"x":1},"c":3,"b":4}"#);
    let tree = Struct::decode(&wire_of(json)[..]).expect("decodes");
    assert_eq!(
        model_struct(&tree),
        Some(read(br#"{"a":{"x":1},"b":4,"c":3}"#))
    );
}

#[test]
fn lone_surrogates_become_replacement_characters() {
    assert_eq!(
        back(r#"{"\ud800":"a\udc00"}"#),
        "{\"\u{fffd}\":\"a\u{fffd}\"}"
    );
}

#[test]
fn numbers_beyond_doubles_become_the_largest() {
    assert_eq!(
        back("[1e999,-1e999,1e-999,-0,12345678901234567890]"),
        r#"{"data":[1.7976931348623157e308,-1.7976931348623157e308,0,-0,12345678901234567000]}"#
    );
}

#[test]
fn what_json_cannot_say_is_refused_and_named() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let list = ListValue {
            values: vec![value(Kind::NullValue(0)), value(Kind::NumberValue(number))],
        };
        let wire = object(&[("a", value(Kind::ListValue(list)))]);
        assert_eq!(
            refused(&wire),
            "\"publish.payload.a[1]\" is not a finite number"
        );
    }
    let wire = object(&[("a", Tree { kind: None })]);
    assert_eq!(
        refused(&wire),
        "\"publish.payload.a\" is a value of no kind"
    );
    // An entry without a value.
    assert_eq!(
        refused(b"\x0a\x03\x0a\x01a"),
        "\"publish.payload.a\" is a value of no kind"
    );
    assert_eq!(
        value_to_json(b""),
        Err(value_to_json(b"\x38\x01").unwrap_err())
    );
}

#[test]
fn what_is_no_utf8_is_refused() {
    let message = "\"publish.payload\" has text that is not UTF-8";
    assert_eq!(refused(b"\x0a\x07\x0a\x01\xff\x12\x02\x08\x00"), message);
    let message = "\"publish.payload.a\" has text that is not UTF-8";
    assert_eq!(refused(b"\x0a\x08\x0a\x01a\x12\x03\x1a\x01\xff"), message);
}

#[test]
fn what_is_cut_short_is_refused() {
    // Nothing is left out anywhere: each cut is in the middle of the one field.
    let wire = wire_of(r#"{"name":[1,"text",true,null,{"a":"b"}]}"#);
    for end in 1..wire.len() {
        let message = refused(&wire[..end]);
        assert!(
            message.starts_with("\"publish.payload\" cannot be decoded: "),
            "{message}"
        );
    }
}

#[test]
fn known_fields_have_their_wire_type() {
    for wire in [
        &b"\x08\x01"[..],
        b"\x0a\x02\x08\x01",
        b"\x0a\x07\x0a\x01a\x12\x02\x18\x01",
        b"\x0a\x05\x0a\x01a\x10\x01",
    ] {
        assert!(refused(wire).contains("another wire type"), "{wire:x?}");
        assert!(Struct::decode(wire).is_err());
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    // A varint, text, a group with a group in it, 32 bits.
    let unknown: &[u8] = b"\x78\x05\x7a\x02hi\x7b\x13\x08\x01\x14\x7c\x7d\0\0\0\0";
    let inner = [unknown, b"\x20\x01", unknown].concat();
    let mut entry = [
        unknown,
        b"\x0a\x01a",
        unknown,
        b"\x12",
        &[inner.len() as u8],
    ]
    .concat();
    entry.extend(inner);
    let mut wire = [unknown, b"\x0a", &[entry.len() as u8]].concat();
    wire.extend(entry);
    wire.extend_from_slice(unknown);
    assert_eq!(
        text(struct_to_json(&wire).expect("readable")),
        r#"{"a":true}"#
    );
}

#[test]
fn parts_of_a_message_are_merged_and_the_last_kind_counts() {
    // {"a": struct {"x":true}, then struct {"y":true}} in one value: one object.
    let inside = |name: u8| {
        [
            b"\x2a\x09\x0a\x07\x0a\x01",
            &[name][..],
            b"\x12\x02\x20\x01",
        ]
        .concat()
    };
    let entry = |value: &[u8]| {
        let mut wire = vec![
            0x0a,
            value.len() as u8 + 5,
            0x0a,
            1,
            b'a',
            0x12,
            value.len() as u8,
        ];
        wire.extend_from_slice(value);
        wire
    };
    let read = |value: &[u8]| text(struct_to_json(&entry(value)).expect("readable"));
    let both = [inside(b'x'), inside(b'y')].concat();
    assert_eq!(read(&both), r#"{"a":{"x":true,"y":true}}"#);
    let number_between = [inside(b'x'), b"\x20\x00".to_vec(), inside(b'y')].concat();
    assert_eq!(read(&number_between), r#"{"a":{"y":true}}"#);
    let number_last = [inside(b'x'), b"\x20\x00".to_vec()].concat();
    assert_eq!(read(&number_last), r#"{"a":false}"#);
    assert_eq!(
        read(b"\x32\x04\x0a\x02\x08\0\x32\x04\x0a\x02\x20\x01"),
        r#"{"a":[null,true]}"#
    );
}

#[test]
fn depth_has_a_bound() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(back(&nested(127)), nested(127));
    for depth in [128, 1_000, 100_000] {
        let message = refused(&wire_of(&nested(depth)));
        assert!(
            message.starts_with("\"publish.payload.a[0][0]"),
            "{message}"
        );
        assert!(
            message.ends_with("…\" is nested deeper than 128"),
            "{message}"
        );
    }
    // A stack of objects, by their names.
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(back(&objects(128)), objects(128));
    assert!(refused(&wire_of(&objects(1_000))).contains("deeper than 128"));
}

fn trees() -> impl Strategy<Value = Struct> {
    let number = prop_oneof![
        any::<i32>().prop_map(f64::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()),
    ];
    let leaf = prop_oneof![
        Just(Kind::NullValue(0)),
        number.prop_map(Kind::NumberValue),
        any::<bool>().prop_map(Kind::BoolValue),
        any::<String>().prop_map(Kind::StringValue),
    ];
    let tree = leaf.prop_map(value).prop_recursive(5, 30, 4, |inner| {
        let fields = prop::collection::btree_map("[ab]{0,2}|.{0,3}", inner.clone(), 0..4);
        let list = prop::collection::vec(inner, 0..4);
        prop_oneof![
            fields.prop_map(|fields| value(Kind::StructValue(Struct { fields }))),
            list.prop_map(|values| value(Kind::ListValue(ListValue { values }))),
        ]
    });
    let fields = prop::collection::btree_map("[ab]{0,2}", tree, 0..5);
    fields.prop_map(|fields| Struct { fields })
}

/// One change of some bytes: a bit, a cut, a part again, a part taken out.
fn change(bytes: &mut Vec<u8>, (kind, at, with): (u8, prop::sample::Index, u8)) {
    if bytes.is_empty() {
        return bytes.push(with);
    }
    let at = at.index(bytes.len());
    let end = (at + usize::from(with)).min(bytes.len());
    match kind {
        0 => bytes[at] ^= 1 << (with % 8),
        1 => bytes[at] = with,
        2 => bytes.truncate(at),
        3 => bytes.extend_from_within(at..end),
        _ => drop(bytes.drain(at..end)),
    }
}

/// Whether a map in a message of this name has an entry that is not length-delimited. That is no
/// entry, but `prost` does not look and reads one.
fn has_odd_entry(mut wire: &[u8], message: &str) -> Result<bool, DecodeError> {
    while !wire.is_empty() {
        let (number, wire_type) = decode_key(&mut wire)?;
        let inside = match (message, number) {
            ("Struct", 1) if wire_type != WireType::LengthDelimited => return Ok(true),
            ("Struct", 1) => "Entry",
            ("Entry", 2) | ("ListValue", 1) => "Value",
            ("Value", 5) => "Struct",
            ("Value", 6) => "ListValue",
            _ => "",
        };
        let before = wire;
        skip_field(wire_type, number, &mut wire, DecodeContext::default())?;
        if !inside.is_empty() && wire_type == WireType::LengthDelimited {
            let mut content = &before[..before.len() - wire.len()];
            decode_varint(&mut content)?;
            if has_odd_entry(content, inside)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Where `prost-types` can read bytes, they say the same here, or are refused if JSON cannot say
/// it.
fn assert_as_prost_reads(wire: &[u8]) -> Result<(), TestCaseError> {
    let read_here = struct_to_json(wire).map(|json| {
        assert!(json::depth(&json) <= crate::limits::JSON_DEPTH_MAX);
        read(&json)
    });
    if let Ok(tree) = Struct::decode(wire)
        && !matches!(has_odd_entry(wire, "Struct"), Ok(true))
    {
        prop_assert_eq!(read_here.ok(), model_struct(&tree));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_others_write_is_read(tree in trees()) {
        let json = struct_to_json(&tree.encode_to_vec()).expect("readable");
        prop_assert_eq!(Some(read(&json)), model_struct(&tree));
    }

    #[test]
    fn what_is_written_others_read(tree in trees(), pretty: bool) {
        let json = print(&tree);
        let json = if pretty { format!("{json:#}") } else { json.to_string() };
        let wire = wire_of(&json);
        prop_assert_eq!(Struct::decode(&wire[..]).expect("decodes"), tree);
        prop_assert_eq!(read(&struct_to_json(&wire).expect("readable")), read(json.as_bytes()));
    }

    #[test]
    fn messages_after_one_another_are_merged(first in trees(), second in trees()) {
        let wire = [first.encode_to_vec(), second.encode_to_vec()].concat();
        assert_as_prost_reads(&wire)?;
        // The same within a value.
        let value = |tree: Struct| value(Kind::StructValue(tree)).encode_to_vec();
        let wire = [value(first), value(second)].concat();
        let tree = Tree::decode(&wire[..]).expect("decodes");
        let json = value_to_json(&wire).expect("readable");
        prop_assert_eq!(Some(read(&json)), model(&tree));
    }

    #[test]
    fn changed_messages_are_read_as_others_read_them(
        tree in trees(),
        changes in prop::collection::vec((0..5u8, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut wire = tree.encode_to_vec();
        for one in changes {
            change(&mut wire, one);
        }
        assert_as_prost_reads(&wire)?;
    }

    #[test]
    fn any_bytes_are_survived(wire in prop::collection::vec(
        prop_oneof![Just(0x0au8), Just(0x12), Just(0x2a), Just(0x32), 0..8u8, any::<u8>()], 0..60)) {
        assert_as_prost_reads(&wire)?;
        let _ = value_to_json(&wire);
        // Neither is text that nobody validated.
        let mut out = Vec::new();
        struct_to_wire(&wire, &mut out);
        value_to_wire(&wire, &mut out);
    }

    #[test]
    fn tokens_in_any_order_are_survived(json in r#"[{}\[\]":,\\a0 tn]{0,60}"#) {
        let mut out = Vec::new();
        struct_to_wire(json.as_bytes(), &mut out);
        value_to_wire(json.as_bytes(), &mut out);
    }

    #[test]
    fn large_integers_are_doubles(number: i64) {
        let json = format!("{{\"a\":{number}}}");
        prop_assert_eq!(read(back(&json).as_bytes()), read(json.as_bytes()));
    }
}

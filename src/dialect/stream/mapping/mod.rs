//! `google.protobuf.Struct` and `Value` to JSON text and back, without a tree between
//! (<https://protobuf.dev/reference/protobuf/google.protobuf/>).
//!
//! Repeated names: the last one counts, on both sides. Numbers are doubles on the wire, so digits
//! beyond that are lost there, and only there. JSON numbers beyond the range of doubles become the
//! largest double of their sign: infinity has no JSON form, and a receiver would refuse it. Of
//! those beyond 1e±40 the first 19 digits count, see `number`.

mod number;
#[cfg(test)]
mod tests;
mod to_json;
mod to_proto;

pub use to_json::{MappingError, struct_to_json, value_to_json};
pub use to_proto::{struct_to_wire, value_to_wire};

pub(super) use to_proto::{put_struct, put_value};

/// Field numbers of `struct.proto`.
mod field {
    /// `Struct.fields`, a map.
    pub(super) const FIELDS: u32 = 1;
    /// The key of a map's entry.
    pub(super) const KEY: u32 = 1;
    /// The value of a map's entry.
    pub(super) const VALUE: u32 = 2;
    /// `ListValue.values`.
    pub(super) const VALUES: u32 = 1;
    /// `Value.null_value`.
    pub(super) const NULL: u32 = 1;
    /// `Value.number_value`.
    pub(super) const NUMBER: u32 = 2;
    /// `Value.string_value`.
    pub(super) const STRING: u32 = 3;
    /// `Value.bool_value`.
    pub(super) const BOOL: u32 = 4;
    /// `Value.struct_value`.
    pub(super) const STRUCT: u32 = 5;
    /// `Value.list_value`.
    pub(super) const LIST: u32 = 6;
}

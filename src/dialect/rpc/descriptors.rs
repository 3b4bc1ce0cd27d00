//! As much of `google/protobuf/descriptor.proto` as finding symbols takes.
//!
//! Its own few messages rather than the whole definition: all else in a descriptor is handed out as
//! the bytes it is kept as, and never read.

use prost::Message;

/// `FileDescriptorSet`: files as bytes, each after those that it imports.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileSet {
    /// Serialized [`File`]s.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) file: Vec<Vec<u8>>,
}

/// `FileDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct File {
    /// Its path.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// The package, which all its names begin with.
    #[prost(string, tag = "2")]
    pub(super) package: String,
    /// Paths of imported files.
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    enum_type: Vec<EnumType>,
    /// Its services.
    #[prost(message, repeated, tag = "6")]
    pub(super) service: Vec<ServiceType>,
    #[prost(message, repeated, tag = "7")]
    extension: Vec<Named>,
}

/// `DescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MessageType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<Named>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "4")]
    enum_type: Vec<EnumType>,
    #[prost(message, repeated, tag = "6")]
    extension: Vec<Named>,
    #[prost(message, repeated, tag = "8")]
    oneof_decl: Vec<Named>,
}

/// `EnumDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct EnumType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    value: Vec<Named>,
}

/// `ServiceDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ServiceType {
    /// The name within the package.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Its methods.
    #[prost(message, repeated, tag = "2")]
    pub(super) method: Vec<MethodType>,
}

/// `MethodDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MethodType {
    /// The name within the service.
    #[prost(string, tag = "1")]
    pub(super) name: String,
    /// Whether the client sends any number of messages.
    #[prost(bool, tag = "5")]
    pub(super) client_streaming: bool,
    /// Whether the server does.
    #[prost(bool, tag = "6")]
    pub(super) server_streaming: bool,
}

/// `FieldDescriptorProto`, `OneofDescriptorProto` or `EnumValueDescriptorProto`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// A definition by its full name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// The full name, without a dot in front.
    pub(super) name: String,
    /// Whether it is a message, which may have extensions.
    pub(super) is_message: bool,
}

impl File {
    /// The full names of all that is defined here.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        let mut names = Names::default();
        for message in &self.message_type {
            names.message(&self.package, message);
        }
        for enumeration in &self.enum_type {
            names.enumeration(&self.package, enumeration);
        }
        for extension in &self.extension {
            names.put(&self.package, &extension.name, false);
        }
        for service in &self.service {
            let scope = names.put(&self.package, &service.name, false);
            for method in &service.method {
                names.put(&scope, &method.name, false);
            }
        }
        names.symbols
    }
}

/// Collects full names.
#[derive(Default)]
struct Names {
    symbols: Vec<Symbol>,
}

impl Names {
    fn put(&mut self, scope: &str, name: &str, is_message: bool) -> String {
        let name = full_name(scope, name);
        self.symbols.push(Symbol {
            name: name.clone(),
            is_message,
        });
        name
    }

    fn message(&mut self, scope: &str, message: &MessageType) {
        let scope = self.put(scope, &message.name, true);
        let fields = message.field.iter().chain(&message.oneof_decl);
        for named in fields.chain(&message.extension) {
            self.put(&scope, &named.name, false);
        }
        for enumeration in &message.enum_type {
            self.enumeration(&scope, enumeration);
        }
        for nested in &message.nested_type {
            self.message(&scope, nested);
        }
    }

    /// The language has an enum's values beside the enum; some tools name them beneath it.
    fn enumeration(&mut self, scope: &str, enumeration: &EnumType) {
        let beneath = self.put(scope, &enumeration.name, false);
        for value in &enumeration.value {
            self.put(scope, &value.name, false);
            self.put(&beneath, &value.name, false);
        }
    }
}

/// A name within a scope; a file without a package has none.
pub(super) fn full_name(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

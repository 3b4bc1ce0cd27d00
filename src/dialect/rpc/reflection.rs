//! Server reflection (<https://github.com/grpc/grpc/blob/master/doc/server-reflection.md>): tools
//! such as grpcurl ask what services there are, and get the definitions as they were compiled,
//! comments included.
//!
//! An answer has all files that the one asked for needs, even if an earlier answer of the same call
//! had them: the definition allows to leave them out, and then a call would have to be remembered.

use std::collections::BTreeMap;

use prost::Message as _;

use super::decode;
use super::descriptors::{File, FileSet, full_name};
use super::reflection_proto::server_reflection_request::MessageRequest;
use super::reflection_proto::server_reflection_response::MessageResponse;
use super::reflection_proto::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use crate::protocol::grpc::{Code, Status, quoted};

/// The definitions that this server was compiled with.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// All definitions, ready to be asked for.
#[derive(Debug)]
pub struct Reflection {
    /// Each after those that it imports.
    files: Vec<Definition>,
    /// Files by their path.
    by_path: BTreeMap<String, usize>,
    /// What is defined, by its full name.
    by_symbol: BTreeMap<String, Defined>,
    /// Full names of all services, in order.
    services: Vec<String>,
}

/// A file.
#[derive(Debug)]
struct Definition {
    /// As it was compiled: a serialized `FileDescriptorProto`.
    bytes: Vec<u8>,
    /// The files that it imports.
    imports: Vec<usize>,
}

/// Where a symbol is, and whether it is a message.
#[derive(Clone, Copy, Debug)]
struct Defined {
    file: usize,
    is_message: bool,
}

impl Default for Reflection {
    fn default() -> Self {
        Self::new()
    }
}

impl Reflection {
    /// Reads the definitions that this server was compiled with, `event.proto` and the two
    /// services' own.
    pub fn new() -> Self {
        // Written by the build and read by the tests: it cannot be anything else.
        let set = FileSet::decode(DESCRIPTORS).unwrap_or_default();
        let mut reflection = Self {
            files: Vec::new(),
            by_path: BTreeMap::new(),
            by_symbol: BTreeMap::new(),
            services: Vec::new(),
        };
        for bytes in set.file {
            reflection.add(bytes);
        }
        reflection.services.sort();
        reflection
    }

    fn add(&mut self, bytes: Vec<u8>) {
        let Ok(file) = File::decode(&bytes[..]) else {
            return;
        };
        let id = self.files.len();
        for symbol in file.symbols() {
            let is_message = symbol.is_message;
            let defined = Defined {
                file: id,
                is_message,
            };
            self.by_symbol.insert(symbol.name, defined);
        }
        let names = file.service.iter();
        let names = names.map(|service| full_name(&file.package, &service.name));
        self.services.extend(names);
        let imports = file.dependency.iter();
        let imports = imports.filter_map(|path| self.by_path.get(path).copied());
        self.files.push(Definition {
            imports: imports.collect(),
            bytes,
        });
        self.by_path.insert(file.name, id);
    }

    /// Answers one request. What is not there is told within the answer, and the call goes on; a
    /// request that asks for nothing ends it.
    ///
    /// Both versions of the service have the same messages and know each other: which one is asked
    /// makes no difference.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, Status> {
        let request: ServerReflectionRequest = decode(request)?;
        let Some(wanted) = &request.message_request else {
            let message = "the request asks for nothing that is known here";
            return Err(Status::new(Code::InvalidArgument, message));
        };
        let found = match wanted {
            MessageRequest::FileByFilename(path) => {
                let id = self.by_path.get(path).copied();
                id.map(|id| self.with_imports(id))
            }
            MessageRequest::FileContainingSymbol(symbol) => {
                let defined = self.by_symbol.get(symbol);
                defined.map(|defined| self.with_imports(defined.file))
            }
            // There are no extensions.
            MessageRequest::FileContainingExtension(_) => None,
            MessageRequest::AllExtensionNumbersOfType(name) => {
                let defined = self.by_symbol.get(name);
                let message = defined.filter(|defined| defined.is_message);
                message.map(|_| no_extensions(name))
            }
            MessageRequest::ListServices(_) => Some(self.list_services()),
        };
        let response = ServerReflectionResponse {
            valid_host: request.host.clone(),
            message_response: Some(found.unwrap_or_else(|| not_found(wanted))),
            original_request: Some(request),
        };
        Ok(response.encode_to_vec())
    }

    /// A file, and after it all that it imports and that those import, each once.
    fn with_imports(&self, id: usize) -> MessageResponse {
        let mut ids = vec![id];
        let mut next = 0;
        while let Some(&id) = ids.get(next) {
            for &import in &self.files[id].imports {
                if !ids.contains(&import) {
                    ids.push(import);
                }
            }
            next += 1;
        }
        let files = ids.into_iter().map(|id| self.files[id].bytes.clone());
        MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: files.collect(),
        })
    }

    fn list_services(&self) -> MessageResponse {
        let services = self.services.iter().cloned();
        MessageResponse::ListServicesResponse(ListServiceResponse {
            service: services.map(|name| ServiceResponse { name }).collect(),
        })
    }
}

fn no_extensions(name: &str) -> MessageResponse {
    MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
        base_type_name: name.to_owned(),
        extension_number: Vec::new(),
    })
}

/// What was asked for is named, so that whoever reads the message knows it; the request itself goes
/// back whole beside it.
fn not_found(wanted: &MessageRequest) -> MessageResponse {
    let what = match wanted {
        MessageRequest::FileByFilename(path) => format!("file {}", quoted(path)),
        MessageRequest::FileContainingSymbol(name) => format!("symbol {}", quoted(name)),
        MessageRequest::FileContainingExtension(extension) => format!(
            "extension {} of {}",
            extension.extension_number,
            quoted(&extension.containing_type)
        ),
        MessageRequest::AllExtensionNumbersOfType(name) => format!("message {}", quoted(name)),
        MessageRequest::ListServices(_) => String::from("service"),
    };
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: Code::NotFound as i32,
        error_message: format!("there is no {what}"),
    })
}

#[cfg(test)]
mod tests;

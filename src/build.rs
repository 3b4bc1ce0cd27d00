//! Compiles the protocol definitions: messages for `dialect`, and the descriptors that reflection hands out.
//!
//! In Rust alone: nobody who builds the server has to have `protoc`. Services are not generated: the calls
//! that this server answers are its own code (`dialect::rpc`).

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

/// The definitions, each with the folder that its imports, and its name in reflection, start from.
const DEFINITIONS: [(&str, &str); 3] = [
    ("src/dialect/stream", "event.proto"),
    ("src/dialect/rpc", "health.proto"),
    ("src/dialect/rpc", "reflection.proto"),
];

fn main() -> Result<(), Box<dyn Error>> {
    for (folder, file) in DEFINITIONS {
        println!("cargo:rerun-if-changed={folder}/{file}");
    }
    let folders = DEFINITIONS.map(|(folder, _)| folder);
    let files = DEFINITIONS.map(|(_, file)| file);
    let descriptors = protox::compile(files, folders)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let json = "crate::dialect::stream::RawMessage";
    prost_build::Config::new()
        // Payloads are kept as they came: they become JSON text, or the reverse, without a tree between.
        .extern_path(".google.protobuf.Struct", json)
        .extern_path(".google.protobuf.Value", json)
        .disable_comments(["."])
        .compile_fds(descriptors)?;
    Ok(())
}

//! Compiles the protocol definitions: messages for `dialect`, and the descriptors that reflection
//! hands out.
//!
//! In Rust alone: building the server needs no `protoc`. Services are not generated: the calls that
//! this server answers are its own code (`dialect::rpc`).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message as _;

/// The definitions, each with its folder and its name in reflection: that of its package, as tools
/// and other servers have it.
const DEFINITIONS: [(&str, &str, &str); 3] = [
    (
        "src/dialect/stream",
        "event.proto",
        "apis/event/v2/event.proto",
    ),
    (
        "src/dialect/rpc",
        "health.proto",
        "grpc/health/v1/health.proto",
    ),
    (
        "src/dialect/rpc",
        "reflection.proto",
        "grpc/reflection/v1/reflection.proto",
    ),
];

/// The earlier version of reflection, which many tools still ask for: the same but for its package.
/// Its messages are the later one's, so it is compiled for its descriptor alone.
const ALPHA: (&str, &str) = (
    "reflection_v1alpha.proto",
    "grpc/reflection/v1alpha/reflection.proto",
);

fn main() -> Result<(), Box<dyn Error>> {
    for (folder, file, _) in DEFINITIONS {
        println!("cargo:rerun-if-changed={folder}/{file}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    write_alpha(&out.join(ALPHA.0))?;
    let folders = DEFINITIONS.map(|(folder, _, _)| PathBuf::from(folder));
    let files = DEFINITIONS.map(|(_, file, _)| file);
    let messages = protox::compile(files, &folders)?;
    let folders = folders.iter().chain([&out]);
    let mut descriptors = protox::compile(files.into_iter().chain([ALPHA.0]), folders)?;
    for file in &mut descriptors.file {
        let names = DEFINITIONS.map(|(_, file, name)| (file, name));
        let mut known = names.into_iter().chain([ALPHA]);
        if let Some((_, name)) = known.find(|(known, _)| *known == file.name()) {
            file.name = Some(name.to_owned());
        }
    }
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let json = "crate::dialect::stream::RawMessage";
    prost_build::Config::new()
        // Payloads are kept as they came: they become JSON text, or the reverse, without a tree
        // between.
        .extern_path(".google.protobuf.Struct", json)
        .extern_path(".google.protobuf.Value", json)
        // The output is the same from one run to the next.
        .btree_map(["."])
        .disable_comments(["."])
        .compile_fds(messages)?;
    Ok(())
}

/// Derives the earlier definition of reflection from the later one.
fn write_alpha(path: &Path) -> Result<(), Box<dyn Error>> {
    let (folder, file, _) = DEFINITIONS[2];
    let text = fs::read_to_string(Path::new(folder).join(file))?;
    let (package, alpha) = (
        "package grpc.reflection.v1;",
        "package grpc.reflection.v1alpha;",
    );
    if text.matches(package).count() != 1 {
        return Err(format!("{file} does not say `{package}`").into());
    }
    fs::write(path, text.replace(package, alpha))?;
    Ok(())
}

//! Compiles the server's protocol definitions as any user of them would: messages, clients and
//! servers.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

/// The definitions, each with the folder that its imports start from, within the server's
/// `src/dialect`.
const DEFINITIONS: [(&str, &str); 3] = [
    ("stream", "event.proto"),
    ("rpc", "health.proto"),
    ("rpc", "reflection.proto"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?);
    let dialects = fs::canonicalize(package.join("../../../src/dialect"))?;
    for (folder, file) in DEFINITIONS {
        let path = dialects.join(folder).join(file);
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let folders = DEFINITIONS.map(|(folder, _)| dialects.join(folder));
    let descriptors = protox::compile(DEFINITIONS.map(|(_, file)| file), folders)?;
    tonic_prost_build::configure()
        // They are written for readers of the definitions, not for rustdoc.
        .disable_comments(["."])
        .compile_fds(descriptors)?;
    Ok(())
}

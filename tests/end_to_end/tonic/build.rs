//! Generates the client from `event.proto`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=event.proto");
    let definition = protox::compile(["event.proto"], ["."])?;
    tonic_prost_build::compile_fds(definition)?;
    Ok(())
}

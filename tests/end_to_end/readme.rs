//! The README's programs: what stands there is what is compiled and run here.

use std::fs;
use std::path::Path;

use crate::calls::run;
use crate::server::{Server, Setting};

on_both_drivers!(the_client_in_rust_hears_itself);

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(path).expect("a file of the package")
}

#[test]
fn programs_are_the_files_that_are_run() {
    let readme = read("README.md");
    for (language, path) in [
        ("python", "tests/end_to_end/python/hello.py"),
        ("rust", "tests/end_to_end/tonic/build.rs"),
        ("rust", "tests/end_to_end/tonic/src/main.rs"),
    ] {
        let block = format!("```{language}\n{}```\n", read(path));
        assert!(readme.contains(&block), "{path} is not in the README");
    }
}

#[test]
fn dependencies_are_those_that_are_compiled() {
    let readme = read("README.md");
    let manifest = read("tests/end_to_end/tonic/Cargo.toml");
    let start = manifest.find("[dependencies]\n").expect("dependencies");
    let end = manifest.find("\n[lints").expect("lints, last");
    let block = format!("```toml\n{}```\n", &manifest[start..end]);
    assert!(readme.contains(&block), "not in the README:\n{block}");
}

fn the_client_in_rust_hears_itself(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let heard = fanfare_hello::hello(server.url("")).await;
        let heard = heard.expect("it hears what it wants");
        assert!(heard[0].starts_with("published chat:hello "), "{heard:?}");
        assert!(heard[1].starts_with("event chat:hello "), "{heard:?}");
    });
}

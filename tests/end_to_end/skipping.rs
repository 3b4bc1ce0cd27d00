//! A test that is not run says so where every run shows it, and fails where nothing may be skipped.

use std::process::{Command, Output, Stdio};

/// One that needs what can be taken away from it.
const NEEDY: &str = "pubsub_client::it_is_small";

/// Runs that test as `cargo test` does, where there is no esbuild.
fn run_needy(ci: &str) -> Output {
    let tests = std::env::current_exe().expect("a path to this program");
    Command::new(tests)
        .args(["--exact", NEEDY])
        .env("FANFARE_TEST_ESBUILD", "/dev/null/esbuild")
        .env("CI", ci)
        .stdin(Stdio::null())
        .output()
        .expect("this program starts")
}

#[test]
fn a_skipped_test_is_named_with_its_reason() {
    let output = run_needy("false");
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = told.lines().collect();
    let begin = format!("skipped {NEEDY}: no usable esbuild: ");
    assert!(output.status.success(), "{told}");
    assert!(lines.len() == 1 && lines[0].starts_with(&begin), "{told}");
}

#[test]
fn nothing_is_skipped_in_ci() {
    let output = run_needy("true");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("no usable esbuild: "), "{told}");
}

//! The README's programs and examples: what stands there is what is compiled and run here.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tungstenite::Message;

use crate::calls::run;
use crate::clients::{agent, get, next_event, open_socket};
use crate::pubsub_client::node;
use crate::server::{Server, Setting, curl, curl_output};

on_both_drivers!(
    the_client_in_rust_hears_itself,
    the_server_says_what_is_shown,
    pubsub_is_answered_as_shown,
    the_state_is_shown_as_shown,
    a_room_says_what_is_shown,
    the_page_hears_itself,
);

/// Where the README's server listens.
const ADDRESS: &str = "127.0.0.1:7400";

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

/// A part of the README: from its heading to the next one of the same level, or a higher one.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let level = heading.split(' ').next().expect("a heading");
    let start = readme.find(&format!("\n{heading}\n")).expect("it is there") + 1;
    let rest = &readme[start..];
    let higher = (1..=level.len()).map(|count| format!("\n{} ", "#".repeat(count)));
    let end = higher.filter_map(|start| rest[1..].find(&start)).min();
    rest[..end.map_or(rest.len(), |end| end + 1)].to_owned()
}

/// The blocks of a language, without their fences.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let open = format!("```{language}\n");
    let blocks = text.split(&open).skip(1);
    blocks
        .map(|rest| rest.split("```").next().expect("it is closed"))
        .collect()
}

/// A command and the answer that is shown for it. A command goes on for as long as its quotes are open.
fn command_of(block: &str) -> (&str, &str) {
    let command = block.strip_prefix("$ ").expect("a command comes first");
    let ends = command.match_indices('\n').map(|(end, _)| end);
    let end = { ends }.find(|&end| command[..end].matches('\'').count().is_multiple_of(2));
    command.split_at(end.expect("it ends"))
}

/// What a command prints.
fn output_of(command: &str, server: &Server) -> String {
    let command = command.replace(ADDRESS, &server.address.to_string());
    let ran = Command::new("sh").args(["-c", &command]).output();
    String::from_utf8(ran.expect("it starts").stdout).expect("UTF-8")
}

/// The same whatever was drawn at random, or is written for people.
fn masked(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let drawn =
                    ["id", "epoch", "message", "since", "time", "retainedBytes"].contains(&&**name);
                *field = if drawn {
                    Value::Null
                } else {
                    masked(field.take())
                };
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| *item = masked(item.take())),
        _ => {}
    }
    value
}

fn json(text: &str) -> Value {
    let value = serde_json::from_str(text);
    masked(value.unwrap_or_else(|error| panic!("{error} in {text}")))
}

fn the_server_says_what_is_shown(setting: Setting) {
    let text = section("## Two commands");
    let shown = blocks(&text, "console")[0].replace("io_uring", setting.driver);
    let mut shown = shown.lines();
    assert_eq!(shown.next(), Some("$ cargo run --release"));
    let server = Server::start(setting, &[]);
    let said = server.banner.iter();
    let said = said.map(|line| line.replace(&server.address.to_string(), ADDRESS));
    assert_eq!(said.collect::<Vec<_>>(), shown.collect::<Vec<_>>());
}

fn pubsub_is_answered_as_shown(setting: Setting) {
    if curl(&["--version"]).map(curl_output).is_none() {
        return;
    }
    let server = Server::start(setting, &[]);
    let text = section("## The pubsub API");
    let mut commands = 0;
    for block in blocks(&text, "console") {
        let (command, shown) = command_of(block);
        let answer = output_of(command, &server);
        assert_eq!(json(&answer), json(shown), "{command}");
        commands += 1;
    }
    assert_eq!(commands, 2, "all of them were found");
}

fn the_state_is_shown_as_shown(setting: Setting) {
    if curl(&["--version"]).map(curl_output).is_none() {
        return;
    }
    let server = Server::start(setting, &[]);
    let text = section("### The state");
    let mut commands = 0;
    for block in blocks(&text, "console") {
        let (command, shown) = command_of(block);
        let answer = output_of(command, &server);
        if shown.trim().is_empty() {
            assert_eq!(answer, "", "{command}");
        } else {
            assert_eq!(json(&answer), json(shown), "{command}");
        }
        commands += 1;
    }
    assert_eq!(commands, 5, "all of them were found");
}

fn a_room_says_what_is_shown(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut socket = open_socket(&server, "/pubsub/ws?event_id=demo&session_id=lobby");
    let text = section("### The socket");
    let table = text
        .split("| you say | you are told |\n| --- | --- |\n")
        .nth(1);
    let table = table.expect("it is there").split("\n\n").next();
    for row in table.expect("it has rows").lines() {
        let mut cells = row
            .split('|')
            .map(|cell| cell.trim().trim_matches('`'))
            .skip(1);
        let (say, told) = (cells.next().expect("two cells"), cells.next().expect("two"));
        if !say.is_empty() {
            socket.send(Message::text(say)).expect("it is read");
        }
        assert_eq!(masked(next_event(&mut socket)), json(told), "{say}");
    }
}

/// The page's script as it stands, but for the address, and for the module: Node does not load one from a server.
fn the_page_hears_itself(setting: Setting) {
    let Some(mut node) = node() else { return };
    let server = Server::start(setting, &[]);
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (status, module) = get(&agent(), &server.url("/pubsub/client.js"));
    assert_eq!(status, 200);
    fs::write(folder.path().join("client.mjs"), module).expect("written");
    let text = section("## The pubsub API");
    let page = blocks(&text, "html")[0];
    let script = page.strip_prefix("<script type=\"module\">\n");
    let script = script.and_then(|rest| rest.strip_suffix("</script>\n"));
    let script = script
        .expect("one module")
        .replace(
            &format!("http://{ADDRESS}/pubsub/client.js"),
            "./client.mjs",
        )
        .replace(ADDRESS, &server.address.to_string());
    let path = folder.path().join("page.mjs");
    fs::write(&path, script).expect("written");
    let mut child = node
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it started before");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut heard = String::new();
    output.read_line(&mut heard).expect("UTF-8");
    // It would stay in its room.
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(heard, "{ custom: 'payload' }\n");
}

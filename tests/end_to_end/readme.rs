//! The pages' programs and examples: what stands there is what is compiled and run here.

mod compare;
mod page;
mod walk;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use tungstenite::Message;

use crate::calls::run;
use crate::clients::{agent, get, next_event, open_socket, publish};
use crate::pubsub_client::node;
use crate::server::{Server, Setting};

use compare::{is_value, value};
use page::{code, pages, read, section};
use walk::{ADDRESS, walk};

on_both_drivers!(
    the_client_in_rust_hears_itself,
    a_room_says_what_is_shown,
    the_page_hears_itself,
    the_event_source_hears,
    the_table_of_metrics_is_what_is_served,
);

/// Where the clients in Python and Rust are shown.
const STREAM: &str = "src/dialect/stream/README.md";
/// Where the room is shown, and the page in it.
const PUBSUB: &str = "src/dialect/pubsub/README.md";
/// Where metrics are listed.
const RUNNING: &str = "src/runtime/README.md";

/// Pages with console blocks, each of which is run, in order, by a test of the page's own.
macro_rules! walked {
    ($(fn $name:ident($path:literal);)+) => {
        on_both_drivers!($($name),+);
        const WALKED: &[&str] = &[$($path),+];
        $(fn $name(setting: Setting) {
            walk($path, setting);
        })+
    };
}

walked! {
    fn the_front_page_is_answered_as_shown("README.md");
    fn organizations_are_answered_as_shown("src/auth/README.md");
    fn live_is_answered_as_shown("src/dialect/live/README.md");
    fn pubsub_is_answered_as_shown("src/dialect/pubsub/README.md");
    fn sessions_are_answered_as_shown("src/dialect/sessions/README.md");
    fn the_stream_is_answered_as_shown("src/dialect/stream/README.md");
    fn sysadm_is_answered_as_shown("src/dialect/sysadm/README.md");
    fn promises_are_kept_as_shown("src/hub/README.md");
    fn the_server_runs_as_shown("src/runtime/README.md");
}

#[test]
fn every_console_block_is_run() {
    let mut shown = pages();
    shown.retain(|page| !code(&read(page), "console").is_empty());
    let mut walked = WALKED.to_vec();
    walked.sort_unstable();
    assert_eq!(
        shown, walked,
        "pages with console blocks, and pages that are walked"
    );
}

#[test]
fn programs_are_the_files_that_are_run() {
    let readme = read(STREAM);
    for (language, path) in [
        ("python", "tests/end_to_end/python/hello.py"),
        ("rust", "tests/end_to_end/tonic/build.rs"),
        ("rust", "tests/end_to_end/tonic/src/main.rs"),
    ] {
        let program = read(path);
        let is_there = code(&readme, language).contains(&&*program);
        assert!(is_there, "{path} is not in {STREAM}");
    }
}

#[test]
fn tables_are_configurations_or_dependencies_that_are_compiled() {
    let manifest = read("tests/end_to_end/tonic/Cargo.toml");
    let start = manifest.find("[dependencies]\n").expect("dependencies");
    let end = manifest.find("\n[lints").expect("lints, last");
    let dependencies = &manifest[start..end];
    let mut found = false;
    for page in pages() {
        let text = read(&page);
        for table in code(&text, "toml") {
            found |= table == dependencies;
            let is_tried = table.starts_with(walk::CONFIGURATION) && WALKED.contains(&&*page);
            assert!(
                is_tried || table == dependencies,
                "{page}: nobody tries\n{table}"
            );
        }
    }
    assert!(found, "not on any page:\n{dependencies}");
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

fn a_room_says_what_is_shown(setting: Setting) {
    let server = Server::start(setting, &[]);
    let mut socket = open_socket(&server, "/pubsub/ws?event_id=demo&session_id=lobby");
    let text = section(&read(PUBSUB), "## The socket");
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
        let heard = next_event(&mut socket).to_string();
        assert!(is_value(&value(told), &value(&heard)), "{say}: {heard}");
    }
}

/// A page's script as it stands, but for the address, and for the module: Node does not load one
/// from a server. Does something once it runs, and returns the first line that the script prints.
fn first_line_of(page: &str, opening: &str, server: &Server, then: fn(&Server)) -> Option<String> {
    let mut node = node()?;
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (status, module) = get(&agent(), &server.url("/pubsub/client.js"));
    assert_eq!(status, 200);
    fs::write(folder.path().join("client.mjs"), module).expect("written");
    let text = read(page);
    let script = code(&text, "html")[0].strip_prefix(opening);
    let script = script.and_then(|rest| rest.strip_suffix("</script>\n"));
    let script = script
        .expect("one script")
        .replace(
            &format!("http://{ADDRESS}/pubsub/client.js"),
            "./client.mjs",
        )
        .replace(ADDRESS, &server.address.to_string());
    let path = folder.path().join("page.mjs");
    fs::write(&path, script).expect("written");
    let mut child = node
        .args(["--experimental-eventsource", "--no-warnings"])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it started before");
    then(server);
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut heard = String::new();
    output.read_line(&mut heard).expect("UTF-8");
    // It would stay in its room.
    let _ = child.kill();
    let _ = child.wait();
    Some(heard)
}

fn the_page_hears_itself(setting: Setting) {
    let server = Server::start(setting, &[]);
    let heard = first_line_of(PUBSUB, "<script type=\"module\">\n", &server, |_| {});
    assert!(heard.is_none_or(|line| line == "{ custom: 'payload' }\n"));
}

fn the_event_source_hears(setting: Setting) {
    let server = Server::start(setting, &[]);
    let heard = first_line_of("README.md", "<script>\n", &server, |server| {
        server.await_metric("readers", 1);
        publish(
            &agent(),
            &server.events("demo"),
            r#"{"type":"hello","data":{"n":1}}"#,
        );
    });
    assert!(heard.is_none_or(|line| line.ends_with(":0 { n: 1 }\n")));
}

fn the_table_of_metrics_is_what_is_served(setting: Setting) {
    let server = Server::start(setting, &[]);
    let (_, text) = get(&agent(), &server.url("/metrics"));
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP "));
    let rows = helps.map(|line| {
        let (name, help) = line.split_once(' ').expect("a name and its explanation");
        format!("| `{name}` | {help} |")
    });
    let page = read(RUNNING);
    let listed = page.lines().filter(|line| line.starts_with("| `fanfare_"));
    assert_eq!(listed.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
}

//! The default file, every refusal with its key and line, and what may listen where.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{
    BoundsConfig, CorsConfig, Driver, LogFormat, RetentionConfig, Scopes, SlowConsumer,
};
use crate::dialect::sysadm::SysadmErrors;

/// The default file as people find it beside the sources.
const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

fn refused(text: &str) -> ConfigError {
    Config::from_toml(text).expect_err(text)
}

/// Asserts key, line and a part of the problem.
fn assert_refused(text: &str, key: &str, line: usize, part: &str) {
    let error = refused(text);
    assert_eq!((error.key(), error.line()), (key, Some(line)), "{error}");
    assert!(error.problem().contains(part), "{error}");
}

#[test]
fn the_default_file_says_what_the_code_does() {
    let written = Config::default_file();
    let remedy = "cargo run -- check-config --default > src/config/default.toml";
    assert!(written == DEFAULT_TOML, "{remedy}\n{written}");
    assert_eq!(Config::from_toml(DEFAULT_TOML), Ok(Config::default()));
    assert_eq!(Config::from_toml(""), Ok(Config::default()));
    assert_eq!(Config::default().check(), Ok(()));
}

#[test]
fn the_default_file_mentions_every_key() {
    let written = Config {
        sessions: SessionsConfig {
            poll_timeout_max: Some(Duration::from_secs(300)),
            ..SessionsConfig::default()
        },
        ..Config::default()
    }
    .to_string();
    let uncommented = DEFAULT_TOML.replace("# poll_timeout_max", "poll_timeout_max");
    let keys = |text: &str| -> Vec<String> {
        // The example of an organization is a comment, and has a test of its own.
        let code = text.lines().filter(|line| !line.starts_with('#'));
        let names = code.map(|line| line.split(" = ").next().unwrap_or_default().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    assert_eq!(keys(&uncommented), keys(&written));
}

/// Every key, at another value than its default.
const EVERY_KEY: &str = r#"
[server]
listen = "[::1]:0"
shards = 3
driver = "epoll"
open = true
echo = true
connections_max = 0x10
held_bytes_max = "32MiB"
drain_timeout = "1500ms"
stall_exit = "30s"
ready_delay = "5s"
login_block = "2h"
keepalive = "45s"
[log]
format = "json"
level = "info,fanfare::shard=debug"
[hub]
scopes = "declared"
session_ttl = 90
logs_bytes_max = "2GB"
send_queue_bytes_max = "64KiB"
slow_consumer = "drop_oldest"
publishes_per_second = 250
idempotency_keys_max = 100
scope_ttl = "2m"
sessions_max = 1
scopes_max = 2
readers_max = 3
subscriptions_max = 4
wildcards_max = 5
retention = { age = "5m", events = 1_000, bytes = "64KB" }
[sessions]
publish_bytes_max = 4096
poll_bytes_max = "5KiB"
poll_timeout_max = "1m"
token_reads = false
cors.allow_origin = ["https://example.com", "https://*.example.com"]
cors.max_age = "1m"
cors.allow_headers = "Content-Type"
cors.allow_methods = "GET, POST"
[sysadm]
classes = ["backup:*", "a \"b\" \\"]
retained = []
errors = "documented"
cors.allow_origin = "https://example.net"
state_first = 5
state_interval = 0
[live]
filters_max = 3
value_bytes_max = "1KiB"
cors.allow_origin = "*.example.net"
[stream]
publish_bytes_max = "2KiB"
[stream.cors]
allow_origin = "https://example.org"
[pubsub]
publish_bytes_max = "3KiB"
cors.allow_methods = "POST"
"#;

fn allowing(origins: &[&str]) -> CorsConfig {
    CorsConfig {
        allow_origin: origins.iter().map(|&origin| origin.to_owned()).collect(),
        ..CorsConfig::default()
    }
}

/// `[server]` of [`EVERY_KEY`].
fn server_of_every_key() -> ServerConfig {
    ServerConfig {
        listen: "[::1]:0".parse().expect("an address"),
        shards: std::num::NonZeroU16::new(3),
        driver: Driver::Epoll,
        open: true,
        echo: true,
        connections_max: 16,
        held_bytes_max: 32 << 20,
        drain_timeout: Duration::from_millis(1_500),
        stall_exit: Some(Duration::from_secs(30)),
        ready_delay: Some(Duration::from_secs(5)),
        login_block: Some(Duration::from_secs(7_200)),
        keepalive: Some(Duration::from_secs(45)),
    }
}

fn every_bound() -> BoundsConfig {
    BoundsConfig {
        sessions_max: Some(1),
        scopes_max: Some(2),
        readers_max: Some(3),
        subscriptions_max: Some(4),
        wildcards_max: Some(5),
    }
}

#[test]
fn every_key_is_read() {
    let config = Config::from_toml(EVERY_KEY).expect("valid");
    let expected = Config {
        sysadm: SysadmConfig {
            classes: ["backup:*", "a \"b\" \\"].map(String::from).to_vec(),
            retained: Vec::new(),
            errors: SysadmErrors::Documented,
            state_first: Duration::from_secs(5),
            state_interval: None,
            cors: allowing(&["https://example.net"]),
        },
        live: LiveConfig {
            filters_max: 3,
            value_bytes_max: 1_024,
            cors: allowing(&["*.example.net"]),
        },
        stream: StreamConfig {
            publish_bytes_max: 2_048,
            cors: allowing(&["https://example.org"]),
        },
        pubsub: PubsubConfig {
            publish_bytes_max: 3_072,
            cors: CorsConfig {
                allow_methods: "POST".to_owned(),
                ..CorsConfig::default()
            },
        },
        organizations: Vec::new(),
        server: server_of_every_key(),
        log: LogConfig {
            format: LogFormat::Json,
            level: "info,fanfare::shard=debug".to_owned(),
        },
        hub: HubConfig {
            send_queue_bytes_max: 65_536,
            slow_consumer: SlowConsumer::DropOldest,
            idempotency_keys_max: 100,
            publishes_per_second: 250,
            bounds: every_bound(),
            scope_ttl: Duration::from_secs(120),
            scopes: Scopes::Declared,
            session_ttl: Duration::from_secs(90),
            logs_bytes_max: 2_000_000_000,
            retention: RetentionConfig {
                age: Duration::from_secs(300),
                events: 1_000,
                bytes: 64_000,
            },
        },
        sessions: SessionsConfig {
            token_reads: false,
            publish_bytes_max: 4_096,
            poll_bytes_max: 5_120,
            poll_timeout_max: Some(Duration::from_secs(60)),
            cors: CorsConfig {
                allow_headers: "Content-Type".to_owned(),
                allow_methods: "GET, POST".to_owned(),
                max_age: Duration::from_secs(60),
                ..allowing(&["https://example.com", "https://*.example.com"])
            },
        },
    };
    assert_eq!(config, expected);
    assert_eq!(Config::from_toml(&config.to_string()), Ok(expected));
}

#[test]
fn unknown_keys_are_named_and_guessed() {
    let did_you_mean = "did you mean server.listen?";
    assert_refused("[server]\nlitsen = 1", "server.litsen", 2, did_you_mean);
    let did_you_mean = "did you mean hub.retention.age?";
    assert_refused(
        "[hub.retention]\n\naeg=1",
        "hub.retention.aeg",
        3,
        did_you_mean,
    );
    assert_refused(
        "[hub.retention]\nages=1",
        "hub.retention.ages",
        2,
        did_you_mean,
    );
    assert_refused(
        "shards = 1",
        "shards",
        1,
        "known here: server, log, hub, sessions, sysadm, live, stream, pubsub, organizations",
    );
    assert_refused("[sever]", "sever", 1, "did you mean server?");
    assert_refused("[server]\nb=1\na=1", "server.b", 2, "unknown key");
    let hostile = format!("[server]\n\"{}\\u001b[31m\" = 1", "x".repeat(30));
    assert!(!refused(&hostile).to_string().contains('\u{1b}'));
    let long = format!("[server]\n{} = 1", "x".repeat(100_000));
    assert!(refused(&long).to_string().len() < 300);
}

/// Each line: a key, the value that is wrong with it, and what the refusal says.
const WRONG_KINDS: &str = r#"
server.listen = 7400 => expected an address
server.listen = "example.com:7400" => known by that name
server.listen = "localhost" => found the string "localhost"
server.shards = -1 => 0 for one per core, found the integer -1
server.shards = 70000 => 70000
server.driver = "kqueue" => "auto" or "io_uring" or "epoll"
server.driver = "epol" => did you mean "epoll"?
log.format = "jsno" => did you mean "json"?
server.open = "yes" => true or false
log.level = 3 => text in quotes
hub.scopes = true => "implicit" or "declared"
hub.retention = 60 => a table, [hub.retention]
hub.retention.age = "1 minute" => "5m"
hub.retention.age = 1.5 => found the float 1.5
hub.retention.bytes = "8M" => "8MiB"
hub.publishes_per_second = "100/s" => a whole number
hub.slow_consumer = "drop" => "disconnect" or "drop_oldest"
sessions.token_reads = 1 => true or false
sysadm.classes = "a" => a list of texts
sysadm.retained = ["a", 1] => a list of texts
sysadm.cors.allow_origin = 1 => text in quotes, or a list of texts
sysadm.errors = "short" => "original" or "documented"
live.filters_max = "many" => a whole number
"#;

/// The same for values of the right kind.
const OUT_OF_BOUNDS: &str = r#"
server.shards = 1025 => expected 0 to 1024, found 1025
server.connections_max = 0 => expected 1 to
server.held_bytes_max = "1MiB" => at least 16MiB
server.drain_timeout = 0 => above zero
server.drain_timeout = "400d" => up to 366d
server.stall_exit = "400d" => up to 366d
server.ready_delay = "400d" => up to 366d
server.login_block = "400d" => up to 366d
server.keepalive = "1500ms" => whole seconds up to 2h
server.keepalive = "3h" => whole seconds up to 2h
log.level = "" => printable ASCII
log.level = "verbose" => did you mean "debug"?
log.level = "inof,h2=warn" => did you mean "info"?
hub.session_ttl = "0s" => above zero
hub.logs_bytes_max = 0 => at least one byte
hub.retention.age = 0 => above zero
hub.retention.events = 0 => expected 1 to 1000000
hub.retention.bytes = 0 => at least one byte
hub.retention.bytes = "2GiB" => hub.logs_bytes_max, 1GiB
sessions.publish_bytes_max = "2MiB" => to 1MiB
sessions.publish_bytes_max = 0 => one byte
sessions.poll_bytes_max = 0 => one byte
sessions.poll_bytes_max = "65MiB" => to 64MiB
sessions.poll_timeout_max = 0 => above zero
sessions.cors.allow_origin = "*\r\nSet-Cookie: a" => *\r\n
sessions.cors.allow_headers = " *" => printable
sessions.cors.allow_headers = "" => printable
sessions.cors.allow_methods = "é" => printable
hub.idempotency_keys_max = 0 => expected 1 to 262144, found 0
hub.idempotency_keys_max = 262145 => expected 1 to 262144, found 262145
hub.publishes_per_second = 10000001 => expected 0 to 10000000, found 10000001
hub.send_queue_bytes_max = "1KiB" => at least 16KiB
sysadm.classes = [""] => printable
sysadm.retained = ["a\u0007"] => printable
sysadm.state_first = 0 => above zero
sysadm.state_interval = "400d" => up to 366d
live.filters_max = 0 => expected 1 to 16384
live.filters_max = 16385 => found 16385
live.value_bytes_max = "1MiB" => to 512KiB
stream.publish_bytes_max = "2MiB" => to 1MiB
stream.cors.allow_origin = "" => printable
live.cors.allow_origin = [] => expected 1 to 64, found 0
live.cors.allow_origin = ["*", "https://a"] => stands alone
sysadm.cors.allow_origin = "a.example" => without a path; found "a.example"
sessions.cors.max_age = "2d" => at most 1d, found 2d
pubsub.publish_bytes_max = 0 => 1
pubsub.cors.allow_headers = "" => printable
"#;

#[test]
fn wrong_values_are_named() {
    let cases = [WRONG_KINDS, OUT_OF_BOUNDS].map(str::trim).join("\n");
    for case in cases.lines() {
        let (text, part) = case.split_once(" => ").expect("three parts");
        let (key, _) = text.split_once(" = ").expect("a key and a value");
        assert_refused(&format!("\n{text}\n"), key, 2, part);
    }
    let long = format!("sessions.cors.allow_origin = \"{}\"", "x".repeat(1_025));
    assert_refused(&long, "sessions.cors.allow_origin", 1, "at most 1024 bytes");
}

#[test]
fn text_that_is_not_toml_names_a_line() {
    for text in [
        "[server]\nlisten = ",
        "[server]\nlisten",
        "[log]\nlevel = \"a",
        "[a]\n[a]\n",
    ] {
        let error = refused(text);
        assert_eq!(
            (error.key(), error.line()),
            ("", Some(2)),
            "{text:?}: {error}"
        );
    }
    let duplicate = refused("[server]\nopen = true\nopen = true");
    assert_eq!(duplicate.line(), Some(3), "{duplicate}");
    let huge = "#".repeat(2 * 1024 * 1024);
    assert!(refused(&huge).to_string().contains("at most"));
    let deep = format!("a = {}", "[".repeat(100_000));
    refused(&deep);
}

#[test]
fn listening_beyond_loopback_needs_leave() {
    let listening = |listen: &str, open, echo| {
        let mut config = Config::default();
        config.server.listen = listen.parse().expect("an address");
        (config.server.open, config.server.echo) = (open, echo);
        config.check().map_err(|error| error.to_string())
    };
    for loopback in [
        "127.0.0.1:1",
        "127.9.9.9:1",
        "[::1]:1",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert_eq!(listening(loopback, false, true), Ok(()), "{loopback}");
    }
    for beyond in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1"] {
        let error = listening(beyond, false, false).expect_err(beyond);
        assert!(error.starts_with("server.listen: "), "{error}");
        assert!(error.contains("--open"), "{error}");
        assert_eq!(listening(beyond, true, false), Ok(()), "{beyond}");
        let error = listening(beyond, true, true).expect_err(beyond);
        assert!(error.contains("turn server.echo off"), "{error}");
    }
}

#[test]
fn organizations_take_the_place_of_leave() {
    let mut config = Config::default();
    config.server.listen = "0.0.0.0:1".parse().expect("an address");
    config.check().expect_err("open to everyone");
    config.organizations.push(OrganizationConfig {
        name: "acme".to_owned(),
        ..OrganizationConfig::default()
    });
    assert_eq!(config.check(), Ok(()));
    config.server.open = true;
    assert_eq!(config.check(), Ok(()));
    config.server.echo = true;
    config.check().expect_err("the echo is for test suites");
}

#[test]
fn bounds_hold_for_values_that_came_another_way() {
    let mut config = Config::default();
    config.server.shards = std::num::NonZeroU16::new(u16::MAX);
    let error = config.check().expect_err("too many shards");
    assert_eq!((error.key(), error.line()), ("server.shards", None));
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "(\\[?(server|hub|[a-z.]{0,5})\\]?\n?|[a-z\"'=\\[\\]{}\\\\0-9#. \r\n]){0,12}") {
        if let Ok(config) = Config::from_toml(&text) {
            prop_assert_eq!(Config::from_toml(&config.to_string()), Ok(config));
        }
    }
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let text = "[hub]\nscopes = \"implict\"\nsession_ttl = 0\n[server]\nshards = 5000\nlitsen = 1\n\
        [[organizations]]\nid = \"x\"\n";
    let errors = Config::from_toml_with(text, |_| None).expect_err("five mistakes");
    let told = errors.iter().map(|error| (error.key(), error.line()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("hub.scopes", Some(2)),
            ("hub.session_ttl", Some(3)),
            ("server.shards", Some(5)),
            ("server.litsen", Some(6)),
            ("organizations[0].name", Some(7)),
            ("organizations[0].id", Some(8)),
        ]
    );
    let many: Vec<String> = (0..10_000).map(|n| format!("key-{n} = 1\n")).collect();
    let errors = Config::from_toml_with(&many.concat(), |_| None).expect_err("many");
    assert_eq!(errors.len(), crate::limits::CONFIG_MISTAKES_MAX);
}

#[test]
fn every_key_is_listed_with_what_there_is_to_say_of_it() {
    let tables = Config::default().tables();
    let paths: Vec<&str> = tables.iter().map(|table| &*table.path).collect();
    assert_eq!(paths[..4], ["server", "log", "hub", "hub.retention"]);
    let entries = || tables.iter().flat_map(|table| &table.entries);
    assert!(entries().all(|entry| !entry.kind.is_empty()));
    let shards = entries()
        .find(|entry| entry.key == "shards")
        .expect("a key");
    assert_eq!(shards.kind, "a number of shards, or 0 for one per core");
    assert_eq!(shards.bounds, "0 to 1024");
    assert_eq!(shards.value.as_deref(), Some("0"));
    // Two configurations are compared key by key.
    let mut other = Config::default();
    other.hub.scopes = Scopes::Declared;
    let differing = tables.iter().zip(other.tables()).filter(|(a, b)| *a != b);
    let paths: Vec<String> = differing.map(|(table, _)| table.path.clone()).collect();
    assert_eq!(paths, ["hub"]);
}

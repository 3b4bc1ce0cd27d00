//! `check-config` and `serve` with configurations good and bad.

use std::io::Write;

use fanfare::dialect::Config;
use tempfile::NamedTempFile;

use crate::support::run;

fn file(text: &str) -> (NamedTempFile, String) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().to_str().expect("a plain path").to_owned();
    (file, path)
}

#[test]
fn a_sound_configuration_is_printed_as_it_is_in_effect() {
    let (_file, path) = file("[server]\nshards = 2\n[hub.retention]\nage = \"5m\"\n");
    let checked = run(&["check-config", &path, "--listen", "[::1]:9", "-v"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.starts_with("# ok"), "{checked:?}");
    assert_eq!(checked.stderr, "");
    let config = Config::from_toml(&checked.stdout).expect("it is a configuration itself");
    assert_eq!(config.server.listen.to_string(), "[::1]:9");
    assert_eq!(config.server.shards.map(u16::from), Some(2));
    assert_eq!(config.hub.retention.age.as_secs(), 300);
    assert_eq!(config.log.level, "debug");
}

#[test]
fn the_default_file_is_printed_and_is_sound() {
    let printed = run(&["check-config", "--default"]);
    assert_eq!(
        (printed.code, printed.stdout.as_str()),
        (Some(0), &*Config::default_file())
    );
    let (_file, path) = file(&printed.stdout);
    assert_eq!(run(&["check-config", "--config", &path]).code, Some(0));
    assert_eq!(run(&["check-config"]).code, Some(0));
}

#[test]
fn a_bad_configuration_names_file_line_and_key() {
    for (text, expected) in [
        (
            "[server]\nlitsen = 1",
            "line 2: server.litsen: unknown key; did you mean server.listen?",
        ),
        (
            "[hub.retention]\nage = 0",
            "line 2: hub.retention.age: expected a duration above zero",
        ),
        ("[server\n", "line 1: not TOML"),
        // All mistakes are told, each on a line.
        (
            "[server]\nopen = 1\nshards = 9999\n",
            "line 2: server.open: expected true or false, found the integer 1\n\
             {path}: line 3: server.shards: expected 0 to 1024, found 9999\n",
        ),
    ] {
        let (_file, path) = file(text);
        for command in ["check-config", "serve"] {
            let refused = run(&[command, "--config", &path]);
            assert_eq!(refused.code, Some(2), "{refused:?}");
            assert_eq!(refused.stdout, "");
            let expected = format!("fanfare: {path}: {}", expected.replace("{path}", &path));
            assert!(refused.stderr.starts_with(&expected), "{refused:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_or_is_not_text_is_said() {
    let refused = run(&["check-config", "/nowhere/fanfare.toml"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("cannot read /nowhere/fanfare.toml"),
        "{refused:?}"
    );
    let mut scratch = NamedTempFile::new().expect("a scratch file");
    scratch.write_all(b"a = 1\n\xff").expect("written");
    let refused = run(&["serve", "--config", scratch.path().to_str().expect("plain")]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("not UTF-8 at byte 6"),
        "{refused:?}"
    );
}

#[test]
fn listening_beyond_loopback_is_refused_before_anything_starts() {
    let (_file, path) = file("[server]\nlisten = \"0.0.0.0:7400\"\n");
    for args in [
        &["--config", &path][..],
        &["serve", "--listen", "0.0.0.0:7400"],
    ] {
        let refused = run(args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains("server.listen: 0.0.0.0:7400"),
            "{refused:?}"
        );
        assert!(refused.stderr.contains("--open"), "{refused:?}");
    }
    let echo = run(&["--listen", "0.0.0.0:7400", "--open", "--echo"]);
    assert_eq!(echo.code, Some(2), "{echo:?}");
    let open = run(&["check-config", "--listen", "0.0.0.0:7400", "--open"]);
    assert_eq!(open.code, Some(0), "{open:?}");
}

/// A log that is silenced by a slip is found silent when it is needed.
#[test]
fn a_slip_in_a_word_is_told_with_what_was_meant() {
    for (text, meant) in [
        ("[log]\nlevel = \"verbose\"\n", "did you mean \"debug\"?"),
        (
            "[log]\nlevel = \"inof,h2=warn\"\n",
            "did you mean \"info\"?",
        ),
        (
            "[log]\nlevel = \"fanfre=debug\"\n",
            "did you mean \"fanfare\"?",
        ),
        ("[log]\nformat = \"jsno\"\n", "did you mean \"json\"?"),
        (
            "[server]\ndriver = \"io-uring\"\n",
            "did you mean \"io_uring\"?",
        ),
        (
            "[hub]\nslow_consumer = \"disconect\"\n",
            "did you mean \"disconnect\"?",
        ),
        (
            "[[organizations]]\nname = \"a\"\n[[organizations.tokens]]\ngrants = [\"publsh\"]\n\
             sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n",
            "did you mean \"publish\"?",
        ),
    ] {
        let mut file = NamedTempFile::new().expect("a scratch file");
        write!(file, "{text}").expect("written");
        let path = file.path().to_str().expect("a plain path");
        for command in [&["check-config", path][..], &["serve", "--config", path]] {
            let refused = run(command);
            assert_eq!(refused.code, Some(2), "{text}: {refused:?}");
            assert!(refused.stderr.contains(meant), "{refused:?}");
        }
    }
    // On the command line, too.
    for (args, meant) in [
        (["serve", "--driver", "epol"], "epoll"),
        (["serve", "--log-format", "jsno"], "json"),
        (["token", "new", "--grants=publsh"], "publish"),
    ] {
        let refused = run(&args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(meant), "{refused:?}");
    }
}

#[test]
fn a_wrong_command_line_is_explained() {
    for args in [
        &["serve", "--driver", "kqueue"][..],
        &["serve", "--shards", "many"],
        &["serve", "--shards", "5000"],
        &["tail"],
        &["tail", ""],
        &["tail", "s", "--from", "-2"],
        &["tail", "s", "--url", "ftp://127.0.0.1"],
        &["tail", "s", "--url", "https://h", "--ca", "/dev/null"],
        &["tail", "s", "--url", "https://h", "--ca", "/none/such.pem"],
        &["publish", "s", "--type", "a"],
        &["frobnicate"],
    ] {
        let refused = run(args);
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        assert!(!refused.stderr.is_empty(), "{args:?}");
    }
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "serve",
        "check-config",
        "token",
        "user",
        "publish",
        "tail",
        "--listen",
    ] {
        assert!(help.stdout.contains(word), "{word}");
    }
}

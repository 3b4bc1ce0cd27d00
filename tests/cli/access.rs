//! `token`, `user`, and the token that `publish` and `tail` present.

use std::io::Write;
use std::process::Stdio;

use fanfare::auth::{
    Attempt, Directory, Grant, Grants, OrganizationId, PasswordMemory, Secret, TokenDigest,
};
use fanfare::dialect::Config;
use tempfile::NamedTempFile;

use crate::support::{Finished, Script, fanfare, field, finish, run};

const PUBLISHED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nFanfare-Number: 7\r\n\r\n";

/// Runs the program with something on its standard input.
fn run_with(args: &[&str], input: &[u8]) -> Finished {
    let mut child = fanfare(args).stdin(Stdio::piped()).spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    // Who reads one line only may be gone before the rest.
    let _ = stdin.write_all(input);
    drop(stdin);
    finish(child)
}

/// The configuration that tables are pasted into.
fn organization(tables: &str) -> Config {
    let text = format!("[[organizations]]\nname = \"acme\"\n{tables}");
    let config = Config::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    config.check().expect("sound");
    config
}

fn token(args: &[&str]) -> (String, String) {
    let drawn = run(&[&["token", "new"], args].concat());
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    let (token, table) = drawn.stdout.split_once("\n\n").expect("token and table");
    assert!(!table.contains(token) && !drawn.stderr.contains(token));
    (token.to_owned(), table.to_owned())
}

#[test]
fn a_token_is_shown_once_with_the_table_that_keeps_its_digest() {
    let (token_text, table) = token(&[]);
    assert!(token_text.starts_with("ff_") && token_text.len() == 46);
    let expected = format!(
        "[[organizations.tokens]]\nsha256 = \"{}\"\ngrants = [\"publish\", \"subscribe\"]\n",
        TokenDigest::of(&token_text)
    );
    assert_eq!(table, expected);
    assert_ne!(token(&[]).0, token_text);
    let (other, other_table) = token(&["--grants", "admin"]);
    let config = organization(&format!("{table}{other_table}"));
    let directory = Directory::from_config(&config.hub, &config.organizations);
    let admin = directory.bearer(&other).expect("known");
    assert_eq!(admin.organization, OrganizationId(0));
    assert_eq!(admin.grants, Grants::NONE.with(Grant::Admin));
    for bad in ["", "write", "publish,", "publish subscribe"] {
        let refused = run(&["token", "new", "--grants", bad]);
        assert_eq!((refused.code, &*refused.stdout), (Some(2), ""), "{bad:?}");
    }
}

#[test]
fn a_users_password_is_read_from_standard_input() {
    let made = run_with(
        &["user", "new", "mi \"key\"", "--grants", "publish,subscribe"],
        b"sword fish\n",
    );
    assert_eq!((made.code, &*made.stderr), (Some(0), ""), "{made:?}");
    assert!(!made.stdout.contains("fish"));
    let config = organization(&made.stdout);
    let grants = &config.organizations[0].users[0].grants;
    assert_eq!(grants, &["publish", "subscribe"]);
    let directory = Directory::from_config(&config.hub, &config.organizations);
    let attempt = |password| Attempt {
        user: directory.user("mi \"key\""),
        name: "mi \"key\"".into(),
        password: Secret::new(password),
    };
    let mut memory = PasswordMemory::default();
    assert!(directory.verify(&attempt("sword fish"), &mut memory));
    assert!(!directory.verify(&attempt("sword fish\n"), &mut memory));
    let again = run_with(&["user", "new", "mikey"], b"sword fish");
    assert!(
        again.stdout.contains("grants = [\"subscribe\"]"),
        "{again:?}"
    );
    let hash = |made: &Finished| {
        made.stdout
            .lines()
            .find(|l| l.contains("argon2id"))
            .map(str::to_owned)
    };
    assert_ne!(hash(&again), hash(&made), "each has a salt of its own");
}

#[test]
fn what_cannot_be_a_user_is_explained() {
    for (name, input, part) in [
        ("mikey", &b""[..], "empty"),
        ("mikey", b"\n", "empty"),
        ("mikey", b"a\x07b\n", "control characters"),
        ("mikey", b"\xff\n", "UTF-8"),
        ("mikey", &[b'x'; 2_000], "over 1024 bytes"),
        ("mi:key", b"swordfish\n", "without a colon"),
        ("", b"swordfish\n", "1 to 256 bytes"),
    ] {
        let refused = run_with(&["user", "new", name], input);
        assert_eq!(
            (refused.code, &*refused.stdout),
            (Some(1), ""),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(part), "{refused:?}");
        assert!(!refused.stderr.contains("swordfish"), "{refused:?}");
    }
}

#[test]
fn publish_and_tail_present_a_token() {
    let script = Script::answering(PUBLISHED);
    let url = script.url();
    let publish = ["publish", "s", "--type", "a", "--data", "1", "--url", &url];
    let sent = run(&[&publish[..], &["--token", "ff_one"]].concat());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let request = script.request();
    assert_eq!(field(&request, "authorization"), Some("Bearer ff_one"));

    let script = Script::answering(PUBLISHED);
    let url = script.url();
    let publish = ["publish", "s", "--type", "a", "--data", "1", "--url", &url];
    let mut command = fanfare(&publish);
    let sent = finish(
        command
            .env("FANFARE_TOKEN", "ff_two")
            .spawn()
            .expect("starts"),
    );
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let request = script.request();
    assert_eq!(field(&request, "authorization"), Some("Bearer ff_two"));

    let lost = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let body = r#"{"error":{"code":"unauthorized","message":"it is not known"}}"#;
    let length = body.len();
    let refused = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\n\r\n{body}");
    let answers = [lost, &refused].map(|answer| vec![answer.as_bytes().to_vec()]);
    let script = Script::start(answers.to_vec());
    let url = script.url();
    let followed = run(&["tail", "s", "--url", &url, "--token", "ff_three"]);
    assert_eq!(followed.code, Some(1), "{followed:?}");
    assert!(followed.stderr.contains("(unauthorized)"), "{followed:?}");
    for _ in 0..2 {
        let request = script.request();
        assert_eq!(field(&request, "authorization"), Some("Bearer ff_three"));
    }
}

#[test]
fn tokens_are_not_shown() {
    for command in [
        &["tail", "s"][..],
        &["publish", "s", "--type", "a", "--data", "1"],
    ] {
        let refused = run(&[command, &["--token", "ff secret"]].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("--token"), "{refused:?}");
        assert!(!refused.stderr.contains("secret"), "{refused:?}");
    }
    let mut help = fanfare(&["tail", "--help"]);
    let help = finish(
        help.env("FANFARE_TOKEN", "ff_secret")
            .spawn()
            .expect("starts"),
    );
    assert!(help.stdout.contains("FANFARE_TOKEN"), "{help:?}");
    assert!(!help.stdout.contains("ff_secret"), "{help:?}");
}

#[test]
fn organizations_are_printed_with_digests_and_hashes() {
    let (token_text, token_table) = token(&[]);
    let user = run_with(&["user", "new", "mikey"], b"swordfish\n").stdout;
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[server]\nlisten = \"0.0.0.0:7400\"\n[[organizations]]\nname = \"acme\"\n{token_table}{user}")
        .expect("written");
    let path = file.path().to_str().expect("a plain path");
    let checked = run(&["check-config", path]);
    assert_eq!(checked.code, Some(0), "no --open is needed: {checked:?}");
    assert!(checked.stdout.contains("kept as digests"), "{checked:?}");
    assert!(!checked.stdout.contains(&token_text));
    let text = std::fs::read_to_string(path).expect("it is there");
    let config = Config::from_toml(&checked.stdout).expect("a configuration itself");
    assert_eq!(Config::from_toml(&text), Ok(config));
    let none = run(&["check-config"]);
    assert!(!none.stdout.contains("kept as digests"), "{none:?}");
}

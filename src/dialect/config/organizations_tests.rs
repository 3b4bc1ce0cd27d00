//! `[[organizations]]`: the example in the default file, reading and writing, and every refusal.

use proptest::prelude::*;

use super::*;
use crate::config::{TokenConfig, UserConfig};

const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw\
    $aQT8w+bT74bhiJ1Za2/+Iy3pZjCQl+ReuC6039dYO2s";

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Two organizations, written with `name`, `digest` and `hash` in the second.
fn written(name: &str, digest: &str, hash: &str, grants: &str) -> String {
    format!(
        "[[organizations]]\nname = \"first\"\nid = \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"\n\
         tokens = [{{ sha256 = \"{DIGEST}\", grants = [\"admin\"] }}]\n\
         [[organizations.users]]\nname = \"mikey\"\npassword = \"{HASH}\"\ngrants = [\"subscribe\"]\n\
         [[organizations]]\nname = \"{name}\"\n\
         [[organizations.tokens]]\nsha256 = \"{digest}\"\ngrants = {grants}\n\
         [[organizations.users]]\nname = \"{name}\"\npassword = \"{hash}\"\ngrants = {grants}\n"
    )
}

fn refused(text: &str) -> ConfigError {
    Config::from_toml(text).expect_err(text)
}

#[test]
fn the_example_in_the_default_file_is_sound() {
    let default_file = Config::default_file();
    let (_, example) = default_file
        .split_once("# [[organizations]]")
        .expect("an example");
    let example = example
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line));
    let example: Vec<&str> = example.map(str::trim_start).collect();
    let text = format!("[[organizations]]\n{}", example.join("\n"));
    let config = Config::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let [acme] = &config.organizations[..] else {
        panic!("{config}");
    };
    assert_eq!((acme.tokens.len(), acme.users.len()), (1, 1));
    assert_eq!(acme.publishes_per_second, Some(500));
    assert_eq!(acme.users[0].password, HASH);
}

#[test]
fn every_key_is_read_and_written() {
    let other = DIGEST.replace('a', "b");
    let text = written(
        "sécond \\\"2\\\"",
        &other,
        HASH,
        "[\"publish\", \"subscribe\"]",
    );
    let text = text.replacen(
        "tokens = [",
        "publishes_per_second = 5\nlogs_bytes_max = \"64MiB\"\ntokens = [",
        1,
    );
    let config = Config::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let expected = [
        OrganizationConfig {
            name: "first".to_owned(),
            id: Some("6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned()),
            publishes_per_second: Some(5),
            logs_bytes_max: Some(64 * 1024 * 1024),
            tokens: vec![TokenConfig {
                sha256: DIGEST.to_owned(),
                grants: words(&["admin"]),
            }],
            users: vec![UserConfig {
                name: "mikey".to_owned(),
                password: HASH.to_owned(),
                grants: words(&["subscribe"]),
            }],
            ..OrganizationConfig::default()
        },
        OrganizationConfig {
            name: "sécond \"2\"".to_owned(),
            tokens: vec![TokenConfig {
                sha256: other,
                grants: words(&["publish", "subscribe"]),
            }],
            users: vec![UserConfig {
                name: "sécond \"2\"".to_owned(),
                password: HASH.to_owned(),
                grants: words(&["publish", "subscribe"]),
            }],
            ..OrganizationConfig::default()
        },
    ];
    assert_eq!(config.organizations, expected);
    assert_eq!(Config::from_toml(&config.to_string()), Ok(config));
}

#[test]
fn what_is_there_already_is_refused() {
    let other = DIGEST.replace('a', "b");
    let grants = "[\"publish\"]";
    let upper = DIGEST.to_uppercase();
    let of_first = OrganizationConfig {
        name: "third".to_owned(),
        ..OrganizationConfig::default()
    };
    let derived = of_first.uuid().expect("derived");
    let id = format!("second\"\nid = \"{derived}");
    let third = "[[organizations]]\nname = \"third\"\n";
    for (text, key, line) in [
        (
            written("first", &other, HASH, grants),
            "organizations[1].name",
            10,
        ),
        (
            written("second", DIGEST, HASH, grants),
            "organizations[1].tokens[0].sha256",
            12,
        ),
        (
            written("second", &upper, HASH, grants),
            "organizations[1].tokens[0].sha256",
            12,
        ),
        (
            written("mikey", &other, HASH, grants),
            "organizations[1].users[0].name",
            15,
        ),
        (
            format!("[[organizations]]\nname = \"{id}\"\n{third}"),
            "organizations[1].id",
            4,
        ),
        (
            written(
                "second",
                &other,
                HASH,
                "[\"publish\", \"admin\", \"publish\"]",
            ),
            "organizations[1].tokens[0].grants",
            13,
        ),
    ] {
        let error = refused(&text);
        assert_eq!(
            (error.key(), error.line()),
            (key, Some(line)),
            "{error}\n{text}"
        );
        assert!(error.problem().contains("what no other has"), "{error}");
    }
}

/// Each line: what is wrong in the second organization, and what the refusal says.
const WRONG: &str = r#"
grants: [] => found none
grants: ["Publish"] => some of "publish", "subscribe", "admin"
grants: "publish" => a list of texts
sha256: swordfish => 64 hexadecimal digits
sha256: xx7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad => 64 hexadecimal digits
password: swordfish => expected an argon2id hash
password: $argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA => expected an argon2id hash
password: $argon2id$v=19$m=19456,t=2,p=1 => expected an argon2id hash
password: $argon2id$v=19$m=1024,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA => 7168 to 262144, found 1024
password: $argon2id$v=19$m=4000000000,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA => found 4000000000
password: $argon2id$v=19$m=19456,t=17,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA => t (passes) of 1 to 16, found 17
password: $argon2id$v=19$m=19456,t=2,p=17$c29tZXNhbHQ$AAAAAAAAAAAAAAAA => p (lanes) of 1 to 16, found 17
name:  => 1 to 256 bytes
name:  a => outer spaces
name: a\u0007 => control characters
"#;

#[test]
fn what_is_not_what_it_says_is_refused() {
    let other = DIGEST.replace('a', "b");
    for case in WRONG.trim().lines() {
        let (wrong, part) = case.split_once(" => ").expect("two parts");
        let (place, value) = wrong.split_once(": ").expect("a key and a value");
        let pick = |key, usual| if place == key { value } else { usual };
        let text = written(
            pick("name", "second"),
            pick("sha256", &other),
            pick("password", HASH),
            pick("grants", "[\"publish\"]"),
        );
        let error = refused(&text);
        assert!(error.key().starts_with("organizations[1]."), "{error}");
        assert!(
            error.line().is_some() && error.problem().contains(part),
            "{error}"
        );
        assert!(!error.problem().contains("swordfish"), "{error}");
    }
    let sound = written("second", &other, HASH, "[\"publish\"]");
    for (bytes, part) in [
        ("0", "at least one byte"),
        ("\"2GiB\"", "found 2GiB"),
        ("\"1G\"", "8MiB"),
    ] {
        let line = format!("name = \"first\"\nlogs_bytes_max = {bytes}");
        let error = refused(&sound.replacen("name = \"first\"", &line, 1));
        let key = "organizations[0].logs_bytes_max";
        assert_eq!((error.key(), error.line()), (key, Some(3)), "{error}");
        assert!(error.problem().contains(part), "{error}");
    }
    let colon = sound.replace("name = \"mikey\"", "name = \"mi:key\"");
    assert!(refused(&colon).problem().contains("without a colon"));
    for bad in ["6ba7b8109dad11d180b400c04fd430c8", "acme", ""] {
        let error = refused(&sound.replace("6ba7b810-9dad-11d1-80b4-00c04fd430c8", bad));
        assert_eq!(
            (error.key(), error.line()),
            ("organizations[0].id", Some(3))
        );
    }
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    for (text, key, line, part) in [
        (
            "[[organizations]]\n",
            "organizations[0].name",
            1,
            "found nothing",
        ),
        (
            "[[organizations]]\nname = \"a\"\n[[organizations.tokens]]\ngrants = [\"admin\"]",
            "organizations[0].tokens[0].sha256",
            3,
            "found nothing",
        ),
        (
            "[[organizations]]\nname = \"a\"\ntoken = []",
            "organizations[0].token",
            3,
            "did you mean organizations[0].tokens?",
        ),
        (
            "[organizations]\nname = \"a\"",
            "organizations",
            1,
            "tables, [[organizations]]",
        ),
        (
            "organizations = [1]",
            "organizations",
            1,
            "tables, [[organizations]]",
        ),
        (
            "[[organizations]]\nname = \"a\"\npublishes_per_second = -1",
            "organizations[0].publishes_per_second",
            3,
            "a whole number",
        ),
        (
            "[[organizations]]\nname = \"a\"\npublishes_per_second = 10_000_001",
            "organizations[0].publishes_per_second",
            3,
            "expected 0 to 10000000, found 10000001",
        ),
        (
            "[[organizations]]\nname = \"a\"\nusers = 3",
            "organizations[0].users",
            3,
            "tables, [[users]]",
        ),
    ] {
        let error = refused(text);
        assert_eq!(
            (error.key(), error.line()),
            (key, Some(line)),
            "{error}\n{text}"
        );
        assert!(error.problem().contains(part), "{error}");
    }
}

proptest! {
    #[test]
    fn names_are_written_as_they_are_read(name in "[\\PC&&[^:]]{1,20}") {
        let mut config = Config::default();
        config.organizations.push(OrganizationConfig {
            name: name.clone(),
            users: vec![UserConfig { name, password: HASH.to_owned(), grants: words(&["admin"]) }],
            ..OrganizationConfig::default()
        });
        if config.check().is_ok() {
            prop_assert_eq!(Config::from_toml(&config.to_string()), Ok(config));
        }
    }
}

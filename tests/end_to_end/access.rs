//! A server with an organization: a token drawn, pasted, and presented.

use std::io::Write;
use std::process::Output;

use tempfile::NamedTempFile;

use crate::server::{Server, Setting, fanfare};

on_every_setting!(a_token_opens_what_is_closed_without_it);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn a_token_opens_what_is_closed_without_it(setting: Setting) {
    let drawn = fanfare(&["token", "new"]).output().expect("it starts");
    let drawn = text(&drawn.stdout);
    let (token, table) = drawn.split_once("\n\n").expect("a token and a table");
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[[organizations]]\nname = \"acme\"\n{table}").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    for line in &server.banner[1..] {
        assert!(
            line.contains("Authorization: Bearer $FANFARE_TOKEN\""),
            "{line}"
        );
    }
    let url = server.url("");
    let run = |args: &[&str], token: Option<&str>| -> Output {
        let mut command = fanfare(&[args, &["--url", &url]].concat());
        command.envs(token.map(|token| ("FANFARE_TOKEN", token)));
        command.output().expect("it starts")
    };
    let publish = ["publish", "room", "--type", "t", "--data", "1"];
    let tail = ["tail", "room", "--from", "-1", "--once", "1"];
    for token in [None, Some("ff_unknown")] {
        for command in [&publish[..], &tail] {
            let refused = run(command, token);
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            let problem = text(&refused.stderr);
            assert!(
                problem.contains("401") && problem.contains("(unauthorized)"),
                "{problem}"
            );
        }
    }
    let sent = run(&publish, Some(token));
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let heard = run(&tail, Some(token));
    assert_eq!(
        text(&heard.stdout),
        "{\"number\":0,\"type\":\"t\",\"data\":1}\n",
        "{heard:?}"
    );
}

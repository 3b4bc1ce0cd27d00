//! A server with one organization and tokens that the program itself has drawn.

use std::io::Write as _;

use tempfile::NamedTempFile;

use crate::server::{Server, Setting, fanfare};

/// The tokens of the organization, each with one grant.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) publisher: String,
    pub(crate) subscriber: String,
    /// The configuration, as long as anybody may read it.
    _file: NamedTempFile,
}

/// An organization's tables of the configuration, with a token drawn for each of these grants.
pub(crate) fn organization(name: &str, grants: &[&str]) -> (String, Vec<String>) {
    let mut text = format!("[[organizations]]\nname = \"{name}\"\n");
    let draw = |grants: &&str| {
        let drawn = fanfare(&["token", "new", "--grants", grants]).output();
        let drawn = String::from_utf8(drawn.expect("it starts").stdout).expect("UTF-8");
        let (token, table) = drawn.split_once("\n\n").expect("a token and a table");
        text.push_str(table);
        token.to_owned()
    };
    let tokens = grants.iter().map(draw).collect();
    (text, tokens)
}

/// Starts a server that asks for tokens.
pub(crate) fn server_with_tokens(setting: Setting) -> (Server, Tokens) {
    let (text, tokens) = organization("acme", &["publish", "subscribe"]);
    let [publisher, subscriber] = <[String; 2]>::try_from(tokens).expect("one for each");
    let mut file = NamedTempFile::new().expect("a scratch file");
    file.write_all(text.as_bytes()).expect("written");
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let tokens = Tokens {
        publisher,
        subscriber,
        _file: file,
    };
    (server, tokens)
}

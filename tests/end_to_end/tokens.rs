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

/// Starts a server that asks for tokens.
pub(crate) fn server_with_tokens(setting: Setting) -> (Server, Tokens) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[[organizations]]\nname = \"acme\"\n").expect("written");
    let [publisher, subscriber] = ["publish", "subscribe"].map(|grant| {
        let drawn = fanfare(&["token", "new", "--grants", grant]);
        let drawn = { drawn }.output().expect("it starts").stdout;
        let drawn = String::from_utf8(drawn).expect("UTF-8");
        let (token, table) = drawn.split_once("\n\n").expect("a token and a table");
        file.write_all(table.as_bytes()).expect("written");
        token.to_owned()
    });
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let tokens = Tokens {
        publisher,
        subscriber,
        _file: file,
    };
    (server, tokens)
}

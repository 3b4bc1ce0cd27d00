//! The client, its types and the demo: files that are part of the program, for browsers.
//!
//! Whoever asks for a file by its plain URL asks again each time, and is told by its `ETag` (RFC
//! 9110 §8.8.3) that it has not changed; by a URL that names the hash of what is in it, it may be
//! kept for good (RFC 8246). The demo loads the client that way. The demo shows everything to
//! everyone, so a server that asks for tokens has none.

use bytes::Bytes;

use super::errors::refuse_method;
use super::{Pubsub, Route};
use crate::dialect::{Refused, Responder, respond_error};
use crate::protocol::http1::{Head, query_last};

const CLIENT: &str = include_str!("client/client.js");
const TYPES: &str = include_str!("client/client.d.ts");
const DEMO: &str = include_str!("demo/index.html");

/// How the demo names the client.
const CLIENT_PATH: &str = "/pubsub/client.js";

/// For all of them. Any page may import the client.
const COMMON: &str = "X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\n";

/// What the demo may do (Content Security Policy Level 3): run what stands in it and the client,
/// and talk to servers. Its script and style stand in the page itself, which holds nothing that
/// anybody else wrote.
const DEMO_POLICY: &str = "Content-Security-Policy: default-src 'none'; \
    script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'\r\n\
    Referrer-Policy: no-referrer\r\n";

/// A file that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The client for browsers and Node: an ES module.
    Client,
    /// The types of the client.
    Types,
    /// Two windows that talk.
    Demo,
}

/// All of them, as they are sent.
#[derive(Debug)]
pub(super) struct Assets {
    client: File,
    types: File,
    demo: File,
}

/// One of them.
#[derive(Debug)]
struct File {
    content_type: &'static str,
    content: Bytes,
    /// The hash of what is in it, as URLs name it.
    version: String,
    /// The version, quoted (RFC 9110 §8.8.3).
    etag: String,
    /// The header lines of its own, each with its CR LF.
    headers: &'static str,
}

impl File {
    fn new(content_type: &'static str, content: Bytes, headers: &'static str) -> Self {
        let version = format!("{:016x}", fnv1a(&content));
        Self {
            content_type,
            etag: format!("\"{version}\""),
            content,
            version,
            headers,
        }
    }

    /// RFC 9110 §13.1.2: any of those that the client has, compared weakly; `*`, if it stands
    /// alone, is whatever it has.
    fn is_known(&self, head: &Head<'_, '_>) -> bool {
        const FIELD: &str = "if-none-match";
        let known = |etag: &str| head.has_token(FIELD, etag);
        let any = head.header(FIELD) == Some(b"*");
        any || known(&self.etag) || known(&format!("W/{}", self.etag))
    }

    fn respond(&self, head: &Head<'_, '_>, to: &mut Responder<'_>) {
        let exchange = to.exchange;
        let asked = query_last(head.query.unwrap_or(""), "v");
        let kept: &[u8] = match asked {
            Ok(Some(version)) if version == self.version => b"public, max-age=31536000, immutable",
            _ => b"no-cache",
        };
        let status = if self.is_known(head) { 304 } else { 200 };
        // RFC 9110 §15.4.5: what would be said of the validator and of caching is said with 304,
        // too.
        let response = to
            .begin(status)
            .header("ETag", self.etag.as_bytes())
            .header("Cache-Control", kept)
            .raw(COMMON.as_bytes())
            .raw(self.headers.as_bytes());
        if status == 304 {
            response.empty(exchange.keep_alive);
        } else {
            response.body(
                Some(self.content_type),
                &self.content,
                exchange.keep_alive,
                exchange.head_only,
            );
        }
    }
}

impl Assets {
    pub(super) fn new() -> Self {
        let constant = |text: &'static str| Bytes::from_static(text.as_bytes());
        let client = File::new("text/javascript; charset=utf-8", constant(CLIENT), "");
        let versioned = format!("{CLIENT_PATH}?v={}", client.version);
        let demo = Bytes::from(DEMO.replace(CLIENT_PATH, &versioned));
        Self {
            types: File::new("application/typescript", constant(TYPES), ""),
            demo: File::new("text/html; charset=utf-8", demo, DEMO_POLICY),
            client,
        }
    }

    const fn file(&self, asset: Asset) -> &File {
        match asset {
            Asset::Client => &self.client,
            Asset::Types => &self.types,
            Asset::Demo => &self.demo,
        }
    }
}

impl Pubsub {
    /// Judges a request for a file, or for the index, by its head: no body, or a refusal (written).
    pub(super) fn admit_asset(
        &self,
        route: Route,
        head: &Head<'_, '_>,
        to: &mut Responder<'_>,
    ) -> Result<u64, Refused> {
        let demo = matches!(route, Route::Index | Route::Asset(Asset::Demo));
        if demo && self.directory.anonymous().is_none() {
            let message = "nothing is served here";
            return Err(respond_error(to, &[], 404, "not_found", message));
        }
        if !route.allows(head.method) {
            let lines = self.lines_of_refusal(route);
            return Err(refuse_method(route.allow(), lines, to));
        }
        Ok(0)
    }

    /// What a refusal on a path tells browsers, where the other answers tell them nothing.
    pub(super) fn lines_of_refusal(&self, route: Route) -> &[u8] {
        match route {
            Route::Publish | Route::Socket => b"",
            Route::Asset(_) | Route::Index => &self.cors,
        }
    }

    /// Answers an admitted request for a file.
    pub(super) fn respond_asset(&self, asset: Asset, head: &Head<'_, '_>, to: &mut Responder<'_>) {
        self.assets.file(asset).respond(head, to);
    }

    /// Leads to the demo. Not for good: browsers remember 308, and the server may ask for tokens
    /// tomorrow.
    pub(super) fn respond_index(to: &mut Responder<'_>) {
        let exchange = to.exchange;
        to.begin(302)
            .header("Location", b"/pubsub/demo")
            .empty(exchange.keep_alive);
    }
}

/// FNV-1a, 64 bits: tells one version of a file from another, both of which are ours.
fn fnv1a(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(OFFSET, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests;

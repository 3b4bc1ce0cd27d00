//! The files, as browsers ask for them.

use std::sync::Arc;

use super::*;
use crate::auth::Directory;
use crate::dialect::pubsub::PubsubConfig;
use crate::dialect::testing::{Ground, organizations};
use crate::dialect::{Action, Dialect as _};

fn ask_of(directory: Directory, line: &str, lines: &str) -> (u16, String, String) {
    let pubsub = Pubsub::new(&PubsubConfig::default(), Arc::new(directory));
    let request = format!("{line} HTTP/1.1\r\nIgnored: x{lines}");
    let path = line.split([' ', '?']).nth(1).expect("a path");
    let route = Route::parse(path).expect("this dialect's");
    let (_, written) = Ground::new().request(&request, |head, tools, to| {
        match pubsub.admit(route, head, to) {
            Ok(most) => {
                assert_eq!(most, 0);
                pubsub.handle(route, head, b"", tools, to)
            }
            Err(Refused) => Action::Done,
        }
    });
    let (head, body) = written.split_once("\r\n\r\n").expect("an answer");
    let status = head[9..12].parse().expect("a status");
    (status, format!("{head}\r\n"), body.to_owned())
}

fn ask(line: &str, lines: &str) -> (u16, String, String) {
    ask_of(Directory::open(), line, lines)
}

#[track_caller]
fn field<'h>(head: &'h str, name: &str) -> &'h str {
    let before = format!("\r\n{name}: ");
    let at = head
        .find(&before)
        .unwrap_or_else(|| panic!("no {name}: {head}"));
    let rest = &head[at + before.len()..];
    &rest[..rest.find("\r\n").expect("an end")]
}

#[test]
fn each_file_is_served_as_what_it_is() {
    for (path, content_type, content) in [
        (
            "/pubsub/client.js",
            "text/javascript; charset=utf-8",
            CLIENT,
        ),
        ("/pubsub/client.d.ts", "application/typescript", TYPES),
    ] {
        let (status, head, body) = ask(&format!("GET {path}"), "");
        assert_eq!((status, &*body), (200, content));
        assert_eq!(field(&head, "Content-Type"), content_type);
        assert_eq!(field(&head, "Cache-Control"), "no-cache");
        assert_eq!(field(&head, "Access-Control-Allow-Origin"), "*");
        assert_eq!(field(&head, "X-Content-Type-Options"), "nosniff");
        let (status, same, body) = ask(&format!("HEAD {path}"), "");
        assert_eq!((status, same, &*body), (200, head, ""));
    }
}

#[test]
fn the_demo_loads_the_version_of_the_client_that_is_here() {
    let (status, head, body) = ask("GET /pubsub/demo", "");
    assert_eq!(status, 200);
    assert_eq!(field(&head, "Content-Type"), "text/html; charset=utf-8");
    let policy = field(&head, "Content-Security-Policy");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    let (_, client, _) = ask("GET /pubsub/client.js", "");
    let version = field(&client, "ETag").trim_matches('"');
    let versioned = format!("{CLIENT_PATH}?v={version}");
    assert_eq!(body.replace(&versioned, CLIENT_PATH), DEMO);
    let named = body.matches(CLIENT_PATH).count();
    assert!(named > 0 && named == body.matches(&versioned).count());
}

#[test]
fn a_url_with_the_version_is_kept_for_good() {
    let (_, head, _) = ask("GET /pubsub/client.js", "");
    let version = field(&head, "ETag").trim_matches('"').to_owned();
    assert_eq!(version.len(), 16);
    let (status, head, _) = ask(&format!("GET /pubsub/client.js?v={version}"), "");
    let for_good = "public, max-age=31536000, immutable";
    assert_eq!((status, field(&head, "Cache-Control")), (200, for_good));
    // Whoever has the URL of another version must not keep this one under it.
    for query in ["?v=0", "?v=", "?V=0", "?v=%ff"] {
        let (status, head, _) = ask(&format!("GET /pubsub/client.js{query}"), "");
        assert_eq!((status, field(&head, "Cache-Control")), (200, "no-cache"));
    }
}

#[test]
fn who_has_it_is_told_so() {
    let (_, head, content) = ask("GET /pubsub/client.js", "");
    let etag = field(&head, "ETag").to_owned();
    for list in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"other\", {etag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let lines = format!("\r\nIf-None-Match: {list}");
            let (status, head, body) = ask(&format!("{method} /pubsub/client.js"), &lines);
            assert_eq!((status, &*body), (304, ""), "{list}");
            assert_eq!(field(&head, "ETag"), etag);
            assert_eq!(field(&head, "Cache-Control"), "no-cache");
            assert!(!head.contains("Content-Length"), "{head}");
        }
    }
    for list in ["\"other\"", "", etag.trim_matches('"'), "\"a,*,b\""] {
        let lines = format!("\r\nIf-None-Match: {list}");
        let (status, _, body) = ask("GET /pubsub/client.js", &lines);
        assert_eq!((status, &body), (200, &content), "{list}");
    }
}

#[test]
fn other_methods_are_refused() {
    for path in ["client.js", "client.d.ts", "demo"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let (status, head, _) = ask(&format!("{method} /pubsub/{path}"), "");
            assert_eq!((status, field(&head, "Allow")), (405, "GET, HEAD"));
        }
    }
}

#[test]
fn the_demo_is_for_servers_without_organizations() {
    for path in ["/pubsub", "/pubsub/"] {
        let (status, head, body) = ask(&format!("GET {path}"), "");
        assert_eq!((status, &*body), (302, ""));
        assert_eq!(field(&head, "Location"), "/pubsub/demo");
    }
    for (path, status) in [
        ("/pubsub", 404),
        ("/pubsub/demo", 404),
        ("/pubsub/client.js", 200),
        ("/pubsub/client.d.ts", 200),
    ] {
        let answer = ask_of(organizations(), &format!("GET {path}"), "");
        assert_eq!(answer.0, status, "{path}");
    }
}

#[test]
fn the_hash_is_fnv_1a() {
    // The test suite of its authors (draft-eastlake-fnv).
    assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
}

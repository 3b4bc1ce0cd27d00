//! RFC 9112 §2 to §3, §5, §9: request heads, their bounds and what they say about the connection.

use fanfare::limits::{
    HTTP_EMPTY_LINES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_TARGET_BYTES_MAX,
};
use fanfare::protocol::Parsed;
use fanfare::protocol::http1::{BodyLength, HeadError, Method, Scratch, Version, parse_head};

use super::{accepted, parse, refused, with_fields};

#[test]
fn section_2_1_a_request() {
    let head = accepted(
        b"GET /hello.txt?a=1&b HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\n\
          Accept-Language: en, mi\r\nX-Empty:\r\nX-Blank:  \t \r\nX-Text: \t a b \xe9\t \r\n\r\n",
    );
    assert_eq!((head.method, head.version), (Method::Get, Version::Http11));
    assert_eq!(
        (&*head.target, &*head.path),
        ("/hello.txt?a=1&b", "/hello.txt")
    );
    assert_eq!(head.query.as_deref(), Some("a=1&b"));
    assert_eq!(head.body_length, BodyLength::None);
    assert!(head.keep_alive && !head.expect_continue);
    let values: Vec<_> = head.headers.iter().map(|(_, value)| &value[..]).collect();
    let expected: [&[u8]; 6] = [
        b"curl/7.64.1",
        b"www.example.com",
        b"en, mi",
        b"",
        b"",
        b"a b \xe9",
    ];
    assert_eq!(values, expected);
}

#[test]
fn section_2_2_empty_lines_before_the_request_line() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for lines in 0..=HTTP_EMPTY_LINES_MAX {
        let bytes = "\r\n".repeat(lines) + request;
        assert_eq!(accepted(bytes.as_bytes()).consumed, bytes.len());
    }
    let bytes = "\r\n".repeat(HTTP_EMPTY_LINES_MAX + 1) + request;
    assert_eq!(refused(bytes.as_bytes()), HeadError::EmptyLines);
    assert_eq!(refused(b"\n"), HeadError::LineEnd);
    assert_eq!(refused(b"\rGET / HTTP/1.1\r\n"), HeadError::LineEnd);
}

#[test]
fn section_2_3_versions() {
    let version = |version: &str| format!("GET / {version}\r\nHost: a\r\n\r\n").into_bytes();
    assert_eq!(accepted(&version("HTTP/1.1")).version, Version::Http11);
    assert_eq!(accepted(&version("HTTP/1.0")).version, Version::Http10);
    // RFC 9110 §2.5: a later minor version is the latest that is known.
    for minor in 2..=9 {
        let head = accepted(&version(&format!("HTTP/1.{minor}")));
        assert_eq!(head.version, Version::Http11);
        assert_eq!((head.headers.len(), head.keep_alive), (1, true));
    }
    let chunked = accepted(b"POST /p?q HTTP/1.7\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(
        (&*chunked.path, chunked.body_length),
        ("/p", BodyLength::Chunked)
    );
    for (request, status) in [
        ("GET / HTTP/1.2\r\n\r\n", 400),
        ("GET / HTTP/1.2\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.2\r\n Host: a\r\n\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: a\0\r\n\r\n", 400),
        ("GET / HTTP/1.2\rHost: a\r\n\r\n", 400),
        ("BREW / HTTP/1.2\r\nHost: a\r\n\r\n", 501),
    ] {
        assert_eq!(refused(request.as_bytes()).status(), status, "{request:?}");
    }
    let fields = "X: y\r\n".repeat(HTTP_HEADERS_MAX);
    let many = format!("GET / HTTP/1.2\r\nHost: a\r\n{fields}\r\n");
    assert_eq!(refused(many.as_bytes()), HeadError::TooManyFields);
    for other in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/9.9"] {
        assert_eq!(refused(&version(other)).status(), 505, "{other}");
    }
    for bad in [
        "",
        "HTTP/1",
        "HTTP/2",
        "http/1.1",
        "HTTP/1.1 ",
        "HTTP/1.11",
        "HTTP/1.20",
        "HTTP/1.2 ",
        "HTTP/1.",
        "HTTP/a.1",
        "1.1",
        " HTTP/1.1",
    ] {
        assert_eq!(refused(&version(bad)).status(), 400, "{bad}");
    }
    assert_eq!(refused(b"GET /\r\n").status(), 400, "HTTP/0.9");
}

#[test]
fn section_3_1_methods() {
    let methods = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Options,
    ];
    for method in methods {
        let bytes = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", method.as_str());
        assert_eq!(accepted(bytes.as_bytes()).method, method);
    }
    for unknown in [
        "CONNECT",
        "TRACE",
        "get",
        "PROPFIND",
        "X",
        "PRI",
        "GETT",
        "!#$%&'*+-.^_`|~",
    ] {
        let bytes = format!("{unknown} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(bytes.as_bytes()).status(), 501, "{unknown}");
    }
    for bad in ["", "G\u{e9}T", "G@T", "\"GET\"", "G\tT", "\u{16}\u{3}\u{1}"] {
        let bytes = format!("{bad} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(bytes.as_bytes()).status(), 400, "{bad}");
    }
    // Nothing is waited for once no known method can come of it.
    assert_eq!(parse(b"OPTIONS"), Ok(None));
    assert_eq!(parse(b"OPTIONSX"), Err(HeadError::MethodUnknown));
}

#[test]
fn section_3_2_forms_of_the_target() {
    let cases = [
        ("GET", "/", "/", None),
        ("GET", "/a/b%20c", "/a/b%20c", None),
        ("GET", "/a?", "/a", Some("")),
        ("GET", "/a?b?c", "/a", Some("b?c")),
        ("GET", "//a", "//a", None),
        ("GET", "/http://x", "/http://x", None),
        ("GET", "http://h", "/", None),
        ("GET", "HTTP://h:80/x?y=/z", "/x", Some("y=/z")),
        ("GET", "https://[::1]:8/x", "/x", None),
        ("GET", "http://h?q", "/", Some("q")),
        ("OPTIONS", "*", "*", None),
        ("OPTIONS", "http://h:8001", "*", None),
        ("OPTIONS", "http://h/", "/", None),
        (
            "GET",
            "/a-._~!$&'()*+,;=:@%[]?/?",
            "/a-._~!$&'()*+,;=:@%[]",
            Some("/?"),
        ),
    ];
    for (method, target, path, query) in cases {
        let bytes = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = accepted(bytes.as_bytes());
        assert_eq!(
            (&*head.path, head.query.as_deref()),
            (path, query),
            "{target}"
        );
        assert_eq!(head.target, target);
    }
    let bad = [
        "*",
        "a",
        "h:80",
        "?q",
        "/a#b",
        "/a?b#c",
        "http://h/#f",
        "http:///x",
        "http://",
        "ftp://h/",
        "http://u@h/",
        "http://h:x/",
        "http:/h",
        "://h",
        "",
        "/a b",
        "/a\tb",
        "/\u{7f}",
    ];
    for target in bad {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(bytes.as_bytes()).status(), 400, "{target:?}");
    }
    assert_eq!(refused(b"GET /\xff\xfe HTTP/1.1\r\n"), HeadError::Target);
}

/// RFC 3986 §3.3, §3.4: what proxies make of bytes that no URI has differs.
#[test]
fn section_3_2_bytes_that_no_target_has() {
    for target in [
        "/\u{fc}",
        "/a\u{80}",
        "/a|b",
        "/a\"b",
        "/a<b",
        "/a>b",
        "/a\\b",
        "/a^b",
        "/a`b",
        "/a{b",
        "/a}b",
        "/a?b|c",
        "/a?b={c}",
        "/a?\u{fc}",
        "http://h/a|b",
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(refused(bytes.as_bytes()), HeadError::Target, "{target:?}");
    }
}

#[test]
fn section_3_2_host() {
    let request = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n").into_bytes();
    for good in [
        "a",
        "a:80",
        "[::1]:80",
        "",
        "xn--e1afmkfd.example",
        "10.0.0.1",
    ] {
        accepted(&request(&format!("hOsT: {good}\r\n")));
    }
    assert_eq!(refused(&request("")), HeadError::HostMissing);
    assert_eq!(
        refused(&request("Host: a\r\nHost: a\r\n")),
        HeadError::HostRepeated
    );
    for bad in [
        "a b", "a/b", "a:b", "u@a", "a, b", "http://a", "a\u{e9}", "[::1",
    ] {
        assert_eq!(
            refused(&request(&format!("Host: {bad}\r\n"))),
            HeadError::HostInvalid
        );
    }
    // HTTP/1.0 may lack Host, but not repeat it.
    accepted(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        refused(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        HeadError::HostRepeated
    );
}

#[test]
fn section_3_long_targets_are_414() {
    let target = |bytes: usize| format!("GET /{} ", "a".repeat(bytes - 1));
    let longest = target(HTTP_TARGET_BYTES_MAX) + "HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(matches!(parse(longest.as_bytes()), Ok(Some(_))));
    let too_long = target(HTTP_TARGET_BYTES_MAX + 1) + "HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(parse(too_long.as_bytes()), Err(HeadError::TargetTooLong));
    // Known as soon as the byte too many is there, with no space and no line end in sight.
    let unfinished = too_long.find(" HTTP").unwrap();
    assert_eq!(parse(&too_long.as_bytes()[..unfinished - 1]), Ok(None));
    assert_eq!(
        parse(&too_long.as_bytes()[..unfinished]),
        Err(HeadError::TargetTooLong)
    );
}

#[test]
fn section_5_long_heads_are_431() {
    let begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let head = |bytes: usize| format!("{begin}{}\r\n\r\n", "a".repeat(bytes - begin.len() - 4));
    let longest = head(HTTP_HEAD_BYTES_MAX);
    let parsed = parse(longest.as_bytes()).unwrap().unwrap();
    assert_eq!(parsed.consumed, HTTP_HEAD_BYTES_MAX);
    let too_long = head(HTTP_HEAD_BYTES_MAX + 1);
    assert_eq!(parse(too_long.as_bytes()), Err(HeadError::HeadTooLong));
    // A head that never ends is refused at its bound.
    let endless = format!("{begin}{}", "a".repeat(HTTP_HEAD_BYTES_MAX));
    assert_eq!(
        parse(&endless.as_bytes()[..HTTP_HEAD_BYTES_MAX - 1]),
        Ok(None)
    );
    assert_eq!(
        parse(&endless.as_bytes()[..HTTP_HEAD_BYTES_MAX]),
        Err(HeadError::HeadTooLong)
    );
}

#[test]
fn section_5_many_fields_are_431() {
    let fields = |count: usize| with_fields(&"X: y\r\n".repeat(count - 1));
    assert_eq!(
        accepted(&fields(HTTP_HEADERS_MAX)).headers.len(),
        HTTP_HEADERS_MAX
    );
    assert_eq!(
        refused(&fields(HTTP_HEADERS_MAX + 1)),
        HeadError::TooManyFields
    );
    // A body's line feeds are no reason to blame the head for something else.
    let with_body = [fields(HTTP_HEADERS_MAX + 1), b"a\nb\nc".to_vec()].concat();
    assert_eq!(refused(&with_body), HeadError::TooManyFields);
}

#[test]
fn section_9_3_persistence() {
    let cases = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive\r\n", true),
        ("HTTP/1.1", "Connection: keep-alive, Close\r\n", false),
        (
            "HTTP/1.1",
            "Connection: Upgrade\r\nConnection: x ,\tCLOSE,\r\n",
            false,
        ),
        ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        (
            "HTTP/1.0",
            "Connection: close\r\nConnection: keep-alive\r\n",
            false,
        ),
        ("HTTP/1.0", "Connection: upgrade\r\n", false),
    ];
    for (version, fields, keep_alive) in cases {
        let bytes = format!("GET / {version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(
            accepted(bytes.as_bytes()).keep_alive,
            keep_alive,
            "{bytes:?}"
        );
    }
}

#[test]
fn section_9_3_2_pipelined_requests() {
    let requests = [
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
        "OPTIONS * HTTP/1.0\r\n\r\n",
    ];
    let bytes = requests.concat();
    let mut rest = bytes.as_bytes();
    for request in requests {
        let head = accepted(rest);
        assert_eq!(head.consumed, request.len());
        rest = &rest[head.consumed..];
    }
    assert!(rest.is_empty());
}

#[test]
fn rfc_9110_section_10_1_1_expectations() {
    let body = "Content-Length: 3\r\n";
    let expect = |fields: &str| accepted(&with_fields(fields)).expect_continue;
    assert!(expect(&format!("{body}Expect: 100-Continue\r\n")));
    assert!(expect(
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
    ));
    assert!(!expect(body));
    assert!(!expect("Expect: 100-continue\r\n"), "no body to wait for");
    assert!(!expect("Content-Length: 0\r\nExpect: 100-continue\r\n"));
    let old = b"POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    assert!(!accepted(old).expect_continue);
    for other in [
        "200-ok",
        "100-continue, x",
        "x, 100-continue",
        "100-continue=1",
    ] {
        let bytes = with_fields(&format!("{body}Expect: {other}\r\n"));
        assert_eq!(refused(&bytes).status(), 417, "{other}");
    }
}

#[test]
fn rfc_9110_section_5_fields_are_found_by_name() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nconnection: keep-alive , Upgrade\r\nX-A: 1\r\n\
                  x-a: 2\r\nX-Bin: \xff\r\nConnection: x\r\n\r\n";
    let mut scratch = Scratch::new();
    let Ok(Parsed::Complete(head, _)) = parse_head(bytes, &mut scratch) else {
        panic!("a good head");
    };
    assert_eq!(head.header("x-A"), Some(&b"1"[..]));
    assert_eq!(head.header_str("X-a"), Some("1"));
    assert_eq!(head.header_values("X-A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((head.header("X"), head.header_str("X-Bin")), (None, None));
    assert!(head.has_token("Connection", "upgrade"));
    assert!(head.has_token("Connection", "X"));
    assert!(!head.has_token("Connection", "keep"));
}

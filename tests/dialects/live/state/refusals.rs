//! Contract: 401, 403, 404, 405 with `Allow`, 400 for what cannot be meant; errors have one form.

use fanfare::dialect::Config;

use super::{SERVER, ask, config, get, items, texts};
use crate::stage::{everywhere, everywhere_with};
use crate::support::http2;
use crate::support::organizations::{bearer, cheap_hash, organization, organized, user};

/// "mikey:swordfish", "mikey:swordfisch", "quiet:swordfish" as RFC 7617 writes them.
const MIKEY: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNo\r\n";
const WRONG: &str = "Authorization: Basic bWlrZXk6c3dvcmRmaXNjaA==\r\n";
const QUIET: &str = "Authorization: Basic cXVpZXQ6c3dvcmRmaXNo\r\n";

const ABSENT: &str = "6ba7b8ff-9dad-41d1-80b4-00c04fd430c8";

fn users() -> Config {
    let mut one = organization("one", &[("admin-1", "admin")]);
    one.id = Some(SERVER.to_owned());
    let hash = cheap_hash("swordfish");
    one.users.push(user("mikey", &hash, "admin"));
    one.users.push(user("quiet", &hash, "publish,subscribe"));
    organized([one])
}

#[test]
fn who_is_nobody_or_has_no_grant_sees_nothing() {
    everywhere_with(&config(), |stage| {
        for line in [
            "GET /live/organizations",
            "POST /live/sessions/getByName/t/close",
        ] {
            for headers in [
                "",
                "Authorization: Bearer unknown\r\n",
                "Authorization: Digest x\r\n",
            ] {
                let refused = ask(stage, line, headers);
                let code = refused.error_code();
                assert_eq!((refused.status, &*code), (401, "unauthorized"), "{headers}");
                let challenges = refused.headers.iter();
                let challenges = challenges.filter(|(name, _)| name == "WWW-Authenticate");
                assert_eq!(challenges.count(), 2);
            }
            for token in ["listen-1", "publish-1"] {
                let refused = ask(stage, line, &bearer(token));
                assert_eq!((refused.status, &*refused.error_code()), (403, "forbidden"));
            }
        }
    });
}

#[test]
fn a_users_password_opens_too() {
    everywhere_with(&users(), |stage| {
        let line = "GET /live/organizations";
        assert_eq!(ask(stage, line, MIKEY).status, 200);
        let walked = ask(stage, "GET /live/sessions", MIKEY);
        assert_eq!(
            (walked.status, &*walked.body),
            (200, r#"{"items":[],"next":null}"#)
        );
        let refused = ask(stage, line, WRONG);
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (401, "unauthorized")
        );
        let refused = ask(stage, line, QUIET);
        assert_eq!((refused.status, &*refused.error_code()), (403, "forbidden"));
        // A browser adds a remembered password whichever page asks.
        let foreign = format!("{MIKEY}Origin: https://elsewhere.example\r\n");
        let refused = ask(stage, "POST /live/sessions/getByName/t/close", &foreign);
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (403, "foreign_origin")
        );
    });
}

#[test]
fn what_is_another_organizations_does_not_exist() {
    everywhere_with(&config(), |stage| {
        let line = "POST /api/sessions/t/events";
        let posted = stage.ask("t", line, &bearer("publish-1"), r#"{"type":"n","data":{}}"#);
        assert_eq!(posted.status, 200);
        let _live = stage.open("/live/ws", &bearer("listen-1"));
        let mut paths = vec![
            format!("/live/organizations/{SERVER}"),
            "/live/organizations/getByName/one".to_owned(),
            format!("/live/organizations/{SERVER}/sessions"),
            "/live/organizations/getByName/one/connections".to_owned(),
            "/live/sessions/getByName/t".to_owned(),
            "/live/sessions/getByName/t/events".to_owned(),
            "/live/sessions/getByName/t/subscribers".to_owned(),
        ];
        for kind in ["sessions", "connections", "subscriptions"] {
            let ids = texts(&items(stage, &format!("/live/{kind}")), "id");
            assert_eq!(ids.len(), 1, "{kind}");
            paths.push(format!("/live/{kind}/{}", ids[0]));
            let of_two = ask(stage, &format!("GET /live/{kind}"), &bearer("admin-2"));
            assert_eq!(of_two.body, r#"{"items":[],"next":null}"#);
            let action = match kind {
                "sessions" => "close",
                "connections" => "disconnect",
                _ => "cancel",
            };
            let line = format!("POST /live/{kind}/{}/{action}", ids[0]);
            let refused = ask(stage, &line, &bearer("admin-2"));
            assert_eq!((refused.status, &*refused.error_code()), (404, "not_found"));
        }
        for path in paths {
            assert!(get(stage, &path).is_object(), "{path}");
            let refused = ask(stage, &format!("GET {path}"), &bearer("admin-2"));
            assert_eq!(
                (refused.status, &*refused.error_code()),
                (404, "not_found"),
                "{path}"
            );
        }
    });
}

#[test]
fn what_is_not_there_is_404() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        for path in [
            "/live",
            "/live/",
            "/live/nothing",
            "/live/sessions/getByName",
            "/live/sessions/getByName/",
            "/live/sessions/getByName/t/nothing",
            "/live/sessions/t",
            "/live/sessions//",
            "/live/sessions/6ba7b8109dad11d180b400c04fd430c8",
            &format!("/live/sessions/{ABSENT}"),
            &format!("/live/sessions/{ABSENT}/events"),
            &format!("/live/groups/{ABSENT}"),
            &format!("/live/projects/{ABSENT}"),
            &format!("/live/connections/{ABSENT}"),
            &format!("/live/subscriptions/{ABSENT}"),
            &format!("/live/organizations/{ABSENT}"),
            "/live/organizations/getByName/other/sessions",
            "/live/connections/getByName/t",
            "/live/sessions/getByName/u",
            "/live/sessions/getByName/u/subscribers",
            "/live/groups/getByName/g",
            "/live/sessions/9a1c0c1c-5d7e-81ee-9f4e-0123456789ab",
            "/live/groups/9a1c0c1c-5d7e-82ee-9f4e-0123456789ab",
            "/live/connections/018bcfe5-6800-8400-8000-000400000000",
        ] {
            let refused = ask(stage, &format!("GET {path}"), "");
            assert_eq!(
                (refused.status, &*refused.error_code()),
                (404, "not_found"),
                "{path}"
            );
        }
        stage.node.jump(50);
        assert_eq!(stage.node.sum("sessions"), 1, "looking creates nothing");
    });
}

#[test]
fn methods_are_allowed_or_not() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        let shown = "GET, HEAD, OPTIONS";
        let done = "POST, PUT, OPTIONS";
        for (method, path, allow) in [
            ("POST", "/live/organizations", shown),
            ("DELETE", "/live/sessions", shown),
            ("PUT", "/live/sessions/getByName/t", shown),
            ("PATCH", "/live/sessions/getByName/t/events", shown),
            ("GET", "/live/sessions/getByName/t/close", done),
            ("HEAD", "/live/connections/x/disconnect", done),
            ("DELETE", "/live/subscriptions/x/cancel", done),
        ] {
            let peer = stage.connect("t");
            let line = format!("{method} {path}");
            stage
                .node
                .send(peer, crate::support::http::request(&line, "", ""));
            stage.node.settle();
            let mut received = std::mem::take(&mut stage.node.peers[peer].received);
            let is_head = method == "HEAD";
            let refused = crate::support::http::take_response(&mut received, is_head);
            let refused = refused.expect("an answer");
            assert_eq!(
                (refused.status, refused.header("allow")),
                (405, Some(allow)),
                "{line}"
            );
            if !is_head {
                assert_eq!(refused.error_code(), "method_not_allowed");
            }
        }
    });
}

#[test]
fn a_page_that_cannot_be_meant_is_400() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        let _live = stage.open("/live/ws", "");
        let of = |kind: &str, stage: &mut _| texts(&items(stage, &format!("/live/{kind}")), "id");
        let session = of("sessions", stage).remove(0);
        let connection = of("connections", stage).remove(0);
        let subscription = of("subscriptions", stage).remove(0);
        let event = of("sessions/getByName/t/events", stage).remove(0);
        for (query, code) in [
            ("limit=0", "invalid_limit"),
            ("limit=-1", "invalid_limit"),
            ("limit=1001", "invalid_limit"),
            ("limit=ten", "invalid_limit"),
            ("limit=%2B5", "invalid_limit"),
            ("limit=1.0", "invalid_limit"),
            ("limit=99999999999999999999", "invalid_limit"),
            ("limit=%ff", "invalid_query"),
            ("after=t", "invalid_after"),
            ("after=6ba7b8109dad11d180b400c04fd430c8", "invalid_after"),
            ("after=%ff", "invalid_query"),
        ] {
            for set in [
                "organizations",
                "sessions",
                "connections",
                "sessions/getByName/t/events",
            ] {
                let refused = ask(stage, &format!("GET /live/{set}?{query}"), "");
                assert_eq!(
                    (refused.status, &*refused.error_code()),
                    (400, code),
                    "{set} {query}"
                );
            }
        }
        for (set, ids) in [
            ("sessions", vec![&connection, &subscription]),
            ("groups", vec![&session, &connection, &subscription]),
            ("connections", vec![&session, &subscription, &event]),
            ("subscriptions", vec![&session, &connection, &event]),
            (
                "sessions/getByName/t/subscribers",
                vec![&session, &subscription],
            ),
            ("sessions/getByName/t/events", vec![&session, &connection]),
        ] {
            for id in ids {
                let refused = ask(stage, &format!("GET /live/{set}?after={id}"), "");
                let code = refused.error_code();
                assert_eq!(
                    (refused.status, &*code),
                    (400, "foreign_after"),
                    "{set} {id}"
                );
            }
        }
        let escaped = ask(stage, "GET /live/sessions/getByName/%zz", "");
        assert_eq!(
            (escaped.status, &*escaped.error_code()),
            (400, "invalid_name")
        );
        for good in ["limit=1", "limit=1000", "limit=", "after=", "x=y", ""] {
            assert_eq!(
                ask(stage, &format!("GET /live/sessions?{good}"), "").status,
                200
            );
        }
    });
}

#[test]
fn an_event_that_never_was_in_this_log_is_no_place_in_it() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        stage.node.jump(10);
        stage.publish("u", "\"n\"", "1");
        let other = texts(&items(stage, "/live/sessions/getByName/u/events"), "id").remove(0);
        let refused = ask(
            stage,
            &format!("GET /live/sessions/getByName/t/events?after={other}"),
            "",
        );
        assert_eq!(
            (refused.status, &*refused.error_code()),
            (400, "foreign_after")
        );
    });
}

#[test]
fn no_body_belongs_to_any_request() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        for line in [
            "GET /live/sessions",
            "GET /live/sessions/getByName/t",
            "POST /live/sessions/getByName/t/close",
        ] {
            let refused = stage.ask("t", line, "", "{}");
            let code = refused.error_code();
            assert_eq!((refused.status, &*code), (400, "unexpected_body"), "{line}");
        }
        assert_eq!(
            get(stage, "/live/sessions/getByName/t")["next"],
            1,
            "it is not closed"
        );
    });
}

#[test]
fn a_head_is_a_get_without_its_body_and_browsers_are_told_who_may_read() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        for path in [
            "/live/organizations",
            "/live/sessions",
            "/live/sessions/getByName/t",
        ] {
            let got = ask(
                stage,
                &format!("GET {path}"),
                "Origin: https://a.example\r\n",
            );
            assert_eq!(got.header("access-control-allow-origin"), Some("*"));
            let peer = stage.connect("t");
            let line = format!("HEAD {path}");
            stage
                .node
                .send(peer, crate::support::http::request(&line, "", ""));
            stage.node.settle();
            let mut received = std::mem::take(&mut stage.node.peers[peer].received);
            let head = crate::support::http::take_response(&mut received, true).expect("an answer");
            assert!(received.is_empty());
            let length = got.body.len().to_string();
            assert_eq!(head.header("content-length"), Some(&*length));
            let asked = ask(
                stage,
                &format!("OPTIONS {path}"),
                "Origin: https://a.example\r\n",
            );
            assert_eq!((asked.status, &*asked.body), (204, ""));
            assert!(asked.header("access-control-allow-methods").is_some());
        }
        let refused = ask(stage, "GET /live/nothing", "Origin: https://a.example\r\n");
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    });
}

#[test]
fn http2_is_answered_alike() {
    everywhere(|stage| {
        stage.publish("t", "\"n\"", "1");
        let plain = ask(stage, "GET /live/sessions", "");
        let mut client = http2::Client::connect(&mut stage.node, 0);
        let get = |uri: &str, method: &str| {
            let uri = format!("http://host{uri}");
            http::Request::builder()
                .method(method)
                .uri(uri)
                .body(())
                .expect("a request")
        };
        let all = client.open(get("/live/sessions", "GET"), true);
        let bad = client.open(get("/live/sessions?limit=0", "GET"), true);
        let closed = client.open(get("/live/sessions/getByName/t/close", "POST"), true);
        client.settle(&mut stage.node);
        let (all, bad, closed) = (
            &client.calls[all],
            &client.calls[bad],
            &client.calls[closed],
        );
        assert_eq!(
            (all.status(), &all.body[..]),
            (Some(200), plain.body.as_bytes())
        );
        assert_eq!(bad.status(), Some(400));
        assert_eq!(closed.status(), Some(204));
        assert_eq!(stage.node.sum("http2_streams"), 0);
    });
}

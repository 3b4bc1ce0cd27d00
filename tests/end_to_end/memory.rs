//! Peers that make a server hold as much as they can, in every way there is: memory stays within
//! what is configured, and whoever behaves is served.

use std::any::Any;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare_tonic::event::events_stream_request::Message as Asked;
use fanfare_tonic::prost_types::Value;
use fanfare_tonic::prost_types::value::Kind;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::calls;
use crate::clients::{agent, get, open_socket, publish, send};
use crate::server::{Server, Setting};

on_both_drivers!(
    answers_that_are_not_read,
    streams_whose_windows_stay_closed,
    calls_that_are_not_read,
    replies_that_are_not_read,
    bodies_that_do_not_end,
    messages_that_do_not_end,
    filters_without_number,
    names_without_number,
);

const MIB: u64 = 1024 * 1024;
/// What each shard may hold: the least that can be configured.
const BUDGET: u64 = 16 * MIB;
/// What a process may take beside that: its allocator, its buffers, what is under way.
const SLACK: u64 = 64 * MIB;
/// An event nearly as large as one may be.
const LARGE: usize = 900 * 1024;

/// Starts a server with a small budget, lets it be attacked, and looks at its memory.
fn attack<A: Any>(setting: Setting, attack: impl FnOnce(&Server) -> A) {
    let mut file = NamedTempFile::new().expect("a scratch file");
    write!(file, "[server]\nheld_bytes_max = \"16MiB\"\n").expect("written");
    let path = file.path().to_str().expect("a plain path");
    let server = Server::start(setting, &["--config", path]);
    let url = server.events("large");
    for _ in 0..8 {
        let large = json!({"type": "large", "data": "x".repeat(LARGE)});
        publish(&agent(), &url, &large.to_string());
    }
    let before = server.memory_peak();
    let attackers = attack(&server);
    let asked = Instant::now();
    assert_eq!(get(&agent(), &server.url("/healthz")).0, 200);
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(5), "a bystander waits {took:?}");
    let shards = u64::from(setting.shards);
    let held = server.metric("buffered_bytes") + server.metric("subscription_bytes");
    assert!(held <= shards * BUDGET, "{held} bytes are held");
    let grown = server.memory_peak() - before;
    assert!(grown <= shards * BUDGET + SLACK, "it grew by {grown} bytes");
    drop(attackers);
    // Nothing stays behind.
    server.await_metric("buffered_bytes", 0);
    server.await_metric("subscription_bytes", 0);
}

/// Says something to a server that may have stopped listening.
fn offer(stream: &mut TcpStream, bytes: &[u8]) {
    let patience = Some(Duration::from_millis(100));
    stream.set_write_timeout(patience).expect("an option");
    let _ = stream.write_all(bytes);
}

/// A frame of a client, masked with zeros.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![head, 0x80 | 127];
    frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn text(message: &serde_json::Value) -> Vec<u8> {
    frame(0x81, message.to_string().as_bytes())
}

/// The socket under a WebSocket that was just opened.
fn raw_socket(server: &Server, path: &str) -> TcpStream {
    open_socket(server, path)
        .get_ref()
        .try_clone()
        .expect("a descriptor")
}

/// No two ask for the same, so that nothing is shared.
fn answers_that_are_not_read(setting: Setting) {
    attack(setting, |server| {
        let ask = |n: usize| {
            let mut requests = String::new();
            for k in 0..50 {
                let (from, accept) = ((n + k) as i64 % 8 - 1, ["*/*", "text/event-stream"][n % 2]);
                let path = format!("/api/sessions/large/events?last_event={from}");
                write!(
                    requests,
                    "GET {path} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n"
                )
                .expect("text grows");
            }
            let mut stream = server.connect();
            send(&mut stream, requests);
            stream
        };
        (0..200).map(ask).collect::<Vec<_>>()
    });
}

/// A runtime whose tasks go on only while something is waited for.
fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime")
}

fn streams_whose_windows_stay_closed(setting: Setting) {
    attack(setting, |server| {
        let runtime = runtime();
        let asked = runtime.block_on(async {
            let mut asked = Vec::new();
            for _ in 0..5 {
                let socket = tokio::net::TcpStream::connect(server.address).await;
                let shaken = h2::client::Builder::new()
                    .initial_window_size(0)
                    .handshake::<_, Bytes>(socket.expect("it accepts"));
                let (requests, connection) = shaken.await.expect("it speaks HTTP/2");
                tokio::spawn(connection);
                for k in 0..100 {
                    let Ok(mut ready) = requests.clone().ready().await else {
                        break;
                    };
                    let url = format!("{}?last_event={}", server.events("large"), k % 8 - 1);
                    let request = http::Request::get(url).body(()).expect("a request");
                    asked.extend(ready.send_request(request, true));
                }
            }
            let mut heads = Vec::new();
            for (response, _) in asked {
                // Who was cut off gets none.
                heads.extend(response.await);
            }
            heads
        });
        assert!(server.metric("holders_cut") > 0);
        (asked, runtime)
    });
}

fn publish_large(n: u32) -> Asked {
    let mut event = calls::counted("large", n, None);
    let text = Value {
        kind: Some(Kind::StringValue("x".repeat(LARGE))),
    };
    let payload = event.payload.as_mut().expect("it has one");
    payload.fields.insert("x".to_owned(), text);
    Asked::Publish(event)
}

/// Each publishes what is repeated to it with the reply.
fn calls_that_are_not_read(setting: Setting) {
    attack(setting, |server| {
        let runtime = runtime();
        let streams = runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..5 {
                let channel = calls::connect(server).await;
                for _ in 0..8 {
                    let stream = calls::Stream::open(&channel, &[]).await.expect("it opens");
                    for n in 0..8 {
                        let asked = publish_large(n);
                        let told = stream.tell("c", asked);
                        let patience = Duration::from_millis(200);
                        let _ = tokio::time::timeout(patience, told).await;
                    }
                    streams.push(stream);
                }
            }
            streams
        });
        (streams, runtime)
    });
}

fn replies_that_are_not_read(setting: Setting) {
    attack(setting, |server| {
        let publish = |name: &str| {
            let payload = json!({"x": "x".repeat(LARGE)});
            text(&json!({"publish": {"name": name, "payload": payload}}))
        };
        let open = |n: usize| {
            let mut socket = raw_socket(server, "/event/v2/stream");
            for k in 0..8 {
                offer(&mut socket, &publish(&format!("large:{n}:{k}")));
            }
            socket
        };
        (0..40).map(open).collect::<Vec<_>>()
    });
}

fn bodies_that_do_not_end(setting: Setting) {
    attack(setting, |server| {
        let open = |n: usize| {
            let head = "POST /api/sessions/large/events HTTP/1.1\r\nHost: h\r\n";
            let (framing, size) = match n % 2 {
                0 => (format!("Content-Length: {}\r\n\r\n", LARGE + 1), ""),
                _ => ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), "f0000\r\n"),
            };
            let mut stream = server.connect();
            let body = "x".repeat(LARGE);
            offer(
                &mut stream,
                format!("{head}{framing}{size}{body}").as_bytes(),
            );
            stream
        };
        (0..200).map(open).collect::<Vec<_>>()
    });
}

/// In one frame that is not whole, or in many of which none is the last.
fn messages_that_do_not_end(setting: Setting) {
    attack(setting, |server| {
        let paths = [
            "/live/ws",
            "/sysadm",
            "/event/v2/stream",
            "/pubsub/ws?event_id=e&session_id=large",
            "/api/sessions/large/events",
        ];
        let open = |n: usize| {
            let mut socket = raw_socket(server, paths[n % paths.len()]);
            if n < 100 {
                let whole = frame(0x81, &vec![b'x'; LARGE]);
                offer(&mut socket, &whole[..LARGE]);
            } else {
                offer(&mut socket, &frame(0x01, &vec![b'x'; LARGE / 4]));
                for _ in 0..2 {
                    offer(&mut socket, &frame(0x00, &vec![b'x'; LARGE / 4]));
                }
            }
            socket
        };
        (0..200).map(open).collect::<Vec<_>>()
    });
}

fn filters_without_number(setting: Setting) {
    attack(setting, |server| {
        let open = |n: usize| {
            let filter = |k: usize| {
                let value = format!("{n}.{k}.{}", "x".repeat(3_900));
                json!({"property": "type", "value": value})
            };
            let filters: Vec<serde_json::Value> = (0..250).map(filter).collect();
            let mut socket = raw_socket(server, "/live/ws");
            offer(
                &mut socket,
                &text(&json!({"type": "filter", "filters": filters})),
            );
            socket
        };
        (0..100).map(open).collect::<Vec<_>>()
    });
}

fn names_without_number(setting: Setting) {
    attack(setting, |server| {
        let subscribe = |n: usize| {
            let name = |k: usize| format!("{n}.{k}.{}", "x".repeat(115));
            let names: Vec<String> = (0..60).map(name).collect();
            text(&json!({"subscribe": {"name": names.join("|")}}))
        };
        let stream = |n: usize| {
            let mut socket = raw_socket(server, "/event/v2/stream");
            for k in 0..100 {
                offer(&mut socket, &subscribe(1_000 * n + k));
            }
            socket
        };
        let room = |n: usize| {
            let mut socket = raw_socket(server, "/pubsub/ws?event_id=e&session_id=large");
            for k in 0..250 {
                let name = format!("{n}.{k}.{}", "x".repeat(1_000));
                let data = json!({"eventName": name});
                let message = json!({"action": "subscribe-event", "data": data, "ref": k});
                offer(&mut socket, &text(&message));
            }
            socket
        };
        let streams = (0..40).map(stream);
        streams.chain((0..100).map(room)).collect::<Vec<_>>()
    });
}

//! Who has not said who they are sends 4 KiB at a time, and no more is held for them, in every
//! dialect.

use fanfare::dialect::Config;
use fanfare::limits::STRANGER_MESSAGE_BYTES_MAX;
use fanfare_tonic::health::HealthCheckRequest;

use crate::stage::{Stage, everywhere_with};
use crate::support::http::request;
use crate::support::http2::Client;
use crate::support::organizations::{bearer, organization, organized};
use crate::support::socket::Socket;

const SYSADM: &str = "/sysadm";
const ROOM: &str = "/pubsub/ws?event_id=e&session_id=t";
/// What every session's token is that may be read without credentials.
const TOKEN: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

fn config() -> Config {
    let grants = [("all", "publish,subscribe")];
    let mut config = organized([organization("one", &grants)]);
    config.sysadm.state_interval = None;
    config
}

/// A frame of a client (RFC 6455 §5.2), masked by zeros. Only the first may have an opcode.
fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode | if fin { 0x80 } else { 0 }];
    match u16::try_from(payload.len()).expect("a short frame") {
        length @ ..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0xfe);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn send(stage: &mut Stage, socket: &Socket, bytes: Vec<u8>) {
    stage.node.send(socket.peer, bytes);
    stage.node.settle();
}

/// JSON that is no request of any dialect.
fn nonsense(bytes: usize) -> Vec<u8> {
    let mut text = vec![b' '; bytes];
    text[0] = b'{';
    text[bytes - 1] = b'}';
    text
}

#[test]
fn a_strangers_message_has_four_kib_on_any_socket() {
    everywhere_with(&config(), |stage| {
        for path in [SYSADM, ROOM] {
            // As long as it may be, in one frame or several, it is looked at.
            let mut socket = stage.open(path, "");
            send(
                stage,
                &socket,
                frame(1, true, &nonsense(STRANGER_MESSAGE_BYTES_MAX)),
            );
            let text = nonsense(STRANGER_MESSAGE_BYTES_MAX);
            send(stage, &socket, frame(1, false, &text[..4_000]));
            send(stage, &socket, frame(0, true, &text[4_000..]));
            assert_eq!(stage.texts(&mut socket).len(), 2, "{path}");
            assert_eq!(socket.goodbye(&mut stage.node), None);
            // One byte more is not, as soon as a frame announces it.
            send(
                stage,
                &socket,
                frame(1, true, &nonsense(STRANGER_MESSAGE_BYTES_MAX + 1)),
            );
            assert_eq!(socket.close_code(&mut stage.node), 1_009, "{path}");
            // Nor is it put together.
            let mut socket = stage.open(path, "");
            send(stage, &socket, frame(1, false, &text[..4_000]));
            assert_eq!(socket.goodbye(&mut stage.node), None);
            send(stage, &socket, frame(0, false, &text[..97]));
            assert_eq!(socket.close_code(&mut stage.node), 1_009, "{path}");
        }
        // Who only listens sends nothing that is put together, either.
        let body = stage
            .ask("t", "POST /api/sessions", &bearer("all"), "{}")
            .body;
        let created: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let token = created["token"].as_str().expect("a token");
        let feed = format!("/api/sessions/{token}/events");
        let mut socket = stage.open(&feed, "");
        send(stage, &socket, frame(1, false, &nonsense(4_097)));
        assert_eq!(socket.close_code(&mut stage.node), 1_009);
    });
}

#[test]
fn who_has_said_it_sends_more() {
    everywhere_with(&config(), |stage| {
        let long = |stage: &mut Stage, socket: &mut Socket, path: &str| {
            send(stage, socket, frame(1, false, &nonsense(60_000)));
            send(stage, socket, frame(0, true, &vec![b' '; 60_000]));
            assert_eq!(stage.texts(socket).len(), 1, "{path}");
            assert_eq!(socket.goodbye(&mut stage.node), None);
        };
        for path in [SYSADM, ROOM, "/live/ws", "/event/v2/stream"] {
            let mut socket = stage.open(path, &bearer("all"));
            stage.texts(&mut socket);
            long(stage, &mut socket, path);
        }
        let mut socket = stage.open(ROOM, "");
        let authenticate = r#"{"action":"authenticate","data":{"token":"all"}}"#;
        socket.say(&mut stage.node, authenticate);
        stage.texts(&mut socket);
        long(stage, &mut socket, ROOM);
        // Who logs out is a stranger again.
        let mut socket = stage.open(SYSADM, &bearer("all"));
        let clear = r#"{"namespace":"rpc","name":"auth_clear","id":"1","args":{}}"#;
        socket.say(&mut stage.node, clear);
        send(stage, &socket, frame(1, false, &nonsense(4_097)));
        assert_eq!(socket.close_code(&mut stage.node), 1_009);
    });
    // Without organizations nobody need say it.
    everywhere_with(&Config::default(), |stage| {
        for path in [SYSADM, ROOM] {
            let mut socket = stage.open(path, "");
            stage.texts(&mut socket);
            send(stage, &socket, frame(1, true, &nonsense(60_000)));
            assert_eq!(stage.texts(&mut socket).len(), 1, "{path}");
        }
    });
}

/// What is answered to a head whose body does not come.
fn head_alone(stage: &mut Stage, line: &str, headers: &str) -> u16 {
    let peer = stage.connect("t");
    stage.node.send(peer, request(line, headers, ""));
    stage.node.settle();
    let received = std::mem::take(&mut stage.node.peers[peer].received);
    let text = String::from_utf8_lossy(&received);
    let status = text.split(' ').nth(1);
    let status = status.unwrap_or_else(|| panic!("{line} waits for its body"));
    // gRPC's clients find it in the trailers.
    if text.contains("grpc-status:16") {
        return 401;
    }
    // RESOURCE_EXHAUSTED, in the head where there is no body.
    if text.contains("grpc-status: 8\r\n") {
        return 413;
    }
    status.parse().expect("a status")
}

#[test]
fn no_body_of_a_stranger_is_read() {
    everywhere_with(&config(), |stage| {
        let long = "Content-Length: 1000000\r\n";
        let web = format!("Content-Type: application/grpc-web+proto\r\n{long}");
        for (line, headers, status) in [
            ("POST /api/sessions/t/events", long, 401),
            ("POST /api/sessions", long, 401),
            ("DELETE /api/sessions/t", long, 401),
            ("GET /api/sessions/t/events", long, 401),
            ("GET /sysadm", long, 400),
            ("GET /live/ws", long, 400),
            ("GET /event/v2/stream", long, 400),
            ("POST /event/v2/publish", long, 401),
            ("POST /api/v1/pub_subs", long, 401),
            ("GET /pubsub/ws", long, 400),
            ("POST /apis.event.v2.EventService/Publish", &web, 401),
            ("POST /apis.event.v2.EventService/Stream", &web, 401),
            ("POST /grpc.health.v1.Health/Check", &web, 413),
            ("OPTIONS /api/sessions/t/events", long, 400),
        ] {
            assert_eq!(head_alone(stage, line, headers), status, "{line}");
        }
        for function in ["", "/status", "/events"] {
            let line = format!("GET /api/sessions/{TOKEN}{function}");
            let expected = if function == "/events" { 400 } else { 413 };
            assert_eq!(head_alone(stage, &line, long), expected, "{line}");
        }
    });
}

#[test]
fn a_question_of_a_tool_has_four_kib() {
    everywhere_with(&config(), |stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let about = HealthCheckRequest {
            service: "x".repeat(5_000),
        };
        let call = client.unary(&mut stage.node, "/grpc.health.v1.Health/Check", &about);
        let status = client.calls[call].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(8));
    });
}

//! gRPC-web as it is on the wire: frames written and read by hand, HTTP by `ureq`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::event::{EventsStreamResponse, PublishEventResponse};
use fanfare_tonic::prost::Message;

use crate::calls::{Stream, connect, count_of, counted, run, target, wanted};
use crate::clients::agent;
use crate::server::{Server, Setting};
use crate::tokens::server_with_tokens;

on_every_setting!(a_publish_is_heard_from_either_path);
on_both_drivers!(a_refusal_is_in_the_trailers);

/// Where the original serves it, and where gRPC does.
const PREFIXES: [&str; 2] = ["/grpcweb/event/v2", ""];
const TEXT: &str = "application/grpc-web-text";
const BINARY: &str = "application/grpc-web+proto";

/// A message with its header (PROTOCOL-HTTP2, "Length-Prefixed-Message").
fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[0], &length[..], &message].concat()
}

/// The messages of a body and the lines of its trailers.
fn taken_apart(mut body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let mut messages = Vec::new();
    while let [flag, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let (bytes, after) = rest.split_at(length);
        if flag & 0x80 != 0 {
            assert_eq!(after, b"", "something follows the trailers");
            let trailers = String::from_utf8(bytes.to_vec()).expect("text");
            return (messages, trailers);
        }
        messages.push(bytes.to_vec());
        body = after;
    }
    panic!("no trailers; {} messages", messages.len());
}

/// Calls `Publish`: what came back, taken apart.
fn call(
    server: &Server,
    prefix: &str,
    media: &str,
    token: &str,
    message: &impl Message,
) -> (Vec<Vec<u8>>, String) {
    let url = server.url(&format!("{prefix}/apis.event.v2.EventService/Publish"));
    let mut body = framed(message);
    if media == TEXT {
        body = STANDARD.encode(&body).into_bytes();
    }
    let request = agent().post(url).header("Content-Type", media);
    let request = request.header("X-Grpc-Web", "1").header("SessionId", "web");
    let request = request.header("Authorization", format!("Bearer {token}"));
    let mut answer = request.send(&body[..]).expect("an answer");
    assert_eq!(answer.status(), 200);
    let answered = answer.headers().get("Content-Type").expect("a type");
    let answered = answered.to_str().expect("ASCII").to_owned();
    assert!(answered.starts_with("application/grpc-web"), "{answered}");
    assert!(answer.headers().contains_key("Access-Control-Allow-Origin"));
    let mut body = answer.body_mut().read_to_vec().expect("a body");
    assert_eq!(answered.contains("-text"), media == TEXT);
    if media == TEXT {
        body = pieces(&body);
    }
    taken_apart(&body)
}

/// Base64 in pieces that are each padded (PROTOCOL-WEB, "Message framing").
fn pieces(text: &[u8]) -> Vec<u8> {
    let groups = text.chunks(4).map(|group| STANDARD.decode(group));
    groups.flat_map(|group| group.expect("base64")).collect()
}

fn a_publish_is_heard_from_either_path(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let mut listener = Stream::open(&connect(&server).await, &[])
            .await
            .expect("it opens");
        listener.subscribe(wanted("t", None)).await;
        let ways = PREFIXES.map(|prefix| [(prefix, TEXT), (prefix, BINARY)]);
        for (n, (prefix, media)) in (0..).zip(ways.into_iter().flatten()) {
            let event = counted("t", n, Some(target("l", "", "")));
            let (messages, trailers) = call(&server, prefix, media, "any", &event);
            assert!(trailers.contains("grpc-status:0\r\n"), "{trailers}");
            assert_eq!(messages.len(), 1);
            let published = PublishEventResponse::decode(&messages[0][..]).expect("a message");
            assert_eq!(count_of(&published) as u32, n);
            let heard: EventsStreamResponse = listener.next().await;
            assert_eq!(heard.session_id.as_deref(), Some("web"));
            assert_eq!(heard.message, Some(Told::Event(published)));
        }
    });
}

fn a_refusal_is_in_the_trailers(setting: Setting) {
    let (server, tokens) = server_with_tokens(setting);
    for prefix in PREFIXES {
        for (token, name, status) in [
            ("ff_unknown", "t", 16),
            (&*tokens.subscriber, "t", 7),
            (&*tokens.publisher, "", 3),
        ] {
            for media in [TEXT, BINARY] {
                let (messages, trailers) =
                    call(&server, prefix, media, token, &counted(name, 0, None));
                assert!(messages.is_empty());
                let line = format!("grpc-status:{status}\r\n");
                assert!(trailers.contains(&line), "{trailers}");
                assert!(trailers.contains("grpc-message:"), "{trailers}");
            }
        }
    }
}

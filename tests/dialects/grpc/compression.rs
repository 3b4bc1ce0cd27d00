//! gRPC's compression.md: what is compressed is read within bounds, and answers are compressed for
//! who reads that.

use std::io::Read as _;

use fanfare::limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use fanfare_tonic::event::events_stream_request::Message as Ask;
use fanfare_tonic::event::events_stream_response::Message as Say;
use fanfare_tonic::event::{PublishEventRequest, PublishEventResponse};
use fanfare_tonic::prost::Message as _;
use flate2::read::GzDecoder;

use crate::stage::{Stage, everywhere};
use crate::support::grpc::{PUBLISH, STREAM, ask, event, framed, gzip, head, subscription};
use crate::support::http2::Client;

const GZIP: (&str, &str) = ("grpc-encoding", "gzip");
const ACCEPTS: (&str, &str) = ("grpc-accept-encoding", "identity, deflate, gzip");

/// A message with its prefix, compressed.
fn compressed(message: &[u8]) -> Vec<u8> {
    let mut framed = framed(&gzip(message));
    framed[0] = 1;
    framed
}

/// A unary call with these bytes: its status, whether the answer is compressed, and the answer.
#[track_caller]
fn publish(
    stage: &mut Stage,
    fields: &[(&str, &str)],
    bytes: &[u8],
) -> (u16, Option<(bool, PublishEventResponse)>) {
    let mut client = Client::connect(&mut stage.node, 0);
    let call = client.open(head(PUBLISH, fields), false);
    client.send(call, bytes);
    client.half_close(call);
    client.settle(&mut stage.node);
    let call = &client.calls[call];
    let (code, _) = call.grpc_status().expect("a status");
    if code != 0 {
        return (code, None);
    }
    assert_eq!(call.field("grpc-accept-encoding"), Some("identity,gzip"));
    let is_compressed = call.body[0] == 1;
    let encoding = call.field("grpc-encoding");
    assert_eq!(encoding, is_compressed.then_some("gzip"));
    let mut message = call.body[5..].to_vec();
    if is_compressed {
        message.clear();
        let mut decoder = GzDecoder::new(&call.body[5..]);
        decoder.read_to_end(&mut message).expect("gzip");
    }
    let answer = PublishEventResponse::decode(&message[..]).expect("a message");
    (code, Some((is_compressed, answer)))
}

fn large() -> PublishEventRequest {
    event("n", 1, &"x".repeat(10_000))
}

#[test]
fn a_compressed_request_is_read_and_its_answer_compressed_for_who_reads_that() {
    everywhere(|stage| {
        let message = large().encode_to_vec();
        for (fields, bytes, expected) in [
            (&[GZIP, ACCEPTS][..], compressed(&message), true),
            (&[GZIP, ACCEPTS], framed(&message), true),
            (&[ACCEPTS], framed(&message), true),
            (&[GZIP], compressed(&message), false),
            (&[], framed(&message), false),
        ] {
            let (code, answer) = publish(stage, fields, &bytes);
            let (is_compressed, answer) = answer.unwrap_or_else(|| panic!("status {code}"));
            assert_eq!(is_compressed, expected, "{fields:?}");
            assert_eq!(answer.payload, large().payload);
        }
        // What does not shrink is sent as it is, and what takes long too.
        let small = compressed(&event("n", 1, "").encode_to_vec());
        let (_, answer) = publish(
            stage,
            &[ACCEPTS],
            &framed(&event("n", 1, "").encode_to_vec()),
        );
        assert!(!answer.expect("published").0);
        assert_eq!(publish(stage, &[GZIP, ACCEPTS], &small).0, 0);
        let huge = compressed(&event("n", 1, &"x".repeat(100_000)).encode_to_vec());
        let (_, answer) = publish(stage, &[GZIP, ACCEPTS], &huge);
        assert!(!answer.expect("published").0);
    });
}

#[test]
fn a_bomb_is_refused_and_costs_no_more_than_a_message_may() {
    everywhere(|stage| {
        let bomb = compressed(&vec![0; 64 << 20]);
        assert!(bomb.len() < WEBSOCKET_MESSAGE_BYTES_MAX / 10);
        assert_eq!(publish(stage, &[GZIP], &bomb), (8, None));
        let mut no_gzip = framed(b"no gzip");
        no_gzip[0] = 1;
        assert_eq!(publish(stage, &[GZIP], &no_gzip), (13, None));
        assert_eq!(publish(stage, &[], &compressed(b"")), (13, None));
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.open(head(STREAM, &[GZIP]), false);
        client.send(call, &bomb);
        client.settle(&mut stage.node);
        let status = client.calls[call].grpc_status();
        assert_eq!(status.map(|(code, _)| code), Some(8));
    });
}

#[test]
fn messages_of_a_stream_may_be_compressed_each_by_itself() {
    everywhere(|stage| {
        let mut client = Client::connect(&mut stage.node, 0);
        let call = client.open(head(STREAM, &[GZIP, ACCEPTS]), false);
        let subscribe = ask("s", Ask::Subscribe(subscription("*", None))).encode_to_vec();
        let ping = ask("p", Ask::Ping("p".repeat(1_000))).encode_to_vec();
        let event = ask("e", Ask::Publish(large())).encode_to_vec();
        let all = [compressed(&subscribe), framed(&ping), compressed(&event)].concat();
        // In pieces, wherever they end.
        for piece in all.chunks(11) {
            client.send(call, piece);
            client.settle(&mut stage.node);
        }
        assert_eq!(client.calls[call].field("grpc-encoding"), None);
        let said = client.calls[call].take_said();
        assert!(
            matches!(
                &said[..],
                [Say::Subscribed(_), Say::Pong(_), Say::Published(_), Say::Event(heard)]
                    if heard.payload == large().payload
            ),
            "{said:?}"
        );
    });
}

//! Leaving on a signal while streams are open: each is told until when to be gone, and then sent
//! away.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanfare_tonic::event::events_stream_response::Message as Told;
use fanfare_tonic::health::HealthCheckRequest;
use fanfare_tonic::health::health_check_response::ServingStatus;
use fanfare_tonic::health::health_client::HealthClient;
use fanfare_tonic::tonic::Code;
use serde_json::json;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

use crate::calls::{Stream, connect, run, wanted};
use crate::clients::next_event;
use crate::http2;
use crate::server::{Server, Setting};
use crate::stream_sockets::{open, subscribe};

on_every_setting!(streams_are_told_until_when_to_be_gone);
on_both_drivers!(a_connection_without_streams_is_told_to_go);

/// Below the drain timeout: whoever takes longer was forced.
const ORDERLY: Duration = Duration::from_secs(8);

fn leave(server: &mut Server, since: Instant) {
    let status = server.await_exit();
    assert_eq!(status.code(), Some(0), "{status}: {}", server.log());
    let took = since.elapsed();
    assert!(took < ORDERLY, "left only after {took:?}: {}", server.log());
}

fn unix_ms() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is set").as_millis()
}

/// Until when somebody is to be gone: within the drain timeout from when the signal was sent.
fn check_until(until: &str, sent_ms: u128) {
    let until: u128 = until.parse().expect("milliseconds");
    let window = sent_ms..sent_ms + ORDERLY.as_millis();
    assert!(window.contains(&until), "{until} is not in {window:?}");
}

fn streams_are_told_until_when_to_be_gone(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let mut sockets: Vec<_> = (0..4).map(|_| open(&server, "", "x").0).collect();
    for socket in &mut sockets {
        subscribe(socket, &json!({"name": "*"}));
    }
    let mut start = Instant::now();
    run(async {
        let mut channels = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..3 {
            let channel = connect(&server).await;
            for _ in 0..3 {
                let mut stream = Stream::open(&channel, &[]).await.expect("it opens");
                stream.subscribe(wanted("*", None)).await;
                streams.push(stream);
            }
            channels.push(channel);
        }
        let mut health = HealthClient::new(channels[0].clone());
        let watch = health.watch(HealthCheckRequest::default()).await;
        let mut watch = watch.expect("it opens").into_inner();
        let state = watch.message().await.expect("a state").expect("one");
        assert_eq!(state.status(), ServingStatus::Serving);

        start = Instant::now();
        let sent_ms = unix_ms();
        server.signal("TERM");
        for stream in &mut streams {
            match stream.next().await.message {
                Some(Told::ReconnectBefore(told)) => {
                    assert!(!told.reauthenticate);
                    check_until(&told.before_timestamp, sent_ms);
                }
                other => panic!("told something else: {other:?}"),
            }
        }
        let state = watch.message().await.expect("the last state").expect("one");
        assert_eq!(state.status(), ServingStatus::NotServing);
        for stream in &mut streams {
            let status = stream.read().await.expect_err("its time is up");
            assert_eq!(status.code(), Code::Unavailable, "{status}");
        }
        for socket in &mut sockets {
            let told = next_event(socket);
            let told = &told["result"]["reconnectBefore"];
            assert_eq!(told["reauthenticate"], false);
            check_until(told["beforeTimestamp"].as_str().expect("text"), sent_ms);
            match socket.read() {
                Ok(Message::Close(Some(frame))) => assert_eq!(frame.code, CloseCode::Away),
                other => panic!("no goodbye: {other:?}"),
            }
            socket.read().expect_err("nothing follows a goodbye");
        }
    });
    leave(&mut server, start);
}

/// GOAWAY without an error, as the `h2` client sees it: nothing new may be asked (RFC 9113 §6.8).
fn a_connection_without_streams_is_told_to_go(setting: Setting) {
    let mut server = Server::start(setting, &[]);
    let mut start = Instant::now();
    run(async {
        let (requests, connection) = http2::open(&server).await;
        let answer = http2::get(&requests, server.url("/healthz")).await;
        assert_eq!(answer.await, (200, "ok\n".to_owned()));
        start = Instant::now();
        server.signal("TERM");
        // Both ends have nothing more to do, so it ends well.
        connection.await.expect("no panic").expect("no error");
        let refused = requests.ready().await.expect_err("nothing may be asked");
        assert!(refused.is_go_away() && refused.is_remote(), "{refused:?}");
        assert_eq!(refused.reason(), Some(h2::Reason::NO_ERROR));
    });
    leave(&mut server, start);
}

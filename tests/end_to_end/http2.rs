//! HTTP/2 as the client half of `h2` speaks it: many requests of one connection at once.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::calls::run;
use crate::clients::{agent, data_of, publish};
use crate::server::{Server, Setting};

on_every_setting!(polls_of_many_sessions_share_a_connection);

/// A new connection; what becomes of it is the task's outcome.
pub(crate) async fn open(
    server: &Server,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let socket = TcpStream::connect(server.address).await;
    let shaken = h2::client::handshake(socket.expect("the server accepts")).await;
    let (requests, connection) = shaken.expect("it speaks HTTP/2");
    (requests, tokio::spawn(connection))
}

/// Sends a request. What it answers waits for status and body of the response.
pub(crate) async fn get(
    requests: &SendRequest<Bytes>,
    url: String,
) -> impl Future<Output = (u16, String)> + use<> {
    let mut ready = requests.clone().ready().await.expect("it is open");
    let request = http::Request::get(url).body(()).expect("a request");
    let sent = ready.send_request(request, true);
    let (response, _) = sent.expect("it is open");
    async {
        let (head, mut body) = response.await.expect("a response").into_parts();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.expect("a whole body");
            let room = body.flow_control().release_capacity(data.len());
            room.expect("it was received");
            text.extend_from_slice(&data);
        }
        let text = String::from_utf8(text).expect("UTF-8");
        (head.status.as_u16(), text)
    }
}

/// The sessions are at home on all shards, and the connection stays where it is.
fn polls_of_many_sessions_share_a_connection(setting: Setting) {
    let server = Server::start(setting, &[]);
    run(async {
        let (requests, _connection) = open(&server).await;
        let mut polls = Vec::new();
        for n in 0..100 {
            let url = format!("{}?last_event=-1", server.events(&format!("poll-{n}")));
            polls.push(get(&requests, url).await);
        }
        while server.metric("readers") < 100 {
            // Requests leave while nothing else is done here.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for n in 0..100 {
            let body = format!(r#"{{"type":"t","data":{n}}}"#);
            publish(&agent(), &server.events(&format!("poll-{n}")), &body);
        }
        for (n, poll) in (0..).zip(polls) {
            let (status, body) = poll.await;
            assert_eq!((status, data_of(&body)), (200, vec![n]));
        }
    });
    server.await_metric("readers", 0);
}

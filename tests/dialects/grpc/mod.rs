//! The stream dialect by gRPC over HTTP/2, as `h2`'s client and prost see it.

mod calls;
mod compression;
mod flow;
mod services;
mod stream;

use crate::stage::Stage;
use crate::support::grpc::{PUBLISH, event};
use crate::support::http2::{Client, settle};

/// Publishes `numbers`, each an event named `e` with `fill` in a tick of its own, while `others` go
/// on.
fn publish(
    stage: &mut Stage,
    publisher: &mut Client,
    numbers: std::ops::Range<u64>,
    fill: &str,
    others: &mut [&mut Client],
) {
    for number in numbers {
        let call = publisher.unary(&mut stage.node, PUBLISH, &event("e", number, fill));
        assert_eq!(
            publisher.calls[call].grpc_status(),
            Some((0, String::new()))
        );
        settle(&mut stage.node, others);
    }
}

//! gRPC over HTTP/2, and gRPC-web: what stands inside the bodies and fields of HTTP
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

mod status;

pub use status::{Code, Status};

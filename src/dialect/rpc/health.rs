//! The health checking protocol
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).
//!
//! All services of a node can be used, or none while it leaves: a service has no state of its own.
//! The empty name is the server.

use prost::Message as _;

use super::decode;
use super::health_proto::health_check_response::ServingStatus;
use super::health_proto::{HealthCheckRequest, HealthCheckResponse, HealthListResponse};
use super::route::Service;
use crate::protocol::grpc::{Code, Status};

/// The name of the server as a whole.
const SERVER: &str = "";

/// What somebody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    is_known: bool,
}

impl Watched {
    /// The message to send, at once and whenever it has changed.
    pub fn state(self, serving: bool) -> Vec<u8> {
        // health-checking.md: the call stays open, for the service could be added later.
        let status = if self.is_known {
            status(serving)
        } else {
            ServingStatus::ServiceUnknown
        };
        response(status).encode_to_vec()
    }
}

/// Answers `Check`: the state of one service, or `NOT_FOUND`.
pub fn check(request: &[u8], serving: bool) -> Result<Vec<u8>, Status> {
    let HealthCheckRequest { service } = decode(request)?;
    if !is_known(&service) {
        return Err(Status::new(Code::NotFound, "unknown service"));
    }
    Ok(response(status(serving)).encode_to_vec())
}

/// Answers `List`: the states of the server and of all services. The request has no fields, and is
/// not looked at.
pub fn list(serving: bool) -> Vec<u8> {
    let names = [SERVER].into_iter().chain(Service::ALL.map(Service::name));
    let states = names.map(|name| (name.to_owned(), response(status(serving))));
    let list = HealthListResponse {
        statuses: states.collect(),
    };
    list.encode_to_vec()
}

/// Begins a `Watch`.
pub fn watch(request: &[u8]) -> Result<Watched, Status> {
    let HealthCheckRequest { service } = decode(request)?;
    Ok(Watched {
        is_known: is_known(&service),
    })
}

fn is_known(service: &str) -> bool {
    service == SERVER || Service::by_name(service).is_some()
}

fn status(serving: bool) -> ServingStatus {
    if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVING: [u8; 2] = [0x08, 1];
    const NOT_SERVING: [u8; 2] = [0x08, 2];
    const SERVICE_UNKNOWN: [u8; 2] = [0x08, 3];

    fn request(service: &str) -> Vec<u8> {
        let service = service.to_owned();
        HealthCheckRequest { service }.encode_to_vec()
    }

    fn known() -> impl Iterator<Item = &'static str> {
        [SERVER].into_iter().chain(Service::ALL.map(Service::name))
    }

    #[test]
    fn a_check_tells_the_state_of_the_node() {
        for service in known() {
            let request = request(service);
            assert_eq!(check(&request, true), Ok(SERVING.to_vec()));
            assert_eq!(check(&request, false), Ok(NOT_SERVING.to_vec()));
        }
    }

    #[test]
    fn an_unknown_service_is_not_found_but_may_be_watched() {
        for service in ["x", "Health", "grpc.health.v1.health"] {
            let request = request(service);
            let status = check(&request, true).expect_err("unknown");
            assert_eq!(status.code, Code::NotFound);
            let watched = watch(&request).expect("may be watched");
            assert_eq!(watched.state(true), SERVICE_UNKNOWN);
            assert_eq!(watched.state(false), SERVICE_UNKNOWN);
        }
    }

    #[test]
    fn a_watch_tells_every_change() {
        for service in known() {
            let watched = watch(&request(service)).expect("known");
            assert_eq!(watched.state(true), SERVING);
            assert_eq!(watched.state(false), NOT_SERVING);
        }
    }

    #[test]
    fn a_list_has_all_services_always_in_the_same_order() {
        for (serving, state) in [(true, SERVING), (false, NOT_SERVING)] {
            let bytes = list(serving);
            assert_eq!(bytes, list(serving));
            let list = HealthListResponse::decode(&bytes[..]).expect("valid");
            let names: Vec<&str> = list.statuses.keys().map(String::as_str).collect();
            assert_eq!(names, known().collect::<Vec<_>>());
            for response in list.statuses.values() {
                assert_eq!(response.encode_to_vec(), state);
            }
        }
    }

    #[test]
    fn a_request_that_is_no_message_ends_the_call() {
        for bytes in [&b"\x0a\x05ab"[..], b"\x0a\x01\xff", b"\xff"] {
            let status = check(bytes, true).expect_err("malformed");
            assert_eq!(status.code, Code::Internal);
            assert!(watch(bytes).is_err());
        }
    }
}

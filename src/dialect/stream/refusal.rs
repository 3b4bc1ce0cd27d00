//! The hub's refusals, in this dialect's words.

use super::errors::invalid;
use crate::dialect::{KEY_REUSED, LEAVING, keys_held, reserved_name, too_fast};
use crate::hub::{Address, Refusal};
use crate::protocol::grpc::{Code, Status};

/// Why something about a scope was not done.
pub(super) fn of_refusal(refusal: Refusal, address: &Address) -> Status {
    let (code, message) = match refusal {
        // "Layout not found" is what clients of the original compare with.
        Refusal::NotFound | Refusal::Gone | Refusal::Undeclared => {
            (Code::NotFound, unknown(address))
        }
        Refusal::Contradiction => {
            let message = match address {
                Address::Session(_) => "the layout is in another project or collection",
                _ => "the project is in another collection",
            };
            (Code::InvalidArgument, message)
        }
        Refusal::Exists => (Code::AlreadyExists, "it exists already"),
        Refusal::Status(_) => (Code::FailedPrecondition, "its status does not allow that"),
        Refusal::Busy => (
            Code::ResourceExhausted,
            "a bound of this server is reached, try again",
        ),
        Refusal::Full(full) => return Status::new(Code::ResourceExhausted, full.to_string()),
        Refusal::Leaving => (Code::Unavailable, LEAVING),
        Refusal::KeyReused => (Code::InvalidArgument, KEY_REUSED),
        Refusal::ReservedName { at } => return invalid(reserved_name(at)),
        Refusal::KeysHeld { of, retry_after } => {
            return Status::new(Code::ResourceExhausted, keys_held(of, retry_after));
        }
        Refusal::TooFast { retry_after } => {
            return Status::new(Code::ResourceExhausted, too_fast(retry_after));
        }
    };
    Status::new(code, message)
}

const fn unknown(address: &Address) -> &'static str {
    match address {
        Address::Session(_) => "Layout not found",
        Address::Project(_) => "Project not found",
        Address::Group(_) => "Collection not found",
        Address::Organization => "Organization not found",
    }
}

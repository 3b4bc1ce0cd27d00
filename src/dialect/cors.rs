//! What browsers are told about requests from pages of other origins (Fetch §3.3).

use bytes::Bytes;

use crate::config::CorsConfig;

/// The header lines for every answer of a dialect. `closed` is whether tokens are asked for; `exposed` names the
/// fields that pages may read.
pub fn cors_lines(config: &CorsConfig, closed: bool, exposed: &str) -> Bytes {
    let allow_headers = match config.allow_headers.as_str() {
        // Fetch §3.3.4: of all fields, the asterisk leaves this one out.
        "*" if closed => "*, Authorization",
        configured => configured,
    };
    Bytes::from(format!(
        "Access-Control-Allow-Origin: {}\r\n\
         Access-Control-Allow-Headers: {allow_headers}\r\n\
         Access-Control-Allow-Methods: {}\r\n\
         Access-Control-Expose-Headers: {exposed}\r\n",
        config.allow_origin, config.allow_methods,
    ))
}

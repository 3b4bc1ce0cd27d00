//! The reasons for refusing a request, and their statuses.
//!
//! Every one of these errors ends the connection: after a malformed head or body, the start of the
//! next request is unknown (RFC 9112 §11.2).

use std::fmt;

/// The error of a request head. The connection must be closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// More empty lines before the request line than are tolerated.
    EmptyLines,
    /// A line ends with LF alone, or CR stands alone.
    LineEnd,
    /// The method is not a token.
    Method,
    /// The method is a token that this server does not implement.
    MethodUnknown,
    /// The target has none of the forms of RFC 9112 §3.2, carries a fragment, or has a byte that no
    /// URI has.
    Target,
    /// The target is longer than the bound.
    TargetTooLong,
    /// The version is not of the form `HTTP/1.1`.
    Version,
    /// The major version is not 1.
    VersionUnsupported,
    /// A field line has no name, white space around the name, or is folded.
    FieldName,
    /// A field value holds a control character.
    FieldValue,
    /// A field value of HTTP/2 begins or ends with white space.
    FieldBlank,
    /// More fields than the bound.
    TooManyFields,
    /// The head is longer than the bound.
    HeadTooLong,
    /// An HTTP/1.1 request without `Host`.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// `Host`, or HTTP/2's `:authority`, is not a host with an optional port.
    HostInvalid,
    /// HTTP/2's `:authority` and `Host` name different hosts.
    HostDiffers,
    /// HTTP/2's `:scheme` is neither `http` nor `https`.
    Scheme,
    /// `Content-Length` is not one decimal number below 2^64.
    LengthInvalid,
    /// More than one `Content-Length`.
    LengthRepeated,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndCoding,
    /// `Transfer-Encoding` does not end with one `chunked`, or is no list of codings.
    CodingUnsupported,
    /// `Transfer-Encoding` names a coding that is not known, and then `chunked`.
    CodingUnknown,
    /// `Transfer-Encoding` in an HTTP/1.0 request.
    CodingInHttp10,
    /// `Expect` asks for something other than `100-continue`.
    ExpectationUnknown,
}

impl HeadError {
    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::MethodUnknown | Self::CodingUnknown => 501,
            Self::TargetTooLong => 414,
            Self::VersionUnsupported => 505,
            Self::TooManyFields | Self::HeadTooLong => 431,
            Self::ExpectationUnknown => 417,
            _ => 400,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyLines => "too many empty lines before the request line",
            Self::LineEnd => "lines of the request head must end with CR LF",
            Self::Method => "the method is not a token",
            Self::MethodUnknown => "the method is not implemented",
            Self::Target => "the request target is not valid",
            Self::TargetTooLong => "the request target is too long",
            Self::Version => "the HTTP version is malformed",
            Self::VersionUnsupported => "the HTTP version is not supported",
            Self::FieldName => "a header name is malformed, or a header line is folded",
            Self::FieldValue => "a header value contains a control character",
            Self::TooManyFields => "too many headers",
            Self::HeadTooLong => "the request head is too long",
            Self::HostMissing => "the Host header is missing",
            Self::HostRepeated => "the Host header is repeated",
            Self::HostInvalid => "the Host header, or :authority, is not valid",
            Self::LengthInvalid => "the Content-Length header is not a decimal number",
            Self::LengthRepeated => "the Content-Length header is repeated",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding exclude each other",
            Self::FieldBlank => "a header value begins or ends with white space",
            Self::HostDiffers => "the Host header and :authority name different hosts",
            Self::Scheme => "the scheme is neither http nor https",
            Self::CodingUnknown => "the only Transfer-Encoding known is chunked",
            Self::CodingUnsupported => "the only Transfer-Encoding supported is chunked",
            Self::CodingInHttp10 => "Transfer-Encoding is not defined for HTTP/1.0",
            Self::ExpectationUnknown => "the only expectation supported is 100-continue",
        })
    }
}

impl std::error::Error for HeadError {}

/// The error of a chunked request body. The connection must be closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk size is not hexadecimal, or does not fit 64 bits.
    ChunkSize,
    /// A chunk extension is malformed, or the chunk-size line does not end with CR LF.
    ChunkLine,
    /// A chunk-size line is longer than the bound.
    ChunkLineTooLong,
    /// Chunk data is not followed by CR LF.
    ChunkEnd,
    /// A trailer line is malformed.
    Trailer,
    /// The trailer section is longer than the bound.
    TrailerTooLong,
    /// The body is longer than the caller allows.
    TooLarge,
}

impl BodyError {
    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::TrailerTooLong => 431,
            _ => 400,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChunkSize => "a chunk size is not a hexadecimal number below 2^64",
            Self::ChunkLine => "a chunk-size line is malformed",
            Self::ChunkLineTooLong => "a chunk-size line is too long",
            Self::ChunkEnd => "chunk data must be followed by CR LF",
            Self::Trailer => "a trailer line is malformed",
            Self::TrailerTooLong => "the trailer section is too long",
            Self::TooLarge => "the request body is too large",
        })
    }
}

impl std::error::Error for BodyError {}

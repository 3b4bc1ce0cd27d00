//! What RFCs define: bytes to values and back, without I/O, without a clock, without the hub.

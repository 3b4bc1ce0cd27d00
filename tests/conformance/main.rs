//! What the RFCs say, section by section, against the parsers that claim it.

mod websocket;

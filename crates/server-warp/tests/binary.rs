//! Runs the black-box suite against this server's binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

/// Path of the server binary that the suite starts.
const BINARY: &str = env!("CARGO_BIN_EXE_server-warp");

#[path = "../../conformance/binary/mod.rs"]
mod binary;

//! The black-box suite on this server's binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

/// The program that the suite starts.
const BINARY: &str = env!("CARGO_BIN_EXE_server-actix");

#[path = "../../conformance/binary/mod.rs"]
mod binary;

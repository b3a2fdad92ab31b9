//! What a tester needs who trusts nobody: raw HTTP over TCP, a server as a process, mails as files.
//!
//! The suites are in `tests/`: `front_ends.rs` holds the recorded cases of `cases/*.http` against every
//! front-end. `crates/server-axum/tests` and `cargo xtask bench` use the same tools on the real binary.

pub mod case;
pub mod http;
pub mod mails;
pub mod server;

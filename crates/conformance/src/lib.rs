//! Black-box test tools: raw HTTP over TCP, a server as a process, mails as files.
//!
//! The suites are in `tests/`: `front_ends.rs` compares every server with the recorded cases of the dialects
//! (`crates/dialects/*/cases/*.http`) and of polyreset's own paths (`cases/`), and `random.rs` compares the servers with each other on requests that [`random`] generates and [`differ`] evaluates.
//! `binary/` (which the tests of each server run), `cargo xtask diff` and `cargo xtask bench` use the same tools on the
//! real binary. When such a server ends, its log is searched for secrets and addresses ([`canaries`]).

pub mod canaries;
pub mod case;
pub mod clients;
pub mod databases;
pub mod differ;
pub mod endpoint;
pub mod galera;
pub mod http;
pub mod mails;
pub mod own_server;
pub mod ports;
pub mod programs;
pub mod random;
pub mod server;
pub mod sink;
pub mod test_redis;
pub mod tls_back_end;

/// The snippets of docs/embed.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embed.md")]
mod embedding {}

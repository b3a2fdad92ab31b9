//! What a tester needs who trusts nobody: raw HTTP over TCP, a server as a process, mails as files.
//!
//! The suites are in `tests/`: `front_ends.rs` holds the recorded cases of `cases/*.http` against every
//! front-end, `random.rs` compares them on requests that [`random`] makes up and [`differ`] judges.
//! `binary/`, which each server's tests run, `cargo xtask diff` and `cargo xtask bench` use the same tools on the
//! real binary. What such a server says is searched for secrets and addresses when it ends ([`canaries`]).

pub mod canaries;
pub mod case;
pub mod databases;
pub mod dialects;
pub mod differ;
pub mod endpoint;
pub mod http;
pub mod mails;
pub mod own_server;
pub mod programs;
pub mod random;
pub mod server;
pub mod sink;
pub mod test_redis;

/// The snippets of docs/embed.md, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embed.md")]
mod embedding {}

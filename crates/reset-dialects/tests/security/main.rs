//! The security requirements (docs/security.md), as an attacker would try them through every dialect.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod bench;
mod calls;
mod chance;
mod faults;
mod recipients;
mod redirects;
mod rows;
mod secrets;
mod spending;
mod tokens;

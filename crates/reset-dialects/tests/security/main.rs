//! Tests of the security requirements (docs/security.md), which attack every dialect.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod attacked;
mod bench;
mod calls;
mod chance;
mod faults;
mod kinds;
mod px0_codes;
mod recipients;
mod redirects;
mod rows;
mod secrets;
mod spending;
mod tokens;

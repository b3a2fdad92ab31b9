//! Tests of the hosted pages through a simulated browser: reset requests, links, codes, languages, headers and the
//! demo.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

mod asking;
mod bench;
mod codes;
mod cookies;
mod demo;
mod fallback;
mod links;
mod mailbox;
mod outside;
mod repeats;
mod sessions;

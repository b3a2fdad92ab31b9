//! The pages as a person with a browser meets them: links, codes, languages, and what they keep from others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod asking;
mod bench;
mod codes;
mod demo;
mod links;
mod outside;

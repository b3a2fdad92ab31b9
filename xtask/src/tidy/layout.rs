//! Layout of a Rust file: a short file that starts with a module comment, without conditional code inside items.

use super::{File, numbered};

/// Longest Rust file in lines, tests included.
const LINES_MAX: usize = 400;

/// Checks the length, the first line, `#[cfg(feature)]` and `#[ignore]`.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{}: {lines} lines, over the limit of {LINES_MAX}", file.path));
    }
    if !file.text.starts_with("//!") && !file.text.starts_with("#![doc") {
        faults.push(format!("{}: does not start with `//!`", file.path));
    }
    for (number, line) in numbered(file) {
        if line.starts_with(' ') && line.trim_start().starts_with("#[cfg(feature") {
            faults.push(format!("{}:{number}: `#[cfg(feature)]` inside an item", file.path));
        }
        if line.trim_start().starts_with("#[ignore") {
            faults.push(format!("{}:{number}: an ignored test", file.path));
        }
    }
}

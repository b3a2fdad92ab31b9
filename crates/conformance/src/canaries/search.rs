//! Searches a log for thousands of texts in one pass.

use std::collections::{BTreeMap, HashMap};

use super::{CanaryKind, encoding};

/// Minimum length of a text to search for. A shorter text may occur by chance.
pub(super) const SHORTEST: usize = 8;

/// Number of leading bytes that index the texts.
const START: usize = 8;

/// Returns line, kind and encoding of each occurrence of a `known` text in `log`, but never the text itself.
pub(super) fn found(known: &BTreeMap<String, CanaryKind>, log: &[u8]) -> Vec<String> {
    let mut starts: HashMap<[u8; START], Vec<(CanaryKind, &'static str, String)>> = HashMap::new();
    let mut first = vec![false; 1 << 16];
    for (text, kind) in known.iter().filter(|(_, kind)| **kind != CanaryKind::Code) {
        for (name, written) in encoding::all(text) {
            let Some(start) = written.as_bytes().first_chunk::<START>() else { continue };
            first[pair(start)] = true;
            starts.entry(*start).or_default().push((*kind, name, written));
        }
    }
    let mut all = Vec::new();
    for (number, line) in (1..).zip(log.split(|byte| *byte == b'\n')) {
        let line = line.to_ascii_lowercase();
        for (at, start) in line.windows(START).enumerate().filter(|(_, start)| first[pair(start)]) {
            let candidates = start.first_chunk::<START>().and_then(|start| starts.get(start));
            for (kind, name, written) in candidates.into_iter().flatten() {
                if line[at..].starts_with(written.as_bytes()) {
                    all.push(format!("line {number}: {kind:?}, {name}"));
                }
            }
        }
        // Six digits may be part of a longer number, so they count only as a whole word.
        for word in line.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| word.len() == 6) {
            if std::str::from_utf8(word).is_ok_and(|word| known.get(word) == Some(&CanaryKind::Code)) {
                all.push(format!("line {number}: {:?}, plain", CanaryKind::Code));
            }
        }
    }
    all.dedup();
    all
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

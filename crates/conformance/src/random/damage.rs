//! Damages the bytes of a request, as a broken proxy would.

use super::Random;

/// Bytes that are significant to a parser.
const SYNTAX_BYTES: &[u8] = b"\r\n\0 \t:;,/%?#\"{}[]\\\x7f\x80\xff0a";

/// Damages `bytes` in one to three places.
pub(super) fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return;
        }
        // Most of the parsing depends on the first bytes.
        let reach = if random.chance(60) { bytes.len().min(80) } else { bytes.len() };
        let at = random.below(reach);
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = SYNTAX_BYTES[random.below(SYNTAX_BYTES.len())],
            2 => bytes.insert(at, SYNTAX_BYTES[random.below(SYNTAX_BYTES.len())]),
            3 => {
                bytes.remove(at);
            }
            4 => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                let slice = bytes[at..end].to_vec();
                bytes.splice(at..at, slice);
            }
            _ => bytes.truncate(at + 1),
        }
    }
}

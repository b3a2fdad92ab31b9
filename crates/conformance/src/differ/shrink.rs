//! Minimizes a probe: drops parts, then slices, then bytes while the difference remains.

use std::io;

use crate::random::Probe;

/// Maximum attempts per probe.
const ATTEMPTS: usize = 40;

/// Returns the smallest probe found for which `differs` returns true.
///
/// # Errors
/// Fails if `differs` fails.
pub(super) fn shrink(
    probe: &Probe,
    mut differs: impl FnMut(&Probe) -> io::Result<bool>,
) -> io::Result<Probe> {
    let mut small = probe.clone();
    let mut attempts = 0;
    let mut try_candidate = |candidate: Probe, small: &mut Probe| {
        attempts += 1;
        let better = attempts < ATTEMPTS && differs(&candidate)?;
        if better {
            *small = candidate;
        }
        Ok::<_, io::Error>(better)
    };
    for part in (0..small.parts.len()).rev() {
        if small.parts.len() > 1 {
            let mut candidate = small.clone();
            candidate.parts.remove(part);
            try_candidate(candidate, &mut small)?;
        }
    }
    for part in 0..small.parts.len() {
        let mut size = small.parts[part].len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < small.parts[part].len() {
                let mut candidate = small.clone();
                let end = (at + size).min(candidate.parts[part].len());
                candidate.parts[part].drain(at..end);
                if !try_candidate(candidate, &mut small)? {
                    at += size;
                }
            }
            size /= 2;
        }
    }
    Ok(small)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn irrelevant_bytes_are_dropped() {
        let parts = vec![b"GET / HTTP/1.1\r\nhost: test\r\nx: y\r\n\r\n".to_vec(), b"more".to_vec()];
        let probe = Probe { parts, row: 0, damaged: false };
        let holds =
            |probe: &Probe| Ok(probe.parts.iter().any(|part| part.windows(2).any(|window| window == b"x:")));
        assert_eq!(shrink(&probe, holds).unwrap().parts, [b"x:".to_vec()]);
    }
}

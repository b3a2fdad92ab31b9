//! A difference made small: lines, then slices, then bytes are dropped for as long as it stays one.

use std::io;

use crate::random::Probe;

/// Most attempts for one probe.
const ATTEMPTS: usize = 40;

/// The smallest probe found that `differs`.
///
/// # Errors
/// When `differs` fails.
pub(super) fn shrink(
    probe: &Probe,
    mut differs: impl FnMut(&Probe) -> io::Result<bool>,
) -> io::Result<Probe> {
    let mut small = probe.clone();
    let mut attempts = 0;
    let mut try_it = |candidate: Probe, small: &mut Probe| {
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
            try_it(candidate, &mut small)?;
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
                if !try_it(candidate, &mut small)? {
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
    fn what_does_not_matter_is_dropped() {
        let parts = vec![b"GET / HTTP/1.1\r\nhost: test\r\nx: y\r\n\r\n".to_vec(), b"more".to_vec()];
        let probe = Probe { parts, row: 0, damaged: false };
        let holds =
            |probe: &Probe| Ok(probe.parts.iter().any(|part| part.windows(2).any(|window| window == b"x:")));
        assert_eq!(shrink(&probe, holds).unwrap().parts, [b"x:".to_vec()]);
    }
}

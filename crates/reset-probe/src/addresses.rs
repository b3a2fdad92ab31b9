//! Probe addresses: existing accounts, and for each one decoys of the same length and shape without an account.

use anyhow::{Context, Result, bail, ensure};
use rand::seq::IndexedRandom;
use reset_core::email::EmailAddress;

use super::Random;

/// Minimum letters and digits of a local part to randomise. A shorter result could belong to a real account.
const RANDOM_CHARS_MIN: usize = 5;

/// The addresses of one run. Deliberately not `Debug`: reports contain only counts, never addresses.
pub(crate) struct Addresses {
    /// Addresses that have an account according to the user.
    pub(crate) known: Vec<String>,
    /// One decoy per known address, without an account.
    pub(crate) unknown: Vec<String>,
    /// A second set of decoys, used for the follow-up requests.
    pub(crate) bystanders: Vec<String>,
}

impl Addresses {
    /// Reads addresses, or files with one address per line, and generates their decoys.
    pub(crate) fn read(given: &[String], domain: Option<&str>, random: &mut Random) -> Result<Self> {
        let mut known: Vec<String> = Vec::new();
        for given in given {
            if given.contains('@') && !given.contains('/') {
                known.push(given.clone());
                continue;
            }
            let text = std::fs::read_to_string(given)
                .with_context(|| "--known: neither an address nor a readable file".to_owned())?;
            known.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned));
        }
        for (number, known) in known.iter().enumerate() {
            ensure!(
                EmailAddress::parse(known).is_ok(),
                "--known: entry {} is not a valid address",
                number + 1
            );
        }
        ensure!(
            !known.is_empty(),
            "--known: expected the address of an existing account, or a file with one address per line"
        );
        Self::with_decoys(known, domain, random)
    }

    /// Generates two decoys for each address in `known`.
    pub(crate) fn with_decoys(known: Vec<String>, domain: Option<&str>, random: &mut Random) -> Result<Self> {
        let mut taken = known.clone();
        let mut pool = || {
            let decoys = known.iter().map(|known| {
                let decoy = decoy(known, domain, &taken, random)?;
                taken.push(decoy.clone());
                Ok(decoy)
            });
            decoys.collect::<Result<Vec<String>>>()
        };
        let (unknown, bystanders) = (pool()?, pool()?);
        Ok(Self { known, unknown, bystanders })
    }
}

/// Generates an address like `known` with random letters and digits, at `domain` or else at the same domain.
fn decoy(known: &str, domain: Option<&str>, taken: &[String], random: &mut Random) -> Result<String> {
    let (local, own) = known.split_once('@').context("not an address")?;
    let random_chars = local.chars().filter(char::is_ascii_alphanumeric).count();
    if random_chars < RANDOM_CHARS_MIN && domain.is_none() {
        bail!(
            "--known: cannot make a safe decoy for a local part with fewer than {RANDOM_CHARS_MIN} letters and digits; \
             pass --unknown-domain with a domain that has no accounts"
        );
    }
    for _ in 0..100 {
        let local: String = local.chars().map(|char| random_char_like(char, random)).collect();
        let decoy = format!("{local}@{}", domain.unwrap_or(own));
        if EmailAddress::parse(&decoy).is_ok() && !taken.contains(&decoy) {
            return Ok(decoy);
        }
    }
    bail!("--unknown-domain: could not generate an unused address in this domain")
}

/// Returns a random character of the same class.
fn random_char_like(char: char, random: &mut Random) -> char {
    let of = |chars: &[u8], random: &mut Random| {
        char::from(*chars.choose(random).expect("a class has characters"))
    };
    match char {
        'a'..='z' => of(b"abcdefghijklmnopqrstuvwxyz", random),
        'A'..='Z' => of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", random),
        '0'..='9' => of(b"0123456789", random),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn read(given: &[&str], domain: Option<&str>) -> Result<Addresses> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        Addresses::read(&given, domain, &mut Random::seed_from_u64(1))
    }

    #[test]
    fn decoys_match_the_shape_of_known_addresses_and_are_unique() {
        let found = read(&["Jo.Doe+tag12@example.org", "alice@example.com"], None).unwrap();
        for (known, decoy) in
            found.known.iter().zip(&found.unknown).chain(found.known.iter().zip(&found.bystanders))
        {
            assert_eq!(known.split_once('@').unwrap().1, decoy.split_once('@').unwrap().1);
            let shape = |text: &str| -> String {
                let kind = |sign: char| match sign {
                    'a'..='z' => 'a',
                    'A'..='Z' => 'A',
                    '0'..='9' => '0',
                    other => other,
                };
                text.chars().map(kind).collect()
            };
            assert_eq!(shape(known), shape(decoy));
        }
        let mut all = [found.known, found.unknown, found.bystanders].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn short_local_part_requires_an_unknown_domain() {
        assert!(read(&["ann@example.com"], None).is_err());
        let found = read(&["ann@example.com"], Some("nobody.test")).unwrap();
        assert!(
            found.unknown[0].ends_with("@nobody.test") && found.unknown[0].len() == "ann@nobody.test".len()
        );
    }

    #[test]
    fn file_has_one_address_per_line_and_errors_repeat_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known");
        std::fs::write(&file, "alice@example.com\n\n robert@example.com \n").unwrap();
        let found = read(&[file.to_str().unwrap()], None).unwrap();
        assert_eq!(found.known, ["alice@example.com", "robert@example.com"]);
        for wrong in [&["canary"][..], &["canary@"], &[], &["canary@@x"]] {
            let error = format!("{:#}", read(wrong, None).err().unwrap());
            assert!(error.starts_with("--known") && !error.contains("canary"), "{error}");
        }
    }
}

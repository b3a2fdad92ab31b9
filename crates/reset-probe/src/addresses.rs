//! Whom to ask for: accounts that exist, and for each an address of the same length and shape that has none.

use anyhow::{Context, Result, bail, ensure};
use reset_core::email::EmailAddress;

use super::chance::Chance;

/// Fewest letters and digits of a local part that is drawn anew: a shorter one might be somebody's.
const DRAWN_LEAST: usize = 5;

/// The addresses of one run. It cannot be printed: the report has counts alone.
pub(crate) struct Addresses {
    /// Said to have an account.
    pub(crate) known: Vec<String>,
    /// The twin of each, without one.
    pub(crate) unknown: Vec<String>,
    /// As many more without one: who asks after somebody was asked for.
    pub(crate) bystanders: Vec<String>,
}

impl Addresses {
    /// `given` are addresses, or files with one on each line.
    pub(crate) fn read(given: &[String], domain: Option<&str>, chance: &mut Chance) -> Result<Self> {
        let mut known: Vec<String> = Vec::new();
        for given in given {
            if given.contains('@') && !given.contains('/') {
                known.push(given.clone());
                continue;
            }
            let text = std::fs::read_to_string(given)
                .with_context(|| "--known: neither an address nor a file that can be read".to_owned())?;
            known.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned));
        }
        for (number, known) in known.iter().enumerate() {
            ensure!(EmailAddress::parse(known).is_ok(), "--known: number {} is no address", number + 1);
        }
        ensure!(!known.is_empty(), "--known: name an account that exists, or a file with one on each line");
        Self::twins(known, domain, chance)
    }

    /// The twins of `known`.
    pub(crate) fn twins(known: Vec<String>, domain: Option<&str>, chance: &mut Chance) -> Result<Self> {
        let mut taken = known.clone();
        let mut pool = || {
            let twins = known.iter().map(|known| {
                let twin = twin(known, domain, &taken, chance)?;
                taken.push(twin.clone());
                Ok(twin)
            });
            twins.collect::<Result<Vec<String>>>()
        };
        let (unknown, bystanders) = (pool()?, pool()?);
        Ok(Self { known, unknown, bystanders })
    }
}

/// An address like `known` with its letters and digits drawn anew, at the same domain unless another is named.
fn twin(known: &str, domain: Option<&str>, taken: &[String], chance: &mut Chance) -> Result<String> {
    let (local, own) = known.split_once('@').context("no address")?;
    let drawn = local.chars().filter(char::is_ascii_alphanumeric).count();
    if drawn < DRAWN_LEAST && domain.is_none() {
        bail!(
            "--known: a local part with fewer than {DRAWN_LEAST} letters and digits has no twin that is surely \
             nobody's: name a domain without accounts by --unknown-domain"
        );
    }
    for _ in 0..100 {
        let local: String = local.chars().map(|sign| like(sign, chance)).collect();
        let twin = format!("{local}@{}", domain.unwrap_or(own));
        if EmailAddress::parse(&twin).is_ok() && !taken.contains(&twin) {
            return Ok(twin);
        }
    }
    bail!("--unknown-domain: no address could be made of it that is not taken already")
}

/// A sign of the same kind.
fn like(sign: char, chance: &mut Chance) -> char {
    let of = |signs: &[u8], chance: &mut Chance| char::from(signs[chance.below(signs.len())]);
    match sign {
        'a'..='z' => of(b"abcdefghijklmnopqrstuvwxyz", chance),
        'A'..='Z' => of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", chance),
        '0'..='9' => of(b"0123456789", chance),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str], domain: Option<&str>) -> Result<Addresses> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        Addresses::read(&given, domain, &mut Chance::new(1))
    }

    #[test]
    fn twins_have_the_length_and_the_shape_of_the_known_and_are_nobody_else() {
        let found = read(&["Jo.Doe+tag12@example.org", "alice@example.com"], None).unwrap();
        for (known, twin) in
            found.known.iter().zip(&found.unknown).chain(found.known.iter().zip(&found.bystanders))
        {
            assert_eq!(known.split_once('@').unwrap().1, twin.split_once('@').unwrap().1);
            let shape = |text: &str| -> String {
                let kind = |sign: char| match sign {
                    'a'..='z' => 'a',
                    'A'..='Z' => 'A',
                    '0'..='9' => '0',
                    other => other,
                };
                text.chars().map(kind).collect()
            };
            assert_eq!(shape(known), shape(twin));
        }
        let mut all = [found.known, found.unknown, found.bystanders].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn a_short_name_wants_a_domain_of_strangers() {
        assert!(read(&["ann@example.com"], None).is_err());
        let found = read(&["ann@example.com"], Some("nobody.test")).unwrap();
        assert!(
            found.unknown[0].ends_with("@nobody.test") && found.unknown[0].len() == "ann@nobody.test".len()
        );
    }

    #[test]
    fn a_file_has_an_address_on_each_line_and_errors_repeat_none() {
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

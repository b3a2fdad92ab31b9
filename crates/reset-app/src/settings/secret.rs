//! The root secret, and files that hold secrets.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    decoded_len_estimate,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use reset_core::{
    keys::{Key, Keyring, ROOT_MIN},
    ports::{Entropy, random},
};
use zeroize::Zeroizing;

use super::value::Values;

/// Where container runtimes mount secrets, readable by everybody in the container.
const MOUNTED: &str = "/run/secrets";

/// Most previous secrets that are still accepted: each costs a look-up more for a code that is not found.
const PREVIOUS_MAX: usize = 3;

/// The root secret, and those whose place it took.
pub(crate) struct Secret {
    current: Current,
    /// As far as the settings name them, the latest first.
    previous: Vec<Key>,
}

/// Where the root secret is from.
enum Current {
    /// Somebody set it.
    Given(Key),
    /// It lies in this file, or will: made at first start.
    Kept(PathBuf),
}

impl Secret {
    /// Reads the settings; `beside` is the file for a secret of our own making, where the database is one.
    pub(super) fn read(values: &Values, beside: Option<PathBuf>) -> Result<Self> {
        let current = match (values.given_text("secret")?.map(Zeroizing::new), beside) {
            (Some(text), _) => {
                Current::Given(root(&text).map_err(|expected| values.bad("secret", expected))?)
            }
            (None, Some(path)) => Current::Kept(path),
            (None, None) => bail!(
                "secret is required with this database: set POLYRESET_SECRET to what `openssl rand -hex 32` prints"
            ),
        };
        let previous = previous(values)?;
        if let Current::Given(key) = &current
            && previous.iter().any(|other| other.as_bytes() == key.as_bytes())
        {
            return Err(values
                .bad("secret_previous", "secrets that were in use before: one of them is secret itself"));
        }
        Ok(Self { current, previous })
    }

    /// The file of a secret of our own making.
    pub(crate) fn kept(&self) -> Option<&Path> {
        match &self.current {
            Current::Given(_) => None,
            Current::Kept(path) => Some(path),
        }
    }

    /// The root keys. It makes the file where that is ours to make and missing.
    pub(crate) fn roots(&self, entropy: &dyn Entropy) -> Result<Keyring> {
        if let Some(path) = self.kept().filter(|path| !path.exists()) {
            write(path, &fresh(entropy), false)
                .with_context(|| format!("the secret {} cannot be made", path.display()))?;
        }
        self.existing_roots()
    }

    /// The root keys, where there are some already.
    pub(crate) fn existing_roots(&self) -> Result<Keyring> {
        let (current, mut all) = match &self.current {
            Current::Given(key) => (key.clone(), Vec::new()),
            Current::Kept(path) => {
                (kept(path)?, kept_before(path)?.into_iter().map(|(_, key)| key).collect())
            }
        };
        all.extend(self.previous.iter().cloned());
        let mut previous: Vec<Key> = Vec::new();
        for key in all {
            // A rotation that was cut short leaves the current one in both files.
            if ![&current].into_iter().chain(&previous).any(|known| known.as_bytes() == key.as_bytes()) {
                previous.push(key);
            }
        }
        if previous.len() > PREVIOUS_MAX {
            bail!("secret_previous and the file of previous secrets hold more than {PREVIOUS_MAX} together");
        }
        Ok(Keyring::new(current, previous))
    }

    /// The root keys as far as they are known before anything is read or made.
    pub(super) fn likely_roots(&self) -> Keyring {
        let current = match &self.current {
            Current::Given(key) => key.clone(),
            Current::Kept(_) => Key::shared(&[]),
        };
        Keyring::new(current, self.previous.iter().cloned())
    }
}

/// The setting `secret_previous`.
fn previous(values: &Values) -> Result<Vec<Key>> {
    let texts = values.secrets("secret_previous");
    if texts.len() > PREVIOUS_MAX {
        return Err(
            values.bad("secret_previous", format!("at most {PREVIOUS_MAX} secrets; it has {}", texts.len()))
        );
    }
    let keys =
        texts.iter().map(|text| root(text).map_err(|expected| values.bad("secret_previous", expected)));
    keys.collect()
}

/// Where the secrets lie whose place the one at `path` took.
fn path_before(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// The secret in the file at `path`.
fn kept(path: &Path) -> Result<Key> {
    understood(path, &read_private(path)?)
}

/// The secrets before it with their texts, one a line, the latest first.
fn kept_before(path: &Path) -> Result<Vec<(Zeroizing<String>, Key)>> {
    let path = path_before(path);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read_private(&path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| Ok((Zeroizing::new(line.to_owned()), understood(&path, line)?))).collect()
}

fn understood(path: &Path, text: &str) -> Result<Key> {
    root(text)
        .map_err(|expected| anyhow!("the secret in {} is not right: expected {expected}", path.display()))
}

/// What [`rotate`] did.
pub(crate) struct Rotated {
    /// The file of the previous secrets.
    pub(crate) previous: PathBuf,
    /// How many of them are still accepted.
    pub(crate) accepted: usize,
    /// How many were accepted until now and are not any more.
    pub(crate) dropped: usize,
}

/// Puts a new secret in the place of the one in the file at `path`, which becomes the latest of the previous ones.
/// A process that runs goes on with the old one until its next start. Cut short at any point, it has either
/// happened or not: the old secret is written down as a previous one before the new one takes its place.
pub(crate) fn rotate(path: &Path, entropy: &dyn Entropy) -> Result<Rotated> {
    if !path.exists() {
        bail!("there is no secret at {} yet: the first start makes it", path.display());
    }
    let old = read_private(path)?;
    let key = understood(path, &old)?;
    let before = kept_before(path)?.into_iter().filter(|(_, other)| other.as_bytes() != key.as_bytes());
    let mut texts = vec![old];
    texts.extend(before.map(|(text, _)| text));
    let dropped = texts.len().saturating_sub(PREVIOUS_MAX);
    texts.truncate(PREVIOUS_MAX);
    let mut lines = Zeroizing::new(String::with_capacity(texts.iter().map(|text| text.len() + 1).sum()));
    for text in &texts {
        lines.push_str(text);
        lines.push('\n');
    }
    let previous = path_before(path);
    write(&previous, &lines, true).with_context(|| format!("{} cannot be written", previous.display()))?;
    write(path, &fresh(entropy), true).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Rotated { previous, accepted: texts.len(), dropped })
}

/// Decodes a root secret, or says what was expected.
fn root(text: &str) -> Result<Key, String> {
    let Some(bytes) = decoded(text) else {
        return Err(format!(
            "at least {ROOT_MIN} bytes written as hex or base64, as `openssl rand -hex 32` prints them; \
             it is neither hex nor base64"
        ));
    };
    Key::root(&bytes).map_err(|_| {
        format!(
            "at least {ROOT_MIN} bytes written as hex or base64, as `openssl rand -hex 32` prints them; \
             it holds {}",
            bytes.len()
        )
    })
}

/// The bytes of a text in hex or base64 of either alphabet, padded or not. They lie in one buffer, which is wiped.
pub(super) fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
        for pair in text.as_bytes().chunks(2) {
            bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
        }
        return Some(bytes);
    }
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let mut bytes = Zeroizing::new(vec![0; decoded_len_estimate(text.len())]);
    let length = [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, padding).decode_slice(text, &mut bytes).ok())?;
    bytes.truncate(length);
    Some(bytes)
}

/// The text of a new secret, with a newline.
fn fresh(entropy: &dyn Entropy) -> Zeroizing<String> {
    let bytes = Zeroizing::new(random::<ROOT_MIN>(entropy));
    let mut text = Zeroizing::new(String::with_capacity(2 * ROOT_MIN + 1));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are a hex digit"));
        }
    }
    text.push('\n');
    text
}

/// Writes a file with mode 0600, whole or not at all. Unless it may replace one, the first of two processes that start
/// at once wins, and both read the same file.
fn write(path: &Path, text: &str, replace: bool) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let put = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match put {
        Err(error) if replace || error.error.kind() != ErrorKind::AlreadyExists => {
            return Err(error.error.into());
        }
        _ => {}
    }
    // The name, too, is on disk before whatever is written next, where the file system can say so.
    let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

/// Whether every user of the machine can do something with the file.
pub(super) fn is_open(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o007 != 0
}

/// Who else can open the file, if anybody. A file that another user owns and lets our group read, as Kubernetes mounts
/// them, was given to us that way; our own has no business with a group.
fn opened_to(file: &fs::Metadata) -> Option<&'static str> {
    let mode = file.permissions().mode();
    let ours = file.uid() == rustix::process::geteuid().as_raw();
    if is_open(file) {
        Some("every user of this machine")
    } else if mode & 0o020 != 0 || (ours && mode & 0o070 != 0) {
        Some("a group")
    } else {
        None
    }
}

/// Reads a file that holds a secret, without one newline at its end. What others can read is no secret (R76).
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>> {
    let mut file = fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if let Some(whom) = opened_to(&file.metadata()?)
        && !path.canonicalize()?.starts_with(MOUNTED)
    {
        bail!("{} is open to {whom}: chmod 600 it", path.display());
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).with_context(|| format!("{} is not text", path.display()))?;
    let kept =
        text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(kept);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use reset_testkit::memory::SeededEntropy;

    use super::*;

    #[test]
    fn a_root_secret_is_hex_or_base64_of_32_bytes() {
        let bytes: Vec<u8> = (200..232).collect();
        for text in [
            "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7",
            "C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7",
            "yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc=",
            "yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc",
        ] {
            assert_eq!(root(text).unwrap().as_bytes(), bytes, "{text}");
        }
        for text in ["", "c8c9", "a password that is long enough to be one", &"ab".repeat(31)] {
            assert!(root(text).is_err(), "{text}");
        }
    }

    fn kept_in(dir: &Path) -> Secret {
        Secret { current: Current::Kept(dir.join("reset.secret")), previous: Vec::new() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn of(secret: &Secret, seed: u64) -> Vec<Vec<u8>> {
        let roots = secret.roots(&SeededEntropy::new(seed)).unwrap();
        roots.all().iter().map(|key| key.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_secret_of_our_own_is_made_once_and_for_nobody_else_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), kept_in(dir.path()));
        let made = of(&secret, 1);
        assert_eq!(made, of(&secret, 2));
        assert_eq!(mode(&path), 0o600);
        write(&path, &fresh(&SeededEntropy::new(3)), false).unwrap();
        assert_eq!(made, of(&secret, 4));
        for (open, whom) in [(0o604, "every user"), (0o640, "a group"), (0o620, "a group")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = secret.roots(&SeededEntropy::new(5)).err().unwrap().to_string();
            assert!(error.contains("chmod 600") && error.contains(whom), "{error}");
        }
    }

    #[test]
    fn a_rotation_keeps_the_old_secrets_beside_the_new_one_and_three_of_them_at_most() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), kept_in(dir.path()));
        assert!(rotate(&path, &SeededEntropy::new(9)).is_err(), "there is none yet");
        let mut expected = of(&secret, 1);
        for round in 0..5 {
            let done = rotate(&path, &SeededEntropy::new(10 + round)).unwrap();
            let roots = of(&secret, 99);
            assert_eq!(roots[1..], expected[..done.accepted]);
            assert_eq!((done.dropped, roots.len()), (expected.len() - done.accepted, done.accepted + 1));
            assert_eq!((mode(&path), mode(&done.previous)), (0o600, 0o600));
            expected = roots;
        }
        assert_eq!(expected.len(), 1 + PREVIOUS_MAX);
        fs::remove_file(path_before(&path)).unwrap();
        assert_eq!(of(&secret, 99), expected[..1], "the overlap is over");
    }

    #[test]
    fn a_rotation_that_was_cut_short_has_not_happened() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), kept_in(dir.path()));
        let made = of(&secret, 1);
        write(&path_before(&path), &fs::read_to_string(&path).unwrap(), true).unwrap();
        assert_eq!(of(&secret, 2), made);
        assert_eq!(rotate(&path, &SeededEntropy::new(3)).unwrap().accepted, 1);
        assert_eq!(of(&secret, 4)[1..], made);
    }
}

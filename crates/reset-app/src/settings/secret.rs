//! The root secret.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Error, Result, anyhow, bail};
use reset_core::{
    keys::{DISTINCT_MIN, HmacKey, Keyring, ROOT_MIN, is_varied},
    ports::{Entropy, random},
};
use zeroize::Zeroizing;

use reset_settings::{Values, decoded, read_private};

use super::keys;

/// Maximum number of previous secrets. Each one costs another lookup for a code that is not found.
const PREVIOUS_MAX: usize = 3;

/// The root secret and its previous values.
pub(crate) struct Secret {
    current: Current,
    /// Previous values from the settings, newest first.
    previous: Vec<HmacKey>,
}

/// Origin of the root secret.
enum Current {
    /// Set by the operator.
    Given(HmacKey),
    /// Generated at the first start and stored in this file.
    Generated(PathBuf),
}

impl Secret {
    /// Reads the settings. `file` stores a generated secret; it is `None` if the database is not a file.
    pub(super) fn read(values: &Values, file: Option<PathBuf>) -> Result<Self> {
        let current = match (values.given_text(&keys::SECRET)?.map(Zeroizing::new), file) {
            (Some(text), _) => {
                Current::Given(current(&text).map_err(|expected| values.bad(&keys::SECRET, expected))?)
            }
            (None, Some(path)) => Current::Generated(path),
            (None, None) => bail!(
                "secret is required with this database: set POLYRESET_SECRET to the output of `openssl rand -hex 32`"
            ),
        };
        let previous = previous(values)?;
        if let Current::Given(key) = &current
            && previous.iter().any(|other| other.as_bytes() == key.as_bytes())
        {
            return Err(values
                .bad(&keys::SECRET_PREVIOUS, "previous values of secret: one of them is the current one"));
        }
        Ok(Self { current, previous })
    }

    /// Returns the file of the generated secret; `None` if the operator sets the secret.
    pub(crate) fn generated(&self) -> Option<&Path> {
        match &self.current {
            Current::Given(_) => None,
            Current::Generated(path) => Some(path),
        }
    }

    /// Returns the root keys. Generates the secret if its file is missing.
    pub(crate) fn roots(&self, entropy: &dyn Entropy) -> Result<Keyring> {
        if let Some(path) = self.generated().filter(|path| !path.exists()) {
            write(path, &fresh(entropy), false).map_err(|error| not_created(path, &error))?;
        }
        self.existing_roots()
    }

    /// Returns the root keys; fails if no secret exists yet.
    pub(crate) fn existing_roots(&self) -> Result<Keyring> {
        let (current, mut all) = match &self.current {
            Current::Given(key) => (key.clone(), Vec::new()),
            Current::Generated(path) => {
                (stored(path)?, stored_previous(path)?.into_iter().map(|(_, key)| key).collect())
            }
        };
        all.extend(self.previous.iter().cloned());
        let mut previous: Vec<HmacKey> = Vec::new();
        for key in all {
            // An interrupted rotation leaves the current secret in both files.
            if ![&current].into_iter().chain(&previous).any(|known| known.as_bytes() == key.as_bytes()) {
                previous.push(key);
            }
        }
        if previous.len() > PREVIOUS_MAX {
            bail!(
                "secret_previous and the file of previous secrets together contain more than {PREVIOUS_MAX} secrets"
            );
        }
        Ok(Keyring::new(current, previous))
    }

    /// Returns the root keys as far as they are known before any file is read or created.
    pub(super) fn likely_roots(&self) -> Keyring {
        let current = match &self.current {
            Current::Given(key) => key.clone(),
            Current::Generated(_) => HmacKey::shared(&[]),
        };
        Keyring::new(current, self.previous.iter().cloned())
    }
}

/// Reads the setting `secret_previous`.
fn previous(values: &Values) -> Result<Vec<HmacKey>> {
    let texts = values.secrets(&keys::SECRET_PREVIOUS);
    if texts.len() > PREVIOUS_MAX {
        return Err(values
            .bad(&keys::SECRET_PREVIOUS, format!("at most {PREVIOUS_MAX} secrets; it has {}", texts.len())));
    }
    let keys =
        texts.iter().map(|text| root(text).map_err(|expected| values.bad(&keys::SECRET_PREVIOUS, expected)));
    keys.collect()
}

/// Returns the file of the previous values of the secret at `path`.
fn previous_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    name.into()
}

/// Reads the secret in the file at `path`.
fn stored(path: &Path) -> Result<HmacKey> {
    let text = read_private(path)?;
    current(&text).map_err(|expected| invalid(path, &expected))
}

/// Reads the previous values of the secret at `path` with their texts, one per line, newest first.
fn stored_previous(path: &Path) -> Result<Vec<(Zeroizing<String>, HmacKey)>> {
    let path = previous_path(path);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read_private(&path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| Ok((Zeroizing::new(line.to_owned()), parse(&path, line)?))).collect()
}

fn parse(path: &Path, text: &str) -> Result<HmacKey> {
    root(text).map_err(|expected| invalid(path, &expected))
}

fn invalid(path: &Path, expected: &str) -> Error {
    anyhow!("the secret in {} is invalid: expected {expected}", path.display())
}

/// Result of [`rotate`].
pub(crate) struct Rotated {
    /// File of the previous secrets.
    pub(crate) previous: PathBuf,
    /// Number of previous secrets that are still accepted.
    pub(crate) accepted: usize,
    /// Number of secrets that are no longer accepted.
    pub(crate) dropped: usize,
}

/// Replaces the secret in the file at `path` with a new one; the old one becomes the newest previous secret.
///
/// A running server uses the old secret until its next start. The rotation is atomic: the old secret is stored as a
/// previous one before the new one replaces it.
///
/// # Errors
/// Fails if there is no secret yet, or if a file cannot be read or written.
pub(crate) fn rotate(path: &Path, entropy: &dyn Entropy) -> Result<Rotated> {
    if !path.exists() {
        bail!("there is no secret at {} yet: the first start creates it", path.display());
    }
    let old = read_private(path)?;
    let key = parse(path, &old)?;
    let older = stored_previous(path)?.into_iter().filter(|(_, other)| other.as_bytes() != key.as_bytes());
    let mut texts = vec![old];
    texts.extend(older.map(|(text, _)| text));
    let dropped = texts.len().saturating_sub(PREVIOUS_MAX);
    texts.truncate(PREVIOUS_MAX);
    let mut lines = Zeroizing::new(String::with_capacity(texts.iter().map(|text| text.len() + 1).sum()));
    for text in &texts {
        lines.push_str(text);
        lines.push('\n');
    }
    let previous = previous_path(path);
    write(&previous, &lines, true).with_context(|| format!("{} cannot be written", previous.display()))?;
    write(path, &fresh(entropy), true).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Rotated { previous, accepted: texts.len(), dropped })
}

/// Decodes the root secret that issues codes and links: as [`root`], but no placeholder such as `5e5e5e…`. A previous
/// secret may be one, because it must be possible to replace it without voiding what it issued.
fn current(text: &str) -> Result<HmacKey, String> {
    let key = root(text)?;
    if is_varied(key.as_bytes()) {
        return Ok(key);
    }
    Err(format!(
        "random bytes, as `openssl rand -hex 32` prints them; it has fewer than {DISTINCT_MIN} different ones"
    ))
}

/// Decodes a root secret. The error describes what is expected.
fn root(text: &str) -> Result<HmacKey, String> {
    let Some(bytes) = decoded(text) else {
        return Err(format!(
            "at least {ROOT_MIN} bytes written as hex or base64, as `openssl rand -hex 32` prints them; \
             it is neither hex nor base64"
        ));
    };
    HmacKey::root(&bytes).map_err(|_| {
        format!(
            "at least {ROOT_MIN} bytes written as hex or base64, as `openssl rand -hex 32` prints them; \
             it has {} bytes",
            bytes.len()
        )
    })
}

/// Generates the text of a new secret, with a trailing newline.
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

/// Describes why the secret cannot be created, with what to do. The error itself names a temporary file.
fn not_created(path: &Path, error: &Error) -> Error {
    let directory = directory_of(path).display();
    let reason = match error.downcast_ref::<io::Error>().map(io::Error::kind) {
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            format!(
                "this user cannot write into {directory}: grant it, or set secret (POLYRESET_SECRET_FILE)"
            )
        }
        Some(ErrorKind::NotFound) => format!("the directory {directory} does not exist: create it"),
        Some(kind) => kind.to_string(),
        None => "unknown error".to_owned(),
    };
    anyhow!("the secret {} cannot be created: {reason}", path.display())
}

/// Returns the directory of a file.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file with mode 0600 atomically. Without `replace`, an existing file is kept: if two processes start at once,
/// the first one wins and both read the same file.
fn write(path: &Path, text: &str, replace: bool) -> Result<()> {
    let dir = directory_of(path);
    // `NamedTempFile` creates the file with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match persisted {
        Err(error) if replace || error.error.kind() != ErrorKind::AlreadyExists => {
            return Err(error.error.into());
        }
        _ => {}
    }
    // Sync the directory too, so that the name is durable before the next write, if the file system supports that.
    let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use reset_testkit::memory::SeededEntropy;

    use super::*;

    #[test]
    fn root_secret_is_hex_or_base64_of_32_bytes() {
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

    #[test]
    fn placeholder_is_rejected_as_the_current_secret_and_accepted_as_a_previous_one() {
        let seven = "30313233343536".repeat(5);
        for text in ["5e".repeat(32), "0123".repeat(16), "00".repeat(64), seven, "QUFB".repeat(12)] {
            let error = current(&text).err().unwrap();
            assert!(error.contains("openssl rand -hex 32") && root(&text).is_ok(), "{text}: {error}");
        }
        for text in ["0123456789abcdef".repeat(4), fresh(&SeededEntropy::new(1)).trim().to_owned()] {
            assert!(current(&text).is_ok(), "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), generated_in(dir.path()));
        write(&path, &"5e".repeat(32), false).unwrap();
        let error = secret.existing_roots().err().unwrap().to_string();
        assert!(error.contains("reset.secret is invalid") && !error.contains("5e5e"), "{error}");
        rotate(&path, &SeededEntropy::new(2)).unwrap();
        assert_eq!(secret.existing_roots().unwrap().all().len(), 2, "a rotation replaces it");
    }

    fn generated_in(dir: &Path) -> Secret {
        Secret { current: Current::Generated(dir.join("reset.secret")), previous: Vec::new() }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn of(secret: &Secret, seed: u64) -> Vec<Vec<u8>> {
        let roots = secret.roots(&SeededEntropy::new(seed)).unwrap();
        roots.all().iter().map(|key| key.as_bytes().to_vec()).collect()
    }

    #[test]
    fn generated_secret_is_created_once_with_mode_0600() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), generated_in(dir.path()));
        let first = of(&secret, 1);
        assert_eq!(first, of(&secret, 2));
        assert_eq!(mode(&path), 0o600);
        write(&path, &fresh(&SeededEntropy::new(3)), false).unwrap();
        assert_eq!(first, of(&secret, 4));
        for (open, whom) in [(0o604, "every user"), (0o640, "a group"), (0o620, "a group")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = secret.roots(&SeededEntropy::new(5)).err().unwrap().to_string();
            assert!(error.contains("chmod 600") && error.contains(whom), "{error}");
        }
    }

    #[test]
    fn rotation_keeps_at_most_three_previous_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), generated_in(dir.path()));
        assert!(rotate(&path, &SeededEntropy::new(9)).is_err(), "there is no secret yet");
        let mut expected = of(&secret, 1);
        for round in 0..5 {
            let rotated = rotate(&path, &SeededEntropy::new(10 + round)).unwrap();
            let roots = of(&secret, 99);
            assert_eq!(roots[1..], expected[..rotated.accepted]);
            assert_eq!(
                (rotated.dropped, roots.len()),
                (expected.len() - rotated.accepted, rotated.accepted + 1)
            );
            assert_eq!((mode(&path), mode(&rotated.previous)), (0o600, 0o600));
            expected = roots;
        }
        assert_eq!(expected.len(), 1 + PREVIOUS_MAX);
        fs::remove_file(previous_path(&path)).unwrap();
        assert_eq!(of(&secret, 99), expected[..1], "the overlap is over");
    }

    #[test]
    fn interrupted_rotation_keeps_the_old_secret() {
        let dir = tempfile::tempdir().unwrap();
        let (path, secret) = (dir.path().join("reset.secret"), generated_in(dir.path()));
        let first = of(&secret, 1);
        write(&previous_path(&path), &fs::read_to_string(&path).unwrap(), true).unwrap();
        assert_eq!(of(&secret, 2), first);
        assert_eq!(rotate(&path, &SeededEntropy::new(3)).unwrap().accepted, 1);
        assert_eq!(of(&secret, 4)[1..], first);
    }
}

//! The root secret, and files that hold secrets.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use reset_core::{
    keys::{Key, ROOT_MIN},
    ports::{Entropy, random},
};
use zeroize::Zeroizing;

use super::value::Values;

/// Where container runtimes mount secrets, readable by everybody in the container.
const MOUNTED: &str = "/run/secrets";

/// Where the root secret is from.
pub(crate) enum Secret {
    /// Somebody set it.
    Given(Key),
    /// It lies in this file, or will: made at first start.
    Kept(PathBuf),
}

impl Secret {
    /// Reads the setting; `beside` is the file for a secret of our own making, where the database is one.
    pub(super) fn read(values: &Values, beside: Option<PathBuf>) -> Result<Self> {
        let Some(text) = values.given_text("secret")?.map(Zeroizing::new) else {
            return beside.map(Self::Kept).ok_or_else(|| {
                anyhow!("secret is required with this database: set RESET_SECRET to what `openssl rand -hex 32` prints")
            });
        };
        let key = root(&text).map_err(|expected| values.bad("secret", expected))?;
        Ok(Self::Given(key))
    }

    /// The root key. It makes the file where that is ours to make and missing.
    pub(crate) fn root(&self, entropy: &dyn Entropy) -> Result<Key> {
        let path = match self {
            Self::Given(key) => return Ok(key.clone()),
            Self::Kept(path) => path,
        };
        if !path.exists() {
            make(path, entropy).with_context(|| format!("the secret {} cannot be made", path.display()))?;
        }
        kept(path)
    }

    /// The root key, where there is one already.
    pub(crate) fn existing_root(&self) -> Result<Key> {
        match self {
            Self::Given(key) => Ok(key.clone()),
            Self::Kept(path) => kept(path),
        }
    }
}

/// The root key that is kept in a file.
fn kept(path: &Path) -> Result<Key> {
    let text = read_private(path)?;
    root(&text)
        .map_err(|expected| anyhow!("the secret in {} is not right: expected {expected}", path.display()))
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

/// The bytes of a text in hex or base64 of either alphabet, padded or not.
pub(super) fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
        return pairs.collect::<Option<Vec<u8>>>().map(Zeroizing::new);
    }
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, padding).decode(text).ok())
        .map(Zeroizing::new)
}

/// Writes a new secret, whole or not at all: of two processes that start at once, one wins and both read the
/// same file.
fn make(path: &Path, entropy: &dyn Entropy) -> Result<()> {
    let bytes = Zeroizing::new(random::<ROOT_MIN>(entropy));
    let mut text = Zeroizing::new(String::with_capacity(2 * ROOT_MIN + 1));
    for byte in bytes.iter() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are a hex digit"));
        }
    }
    text.push('\n');
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != ErrorKind::AlreadyExists => Err(error.error.into()),
        _ => Ok(()),
    }
}

/// Whether every user of the machine can do something with the file.
pub(super) fn is_open(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o007 != 0
}

/// Reads a file that holds a secret, without one newline at its end. What everybody can read is no secret
/// (R76).
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>> {
    let mut file = fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if is_open(&file.metadata()?) && !path.canonicalize()?.starts_with(MOUNTED) {
        bail!("{} is open to every user of this machine: chmod 600 it", path.display());
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
    use reset_core::memory::SeededEntropy;

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

    #[test]
    fn a_secret_of_our_own_is_made_once_and_for_nobody_else_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reset.secret");
        let secret = Secret::Kept(path.clone());
        let made = secret.root(&SeededEntropy::new(1)).unwrap();
        assert_eq!(made.as_bytes(), secret.root(&SeededEntropy::new(2)).unwrap().as_bytes());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        make(&path, &SeededEntropy::new(3)).unwrap();
        assert_eq!(made.as_bytes(), secret.root(&SeededEntropy::new(4)).unwrap().as_bytes());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = secret.root(&SeededEntropy::new(5)).err().unwrap();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

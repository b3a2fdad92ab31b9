//! Files that contain secrets, and the encodings in which secrets are written.

use std::{
    fs,
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, Result, bail};
use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    decoded_len_estimate,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Directory in which container runtimes mount secrets, readable by every user of the container.
const MOUNTED: &str = "/run/secrets";

/// Decodes hex, or base64 of either alphabet with or without padding, into one buffer that is wiped on drop.
pub fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
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

/// Whether every user of the machine has any permission on the file.
pub fn is_open(file: &fs::Metadata) -> bool {
    file.permissions().mode() & 0o007 != 0
}

/// Returns the other users that can open the file, if any. Group read permission is accepted on a file that another user
/// owns, because Kubernetes mounts secrets that way, but not on a file of the service's own user.
fn opened_to(file: &fs::Metadata) -> Option<&'static str> {
    let mode = file.permissions().mode();
    let own = file.uid() == rustix::process::geteuid().as_raw();
    if is_open(file) {
        Some("every user of this machine")
    } else if mode & 0o020 != 0 || (own && mode & 0o070 != 0) {
        Some("a group")
    } else {
        None
    }
}

/// Reads a file that contains a secret, without one trailing newline.
///
/// # Errors
/// Fails if the file cannot be read, or if other users can open it (R76).
pub fn read_private(path: &Path) -> Result<Zeroizing<String>> {
    let mut file = fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if let Some(whom) = opened_to(&file.metadata()?)
        && !path.canonicalize()?.starts_with(MOUNTED)
    {
        bail!("{} can be opened by {whom}: chmod 600 it", path.display());
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    let length =
        text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(length);
    Ok(text)
}

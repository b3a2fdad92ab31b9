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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn written(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn one_trailing_line_end_is_removed() {
        for (content, text) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            (" secret \n", " secret "),
            ("secret\r", "secret\r"),
            ("", ""),
        ] {
            let (_dir, path) = written(content.as_bytes(), 0o600);
            assert_eq!(read_private(&path).unwrap().as_str(), text, "{content:?}");
        }
    }

    #[test]
    fn file_that_others_can_open_is_rejected_with_the_command_that_helps() {
        for mode in [0o600, 0o400, 0o700] {
            let (_dir, path) = written(b"secret", mode);
            assert!(read_private(&path).is_ok(), "{mode:o}");
        }
        for (mode, whom) in [
            (0o604, "every user of this machine"),
            (0o602, "every user of this machine"),
            (0o601, "every user of this machine"),
            (0o640, "a group"),
            (0o620, "a group"),
            (0o610, "a group"),
        ] {
            let (_dir, path) = written(b"canary", mode);
            let text = format!("{:#}", read_private(&path).unwrap_err());
            assert_eq!(text, format!("{} can be opened by {whom}: chmod 600 it", path.display()), "{mode:o}");
        }
    }

    #[test]
    fn file_that_is_missing_or_no_text_is_rejected_without_being_quoted() {
        let text = format!("{:#}", read_private(Path::new("/no/such/file")).unwrap_err());
        assert!(text.starts_with("/no/such/file cannot be read: "), "{text}");
        let (_dir, path) = written(b"canary\xff", 0o600);
        let text = format!("{:#}", read_private(&path).unwrap_err());
        assert!(text.contains("is not UTF-8 text") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn secret_is_decoded_from_hex_and_from_base64_of_either_alphabet() {
        let bytes = |text: &str| decoded(text).map(|bytes| bytes.to_vec());
        for text in ["fbff00", "FBFF00", "-_8A", "+/8A"] {
            assert_eq!(bytes(text), Some(vec![0xfb, 0xff, 0]), "{text}");
        }
        assert_eq!((bytes("+/8="), bytes("+/8")), (Some(vec![0xfb, 0xff]), Some(vec![0xfb, 0xff])));
        assert_eq!(bytes(""), Some(Vec::new()));
        for text in ["with spaces", "+_8A", "Ä", "abcde=f"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}

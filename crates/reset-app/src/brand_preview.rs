//! `serve --demo --brand FILE`: shows a brand on the pages and in the mails of the demo before it is deployed.
//!
//! The file has the keys of `[brand]`, with or without that heading, and may have a section `[pages]` for the style sheet
//! and the language. Paths of logos are relative to the file.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use reset_settings::{Raw, entries};

/// Name of the flag, for messages.
const FLAG: &str = "--brand";
/// Keys that name a file.
const FILES: [&str; 5] =
    ["brand.logo", "brand.logo_dark", "brand.mail_logo", "brand.mail_logo_dark", "pages.stylesheet"];

/// Returns the settings in the file as flags: flag, key and value. They override every other source.
///
/// # Errors
/// Returns one sentence if the file cannot be read or sets anything but brand and pages.
pub(crate) fn flags(path: &Path) -> Result<Vec<(&'static str, String, String)>> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("{FLAG}: {} cannot be read", path.display()))?;
    let mut flags = Vec::new();
    for (name, raw, source) in entries(&path.display().to_string(), &text)? {
        let key = if name.contains('.') { name } else { format!("brand.{name}") };
        if !key.starts_with("brand.") && !key.starts_with("pages.") {
            bail!(
                "{key} ({source}) is no key of [brand] or [pages]: {FLAG} only previews how pages and mails look"
            );
        }
        let Raw::Text(value) = raw else {
            bail!("{key} ({source}) is a list, but each key of a brand is one text")
        };
        let mut value = value.to_string();
        if FILES.contains(&key.as_str()) {
            let folder = path.parent().unwrap_or(Path::new(""));
            value = folder.join(value).display().to_string();
        }
        flags.push((FLAG, key, value));
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Inputs, Settings};

    fn write(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brand.toml");
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("logo.svg"), "<svg/>").unwrap();
        (folder, path)
    }

    fn settings(text: &str) -> Result<Settings> {
        let (_folder, path) = write(text);
        let environment = vec![("POLYRESET_BRAND__NAME".to_owned(), "Other".to_owned())];
        Settings::read(Inputs { flags: flags(&path)?, environment, ..Inputs::default() })
    }

    #[test]
    fn previewed_brand_overrides_the_deployment_with_and_without_a_heading() {
        for heading in ["", "[brand]\n"] {
            let text = format!("{heading}name = \"Acme\"\naccent = \"#0f766e\"\nlogo = \"logo.svg\"\n");
            let brand = settings(&text).unwrap().brand;
            assert_eq!(brand.name, "Acme");
            assert_eq!(brand.accent.unwrap().css(), "#0f766e");
            assert!(brand.logo.is_some(), "the path is relative to the file");
        }
    }

    #[test]
    fn previewed_file_that_sets_anything_else_is_rejected() {
        for (text, reason) in [
            ("[px0]\nenabled = false\n", "px0.enabled"),
            ("name = [\"Acme\"]\n", "is a list"),
            ("nmae = \"Acme\"\n", "brand.nmae (--brand) is not a setting"),
            ("accent = \"#ffcc00\"\n", "brand.accent (--brand) is #ffcc00, whose contrast with white"),
            ("name = \n", "line 1 is not TOML"),
        ] {
            let error = format!("{:#}", settings(text).err().unwrap());
            assert!(error.contains(reason), "{error}");
        }
        let missing = flags(Path::new("/no/such/brand.toml")).unwrap_err().to_string();
        assert_eq!(missing, "--brand: /no/such/brand.toml cannot be read");
    }
}

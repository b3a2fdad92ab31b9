//! The environment of the process. No other code in the workspace reads it.

use std::{ffi::OsString, path::Path};

use anyhow::{Result, anyhow};

/// Returns every variable that begins with `POLYRESET_`, and those that begin with `RESET_`, without their values:
/// they are not read, but an operator who still sets one should know.
///
/// # Errors
/// Fails if a value is not valid UTF-8.
pub fn variables() -> Result<Vec<(String, String)>> {
    variables_of(std::env::vars_os())
}

/// Returns the name under which this program was started, such as `server-axum`, or `default` if it has none.
pub fn program_name(default: &str) -> String {
    let path = std::env::args_os().next();
    let name = path.as_deref().and_then(|path| Path::new(path).file_name());
    name.map_or_else(|| default.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn variables_of(all: impl Iterator<Item = (OsString, OsString)>) -> Result<Vec<(String, String)>> {
    let mut variables = Vec::new();
    for (name, value) in all {
        let Ok(name) = name.into_string() else { continue };
        if name.starts_with("POLYRESET_") {
            let value = value.into_string().map_err(|_| anyhow!("{name} is not valid UTF-8"))?;
            variables.push((name, value));
        } else if name.starts_with("RESET_") {
            variables.push((name, String::new()));
        }
    }
    // The process's own order changes from start to start, and that of log lines should not.
    variables.sort();
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn of(all: &[(&[u8], &[u8])]) -> Result<Vec<(String, String)>> {
        let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        variables_of(all.iter().map(|(name, value)| (os(name), os(value))))
    }

    #[test]
    fn variables_are_sorted_and_those_of_other_programs_are_left_out() {
        let found = of(&[
            (b"POLYRESET_LOG", b"warn"),
            (b"HOME", b"/root"),
            (b"polyreset_log", b"debug"),
            (b"POLYRESET", b"x"),
            (b"POLYRESET_LISTEN", b""),
        ]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found.unwrap(), [pair("POLYRESET_LISTEN", ""), pair("POLYRESET_LOG", "warn")]);
    }

    #[test]
    fn value_of_an_old_variable_is_never_read() {
        let found = of(&[(b"RESET_SECRET", b"canary"), (b"RESET_LOG", b"\xff")]).unwrap();
        assert_eq!(
            found,
            [("RESET_LOG".to_owned(), String::new()), ("RESET_SECRET".to_owned(), String::new())]
        );
    }

    #[test]
    fn value_that_is_not_utf_8_is_rejected_without_being_quoted() {
        let error = of(&[(b"POLYRESET_SECRET", b"canary\xff")]).unwrap_err();
        assert_eq!(error.to_string(), "POLYRESET_SECRET is not valid UTF-8");
        assert!(of(&[(b"HOME", b"\xff"), (b"\xffPOLYRESET_LOG", b"x")]).unwrap().is_empty());
    }
}

//! Faults of custom templates.

use std::fmt;

use minijinja::Error;

/// A custom template that cannot be used. `Display` names the file and the fault on one line, without a full stop. It
/// quotes only names from the template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadTemplate {
    /// Path of the file, below the directory.
    pub file: String,
    /// Line of the fault, from 1, if known.
    pub line: Option<usize>,
    /// Description of the fault.
    pub what: String,
}

impl BadTemplate {
    pub(super) fn new(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, what: what.into() }
    }

    pub(super) fn at(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }

    /// Converts an error in `file`, or in the custom template that the engine names instead.
    pub(super) fn of(file: &str, error: &Error) -> Self {
        let blamed = error.name().filter(|name| super::is_custom(name)).unwrap_or(file);
        let line = error.line().filter(|_| error.name() == Some(blamed));
        let what = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        Self::new(blamed, what).at(line)
    }
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.line.map_or(Ok(()), |line| write!(f, " line {line}"))?;
        write!(f, ": {}", self.what)
    }
}

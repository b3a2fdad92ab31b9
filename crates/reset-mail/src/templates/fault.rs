//! What is wrong with a template.

use std::fmt;

use minijinja::Error;

/// A template of the deployment's that cannot be used. `Display` is one sentence without its full stop, which names
/// the file; it quotes nothing but names in the template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadTemplate {
    /// Path of the file, below the directory.
    pub file: String,
    /// Line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub what: String,
}

impl BadTemplate {
    pub(super) fn new(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, what: what.into() }
    }

    pub(super) fn at(self, line: Option<usize>) -> Self {
        Self { line, ..self }
    }

    /// What went wrong in `file`, unless the template engine blames another.
    pub(super) fn of(file: &str, error: &Error) -> Self {
        let blamed = error.name().filter(|name| super::is_own(name)).unwrap_or(file);
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

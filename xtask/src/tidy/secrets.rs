//! Secrets: types that hold one are not printable, and log lines have no field for a secret or an address (R70).

use super::{File, production};

/// Types that hold a secret and must implement neither `Debug`, `Display` nor `Serialize`.
const SECRET_TYPES: [&str; 7] = ["TicketSecret", "NewPassword", "Key", "Keys", "Seed", "Mail", "MailBody"];
/// Names that a field of a log line or span must not have.
const BANNED_FIELDS: [&str; 6] = ["email", "address", "password", "secret", "token", "code"];

/// Checks the derives of secret types, and the fields of log lines.
pub(super) fn check(file: &File, faults: &mut Vec<String>) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        if !SECRET_TYPES.contains(&name) {
            continue;
        }
        let attributes = lines[..index].iter().rev().take_while(|line| line.trim_start().starts_with("#["));
        let printable = attributes
            .filter(|line| ["Debug", "Display", "Serialize"].iter().any(|word| line.contains(word)));
        faults.extend(printable.map(|_| format!("{}:{}: {name} can be printed", file.path, index + 1)));
    }
    for (number, line) in statements(file) {
        let is_log = ["info!(", "warn!(", "error!(", "debug!(", "trace!(", "span!("]
            .iter()
            .any(|log| line.contains(log));
        let has_field = |word: &&str| {
            [format!("{word} ="), format!("{word}="), format!("%{word}"), format!("?{word}")]
                .iter()
                .any(|field| line.contains(field.as_str()))
        };
        if is_log && BANNED_FIELDS.iter().any(has_field) {
            faults
                .push(format!("{}:{number}: a log line with a field for a secret or an address", file.path));
        }
    }
}

/// Returns the name of the struct or enum that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = ["pub struct ", "pub(crate) struct ", "struct ", "pub enum ", "enum "]
        .iter()
        .find_map(|start| line.strip_prefix(start))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Returns the production lines, with each macro call that spans several lines joined into one.
fn statements(file: &File) -> Vec<(usize, String)> {
    let mut statements: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in production(file) {
        match statements.last_mut().filter(|_| open) {
            Some((_, statement)) => statement.push_str(line.trim()),
            None => statements.push((number, line.to_owned())),
        }
        let is_unclosed = |text: &str| text.matches('(').count() > text.matches(')').count();
        open = statements
            .last()
            .is_some_and(|(_, statement)| statement.contains("!(") && is_unclosed(statement));
    }
    statements
}

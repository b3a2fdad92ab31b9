//! The settings file: TOML, parsed with the line number of every key.

use anyhow::{Result, bail};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use crate::source::{Raw, Source};

/// Returns every entry of the file as `section.key`, with its value and its line number. `path` only names the file in
/// messages.
///
/// # Errors
/// Fails with one sentence that names the line if the text is not TOML or a value has an unknown type.
pub fn entries(path: &str, text: &str) -> Result<Vec<(String, Raw, Source)>> {
    let line = |offset: usize| text.get(..offset).unwrap_or(text).matches('\n').count() + 1;
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            // Not `error.to_string()`: it quotes the line, which can contain a secret.
            let line = line(error.span().map_or(0, |span| span.start));
            bail!("{path} line {line} is not TOML: {}", error.message().replace('\n', ", "));
        }
    };
    let mut entries = Vec::new();
    let mut sections = vec![(String::new(), root.get_ref())];
    while let Some((prefix, table)) = sections.pop() {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let source = Source::File { path: path.to_owned(), line: line(key.span().start) };
            match value.get_ref() {
                DeValue::Table(section) if prefix.matches('.').count() < 2 => {
                    sections.push((format!("{name}."), section));
                }
                _ => match raw(value) {
                    Some(raw) => entries.push((name, raw, source)),
                    None => bail!(
                        "{name} ({source}) is not a string, a decimal integer, a boolean or a list of strings"
                    ),
                },
            }
        }
    }
    Ok(entries)
}

fn raw(value: &Spanned<DeValue<'_>>) -> Option<Raw> {
    Some(match value.get_ref() {
        DeValue::String(text) => Raw::text(text.as_ref()),
        DeValue::Boolean(value) => Raw::text(value.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Raw::text(number.as_str()),
        DeValue::Array(items) => Raw::List(
            items
                .iter()
                .map(|item| Some(Zeroizing::new(item.get_ref().as_str()?.to_owned())))
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

//! The setting `log`: a level, or a filter such as `warn,reset_app=debug`.

use anyhow::Result;
use reset_settings::{Values, nearest_word};
use tracing_subscriber::EnvFilter;

use super::keys;

/// The words that are levels.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Words of other programs, with the level that they stand for.
const FOREIGN: [(&str, &str); 12] = [
    ("warning", "warn"),
    ("err", "error"),
    ("fatal", "error"),
    ("critical", "error"),
    ("information", "info"),
    ("notice", "info"),
    ("normal", "info"),
    ("verbose", "debug"),
    ("fine", "debug"),
    ("all", "trace"),
    ("none", "off"),
    ("quiet", "off"),
];

/// Level of every target that a filter does not name.
const OTHERS: &str = "info";

/// Reads the filter. A filter that names only targets keeps `info` for all others.
///
/// # Errors
/// Fails with one sentence if the text is no filter. A word that is neither a level nor `target=level` is rejected: the
/// filter's own parser takes it for the name of a target, and then every line of all others is lost.
pub(super) fn read(values: &Values) -> Result<String> {
    let text = values.text(&keys::LOG)?;
    let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let is_bare = |word: &&&str| !word.contains(['=', '[']);
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let expected =
        "a level (off, error, warn, info, debug or trace), or a filter such as warn,reset_app=debug";
    if let Some(word) = words.iter().filter(is_bare).find(|word| !is_level(word)) {
        let hint = level_for(word).map_or_else(String::new, |level| format!("; did you mean {level}?"));
        return Err(values.bad(&keys::LOG, format!("{expected}{hint}")));
    }
    if words.is_empty() || EnvFilter::try_new(&text).is_err() {
        return Err(values.bad(&keys::LOG, expected));
    }
    Ok(if words.iter().any(|word| is_bare(&word)) { text } else { format!("{OTHERS},{text}") })
}

/// Returns the level that a word probably stands for.
fn level_for(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let foreign = FOREIGN.iter().find(|(known, _)| *known == word).map(|(_, level)| *level);
    foreign.or_else(|| nearest_word(&word, &LEVELS))
}

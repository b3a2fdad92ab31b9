//! Suggestions for misspelt names: `POLYRESET_PULIC_URL is not a setting; did you mean POLYRESET_PUBLIC_URL?`.

use strsim::damerau_levenshtein;

use crate::{
    key::{KeyTable, Secrecy, variable},
    source::Source,
};

/// Largest number of typing errors in a name that still gets a suggestion. Short names allow fewer.
const ERRORS_MAX: usize = 2;

/// Returns the error sentence for `name`, which is no key and was set by `source`.
pub(crate) fn unknown(keys: &KeyTable, name: &str, source: &Source) -> String {
    let (written, suggestion) = match source {
        Source::Environment(given) => {
            let name = given.trim_start_matches("POLYRESET_").replace("__", ".").to_ascii_lowercase();
            (given.clone(), nearest(keys, &name, &["config"]).map(|name| variable(&name)))
        }
        other => (format!("{name} ({other})"), nearest(keys, name, &[])),
    };
    let hint = suggestion.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    format!("{written} is not a setting{hint}")
}

/// Returns the known name that `name` most likely stands for, written as in the file. `more` are known names that are
/// not keys.
fn nearest(table: &KeyTable, name: &str, more: &[&str]) -> Option<String> {
    let keys = table.iter().map(|key| key.name.to_owned());
    let files =
        table.iter().filter(|key| key.secrecy != Secrecy::Open).map(|key| format!("{}_file", key.name));
    let known: Vec<String> = keys.chain(files).chain(more.iter().map(|name| (*name).to_owned())).collect();
    closest(name, &known, |name| name).or_else(|| closest(name, &known, without_section))
}

/// Returns the one of `words` that `word` most likely stands for, for values that a program chooses by name.
///
/// ```
/// assert_eq!(reset_settings::nearest_word("strappi", &["px0", "strapi"]), Some("strapi"));
/// assert_eq!(reset_settings::nearest_word("px1", &["px0", "strapi"]), Some("px0"));
/// assert_eq!(reset_settings::nearest_word("saml", &["px0", "strapi"]), None);
/// ```
pub fn nearest_word<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let known: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let nearest = closest(&word.to_ascii_lowercase(), &known, |word| word)?;
    words.iter().find(|word| **word == nearest).copied()
}

/// Returns the one of `known` whose `part` is closest to that of `name`; none if two of them are equally close.
fn closest(name: &str, known: &[String], part: fn(&str) -> &str) -> Option<String> {
    let distance = |known: &str| {
        let known = part(known);
        let errors = damerau_levenshtein(part(name), known);
        (errors <= ERRORS_MAX.min(known.len() / 3)).then_some(errors)
    };
    let mut close: Vec<(usize, &String)> =
        known.iter().filter_map(|known| Some((distance(known)?, known))).collect();
    close.sort();
    match &close[..] {
        [(best, _), (second, _), ..] if best == second => None,
        [(_, known), ..] => Some((*known).clone()),
        [] => None,
    }
}

/// The name within its section: `code_ttl` for `px0.code_ttl`.
fn without_section(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, name)| name)
}

//! Settings of deployments that several test binaries build. They follow the names of the keys, so that a new dialect
//! with such keys joins.

use reset_dialects::MODULES;
use reset_settings::ValueKind;

/// Returns the settings that allow links to redirect to `allowed`, a comma-separated list.
pub(crate) fn redirecting_to(allowed: &str) -> Vec<(&'static str, &str)> {
    let keys = MODULES.iter().flat_map(|module| module.keys);
    let lists =
        keys.filter(|key| key.kind == ValueKind::List && key.name.ends_with(".allowed_redirect_urls"));
    lists.map(|key| (key.name, allowed)).collect()
}

/// Returns the settings with which dialects that can mail a code or a link mail links.
pub(crate) fn mailing_links() -> Vec<(&'static str, &'static str)> {
    let keys = MODULES.iter().flat_map(|module| module.keys);
    let choices = keys.filter(|key| matches!(key.kind, ValueKind::Choice(words) if words.contains(&"link")));
    choices.map(|key| (key.name, "link")).collect()
}

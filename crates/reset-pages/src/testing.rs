//! The dialects that unit tests of the pages run on.

use reset_core::keys::HmacKey;
use reset_http::{client::Client, route::Dialect};

use crate::{complete, hosted::PagesSettings};

/// Builds every dialect of the registry with these settings of theirs, the hosted pages and the service's own rows.
pub(crate) fn served(public_url: &str, settings: &[(&str, &str)]) -> Vec<Dialect> {
    let root = HmacKey::shared(&[1; 32]);
    let settings = [reset_dialects::all_on(), settings.to_vec()].concat();
    let dialects = reset_dialects::with(&settings, &root, public_url).unwrap();
    complete(dialects, Some(PagesSettings::defaults(&root, public_url)), None)
}

/// Returns the settings that switch off every dialect for which `keep` is false.
pub(crate) fn all_off_except(keep: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let others = reset_dialects::MODULES.iter().filter(|module| !keep(module.name));
    others.map(|module| (module.enabled.name, "false")).collect()
}

/// Returns how a client speaks this dialect of the registry.
pub(crate) fn client<'a>(dialects: &'a [Dialect], name: &str) -> &'a Client {
    let dialect = dialects.iter().find(|dialect| dialect.name == name);
    let client = dialect.and_then(|dialect| dialect.client.as_ref());
    client.unwrap_or_else(|| {
        panic!(
            "{name} has no client: describe it in crates/dialects/{name}/src/client.rs, in Dialect::client"
        )
    })
}

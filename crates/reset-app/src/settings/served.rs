//! What is served: the dialects of the setting `dialects`, and the documents beside them.

use anyhow::{Result, bail};
use reset_http::{module::DialectModule, route::Dialect};
use reset_pages::service;
use reset_settings::{Values, nearest_word};

use super::keys;

/// Paths of the documents. Below the last one are its files.
const DOCUMENTS: [&str; 4] = ["/openapi.json", "/openapi.yaml", "/dialects", "/docs"];

/// Switches on the dialects that the setting `dialects` lists, and the others off. Without it, each dialect's `enabled`
/// decides.
///
/// # Errors
/// Fails if the list names no known dialect, or if an `enabled` that is set contradicts it.
pub(super) fn select(modules: &[DialectModule], values: &mut Values) -> Result<()> {
    if !values.is_given(&keys::DIALECTS) {
        return Ok(());
    }
    let (listed, source) = (values.list(&keys::DIALECTS), values.value(&keys::DIALECTS).source.to_string());
    let names: Vec<&str> = modules.iter().map(|module| module.name).collect();
    if let Some(unknown) = listed.iter().find(|listed| !names.contains(&listed.as_str())) {
        let hint =
            nearest_word(unknown, &names).map_or_else(String::new, |name| format!("; did you mean {name}?"));
        bail!("dialects ({source}) names {unknown:?}; expected some of {}{hint}", names.join(", "));
    }
    for module in modules {
        let serve = listed.iter().any(|listed| listed == module.name);
        let enabled = module.enabled;
        if values.is_given(enabled) && values.boolean(enabled)? != serve {
            let lists = if serve { "lists" } else { "does not list" };
            bail!(
                "{} ({}) is {}, but dialects ({source}) {lists} {}: remove one of the two",
                enabled.name,
                values.value(enabled).source,
                !serve,
                module.name
            );
        }
        values.imply(enabled.setting(), if serve { "true" } else { "false" }, &keys::DIALECTS);
    }
    Ok(())
}

/// Removes the documents from the service's own paths, unless `docs.enabled` is set.
///
/// # Errors
/// Fails if that is neither `true` nor `false`.
pub(super) fn without_hidden_documents(values: &Values, mut dialects: Vec<Dialect>) -> Result<Vec<Dialect>> {
    if values.boolean(&keys::DOCS_ENABLED)? {
        return Ok(dialects);
    }
    let is_document = |path: &str| {
        DOCUMENTS.iter().any(|known| {
            path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    for service in dialects.iter_mut().filter(|dialect| dialect.name == service::NAME) {
        service.rows.retain(|(path, _)| !is_document(path));
        service.document.paths.paths.retain(|path, _| !is_document(path));
    }
    Ok(dialects)
}

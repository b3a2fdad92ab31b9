//! The registry: every dialect that polyreset speaks.

mod settings;

pub use dialect_insforge as insforge;
pub use dialect_px0 as px0;
pub use dialect_strapi as strapi;
pub use dialect_worthai as worthai;
use reset_core::keys::Key;
use reset_http::{client::Client, route::Dialect};
pub use settings::DialectSettings;

/// Names of all dialects, including those that are not served.
pub const NAMES: [&str; 4] = [px0::NAME, worthai::NAME, strapi::NAME, insforge::NAME];

/// Returns the dialects that `settings` enable.
pub fn dialects(settings: DialectSettings) -> Vec<Dialect> {
    let DialectSettings { px0, worthai, strapi, insforge } = settings;
    [
        px0.map(px0::dialect),
        worthai.map(worthai::dialect),
        strapi.map(strapi::dialect),
        insforge.map(insforge::dialect),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How clients speak every dialect with default settings, for tools that know a server only from outside.
pub fn clients() -> Vec<Client> {
    let settings = DialectSettings::defaults(&Key::shared(b"clients"), "http://127.0.0.1:8080");
    dialects(settings).into_iter().filter_map(|dialect| dialect.client).collect()
}

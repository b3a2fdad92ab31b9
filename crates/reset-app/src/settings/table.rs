//! Checks the settings table in docs/settings.md; `UPDATE_DOCS=1 cargo test -p reset-app` regenerates it.

use std::fs;

use super::{
    Inputs, Settings,
    keys::{KEYS, Preset, Secrecy, SettingKey, variable},
};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
const BEGIN: &str = "<!-- settings: generated from crates/reset-app/src/settings/keys.rs -->\n";
const END: &str = "<!-- end of settings -->\n";

#[test]
fn documented_settings_table_is_up_to_date() {
    let text = fs::read_to_string(PATH).unwrap();
    let begin = text.find(BEGIN).expect("the begin marker") + BEGIN.len();
    let end = text.find(END).expect("the end marker");
    let table = table();
    if text[begin..end] == table {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "lets the caller request an update of the documentation")]
    let update = std::env::var("UPDATE_DOCS").is_ok();
    assert!(
        update,
        "the settings table in docs/settings.md is out of date: run UPDATE_DOCS=1 cargo test -p reset-app"
    );
    fs::write(PATH, [&text[..begin], &table, &text[end..]].concat()).unwrap();
}

/// The complete example of docs/configure.md is a settings file that `serve` accepts.
#[test]
fn the_example_settings_file_is_accepted() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/polyreset.example.toml");
    let secrets =
        [("POLYRESET_SECRET", "5".repeat(64)), ("POLYRESET_MAIL_URL", "smtps://mail.example.com".into())];
    let environment = secrets.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Settings::read(Inputs { environment, config: Some(EXAMPLE.into()), ..Inputs::default() }).unwrap();
}

fn table() -> String {
    let head = "\n| key (environment) | default | meaning |\n|---|---|---|\n".to_owned();
    KEYS.iter().map(row).fold(head, |table, row| table + &row) + "\n"
}

fn row(key: &SettingKey) -> String {
    let adopted = key.adopted.map(|text| format!("; with a preset of `users` `{text}`")).unwrap_or_default();
    let default = match (key.default, key.hardened) {
        (Preset::Value(""), _) => "none".to_owned(),
        (Preset::Value(text), None) => format!("`{text}`"),
        (Preset::Value(text), Some(hardened)) => format!("`{text}`; hardened `{hardened}`"),
        (Preset::Found(how), _) => how.to_owned(),
    };
    let file = if key.secrecy == Secrecy::Open { "" } else { ", `…_FILE`" };
    format!(
        "| `{}` (`{}`{file}) | {default}{adopted} | {} |\n",
        key.name,
        variable(key.name),
        key.meaning.replace('|', "\\|")
    )
}

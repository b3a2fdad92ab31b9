//! `config init`: a settings file with every setting as a comment, generated from the table of keys.

use std::fmt::Write as _;

use reset_settings::{DefaultValue, KeyTable, Secrecy, SettingKey, ValueKind};

use super::{keys, toml_text::quoted};

/// Width of comments in characters.
const WIDTH: usize = 118;

const HEAD: &str = "\
# Settings of polyreset. Check them with `--config FILE doctor`, see what is in force with `--config FILE config show`.
#
# A line `#key = value` shows the default, or an example where it says so. To change a setting, remove the # and edit
# the value. An unknown or invalid setting stops the start.
#
# Secrets: `secret_file = \"PATH\"` names a file with mode 0600 that contains the secret. Environment variables override
# this file: POLYRESET_ and the key in capitals, with __ for the dot of a section, such as POLYRESET_MAIL__RATE.

# What a deployment on the internet needs. The values are examples.

";

/// The settings that a public deployment needs, with an example each.
const NEEDED: [(&str, &str); 7] = [
    ("public_url", r#""https://accounts.example.com""#),
    ("mail_url", r#""smtp://mail.example.com:587?tls=required""#),
    ("mail_from", r#""Acme <no-reply@example.com>""#),
    ("trusted_proxies", r#"["127.0.0.1"]"#),
    ("dialects", r#"["strapi"]"#),
    ("database_url", r#""postgres://polyreset@db.example.com/app?sslmode=verify-full""#),
    ("secret", r#""/etc/polyreset/secret""#),
];

/// Returns the file.
pub(crate) fn settings_file() -> String {
    file_of(&keys::table())
}

fn file_of(keys: &KeyTable) -> String {
    let mut text = HEAD.to_owned();
    for (name, example) in NEEDED {
        let key = keys.find(name).expect("the table has the needed settings");
        describe(&mut text, key);
        let file = if key.secrecy == Secrecy::Secret { "_file" } else { "" };
        let _ = writeln!(text, "#{name}{file} = {example}\n");
    }
    let rest = keys.iter().filter(|key| NEEDED.iter().all(|(name, _)| *name != key.name));
    let (top, below): (Vec<&SettingKey>, Vec<&SettingKey>) = rest.partition(|key| !key.name.contains('.'));
    text.push_str("# Everything else. The values are the defaults.\n\n");
    let mut section = "";
    for key in top.into_iter().chain(below) {
        if key.section() != section {
            section = key.section();
            let _ = writeln!(text, "[{section}]\n");
        }
        describe(&mut text, key);
        let _ = writeln!(text, "#{}\n", line(key));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Writes the meaning of the key, and its default where that is no value, as comments.
fn describe(text: &mut String, key: &SettingKey) {
    let mut meaning = key.meaning.to_owned();
    if let ValueKind::Choice(words) = key.kind {
        let _ = write!(meaning, ". One of: {}", words.join(", "));
    }
    match key.default {
        DefaultValue::Found(how) => {
            let _ = write!(meaning, ". Default: {how}");
        }
        DefaultValue::Page(path) => {
            let _ = write!(meaning, ". Default: <public_url>{path}");
        }
        DefaultValue::Fixed(_) => {}
    }
    if let Some(hardened) = key.hardened {
        let _ = write!(meaning, ". Default of profile hardened: {hardened}");
    }
    let mut width = 0;
    for word in meaning.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            text.push('\n');
            width = 0;
        }
        text.push_str(if width == 0 { "# " } else { " " });
        text.push_str(word);
        width += length + if width == 0 { 2 } else { 1 };
    }
    text.push('\n');
}

/// Formats the setting with its default; with an empty value if that is determined at start.
fn line(key: &SettingKey) -> String {
    let name = key.name.rsplit_once('.').map_or(key.name, |(_, name)| name);
    if key.secrecy == Secrecy::Secret {
        return format!("{name}_file = \"\"");
    }
    let value = match (key.default, key.kind) {
        (DefaultValue::Fixed(text), ValueKind::Boolean | ValueKind::Integer) => text.to_owned(),
        (DefaultValue::Fixed(text), ValueKind::List) => {
            let items = text.split(',').filter(|item| !item.is_empty()).map(quoted);
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        (DefaultValue::Fixed(text), _) => quoted(text),
        (_, ValueKind::Boolean) => "false".to_owned(),
        (_, ValueKind::Integer) => "0".to_owned(),
        (_, ValueKind::List) => "[]".to_owned(),
        _ => "\"\"".to_owned(),
    };
    format!("{name} = {value}")
}

//! `config schema`: the JSON schema of the settings file, generated from the table of keys.

use serde::{Serialize, Serializer};

use reset_settings::{DefaultValue, Secrecy, SettingKey, ValueKind};

use super::keys;

/// The JSON schema of the settings file.
#[derive(Serialize)]
pub(crate) struct SettingsSchema {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: &'static str,
    #[serde(flatten)]
    root: Object,
}

#[derive(Serialize)]
struct Object {
    r#type: &'static str,
    #[serde(rename = "additionalProperties")]
    additional: bool,
    properties: Properties,
}

/// Sections and settings, in the order of the table.
struct Properties(Vec<(String, Part)>);

#[derive(Serialize)]
#[serde(untagged)]
enum Part {
    Section(Object),
    Setting(Setting),
}

#[derive(Serialize)]
struct Setting {
    description: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#enum: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Items>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Literal>,
}

#[derive(Serialize)]
struct Items {
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Literal {
    Boolean(bool),
    Integer(u64),
    List(Vec<String>),
    Text(&'static str),
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, part)| (name, part)))
    }
}

impl SettingsSchema {
    /// Builds the schema of this version's settings.
    pub(crate) fn new() -> Self {
        let mut root: Vec<(String, Part)> = Vec::new();
        for key in keys::table().iter() {
            place(&mut root, key.name, key);
        }
        Self {
            dialect: "https://json-schema.org/draft/2020-12/schema",
            title: "Settings of polyreset",
            root: Object::new(root),
        }
    }
}

impl Object {
    fn new(properties: Vec<(String, Part)>) -> Self {
        Self { r#type: "object", additional: false, properties: Properties(properties) }
    }
}

/// Adds the key to the section that its name begins with. The keys of a section are adjacent in the table.
fn place(properties: &mut Vec<(String, Part)>, name: &str, key: &SettingKey) {
    let Some((section, name)) = name.split_once('.') else { return add(properties, name, key) };
    if properties.last().is_none_or(|(last, _)| last != section) {
        properties.push((section.to_owned(), Part::Section(Object::new(Vec::new()))));
    }
    if let Some((_, Part::Section(object))) = properties.last_mut() {
        place(&mut object.properties.0, name, key);
    }
}

/// Adds the key and, if it can be read from a file, its `_file` form.
fn add(properties: &mut Vec<(String, Part)>, name: &str, key: &SettingKey) {
    properties.push((name.to_owned(), Part::Setting(Setting::of(key))));
    if key.secrecy != Secrecy::Open {
        let description =
            format!("File that contains {}; other users of the machine must not have access to it", key.name);
        let (pattern, r#enum, items, default) = (None, None, None, None);
        let file_form = Setting { description, r#type: "string", pattern, r#enum, items, default };
        properties.push((format!("{name}_file"), Part::Setting(file_form)));
    }
}

impl Setting {
    fn of(key: &SettingKey) -> Self {
        let (r#type, pattern) = match key.kind {
            ValueKind::Boolean => ("boolean", None),
            ValueKind::Integer => ("integer", None),
            ValueKind::List => ("array", None),
            ValueKind::Duration => ("string", Some("^[0-9]+(ms|s|m|h|d)$")),
            ValueKind::Size => ("string", Some("^[0-9]+ ?(KiB|MiB)?$")),
            ValueKind::Text | ValueKind::Choice(_) => ("string", None),
        };
        let mut description = key.meaning.to_owned();
        let default = match key.default {
            DefaultValue::Fixed(text) => Some(match key.kind {
                ValueKind::Boolean => Literal::Boolean(text == "true"),
                ValueKind::Integer => text.parse().map_or(Literal::Text(text), Literal::Integer),
                ValueKind::List => {
                    Literal::List(text.split(',').filter(|t| !t.is_empty()).map(Into::into).collect())
                }
                _ => Literal::Text(text),
            }),
            DefaultValue::Page(path) => {
                description = format!("{description}. Default: <public_url>{path}");
                None
            }
            DefaultValue::Found(how) => {
                description = format!("{description}. Default: {how}");
                None
            }
        };
        let r#enum = if let ValueKind::Choice(words) = key.kind { Some(words) } else { None };
        let items = (key.kind == ValueKind::List).then_some(Items { r#type: "string" });
        Self { description, r#type, pattern, r#enum, items, default }
    }
}

//! The file that `config init` writes.

use reset_settings::{DefaultValue, Secrecy};

use super::{Inputs, Settings, environment, keys, written};
use crate::settings::settings_file;

fn read(text: &str) -> anyhow::Result<Settings> {
    let (_dir, path) = written("polyreset.toml", text);
    Settings::read(Inputs { config: Some(path), ..Inputs::default() })
}

#[test]
fn new_settings_file_changes_nothing() {
    let (file, none) = (read(&settings_file()).unwrap(), environment(&[]).unwrap());
    assert_eq!(file.show().unwrap(), none.show().unwrap());
}

#[test]
fn new_settings_file_has_every_setting_once_and_fits_a_terminal() {
    let text = settings_file();
    let (mut section, mut names) = (String::new(), Vec::new());
    for line in text.lines() {
        assert!(line.chars().count() <= 200, "{line}");
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, _)) = line.strip_prefix('#').and_then(|line| line.split_once(" = "))
            && !name.starts_with(' ')
        {
            names.push(format!("{section}{}", name.trim_end_matches("_file")));
        }
    }
    names.sort();
    let mut known: Vec<String> = keys::table().iter().map(|key| key.name.to_owned()).collect();
    known.sort();
    assert_eq!(names, known);
}

/// A comment that is turned into a setting has the default value, in valid TOML. Settings of another system's users table
/// need its preset.
#[test]
fn every_default_of_the_new_settings_file_is_valid_when_it_is_uncommented() {
    let fixed = |key: &reset_settings::SettingKey| {
        matches!(key.default, DefaultValue::Fixed(_))
            && key.secrecy == Secrecy::Open
            && !key.name.starts_with("users.")
    };
    let defaults: Vec<&str> = keys::table()
        .iter()
        .filter(|key| fixed(key))
        .map(|key| key.name.rsplit('.').next().unwrap())
        .collect();
    let mut section = String::new();
    let (_, rest) =
        settings_file().split_once("# Everything else").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let uncommented: Vec<String> = rest
        .lines()
        .skip(1)
        .map(|line| {
            if line.starts_with('[') {
                line.clone_into(&mut section);
            }
            let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            let is_default =
                |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| defaults.contains(&name));
            let is_empty = |line: &&str| line.ends_with("= \"\"");
            let chosen =
                setting.filter(is_default).filter(|line| !is_empty(line) || line.starts_with("base_path"));
            chosen
                .filter(|_| !section.starts_with("[users"))
                .map_or_else(|| line.to_owned(), ToOwned::to_owned)
        })
        .collect();
    let settings = read(&uncommented.join("\n")).unwrap();
    let set = settings.show().unwrap().lines().filter(|line| line.contains("polyreset.toml line")).count();
    assert!(set > 70, "{set}");
    assert_eq!(settings.show_changed(), "# every setting has its default\n");
}

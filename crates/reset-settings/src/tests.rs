//! The engine with the keys of a small program.

mod keys;
mod names;
mod sources;
mod values;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;

use crate::{
    Choice, Inputs, Integer, Key, KeyTable, List, PROFILE, Secrecy, SettingKey, Size, Text, Unread, Values,
};

static LISTEN: Key<Text> = Key::new("listen", "127.0.0.1:80", "Address");
static PUBLIC_URL: Key<Text> = Key::found("public_url", "the address", "Public URL");
static DATABASE_URL: Key<Text> =
    Key::new("database_url", "sqlite://x.db", "Database").secrecy(Secrecy::Userinfo);
static SECRET: Key<Text> = Key::found("secret", "a new one", "Root secret").secrecy(Secrecy::Secret);
static SECRET_PREVIOUS: Key<List> =
    Key::found("secret_previous", "none", "Old ones").secrecy(Secrecy::Secret);
static ORIGINS: Key<List> = Key::new("origins", "", "Allowed origins");
static ENABLED: Key<bool> = Key::new("acme.enabled", "true", "Whether Acme is served");
static CODE_TTL: Key<Duration> = Key::new("acme.code_ttl", "15m", "Lifetime of a code").hardened("10m");
static PAGE_URL: Key<Text> = Key::page("acme.page_url", "/reset", "Page of the link");
static JWT_SECRET: Key<Text> = Key::found("acme.jwt_secret", "derived", "Key of tokens").signs();
static OTHER_TTL: Key<Duration> = Key::new("other.code_ttl", "1h", "Lifetime of a code");
static ATTEMPTS: Key<Integer> = Key::new("other.attempts", "3", "Attempts").adopted("5");
static BODY: Key<Size> = Key::new("other.body", "64 KiB", "Largest body");
static METHOD: Key<Choice> = Key::choice("other.method", &["code", "link"], "code", "What is mailed");
static NAME: Key<Text> = Key::found("pages.name", "none", "Name on the pages");
static PRESET: Key<Choice> =
    Key::choice("users.preset", &["own", "custom", "px0"], "own", "Layout of the table");
static SESSIONS: Key<Text> = Key::found("users.sessions.table", "none", "Table of sessions");

fn table() -> KeyTable {
    let keys: [&SettingKey; 18] = [
        LISTEN.setting(),
        PUBLIC_URL.setting(),
        DATABASE_URL.setting(),
        SECRET.setting(),
        SECRET_PREVIOUS.setting(),
        PROFILE.setting(),
        ORIGINS.setting(),
        ENABLED.setting(),
        CODE_TTL.setting(),
        PAGE_URL.setting(),
        JWT_SECRET.setting(),
        OTHER_TTL.setting(),
        ATTEMPTS.setting(),
        BODY.setting(),
        METHOD.setting(),
        NAME.setting(),
        PRESET.setting(),
        SESSIONS.setting(),
    ];
    KeyTable::new(keys)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads environment variables only.
fn environment(pairs: &[(&str, &str)]) -> Result<Values> {
    Inputs { environment: owned(pairs), ..Inputs::default() }.read(&table())
}

/// Reads environment variables as a program does: those that are not read are taken out first.
fn with_unread(pairs: &[(&str, &str)]) -> (Result<Values>, Unread) {
    let mut environment = owned(pairs);
    let unread = Unread::take_from(&table(), &mut environment);
    (Inputs { environment, ..Inputs::default() }.read(&table()), unread)
}

/// Reads a file only, with mode 0600.
fn file(text: &str) -> Result<Values> {
    let (_dir, path) = written("reset.toml", text);
    Inputs { config: Some(path), ..Inputs::default() }.read(&table())
}

/// Writes a file with mode 0600; the returned directory keeps it alive.
fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    use std::{fs, os::unix::fs::PermissionsExt};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (dir, path)
}

/// Returns the error as one sentence.
fn sentence<T>(read: Result<T>) -> String {
    let text = format!("{:#}", read.err().expect("invalid settings"));
    assert!(!text.contains('\n'), "one sentence: {text}");
    text
}

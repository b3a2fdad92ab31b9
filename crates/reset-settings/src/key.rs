//! Keys: the name, default, type and description of each setting.
//!
//! All code that needs the keys uses one [`KeyTable`]: the three sources, `config show`, `config schema`, and the table in
//! the documentation, which a test checks. Defaults are written as an operator would write them and are parsed in the
//! same way, so a documented default cannot differ from the effective one (R44).

use std::{marker::PhantomData, ops::Deref, sync::Arc, time::Duration};

/// One setting.
#[derive(Clone, Copy)]
pub struct SettingKey {
    /// Name in the file: `key` or `section.key`.
    pub name: &'static str,
    /// Type of the value.
    pub kind: ValueKind,
    /// Default value.
    pub default: DefaultValue,
    /// Default in profile `hardened`, if different.
    pub hardened: Option<&'static str>,
    /// Default if `users.preset` names another system's table, if different.
    pub adopted: Option<&'static str>,
    /// If `users.preset` names another system's table, the default is `true` with these presets and `false` with others.
    pub presets: Option<&'static [&'static str]>,
    /// Which part of the value is secret.
    pub secrecy: Secrecy,
    /// Whether it is a key that signs tokens, which no other setting may share.
    pub signs: bool,
    /// Description, in Markdown.
    pub meaning: &'static str,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// An integer.
    Integer,
    /// `500ms`, `30s`, `15m`, `1h`, `1d`.
    Duration,
    /// A number of bytes, or a number with `KiB` or `MiB`.
    Size,
    /// An array in the file; comma-separated elsewhere.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Default of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A fixed value.
    Fixed(&'static str),
    /// A page of this service: this path below the public URL.
    Page(&'static str),
    /// A value determined at start, described in words.
    Found(&'static str),
}

/// Which part of a value is secret. Unless it is [`Secrecy::Open`], the value can be read from a file that `<key>_file`
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// No part.
    Open,
    /// The user and password of a URL.
    Userinfo,
    /// The whole value.
    Secret,
}

impl SettingKey {
    /// The section: `px0` for `px0.code_ttl`, and nothing for `listen`.
    pub fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

/// A [`SettingKey`] whose values have the type that `T` stands for. Reading a setting takes its key, so a misspelt name or
/// a wrong type does not compile.
pub struct Key<T> {
    setting: SettingKey,
    kind: PhantomData<fn() -> T>,
}

/// A type of values, for [`Key`]. [`bool`] and [`Duration`] stand for themselves.
pub trait Typed {
    /// How values of the type are written.
    const KIND: ValueKind;
}

/// Any text.
pub enum Text {}
/// An integer.
pub enum Integer {}
/// A number of bytes.
pub enum Size {}
/// A list of texts.
pub enum List {}
/// One of a few words.
pub enum Choice {}

macro_rules! typed {
    ($($type:ty: $kind:expr),+) => { $(impl Typed for $type { const KIND: ValueKind = $kind; })+ };
}

typed!(
    bool: ValueKind::Boolean,
    Duration: ValueKind::Duration,
    Text: ValueKind::Text,
    Integer: ValueKind::Integer,
    Size: ValueKind::Size,
    List: ValueKind::List
);

impl<T: Typed> Key<T> {
    /// A setting with a fixed default.
    pub const fn new(name: &'static str, default: &'static str, meaning: &'static str) -> Self {
        Self::of(name, T::KIND, DefaultValue::Fixed(default), meaning)
    }

    /// A setting whose default is determined at start, as `how` describes.
    pub const fn found(name: &'static str, how: &'static str, meaning: &'static str) -> Self {
        Self::of(name, T::KIND, DefaultValue::Found(how), meaning)
    }
}

impl Key<Text> {
    /// A setting that names a page of this service by default: `path` below the public URL.
    pub const fn page(name: &'static str, path: &'static str, meaning: &'static str) -> Self {
        Self::of(name, ValueKind::Text, DefaultValue::Page(path), meaning)
    }
}

impl Key<Choice> {
    /// A choice among `words` with a fixed default.
    pub const fn choice(
        name: &'static str,
        words: &'static [&'static str],
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::of(name, ValueKind::Choice(words), DefaultValue::Fixed(default), meaning)
    }

    /// A choice among `words` whose default is determined at start, as `how` describes.
    pub const fn choice_found(
        name: &'static str,
        words: &'static [&'static str],
        how: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self::of(name, ValueKind::Choice(words), DefaultValue::Found(how), meaning)
    }
}

impl<T> Key<T> {
    const fn of(name: &'static str, kind: ValueKind, default: DefaultValue, meaning: &'static str) -> Self {
        let (hardened, adopted) = (None, None);
        let setting = SettingKey {
            name,
            kind,
            default,
            hardened,
            adopted,
            presets: None,
            secrecy: Secrecy::Open,
            signs: false,
            meaning,
        };
        Self { setting, kind: PhantomData }
    }

    /// The same with another default in profile `hardened`.
    #[must_use]
    pub const fn hardened(self, value: &'static str) -> Self {
        Self { setting: SettingKey { hardened: Some(value), ..self.setting }, ..self }
    }

    /// The same with another default if `users.preset` names another system's table.
    #[must_use]
    pub const fn adopted(self, value: &'static str) -> Self {
        Self { setting: SettingKey { adopted: Some(value), ..self.setting }, ..self }
    }

    /// The same, but if `users.preset` names another system's table, the default is `true` with these presets and `false`
    /// with others.
    #[must_use]
    pub const fn only_with(self, presets: &'static [&'static str]) -> Self {
        Self { setting: SettingKey { presets: Some(presets), ..self.setting }, ..self }
    }

    /// The same for a value that is partly or wholly secret.
    #[must_use]
    pub const fn secrecy(self, secrecy: Secrecy) -> Self {
        Self { setting: SettingKey { secrecy, ..self.setting }, ..self }
    }

    /// The same for a secret key that signs tokens: no other such setting may have its value.
    #[must_use]
    pub const fn signs(self) -> Self {
        Self { setting: SettingKey { secrecy: Secrecy::Secret, signs: true, ..self.setting }, ..self }
    }

    /// The key without its type, for tables.
    pub const fn setting(&self) -> &SettingKey {
        &self.setting
    }
}

impl<T> Deref for Key<T> {
    type Target = SettingKey;

    fn deref(&self) -> &SettingKey {
        &self.setting
    }
}

/// The settings of a program: every key once, in the order in which they are documented.
#[derive(Clone)]
pub struct KeyTable(Arc<[&'static SettingKey]>);

impl KeyTable {
    /// A table of these keys.
    ///
    /// # Panics
    /// When two keys have the same name.
    pub fn new(keys: impl IntoIterator<Item = &'static SettingKey>) -> Self {
        let keys: Vec<&'static SettingKey> = keys.into_iter().collect();
        for (place, key) in keys.iter().enumerate() {
            assert!(keys[..place].iter().all(|other| other.name != key.name), "{} is a key twice", key.name);
        }
        Self(keys.into())
    }

    /// Every key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &'static SettingKey> {
        self.0.iter().copied()
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this name.
    pub fn find(&self, name: &str) -> Option<&'static SettingKey> {
        self.iter().find(|key| key.name == name)
    }

    /// Looks up `name`, written as in the settings file.
    pub(crate) fn named(&self, name: &str) -> Named {
        if let Some(key) = self.find(name) {
            return Named::Key(key);
        }
        let setting = name.strip_suffix("_file").and_then(|name| self.find(name));
        match setting.filter(|key| key.secrecy != Secrecy::Open) {
            Some(key) => Named::FileOf(key),
            None => Named::Unknown,
        }
    }
}

/// Returns the environment variable of the key `name`: `POLYRESET_PX0__CODE_TTL` for `px0.code_ttl`.
pub fn variable(name: &str) -> String {
    format!("POLYRESET_{}", name.replace('.', "__").to_ascii_uppercase())
}

/// The environment variable that names the settings file. The file itself has no such key.
pub(crate) const CONFIG: &str = "POLYRESET_CONFIG";

/// Returns the name that the environment variable sets: the inverse of [`variable`].
pub(crate) fn name(variable: &str) -> Option<String> {
    let name = variable.strip_prefix("POLYRESET_")?.replace("__", ".").to_ascii_lowercase();
    (self::variable(&name) == variable).then_some(name)
}

/// The setting that a name refers to.
pub(crate) enum Named {
    /// `<key>`: the setting itself.
    Key(&'static SettingKey),
    /// `<key>_file`: the file that contains the setting.
    FileOf(&'static SettingKey),
    /// No setting.
    Unknown,
}

//! Merges the sources of settings: flags override the environment, and the environment overrides the file.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use crate::{
    command_line, file,
    key::{self, KeyTable, Named, Secrecy, SettingKey},
    private_file::read_private,
    suggestion,
    value::Values,
};

/// The contents of all sources. [`crate::environment`] reads those of the process; tests build their own.
#[derive(Default)]
pub struct Inputs {
    /// Flag, key and value, in the order of the command line. A name without leading dashes stands for a source of the
    /// same precedence that is no command line, such as the code of a host application.
    pub flags: Vec<(&'static str, String, String)>,
    /// Every `POLYRESET_*` and `RESET_*` variable.
    pub environment: Vec<(String, String)>,
    /// `--config`; without it, `POLYRESET_CONFIG` names the file.
    pub config: Option<PathBuf>,
    /// Values that `serve --demo` uses instead of defaults.
    pub demo: Vec<(&'static str, String)>,
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, by its name.
    Flag(&'static str),
    /// An environment variable, by its name.
    Environment(String),
    /// A line of the settings file.
    File {
        /// Path of the file.
        path: String,
        /// Line number, from 1.
        line: usize,
    },
    /// `serve --demo`.
    Demo,
    /// The default of profile `hardened`.
    Profile,
    /// The default for another system's users table.
    Adopted,
    /// The general default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Demo => f.write_str("serve --demo"),
            Self::Profile => f.write_str("profile hardened"),
            Self::Adopted => f.write_str("users.preset"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value as written in its source. It can be a secret: no `Debug`.
#[derive(Clone)]
pub enum Raw {
    /// A scalar value, as text.
    Text(Zeroizing<String>),
    /// An array of the settings file.
    List(Vec<Zeroizing<String>>),
}

impl Raw {
    /// A scalar value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }
}

/// A value with its source.
#[derive(Clone)]
pub struct Given {
    /// The value as written.
    pub raw: Raw,
    /// Where it is from.
    pub source: Source,
    /// The file that contains the value, if the source names one.
    pub(crate) file: Option<String>,
}

/// The values of all sources, by key.
pub(crate) type GivenValues = BTreeMap<&'static str, Given>;

impl Inputs {
    /// Merges the sources into the values of `keys`, highest precedence first.
    ///
    /// # Errors
    /// Fails with one sentence if a name is unknown, a source cannot be read, or a `_file` form is misused.
    pub fn read(self, keys: &KeyTable) -> Result<Values> {
        Values::new(keys.clone(), gather(keys, self)?)
    }
}

/// Merges the sources, highest precedence first.
pub(crate) fn gather(keys: &KeyTable, inputs: Inputs) -> Result<GivenValues> {
    let Inputs { flags, environment, config, demo } = inputs;
    let mut layers: [Layer; 4] = std::array::from_fn(|_| Layer { keys, given: GivenValues::new() });
    for (flag, name, value) in flags {
        command_line::check(keys, flag, &name, &value)?;
        layers[0].add(&name, Raw::text(value), Source::Flag(flag))?;
    }
    let mut config = config;
    for (variable, value) in environment {
        if variable == key::CONFIG {
            config = config.or(Some(value.into()));
            continue;
        }
        let name = key::name(&variable).unwrap_or_default();
        layers[1].add(&name, Raw::text(value), Source::Environment(variable))?;
    }
    if let Some(path) = config {
        let text = fs::read_to_string(&path).map(Zeroizing::new);
        let text = text.with_context(|| format!("the settings file {} cannot be read", path.display()))?;
        for (name, raw, source) in file::entries(&path.display().to_string(), &text)? {
            layers[2].add(&name, raw, source)?;
        }
    }
    for (name, value) in demo {
        layers[3].add(name, Raw::text(value), Source::Demo)?;
    }
    let mut values = GivenValues::new();
    for (name, given) in layers.into_iter().flat_map(|layer| layer.given) {
        values.entry(name).or_insert(given);
    }
    for (name, given) in &mut values {
        given.load_file(name)?;
    }
    Ok(values)
}

/// The values of one source.
struct Layer<'a> {
    keys: &'a KeyTable,
    given: GivenValues,
}

impl Layer<'_> {
    fn add(&mut self, name: &str, raw: Raw, source: Source) -> Result<()> {
        let (key, in_file): (&'static SettingKey, bool) = match self.keys.named(name) {
            Named::Key(key) => (key, false),
            Named::FileOf(key) => (key, true),
            Named::Unknown => bail!(suggestion::unknown(self.keys, name, &source)),
        };
        let file = match &raw {
            _ if !in_file => None,
            Raw::Text(path) => Some(path.as_str().to_owned()),
            Raw::List(_) => bail!("{}_file ({source}) is not a path", key.name),
        };
        let earlier = self.given.get(key.name).filter(|earlier| earlier.file.is_some() != in_file);
        if earlier.is_some() {
            bail!(
                "{name} ({source}) conflicts with its other form: set either {} or {0}_file, not both",
                key.name
            );
        }
        debug_assert!(!in_file || key.secrecy != Secrecy::Open, "only secrets have a _file form");
        self.given.insert(key.name, Given { raw, source, file });
        Ok(())
    }
}

impl Given {
    /// Replaces the path of a file by its contents, without the trailing newline that editors add.
    fn load_file(&mut self, name: &str) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let text =
            read_private(path.as_ref()).with_context(|| format!("{name}_file, set by {}", self.source))?;
        self.raw = Raw::Text(text);
        Ok(())
    }
}

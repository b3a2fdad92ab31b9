//! Where a value comes from: flags before the environment, the environment before the file.

use std::{collections::BTreeMap, fmt, fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use zeroize::Zeroizing;

use super::{
    file,
    keys::{self, Named, Secrecy, SettingKey, named},
    secret,
};

/// What the three sources hold. The process's own are read in [`super::environment`]; tests make theirs.
#[derive(Default)]
pub(crate) struct Inputs {
    /// Flag, key and value, in the order of the command line.
    pub(crate) flags: Vec<(&'static str, String, String)>,
    /// Every `POLYRESET_*` variable.
    pub(crate) environment: Vec<(String, String)>,
    /// `--config`; without it, `POLYRESET_CONFIG` names the file.
    pub(crate) config: Option<PathBuf>,
    /// What the demo puts in place of defaults.
    pub(crate) demo: Vec<(&'static str, String)>,
}

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag, by its name.
    Flag(&'static str),
    /// An environment variable, by its name.
    Environment(String),
    /// The settings file and the line.
    File {
        /// Path of the file.
        path: String,
        /// Line, from 1.
        line: usize,
    },
    /// `serve --demo`.
    Demo,
    /// The default of profile `hardened`.
    Profile,
    /// The default for another system's users table.
    Adopted,
    /// The default.
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

/// A value as somebody wrote it. It may be a secret: no `Debug`.
#[derive(Clone)]
pub(crate) enum Raw {
    /// Text, or anything that was written as one word.
    Text(Zeroizing<String>),
    /// A list that was written as one.
    List(Vec<Zeroizing<String>>),
}

impl Raw {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Zeroizing::new(text.into()))
    }
}

/// A value that somebody gave.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) raw: Raw,
    pub(crate) source: Source,
    /// Whether the value was in a file of its own, which the source named.
    pub(super) in_file: bool,
}

/// What all sources together give.
pub(super) type GivenValues = BTreeMap<&'static str, Given>;

/// Merges the sources, the strongest first.
pub(super) fn gather(inputs: Inputs) -> Result<GivenValues> {
    let Inputs { flags, environment, config, demo } = inputs;
    let mut layers: [Layer; 4] = Default::default();
    for (flag, name, value) in flags {
        layers[0].add(&name, Raw::text(value), Source::Flag(flag))?;
    }
    let mut config = config;
    for (variable, value) in environment {
        if variable == "POLYRESET_CONFIG" {
            config = config.or(Some(value.into()));
            continue;
        }
        let name = variable.strip_prefix("POLYRESET_").unwrap_or_default();
        let mut name = name.replace("__", ".").to_ascii_lowercase();
        if keys::variable(&name) != variable {
            // Almost a variable of ours, as `POLYRESET_listen` is.
            name.clear();
        }
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
    for (name, given) in layers.into_iter().flat_map(|layer| layer.0) {
        values.entry(name).or_insert(given);
    }
    for (name, given) in &mut values {
        given.open(name)?;
    }
    Ok(values)
}

/// The values of one source.
#[derive(Default)]
struct Layer(GivenValues);

impl Layer {
    fn add(&mut self, name: &str, raw: Raw, source: Source) -> Result<()> {
        let (key, in_file): (&'static SettingKey, bool) = match named(name) {
            Named::Key(key) => (key, false),
            Named::FileOf(key) => (key, true),
            Named::Unknown => bail!("{} is not a setting", written(name, &source)),
        };
        let earlier = self.0.get(key.name).filter(|earlier| earlier.in_file != in_file);
        if earlier.is_some() {
            bail!("{name} and its other form are both set by {source}: {} or {0}_file, not both", key.name);
        }
        debug_assert!(!in_file || key.secrecy != Secrecy::Open, "only what is secret is kept in a file");
        self.0.insert(key.name, Given { raw, source, in_file });
        Ok(())
    }
}

/// A name as its source writes it, and where.
fn written(name: &str, source: &Source) -> String {
    match source {
        Source::Environment(variable) => variable.clone(),
        Source::Flag(flag) => format!("{name} ({flag})"),
        other => format!("{name} ({other})"),
    }
}

impl Given {
    /// Replaces the name of a file by what is in it, without the newline that editors add.
    fn open(&mut self, name: &str) -> Result<()> {
        if !self.in_file {
            return Ok(());
        }
        let Raw::Text(path) = &self.raw else { bail!("{name}_file ({}) is not a path", self.source) };
        let text = secret::read_private(path.as_str().as_ref())
            .with_context(|| format!("{name}_file, set by {}", self.source))?;
        self.raw = Raw::Text(text);
        Ok(())
    }
}

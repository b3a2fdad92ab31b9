//! The settings engine: keys with types, three sources, and values with the sentence that explains a wrong one.
//!
//! A program declares each setting as a [`Key`] and collects its keys in a [`KeyTable`]. [`Inputs`] holds flags, environment
//! and file; [`Inputs::read`] merges them into [`Values`], which are read by key:
//!
//! ```
//! use std::time::Duration;
//!
//! use reset_settings::{Inputs, Key, KeyTable};
//!
//! static CODE_TTL: Key<Duration> = Key::new("px0.code_ttl", "15m", "Lifetime of a code").hardened("10m");
//!
//! # fn main() -> anyhow::Result<()> {
//! let values = Inputs::default().read(&KeyTable::new([CODE_TTL.setting()]))?;
//! assert_eq!(values.duration(&CODE_TTL, Duration::from_secs(3600))?, Duration::from_secs(900));
//! # Ok(())
//! # }
//! ```
//!
//! Errors are sentences for operators: they name the key, the source and what is expected, and quote a value only if it
//! cannot be a secret.

mod command_line;
pub mod environment;
mod file;
mod injected;
mod key;
mod private_file;
mod source;
mod suggestion;
#[cfg(test)]
mod tests;
mod value;

pub use self::{
    file::entries,
    injected::Unread,
    key::{
        Choice, DefaultValue, Integer, Key, KeyTable, List, Secrecy, SettingKey, Size, Text, Typed,
        ValueKind, variable,
    },
    private_file::{decoded, is_open, read_private},
    source::{Given, Inputs, Raw, Source},
    suggestion::nearest_word,
    value::{PROFILE, Profile, Value, Values, written},
};

//! Users tables of other systems: found and written by names from the settings, in the same transactions as our
//! own rows.

mod mapping;
mod plan;
mod presets;

pub use self::{
    mapping::{BadName, Flag, Mapping, Matching, Name, Only, Sessions},
    plan::Unfit,
    presets::{PRESETS, preset},
};

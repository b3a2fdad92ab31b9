//! Users tables of other systems: found and written by names from the settings, in the same transactions as our
//! own rows.

mod grants;
mod mapping;
mod plan;
mod presets;
mod survey;

pub(crate) use self::{
    grants::{Ours, grants},
    plan::{Column, ColumnKind, Columns, Plan, Speech, has_password, literal, qualified, quoted},
};
pub use self::{
    mapping::{BadName, Flag, Mapping, Matching, Name, Only, Sessions},
    plan::Unfit,
    presets::{PRESETS, preset},
    survey::Survey,
};

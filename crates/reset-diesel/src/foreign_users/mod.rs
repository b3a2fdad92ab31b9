//! Users tables of other systems. The settings name their tables and columns, and their rows are changed in the same
//! transactions as polyreset's own.

mod grants;
mod mapping;
mod plan;
mod presets;
mod survey;

pub(crate) use self::{
    grants::{OwnTables, grants},
    plan::{Column, ColumnKind, Columns, Plan, SqlSyntax, has_password, literal, qualified, quoted},
};
pub use self::{
    mapping::{Flag, InvalidName, Mapping, Matching, Name, Only, Sessions},
    plan::MappingError,
    presets::{PRESETS, preset},
    survey::Survey,
};

//! Users tables of other systems. The settings name their tables and columns, and their rows are changed in the same
//! transactions as polyreset's own.

mod grants;
mod mapping;
mod plan;
mod presets;
mod rows;
mod survey;

pub(crate) use self::{
    grants::{OwnTables, grants},
    plan::{
        Column, ColumnKind, Columns, Plan, SqlSyntax, bound, has_password, id_text, qualified, quoted, text,
        unit, without_salt,
    },
    survey::Extent,
};
pub use self::{
    mapping::{InvalidName, Mapping, Matching, Name, Only, Replaceable, SaltColumn, TimeUnit},
    plan::MappingError,
    presets::{PRESETS, preset, reads_only_bcrypt},
    rows::{AccountRows, Filter, FilterTest, Flag, InvalidRows, RowKey},
    survey::{HashCount, Survey},
};

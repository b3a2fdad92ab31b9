//! The report on a users table, for an operator who considers using it.

/// Number of rows whose hashes the start looks at.
const SAMPLE: usize = 1_000;

/// How much of a users table a survey reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every row, once. What is checked for a role is checked for this one, or for the role of the connection.
    Everything {
        /// The role that is to serve, which needs the grants.
        role: Option<String>,
    },
    /// The hashes of the first rows by id: enough to see that a login cannot read new hashes, and cheap at every start.
    Hashes,
}

impl Extent {
    /// Returns the number of rows to read at most.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Everything { .. } => usize::MAX,
            Self::Hashes => SAMPLE,
        }
    }

    /// Returns the role to check, if one is named.
    pub(crate) fn role(&self) -> Option<&str> {
        match self {
            Self::Everything { role } => role.as_deref(),
            Self::Hashes => None,
        }
    }
}

/// A users table, and the statements that polyreset would run on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The table, with its schema.
    pub table: String,
    /// The tables below it, if it is a view.
    pub view_of: Vec<String>,
    /// Number of rows.
    pub rows: i64,
    /// Role, name and type of each mapped column.
    pub columns: Vec<(&'static str, String, &'static str)>,
    /// The statements, in the order in which a reset runs them.
    pub statements: Vec<String>,
    /// The statements that grant a role the minimum privileges.
    pub grants: Vec<String>,
    /// Number of rows per hash form, the most frequent first.
    pub hashes: Vec<HashCount>,
    /// Number of rows that cannot be reset, per reason.
    pub refused: Vec<(String, i64)>,
    /// What the first users would find: rows that count as accounts but cannot be served.
    pub problems: Vec<String>,
    /// Recommended changes before use.
    pub advice: Vec<String>,
}

/// The number of rows whose hash has one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashCount {
    /// The form, or why there is none.
    pub form: String,
    /// The algorithm, if new hashes can have this form.
    pub algorithm: Option<&'static str>,
    /// Whether a reset replaces these hashes.
    pub replaceable: bool,
    /// Number of rows.
    pub rows: i64,
}

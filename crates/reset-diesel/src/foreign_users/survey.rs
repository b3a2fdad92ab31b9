//! The report on a users table, for an operator who considers using it.

/// A users table, and the statements that polyreset would run on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The table, with its schema.
    pub table: String,
    /// Number of rows.
    pub rows: i64,
    /// Role, name and type of each mapped column.
    pub columns: Vec<(&'static str, String, &'static str)>,
    /// The statements, in the order in which a reset runs them.
    pub statements: Vec<String>,
    /// The statements that grant a role the minimum privileges.
    pub grants: Vec<String>,
    /// Number of rows per hash format, the most frequent first.
    pub hashes: Vec<(String, i64)>,
    /// Number of rows that cannot be reset, per reason.
    pub refused: Vec<(&'static str, i64)>,
    /// Recommended changes before use.
    pub advice: Vec<String>,
}

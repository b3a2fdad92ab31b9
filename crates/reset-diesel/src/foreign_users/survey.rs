//! What an operator should know before a table is adopted.

/// A users table as it is, and what would be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The table, with its schema.
    pub table: String,
    /// How many rows it has.
    pub rows: i64,
    /// What each column is mapped to, its name, and what it holds.
    pub columns: Vec<(&'static str, String, &'static str)>,
    /// The statements that will be run, in the order of a reset.
    pub statements: Vec<String>,
    /// The statements that give a role the least privileges that are enough.
    pub grants: Vec<String>,
    /// How many rows have which form of hash.
    pub hashes: Vec<(String, i64)>,
    /// How many rows cannot reset, and why.
    pub refused: Vec<(&'static str, i64)>,
    /// What would better be changed first.
    pub advice: Vec<String>,
}

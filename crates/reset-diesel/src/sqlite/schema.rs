//! The tables on SQLite.

crate::schema::schema! {
    users: [users],
    tickets: [tickets],
    jobs: [jobs],
    guesses: [guesses],
    budgets: [budgets],
    events: [events],
    marks: [marks],
    disputes: [disputes],
    probes: [probes],
    comparisons: [comparisons]
}

diesel::table! {
    /// Diesel's own record of applied migrations.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

diesel::table! {
    /// SQLite's catalog of tables.
    sqlite_schema (name) {
        name -> Text,
    }
}

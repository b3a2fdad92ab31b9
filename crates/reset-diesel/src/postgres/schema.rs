//! PostgreSQL's tables: in a schema of their own, named in every statement. A search path would be lost behind a
//! pooler, and the host's own tables are none of our business.

crate::schema::schema! {
    users: [polyreset.users],
    tickets: [polyreset.tickets],
    jobs: [polyreset.jobs],
    guesses: [polyreset.guesses],
    budgets: [polyreset.budgets],
    events: [polyreset.events],
    marks: [polyreset.marks],
    disputes: [polyreset.disputes]
}

diesel::table! {
    /// What was migrated.
    polyreset.migrations (version) {
        version -> Text,
    }
}

diesel::table! {
    /// A row for each dialect, locked by whoever counts its live tickets.
    polyreset.turns (dialect) {
        dialect -> Text,
    }
}

//! The tables on PostgreSQL. They are in a schema of their own, and every statement names it: a search path would be
//! lost behind a pooler and would also find tables of the host application.

crate::schema::schema! {
    users: [polyreset.users],
    tickets: [polyreset.tickets],
    jobs: [polyreset.jobs],
    guesses: [polyreset.guesses],
    budgets: [polyreset.budgets],
    events: [polyreset.events],
    marks: [polyreset.marks],
    disputes: [polyreset.disputes],
    probes: [polyreset.probes],
    comparisons: [polyreset.comparisons]
}

diesel::table! {
    /// Applied migrations.
    polyreset.migrations (version) {
        version -> Text,
    }
}

diesel::table! {
    /// One row per dialect. A transaction locks the row before it counts the dialect's live tickets.
    polyreset.dialect_locks (dialect) {
        dialect -> Text,
    }
}

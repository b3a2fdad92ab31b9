//! The tables on MySQL and MariaDB. They are in the database of the URL, which a host application may share, so each
//! name has a prefix.

crate::schema::schema! {
    users: [#[sql_name = "polyreset_users"] users],
    tickets: [#[sql_name = "polyreset_tickets"] tickets],
    jobs: [#[sql_name = "polyreset_jobs"] jobs],
    guesses: [#[sql_name = "polyreset_guesses"] guesses],
    budgets: [#[sql_name = "polyreset_budgets"] budgets],
    events: [#[sql_name = "polyreset_events"] events],
    marks: [#[sql_name = "polyreset_marks"] marks],
    disputes: [#[sql_name = "polyreset_disputes"] disputes],
    probes: [#[sql_name = "polyreset_probes"] probes],
    comparisons: [#[sql_name = "polyreset_comparisons"] comparisons]
}

diesel::table! {
    /// Applied migrations.
    #[sql_name = "polyreset_migrations"]
    migrations (version) {
        version -> Text,
    }
}

diesel::table! {
    /// One row per dialect. A transaction locks the row before it counts the dialect's live tickets.
    #[sql_name = "polyreset_dialect_locks"]
    dialect_locks (dialect) {
        dialect -> Text,
    }
}

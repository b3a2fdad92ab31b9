//! MySQL's and MariaDB's tables: in the URL's database, which may be the host application's, so with a prefix.

crate::schema::schema! {
    users: [#[sql_name = "polyreset_users"] users],
    tickets: [#[sql_name = "polyreset_tickets"] tickets],
    jobs: [#[sql_name = "polyreset_jobs"] jobs],
    guesses: [#[sql_name = "polyreset_guesses"] guesses],
    budgets: [#[sql_name = "polyreset_budgets"] budgets],
    events: [#[sql_name = "polyreset_events"] events],
    marks: [#[sql_name = "polyreset_marks"] marks],
    disputes: [#[sql_name = "polyreset_disputes"] disputes]
}

diesel::table! {
    /// What was migrated.
    #[sql_name = "polyreset_migrations"]
    migrations (version) {
        version -> Text,
    }
}

diesel::table! {
    /// A row for each dialect, locked by whoever counts its live tickets.
    #[sql_name = "polyreset_turns"]
    turns (dialect) {
        dialect -> Text,
    }
}

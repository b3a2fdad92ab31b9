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

diesel::table! {
    /// Changes of passwords in another system's file that may not be complete.
    pending_changes (id) {
        id -> Text,
        change -> Text,
        account -> Text,
        mailbox -> Text,
        until -> BigInt,
        before -> BigInt,
        after -> BigInt,
        at -> BigInt,
        kind -> Text,
        dialect -> Text,
        reference -> Nullable<Text>,
        job -> Nullable<Text>,
        address -> Nullable<Text>,
        network -> Nullable<Text>,
        detail -> Text,
    }
}

diesel::table! {
    /// The jobs of pending changes.
    pending_jobs (id) {
        id -> Text,
        change -> Text,
        reference -> Text,
        dialect -> Text,
        account -> Text,
        recipient -> Nullable<Text>,
        created_at -> BigInt,
        turn -> BigInt,
        due_at -> BigInt,
    }
}

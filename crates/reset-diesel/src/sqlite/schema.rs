//! The tables as Diesel checks queries against them; what the columns mean stands in `migrations/sqlite`.

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        email_key -> Text,
        username -> Nullable<Text>,
        name -> Nullable<Text>,
        locale -> Nullable<Text>,
        password_hash -> Text,
        confirmed -> Bool,
        blocked -> Bool,
        credential_epoch -> BigInt,
        password_changed_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    tickets (id) {
        id -> Text,
        account -> Text,
        dialect -> Text,
        kind -> Text,
        digest -> Binary,
        email -> Text,
        epoch -> BigInt,
        errand -> Text,
        errand_seq -> BigInt,
        nonce -> BigInt,
        redirect_to -> Nullable<Text>,
        attempts -> BigInt,
        issued_at -> BigInt,
        minted_at -> BigInt,
        expires_at -> BigInt,
        spent_at -> Nullable<BigInt>,
        voided_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    errands (seq) {
        seq -> BigInt,
        id -> Text,
        reference -> Text,
        dialect -> Text,
        email -> Nullable<Text>,
        redirect_to -> Nullable<Text>,
        account -> Nullable<Text>,
        recipient -> Nullable<Text>,
        created_at -> BigInt,
        attempts -> BigInt,
        due_at -> BigInt,
        taken -> Bool,
        finished_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
        reply -> Nullable<Text>,
    }
}

diesel::table! {
    /// Diesel's own record of what was migrated.
    __diesel_schema_migrations (version) {
        version -> Text,
        run_on -> Timestamp,
    }
}

diesel::table! {
    /// SQLite's own list of tables.
    sqlite_schema (name) {
        name -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, tickets);

diesel::table! {
    guesses (dialect) {
        dialect -> Text,
        taken -> BigInt,
    }
}

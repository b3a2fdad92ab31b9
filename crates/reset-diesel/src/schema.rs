//! The tables that Diesel checks queries against. Only their names differ between engines. The files in `migrations`
//! explain the columns.

/// Declares the tables under an engine's names. Each argument is a table name as `diesel::table!` takes it, attributes
/// included.
macro_rules! schema {
    (users: $users:tt, tickets: $tickets:tt, jobs: $jobs:tt, guesses: $guesses:tt,
     budgets: $budgets:tt, events: $events:tt, marks: $marks:tt, disputes: $disputes:tt, probes: $probes:tt,
     comparisons: $comparisons:tt) => {
        $crate::schema::table! { $users (id) {
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
        } }

        $crate::schema::table! { $tickets (id) {
            id -> Text,
            account -> Text,
            dialect -> Text,
            kind -> Text,
            digest -> Binary,
            email -> Text,
            epoch -> BigInt,
            reference -> Nullable<Text>,
            job -> Text,
            job_seq -> BigInt,
            nonce -> BigInt,
            redirect_to -> Nullable<Text>,
            attempts -> BigInt,
            issued_at -> BigInt,
            minted_at -> BigInt,
            expires_at -> BigInt,
            spent_at -> Nullable<BigInt>,
            voided_at -> Nullable<BigInt>,
        } }

        $crate::schema::table! { $jobs (seq) {
            seq -> BigInt,
            id -> Text,
            reference -> Text,
            dialect -> Text,
            email -> Nullable<Text>,
            redirect_to -> Nullable<Text>,
            locale -> Nullable<Text>,
            account -> Nullable<Text>,
            recipient -> Nullable<Text>,
            created_at -> BigInt,
            stage -> Nullable<SmallInt>,
            turn -> BigInt,
            network -> Nullable<BigInt>,
            due_at -> BigInt,
            claims -> BigInt,
            attempts -> BigInt,
            unconfirmed -> BigInt,
            crashes -> BigInt,
            finished_at -> Nullable<BigInt>,
            outcome -> Nullable<Text>,
            reply -> Nullable<Text>,
        } }

        $crate::schema::table! { $guesses (dialect) {
            dialect -> Text,
            taken -> BigInt,
        } }

        $crate::schema::table! { $budgets (name) {
            name -> Text,
            takes -> Binary,
            refused -> BigInt,
            ends_at -> BigInt,
        } }

        $crate::schema::table! { $events (seq) {
            seq -> BigInt,
            at -> BigInt,
            kind -> Text,
            dialect -> Text,
            reference -> Nullable<Text>,
            job -> Nullable<Text>,
            account -> Nullable<Text>,
            address -> Nullable<Text>,
            network -> Nullable<Text>,
            detail -> Text,
            place -> Nullable<BigInt>,
            seal -> Nullable<Binary>,
        } }

        $crate::schema::table! { $marks (name) {
            name -> Text,
            place -> BigInt,
            seal -> Binary,
            tag -> Binary,
        } }

        $crate::schema::table! { $disputes (id) {
            id -> Text,
            account -> Text,
            reference -> Text,
            dialect -> Text,
            mailbox -> Text,
            until -> BigInt,
            opened_at -> Nullable<BigInt>,
            closed_at -> Nullable<BigInt>,
        } }

        $crate::schema::table! { $probes (slot) {
            slot -> BigInt,
            writes -> BigInt,
        } }

        $crate::schema::table! { $comparisons (route, finding) {
            route -> Text,
            finding -> Text,
            times -> BigInt,
        } }

        diesel::allow_tables_to_appear_in_same_query!(users, tickets);
    };
}

/// `diesel::table!` with the table name in brackets.
macro_rules! table {
    ([$($name:tt)+] $($rest:tt)+) => {
        diesel::table! { $($name)+ $($rest)+ }
    };
}

pub(crate) use {schema, table};

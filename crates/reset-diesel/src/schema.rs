//! The tables as Diesel checks queries against them, the same on every engine but for their names; what the
//! columns mean stands in `migrations/sqlite`.

/// Declares the tables under the names that an engine gives them: each is what `diesel::table!` takes as a
/// table's name, attributes included.
macro_rules! schema {
    (users: $users:tt, tickets: $tickets:tt, jobs: $jobs:tt, guesses: $guesses:tt,
     budgets: $budgets:tt, events: $events:tt, marks: $marks:tt, disputes: $disputes:tt) => {
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
            reference -> Nullable<Text>,
        } }

        $crate::schema::table! { $jobs (seq) {
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
            locale -> Nullable<Text>,
            lost -> BigInt,
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

        diesel::allow_tables_to_appear_in_same_query!(users, tickets);
    };
}

/// `diesel::table!` whose name comes in brackets.
macro_rules! table {
    ([$($name:tt)+] $($rest:tt)+) => {
        diesel::table! { $($name)+ $($rest)+ }
    };
}

pub(crate) use {schema, table};

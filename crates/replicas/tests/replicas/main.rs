//! Tests with an axum, an actix and a warp process on one database.
//!
//! `cargo xtask replicas` builds the three servers and runs this suite, which is part of `cargo xtask test`. The databases
//! come from [`conformance::databases`]; the binaries are in the same target folder as this test.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod adoption;
mod commands;
mod failover;
mod galera;
mod galera_faults;
mod hops;
mod outage;
mod races;
mod rotation;
mod site;
mod sql;
mod workers;

use std::time::Duration;

/// Timeout of every wait, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Defines one test per case and engine.
macro_rules! on_each_engine {
    ($($case:ident,)*) => {
        mod postgres {
            $(#[test]
            fn $case() {
                super::$case(conformance::databases::DatabaseServer::Postgres);
            })*
        }
        mod mariadb {
            $(#[test]
            fn $case() {
                super::$case(conformance::databases::DatabaseServer::Mariadb);
            })*
        }
    };
}

use on_each_engine;

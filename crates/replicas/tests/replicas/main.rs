//! Several servers on one database, as their operator runs them: an axum, an actix and a warp process at once.
//!
//! `cargo xtask replicas` builds the three and runs this suite; it is part of `cargo xtask test`. The databases come from
//! [`conformance::databases`], the programs are those that lie beside this one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod adoption;
mod commands;
mod failover;
mod hops;
mod outage;
mod races;
mod rotation;
mod site;
mod sql;
mod workers;

use std::time::Duration;

/// How long anything may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes one test of each case on each engine.
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

//! The server engines: the store contract on each, and tests of concurrent processes and of servers that fail.

mod adoption;
mod faults;
mod migrate;
mod outage;
pub(crate) mod plans;
mod pooler;
mod races;
mod servers;
mod silence;
mod tls;

use std::sync::Arc;

use reset_core::{
    account::{Account, NewAccount},
    email::EmailAddress,
    event::{Event, EventKind},
    job::{Job, JobId, JobKind, Reference},
    ports::Store,
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
};

use self::servers::Server;

mod postgres {
    use super::*;

    reset_testkit::store_contract!(where available: Server::Postgres.store());
}

mod mariadb {
    use super::*;

    reset_testkit::store_contract!(where available: Server::Mariadb.store());
}

/// Generates one test per case and server.
macro_rules! on_each_server {
    ($($case:ident,)*) => {
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(super::Server::Postgres).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(super::Server::Mariadb).await;
            })*
        }
    };
}

use on_each_server;

const DIALECT: &str = "px0";

/// Returns the time `seconds` after the start time of the tests.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
}

/// Returns an arbitrary event at `now`.
pub(crate) fn event_at(now: Timestamp) -> Event {
    Event::new(EventKind::Tried, now)
}

fn job(id: &str) -> Job {
    let kind = JobKind::Reset {
        email: EmailAddress::parse(&format!("{id}@canary.example")).unwrap(),
        redirect_to: None,
        locale: None,
    };
    Job::new(JobId::new(id), Reference::stored("0123456789"), DIALECT, kind, at(0))
}

async fn account(store: &Arc<dyn Store>, name: &str) -> Account {
    let email = EmailAddress::parse(&format!("{name}@example.org")).unwrap();
    let account = NewAccount {
        email: email.key().to_owned(),
        username: None,
        name: None,
        locale: None,
        password_hash: "the first hash".to_owned(),
        created_at: at(0),
    };
    store.add_account(&email, account).await.unwrap();
    store.account_by_email(&email).await.unwrap().unwrap()
}

/// Returns a ticket for a code that is valid for ten minutes. `id` determines its id, digest and job.
pub(crate) fn ticket(account: &Account, id: &str) -> Ticket {
    let mut digest = [0; 32];
    digest[..id.len()].copy_from_slice(id.as_bytes());
    Ticket {
        id: TicketId::new(id),
        account: account.id.clone(),
        dialect: DIALECT.to_owned(),
        kind: TicketKind::Code,
        digest: TicketDigest::from_bytes(digest),
        email: account.email.clone(),
        epoch: account.epoch,
        reference: Some(Reference::stored("0123456789")),
        job: JobId::new(id),
        job_seq: 1,
        nonce: 0,
        redirect_to: None,
        attempts: 0,
        issued_at: at(0),
        minted_at: at(0),
        expires_at: at(600),
        spent_at: None,
        voided_at: None,
    }
}

/// Returns the error and all its causes, as in a log.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error} ({error:?})");
        cause = error.source();
    }
    text
}

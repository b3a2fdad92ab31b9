//! Resets in another system's SQLite file: what they change, and what an interruption leaves.

mod crash;
mod file;
mod systems;

use std::{path::Path, sync::Arc};

use diesel::{
    QueryableByName,
    connection::SimpleConnection,
    prelude::*,
    sql_query,
    sql_types::{Nullable, Text},
};
use reset_core::{
    account::{Account, StoredAddress},
    email::EmailAddress,
    error::RedeemError,
    event::{Event, EventKind},
    job::{Job, JobId, JobKind, Reference},
    ports::{Accounts, PasswordChange, Tickets},
    ticket::{Ticket, TicketId},
};
use tempfile::TempDir;

use super::{super::Sqlite, super::migrate, Step};
use crate::{
    foreign_users::{Mapping, preset},
    tests::{at, error_chain, event_at, ticket},
};

const HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
const SECOND: &str = "$2a$10$cBrl.kHJB.YnFAMqhM0XjOBWq0ZRcnXfW7rF4eAiyTPHtqA5V0OTa";
const THIRD: &str = "$2a$10$zqEYaJcRtF41aCi1cWgFHOOPnJt1fS7.Orar7ClhlSEpxTNDMRyCO";

/// Strapi 5's table as its quick start creates it.
const STRAPI: &str = "CREATE TABLE `up_users` (`id` integer not null primary key autoincrement, \
     `document_id` varchar(255) null, `username` varchar(255) null, `email` varchar(255) null, \
     `provider` varchar(255) null, `password` varchar(255) null, `reset_password_token` varchar(255) null, \
     `confirmation_token` varchar(255) null, `confirmed` boolean null, `blocked` boolean null, \
     `created_at` datetime null, `updated_at` datetime null, `published_at` datetime null, `locale` varchar(255) null)";

/// A directory with the owner's file and polyreset's own.
struct Files(TempDir);

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

impl Files {
    /// Creates the owner's file with these statements, and polyreset's own.
    async fn new(statements: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.owner().batch_execute(statements).unwrap();
        migrate(&files.0.path().join("reset.db")).await.unwrap();
        files
    }

    /// Files with Ann in Strapi's table.
    async fn strapi() -> Self {
        Self::new(&format!(
            "PRAGMA journal_mode = WAL; {STRAPI}; INSERT INTO up_users (username, email, provider, password, \
             reset_password_token, confirmed, blocked, created_at, updated_at) VALUES \
             ('ann', 'ann@example.org', 'local', '{HASH}', 'token', 1, 0, 1577836800000, 1577836800000), \
             ('bob', 'bob@example.org', 'local', '{HASH}', 'token', 1, 1, 1577836800000, 1577836800000), \
             ('sso', 'sso@example.org', 'google', '{HASH}', NULL, 1, 0, 1577836800000, 1577836800000)"
        ))
        .await
    }

    /// A connection of the owner's program.
    fn owner(&self) -> SqliteConnection {
        SqliteConnection::establish(self.0.path().join("owner.db").to_str().unwrap()).unwrap()
    }

    /// Returns the column `text` of a query on the owner's file.
    fn of_owner(&self, query: &str) -> Vec<String> {
        texts(&mut self.owner(), query)
    }

    /// Returns the column `text` of a query on polyreset's own file.
    fn of_own(&self, query: &str) -> Vec<String> {
        let path = self.0.path().join("reset.db");
        texts(&mut SqliteConnection::establish(path.to_str().unwrap()).unwrap(), query)
    }

    async fn open(&self, mapping: &Mapping) -> Arc<Sqlite> {
        open_in(self.0.path(), mapping, |_| {}).await
    }

    /// Returns the numbers of reset events, jobs and notes on changes.
    fn counts(&self) -> [String; 3] {
        let counts = "SELECT CAST((SELECT COUNT(*) FROM events WHERE kind = 'done') AS text) AS text UNION ALL \
             SELECT CAST((SELECT COUNT(*) FROM jobs) AS text) UNION ALL SELECT CAST((SELECT COUNT(*) FROM \
             pending_changes) + (SELECT COUNT(*) FROM pending_jobs) AS text)";
        self.of_own(counts).try_into().unwrap()
    }
}

fn texts(db: &mut SqliteConnection, query: &str) -> Vec<String> {
    db.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    let rows: Vec<Value> = sql_query(query).load(db).unwrap();
    rows.into_iter().map(|row| row.text.unwrap_or_else(|| "NULL".to_owned())).collect()
}

async fn open_in(directory: &Path, mapping: &Mapping, step: fn(Step)) -> Arc<Sqlite> {
    let store = Sqlite::open(&directory.join("reset.db")).await.unwrap();
    let owner = directory.join("owner.db");
    Arc::new(store.with_users_interrupted_at(&owner, mapping, step).await.unwrap())
}

fn strapi() -> Mapping {
    preset("strapi-v4").unwrap()
}

async fn find(store: &Sqlite, email: &str) -> Option<Account> {
    store.account_by_email(&EmailAddress::parse(email).unwrap()).await.unwrap()
}

/// Issues a live ticket for the account with this address.
async fn issued(store: &Sqlite, email: &str, id: &str) -> Ticket {
    let account = find(store, email).await.unwrap();
    let key = EmailAddress::parse(&account.email).unwrap().key().to_owned();
    let ticket = Ticket { id: TicketId::new(id), job: JobId::new(id), email: key, ..ticket(&account, id) };
    store.issue(&ticket, None, &event_at(at(0))).await.unwrap();
    ticket
}

/// Redeems the ticket for a password with this hash, with a notice. The error is a message.
async fn redeem(store: &Sqlite, ticket: &Ticket, hash: &str) -> Result<bool, String> {
    let to = StoredAddress::new("ann@example.org");
    let kind = JobKind::Notice { account: ticket.account.clone(), to, locale: None };
    let id = JobId::new(format!("notice-{}-{hash}", ticket.id.as_str()));
    let notice = Job::new(id, Reference::stored("0123456789"), "strapi", kind, at(1));
    let event = Event::of_ticket(EventKind::Done, ticket, at(1));
    let change = PasswordChange {
        ticket: &ticket.id,
        account: &ticket.account,
        password_hash: hash,
        jobs: &[notice],
        event: &event,
        now: at(1),
    };
    store.redeem(change).await.map_err(|error| {
        let busy = matches!(RedeemError::from(error.clone()), RedeemError::Busy { .. });
        format!("{}{}", if busy { "busy: " } else { "" }, error_chain(&error))
    })
}

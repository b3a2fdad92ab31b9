//! Look-ups that the worker makes for each job, many at a time: one statement for a group instead of one for each.

use std::collections::HashMap;

use diesel::{dsl::auto_type, prelude::*};
use reset_core::{account::Account, ticket::Ticket};

use super::{
    super::engine::{
        Db,
        schema::{disputes, tickets},
    },
    rows::TicketRow,
    users::Users,
};
use crate::server::{GroupTask, TaskKind};

/// The account with a canonical address.
#[derive(Clone)]
pub(super) struct AccountWith {
    pub(super) users: Users,
    pub(super) email: String,
}

impl GroupTask<Db> for AccountWith {
    const KIND: TaskKind = TaskKind::Read;
    type Output = Option<Account>;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Option<Account>>> {
        let Some(Self { users, .. }) = group.first() else { return Ok(Vec::new()) };
        let emails: Vec<&str> = group.iter().map(|one| one.email.as_str()).collect();
        users.by_emails(db, &emails)
    }
}

/// The ticket of a job.
#[derive(Clone)]
pub(super) struct TicketOf {
    pub(super) job: String,
}

/// The tickets of jobs.
#[auto_type]
pub(super) fn tickets_of<'a>(jobs: &'a [&'a str]) -> _ {
    let columns: diesel::dsl::AsSelect<TicketRow, super::super::engine::Backend> = TicketRow::as_select();
    tickets::table.filter(tickets::job.eq_any(jobs)).select(columns)
}

impl GroupTask<Db> for TicketOf {
    const KIND: TaskKind = TaskKind::Read;
    type Output = Option<Ticket>;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Option<Ticket>>> {
        let rows: Vec<TicketRow> = match group {
            // A statement that is prepared once.
            [only] => {
                tickets::table.filter(tickets::job.eq(&only.job)).select(TicketRow::as_select()).load(db)?
            }
            group => {
                let jobs: Vec<&str> = group.iter().map(|one| one.job.as_str()).collect();
                tickets_of(&jobs).load(db)?
            }
        };
        let of_job: HashMap<&str, &TicketRow> = rows.iter().map(|row| (row.job.as_str(), row)).collect();
        let ticket = |one: &Self| of_job.get(one.job.as_str()).map(|row| Ticket::try_from((*row).clone()));
        group.iter().map(|one| ticket(one).transpose()).collect()
    }
}

/// A column of an open dispute by which another one is looked up.
#[derive(Clone)]
pub(super) enum DisputeKey {
    /// The mailbox: the account is looked up.
    Mailbox(String),
    /// The account: the mailbox is looked up.
    Account(String),
}

/// The open dispute with this key that takes precedence, opened after `since`. Returns the other column.
#[derive(Clone)]
pub(super) struct OpenDispute {
    pub(super) key: DisputeKey,
    pub(super) since: i64,
}

/// An open dispute.
#[derive(Queryable)]
struct OpenRow {
    account: String,
    mailbox: String,
    opened_at: Option<i64>,
    until: i64,
}

/// The open disputes of these mailboxes.
#[auto_type]
pub(super) fn open_of_mailboxes<'a>(mailboxes: &'a [&'a str], since: i64) -> _ {
    let opened = disputes::opened_at.gt(since).and(disputes::closed_at.is_null());
    let columns = (disputes::account, disputes::mailbox, disputes::opened_at, disputes::until);
    disputes::table.filter(disputes::mailbox.eq_any(mailboxes)).filter(opened).select(columns)
}

/// The open disputes of these accounts.
#[auto_type]
pub(super) fn open_of_accounts<'a>(accounts: &'a [&'a str], since: i64) -> _ {
    let opened = disputes::opened_at.gt(since).and(disputes::closed_at.is_null());
    let columns = (disputes::account, disputes::mailbox, disputes::opened_at, disputes::until);
    disputes::table.filter(disputes::account.eq_any(accounts)).filter(opened).select(columns)
}

impl GroupTask<Db> for OpenDispute {
    const KIND: TaskKind = TaskKind::Read;
    type Output = Option<String>;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Option<String>>> {
        // The earliest time, so that no dispute is missed.
        let since = group.iter().map(|one| one.since).min().unwrap_or_default();
        let (mut mailboxes, mut accounts) = (Vec::new(), Vec::new());
        for one in group {
            match &one.key {
                DisputeKey::Mailbox(mailbox) => mailboxes.push(mailbox.as_str()),
                DisputeKey::Account(account) => accounts.push(account.as_str()),
            }
        }
        let mut open: Vec<OpenRow> = Vec::new();
        if !mailboxes.is_empty() {
            open.extend(open_of_mailboxes(&mailboxes, since).load(db)?);
        }
        if !accounts.is_empty() {
            open.extend(open_of_accounts(&accounts, since).load(db)?);
        }
        open.sort_by_key(|row| row.until);
        Ok(group.iter().map(|one| one.other_column(&open)).collect())
    }
}

impl OpenDispute {
    /// Returns the other column of the first row with this key.
    fn other_column(&self, open: &[OpenRow]) -> Option<String> {
        let mut open = open.iter().filter(|row| row.opened_at.is_some_and(|opened| opened > self.since));
        match &self.key {
            DisputeKey::Mailbox(mailbox) => {
                open.find(|row| row.mailbox == *mailbox).map(|row| row.account.clone())
            }
            DisputeKey::Account(account) => {
                open.find(|row| row.account == *account).map(|row| row.mailbox.clone())
            }
        }
    }
}

//! Conversion between rows and domain types. A row that cannot be converted is an error; no value is guessed.

use diesel::{
    prelude::*,
    result::{Error, QueryResult},
};
use reset_core::{
    account::{Account, AccountId, StoredAddress},
    email::EmailAddress,
    job::{Job, JobId, JobKind, Reference},
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind},
    time::Timestamp,
    turns::NetworkBlock,
};

use super::super::engine::schema::{jobs, tickets, users};

/// Returns the row key of an account in polyreset's own table, or `None` if the id has another form. `01` is not `1`.
pub(super) fn key(id: &AccountId) -> Option<i64> {
    id.as_str().parse().ok().filter(|key: &i64| key.to_string() == id.as_str())
}

pub(super) fn unreadable(value: &'static str) -> Error {
    Error::DeserializationError(value.into())
}

pub(super) fn count(value: i64) -> QueryResult<u32> {
    u32::try_from(value).map_err(|_| unreadable("a count"))
}

/// An account in polyreset's own table, without its hash.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct AccountRow {
    id: i64,
    email: String,
    username: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    confirmed: bool,
    blocked: bool,
    credential_epoch: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            id: AccountId::new(row.id.to_string()),
            email: row.email,
            username: row.username,
            name: row.name,
            locale: row.locale,
            confirmed: row.confirmed,
            blocked: row.blocked,
            hash_form: None,
            document_id: None,
            epoch: row.credential_epoch,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}

/// A ticket with all columns.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = tickets)]
pub(super) struct TicketRow {
    pub(super) id: String,
    pub(super) account: String,
    pub(super) dialect: String,
    pub(super) kind: String,
    pub(super) digest: Vec<u8>,
    email: String,
    epoch: i64,
    reference: Option<String>,
    job: String,
    pub(super) job_seq: i64,
    nonce: i64,
    redirect_to: Option<String>,
    pub(super) attempts: i64,
    pub(super) issued_at: i64,
    minted_at: i64,
    expires_at: i64,
    spent_at: Option<i64>,
    pub(super) voided_at: Option<i64>,
}

impl From<&Ticket> for TicketRow {
    fn from(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id.as_str().to_owned(),
            account: ticket.account.as_str().to_owned(),
            dialect: ticket.dialect.clone(),
            kind: ticket.kind.name().to_owned(),
            digest: ticket.digest.as_bytes().to_vec(),
            email: ticket.email.clone(),
            epoch: ticket.epoch,
            reference: ticket.reference.as_ref().map(|reference| reference.as_str().to_owned()),
            job: ticket.job.as_str().to_owned(),
            job_seq: ticket.job_seq,
            nonce: ticket.nonce.into(),
            redirect_to: ticket.redirect_to.clone(),
            attempts: ticket.attempts.into(),
            issued_at: ticket.issued_at.as_millis(),
            minted_at: ticket.minted_at.as_millis(),
            expires_at: ticket.expires_at.as_millis(),
            spent_at: ticket.spent_at.map(Timestamp::as_millis),
            voided_at: ticket.voided_at.map(Timestamp::as_millis),
        }
    }
}

impl TryFrom<TicketRow> for Ticket {
    type Error = Error;

    fn try_from(row: TicketRow) -> QueryResult<Self> {
        let digest = row.digest.try_into().map_err(|_| unreadable("a digest"))?;
        Ok(Self {
            id: TicketId::new(row.id),
            account: AccountId::new(row.account),
            dialect: row.dialect,
            kind: TicketKind::named(&row.kind).ok_or_else(|| unreadable("a kind of ticket"))?,
            digest: TicketDigest::from_bytes(digest),
            email: row.email,
            epoch: row.epoch,
            reference: row.reference.map(Reference::stored),
            job: JobId::new(row.job),
            job_seq: row.job_seq,
            nonce: count(row.nonce)?,
            redirect_to: row.redirect_to,
            attempts: count(row.attempts)?,
            issued_at: Timestamp::from_millis(row.issued_at),
            minted_at: Timestamp::from_millis(row.minted_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            spent_at: row.spent_at.map(Timestamp::from_millis),
            voided_at: row.voided_at.map(Timestamp::from_millis),
        })
    }
}

/// A job to insert. The database assigns `seq`.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = jobs)]
pub(in super::super) struct NewJobRow {
    pub(in super::super) id: String,
    pub(in super::super) reference: String,
    pub(in super::super) dialect: String,
    pub(in super::super) email: Option<String>,
    pub(in super::super) redirect_to: Option<String>,
    pub(in super::super) locale: Option<String>,
    pub(in super::super) account: Option<String>,
    pub(in super::super) recipient: Option<String>,
    pub(in super::super) created_at: i64,
    pub(in super::super) turn: i64,
    pub(in super::super) network: Option<i64>,
    pub(in super::super) due_at: i64,
}

impl NewJobRow {
    /// Returns the same job with a new id, restarted at `now` and served next.
    pub(super) fn restarted(self, id: &str, now: i64) -> Self {
        Self { id: id.to_owned(), created_at: now, due_at: now, turn: 0, ..self }
    }
}

impl From<&Job> for NewJobRow {
    fn from(job: &Job) -> Self {
        let (mut email, mut redirect_to, mut locale, mut account, mut recipient) = Default::default();
        match &job.kind {
            JobKind::Reset { email: to, redirect_to: target, locale: language } => {
                (email, redirect_to, locale) = (Some(to.key().to_owned()), target.clone(), language.clone());
            }
            JobKind::Notice { account: of, to, locale: language } => {
                locale.clone_from(language);
                (account, recipient) = (Some(of.as_str().to_owned()), Some(to.as_str().to_owned()));
            }
            JobKind::Webhook { account: of } => account = Some(of.as_str().to_owned()),
        }
        Self {
            id: job.id.as_str().to_owned(),
            reference: job.reference.as_str().to_owned(),
            dialect: job.dialect.clone(),
            email,
            redirect_to,
            locale,
            account,
            recipient,
            created_at: job.created_at.as_millis(),
            turn: job.turn,
            network: job.network.map(NetworkBlock::number),
            due_at: job.created_at.as_millis(),
        }
    }
}

/// A job that a worker claims.
#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
pub(super) struct JobRow {
    pub(super) seq: i64,
    pub(super) id: String,
    reference: String,
    pub(super) dialect: String,
    pub(super) email: Option<String>,
    redirect_to: Option<String>,
    locale: Option<String>,
    account: Option<String>,
    recipient: Option<String>,
    created_at: i64,
    turn: i64,
    network: Option<i64>,
    pub(super) claims: i64,
    pub(super) attempts: i64,
    unconfirmed: i64,
    crashes: i64,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(row: JobRow) -> QueryResult<Self> {
        let kind = match (row.email, row.account, row.recipient) {
            (Some(email), None, None) => {
                let email = EmailAddress::parse(&email).map_err(|_| unreadable("an address"))?;
                JobKind::Reset { email, redirect_to: row.redirect_to, locale: row.locale }
            }
            (None, Some(account), Some(to)) => {
                let (account, to) = (AccountId::new(account), StoredAddress::new(to));
                JobKind::Notice { account, to, locale: row.locale }
            }
            (None, Some(account), None) => JobKind::Webhook { account: AccountId::new(account) },
            _ => return Err(unreadable("a task")),
        };
        Ok(Self {
            id: JobId::new(row.id),
            seq: row.seq,
            reference: Reference::stored(row.reference),
            dialect: row.dialect,
            kind,
            created_at: Timestamp::from_millis(row.created_at),
            network: row.network.map(NetworkBlock::stored),
            turn: row.turn,
            claims: count(row.claims)?,
            attempts: count(row.attempts)?,
            unconfirmed: count(row.unconfirmed)?,
            lost: count(row.crashes)?,
        })
    }
}

/// The columns of a locked account that a redemption depends on.
pub(in super::super) struct LockedUser {
    /// Whether the account is blocked; then its password is not changed.
    pub(in super::super) blocked: bool,
    /// Epoch of the account; it changes with every password change.
    pub(in super::super) epoch: i64,
    /// Canonical form of the current address.
    pub(in super::super) email_key: String,
}

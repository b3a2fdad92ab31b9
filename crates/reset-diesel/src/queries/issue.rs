//! Issuing tickets, many at a time.
//!
//! Under load, a statement for each ticket would cost a database server more than everything else. So the tickets of a
//! group are decided together: which accounts have later ones already, which secrets are taken, and how many are live.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use diesel::{dsl::auto_type, insert_into, prelude::*, update};
use reset_core::{event::Event, ports::Issued};

use super::{
    super::engine::{Db, ROW_BY_ROW, lock_dialect, locked, of_kind, schema::tickets},
    events::insert_events,
    rows::TicketRow,
    statements::{live, open, unindexed},
};
use crate::server::GroupTask;

/// The accounts with a live ticket of this kind, up to `most`.
#[auto_type]
pub(super) fn live_of_kind<'a>(dialect: &'a str, kind: &'a str, now: i64, most: i64) -> _ {
    let is_of_kind: of_kind<'a> = of_kind(dialect, kind);
    let is_live: live = live(now);
    tickets::table.filter(is_of_kind).filter(is_live).limit(most).select(tickets::account)
}

/// The open tickets of a dialect with these digests: at most one for each, with its digest, id and expiry.
#[auto_type]
pub(super) fn open_with<'a>(dialect: &'a str, digests: &'a [&'a [u8]]) -> _ {
    let is_of_dialect: of_dialect<'a> = of_dialect(dialect);
    let of_digest = tickets::table.filter(tickets::digest.eq_any(digests)).filter(is_of_dialect);
    let is_open: open = open();
    of_digest.filter(is_open).select((tickets::digest, tickets::id, tickets::expires_at))
}

/// The tickets of a dialect, found by another column.
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` declares needs the name")]
#[auto_type]
fn of_dialect<'a>(dialect: &'a str) -> _ {
    let unindexed_dialect: unindexed<tickets::dialect, &'static str> = unindexed(tickets::dialect, "");
    unindexed_dialect.eq(dialect)
}

/// The tickets of a dialect that these accounts have, in the order in which they are locked.
#[auto_type]
pub(super) fn owned_by<'a>(dialect: &'a str, accounts: &'a [&'a str]) -> _ {
    let is_of_dialect: of_dialect<'a> = of_dialect(dialect);
    let columns = (tickets::account, tickets::id, tickets::job_seq, tickets::spent_at, tickets::voided_at);
    tickets::table
        .filter(tickets::account.eq_any(accounts))
        .filter(is_of_dialect)
        .order((tickets::job_seq + 0_i64, tickets::id))
        .select(columns)
}

/// A ticket to issue.
#[derive(Clone)]
pub(super) struct Issue {
    pub(super) row: TicketRow,
    /// Maximum number of live tickets of its kind that other accounts may have.
    pub(super) max_live: Option<u64>,
    pub(super) event: Event,
}

impl GroupTask<Db> for Issue {
    type Output = Issued;

    fn run(db: &mut Db, group: &[Self]) -> QueryResult<Vec<Issued>> {
        let mut issued = vec![Issued::Superseded; group.len()];
        let mut of_dialect: BTreeMap<&str, Vec<(usize, &Self)>> = BTreeMap::new();
        for (index, issue) in group.iter().enumerate() {
            of_dialect.entry(&issue.row.dialect).or_default().push((index, issue));
        }
        // Every transaction locks dialects before owners, and both in order.
        for (dialect, issues) in &of_dialect {
            if issues.iter().any(|(_, issue)| issue.max_live.is_some()) {
                // Without the lock, two transactions could count at the same time and together exceed the limit.
                lock_dialect(db, dialect)?;
            }
        }
        for (dialect, mut issues) in of_dialect {
            issues.sort_by_key(|(_, issue)| (&issue.row.account, issue.row.job_seq));
            for Round { issues, .. } in rounds(issues) {
                let round: Vec<&Self> = issues.iter().map(|(_, issue)| *issue).collect();
                for ((index, _), result) in issues.iter().zip(issue_all(db, dialect, &round)?) {
                    issued[*index] = result;
                }
            }
        }
        Ok(issued)
    }
}

/// Tickets of which no two have the same owner or secret, each with its place in the group.
#[derive(Default)]
struct Round<'a> {
    owners: HashSet<&'a str>,
    digests: HashSet<&'a [u8]>,
    issues: Vec<(usize, &'a Issue)>,
}

/// Splits the tickets of a dialect into rounds: those of one owner or with one secret depend on each other.
fn rounds<'a>(issues: Vec<(usize, &'a Issue)>) -> Vec<Round<'a>> {
    let mut rounds: Vec<Round<'a>> = Vec::new();
    for (index, issue) in issues {
        let (owner, digest) = (issue.row.account.as_str(), issue.row.digest.as_slice());
        // A later ticket of an owner comes after its earlier ones.
        let last = rounds.iter().rposition(|round| round.owners.contains(owner)).map_or(0, |last| last + 1);
        let free = (last..rounds.len()).find(|round| !rounds[*round].digests.contains(digest));
        let chosen = free.unwrap_or_else(|| {
            rounds.push(Round::default());
            rounds.len() - 1
        });
        let round = &mut rounds[chosen];
        round.owners.insert(owner);
        round.digests.insert(digest);
        round.issues.push((index, issue));
    }
    rounds
}

/// Issues tickets of one dialect, of which no two have the same owner or secret. Returns the result of each.
fn issue_all(db: &mut Db, dialect: &str, issues: &[&Issue]) -> QueryResult<Vec<Issued>> {
    let owned = owned(db, dialect, issues)?;
    let digests: Vec<&[u8]> = issues.iter().map(|issue| issue.row.digest.as_slice()).collect();
    let same: Vec<(Vec<u8>, String, i64)> = open_with(dialect, &digests).load(db)?;
    let same: HashMap<&[u8], (&str, i64)> =
        same.iter().map(|(digest, id, ends)| (digest.as_slice(), (id.as_str(), *ends))).collect();
    let mut live = live_accounts(db, dialect, issues)?;
    let mut over: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    let (mut results, mut new) = (Vec::with_capacity(issues.len()), Vec::with_capacity(issues.len()));
    for issue in issues {
        let (row, now) = (&issue.row, issue.row.issued_at);
        let earlier = owned.get(row.account.as_str()).map_or(&[][..], Vec::as_slice);
        let taken = same.get(row.digest.as_slice());
        if earlier.iter().any(|ticket| ticket.job_seq > row.job_seq) {
            results.push(Issued::Superseded);
            continue;
        }
        if taken.is_some_and(|(_, ends)| *ends > now) {
            results.push(Issued::Collision);
            continue;
        }
        if let Some(most) = issue.max_live {
            let live = live.entry(&row.kind).or_default();
            if live.iter().filter(|account| **account != row.account).count() as u64 >= most {
                results.push(Issued::LimitReached);
                continue;
            }
            live.insert(row.account.clone());
        }
        // The owner's earlier ticket is over. So is a ticket under this digest that is still open: it has expired, and
        // would otherwise keep its entry in the unique index forever.
        let ended = earlier.iter().filter(|ticket| ticket.is_open).map(|ticket| ticket.id.as_str());
        let ended: Vec<&str> = ended.chain(taken.map(|(id, _)| *id)).collect();
        if !ended.is_empty() {
            over.entry(now).or_default().extend(ended);
        }
        results.push(Issued::Live);
        new.push(*issue);
    }
    for (now, ids) in over {
        let still_open = tickets::table.filter(tickets::id.eq_any(ids)).filter(open());
        update(still_open).set(tickets::voided_at.eq(now)).execute(db)?;
    }
    if ROW_BY_ROW || new.len() <= 1 {
        for issue in &new {
            insert_into(tickets::table).values(&issue.row).execute(db)?;
        }
    } else {
        let rows: Vec<&TicketRow> = new.iter().map(|issue| &issue.row).collect();
        insert_into(tickets::table).values(rows).execute(db)?;
    }
    insert_events(db, new.iter().map(|issue| &issue.event))?;
    Ok(results)
}

/// A ticket that an account has already.
struct Owned {
    id: String,
    job_seq: i64,
    is_open: bool,
}

/// Returns the tickets of the owners, whatever their state.
///
/// Issues for one owner are serialized by locks on its tickets. If two transactions find none, the second one fails on the
/// unique index, and its retry finds the row.
fn owned(db: &mut Db, dialect: &str, issues: &[&Issue]) -> QueryResult<HashMap<String, Vec<Owned>>> {
    type Row = (String, String, i64, Option<i64>, Option<i64>);
    let accounts: Vec<&str> = issues.iter().map(|issue| issue.row.account.as_str()).collect();
    let of_owners = owned_by(dialect, &accounts);
    let rows: Vec<Row> = locked!(of_owners).load(db)?;
    let mut owned: HashMap<String, Vec<Owned>> = HashMap::new();
    for (account, id, job_seq, spent_at, voided_at) in rows {
        let is_open = spent_at.is_none() && voided_at.is_none();
        owned.entry(account).or_default().push(Owned { id, job_seq, is_open });
    }
    Ok(owned)
}

/// Returns the accounts with live tickets of each kind that is limited: all of them, or more than the limits allow.
fn live_accounts<'a>(
    db: &mut Db,
    dialect: &str,
    issues: &[&'a Issue],
) -> QueryResult<HashMap<&'a str, HashSet<String>>> {
    let mut live = HashMap::new();
    let limited = issues.iter().filter(|issue| issue.max_live.is_some());
    for kind in limited.map(|issue| issue.row.kind.as_str()).collect::<BTreeSet<_>>() {
        let of_kind = issues.iter().filter(|issue| issue.row.kind == kind);
        let most = of_kind.clone().filter_map(|issue| issue.max_live).max().unwrap_or_default();
        // A limit counts the accounts of others: every ticket of the round may be an own one of these.
        let most = i64::try_from(most.saturating_add(issues.len() as u64)).unwrap_or(i64::MAX);
        // The earliest time, so that no ticket is missed that is live for one of them.
        let now = of_kind.map(|issue| issue.row.issued_at).min().unwrap_or_default();
        let accounts: Vec<String> = live_of_kind(dialect, kind, now, most).load(db)?;
        live.insert(kind, accounts.into_iter().collect());
    }
    Ok(live)
}

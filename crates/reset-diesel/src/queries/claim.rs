//! Claiming jobs.
//!
//! Each query reads the first rows of an index and stops, so its cost does not depend on how many jobs wait.

use std::collections::HashSet;

use diesel::{
    dsl::{self, auto_type, exists},
    prelude::*,
    select, update,
};
use reset_core::{
    job::SUSPECT_CRASHES,
    ports::{LONGEST_LEASE, LONGEST_WAIT},
    time::Timestamp,
};

use super::{
    super::engine::{Backend, Db, read_in_index_order, schema::jobs, skip_locked},
    rows::JobRow,
    stage::{ACCEPTED, CLAIMED, FIRST_CLAIMED, POSTPONED, READY, RESOLVING, SENDING, SUSPECT},
};

/// The next jobs of a stage, in turn.
#[auto_type]
pub(super) fn in_turn(stage: i16, limit: i64) -> _ {
    let columns: dsl::AsSelect<JobRow, Backend> = JobRow::as_select();
    let of_stage = jobs::table.filter(jobs::stage.eq(stage));
    of_stage.order((jobs::turn, jobs::seq)).limit(limit).select(columns)
}

/// The jobs of a stage that are due longest.
#[auto_type]
pub(super) fn due(stage: i16, now: i64, limit: i64) -> _ {
    let of_stage = jobs::table.filter(jobs::stage.eq(stage)).filter(jobs::due_at.le(now));
    let columns: dsl::AsSelect<JobRow, Backend> = JobRow::as_select();
    of_stage.order(jobs::due_at).limit(limit).select(columns)
}

/// The first job of a stage by its time.
#[auto_type]
pub(super) fn oldest(stage: i16) -> _ {
    jobs::table.filter(jobs::stage.eq(stage)).order(jobs::due_at).select(jobs::due_at)
}

/// Dialect and address of each claimed job with one of these addresses.
#[expect(clippy::elidable_lifetime_names, reason = "the type that `auto_type` declares needs the name")]
#[auto_type]
pub(super) fn claimed_for<'a>(emails: &'a [String]) -> _ {
    let is_claimed: dsl::GtEq<jobs::stage, i16> = jobs::stage.ge(FIRST_CLAIMED);
    let claimed = jobs::table.filter(is_claimed);
    claimed.filter(jobs::email.eq_any(emails)).select((jobs::dialect, jobs::email))
}

/// A claim in progress: the rows so far, and their dialects and addresses.
struct Selection {
    rows: Vec<JobRow>,
    limit: usize,
    addresses: HashSet<(String, String)>,
}

impl Selection {
    fn new(limit: u32) -> Self {
        Self { rows: Vec::new(), limit: limit as usize, addresses: HashSet::new() }
    }

    /// Returns how many more rows fit.
    fn room(&self) -> i64 {
        i64::try_from(self.limit.saturating_sub(self.rows.len())).unwrap_or(i64::MAX)
    }

    /// Adds rows whose address has no other claimed job. Returns whether all were added.
    fn add(&mut self, db: &mut Db, rows: Vec<JobRow>) -> QueryResult<bool> {
        let emails: Vec<String> = rows.iter().filter_map(|row| row.email.clone()).collect();
        if !emails.is_empty() {
            let claimed: Vec<(String, Option<String>)> = claimed_for(&emails).load(db)?;
            let known = claimed.into_iter().filter_map(|(dialect, email)| Some((dialect, email?)));
            self.addresses.extend(known);
        }
        let before = (rows.len(), self.rows.len());
        for row in rows {
            let is_free = row
                .email
                .as_ref()
                .is_none_or(|email| self.addresses.insert((row.dialect.clone(), email.clone())));
            if is_free && self.rows.len() < self.limit && self.rows.iter().all(|other| other.seq != row.seq) {
                self.rows.push(row);
            }
        }
        Ok(self.rows.len() - before.1 == before.0)
    }

    /// Adds the next jobs of a stage. If some of them cannot be claimed, looks a little further, but never through the
    /// whole stage.
    fn add_in_turn(&mut self, db: &mut Db, stage: i16) -> QueryResult<()> {
        let room = self.room();
        if room == 0 {
            return Ok(());
        }
        let rows = skip_locked!(in_turn(stage, room)).load(db)?;
        let full = rows.len() as u64 == room.unsigned_abs();
        if !self.add(db, rows)? && full {
            let rows = skip_locked!(in_turn(stage, 4 * room + 16)).load(db)?;
            self.add(db, rows)?;
        }
        Ok(())
    }

    /// Adds up to `most` postponed jobs that are due.
    fn add_due(&mut self, db: &mut Db, now: i64, most: i64) -> QueryResult<()> {
        let most = most.min(self.room());
        if most == 0 {
            return Ok(());
        }
        let rows = skip_locked!(due(POSTPONED, now, most)).load(db)?;
        self.add(db, rows).map(drop)
    }

    /// Marks the rows as claimed and returns them.
    fn claim(mut self, db: &mut Db, stage: i16, lease_end: i64) -> QueryResult<Vec<JobRow>> {
        let seqs: Vec<i64> = self.rows.iter().map(|row| row.seq).collect();
        if seqs.is_empty() {
            return Ok(self.rows);
        }
        update(jobs::table.filter(jobs::seq.eq_any(seqs)))
            .set((
                jobs::stage.eq(stage),
                jobs::due_at.eq(lease_end),
                jobs::claims.eq(jobs::claims + 1),
                jobs::attempts.eq(jobs::attempts + 1),
            ))
            .execute(db)?;
        for row in &mut self.rows {
            (row.claims, row.attempts) = (row.claims + 1, row.attempts + 1);
        }
        Ok(self.rows)
    }
}

pub(super) fn accepted(db: &mut Db, limit: u32, lease_end: i64) -> QueryResult<Vec<JobRow>> {
    read_in_index_order(db)?;
    let mut selection = Selection::new(limit);
    selection.add_in_turn(db, ACCEPTED)?;
    selection.claim(db, RESOLVING, lease_end)
}

pub(super) fn ready(
    db: &mut Db,
    limit: u32,
    retries: u32,
    now: i64,
    lease_end: i64,
) -> QueryResult<Vec<JobRow>> {
    read_in_index_order(db)?;
    let mut selection = Selection::new(limit);
    selection.add_due(db, now, retries.into())?;
    selection.add_in_turn(db, READY)?;
    selection.add_due(db, now, i64::MAX)?;
    selection.claim(db, SENDING, lease_end)
}

pub(super) fn suspect(db: &mut Db, lease_end: i64) -> QueryResult<Option<JobRow>> {
    let mut selection = Selection::new(1);
    selection.add_in_turn(db, SUSPECT)?;
    Ok(selection.claim(db, SENDING, lease_end)?.pop())
}

/// Returns expired claims to their stages, and frees times that only a clock that was ahead can have set.
pub(super) fn reclaim(db: &mut Db, now: i64) -> QueryResult<()> {
    let at = |wait| Timestamp::from_millis(now).plus(wait).as_millis();
    let (latest_lease, latest_wait) = (at(LONGEST_LEASE), at(LONGEST_WAIT));
    for (claimed, waiting) in CLAIMED {
        let expired = jobs::due_at.le(now).or(jobs::due_at.gt(latest_lease));
        let lost = jobs::table.filter(jobs::stage.eq(claimed)).filter(expired);
        if !select(exists(lost)).get_result(db)? {
            continue;
        }
        let counted = (jobs::crashes.eq(jobs::crashes + 1), jobs::due_at.eq(jobs::created_at));
        update(lost.filter(jobs::crashes.lt(i64::from(SUSPECT_CRASHES))))
            .set((jobs::stage.eq(waiting), counted))
            .execute(db)?;
        update(lost).set((jobs::stage.eq(SUSPECT), counted)).execute(db)?;
    }
    let ahead = jobs::table.filter(jobs::stage.eq(POSTPONED)).filter(jobs::due_at.gt(latest_wait));
    if select(exists(ahead)).get_result(db)? {
        update(ahead).set(jobs::due_at.eq(now)).execute(db)?;
    }
    Ok(())
}

/// Returns every claimed job to its stage, as the claim of a process that has ended, and makes postponed jobs due.
pub(super) fn release(db: &mut Db, now: i64) -> QueryResult<()> {
    for (claimed, _) in CLAIMED {
        update(jobs::table.filter(jobs::stage.eq(claimed))).set(jobs::due_at.eq(now)).execute(db)?;
    }
    reclaim(db, now)?;
    update(jobs::table.filter(jobs::stage.eq(POSTPONED))).set(jobs::due_at.eq(now)).execute(db)?;
    Ok(())
}

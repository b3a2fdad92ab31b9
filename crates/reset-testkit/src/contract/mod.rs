//! The contract of every [`Store`]: one test for each sentence of [`ports`](reset_core::ports).
//!
//! A store is complete when these tests pass on it:
//!
//! ```ignore
//! reset_testkit::store_contract!(async { (open_a_fresh_store().await, guard) });
//! ```
//!
//! Each case becomes a separate test on a separate store. Time is an argument everywhere, so nothing sleeps. To add
//! a case, write it in the file of its port and list it in [`crate::store_contract!`]; a test below fails if a case
//! is not listed.

#![expect(missing_docs, reason = "the names of the cases document them")]

pub mod accounts;
pub mod budgets;
pub mod disputes;
pub mod events;
pub mod jobs;
pub mod outbox;
pub mod schedules;
pub mod spending;
pub mod tickets;

use std::sync::Arc;

use reset_core::{
    account::{Account, NewAccount},
    email::EmailAddress,
    error::StoreError,
    event::{Event, EventKind},
    job::{Job, JobId, JobKind, Reference},
    ports::{Issued, Postponement, Store},
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind, TicketState},
    time::Timestamp,
};

/// Expands each case to a `#[tokio::test]`. `$fresh` is a future of `(Arc<dyn Store>, guard)`: an empty store, and a
/// value that is dropped after it. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// After `where available:` the future returns an `Option`. `None` skips the case, and the future must report that.
#[macro_export]
macro_rules! store_contract {
    (where available: $fresh:expr) => {
        $crate::store_contract! { @cases ($fresh) }
    };
    ($fresh:expr) => {
        $crate::store_contract! { @cases (async { Some($fresh.await) }) }
    };
    (@cases ($fresh:expr)) => {
        $crate::store_contract! {
            @modules ($fresh)
            accounts {
                a_fresh_store_is_ready_and_empty,
                an_account_is_found_by_its_canonical_address_and_by_its_id,
                the_address_is_stored_as_written,
                a_second_account_with_the_same_address_is_rejected,
                twenty_parallel_sign_ups_with_one_address_create_one_account,
                an_unknown_or_malformed_id_is_not_found,
                blocking_an_account_voids_only_its_own_tickets,
                unblocking_revives_no_ticket,
            }
            tickets {
                a_ticket_is_read_back_as_it_was_issued,
                a_new_ticket_voids_the_earlier_one_of_its_account_and_dialect,
                a_new_ticket_leaves_other_dialects_and_accounts_alone,
                a_new_ticket_voids_an_expired_one_for_good,
                a_decoy_counts_as_live_once_per_address_and_leaves_no_event,
                a_live_digest_causes_a_collision_and_no_change,
                digests_of_dead_tickets_can_be_reused,
                one_digest_may_be_live_in_two_dialects,
                a_job_older_than_the_latest_ticket_is_superseded,
                a_job_issues_only_one_ticket,
                the_live_ticket_is_found_among_equal_digests,
                a_dead_ticket_is_found_and_an_unknown_one_is_not,
                max_live_counts_live_tickets_of_the_kind_in_other_accounts,
                parallel_issues_do_not_exceed_max_live,
                parallel_issues_for_the_same_owners_leave_the_latest_ticket_live,
                parallel_issues_of_the_same_secret_make_one_ticket,
                restarting_the_clock_revives_only_an_expired_ticket,
                a_guess_is_charged_to_the_live_ticket_of_its_kind,
                fifty_parallel_guesses_stay_within_the_limit,
                guesses_are_rejected_after_the_ticket_expires,
                voiding_the_tickets_of_an_account_leaves_other_accounts_alone,
                voiding_every_ticket_ends_those_of_all_accounts_for_good,
            }
            schedules {
                random_schedules_keep_what_must_hold,
            }
            spending {
                an_exchange_spends_the_code_and_stores_the_token,
                only_a_live_code_is_exchanged,
                one_of_twenty_parallel_exchanges_succeeds,
                a_failed_exchange_leaves_the_code_unspent,
                a_redemption_updates_account_tickets_and_jobs_together,
                a_redemption_without_jobs_queues_none,
                a_redemption_queues_the_notice_and_the_webhook,
                a_ticket_sets_only_one_password,
                a_ticket_is_valid_until_its_last_millisecond,
                a_void_ticket_sets_no_password,
                a_ticket_of_an_earlier_epoch_sets_no_password,
                a_ticket_of_another_address_sets_no_password,
                a_ticket_of_another_account_sets_no_password,
                a_ticket_of_a_blocked_account_sets_no_password,
                a_failed_redemption_leaves_the_ticket_unspent,
                one_of_twenty_parallel_redemptions_succeeds,
            }
            jobs {
                a_job_is_claimed_as_it_was_pushed,
                jobs_are_claimed_in_turn_and_within_a_turn_in_request_order,
                a_duplicate_job_id_is_rejected,
                a_claimed_job_is_claimed_again_only_after_its_lease_was_reclaimed,
                parallel_claims_hand_out_each_job_once,
                only_the_leases_of_claimed_jobs_are_renewed,
                a_postponed_job_is_due_at_its_new_time,
                only_a_delay_that_counts_is_an_attempt,
                a_worker_that_lost_its_claim_changes_nothing,
                a_ready_job_waits_for_a_sending_slot,
                ready_jobs_are_claimed_before_postponed_ones_but_for_a_share,
                a_finished_job_is_never_claimed_again,
                release_makes_every_unfinished_job_due,
                a_clock_that_was_set_back_delays_no_job,
                the_oldest_waiting_job_is_neither_claimed_nor_postponed,
                a_job_waits_while_another_one_for_its_address_is_claimed,
                a_job_overtakes_a_postponed_one,
                jobs_to_other_addresses_and_dialects_do_not_wait,
                notices_do_not_wait_for_each_other,
                an_accepted_mail_starts_the_clock_of_a_live_ticket,
                a_mail_that_was_accepted_late_starts_the_clock_of_its_expired_ticket,
                an_accepted_mail_revives_no_void_ticket,
                purge_removes_only_rows_that_ended_before_the_cutoff,
            }
            budgets {
                a_budget_has_room_until_it_is_used_up,
                a_window_slides,
                a_clock_that_ran_a_year_ahead_freezes_a_budget_for_one_window_only,
                a_take_needs_room_in_every_window,
                a_take_from_several_budgets_is_all_or_nothing,
                a_take_that_is_given_back_can_be_taken_again,
                fifty_parallel_takes_stay_within_the_budget,
                parallel_takes_of_several_budgets_do_not_deadlock,
                a_job_within_a_budget_is_accepted_and_claimed,
                a_job_over_a_budget_is_not_accepted,
                a_budget_of_three_accepts_three_of_twenty_parallel_jobs,
                a_job_that_cannot_be_stored_takes_nothing,
                a_take_is_recorded_whether_or_not_there_was_room,
                purge_removes_budgets_with_empty_windows,
            }
            events {
                an_event_is_read_back_as_it_was_written,
                every_kind_of_event_can_be_stored,
                reset_requests_for_an_address_are_found_newest_first,
                a_job_within_its_budget_is_recorded_as_accepted_and_beyond_it_as_limited,
                each_step_of_a_job_is_recorded_once,
                a_job_pushed_as_done_is_never_claimed_and_has_a_sequence_number,
                each_step_of_a_ticket_is_recorded_once,
                a_block_is_recorded_with_its_account,
                a_ticket_keeps_its_reference,
                events_are_sealed_once_in_order_and_without_gaps,
                parallel_sealers_give_each_event_one_place,
                the_chain_still_verifies_after_old_events_are_deleted,
                deletion_stops_at_the_first_recent_event,
                a_chain_of_another_secret_is_neither_sealed_nor_deleted,
                a_chain_continues_under_the_next_secret_and_then_without_the_previous_one,
                an_empty_chain_verifies_unless_a_mark_is_known,
                work_older_than_every_event_shows_that_the_log_was_emptied,
                record_once_stores_a_repeated_event_once,
                limited_events_are_recorded_ten_times_an_hour_per_address,
            }
            outbox {
                queued_lists_waiting_jobs_and_jobs_that_owe_a_mail,
                the_backlog_counts_waiting_and_claimed_jobs_and_has_an_age,
                a_waiting_job_is_retried_at_once_and_a_claimed_one_is_retried_already,
                a_retried_job_that_owes_a_mail_starts_over,
                a_completed_job_is_not_retried,
                clear_removes_finished_jobs_and_waiting_ones_only_on_request,
                lost_workers_are_counted_until_one_postpones_the_job,
                a_job_suspected_of_crashing_workers_is_claimed_alone_and_last,
                jobs_that_owe_a_mail_are_kept_longer,
            }
            disputes {
                allowing_a_dispute_again_keeps_the_first,
                a_dispute_updates_account_tickets_and_jobs_together,
                a_dispute_opens_once_and_only_before_its_deadline,
                one_of_twenty_parallel_disputes_opens,
                a_failed_dispute_changes_nothing,
                a_dispute_opens_for_a_blocked_account_too,
                an_account_is_found_by_the_mailbox_of_its_dispute,
                a_reset_by_another_address_leaves_the_dispute_open,
                a_reset_closes_the_disputes_of_its_account,
                a_dispute_from_an_older_notice_ends_newer_ones_of_other_mailboxes,
                a_dispute_from_a_newer_notice_does_not_open_while_an_older_one_is_open,
                an_administrator_closes_a_dispute,
                an_administrator_ends_every_unused_dispute_link,
                closing_disputes_ends_the_unused_links_of_former_addresses,
                a_reset_that_closes_a_dispute_ends_the_unused_links_of_other_mailboxes,
                a_reset_without_a_dispute_leaves_the_links_of_other_mailboxes,
                purge_removes_expired_disputes,
            }
        }
    };
    (@modules ($fresh:expr) $($module:ident { $($case:ident,)* })*) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $case() {
            let Some((store, _guard)) = $fresh.await else { return };
            $crate::contract::$module::$case(store).await;
        }
    )*)*};
}

const DIALECT: &str = "one";

/// Returns the time `seconds` after the start of every case.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
}

/// Returns an event at `now`.
fn happened(now: Timestamp) -> Event {
    Event::new(EventKind::Tried, now)
}

fn done<T>(result: Result<T, StoreError>) -> T {
    result.expect("the store does not fail")
}

fn address(name: &str) -> EmailAddress {
    EmailAddress::parse(&format!("{name}@example.org")).expect("a valid address")
}

fn newcomer(email: &str) -> NewAccount {
    NewAccount {
        email: email.to_owned(),
        username: Some("user name".to_owned()),
        name: None,
        locale: Some("de-CH".to_owned()),
        password_hash: "the first hash".to_owned(),
        created_at: at(0),
    }
}

/// Adds an account for `name` and returns it as the store reads it back.
async fn account(store: &Arc<dyn Store>, name: &str) -> Account {
    let email = address(name);
    store.add_account(&email, newcomer(email.key())).await.expect("an address that is not taken");
    done(store.account_by_email(&email).await).expect("the account that was just added")
}

fn digest(text: &str) -> TicketDigest {
    let mut bytes = [0xFF; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    TicketDigest::from_bytes(bytes)
}

/// Returns a code for `account`, issued at 0 for ten minutes. Its id, digest and job are derived from `id`.
fn ticket(account: &Account, id: &str) -> Ticket {
    Ticket {
        id: TicketId::new(id),
        account: account.id.clone(),
        dialect: DIALECT.to_owned(),
        kind: TicketKind::Code,
        digest: digest(id),
        email: EmailAddress::parse(&account.email).expect("a valid address").key().to_owned(),
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

/// Issues `ticket`, asserts that it is live, and returns it.
async fn issued(store: &Arc<dyn Store>, ticket: Ticket) -> Ticket {
    assert_eq!(
        done(store.issue(&ticket, None, &happened(at(0))).await),
        Issued::Live,
        "{}",
        ticket.id.as_str()
    );
    ticket
}

/// Reads the ticket back from the store.
async fn stored(store: &Arc<dyn Store>, ticket: &Ticket) -> Ticket {
    done(store.ticket_of(&ticket.job).await).expect("the ticket is stored")
}

async fn state(store: &Arc<dyn Store>, ticket: &Ticket, now: Timestamp) -> TicketState {
    stored(store, ticket).await.state(now)
}

/// Returns a reset job for the address of `name`, accepted at 0.
fn job(id: &str, name: &str) -> Job {
    let kind = JobKind::Reset { email: address(name), redirect_to: None, locale: None };
    Job::new(JobId::new(id), Reference::stored("0123456789"), DIALECT, kind, at(0))
}

/// Claims up to `limit` jobs of any stage, as a worker that runs alone does, and returns them in request order.
///
/// # Errors
/// Fails if the store fails.
pub async fn claim_any(
    store: &Arc<dyn Store>,
    limit: u32,
    now: Timestamp,
    lease_end: Timestamp,
) -> Result<Vec<Job>, StoreError> {
    store.reclaim(now).await?;
    let mut jobs = store.claim_accepted(limit, now, lease_end).await?;
    let left = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
    jobs.extend(store.claim_ready(left, left, now, lease_end).await?);
    if jobs.is_empty() {
        jobs.extend(store.claim_suspect(now, lease_end).await?);
    }
    jobs.sort_by_key(|job| job.seq);
    Ok(jobs)
}

/// A delay after a `451` that counts as an attempt.
fn until(due_at: Timestamp) -> Postponement<'static> {
    Postponement { due_at, reply: "451 4.7.1", counts: true, unconfirmed: false }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_listed() {
        let list = include_str!("mod.rs");
        for file in [
            include_str!("accounts.rs"),
            include_str!("tickets.rs"),
            include_str!("spending.rs"),
            include_str!("jobs.rs"),
            include_str!("budgets.rs"),
            include_str!("events.rs"),
            include_str!("outbox.rs"),
            include_str!("disputes.rs"),
        ] {
            for line in file.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let (case, _) = line.split_once('(').expect("a function has parameters");
                assert!(
                    list.contains(&format!("                {case},\n")),
                    "{case} is not listed in store_contract!"
                );
            }
        }
    }
}

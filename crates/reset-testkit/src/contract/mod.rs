//! What every [`Store`] must do: the sentences of [`ports`](reset_core::ports), each as a test.
//!
//! A store is done when this passes:
//!
//! ```ignore
//! reset_testkit::store_contract!(async { (open_a_fresh_store().await, whatever_must_outlive_it) });
//! ```
//!
//! Each case becomes a test of its own on a store of its own. Time is an argument everywhere, so nothing
//! sleeps. To add a case, write it in the file it belongs to and list it in [`crate::store_contract!`]; a test
//! below fails when the second is forgotten.

#![expect(missing_docs, reason = "the cases' names are the sentences")]

pub mod accounts;
pub mod budgets;
pub mod disputes;
pub mod events;
pub mod jobs;
pub mod outbox;
pub mod spending;
pub mod tickets;

use std::sync::Arc;

use reset_core::{
    account::{Account, NewAccount},
    email::EmailAddress,
    error::StoreError,
    event::{Event, EventKind},
    job::{Job, JobId, JobKind, Reference},
    ports::{Issued, Store},
    secret::TicketDigest,
    ticket::{Ticket, TicketId, TicketKind, TicketState},
    time::Timestamp,
};

/// Makes one `#[tokio::test]` of each case. `$fresh` is a future of `(Arc<dyn Store>, guard)`: an empty
/// store, and whatever has to live as long as it does. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
///
/// After `where available:` the future is of an `Option`: `None` skips the case, and has to be loud about it.
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
                the_address_is_kept_as_it_was_written,
                a_second_account_cannot_have_the_address,
                twenty_sign_ups_for_one_address_make_one_account,
                an_id_that_is_none_is_simply_not_found,
                blocking_voids_the_accounts_tickets_and_nobody_elses,
                unblocking_brings_no_ticket_back,
            }
            tickets {
                a_ticket_is_read_back_as_it_was_issued,
                a_new_ticket_voids_the_earlier_one_of_its_account_and_dialect,
                a_new_ticket_leaves_other_dialects_and_accounts_alone,
                a_new_ticket_voids_an_expired_one_for_good,
                a_ticket_that_is_void_from_the_start_opens_nothing_and_is_in_nobodys_way,
                a_live_digest_collides_and_nothing_changes,
                digests_of_dead_tickets_are_free_again,
                one_digest_may_be_live_in_two_dialects,
                a_later_job_supersedes_and_nothing_changes,
                a_job_issues_one_ticket_only,
                of_equal_digests_the_live_one_is_found,
                a_dead_ticket_is_still_found_and_a_strange_one_is_not,
                the_most_live_of_a_kind_are_counted_among_other_accounts,
                parallel_issues_do_not_exceed_the_most_live,
                a_restarted_clock_revives_an_expired_ticket_and_no_other,
                a_guess_is_taken_from_the_live_ticket_of_the_kind,
                fifty_parallel_guesses_stay_within_the_limit,
                the_dialects_with_a_live_code_are_known,
                guesses_stop_when_the_ticket_ends,
            }
            spending {
                an_exchange_spends_the_code_and_stores_the_token,
                only_a_live_code_is_exchanged,
                of_twenty_parallel_exchanges_one_wins,
                a_failed_exchange_leaves_the_code_unspent,
                a_redemption_changes_everything_at_once,
                a_redemption_without_notice_tells_nobody,
                everybody_who_is_to_be_told_is_told,
                a_ticket_sets_one_password_only,
                a_ticket_is_good_until_the_millisecond_it_ends,
                a_void_ticket_sets_no_password,
                a_ticket_of_an_earlier_epoch_sets_no_password,
                a_ticket_of_another_address_sets_no_password,
                a_ticket_of_another_account_sets_no_password,
                a_blocked_account_gets_no_password,
                a_failed_redemption_leaves_the_ticket_unspent,
                of_twenty_parallel_redemptions_one_wins,
            }
            jobs {
                a_job_is_claimed_as_it_was_pushed,
                jobs_are_claimed_in_the_order_of_asking,
                a_job_is_accepted_once,
                a_claimed_job_is_nobody_elses_until_its_lease_ends,
                parallel_claims_share_the_jobs_out,
                a_job_that_is_not_due_waits,
                a_renewed_lease_lasts_longer_and_only_a_taken_job_has_one,
                a_postponed_job_is_due_when_it_was_put_off_to,
                a_worker_whose_lease_is_over_gives_nobodys_job_back,
                a_finished_job_never_comes_back,
                release_makes_every_unfinished_job_due,
                a_job_waits_for_an_earlier_one_to_its_address,
                a_job_overtakes_one_that_is_postponed,
                jobs_to_other_addresses_and_dialects_do_not_wait,
                notices_wait_for_nobody,
                next_due_is_the_earliest_that_could_be_claimed,
                an_accepted_mail_starts_the_clock_of_a_live_ticket,
                an_accepted_mail_revives_no_dead_ticket,
                purge_forgets_what_ended_before_and_nothing_else,
            }
            budgets {
                a_budget_has_room_until_its_count_is_taken,
                a_window_slides,
                every_window_needs_room,
                a_take_from_several_takes_from_all_or_none,
                what_is_given_back_is_free_again,
                fifty_parallel_takes_stay_within_the_budget,
                parallel_takes_of_several_budgets_end,
                a_job_within_a_budget_is_accepted_and_claimed,
                a_job_over_a_budget_is_not_accepted,
                of_twenty_parallel_jobs_within_a_budget_of_three_three_are_accepted,
                a_failed_job_takes_nothing,
                purge_forgets_budgets_whose_windows_are_empty,
            }
            events {
                an_event_is_read_back_as_it_was_written,
                every_kind_of_event_can_be_stored,
                asks_of_an_address_are_found_newest_first,
                a_job_within_its_budget_is_written_down_as_accepted_and_beyond_as_limited,
                the_life_of_a_job_is_written_down,
                a_job_that_is_done_already_is_never_claimed_and_has_its_place,
                the_life_of_a_ticket_is_written_down,
                a_block_is_written_down_as_the_accounts,
                a_ticket_keeps_its_reference,
                events_are_sealed_once_in_their_order_without_gaps,
                of_parallel_sealers_each_event_gets_one_place,
                forgotten_events_leave_a_chain_that_holds,
                forgetting_stops_at_the_first_event_that_is_young,
                nobody_seals_or_forgets_in_a_chain_of_another_secret,
                a_chain_goes_on_under_the_next_secret_and_then_without_the_earlier_one,
                an_empty_chain_holds_and_misses_a_mark_that_it_held_once,
                what_may_come_a_thousand_times_is_told_once,
                a_flood_of_asks_for_one_address_is_told_ten_times_an_hour,
            }
            outbox {
                what_waits_and_what_owes_a_mail_is_shown,
                what_waits_is_counted_with_what_is_under_way_and_has_an_age,
                a_waiting_job_is_retried_at_once_and_a_taken_one_is_not,
                a_job_that_owes_a_mail_comes_back_with_all_its_time,
                a_job_that_was_done_is_not_retried,
                clearing_removes_what_ended_and_only_on_demand_what_waits,
                a_lost_worker_is_counted_until_one_comes_back,
                a_job_that_may_have_killed_workers_is_taken_alone_and_last,
                what_owes_a_mail_is_kept_longer,
            }
            disputes {
                the_right_to_object_is_stored_once,
                a_dispute_changes_everything_at_once,
                a_dispute_is_raised_once_and_in_its_time,
                of_twenty_parallel_disputes_one_wins,
                a_failed_dispute_changes_nothing,
                a_dispute_holds_for_a_blocked_account_too,
                an_account_is_found_by_the_mailbox_of_its_dispute,
                a_dispute_outlasts_a_reset_while_the_account_has_another_address,
                a_reset_closes_the_disputes_of_its_account,
                an_older_notices_dispute_ends_the_younger_ones_of_other_mailboxes,
                a_younger_notices_dispute_is_not_raised_while_an_older_one_stands,
                an_administrator_closes_a_dispute,
                purge_forgets_disputes_that_stand_no_longer,
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

/// The point `seconds` after the hour that all cases begin at.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_768_574_400_000 + seconds * 1000)
}

/// Something that happened at `now`.
fn happened(now: Timestamp) -> Event {
    Event::new(EventKind::Tried, now)
}

fn done<T>(result: Result<T, StoreError>) -> T {
    result.expect("the store works")
}

fn address(name: &str) -> EmailAddress {
    EmailAddress::parse(&format!("{name}@example.org")).expect("an address")
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

/// An account for `name`, as the store gives it back.
async fn account(store: &Arc<dyn Store>, name: &str) -> Account {
    let email = address(name);
    store.add_account(&email, newcomer(email.key())).await.expect("a free address");
    done(store.account_by_email(&email).await).expect("the account just made")
}

fn digest(text: &str) -> TicketDigest {
    let mut bytes = [0xFF; 32];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    TicketDigest::from_bytes(bytes)
}

/// A code for `account`, issued at 0 for ten minutes; id, digest and job are named `id`.
fn ticket(account: &Account, id: &str) -> Ticket {
    Ticket {
        id: TicketId::new(id),
        account: account.id.clone(),
        dialect: DIALECT.to_owned(),
        kind: TicketKind::Code,
        digest: digest(id),
        email: EmailAddress::parse(&account.email).expect("an address").key().to_owned(),
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

/// Issues `ticket`, which has to succeed, and returns it.
async fn issued(store: &Arc<dyn Store>, ticket: Ticket) -> Ticket {
    assert_eq!(
        done(store.issue(&ticket, None, &happened(at(0))).await),
        Issued::Live,
        "{}",
        ticket.id.as_str()
    );
    ticket
}

/// The ticket as the store has it.
async fn stored(store: &Arc<dyn Store>, ticket: &Ticket) -> Ticket {
    done(store.ticket_of(&ticket.job).await).expect("a ticket that is stored")
}

async fn state(store: &Arc<dyn Store>, ticket: &Ticket, now: Timestamp) -> TicketState {
    stored(store, ticket).await.state(now)
}

/// A job accepted at 0: `name` asked for a reset.
fn job(id: &str, name: &str) -> Job {
    Job {
        id: JobId::new(id),
        seq: 0,
        reference: Reference::stored("0123456789"),
        dialect: DIALECT.to_owned(),
        kind: JobKind::Reset { email: address(name), redirect_to: None, locale: None },
        created_at: at(0),
        attempts: 0,
        lost: 0,
    }
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
                assert!(list.contains(&format!("                {case},\n")), "{case} is never run");
            }
        }
    }
}

//! Changes that a crash or an error interrupts.

use std::{
    env,
    process::{Command, abort},
};

use reset_core::{
    dispute::{Dispute, DisputeOpening},
    job::{JobId, Reference},
    ports::{Disputes, Jobs, Tickets},
};

use super::{super::Step, Files, HASH, SECOND, THIRD, at, event_at, find, issued, open_in, redeem, strapi};

const STEPS: [Step; 4] = [Step::Locked, Step::Noted, Step::Written, Step::Committed];

/// Returns the name of the test that aborts at this step.
fn child(step: Step) -> &'static str {
    match step {
        Step::Locked => "process_that_aborts_when_the_file_is_locked",
        Step::Noted => "process_that_aborts_when_the_change_is_noted",
        Step::Written => "process_that_aborts_before_the_commit_in_the_other_file",
        Step::Committed => "process_that_aborts_after_the_commit_in_the_other_file",
    }
}

/// Redeems the ticket that the parent process has issued, in its working directory. Does nothing without a parent.
async fn redeem_and_abort(step: fn(Step)) {
    let directory = env::current_dir().unwrap();
    if !directory.join("owner.db").exists() {
        return;
    }
    let store = open_in(&directory, &strapi(), step).await;
    let job = JobId::new("one");
    let ticket = store.ticket_of(&job).await.unwrap().unwrap();
    let _ = redeem(&store, &ticket, SECOND).await;
    unreachable!("the process has aborted");
}

macro_rules! children {
    ($($name:ident: $step:ident,)*) => {
        $(#[tokio::test]
        async fn $name() {
            redeem_and_abort(|step| if step == Step::$step { abort() }).await;
        })*
    };
}

children! {
    process_that_aborts_when_the_file_is_locked: Locked,
    process_that_aborts_when_the_change_is_noted: Noted,
    process_that_aborts_before_the_commit_in_the_other_file: Written,
    process_that_aborts_after_the_commit_in_the_other_file: Committed,
}

#[expect(clippy::disallowed_methods, reason = "the process that aborts is this test program")]
fn run_child(files: &Files, step: Step) {
    let name = format!("sqlite::owner::tests::crash::{}", child(step));
    let ended = Command::new(env::current_exe().unwrap())
        .args(["--exact", &name])
        .current_dir(files.0.path())
        .output()
        .unwrap();
    assert!(ended.status.code().is_none(), "{step:?}: {}", String::from_utf8_lossy(&ended.stdout));
}

#[tokio::test]
async fn reset_that_a_crash_interrupts_is_undone_or_completed_and_never_burns_the_ticket() {
    for step in STEPS {
        for reclaimed in [false, true] {
            let files = Files::strapi().await;
            let store = files.open(&strapi()).await;
            let ticket = issued(&store, "ann@example.org", "one").await;
            drop(store);
            run_child(&files, step);
            let was_written = step == Step::Committed;
            let stored = files.of_owner("SELECT password AS text FROM up_users WHERE username = 'ann'");
            assert_eq!(stored, [if was_written { SECOND } else { HASH }], "{step:?}");

            let store = files.open(&strapi()).await;
            if reclaimed {
                store.reclaim(at(2)).await.unwrap();
                let expected = if was_written { ["1", "1", "0"] } else { ["0", "0", "0"] };
                assert_eq!(files.counts(), expected, "{step:?}");
            }
            // The next touch settles the change as well.
            assert_eq!(redeem(&store, &ticket, THIRD).await, Ok(!was_written), "{step:?}");
            assert_eq!(files.counts(), ["1", "1", "0"], "{step:?}: one event, one notice, no note");
            let stored = files.of_owner("SELECT password AS text FROM up_users WHERE username = 'ann'");
            assert_eq!(stored, [if was_written { SECOND } else { THIRD }], "{step:?}");
            assert_eq!(
                files.of_own("SELECT CAST(COUNT(*) AS text) AS text FROM tickets WHERE spent_at > 0"),
                ["1"]
            );
            let two = issued(&store, "ann@example.org", "two").await;
            assert_eq!(redeem(&store, &two, HASH).await, Ok(true), "{step:?}: a later reset");
        }
    }
}

#[tokio::test]
async fn reset_that_panics_at_a_step_is_settled_by_the_next_one() {
    for (step, fail) in [
        (Step::Locked, (|step| assert_ne!(step, Step::Locked)) as fn(Step)),
        (Step::Noted, |step| assert_ne!(step, Step::Noted)),
        (Step::Written, |step| assert_ne!(step, Step::Written)),
        (Step::Committed, |step| assert_ne!(step, Step::Committed)),
    ] {
        let files = Files::strapi().await;
        let store = open_in(files.0.path(), &strapi(), fail).await;
        let ticket = issued(&store, "ann@example.org", "one").await;
        assert!(redeem(&store, &ticket, SECOND).await.is_err(), "{step:?}");
        // The thread has given up the lock of the owner's file, and serves on.
        store.reclaim(at(2)).await.unwrap();
        let was_written = step == Step::Committed;
        let expected = if was_written { ["1", "1", "0"] } else { ["0", "0", "0"] };
        assert_eq!(files.counts(), expected, "{step:?}");
        let account = find(&store, "ann@example.org").await.unwrap();
        assert_eq!(account.epoch != ticket.epoch, was_written, "{step:?}");
    }
}

#[tokio::test]
async fn password_that_the_owner_changes_after_a_crash_does_not_hide_the_reset() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    drop(store);
    run_child(&files, Step::Committed);
    files.of_owner(&format!(
        "UPDATE up_users SET password = '{THIRD}' WHERE username = 'ann' RETURNING id AS text"
    ));
    let store = files.open(&strapi()).await;
    assert_eq!(redeem(&store, &ticket, HASH).await, Ok(false));
    assert_eq!(files.counts(), ["1", "1", "0"]);
    let detail = files.of_own("SELECT detail AS text FROM events WHERE kind = 'done'");
    assert_eq!(detail, ["recorded after an interruption; the password is another one by now"]);
}

#[tokio::test]
async fn dispute_replaces_the_password_in_the_other_file() {
    let files = Files::strapi().await;
    let store = files.open(&strapi()).await;
    let ticket = issued(&store, "ann@example.org", "one").await;
    let dispute = Dispute {
        id: JobId::new("notice"),
        account: ticket.account.clone(),
        reference: Reference::stored("0123456789"),
        dialect: "strapi".to_owned(),
        mailbox: "ann@example.org".to_owned(),
        until: at(600),
        opened_at: None,
    };
    store.allow_dispute(&dispute).await.unwrap();
    for expected in [true, false] {
        let opening = DisputeOpening {
            dispute: &dispute,
            password_hash: SECOND,
            jobs: &[],
            event: &event_at(at(1)),
            now: at(1),
        };
        assert_eq!(store.open_dispute(opening).await.unwrap(), expected);
    }
    assert_eq!(files.of_owner("SELECT password AS text FROM up_users WHERE id = 1"), [SECOND]);
    assert_eq!(store.dispute(&dispute.id).await.unwrap().unwrap().opened_at, Some(at(1)));
    assert_eq!(redeem(&store, &ticket, THIRD).await, Ok(false), "its tickets are void");
}

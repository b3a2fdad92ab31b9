//! The events of a reset, quarantined jobs, and links that administrators issue.

use reset_core::{
    audit::{Broken, Sealer, verify},
    encoding::base64_url,
    event::{Event, EventKind},
    job::{MAX_WORKER_CRASHES, Outcome},
    keys::{HmacKey, Keys},
    link::LinkError,
    ports::{Accounts as _, Events as _},
};
use reset_testkit::memory::{MailRefusal, Outage, SentKind};

use crate::bench::{MINUTE, UseCaseBench, address, bench, bench_within, code, happened, network};

const ANN: &str = "ann@example.org";

async fn bench_with_ann() -> UseCaseBench {
    let bench = bench();
    bench.account(ANN).await;
    bench
}

/// Returns kind and detail of the events of the first reset request.
async fn trace(bench: &UseCaseBench) -> Vec<(EventKind, String)> {
    let reference = bench.memory.store.events()[0].reference.clone().unwrap();
    let events = bench.memory.store.trace(&reference).await.unwrap();
    events.into_iter().map(|event| (event.kind, event.detail)).collect()
}

fn events(expected: &[(EventKind, &str)]) -> Vec<(EventKind, String)> {
    expected.iter().map(|(kind, detail)| (kind.clone(), (*detail).to_owned())).collect()
}

#[tokio::test]
async fn a_reset_is_traced_from_request_to_notice_under_one_reference() {
    let bench = bench_with_ann().await;
    bench.memory.mailer.refuse_next(1, MailRefusal::Temporary);
    bench.request("pair", ANN).await;
    bench.run_worker().await;
    bench.memory.clock.advance(MINUTE);
    bench.run_worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert!(bench.exchange(ANN, &code("000000")).await.is_err());
    let token = bench.exchange(ANN, &code(&mail.secret)).await.unwrap();
    bench.redeem("pair", &token).await.unwrap();
    bench.run_worker().await;
    assert!(bench.redeem("pair", &token).await.is_err());
    assert_eq!(
        trace(&bench).await,
        events(&[
            (EventKind::Accepted, ""),
            (EventKind::Matched, "code"),
            (EventKind::PutOff, "451 4.7.1"),
            (EventKind::Mailed, "250 2.0.0"),
            (EventKind::Tried, ""),
            (EventKind::Tried, ""),
            (EventKind::Exchanged, ""),
            (EventKind::Done, ""),
            (EventKind::Mailed, "notice: 250 2.0.0"),
            (EventKind::Dead, "spent"),
        ])
    );
}

#[tokio::test]
async fn opening_a_link_is_recorded_with_the_state_of_its_ticket() {
    let bench = bench_with_ann().await;
    let mail = bench.reset_mail("link", ANN).await;
    let token = bench.token(&mail);
    bench.resets.inspect("link", &token, Some(network())).await.unwrap();
    bench.redeem("link", &token).await.unwrap();
    bench.resets.inspect("link", &token, None).await.unwrap();
    let opened: Vec<_> =
        trace(&bench).await.into_iter().filter(|(kind, _)| *kind == EventKind::Opened).collect();
    assert_eq!(opened, events(&[(EventKind::Opened, "live"), (EventKind::Opened, "spent")]));
}

#[tokio::test]
async fn a_link_opens_although_the_event_cannot_be_recorded() {
    let bench = bench_with_ann().await;
    let mail = bench.reset_mail("link", ANN).await;
    bench.memory.store.set_outage(Outage::Only("record_once"));
    assert!(bench.resets.inspect("link", &bench.token(&mail), None).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unknown_address_is_recorded_as_a_tag_without_the_address() {
    let bench = bench_with_ann().await;
    bench.request("code", "ghost@example.org").await;
    bench.run_worker().await;
    assert_eq!(trace(&bench).await, events(&[(EventKind::Accepted, ""), (EventKind::Ended, "no-account")]));
    let tag = Keys::new(&HmacKey::root(&[9; 32]).unwrap()).address_tag(&address("Ghost@Example.org"));
    let requests = bench.memory.store.asked_with(&tag, 9).await.unwrap();
    assert_eq!((requests.len(), requests[0].network.clone()), (1, Some(network())));
    assert!(!tag.as_str().contains("ghost"));
}

#[tokio::test]
async fn a_request_over_the_limit_is_recorded_as_limited() {
    let requests = vec![reset_core::budget::Window::new(1, MINUTE)];
    let bench = bench_within(reset_core::budget::Budgeting { requests, ..Default::default() });
    bench.account(ANN).await;
    bench.request("code", ANN).await;
    bench.request("code", ANN).await;
    let kinds: Vec<_> = bench.memory.store.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(kinds, [EventKind::Accepted, EventKind::Limited]);
}

#[tokio::test]
async fn no_event_holds_an_address_or_a_secret() {
    let bench = bench_with_ann().await;
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    bench.run_worker().await;
    for Event { dialect, reference, job, account, address, network, detail, .. } in
        bench.memory.store.events()
    {
        let texts = format!("{dialect} {reference:?} {job:?} {account:?} {address:?} {network:?} {detail}");
        assert!(!texts.contains("ann@") && !texts.contains(&mail.secret), "{texts}");
    }
}

#[tokio::test]
async fn recorded_events_are_sealed_and_verify() {
    let bench = bench_with_ann().await;
    let mail = bench.reset_mail("code", ANN).await;
    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let count = bench.resets.seal_events().await.unwrap();
    assert_eq!(count, 4);
    let sealer = Sealer::of(&Keys::new(&HmacKey::root(&[9; 32]).unwrap()));
    let verified = verify(&*bench.memory.store, &sealer, None).await.unwrap().unwrap();
    assert_eq!((verified.count, verified.end), (4, bench.resets.last_mark()));
    bench.memory.clock.advance(MINUTE);
    bench.resets.forget_events(bench.resets.adapters().clock.now()).await.unwrap();
    assert!(bench.memory.store.sealed(0, 100).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_that_crashes_workers_is_quarantined_and_does_not_block_others() {
    let bench = bench_with_ann().await;
    bench.request("code", ANN).await;
    for _ in 0..=MAX_WORKER_CRASHES {
        // Each worker claims the job and crashes.
        assert_eq!(bench.resets.claim(10).await.unwrap().len(), 1);
        bench.memory.clock.advance(reset_core::deliver::LEASE);
    }
    bench.run_worker().await;
    assert_eq!(bench.outcomes(), [Some(Outcome::Quarantined)]);
    assert_eq!(bench.memory.mailer.take(), []);
    assert_eq!(bench.reset_mail("code", ANN).await.kind, SentKind::Code);
}

#[tokio::test]
async fn an_administrators_code_is_not_mailed_and_sets_the_password_once() {
    let bench = bench_with_ann().await;
    let before = bench.reset_mail("code", ANN).await;
    let link = bench.resets.link("code", &address(ANN), None).await.unwrap();
    bench.run_worker().await;
    assert_eq!(bench.memory.mailer.take(), []);
    assert!(bench.redeem("code", &code(&before.secret)).await.is_err(), "the earlier code is void");
    bench.redeem("code", &code(&link.secret)).await.unwrap();
    assert!(bench.redeem("code", &code(&link.secret)).await.is_err());
    let kinds: Vec<_> = bench
        .memory
        .store
        .trace(&link.reference)
        .await
        .unwrap()
        .iter()
        .map(|event| event.kind.clone())
        .collect();
    assert_eq!(kinds, [EventKind::Linked, EventKind::Done, EventKind::Dead]);
}

/// An attacker with access to the database can delete the log and its marks. The jobs and tickets show it.
#[tokio::test]
async fn an_emptied_log_does_not_verify_and_the_next_one_begins_with_an_event_about_it() {
    let bench = bench_with_ann().await;
    let (store, sealer) = (&bench.memory.store, Sealer::of(&Keys::new(&HmacKey::root(&[9; 32]).unwrap())));
    assert!(!bench.resets.continue_log().await.unwrap(), "a new database has lost nothing");
    bench.reset_mail("code", ANN).await;
    bench.resets.seal_events().await.unwrap();
    assert!(!bench.resets.continue_log().await.unwrap());
    store.erase_events();
    assert_eq!(verify(&**store, &sealer, None).await.unwrap(), Err(Broken::Emptied));
    bench.memory.clock.advance(6 * MINUTE);
    // What happens next is recorded, so the log is not empty any more, but the job and its ticket are older.
    store.record(&happened(bench.resets.adapters().clock.now())).await.unwrap();
    assert_eq!(verify(&**store, &sealer, None).await.unwrap(), Err(Broken::Emptied));
    assert!(bench.resets.continue_log().await.unwrap());
    assert!(store.events().iter().any(|event| event.kind == EventKind::EventsLost));
}

#[tokio::test]
async fn request_limits_do_not_apply_to_an_administrators_link() {
    let requests = vec![reset_core::budget::Window::new(1, MINUTE)];
    let bench = bench_within(reset_core::budget::Budgeting { requests, ..Default::default() });
    bench.account(ANN).await;
    bench.reset_mail("link", ANN).await;
    let link = bench.resets.link("link", &address(ANN), None).await.unwrap();
    assert!(link.secret.starts_with("https://app.example/reset?lang=en&token="));
}

#[tokio::test]
async fn a_template_fills_the_account_and_the_secret_into_mails_and_administrators_links() {
    let bench = bench_with_ann().await;
    let account = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
    let uid = base64_url(account.id.as_str().as_bytes());
    let link = bench.resets.link("template", &address(ANN), Some("https://app.example/done")).await.unwrap();
    let mail = bench.reset_mail("template", ANN).await;
    for url in [mail.secret.as_str(), link.secret.as_str()] {
        let token = url.rsplit('=').next().unwrap();
        assert_eq!(url, format!("https://app.example/#/confirm/{uid}/{token}?token={token}"));
    }
    bench.redeem("template", &bench.token(&mail)).await.unwrap();
}

#[tokio::test]
async fn no_link_is_issued_for_an_unknown_or_blocked_account_or_an_unknown_dialect() {
    let bench = bench_with_ann().await;
    let link =
        async |dialect: &'static str, email: &str| bench.resets.link(dialect, &address(email), None).await;
    assert!(matches!(link("code", "ghost@example.org").await, Err(LinkError::Unknown)));
    assert!(matches!(link("other", ANN).await, Err(LinkError::NoDialect)));
    let now = happened(bench.resets.adapters().clock.now());
    bench.memory.store.set_blocked(&address(ANN), true, &now).await.unwrap();
    assert!(matches!(link("code", ANN).await, Err(LinkError::Unknown)));
    assert!(bench.memory.store.tickets().is_empty());
}

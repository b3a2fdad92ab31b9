//! What mails say about their request, and their language.

use reset_core::{ports::Accounts, request::ResetRequest, time::Timestamp};
use reset_testkit::memory::SentKind;

use super::{address, bench, code, password};

const ANN: &str = "ann@example.org";

#[tokio::test]
async fn mail_identifies_its_request_by_reference_time_and_network() {
    let bench = bench();
    bench.account(ANN).await;
    let at = bench.resets.adapters().clock.now();
    let reference = bench.resets.reference();
    let request = ResetRequest {
        dialect: "code",
        email: Some(address(ANN)),
        redirect_to: None,
        locale: None,
        network: Some(reset_core::event::Network::of([198, 51, 100, 77].into())),
        reference: reference.clone(),
        disclosure: reset_core::request::Disclosure::Never,
    };
    bench.resets.request(request).await.unwrap();
    bench.memory.clock.advance(std::time::Duration::from_secs(90));
    bench.run_worker().await;
    let mail = bench.memory.mailer.take().remove(0);
    assert_eq!(
        (mail.reference.as_str(), mail.at),
        (reference.as_str(), at),
        "the time is that of the request"
    );
    assert_eq!(mail.network.as_deref(), Some("198.51.100.0/24"), "only the block of the address is known");

    bench.redeem("code", &code(&mail.secret)).await.unwrap();
    let changed: Timestamp = bench.resets.adapters().clock.now();
    bench.run_worker().await;
    let notice = bench.memory.mailer.take().remove(0);
    assert_eq!((notice.kind, notice.at), (SentKind::Changed, changed));
    assert_eq!((notice.reference.as_str(), notice.network), (reference.as_str(), None));
}

#[tokio::test]
async fn notice_is_in_the_accounts_language_and_without_one_in_that_of_the_reset() {
    for (own, of_reset, expected) in [
        (None, Some("ja"), Some("ja")),
        (Some("de"), Some("ja"), Some("de")),
        (Some("de"), None, Some("de")),
        (None, None, None),
    ] {
        let bench = bench();
        bench.account_in(ANN, own).await;
        let mail = bench.reset_mail("code", ANN).await;
        let locale = of_reset.map(str::to_owned);
        let new = password("a new password");
        bench.resets.redeem("code", &code(&mail.secret), new, None, locale).await.unwrap();
        bench.run_worker().await;
        let notice = bench.memory.mailer.take().remove(0);
        assert_eq!((notice.kind, notice.locale.as_deref()), (SentKind::Changed, expected));
        let ann = bench.memory.store.account_by_email(&address(ANN)).await.unwrap().unwrap();
        assert_eq!(ann.locale.as_deref(), own, "a reset does not set the account's language");
    }
}

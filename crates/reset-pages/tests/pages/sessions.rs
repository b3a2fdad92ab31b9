//! What the pages say about sessions: only what is true for the deployment.

use reset_http::ServeOptions;

use crate::bench::{BASE, NEW, PERSON, PagesBench, bench_with, settings};

const EVERYWHERE: &str = "ll devices are signed out";
const DEVICES: &str = "Sign them out in your account settings.";

/// Resets the password with a link from `/forgot`, disputes that, and returns the pages: after the reset, before the
/// dispute and after it.
async fn pages(ends_sessions: bool) -> [String; 3] {
    let settings = crate::bench::Settings { ends_sessions, ..settings(BASE) };
    let bench: PagesBench = bench_with(settings, ServeOptions::default()).await;
    let mut browser = bench.browser();
    browser.post("/forgot", &[("email", PERSON)]).await;
    let link = bench.mails().await.remove(0).secret;
    browser.open(&link).await;
    let done = browser.set(NEW).await;
    let notice = bench.mails().await.remove(0).secret;
    let page = browser.open(&notice).await;
    let token = notice.rsplit('=').next().unwrap();
    let disputed = browser.post("/not-me", &[("token", token)]).await;
    [done, page, disputed].map(|page| {
        assert_eq!(page.status, 200, "{}", page.main());
        page.html
    })
}

#[tokio::test]
async fn pages_say_signed_out_everywhere_only_if_a_reset_ends_sessions() {
    let [done, page, disputed] = pages(true).await;
    assert!(done.contains(EVERYWHERE) && page.contains(EVERYWHERE));
    assert!(disputed.contains(EVERYWHERE), "{disputed}");
    assert!([done, page, disputed].iter().all(|page| !page.contains(DEVICES)));
    for page in pages(false).await {
        assert!(!page.contains(EVERYWHERE), "{page}");
        assert!(page.contains(DEVICES), "{page}");
    }
}

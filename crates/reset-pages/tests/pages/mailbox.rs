//! The mailbox of the demo: its list, the HTML part of a mail, and carrying a code over.

use reset_pages::demo::{Carries, ShownMail, Stage as _};

use crate::{
    bench::{NEW, PERSON},
    demo::{demo_bench, request_reset},
};

#[tokio::test]
async fn mailbox_lists_sender_preview_and_age_and_shows_the_html_in_a_sandbox() {
    let (bench, stage) = demo_bench().await;
    bench.browser().get("/mailbox").await.says("<meta http-equiv=\"refresh\" content=\"2\">");
    let (_, mail) = request_reset(&bench, &stage, bench.mailing_links()[0]).await;
    let list = bench.browser().get("/mailbox").await;
    list.says("<span class=\"from\">Demo</span>");
    list.says("<span class=\"preview\">Hello &#60;Alice&#62;, http://127.0.0.1:8080/reset?");
    assert!(!list.html.contains("http-equiv"), "a mailbox with mail does not reload itself");
    let id = &stage.mails()[0].id;
    mail.says(&format!(
        "<iframe class=\"mail\" title=\"The mail as HTML\" src=\"mail/html?id={id}\" sandbox=\"allow-popups"
    ));
    let html = bench.browser().get(&format!("/mail/html?id={id}")).await;
    html.says("<a target=\"_top\" href=\"http://127.0.0.1:8080/reset?");
    let policy = html.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'; img-src data:; "), "{policy}");
    assert!(policy.contains("; sandbox ") && !policy.contains("script"), "{policy}");
    assert_eq!(bench.browser().get("/mail/html?id=x").await.status, 404);
}

#[tokio::test]
async fn code_of_a_mail_fills_in_the_hosted_form_together_with_its_address() {
    let (bench, stage) = demo_bench().await;
    let (_, mail) = request_reset(&bench, &stage, bench.mailing_codes()[0]).await;
    let Carries::Code(code) = stage.mails().remove(0).carries else { panic!("no code") };
    let fields = [("by", "code"), ("email", PERSON), ("code", &*code)];
    for (name, value) in fields {
        mail.says(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"));
    }
    let form = bench.browser().post("/reset", &fields).await;
    form.says(&format!("value=\"{code}\""));
    let fields = [&fields[..], &[("password", NEW)]].concat();
    assert_eq!(bench.browser().post("/reset", &fields).await.status, 200);
}

#[tokio::test]
async fn content_of_a_mail_is_escaped() {
    let (bench, stage) = demo_bench().await;
    let (_, mail) = request_reset(&bench, &stage, &bench.clients[0]).await;
    mail.says("<h1>Something &#60;new&#62;</h1>");
    mail.says("Hello &#60;Alice&#62;,");
    let hostile = ShownMail {
        id: "1".into(),
        carries: Carries::Link("javascript:alert(1)".into()),
        text: "javascript:alert(1)".into(),
        ..stage.mails().remove(0)
    };
    stage.0.lock().unwrap().push(hostile);
    let shown = bench.browser().get("/mail?id=1").await;
    assert!(!shown.html.contains("href=\"javascript:"), "{}", shown.main());
}

//! AUTH: LOGIN works with any prompt, and a diagnosis names the real cause.

use reset_core::ports::Mailer;
use reset_mail::{SmtpSettings, Tls};

use crate::{
    mail, outcome, service,
    sink::{Script, Sink, credentials},
};

/// Base64 of the user name and of the password of [`credentials`].
const USER: &str = "Y2FuYXJ5LXVzZXI=";
const PASSWORD: &str = "Y2FuYXJ5LXBhc3M=";

async fn sink(auth: &'static str, replies: Vec<(&'static str, &'static str)>) -> (Sink, SmtpSettings) {
    let sink = Sink::run(Script { auth: Some(auth), replies, ..Script::default() }).await;
    let settings = SmtpSettings { credentials: Some(credentials()), ..sink.settings(Tls::WhenOffered) };
    (sink, settings)
}

#[tokio::test]
async fn login_sends_user_and_password_whatever_the_prompts_say() {
    for (first, second) in [
        ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"),
        // `User name:`, `Benutzername:` and `Kennwort:`.
        ("334 VXNlciBuYW1lOg==", "334 UGFzc3dvcmQ6"),
        ("334 QmVudXR6ZXJuYW1lOg==", "334 S2VubndvcnQ6"),
        ("334", "334 "),
        ("334 not base64!", "334 Password:"),
    ] {
        let replies = vec![("AUTH LOGIN", first), (USER, second), (PASSWORD, "235 2.7.0 welcome")];
        let (sink, settings) = sink("auth login", replies).await;
        assert_eq!(outcome(service(settings).send(&mail("1")).await), "accepted: 250 2.0.0", "{first}");
        assert_eq!(sink.log().lines[1..4], ["AUTH LOGIN", USER, PASSWORD]);
    }
}

#[tokio::test]
async fn plain_login_answers_a_prompt() {
    let response = "AGNhbmFyeS11c2VyAGNhbmFyeS1wYXNz";
    let replies = vec![("AUTH PLAIN", "334 "), (response, "235 2.7.0 welcome")];
    let (sink, settings) = sink("AUTH PLAIN", replies).await;
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "accepted: 250 2.0.0");
    assert_eq!(sink.log().lines[2], response);
}

#[tokio::test]
async fn endless_prompts_are_a_failure_and_get_nothing_more() {
    let replies = vec![("AUTH LOGIN", "334 "), (USER, "334 "), (PASSWORD, "334 ")];
    let (sink, settings) = sink("AUTH LOGIN", replies).await;
    assert_eq!(outcome(service(settings).send(&mail("1")).await), "temporary: connection lost");
    assert_eq!(sink.log().lines.len(), 4);
}

#[tokio::test]
async fn diagnosis_of_a_failed_login_names_its_cause() {
    let prompts = |last| vec![("AUTH LOGIN", "334 "), (USER, "334 "), (PASSWORD, last)];
    for (auth, replies, cause) in [
        ("AUTH LOGIN", prompts("535 5.7.8 canary"), "rejected the login (535 5.7.8)"),
        ("AUTH LOGIN", prompts("334 "), "replied out of step"),
        ("AUTH LOGIN", vec![("AUTH LOGIN", "504 5.5.4 canary")], "rejected the login (504 5.5.4)"),
        ("AUTH CRAM-MD5", vec![], "offers neither AUTH PLAIN nor AUTH LOGIN"),
    ] {
        let (_sink, settings) = sink(auth, replies).await;
        let steps = service(settings).diagnose().await;
        let sentence = steps.last().and_then(|step| step.result.clone().err()).unwrap_or_default();
        assert!(sentence.contains(cause), "{sentence}");
    }
}

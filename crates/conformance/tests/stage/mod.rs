//! A demo whose mailbox always has the same content.

use std::sync::Arc;

use conformance::clients::PUBLIC_URL;
use reset_core::time::Timestamp;
use reset_http::Dialect;
use reset_pages::demo::{self, Carries, Person, ShownMail, Stage};

use crate::bench::every_dialect;

/// Returns every dialect with these changes of the default settings, the hosted pages and a demo.
pub(crate) fn staged(settings: &[(&str, &str)]) -> Vec<Dialect> {
    let demo = demo::DemoSettings { public_url: PUBLIC_URL.to_owned(), stage: Arc::new(FixedStage) };
    every_dialect(settings, Some(demo))
}

/// A demo with the account of [`bench`](crate::bench) and two fixed mails.
struct FixedStage;

impl Stage for FixedStage {
    fn people(&self) -> Vec<Person> {
        let (email, name) = ("user@example.com".to_owned(), "User".to_owned());
        vec![Person { email, name, password: "Demo-1".to_owned() }]
    }

    fn mails(&self) -> Vec<ShownMail> {
        let link = "http://127.0.0.1:8080/reset?reset_token=a.b.c".to_owned();
        let mail = |id: &str, subject: &str, secret: &str, dialect: &str, carries| ShownMail {
            id: id.to_owned(),
            to: "user@example.com".to_owned(),
            from: "Polyreset <no-reply@localhost>".to_owned(),
            at: Timestamp::from_millis(1_768_574_400_000),
            subject: subject.to_owned(),
            text: format!("Hello,\n\n{secret}\n"),
            html: format!("<!DOCTYPE html><p>Hello,</p><p><a href=\"{secret}\">Reset your password</a></p>"),
            dialect: dialect.to_owned(),
            carries,
        };
        vec![
            mail("link", "Reset your password", &link, "worthai", Carries::Link(link.clone())),
            mail("code", "Your code", "012345", "px0", Carries::Code("012345".to_owned())),
        ]
    }
}

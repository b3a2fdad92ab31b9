//! A demo whose mailbox is the same whenever one looks.

use std::sync::Arc;

use reset_dialects::DialectSettings;
use reset_pages::demo::{self, Carries, Person, ShownMail, Stage};

use crate::bench::usual;

/// The default settings during a demo.
pub(crate) fn staged() -> DialectSettings {
    let demo = demo::DemoSettings { public_url: "http://127.0.0.1:8080".to_owned(), stage: Arc::new(Still) };
    DialectSettings { demo: Some(demo), ..usual() }
}

/// The account of every bench, and two mails that nobody sent.
struct Still;

impl Stage for Still {
    fn people(&self) -> Vec<Person> {
        let (email, name) = ("user@example.com".to_owned(), "User".to_owned());
        vec![Person { email, name, password: "Demo-1".to_owned() }]
    }

    fn mails(&self) -> Vec<ShownMail> {
        let link = "http://127.0.0.1:8080/reset?reset_token=a.b.c".to_owned();
        let mail = |id: &str, subject: &str, secret: &str, dialect: &str, carries| ShownMail {
            id: id.to_owned(),
            to: "user@example.com".to_owned(),
            subject: subject.to_owned(),
            text: format!("Hello,\n\n{secret}\n"),
            dialect: dialect.to_owned(),
            carries,
        };
        vec![
            mail("link", "Reset your password", &link, "worthai", Carries::Link(link.clone())),
            mail("code", "Your code", "012345", "px0", Carries::Code("012345".to_owned())),
        ]
    }
}

//! A demo whose mailbox is the same whenever one looks.

use std::sync::Arc;

use reset_dialects::{
    Settings,
    demo::{self, Carries, Mail, Person, Stage},
};

use crate::world::usual;

/// The default settings during a demo.
pub(crate) fn staged() -> Settings {
    let demo = demo::Settings { public_url: "http://127.0.0.1:8080".to_owned(), stage: Arc::new(Still) };
    Settings { demo: Some(demo), ..usual() }
}

/// The account of every world, and two mails that nobody sent.
struct Still;

impl Stage for Still {
    fn people(&self) -> Vec<Person> {
        let (email, name) = ("user@example.com".to_owned(), "User".to_owned());
        vec![Person { email, name, password: "Demo-1".to_owned() }]
    }

    fn mails(&self) -> Vec<Mail> {
        let link = "http://127.0.0.1:8080/reset?reset_token=a.b.c".to_owned();
        let mail = |id: &str, subject: &str, secret: &str, dialect: &str, carries| Mail {
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

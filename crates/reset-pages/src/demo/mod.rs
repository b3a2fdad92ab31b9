//! `serve --demo` in a browser, as one more dialect: a start page, the mailbox of the people who take part, and a sign-in
//! to see which password is the account's. Nobody else's mail is ever shown, and without a demo none of it is there.
//!
//! Whoever asks here asks by a dialect's own row, with the bytes that a client of its would send, and sees what came back.
//! The pages are for developers, in English, and work without JavaScript.

mod ask;
mod mailbox;
mod page;
mod sign_in;
mod start;
mod walkthrough;

use std::sync::Arc;

use http::Method;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

pub use self::walkthrough::{Walkthrough, curl, walkthroughs};
use reset_http::route::{Dialect, Endpoint, EndpointKind, ErrorRenderer};

/// Name of the dialect.
pub const NAME: &str = "demo";

/// An address that has an account in every demo.
pub const PERSON: &str = "alice@example.com";

/// Another address that has an account in every demo.
pub const OTHER_PERSON: &str = "bob@example.com";

/// An address that has no account, to see that nobody is told so.
const NOBODY: &str = "nobody@example.com";

/// What a demo has that nothing else has.
#[derive(Clone)]
pub struct DemoSettings {
    /// Where the demo is reached, for the commands that it shows.
    pub public_url: String,
    /// Its people and their mails.
    pub stage: Arc<dyn Stage>,
}

/// Who takes part, and what they were mailed.
pub trait Stage: Send + Sync {
    /// The people.
    fn people(&self) -> Vec<Person>;

    /// Their mails, and nobody else's; the newest first.
    fn mails(&self) -> Vec<ShownMail>;
}

/// Somebody who takes part. There is a password in it: no `Debug`.
#[derive(Clone)]
pub struct Person {
    /// Address of the account.
    pub email: String,
    /// What the person is called.
    pub name: String,
    /// The password at the start.
    pub password: String,
}

/// A mail as its reader sees it. There may be a secret in it: no `Debug`.
#[derive(Clone)]
pub struct ShownMail {
    /// Left part of its `Message-ID`: letters, digits, `-` and `_`.
    pub id: String,
    /// To whom.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// By which dialect it was asked for.
    pub dialect: String,
    /// What it is about.
    pub carries: Carries,
}

/// What a mail is about.
#[derive(Clone)]
pub enum Carries {
    /// A code to type.
    Code(String),
    /// A link to open.
    Link(String),
    /// The password was changed; with a link for who did not do it, where there is a way back.
    Notice(Option<String>),
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset's demo", version = "1.0.0",
        description = "Start page and mailbox of the one-minute trial. They are there with `serve --demo` alone."),
    paths(start::show, ask::ask, mailbox::list, mailbox::show, sign_in::sign_in),
    tags((name = "demo", description = "The one-minute trial, for people with a browser"))
)]
struct Document;

/// Everything that the demo's pages are made of.
struct Demo {
    public_url: String,
    stage: Arc<dyn Stage>,
    walkthroughs: Vec<Walkthrough>,
    /// Whether our own pages are served.
    pages: bool,
    /// One password at a time is looked at, so that threads are left for resets.
    looks: Semaphore,
}

impl Demo {
    fn walkthrough(&self, dialect: &str) -> Option<&Walkthrough> {
        self.walkthroughs.iter().find(|one| one.client.dialect == dialect)
    }

    fn person(&self, email: &str) -> Option<Person> {
        self.stage.people().into_iter().find(|person| person.email == email)
    }

    /// What a dialect is called.
    fn title(&self, dialect: &str) -> &'static str {
        let walkthrough = self.walkthrough(dialect);
        walkthrough
            .map_or(if dialect == crate::hosted::NAME { "our own pages" } else { "" }, |one| one.client.title)
    }
}

/// The demo's rows, over those of `others`.
pub fn dialect(settings: DemoSettings, others: &[Dialect]) -> Dialect {
    let walkthroughs = walkthroughs(others.iter().filter_map(|other| other.client.clone()));
    let DemoSettings { public_url, stage } = settings;
    let pages = others.iter().any(|other| other.name == crate::hosted::NAME);
    let demo = Arc::new(Demo { public_url, stage, walkthroughs, pages, looks: Semaphore::new(1) });
    let read = |path: &str, endpoint| (path.to_owned(), vec![endpoint]);
    Dialect {
        name: NAME,
        owns: Vec::new(),
        lenient: false,
        errors: ErrorRenderer::Fixed(page::render),
        rows: vec![
            read("/", Endpoint::new(Method::GET, EndpointKind::Read, &demo, start::show)),
            read("/ask", Endpoint::new(Method::POST, EndpointKind::Form, &demo, ask::ask)),
            read("/mailbox", Endpoint::new(Method::GET, EndpointKind::Read, &demo, mailbox::list)),
            read("/mail", Endpoint::new(Method::GET, EndpointKind::Read, &demo, mailbox::show)),
            read("/sign-in", Endpoint::new(Method::POST, EndpointKind::Form, &demo, sign_in::sign_in)),
        ],
        policies: None,
        document: Document::openapi(),
        document_base: String::new(),
        client: None,
        traits: None,
        redemptions: Vec::new(),
    }
}

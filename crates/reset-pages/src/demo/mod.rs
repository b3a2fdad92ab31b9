//! The web pages of `serve --demo`, implemented as one more dialect: a tour from the request to the sign-in, with the
//! mailbox of the demo accounts. The mailbox never shows mail to any other address, and the pages exist only in a demo.
//!
//! Each step shows on the left what a person sees, and on the right what goes over the wire. A reset requested here goes
//! through the endpoint of a dialect, with the bytes that a client of that dialect would send. The pages are for
//! developers, in English, and work without JavaScript.

mod ask;
mod mailbox;
mod page;
mod sign_in;
mod start;
mod walkthrough;

use std::sync::Arc;

use http::Method;
use reset_core::time::Timestamp;
use tokio::sync::Semaphore;
use utoipa::OpenApi;

pub use self::walkthrough::{Walkthrough, curl, walkthroughs};
use reset_http::route::{Dialect, Endpoint, EndpointKind, ErrorRenderer};

/// Name of the dialect.
pub const NAME: &str = "demo";

/// Address of an account that every demo has.
pub const PERSON: &str = "alice@example.com";

/// Address of another account that every demo has.
pub const OTHER_PERSON: &str = "bob@example.com";

/// An address without an account, to try the response to an unknown address.
const UNKNOWN_EMAIL: &str = "nobody@example.com";

/// Settings of the demo pages.
#[derive(Clone)]
pub struct DemoSettings {
    /// Base URL of the demo, for the commands that it shows.
    pub public_url: String,
    /// The demo accounts and their mails.
    pub stage: Arc<dyn Stage>,
}

/// Gives access to the demo accounts and their mails.
pub trait Stage: Send + Sync {
    /// Returns the demo accounts.
    fn people(&self) -> Vec<Person>;

    /// Returns the mails sent to these accounts only, newest first.
    fn mails(&self) -> Vec<ShownMail>;
}

/// A demo account. It contains a password and therefore has no `Debug`.
#[derive(Clone)]
pub struct Person {
    /// Address of the account.
    pub email: String,
    /// Name of the owner.
    pub name: String,
    /// The initial password.
    pub password: String,
}

/// A mail as shown in the mailbox. It can contain a secret and therefore has no `Debug`.
#[derive(Clone)]
pub struct ShownMail {
    /// Left part of the `Message-ID`: letters, digits, `-` and `_`.
    pub id: String,
    /// Address of the recipient.
    pub to: String,
    /// The sender, as in the `From` header.
    pub from: String,
    /// When the mail was sent.
    pub at: Timestamp,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part. It loads nothing from elsewhere.
    pub html: String,
    /// Dialect through which the reset was requested.
    pub dialect: String,
    /// The secret or the notice that it carries.
    pub carries: Carries,
}

/// The secret or the notice that a mail carries.
#[derive(Clone)]
pub enum Carries {
    /// A code.
    Code(String),
    /// A link.
    Link(String),
    /// A notice that the password was changed, with the "this wasn't me" link if there is one.
    Notice(Option<String>),
}

#[derive(OpenApi)]
#[openapi(
    info(title = "polyreset's demo", version = "1.0.0",
        description = "Start page, mailbox and sign-in of the demo. They exist only with `serve --demo`."),
    paths(start::show, ask::ask, mailbox::list, mailbox::show, mailbox::show_html, sign_in::show, sign_in::sign_in),
    tags((name = "demo", description = "Web pages of the demo"))
)]
struct Document;

/// State shared by all demo pages.
struct Demo {
    public_url: String,
    stage: Arc<dyn Stage>,
    walkthroughs: Vec<Walkthrough>,
    /// Whether the hosted pages are served.
    pages: bool,
    /// Limits sign-in to one password check at a time, so that hashing threads remain free for resets.
    sign_ins: Semaphore,
}

impl Demo {
    fn walkthrough(&self, dialect: &str) -> Option<&Walkthrough> {
        self.walkthroughs.iter().find(|one| one.client.dialect == dialect)
    }

    /// Returns the demo account with this address.
    fn person(&self, email: &str) -> Option<Person> {
        self.stage.people().into_iter().find(|person| person.email == email)
    }

    /// Returns the display name of a dialect.
    fn title(&self, dialect: &str) -> &'static str {
        let fallback = if dialect == crate::hosted::NAME { "Hosted pages" } else { "" };
        self.walkthrough(dialect).map_or(fallback, |one| one.client.title)
    }
}

/// Builds the dialect of the demo pages. `others` are the dialects that the demo runs on.
pub fn dialect(settings: DemoSettings, others: &[Dialect]) -> Dialect {
    let walkthroughs = walkthroughs(others.iter().filter_map(|other| other.client.clone()));
    let DemoSettings { public_url, stage } = settings;
    let pages = others.iter().any(|other| other.name == crate::hosted::NAME);
    let demo = Arc::new(Demo { public_url, stage, walkthroughs, pages, sign_ins: Semaphore::new(1) });
    let row = |path: &str, endpoint| (path.to_owned(), vec![endpoint]);
    Dialect {
        rows: vec![
            row("/", Endpoint::new(Method::GET, EndpointKind::Read, &demo, start::show)),
            row("/ask", Endpoint::new(Method::POST, EndpointKind::Form, &demo, ask::ask)),
            row("/mailbox", Endpoint::new(Method::GET, EndpointKind::Read, &demo, mailbox::list)),
            row("/mail", Endpoint::new(Method::GET, EndpointKind::Read, &demo, mailbox::show)),
            row("/mail/html", Endpoint::new(Method::GET, EndpointKind::Read, &demo, mailbox::show_html)),
            (
                "/sign-in".to_owned(),
                vec![
                    Endpoint::new(Method::GET, EndpointKind::Read, &demo, sign_in::show),
                    Endpoint::new(Method::POST, EndpointKind::Form, &demo, sign_in::sign_in),
                ],
            ),
        ],
        ..Dialect::bare(NAME, ErrorRenderer::Fixed(page::render), Document::openapi())
    }
}

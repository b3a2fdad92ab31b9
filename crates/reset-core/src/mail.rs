//! Mails as the domain knows them: to whom, about what. How they look is the mailer's business.

use std::time::Duration;

use zeroize::Zeroizing;

/// One mail to one stored address. It holds a secret: no `Debug`.
pub struct Mail {
    /// The stored address; never one that a request named (R19).
    pub to: String,
    /// The owner's name, where known. It is the owner's own text: a template must escape it (R27).
    pub name: Option<String>,
    /// Language, as a BCP 47 tag, where known.
    pub locale: Option<String>,
    /// Name of the dialect that it was asked for with: a deployment may have texts of its own for each.
    pub dialect: String,
    /// Left part of the `Message-ID`: the same for every try, so that a duplicate can be recognised.
    pub message_id: String,
    /// What the mail is about.
    pub body: MailBody,
}

/// What a mail is about.
pub enum MailBody {
    /// A code to type.
    ResetCode {
        /// The code.
        code: Zeroizing<String>,
        /// How long it is good for.
        lifetime: Duration,
    },
    /// A link to open.
    ResetLink {
        /// The link, secret included.
        url: Zeroizing<String>,
        /// How long it is good for.
        lifetime: Duration,
    },
    /// The password was changed.
    PasswordChanged {
        /// The link by which the owner says that it was somebody else, where there is a way back (R30).
        dispute: Option<Zeroizing<String>>,
    },
}

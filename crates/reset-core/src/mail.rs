//! The content of mails: recipient, language and subject matter. The mailer decides how they look.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::{job::Reference, time::Timestamp, turns::NetworkBlock};

/// One mail to one stored address. Not `Debug`, because it holds a secret.
pub struct Mail {
    /// The stored address, never an address from a request (R19).
    pub to: String,
    /// The owner's name, if known. It is user input, so a template must escape it (R27).
    pub name: Option<String>,
    /// The language as a BCP 47 tag, if known.
    pub locale: Option<String>,
    /// The dialect of the request; a deployment can have different texts per dialect.
    pub dialect: String,
    /// The reference of the reset, which the owner can quote to a help desk.
    pub reference: Reference,
    /// When the event that the mail reports was accepted: the request for a reset, or the reset itself.
    pub at: Timestamp,
    /// The network that the request came from. `None` if it is unknown, and in notices.
    pub network: Option<NetworkBlock>,
    /// Left part of the `Message-ID`: the same for every attempt, so that duplicates can be recognised.
    pub message_id: String,
    /// The content of the mail.
    pub body: MailBody,
}

/// The content of a mail.
pub enum MailBody {
    /// A code to type.
    ResetCode {
        /// The code.
        code: Zeroizing<String>,
        /// How long it is valid.
        lifetime: Duration,
    },
    /// A link to open.
    ResetLink {
        /// The link, including the secret.
        url: Zeroizing<String>,
        /// How long it is valid.
        lifetime: Duration,
    },
    /// The password was changed.
    PasswordChanged {
        /// The link with which the owner can dispute the change, if disputes are enabled (R30).
        dispute: Option<Zeroizing<String>>,
    },
}

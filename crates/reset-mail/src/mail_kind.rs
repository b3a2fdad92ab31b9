//! What mails are about, and the parts that each is made of.

use reset_core::mail::MailBody;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// A code to type.
    ResetCode,
    /// A link to open.
    ResetLink,
    /// The password was changed.
    PasswordChanged,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::ResetCode, Self::ResetLink, Self::PasswordChanged];

    /// Its name in file names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResetCode => "reset-code",
            Self::ResetLink => "reset-link",
            Self::PasswordChanged => "password-changed",
        }
    }

    /// The kind of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl From<&MailBody> for MailKind {
    fn from(body: &MailBody) -> Self {
        match body {
            MailBody::ResetCode { .. } => Self::ResetCode,
            MailBody::ResetLink { .. } => Self::ResetLink,
            MailBody::PasswordChanged { .. } => Self::PasswordChanged,
        }
    }
}

/// A part of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The subject.
    Subject,
    /// The text for everybody.
    Text,
    /// The same as HTML.
    Html,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// Its name in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

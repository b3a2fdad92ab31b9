//! Kinds of mails, and the parts of a mail.

use reset_core::mail::MailBody;

/// Purpose of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Carries a code to type.
    ResetCode,
    /// Carries a link to open.
    ResetLink,
    /// Notifies the owner of a changed password.
    PasswordChanged,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::ResetCode, Self::ResetLink, Self::PasswordChanged];

    /// Returns the name used in file names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResetCode => "reset-code",
            Self::ResetLink => "reset-link",
            Self::PasswordChanged => "password-changed",
        }
    }

    /// Returns the kind with that name.
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
    /// The plain-text body.
    Text,
    /// The HTML body.
    Html,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// Returns the name used in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

//! How mail leaves.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use reset_core::language::Language;
use reset_mail::{BadMailSettings, MailService, SmtpSettings, Tls, Transport};

use super::value::Values;

/// The mail side.
pub(crate) struct Mail {
    /// Where mails go.
    pub(crate) transport: Transport,
    /// Who sends them.
    pub(crate) from: String,
    /// The tag of whoever speaks no language that there are texts in.
    pub(crate) locale: String,
    /// The deployment's templates.
    pub(crate) templates: Option<PathBuf>,
}

impl Mail {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let source = values.value("mail_url").source.clone();
        let transport =
            Transport::parse(&values.text("mail_url")?).map_err(|error| anyhow!("{error} ({source})"))?;
        let from = values.text("mail_from")?;
        // The sender is judged by whoever will write it into mails.
        match MailService::new(vec![Transport::Stdout], &from, "localhost") {
            Err(BadMailSettings::From) => {
                let expected = "an address in ASCII such as `Polyreset <no-reply@example.org>`";
                return Err(values.bad("mail_from", expected));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let locale = values.text("mail.locale")?;
        let templates = values.given_text("mail.templates")?.map(PathBuf::from);
        // Which others there are is known when the templates are read.
        if templates.is_none() && Language::of(&locale).is_none() {
            let known = Language::ALL.map(Language::primary).join(", ");
            return Err(values.bad("mail.locale", format!("a language that there are texts in: {known}")));
        }
        Ok(Self { transport, from, locale, templates })
    }

    /// Whether a mail server could be talked to in plain text.
    pub(crate) fn may_be_plain(&self) -> bool {
        matches!(self.transport, Transport::Smtp(SmtpSettings { tls: Tls::WhenOffered, .. }))
    }
}

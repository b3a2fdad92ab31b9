//! How mail leaves.

use anyhow::{Result, anyhow};
use reset_mail::{BadMailSettings, MailService, SmtpSettings, Tls, Transport};

use super::value::Values;

/// The mail side.
pub(crate) struct Mail {
    /// Where mails go.
    pub(crate) transport: Transport,
    /// Who sends them.
    pub(crate) from: String,
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
                Err(values.bad("mail_from", "an address in ASCII such as `Polyreset <no-reply@example.org>`"))
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Self { transport, from }),
        }
    }

    /// Whether a mail server could be talked to in plain text.
    pub(crate) fn may_be_plain(&self) -> bool {
        matches!(self.transport, Transport::Smtp(SmtpSettings { tls: Tls::WhenOffered, .. }))
    }
}

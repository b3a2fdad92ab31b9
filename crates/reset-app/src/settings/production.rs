//! What breaks a deployment that people on other machines use, although each setting alone is valid.

use anyhow::{Result, bail};
use reset_mail::TransportConfig;
use url::{Host, Url};

use super::{Settings, keys};

impl Settings {
    /// Whether people on other machines use the deployment: `public_url` is set, and its host is not this machine.
    pub(crate) fn is_public(&self) -> bool {
        let url = Url::parse(&self.likely_url()).ok().filter(|_| self.is_given(&keys::PUBLIC_URL));
        url.is_some_and(|url| match url.host() {
            Some(Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => !address.is_loopback(),
            Some(Host::Ipv6(address)) => !address.is_loopback(),
            None => false,
        })
    }

    /// Checks that the mails of a public deployment can reach anybody.
    ///
    /// # Errors
    /// Fails with one sentence if nobody chose where mails go, or if a mail server would get a sender that none accepts.
    /// Users would wait for mails that never come.
    pub(crate) fn check_mail_is_deliverable(&self) -> Result<()> {
        // In shadow mode polyreset mails nothing.
        if !self.is_public() || self.http.shadow {
            return Ok(());
        }
        if !self.is_given(&keys::MAIL_URL) {
            bail!(
                "mail_url is not set, so mails would be written to files in ./mail, but public_url is {}: set mail_url \
                 (POLYRESET_MAIL_URL) to your mail server, such as smtp://user:password@mail.example.com:587?tls=required, \
                 or to file://mail if files are intended",
                self.likely_url()
            );
        }
        if self.mails_by_smtp() && self.mail.sender_is_unreachable() {
            bail!(
                "mail_from ({}) is {:?}, whose domain no mail server accepts, but public_url is {}: set mail_from \
                 (POLYRESET_MAIL_FROM) to an address of your domain, such as `Acme <no-reply@example.com>`",
                self.values.value(&keys::MAIL_FROM).source,
                self.mail.from,
                self.likely_url()
            );
        }
        Ok(())
    }

    /// Returns what to know about the mails of a public deployment that can be delivered.
    pub(crate) fn mail_warning(&self) -> Option<String> {
        if !self.is_public() || self.http.shadow || self.mails_by_smtp() {
            return None;
        }
        let to = match self.mail.transport {
            TransportConfig::File { .. } => "written to files",
            TransportConfig::Stdout | TransportConfig::Smtp(_) => "printed",
        };
        Some(format!(
            "public_url is {}, but mails are {to} and not sent: nobody gets a code or link unless another program \
             delivers them (mail_url)",
            self.likely_url()
        ))
    }

    /// Describes where mails go, for one line about the whole deployment.
    pub(crate) fn mail_route(&self) -> &'static str {
        match &self.mail.transport {
            TransportConfig::Smtp(_) => "mails by SMTP",
            TransportConfig::File { .. } => "mails into files",
            TransportConfig::Stdout => "mails to the terminal",
        }
    }

    fn mails_by_smtp(&self) -> bool {
        let mut transports = [Some(&self.mail.transport), self.mail.fallback.as_ref()].into_iter().flatten();
        transports.any(|transport| matches!(transport, TransportConfig::Smtp(_)))
    }
}

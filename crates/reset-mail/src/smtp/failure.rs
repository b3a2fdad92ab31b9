//! Failures of an SMTP conversation: the stage, the cause, and whether they are permanent.
//!
//! A server's prose never leaves this file, because it may quote the recipient's address (R70).

use std::{error::Error, fmt, io};

use lettre::transport::smtp::{self, response::Response};
use reset_core::error::MailError;
use rustls::CertificateError;

use crate::relay::SendError;

/// A server's reply without its prose, such as `550 5.1.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    enhanced: Option<String>,
}

impl Reply {
    pub(super) fn new(code: u16, prose: &str) -> Self {
        let first_word = prose.split_whitespace().next().unwrap_or_default();
        let enhanced = is_enhanced(first_word, code / 100).then(|| first_word.to_owned());
        Self { code, enhanced }
    }

    /// Returns whether the subject of the enhanced code is security or policy.
    fn is_policy(&self) -> bool {
        self.enhanced.as_ref().is_some_and(|enhanced| enhanced.split('.').nth(1) == Some("7"))
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::new(response.code().into(), response.first_line().unwrap_or_default())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.enhanced.as_ref().map_or(Ok(()), |enhanced| write!(f, " {enhanced}"))
    }
}

/// Returns whether `word` is `class.subject.detail` (RFC 3463) with the class of the reply code.
fn is_enhanced(word: &str, class: u16) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts[..], [first, subject, detail] if first == class.to_string() && number(subject) && number(detail))
}

/// Stage of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for one of the pooled connections.
    Queue,
    /// Looking up the host.
    Dns,
    /// Connecting.
    Tcp,
    /// Implicit TLS.
    Tls,
    /// Greeting and EHLO.
    Hello,
    /// STARTTLS and the EHLO after it.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM, or RSET.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The message itself, up to the final dot's reply.
    Message,
}

impl Stage {
    pub(super) fn failed(self, cause: impl Into<Cause>) -> Failure {
        Failure { stage: self, cause: cause.into() }
    }

    /// Returns the name of the step in a diagnosis.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Hello => "ehlo",
            Self::StartTls => "starttls",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data | Self::Message => "data",
        }
    }
}

/// Cause of a failure. `Display` is the short form for the job's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server replied with a permanent or temporary error.
    Reply(Reply),
    /// The connection was refused.
    Refused,
    /// There is no route to the server.
    Unreachable,
    /// The server did not reply in time.
    Timeout,
    /// The host has no address.
    NoAddress,
    /// The TLS handshake failed; holds the reason.
    Tls(&'static str),
    /// The connection broke, or the server did not speak SMTP.
    Lost,
    /// The server lacks STARTTLS, or every supported AUTH mechanism.
    NotOffered,
    /// Credentials would have crossed the network in plain text (R26).
    Plaintext,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => reply.fmt(f),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Timeout => f.write_str("timeout"),
            Self::NoAddress => f.write_str("dns"),
            Self::Tls(_) => f.write_str("tls"),
            Self::Lost => f.write_str("connection lost"),
            Self::NotOffered => f.write_str("not offered"),
            Self::Plaintext => f.write_str("credentials need tls"),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Cause {
    fn from(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(certificate_fault(tls));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Lost,
        }
    }
}

impl From<smtp::Error> for Cause {
    /// lettre does not distinguish a refused connection or a bad certificate (`is_tls` is false for the latter), so
    /// this searches the chain of error sources.
    fn from(error: smtp::Error) -> Self {
        if let Some(code) = error.status() {
            let prose = error.source().map(ToString::to_string).unwrap_or_default();
            return Self::Reply(Reply::new(code.into(), &prose));
        }
        if error.is_client() {
            return Self::NotOffered;
        }
        let mut source = error.source();
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Self::from(io);
            }
            source = error.source();
        }
        Self::Lost
    }
}

fn certificate_fault(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::UnknownIssuer => "the certificate's issuer is unknown",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet"
            }
            _ => "the certificate is not acceptable",
        },
        _ => "the two sides do not agree on TLS",
    }
}

/// A conversation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) cause: Cause,
}

impl Failure {
    /// Returns whether the connection died before the message was sent. On a connection that was idle, this only means
    /// that it was idle for too long: the server closed it, or a firewall dropped its state and now drops its packets.
    pub(super) fn is_stale_connection(&self) -> bool {
        !self.leaves_connection_usable() && matches!(self.stage, Stage::Mail | Stage::Rcpt | Stage::Data)
    }

    /// Returns whether the connection can be used again after RSET.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        matches!(&self.cause, Cause::Reply(reply) if reply.code != 421)
    }

    /// Returns whether the server permanently rejected this recipient or this message.
    ///
    /// A 5xx before RCPT concerns the sending side: a wrong password, a blocked network, an unwelcome sender. So does
    /// 530, 535 or 538 at any stage (RFC 4954: authenticate first), and 5.7.x at RCPT (RFC 3463: security or policy),
    /// such as "relay access denied". The operator can fix these, and no accepted mail may be lost until then.
    fn is_permanent(&self) -> bool {
        let Cause::Reply(reply) = &self.cause else { return false };
        let concerns_sender = match self.stage {
            Stage::Rcpt => reply.is_policy(),
            Stage::Data | Stage::Message => false,
            _ => true,
        };
        (500..600).contains(&reply.code) && !matches!(reply.code, 530 | 535 | 538) && !concerns_sender
    }

    /// Returns whether the failure is the server's, independent of the mail: it is unreachable, rejects the client, or
    /// drops the connection. A timeout from RCPT on does not count, because the server may be waiting for the
    /// recipient's domain; neither does a timeout in the queue, because the mails ahead may be of that kind.
    fn is_by_server(&self) -> bool {
        match self.stage {
            Stage::Queue => false,
            Stage::Mail => !self.leaves_connection_usable(),
            Stage::Rcpt | Stage::Data | Stage::Message => {
                self.cause != Cause::Timeout && !self.leaves_connection_usable()
            }
            _ => true,
        }
    }

    /// Describes the failure and its remedy in one sentence, for the operator. `endpoint` is `host:port`, `setting`
    /// is the setting that holds it.
    pub(super) fn describe(&self, endpoint: &str, setting: &str) -> String {
        match (self.stage, &self.cause) {
            (Stage::Dns, _) => {
                format!("{endpoint} has no address: correct the host in {setting}, or fix the resolver.")
            }
            (_, Cause::Refused) => {
                format!(
                    "Nothing listens at {endpoint}: start the mail server, or correct host and port in {setting}."
                )
            }
            (Stage::Tcp, _) => {
                format!("{endpoint} is unreachable: check the route, and that no firewall blocks the port.")
            }
            (_, Cause::Tls(reason)) => format!(
                "TLS with {endpoint} failed because {reason}: give the server a certificate for the host in {setting}, \
                 or add its issuer to SSL_CERT_FILE."
            ),
            (Stage::StartTls, Cause::NotOffered) => {
                format!(
                    "{endpoint} offers no STARTTLS: enable it there, or use smtps:// if the port expects TLS."
                )
            }
            (Stage::Auth, Cause::NotOffered) => format!(
                "{endpoint} offers neither AUTH PLAIN nor AUTH LOGIN: enable one, \
                 or remove user and password from {setting}."
            ),
            (_, Cause::Plaintext) => format!(
                "{endpoint} offers no encryption, so the password was not sent: \
                 enable STARTTLS there, or use smtps://."
            ),
            (Stage::Auth, Cause::Reply(reply)) => {
                format!("{endpoint} rejected the login ({reply}): correct user and password in {setting}.")
            }
            (Stage::Mail, Cause::Reply(reply)) => format!(
                "{endpoint} rejected the sender ({reply}): \
                 set mail_from to an address that this login may send from."
            ),
            (Stage::Rcpt, Cause::Reply(reply)) => format!(
                "{endpoint} rejected mail to the address in mail_from ({reply}): \
                 make sure that it exists and that this host may relay."
            ),
            (Stage::Tls | Stage::Hello, Cause::Lost | Cause::Timeout) => {
                format!(
                    "{endpoint} does not respond like a mail server ({}): \
                     check the port, and whether the URL needs smtp:// or smtps://.",
                    self.cause
                )
            }
            (stage, cause) => {
                format!("{endpoint} failed at {} ({cause}): check the mail server's log.", stage.name())
            }
        }
    }
}

impl From<Failure> for MailError {
    fn from(failure: Failure) -> Self {
        let reply = failure.cause.to_string();
        if failure.is_permanent() { Self::Permanent { reply } } else { Self::Temporary { reply } }
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        Self { by_server: failure.is_by_server(), error: failure.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_permanent(stage: Stage, code: u16) -> bool {
        matches!(stage.failed(Cause::Reply(Reply::new(code, ""))).into(), MailError::Permanent { .. })
    }

    #[test]
    fn only_rejections_of_recipient_or_message_are_permanent() {
        for stage in [Stage::Rcpt, Stage::Data, Stage::Message] {
            assert!(is_permanent(stage, 550) && is_permanent(stage, 554), "{stage:?}");
            assert!(!is_permanent(stage, 451) && !is_permanent(stage, 530), "{stage:?}");
        }
        for stage in [Stage::Hello, Stage::StartTls, Stage::Auth, Stage::Mail] {
            assert!(!is_permanent(stage, 535) && !is_permanent(stage, 554), "{stage:?}");
        }
    }

    #[test]
    fn idle_connection_is_stale_unless_the_server_replies() {
        let rejection = |code| Cause::Reply(Reply::new(code, ""));
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
            for cause in [Cause::Lost, Cause::Timeout, Cause::Unreachable, rejection(421)] {
                assert!(stage.failed(cause.clone()).is_stale_connection(), "{stage:?} {cause}");
                assert!(!Stage::Message.failed(cause.clone()).is_stale_connection(), "{cause}");
                assert!(!Stage::Queue.failed(cause.clone()).is_stale_connection(), "{cause}");
            }
            assert!(!stage.failed(rejection(550)).is_stale_connection(), "{stage:?}");
        }
    }

    #[test]
    fn rejection_of_the_mail_itself_is_not_the_servers_fault() {
        let reply = |code| Cause::Reply(Reply::new(code, ""));
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message] {
            assert!(!stage.failed(reply(451)).is_by_server(), "{stage:?}");
            for cause in [Cause::Lost, reply(421)] {
                assert!(stage.failed(cause).is_by_server(), "{stage:?}");
            }
            // Before RCPT, a timeout is the server's.
            assert_eq!(stage.failed(Cause::Timeout).is_by_server(), stage == Stage::Mail, "{stage:?}");
        }
        for stage in [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Hello, Stage::StartTls, Stage::Auth] {
            assert!(stage.failed(reply(454)).is_by_server() && stage.failed(Cause::Timeout).is_by_server());
        }
    }

    #[test]
    fn reply_keeps_only_its_codes() {
        for (code, prose, expected) in [
            (550, "5.1.1 <canary@example.org> unknown", "550 5.1.1"),
            (550, "<canary@example.org> unknown", "550"),
            (550, "", "550"),
            (451, "4.7.1 come back later", "451 4.7.1"),
            (550, "2.1.1 contradicts itself", "550"),
            (550, "5.1 too short", "550"),
            (550, "5.1.canary@example.org", "550"),
        ] {
            assert_eq!(Reply::new(code, prose).to_string(), expected, "{prose}");
        }
    }
}

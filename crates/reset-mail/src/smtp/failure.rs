//! What can go wrong on the way to a mail server: where, why, and what that means.
//!
//! No server's prose gets past this file: it may quote the recipient's address (R70).

use std::{error::Error, fmt, io};

use lettre::transport::smtp::{self, response::Response};
use reset_core::error::MailError;
use rustls::CertificateError;

use crate::relay::SendError;

/// A server's reply, less its prose: `550 5.1.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    enhanced: Option<String>,
}

impl Reply {
    pub(super) fn new(code: u16, prose: &str) -> Self {
        let word = prose.split_whitespace().next().unwrap_or_default();
        let enhanced = is_enhanced(word, code / 100).then(|| word.to_owned());
        Self { code, enhanced }
    }

    /// Whether the enhanced code's subject is security or policy.
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

/// Whether `word` is `class.subject.detail` (RFC 3463) in agreement with the reply code.
fn is_enhanced(word: &str, class: u16) -> bool {
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = word.split('.').collect();
    matches!(parts[..], [first, subject, detail] if first == class.to_string() && number(subject) && number(detail))
}

/// How far a conversation got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waiting for one of the few connections.
    Turn,
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
    pub(super) fn failed(self, why: impl Into<Why>) -> Failure {
        Failure { stage: self, why: why.into() }
    }

    /// Name of the step in a diagnosis.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Turn => "turn",
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

/// Why a stage failed. `Display` is the short word for the job's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The server said no, or not now.
    Reply(Reply),
    /// Nobody listens.
    Refused,
    /// No route.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The host has no address.
    NoAddress,
    /// The handshake failed, with the fault where it is the certificate's.
    Tls(&'static str),
    /// The connection broke, or what came over it was no SMTP.
    Lost,
    /// The server lacks STARTTLS, or every AUTH mechanism we know.
    NotOffered,
    /// Credentials would have gone in plain text to another machine (R26).
    InClear,
}

impl fmt::Display for Why {
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
            Self::InClear => f.write_str("credentials need tls"),
        }
    }
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&io::Error> for Why {
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

impl From<smtp::Error> for Why {
    /// lettre has no word for a refused connection or a bad certificate (`is_tls` is false for the latter),
    /// so the causes are looked through.
    fn from(error: smtp::Error) -> Self {
        if let Some(code) = error.status() {
            let prose = error.source().map(ToString::to_string).unwrap_or_default();
            return Self::Reply(Reply::new(code.into(), &prose));
        }
        if error.is_client() {
            return Self::NotOffered;
        }
        let mut cause = error.source();
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return Self::from(io);
            }
            cause = error.source();
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
    pub(crate) why: Why,
}

impl Failure {
    /// Whether the connection went dead before the message was handed over. If it had lain idle, this means
    /// nothing but that it lay too long: the server hung up, or something on the way forgot about it and
    /// now drops what it gets.
    pub(super) fn is_stale_connection(&self) -> bool {
        !self.leaves_connection_usable() && matches!(self.stage, Stage::Mail | Stage::Rcpt | Stage::Data)
    }

    /// Whether the conversation can go on after RSET.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        matches!(&self.why, Why::Reply(reply) if reply.code != 421)
    }

    /// Whether the server refused this recipient or this message for good.
    ///
    /// A 5xx before RCPT is about us: a wrong password, a blocked network, an unwelcome sender. So is 530,
    /// 535 or 538 at any stage (RFC 4954: authenticate first), and 5.7.x at RCPT (RFC 3463: security or
    /// policy), such as "relay access denied". The operator can put that right, and no accepted mail may be
    /// lost while he does.
    fn is_final(&self) -> bool {
        let Why::Reply(reply) = &self.why else { return false };
        let about_us = match self.stage {
            Stage::Rcpt => reply.is_policy(),
            Stage::Data | Stage::Message => false,
            _ => true,
        };
        (500..600).contains(&reply.code) && !matches!(reply.code, 530 | 535 | 538) && !about_us
    }

    /// Whether the server is to blame, whatever the mail: it cannot be reached, turns us away, or breaks off. Its
    /// silence after it has heard the recipient may be that of the recipient's domain, which it asks first; and who
    /// waits for a turn in vain waits for such mails.
    fn is_by_server(&self) -> bool {
        match self.stage {
            Stage::Turn => false,
            Stage::Mail => !self.leaves_connection_usable(),
            Stage::Rcpt | Stage::Data | Stage::Message => {
                self.why != Why::Timeout && !self.leaves_connection_usable()
            }
            _ => true,
        }
    }

    /// The failure and its remedy in one sentence, for the operator. `place` is `host:port`,
    /// `setting` is where it was set.
    pub(super) fn sentence(&self, place: &str, setting: &str) -> String {
        match (self.stage, &self.why) {
            (Stage::Dns, _) => {
                format!("{place} has no address: correct the host in {setting}, or the resolver.")
            }
            (_, Why::Refused) => {
                format!(
                    "Nothing listens at {place}: start the mail server, or correct host and port in {setting}."
                )
            }
            (Stage::Tcp, _) => {
                format!("{place} cannot be reached: check the route, and that a firewall lets the port out.")
            }
            (_, Why::Tls(fault)) => format!(
                "TLS with {place} failed because {fault}: give the server a certificate for the host in {setting}, \
                 or name its issuer in SSL_CERT_FILE."
            ),
            (Stage::StartTls, Why::NotOffered) => {
                format!(
                    "{place} offers no STARTTLS: enable it there, or use smtps:// if the port speaks TLS."
                )
            }
            (Stage::Auth, Why::NotOffered) => format!(
                "{place} offers neither AUTH PLAIN nor AUTH LOGIN: enable one, \
                 or take user and password out of {setting}."
            ),
            (_, Why::InClear) => format!(
                "{place} offers no encryption, so the password was not sent: \
                 enable STARTTLS there, or use smtps://."
            ),
            (Stage::Auth, Why::Reply(reply)) => {
                format!("{place} refused the log-in ({reply}): correct user and password in {setting}.")
            }
            (Stage::Mail, Why::Reply(reply)) => format!(
                "{place} refused the sender ({reply}): \
                 set mail_from to an address that this log-in may send from."
            ),
            (Stage::Rcpt, Why::Reply(reply)) => format!(
                "{place} refused mail to the address in mail_from ({reply}): \
                 make sure it exists, and that this host may relay."
            ),
            (Stage::Tls | Stage::Hello, Why::Lost | Why::Timeout) => {
                format!(
                    "{place} does not greet as a mail server ({}): \
                     check the port, and smtp:// against smtps://.",
                    self.why
                )
            }
            (stage, why) => {
                format!("{place} failed at {} ({why}): look into the mail server's log.", stage.name())
            }
        }
    }
}

impl From<Failure> for MailError {
    fn from(failure: Failure) -> Self {
        let reply = failure.why.to_string();
        if failure.is_final() { Self::Permanent { reply } } else { Self::Temporary { reply } }
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
        matches!(stage.failed(Why::Reply(Reply::new(code, ""))).into(), MailError::Permanent { .. })
    }

    #[test]
    fn only_what_is_said_of_recipient_or_message_is_final() {
        for stage in [Stage::Rcpt, Stage::Data, Stage::Message] {
            assert!(is_permanent(stage, 550) && is_permanent(stage, 554), "{stage:?}");
            assert!(!is_permanent(stage, 451) && !is_permanent(stage, 530), "{stage:?}");
        }
        for stage in [Stage::Hello, Stage::StartTls, Stage::Auth, Stage::Mail] {
            assert!(!is_permanent(stage, 535) && !is_permanent(stage, 554), "{stage:?}");
        }
    }

    #[test]
    fn on_a_connection_that_lay_idle_all_but_an_answer_is_stale() {
        let refusal = |code| Why::Reply(Reply::new(code, ""));
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
            for why in [Why::Lost, Why::Timeout, Why::Unreachable, refusal(421)] {
                assert!(stage.failed(why.clone()).is_stale_connection(), "{stage:?} {why}");
                assert!(!Stage::Message.failed(why.clone()).is_stale_connection(), "{why}");
                assert!(!Stage::Turn.failed(why.clone()).is_stale_connection(), "{why}");
            }
            assert!(!stage.failed(refusal(550)).is_stale_connection(), "{stage:?}");
        }
    }

    #[test]
    fn only_an_answer_to_the_mail_itself_is_not_about_the_server() {
        let reply = |code| Why::Reply(Reply::new(code, ""));
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Message] {
            assert!(!stage.failed(reply(451)).is_by_server(), "{stage:?}");
            for why in [Why::Lost, reply(421)] {
                assert!(stage.failed(why).is_by_server(), "{stage:?}");
            }
            // Until the recipient is named, silence is the server's.
            assert_eq!(stage.failed(Why::Timeout).is_by_server(), stage == Stage::Mail, "{stage:?}");
        }
        for stage in [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Hello, Stage::StartTls, Stage::Auth] {
            assert!(stage.failed(reply(454)).is_by_server() && stage.failed(Why::Timeout).is_by_server());
        }
    }

    #[test]
    fn of_a_reply_only_its_digits_are_kept() {
        for (code, prose, kept) in [
            (550, "5.1.1 <canary@example.org> unknown", "550 5.1.1"),
            (550, "<canary@example.org> unknown", "550"),
            (550, "", "550"),
            (451, "4.7.1 come back later", "451 4.7.1"),
            (550, "2.1.1 contradicts itself", "550"),
            (550, "5.1 too short", "550"),
            (550, "5.1.canary@example.org", "550"),
        ] {
            assert_eq!(Reply::new(code, prose).to_string(), kept, "{prose}");
        }
    }
}

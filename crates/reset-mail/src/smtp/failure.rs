//! Failures of an SMTP conversation: the stage, the cause, and what follows from them.

use std::{fmt, io};

use reset_core::error::MailError;
use rustls::CertificateError;

use super::reply::{Concern, Reply};
use crate::relay::SendError;

/// Stage of a conversation, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Waiting for one of the connections.
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
    /// The message, before the final dot is sent.
    Transfer,
    /// The reply to the message. Without one, the server may have accepted the mail.
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
            Self::Data | Self::Transfer | Self::Message => "data",
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
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The connection broke, or the server did not speak SMTP.
    Lost,
    /// The server lacks STARTTLS, or every supported AUTH mechanism.
    NotOffered,
    /// Credentials would have crossed the network in plain text (R26).
    Plaintext,
    /// No connection is free, or the server accepts no further one while others work.
    Busy,
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsFault {
    /// No trust anchor issued the certificate.
    UnknownIssuer,
    /// The certificate is for another host.
    OtherName,
    /// The certificate's validity is over.
    Expired,
    /// The certificate's validity has not begun.
    NotYetValid,
    /// The certificate has none of the pinned fingerprints.
    OtherPin,
    /// The certificate is not acceptable for another reason: a self-signed CA certificate, for example.
    Unacceptable,
    /// The server replied with something other than TLS.
    NotTls,
    /// The server sent text between its reply to STARTTLS and the handshake.
    Injected,
    /// The two sides share no version or cipher.
    Mismatch,
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
            Self::Busy => f.write_str("mail server busy"),
        }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(TlsFault::of(tls));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Lost,
        }
    }
}

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(fault) => match fault {
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::OtherName
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                CertificateError::ApplicationVerificationFailure => Self::OtherPin,
                _ => Self::Unacceptable,
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Mismatch,
        }
    }
}

/// A conversation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) cause: Cause,
}

impl Failure {
    /// Returns whether an idle connection had died before the mail: the server closed it, or a firewall dropped its state
    /// and now drops its packets. Silence counts at the first command only, because a reply proves that the
    /// connection is alive.
    pub(super) fn is_stale_connection(&self) -> bool {
        match self.stage {
            Stage::Mail => !self.leaves_connection_usable(),
            Stage::Rcpt | Stage::Data => !self.leaves_connection_usable() && self.cause != Cause::Timeout,
            _ => false,
        }
    }

    /// Returns whether the connection can be used again after RSET.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        matches!(&self.cause, Cause::Reply(reply) if !reply.closes_connection())
    }

    /// Returns whether the server may have reached its limit of concurrent connections, if others work at this moment.
    pub(super) fn may_be_connection_limit(&self) -> bool {
        match (self.stage, &self.cause) {
            (Stage::Tcp, Cause::Refused)
            | (Stage::Tcp | Stage::Tls | Stage::Hello, Cause::Lost)
            | (Stage::Hello, Cause::Reply(_)) => true,
            (Stage::StartTls | Stage::Auth | Stage::Mail, Cause::Reply(reply)) => reply.is_busy(),
            (_, Cause::Reply(reply)) => reply.is_system_busy(),
            _ => false,
        }
    }

    /// Returns what the failure is about.
    pub(super) fn concern(&self) -> Concern {
        match &self.cause {
            Cause::Reply(reply) => reply.concern(self.stage),
            _ => Concern::Connection,
        }
    }

    /// Returns whether the failure is the server's, independent of the mail: it is unreachable, rejects the client, or
    /// drops the connection. A timeout from RCPT on does not count, because the server may be waiting for the
    /// recipient's domain.
    fn is_by_server(&self) -> bool {
        match self.stage {
            Stage::Queue => false,
            _ if self.cause == Cause::Busy => false,
            Stage::Mail => !self.leaves_connection_usable(),
            Stage::Rcpt | Stage::Data | Stage::Transfer | Stage::Message => {
                self.cause != Cause::Timeout && !self.leaves_connection_usable()
            }
            _ => true,
        }
    }
}

impl From<Failure> for MailError {
    fn from(failure: Failure) -> Self {
        let reply = failure.cause.to_string();
        match &failure.cause {
            Cause::Busy => Self::Busy { reply, only_domain: false },
            Cause::Reply(of_server)
                if of_server.is_permanent() && failure.concern() == Concern::Recipient =>
            {
                Self::Permanent { reply }
            }
            Cause::Reply(_) => Self::Temporary { reply },
            _ if failure.stage == Stage::Message => Self::Uncertain { reply },
            _ => Self::Temporary { reply },
        }
    }
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        Self {
            by_server: failure.is_by_server(),
            rejects_sender: failure.concern() == Concern::Sender && !failure.is_by_server(),
            error: failure.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(stage: Stage, cause: Cause) -> MailError {
        stage.failed(cause).into()
    }

    fn reply(code: u16) -> Cause {
        Cause::Reply(Reply::new(code, ""))
    }

    #[test]
    fn only_a_rejected_recipient_is_permanent() {
        assert!(matches!(error(Stage::Rcpt, reply(550)), MailError::Permanent { .. }));
        for (stage, code) in [
            (Stage::Rcpt, 451),
            (Stage::Rcpt, 530),
            (Stage::Data, 554),
            (Stage::Message, 554),
            (Stage::Hello, 554),
            (Stage::Auth, 535),
            (Stage::Mail, 550),
        ] {
            assert!(matches!(error(stage, reply(code)), MailError::Temporary { .. }), "{stage:?} {code}");
        }
    }

    #[test]
    fn mail_without_a_reply_is_uncertain_only_after_the_final_dot() {
        for cause in [Cause::Lost, Cause::Timeout] {
            assert!(matches!(error(Stage::Message, cause.clone()), MailError::Uncertain { .. }));
            for stage in [Stage::Transfer, Stage::Data, Stage::Rcpt] {
                assert!(matches!(error(stage, cause.clone()), MailError::Temporary { .. }), "{stage:?}");
            }
        }
        assert!(matches!(error(Stage::Message, reply(421)), MailError::Temporary { .. }));
    }

    #[test]
    fn idle_connection_is_stale_unless_the_server_replies() {
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
            for cause in [Cause::Lost, Cause::Unreachable, reply(421)] {
                assert!(stage.failed(cause.clone()).is_stale_connection(), "{stage:?} {cause}");
                assert!(!Stage::Message.failed(cause.clone()).is_stale_connection(), "{cause}");
                assert!(!Stage::Queue.failed(cause.clone()).is_stale_connection(), "{cause}");
            }
            assert!(!stage.failed(reply(550)).is_stale_connection(), "{stage:?}");
            assert_eq!(stage.failed(Cause::Timeout).is_stale_connection(), stage == Stage::Mail);
        }
    }

    #[test]
    fn rejection_of_the_mail_itself_is_not_the_servers_fault() {
        for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Transfer, Stage::Message] {
            assert!(!stage.failed(reply(451)).is_by_server(), "{stage:?}");
            for cause in [Cause::Lost, reply(421)] {
                assert!(stage.failed(cause).is_by_server(), "{stage:?}");
            }
            // Before RCPT, a timeout is the server's.
            assert_eq!(stage.failed(Cause::Timeout).is_by_server(), stage == Stage::Mail, "{stage:?}");
        }
        for stage in [Stage::Dns, Stage::Tcp, Stage::Tls, Stage::Hello, Stage::StartTls, Stage::Auth] {
            assert!(stage.failed(reply(454)).is_by_server() && stage.failed(Cause::Timeout).is_by_server());
            assert!(!stage.failed(Cause::Busy).is_by_server());
        }
    }
}

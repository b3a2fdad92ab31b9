//! A mail server's reply, and what it is about.
//!
//! A server's prose never leaves this file, because it may quote the recipient's address (R70).

use std::fmt;

use super::failure::Stage;

/// A server's reply without its prose, such as `550 5.1.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
}

/// Subject and detail of an enhanced status code (RFC 3463). The class is the first digit of the reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enhanced {
    subject: u16,
    detail: u16,
}

/// What a failure is about. Only a permanent failure of the recipient ends a mail: the operator or the server's
/// administrator can remedy the others, and no accepted mail may be lost until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// The recipient's address or mailbox.
    Recipient,
    /// The sender, the account, its quota, the server's policy, or the content of the mail.
    Sender,
    /// The connection or the mail server itself.
    Connection,
}

impl Reply {
    pub(super) fn new(code: u16, prose: &str) -> Self {
        let first_word = prose.split_whitespace().next().unwrap_or_default();
        Self { code, enhanced: Enhanced::parse(first_word, code / 100) }
    }

    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    /// Returns whether the server closes the connection (RFC 5321, 3.8).
    pub(super) fn closes_connection(&self) -> bool {
        self.code == 421
    }

    /// Returns whether this temporary reply says that the server accepts no more from this client at the moment: 421,
    /// x.3.2 (system not accepting messages; Microsoft 365 replies `432 4.3.2` to the fourth connection), or x.7.x.
    pub(super) fn is_busy(&self) -> bool {
        self.closes_connection() || (self.is_temporary() && matches!(self.parts(), Some((3, 2) | (7, _))))
    }

    /// Returns whether the server could not take this mail because too many others are under way, at any stage.
    pub(super) fn is_system_busy(&self) -> bool {
        self.is_temporary() && self.parts() == Some((3, 2))
    }

    fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    fn parts(&self) -> Option<(u16, u16)> {
        self.enhanced.map(|Enhanced { subject, detail }| (subject, detail))
    }

    /// Returns what this error reply at `stage` is about.
    ///
    /// The stage decides first, then the enhanced status code (RFC 3463), then the reply code. At RCPT a 5xx is about
    /// the recipient unless its codes say otherwise. After the recipient was accepted, it is about the mail unless its
    /// codes name the recipient: a bare 554 is how providers reject an unverified sender or an exceeded quota.
    pub(super) fn concern(&self, stage: Stage) -> Concern {
        if !self.is_temporary() && !self.is_permanent() {
            return Concern::Connection;
        }
        // RFC 4954: authenticate first; wrong credentials; encryption needed.
        if matches!(self.code, 530 | 535 | 538) {
            return Concern::Sender;
        }
        match stage {
            Stage::Auth if self.is_permanent() => Concern::Sender,
            Stage::Mail if self.is_permanent() || self.concerns_sender() => Concern::Sender,
            Stage::Rcpt | Stage::Data | Stage::Transfer | Stage::Message if self.is_temporary() => {
                // Greylisting replies 4.7.1 and depends on the recipient, so a temporary reply after RCPT proves nothing
                // about the sender.
                if self.closes_connection() || self.is_system_busy() {
                    Concern::Connection
                } else {
                    Concern::Recipient
                }
            }
            Stage::Rcpt if self.concerns_sender() => Concern::Sender,
            Stage::Rcpt => Concern::Recipient,
            Stage::Data | Stage::Transfer | Stage::Message if self.names_recipient() => Concern::Recipient,
            Stage::Data | Stage::Transfer | Stage::Message => Concern::Sender,
            _ => Concern::Connection,
        }
    }

    /// Returns whether the codes name the sender, its account, its quota or a policy.
    fn concerns_sender(&self) -> bool {
        match self.parts() {
            // RFC 3463 defines 0 to 4, all of the recipient's mailbox. Larger details are Microsoft's, such as
            // `554 5.2.252 SendAsDenied`.
            Some((2, detail)) => detail > 4,
            // Bad sender's mailbox or system; congestion, with which Gmail reports an exceeded daily quota; security or
            // policy, such as "relay access denied".
            Some((1, 7 | 8) | (4, 5) | (7, _)) => true,
            // 500 to 504 are about the command, 521 about the host, and 554 is "transaction failed"; 550 to 553 and 556
            // are about the mailbox (RFC 5321, 4.2.3; RFC 7504).
            None | Some((0 | 3 | 5, _)) => matches!(self.code, 500..=504 | 521 | 554),
            Some(_) => false,
        }
    }

    /// Returns whether the enhanced code names the recipient: bad address, moved, null MX, or a mailbox that is disabled
    /// or full.
    fn names_recipient(&self) -> bool {
        matches!(self.parts(), Some((1, 1 | 2 | 3 | 6 | 10) | (2, 1..=4)))
    }
}

impl Enhanced {
    /// Parses `class.subject.detail` if the class is that of the reply code.
    fn parse(word: &str, class: u16) -> Option<Self> {
        let number = |part: &str| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse().ok() } else { None }
        };
        let mut parts = word.split('.');
        let (first, subject, detail) = (parts.next()?, number(parts.next()?)?, number(parts.next()?)?);
        (first == class.to_string() && parts.next().is_none()).then_some(Self { subject, detail })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match self.parts() {
            Some((subject, detail)) => write!(f, " {}.{subject}.{detail}", self.code / 100),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_keeps_only_its_codes() {
        for (code, prose, expected) in [
            (550, "5.1.1 <canary@example.org> unknown", "550 5.1.1"),
            (550, "<canary@example.org> unknown", "550"),
            (550, "", "550"),
            (451, "4.7.1 come back later", "451 4.7.1"),
            (554, "5.2.252 SendAsDenied", "554 5.2.252"),
            (550, "2.1.1 contradicts itself", "550"),
            (550, "5.1 too short", "550"),
            (550, "5.1.1.1 too long", "550"),
            (550, "5.1.canary@example.org", "550"),
        ] {
            assert_eq!(Reply::new(code, prose).to_string(), expected, "{prose}");
        }
    }

    #[test]
    fn rejection_is_about_the_recipient_only_if_stage_and_codes_say_so() {
        use Concern::{Connection, Recipient, Sender};
        for (stage, code, prose, expected) in [
            (Stage::Rcpt, 550, "5.1.1", Recipient),
            (Stage::Rcpt, 550, "", Recipient),
            (Stage::Rcpt, 553, "", Recipient),
            (Stage::Rcpt, 552, "5.2.2", Recipient),
            (Stage::Rcpt, 550, "5.4.1", Recipient),
            (Stage::Rcpt, 556, "5.1.10", Recipient),
            (Stage::Rcpt, 550, "5.1.8", Sender),
            (Stage::Rcpt, 553, "5.1.7", Sender),
            (Stage::Rcpt, 550, "5.2.252", Sender),
            (Stage::Rcpt, 550, "5.4.5", Sender),
            (Stage::Rcpt, 554, "5.7.1", Sender),
            (Stage::Rcpt, 554, "", Sender),
            (Stage::Rcpt, 503, "5.5.1", Sender),
            (Stage::Rcpt, 530, "", Sender),
            (Stage::Rcpt, 451, "4.7.1", Recipient),
            (Stage::Rcpt, 421, "4.7.0", Connection),
            (Stage::Mail, 550, "5.1.1", Sender),
            (Stage::Mail, 452, "4.3.1", Connection),
            (Stage::Mail, 450, "4.1.8", Sender),
            (Stage::Auth, 535, "5.7.8", Sender),
            (Stage::Auth, 454, "4.7.0", Connection),
            (Stage::Hello, 554, "5.7.1", Connection),
            (Stage::Data, 554, "5.5.1", Sender),
            (Stage::Message, 554, "", Sender),
            (Stage::Message, 554, "5.2.252", Sender),
            (Stage::Message, 554, "5.7.1", Sender),
            (Stage::Message, 552, "5.3.4", Sender),
            (Stage::Message, 552, "", Sender),
            (Stage::Message, 552, "5.2.2", Recipient),
            (Stage::Message, 550, "5.1.1", Recipient),
            (Stage::Message, 550, "5.1.8", Sender),
            (Stage::Message, 550, "5.2.1", Recipient),
            (Stage::Message, 451, "4.3.0", Recipient),
            (Stage::Message, 432, "4.3.2", Connection),
        ] {
            assert_eq!(Reply::new(code, prose).concern(stage), expected, "{stage:?} {code} {prose}");
        }
    }
}

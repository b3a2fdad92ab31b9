//! The sentences of a diagnosis: what failed, and what the operator can do.

use super::failure::{Cause, Failure, Stage, TlsFault};

impl Failure {
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
            (stage, Cause::Tls(fault)) => of_tls(stage, *fault, endpoint, setting),
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
                "{endpoint} is not encrypted, so the password was not sent: \
                 enable STARTTLS there, remove tls=none from {setting}, or use smtps://."
            ),
            (Stage::Auth, Cause::Reply(reply)) => {
                format!("{endpoint} rejected the login ({reply}): correct user and password in {setting}.")
            }
            (Stage::Auth, Cause::Lost) => format!(
                "{endpoint} ended the connection during the login, or replied out of step: \
                 check user and password in {setting}, and the mail server's log."
            ),
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

/// Each fault of a certificate has its own remedy: an issuer can be trusted, a name cannot.
fn of_tls(stage: Stage, fault: TlsFault, endpoint: &str, setting: &str) -> String {
    match fault {
        TlsFault::UnknownIssuer => format!(
            "The certificate of {endpoint} has an unknown issuer: name the issuer's certificate with \
             ?ca=/path/to/ca.pem in {setting}, or pin the server's certificate with ?pin=sha256:…."
        ),
        TlsFault::OtherName => format!(
            "The certificate of {endpoint} is for another name: use a host of the certificate in {setting}, \
             or pin the certificate with ?pin=sha256:…."
        ),
        TlsFault::Expired => {
            format!("The certificate of {endpoint} has expired: renew it on the mail server.")
        }
        TlsFault::NotYetValid => format!(
            "The certificate of {endpoint} is not valid yet: check the clocks of this host and of the mail server."
        ),
        TlsFault::OtherPin => format!(
            "The certificate of {endpoint} has none of the fingerprints in {setting}: if the mail server has a new \
             certificate, update pin=; otherwise another server answers at this address."
        ),
        TlsFault::Unacceptable => format!(
            "The certificate of {endpoint} is not acceptable as a server's, as a self-signed CA certificate is not: \
             replace it, or pin it with ?pin=sha256:… in {setting}."
        ),
        TlsFault::NotTls if stage == Stage::Tls => format!(
            "{endpoint} does not speak TLS from the start: use smtp:// instead of smtps:// in {setting}, \
             or the port for implicit TLS, usually 465."
        ),
        TlsFault::NotTls | TlsFault::Injected => format!(
            "{endpoint} sent plain text after its reply to STARTTLS: check the mail server, \
             and that nothing on the way changes the traffic."
        ),
        TlsFault::Mismatch => format!(
            "TLS with {endpoint} failed because the two sides share no version or cipher: \
             enable TLS 1.2 or 1.3 on the mail server."
        ),
    }
}

//! Sends a sample mail for a diagnosis: the same work as for a real one, and the server's own words in the end.

use reset_core::{email::EmailAddress, mail::Mail};

use crate::{
    DiagnosisStep, MailKind, MailService, message::ComposedMail, templates::sample_mail, transport::Transport,
};

/// Longest reply that is printed, in characters.
const REPLY_MAX: usize = 300;

impl MailService {
    /// Sends a sample mail with an invented code to `to`, through each configured transport, and returns one step for each.
    /// `id` is the `Message-ID` before the `@`: letters, digits, `-` and `_`.
    ///
    /// The steps contain what the mail server replied, which can repeat the address: they are for the terminal of the
    /// operator who typed it, and not for a log.
    pub async fn send_sample(&self, to: &EmailAddress, id: &str) -> Vec<DiagnosisStep> {
        // A code, because its mail has no link.
        let sample = sample_mail(MailKind::ResetCode, "", None, "", false);
        let mail = Mail { to: to.key().to_owned(), name: None, message_id: id.to_owned(), ..sample };
        let composed = match self.composer.compose(&mail) {
            Ok(composed) => composed,
            Err(error) => {
                return vec![DiagnosisStep {
                    setting: "mail_url",
                    name: "sample",
                    result: Err(error.to_string()),
                }];
            }
        };
        let mut steps = Vec::new();
        for relay in &self.relays {
            for transport in &relay.transports {
                let result = transport.send_sample(&composed, relay.setting).await;
                steps.push(DiagnosisStep { setting: relay.setting, name: "sample", result });
            }
        }
        steps
    }
}

impl Transport {
    /// Sends the mail and returns a sentence: what the server replied, or the failure and its remedy.
    async fn send_sample(&self, composed: &ComposedMail, setting: &str) -> Result<String, String> {
        let to = &composed.to;
        match self {
            Self::Smtp(smtp) => {
                let reply = smtp
                    .send_sample(composed)
                    .await
                    .map_err(|failure| smtp.describe_sample(&failure, setting))?;
                let reply = printable(&reply);
                let queued = match queue_id(&reply) {
                    Some(id) => format!("; queue id {id}, for the mail server's log"),
                    None => String::new(),
                };
                Ok(format!("accepted for {to}: {reply}{queued}. Check that it arrives, and not among spam"))
            }
            Self::File(folder) => {
                folder.put(composed).await.map_err(|error| error.to_string())?;
                Ok("written to a file; nothing was sent".to_owned())
            }
            Self::Stdout(terminal) => {
                terminal.print(composed).await.map_err(|error| error.to_string())?;
                Ok("printed; nothing was sent".to_owned())
            }
        }
    }
}

/// Returns the reply without control characters, which could change the terminal, and not longer than a few lines.
fn printable(reply: &str) -> String {
    reply.chars().filter(|char| !char.is_control()).take(REPLY_MAX).collect()
}

/// Finds the queue id in a reply, as Postfix (`queued as 4XyZ`), Exim (`OK id=1abc-2`) and Haraka (`Message Queued (ID)`)
/// write it.
fn queue_id(reply: &str) -> Option<&str> {
    let after = ["queued as ", "OK id=", "Message Queued ("]
        .iter()
        .find_map(|mark| Some(reply.split_once(mark)?.1))?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    let id = after.split(|char| !plain(char)).next().unwrap_or_default().trim_end_matches('.');
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_id_is_found_in_the_replies_of_common_servers() {
        for (reply, id) in [
            ("250 2.0.0 Ok: queued as 4XyZ1234", Some("4XyZ1234")),
            ("250 2.0.0 Ok: queued as 4XyZ.", Some("4XyZ")),
            ("250 OK id=1tGQkP-000abc-2F", Some("1tGQkP-000abc-2F")),
            ("250 Message Queued (A1B2.3)", Some("A1B2.3")),
            ("250 2.0.0 OK 1733000000 a-b - gsmtp", None),
            ("250 queued as ", None),
        ] {
            assert_eq!(queue_id(reply), id, "{reply}");
        }
    }

    #[test]
    fn reply_cannot_change_the_terminal() {
        assert_eq!(printable("250 \u{1b}[31mOk\u{7}"), "250 [31mOk");
        assert_eq!(printable(&"x".repeat(1000)).len(), REPLY_MAX);
    }
}

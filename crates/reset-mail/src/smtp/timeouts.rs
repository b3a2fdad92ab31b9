//! Timeouts of a conversation with a mail server.

use std::time::Duration;

/// Longest wait for each stage. The defaults are the minima of RFC 5321, 4.5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timeouts {
    /// For the resolver.
    pub(super) lookup: Duration,
    /// For each address to connect to.
    pub(super) connect: Duration,
    /// For all addresses of the server together.
    pub(super) dial: Duration,
    /// For the TLS handshake.
    pub(super) handshake: Duration,
    /// For the first command on an idle connection, which a new connection can replace.
    pub(super) after_idle: Duration,
    /// For the greeting, and for each command up to RCPT.
    pub(super) command: Duration,
    /// For the reply to DATA.
    pub(super) data: Duration,
    /// For each block of the message.
    pub(super) block: Duration,
    /// For the reply to the final dot, before which servers scan the mail. Nothing shortens it: a mail whose outcome is
    /// unknown may arrive twice.
    pub(super) message: Duration,
}

/// Longest wait for each stage while another mail server is configured.
pub(super) const WITH_ALTERNATIVE: Duration = Duration::from_secs(20);

/// Longest wait for each stage of a check or a diagnosis.
pub(super) const OF_CHECK: Duration = Duration::from_secs(30);

impl Default for Timeouts {
    fn default() -> Self {
        let (seconds, minutes) = (Duration::from_secs, |minutes: u64| Duration::from_secs(60 * minutes));
        Self {
            lookup: seconds(30),
            connect: seconds(30),
            dial: minutes(2),
            handshake: minutes(2),
            after_idle: seconds(3),
            command: minutes(5),
            data: minutes(2),
            block: minutes(3),
            message: minutes(10),
        }
    }
}

impl Timeouts {
    /// The same with at most `limit` for each stage before the final dot.
    pub(super) fn capped(self, limit: Duration) -> Self {
        Self {
            lookup: self.lookup.min(limit),
            connect: self.connect.min(limit),
            dial: self.dial.min(limit),
            handshake: self.handshake.min(limit),
            after_idle: self.after_idle.min(limit),
            command: self.command.min(limit),
            data: self.data.min(limit),
            block: self.block.min(limit),
            message: self.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_below_the_minimum_of_the_standard() {
        let timeouts = Timeouts::default();
        let minutes = |duration: Duration| duration.as_secs() / 60;
        assert_eq!(
            [timeouts.command, timeouts.data, timeouts.block, timeouts.message].map(minutes),
            [5, 2, 3, 10]
        );
    }

    #[test]
    fn cap_shortens_every_stage_except_the_reply_to_the_message() {
        let capped = Timeouts::default().capped(WITH_ALTERNATIVE);
        assert_eq!(
            (capped.command, capped.connect, capped.block),
            (WITH_ALTERNATIVE, WITH_ALTERNATIVE, WITH_ALTERNATIVE)
        );
        assert_eq!(capped.message, Timeouts::default().message);
        assert_eq!(capped.after_idle, Timeouts::default().after_idle);
    }
}

//! The actions of the model.

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client requests a link.
    RequestLink,
    /// A client requests a code, which is exchanged for a token.
    RequestCode,
    /// A worker claims a job and prepares it.
    Claim,
    /// The worker that claimed first sends its mail and records the result, perhaps after its lease.
    Finish,
    /// The worker that claimed first dies.
    Die,
    /// The worker that claimed first dies after its mail was sent.
    DieAfterMail,
    /// The newest secret is used, after an exchange if it is a code.
    UseNewest,
    /// The oldest secret is used.
    UseOldest,
    /// The newest code is exchanged for a token.
    Exchange,
    /// An attacker guesses a wrong code.
    Guess,
    /// The owner presses the button behind the newest notice.
    Dispute,
    /// Time passes, longer than a lease.
    Pause,
    /// Time passes, longer than a secret lives.
    Expire,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 13] = [
        Self::RequestLink,
        Self::RequestCode,
        Self::Claim,
        Self::Finish,
        Self::Die,
        Self::DieAfterMail,
        Self::UseNewest,
        Self::UseOldest,
        Self::Exchange,
        Self::Guess,
        Self::Dispute,
        Self::Pause,
        Self::Expire,
    ];
}

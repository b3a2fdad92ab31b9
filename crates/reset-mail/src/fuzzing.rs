//! Entrances for the targets in `fuzz/`. Compiled only by `cargo fuzz`, which sets `cfg(fuzzing)`.

use reset_core::mail::Mail;

pub use crate::smtp::fuzzing::{framed, read_reply};
use crate::{MailService, TransportConfig};

/// Composes a mail as it would be sent, from the sender `mail_from`. `None` if a setting or the address is rejected.
pub fn compose(mail_from: &str, mail: &Mail) -> Option<Vec<u8>> {
    let service = MailService::new(vec![TransportConfig::Stdout], mail_from, "example.com").ok()?;
    service.composer.compose(mail).ok().map(|composed| composed.bytes)
}

//! Entrances for the targets in `fuzz/`. Compiled only by `cargo fuzz`, which sets `cfg(fuzzing)`.

use std::sync::{LazyLock, Mutex};

use reset_core::mail::Mail;

pub use crate::smtp::fuzzing::{framed, read_reply};
use crate::{MailService, TransportConfig, sender::sender};

/// Composes a mail as it would be sent, from the sender `mail_from`. `None` if a setting or the address is rejected.
pub fn compose(mail_from: &str, mail: &Mail) -> Option<Vec<u8>> {
    static SERVICE: LazyLock<Mutex<MailService>> = LazyLock::new(|| {
        let service = MailService::new(vec![TransportConfig::Stdout], "no-reply@example.com", "example.com");
        Mutex::new(service.expect("the settings are valid"))
    });
    let from = sender(mail_from)?;
    let mut service = SERVICE.lock().ok()?;
    service.composer.set_from(from);
    service.composer.compose(mail).ok().map(|composed| composed.bytes)
}

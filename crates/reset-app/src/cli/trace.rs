//! `trace REF`: what happened to one reset, line by line.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use reset_core::{
    email::EmailAddress,
    event::{Event, EventKind},
    job::Reference,
    keys::Keys,
};
use reset_http::iso;

use super::print;
use crate::{deployment, settings::Settings};

/// Resets that an address is searched for.
const ASKS: u32 = 20;

#[derive(Args)]
pub(super) struct TraceArgs {
    /// What the answer's X-Reset-Reference said; or an address, to list what was asked with it lately
    #[arg(value_name = "REF")]
    reference: String,
}

pub(super) async fn run(settings: Settings, arguments: TraceArgs) -> Result<ExitCode> {
    let store = deployment::existing_store(&settings).await?;
    if arguments.reference.contains('@') {
        let email = EmailAddress::parse(&arguments.reference)?;
        let roots = settings.database.secret.existing_roots()?;
        let mut asks = Vec::new();
        for tag in Keys::rotated(&roots).address_tags(&email) {
            asks.extend(store.asked_with(&tag, ASKS).await?);
        }
        if asks.is_empty() {
            bail!("nothing was asked with this address, or it is forgotten already");
        }
        print(&asks.iter().map(asked).collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    // People read it aloud, and type it back.
    let reference = arguments.reference.trim().to_ascii_uppercase();
    let events = store.trace(&Reference::stored(&reference)).await?;
    if events.is_empty() {
        bail!("there is no reset with the reference {reference}, or it is forgotten already");
    }
    print(&events.iter().map(line).collect::<String>());
    Ok(ExitCode::SUCCESS)
}

fn asked(event: &Event) -> String {
    let reference = event.reference.as_ref().map_or("", |reference| reference.as_str());
    format!("{}  {reference}  {:<9}  {}\n", iso(event.at), event.kind.name(), event.dialect)
}

/// The time, what happened, and what is known of it.
fn line(event: &Event) -> String {
    let mut text = format!("{}  {:<9}  {}", iso(event.at), event.kind.name(), event.dialect);
    if !event.detail.is_empty() {
        let _ = write!(text, "  {}", event.detail);
    }
    if let Some(network) = &event.network {
        let _ = write!(text, "  from {}", network.as_str());
    }
    if let Some(account) = event.account.as_ref().filter(|_| event.kind == EventKind::Matched) {
        let _ = write!(text, "  account {}", account.as_str());
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use reset_core::{account::AccountId, event::Network, time::Timestamp};

    use super::*;

    #[test]
    fn a_line_says_when_what_and_what_is_known() {
        let at = Timestamp::from_millis(1_768_574_400_000);
        let mailed =
            Event { dialect: "px0".to_owned(), ..Event::new(EventKind::Mailed, at).saying("250 2.0.0") };
        assert_eq!(line(&mailed), "2026-01-16T14:40:00.000Z  mailed     px0  250 2.0.0\n");
        let matched = Event {
            dialect: "px0".to_owned(),
            network: Some(Network::of([192, 0, 2, 7].into())),
            ..Event::new(EventKind::Matched, at).of(&AccountId::new("7")).saying("code")
        };
        assert_eq!(
            line(&matched),
            "2026-01-16T14:40:00.000Z  matched    px0  code  from 192.0.2.7  account 7\n"
        );
    }
}

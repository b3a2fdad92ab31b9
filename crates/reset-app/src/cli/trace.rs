//! `trace`: the events of one reset, one per line, or the recent resets of an address.

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

/// Most recent resets listed for an address.
const RECENT_RESETS: u32 = 20;

#[derive(Args)]
pub(super) struct TraceArgs {
    /// The X-Reset-Reference value of a response, or an email address whose recent resets to list
    #[arg(value_name = "REF")]
    reference: String,
}

pub(super) async fn run(settings: Settings, arguments: TraceArgs) -> Result<ExitCode> {
    let store = deployment::existing_store(&settings).await?;
    if arguments.reference.contains('@') {
        let email = EmailAddress::parse(&arguments.reference)?;
        let roots = settings.database.secret.existing_roots()?;
        let mut requests = Vec::new();
        for tag in Keys::rotated(&roots).address_tags(&email) {
            requests.extend(store.asked_with(&tag, RECENT_RESETS).await?);
        }
        if requests.is_empty() {
            bail!("no resets recorded for this address (they may have been purged after audit.retention)");
        }
        print(&requests.iter().map(format_request).collect::<String>());
        return Ok(ExitCode::SUCCESS);
    }
    // Users read a reference aloud or retype it.
    let reference = arguments.reference.trim().to_ascii_uppercase();
    let events = store.trace(&Reference::stored(&reference)).await?;
    if events.is_empty() {
        bail!(
            "no reset with the reference {reference} (its events may have been purged after audit.retention)"
        );
    }
    print(&events.iter().map(format_event).collect::<String>());
    Ok(ExitCode::SUCCESS)
}

/// The time, the reference, the kind of the event and the dialect of one reset request.
fn format_request(event: &Event) -> String {
    let reference = event.reference.as_ref().map_or("", |reference| reference.as_str());
    format!("{}  {reference}  {:<9}  {}\n", iso(event.at), event.kind.name(), event.dialect)
}

/// The time, the kind of the event, the dialect, and the details that were recorded.
fn format_event(event: &Event) -> String {
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
    fn event_line_shows_time_kind_and_details() {
        let at = Timestamp::from_millis(1_768_574_400_000);
        let mailed =
            Event { dialect: "px0".to_owned(), ..Event::new(EventKind::Mailed, at).saying("250 2.0.0") };
        assert_eq!(format_event(&mailed), "2026-01-16T14:40:00.000Z  mailed     px0  250 2.0.0\n");
        let matched = Event {
            dialect: "px0".to_owned(),
            network: Some(Network::of([192, 0, 2, 7].into())),
            ..Event::new(EventKind::Matched, at).of(&AccountId::new("7")).saying("code")
        };
        assert_eq!(
            format_event(&matched),
            "2026-01-16T14:40:00.000Z  matched    px0  code  from 192.0.2.7  account 7\n"
        );
    }
}

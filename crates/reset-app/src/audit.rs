//! The export format of the audit log: JSON Lines, one event per line, after a first line with the start of the chain.

use reset_core::{
    account::AccountId,
    audit::{Broken, Mark, Seal, Sealed, Sealer, Verified, Walk},
    event::{AddressTag, Event, EventKind, Network},
    job::{JobId, Reference},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use reset_http::wire::iso;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// The mark that the first event follows.
    after: String,
}

/// Every other line. The seal covers all fields but `time`, which repeats `at` in readable form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    place: i64,
    at: i64,
    time: String,
    kind: String,
    dialect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    detail: String,
    seal: String,
}

/// Why the verification of an export fails.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadExport {
    /// A line does not parse.
    #[error("line {0} is not valid in an audit export: the file is damaged, or it is not an export")]
    Line(usize),
    /// The chain of seals is broken.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Returns the first line of an export whose events follow the mark `after`.
pub(crate) fn head(after: Mark) -> String {
    line(&Head { after: after.to_string() })
}

/// Returns the line of one event.
pub(crate) fn event(sealed: &Sealed) -> String {
    let Sealed { mark, event } = sealed;
    line(&Line {
        place: mark.place,
        at: event.at.as_millis(),
        time: iso(event.at),
        kind: event.kind.name().to_owned(),
        dialect: event.dialect.clone(),
        reference: event.reference.as_ref().map(|it| it.as_str().to_owned()),
        job: event.job.as_ref().map(|it| it.as_str().to_owned()),
        account: event.account.as_ref().map(|it| it.as_str().to_owned()),
        address: event.address.as_ref().map(|it| it.as_str().to_owned()),
        network: event.network.as_ref().map(|it| it.as_str().to_owned()),
        detail: event.detail.clone(),
        seal: mark.seal.to_string(),
    })
}

/// Verifies an export line by line. If `known` is given, the chain must contain that mark.
///
/// # Errors
/// Returns [`BadExport`] for the first line that does not parse or whose seal is wrong.
pub(crate) fn verify<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    sealer: Sealer,
    known: Option<Mark>,
) -> Result<Verified, BadExport> {
    let mut lines = lines.into_iter().enumerate().map(|(index, line)| (index + 1, line));
    let first = lines.next().and_then(|(_, line)| serde_json::from_str::<Head>(line).ok());
    let after = first.and_then(|head| Mark::parse(&head.after)).ok_or(BadExport::Line(1))?;
    let (mut walk, mut count) = (Walk::new(sealer, after, known)?, 0);
    for (number, line) in lines {
        walk.step(&read(line).ok_or(BadExport::Line(number))?)?;
        count += 1;
    }
    Ok(Verified { count, end: walk.end(None)? })
}

fn read(text: &str) -> Option<Sealed> {
    let line: Line = serde_json::from_str(text).ok()?;
    let at = Timestamp::from_millis(line.at);
    // `time` is not sealed itself, so it must match the sealed `at`.
    if line.time != iso(at) {
        return None;
    }
    let event = Event {
        at,
        kind: EventKind::named(&line.kind),
        dialect: line.dialect,
        reference: line.reference.map(Reference::stored),
        job: line.job.map(JobId::new),
        account: line.account.map(AccountId::new),
        address: line.address.map(AddressTag::stored),
        network: line.network.map(Network::stored),
        detail: line.detail,
    };
    Some(Sealed { mark: Mark { place: line.place, seal: Seal::parse(&line.seal)? }, event })
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lines are structs of strings and numbers") + "\n"
}

#[cfg(test)]
mod tests {
    use reset_core::keys::{HmacKey, Keys};

    use super::*;

    fn sealer() -> Sealer {
        Sealer::of(&Keys::new(&HmacKey::shared(&[7; 32])))
    }

    fn export() -> Vec<String> {
        let mut at = Mark::START;
        let mut lines = vec![head(at)];
        for (number, kind) in EventKind::ALL.into_iter().enumerate() {
            let event = Event {
                reference: Some(Reference::stored("0123456789")),
                network: (number % 2 == 0).then(|| Network::of([192, 0, 2, 7].into())),
                ..Event::new(kind, Timestamp::from_millis(1_768_574_400_000)).saying("a \"reply\"\n")
            };
            at = sealer().seal(at, &event);
            lines.push(super::event(&Sealed { mark: at, event }));
        }
        lines
    }

    fn verified(lines: &[String]) -> Result<u64, BadExport> {
        verify(lines.iter().map(String::as_str), sealer(), None).map(|verified| verified.count)
    }

    #[test]
    fn export_has_one_line_per_event_and_verifies() {
        let lines = export();
        assert_eq!(verified(&lines), Ok(EventKind::ALL.len() as u64));
        assert!(lines.iter().all(|line| line.matches('\n').count() == 1 && line.ends_with('\n')));
        assert!(lines[1].starts_with(
            r#"{"place":1,"at":1768574400000,"time":"2026-01-16T14:40:00.000Z","kind":"accepted","dialect":"","reference":"0123456789","network":"192.0.2.7","detail":"a \"reply\"\n","seal":""#
        ));
    }

    #[test]
    fn changed_and_removed_lines_are_detected() {
        for (of, to) in [
            ("192.0.2.7", "192.0.2.8"),
            ("\"detail\":\"a", "\"detail\":\"b"),
            ("\"dialect\":\"\"", "\"dialect\":\"x\""),
            ("0123456789", "0123456780"),
            (
                "\"at\":1768574400000,\"time\":\"2026-01-16T14:40:00.000Z\"",
                "\"at\":1768574400001,\"time\":\"2026-01-16T14:40:00.001Z\"",
            ),
        ] {
            let mut lines = export();
            assert!(lines[3].contains(of));
            lines[3] = lines[3].replace(of, to);
            assert_eq!(verified(&lines), Err(BadExport::Broken(Broken::At(3))), "{of}");
        }
        let mut lines = export();
        lines[3] = lines[3].replace("14:40:00", "15:40:00");
        assert_eq!(verified(&lines), Err(BadExport::Line(4)), "the readable time");
        lines = export();
        lines.remove(3);
        assert_eq!(verified(&lines), Err(BadExport::Broken(Broken::At(3))));
    }

    #[test]
    fn other_files_are_rejected() {
        assert_eq!(verified(&[]), Err(BadExport::Line(1)));
        assert_eq!(verified(&["{}".to_owned()]), Err(BadExport::Line(1)));
        assert_eq!(verified(&[head(Mark::START), "{}".to_owned()]), Err(BadExport::Line(2)));
        assert_eq!(verified(&[head(Mark::START)]), Ok(0));
    }
}

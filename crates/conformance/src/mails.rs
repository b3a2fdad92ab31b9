//! The mails that a `file://` transport wrote, read by a second MIME reader.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use mail_parser::MessageParser;

use crate::canaries;

/// One mail.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// Where it goes.
    pub to: String,
    /// Its `Message-ID`, without brackets.
    pub id: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: String,
}

impl ReceivedMail {
    /// The code that stands alone on its line, six digits or thirteen characters with hyphens.
    pub fn code(&self) -> Option<&str> {
        let code = |line: &&str| {
            let six = line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
            let long = line.len() == 16 && line.matches('-').count() == 3;
            six || long
        };
        self.text.lines().map(str::trim).find(code)
    }

    /// The link that stands alone on its line.
    pub fn link(&self) -> Option<&str> {
        self.text.lines().map(str::trim).find(|line| line.starts_with("http") && line.contains('='))
    }

    /// What the link's query ends with: its secret.
    pub fn token(&self) -> Option<&str> {
        self.link()?.rsplit('=').next()
    }
}

/// Every whole mail in `folder`, oldest file first.
///
/// # Errors
/// When a mail is no mail.
pub fn all(folder: &Path) -> anyhow::Result<Vec<ReceivedMail>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "eml") {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let letters: Vec<ReceivedMail> =
        files.iter().map(|(_, path)| letter(&fs::read(path)?)).collect::<anyhow::Result<_>>()?;
    for letter in &letters {
        canaries::filed(folder, letter);
    }
    Ok(letters)
}

/// Waits up to `patience` until `folder` holds a mail to `to` that satisfies `wanted`; the newest one.
///
/// # Errors
/// When there is none by then.
pub fn wait_for(
    folder: &Path,
    to: &str,
    patience: Duration,
    wanted: impl Fn(&ReceivedMail) -> bool,
) -> anyhow::Result<ReceivedMail> {
    let start = Instant::now();
    loop {
        let found = all(folder)?.into_iter().rev().find(|letter| letter.to == to && wanted(letter));
        match found {
            Some(letter) => return Ok(letter),
            None if start.elapsed() > patience => bail!("no such mail to {to} within {patience:?}"),
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Reads a mail.
///
/// # Errors
/// When it is none.
pub fn letter(bytes: &[u8]) -> anyhow::Result<ReceivedMail> {
    let message = MessageParser::default().parse(bytes).context("no mail")?;
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).context("no recipient")?;
    Ok(ReceivedMail {
        to: to.to_owned(),
        id: message.message_id().context("no Message-ID")?.to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).context("no text part")?.into_owned(),
    })
}

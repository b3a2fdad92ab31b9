//! Reads the mails of a `file://` transport with a MIME parser that is independent of the server.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use mail_parser::MessageParser;

use crate::canaries;

/// A received mail.
#[derive(Clone, Debug)]
pub struct ReceivedMail {
    /// Address of the recipient.
    pub to: String,
    /// `Message-ID` without brackets.
    pub id: String,
    /// Subject.
    pub subject: String,
    /// Plain text part.
    pub text: String,
}

impl ReceivedMail {
    /// Returns the code on a line of its own: six digits, or thirteen characters with three hyphens.
    pub fn code(&self) -> Option<&str> {
        let code = |line: &&str| {
            let six = line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
            let long = line.len() == 16 && line.matches('-').count() == 3;
            six || long
        };
        self.text.lines().map(str::trim).find(code)
    }

    /// Returns the link on a line of its own.
    pub fn link(&self) -> Option<&str> {
        self.text.lines().map(str::trim).find(|line| line.starts_with("http") && line.contains('='))
    }

    /// Returns the secret at the end of the link's query.
    pub fn token(&self) -> Option<&str> {
        self.link()?.rsplit('=').next()
    }
}

/// Reads every complete mail in `folder`, oldest file first.
///
/// # Errors
/// Fails if a file cannot be read or parsed.
pub fn all(folder: &Path) -> anyhow::Result<Vec<ReceivedMail>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if is_mail(&entry.path()) {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    files.sort();
    let mails: Vec<ReceivedMail> =
        files.iter().map(|(_, path)| parse(&fs::read(path)?)).collect::<anyhow::Result<_>>()?;
    for mail in &mails {
        canaries::record_filed_mail(folder, mail);
    }
    Ok(mails)
}

/// Removes every complete mail from `folder`. The folder stays: the server still makes the name of the last file durable
/// in it, and would send that mail again.
///
/// # Errors
/// Fails if a file cannot be removed.
pub fn clear(folder: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if is_mail(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn is_mail(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "eml")
}

/// Waits up to `timeout` for a mail to `to` in `folder` that satisfies `wanted`, and returns the newest.
///
/// # Errors
/// Fails if there is no such mail within `timeout`.
pub fn wait_for(
    folder: &Path,
    to: &str,
    timeout: Duration,
    wanted: impl Fn(&ReceivedMail) -> bool,
) -> anyhow::Result<ReceivedMail> {
    let start = Instant::now();
    loop {
        let found = all(folder)?.into_iter().rev().find(|mail| mail.to == to && wanted(mail));
        match found {
            Some(mail) => return Ok(mail),
            None if start.elapsed() > timeout => bail!("no such mail to {to} within {timeout:?}"),
            None => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Parses a mail.
///
/// # Errors
/// Fails if the bytes are not a mail with recipient, `Message-ID` and text.
pub fn parse(bytes: &[u8]) -> anyhow::Result<ReceivedMail> {
    let message = MessageParser::default().parse(bytes).context("not a mail")?;
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).context("no recipient")?;
    Ok(ReceivedMail {
        to: to.to_owned(),
        id: message.message_id().context("no Message-ID")?.to_owned(),
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).context("no text part")?.into_owned(),
    })
}

//! Mails on the terminal, for demonstrations: what a reader would see, not what a server would get.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use reset_core::error::MailError;
use tokio::task::spawn_blocking;

use crate::message::Letter;

/// Prints the letter. In one piece, so that two of them do not mix, and on a thread of its own, because the
/// reader of a pipe may take its time.
pub(crate) async fn print(letter: &Letter) -> Result<(), MailError> {
    let block = block(letter);
    let printed = spawn_blocking(move || {
        let mut stdout = io::stdout().lock();
        stdout.write_all(block.as_bytes())?;
        stdout.flush()
    });
    printed
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| MailError::Temporary { reply: error.kind().to_string() })
}

fn block(letter: &Letter) -> String {
    let rule = "-".repeat(72);
    let mut block = format!("{rule}\nTo: {}\nSubject: {}\n\n", letter.to, letter.subject);
    for line in letter.text.lines() {
        // No link of ours holds an escape sequence; should one ever, the terminal does not obey it.
        block.extend(line.chars().filter(|sign| !sign.is_control()));
        block.push('\n');
    }
    let _ = writeln!(block, "{rule}");
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_shows_recipient_subject_and_text() {
        let letter = Letter {
            from: "no-reply@localhost".parse().unwrap(),
            to: "ada@example.org".parse().unwrap(),
            id: "1".to_owned(),
            subject: "Your code".to_owned(),
            text: "Hello,\n\n123456\x1b[2J\n".to_owned(),
            bytes: Vec::new(),
        };
        insta::assert_snapshot!(block(&letter), @r"
        ------------------------------------------------------------------------
        To: ada@example.org
        Subject: Your code

        Hello,

        123456[2J
        ------------------------------------------------------------------------
        ");
    }
}

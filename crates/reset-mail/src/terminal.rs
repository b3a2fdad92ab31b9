//! Mails on the terminal, for demonstrations: what a reader would see, not what a server would get.

use std::{fmt::Write as _, io};

use reset_core::error::MailError;

use crate::{
    blocking_queue::{BlockingQueue, temporary},
    message::ComposedMail,
};

/// The standard output.
#[derive(Default)]
pub(crate) struct Terminal {
    queue: BlockingQueue,
}

impl Terminal {
    /// Prints the letter.
    pub(crate) async fn print(&self, letter: &ComposedMail) -> Result<(), MailError> {
        self.print_to(io::stdout(), letter).await
    }

    /// In one piece, so that two of them do not mix, and on a thread of its own, because the reader of a
    /// pipe may take its time, or stop.
    async fn print_to(
        &self,
        mut out: impl io::Write + Send + 'static,
        letter: &ComposedMail,
    ) -> Result<(), MailError> {
        let block = block(letter);
        let printed = self.queue.run(move || {
            out.write_all(block.as_bytes())?;
            out.flush()
        });
        printed.await.map_err(|error| temporary(&error))
    }
}

fn block(letter: &ComposedMail) -> String {
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
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_reader_that_stopped_is_a_time_out() {
        let terminal = Terminal { queue: BlockingQueue::with_patience(Duration::from_millis(50)) };
        // More than a pipe holds.
        let letter = ComposedMail { text: "123456\n".repeat(1 << 20), ..ComposedMail::sample() };
        let (reader, writer) = io::pipe().unwrap();
        let outcome = terminal.print_to(writer, &letter).await;
        assert!(matches!(outcome, Err(MailError::Temporary { reply }) if reply == "timeout"));
        // The thread goes on, so that the runtime can end.
        drop(reader);
    }

    #[test]
    fn a_block_shows_recipient_subject_and_text() {
        let letter = ComposedMail { text: "Hello,\n\n123456\x1b[2J\n".to_owned(), ..ComposedMail::sample() };
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

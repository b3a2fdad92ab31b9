//! Prints mails on the terminal, for demos: the text a reader sees, not the encoded message.

use std::{fmt::Write as _, io};

use reset_core::error::MailError;

use crate::{
    blocking_queue::{BlockingQueue, temporary},
    message::ComposedMail,
};

/// The standard output as a transport.
#[derive(Default)]
pub(crate) struct Terminal {
    queue: BlockingQueue,
}

impl Terminal {
    /// Prints the mail.
    pub(crate) async fn print(&self, composed: &ComposedMail) -> Result<(), MailError> {
        self.print_to(io::stdout(), composed).await
    }

    /// Writes the mail in one piece, so that two mails do not interleave, and on a blocking thread, because the reader
    /// of a pipe may be slow or stuck.
    async fn print_to(
        &self,
        mut out: impl io::Write + Send + 'static,
        composed: &ComposedMail,
    ) -> Result<(), MailError> {
        let block = block(composed);
        let printed = self.queue.run(move || {
            out.write_all(block.as_bytes())?;
            out.flush()
        });
        printed.await.map_err(|error| temporary(&error))
    }
}

fn block(composed: &ComposedMail) -> String {
    let rule = "-".repeat(72);
    let mut block = format!("{rule}\nTo: {}\nSubject: {}\n\n", composed.to, composed.subject);
    for line in composed.text.lines() {
        // No link contains an escape sequence; if one ever did, the terminal must not interpret it.
        block.extend(line.chars().filter(|character| !character.is_control()));
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
    async fn stuck_reader_is_a_timeout() {
        let terminal = Terminal { queue: BlockingQueue::with_timeout(Duration::from_millis(50)) };
        // More than fits into a pipe.
        let composed = ComposedMail { text: "123456\n".repeat(1 << 20), ..ComposedMail::sample() };
        let (reader, writer) = io::pipe().unwrap();
        let outcome = terminal.print_to(writer, &composed).await;
        assert!(matches!(outcome, Err(MailError::Temporary { reply }) if reply == "timeout"));
        // Unblock the thread, so that the runtime can shut down.
        drop(reader);
    }

    #[test]
    fn printed_block_shows_recipient_subject_and_text() {
        let composed =
            ComposedMail { text: "Hello,\n\n123456\x1b[2J\n".to_owned(), ..ComposedMail::sample() };
        insta::assert_snapshot!(block(&composed), @r"
        ------------------------------------------------------------------------
        To: ada@example.org
        Subject: Your code

        Hello,

        123456[2J
        ------------------------------------------------------------------------
        ");
    }
}

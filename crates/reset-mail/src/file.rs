//! Mails as files: one complete RFC 5322 message each.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use reset_core::error::MailError;

use crate::{
    blocking_queue::{BlockingQueue, temporary},
    message::ComposedMail,
};

/// A directory of mails.
#[derive(Clone)]
pub(crate) struct Folder {
    dir: PathBuf,
    queue: BlockingQueue,
}

impl Folder {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, queue: BlockingQueue::default() }
    }

    /// Writes the letter to `<message id>.eml`. A retry has the same id and replaces the same mail.
    pub(crate) async fn put(&self, letter: &ComposedMail) -> Result<(), MailError> {
        let (name, bytes) = (letter.id.clone(), letter.bytes.clone());
        self.with_dir(move |dir| store(dir, &name, &bytes, Fate::DemoMail))
            .await
            .map_err(|error| temporary(&error))
    }

    /// Does what [`Self::put`] does, under a name that no reader of `*.eml` looks at, and takes the file away. That it
    /// fails is no matter: a mail would have failed as well.
    pub(crate) async fn prepare_decoy(&self, letter: &ComposedMail) {
        let (name, bytes) = (letter.id.clone(), letter.bytes.clone());
        let _ = self.with_dir(move |dir| store(dir, &name, &bytes, Fate::Gone)).await;
    }

    /// Whether a mail could be written now.
    pub(crate) async fn check(&self) -> Result<(), MailError> {
        self.try_out().await.map_err(|error| temporary(&error))
    }

    /// The same, in a sentence.
    pub(crate) async fn diagnose(&self, setting: &str) -> Result<String, String> {
        let dir = self.dir.display();
        match self.try_out().await {
            Ok(()) => Ok(format!("{dir} can be written to")),
            Err(error) => Err(format!(
                "{dir} cannot be written to ({}): make it a directory of this user, or name another in {setting}.",
                error.kind()
            )),
        }
    }

    async fn try_out(&self) -> io::Result<()> {
        self.with_dir(|dir| {
            make_dir(dir)?;
            let probe = dir.join("writable.part");
            create(&probe)?;
            fs::remove_file(probe)
        })
        .await
    }

    async fn with_dir(&self, work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let dir = self.dir.clone();
        self.queue.run(move || work(&dir)).await
    }
}

/// What becomes of a file.
#[derive(Clone, Copy)]
enum Fate {
    DemoMail,
    Gone,
}

/// Writes under a name that no reader of `*.eml` looks at, and renames once the bytes are on the disk: a
/// mail is there whole or not at all, also after a power cut.
fn store(dir: &Path, name: &str, bytes: &[u8], fate: Fate) -> io::Result<()> {
    make_dir(dir)?;
    let part = dir.join(format!("{name}.part"));
    let written = create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        match fate {
            Fate::DemoMail => fs::rename(&part, dir.join(format!("{name}.eml"))),
            Fate::Gone => {
                let gone = dir.join(format!("{name}.gone"));
                fs::rename(&part, &gone)?;
                fs::remove_file(gone)
            }
        }
    });
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written?;
    sync_dir(dir)
}

/// Makes the directory. It holds secrets, so it is for its owner only.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Opens a new or left-over file, for its owner only.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).truncate(true).open(path)
}

/// Makes a rename last. Only Unix opens directories as files.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "std cannot make a FIFO")]

    use std::{process::Command, time::Duration};

    use super::*;

    /// Opening a FIFO that nobody reads hangs like a file on a dead file server.
    #[tokio::test]
    async fn a_file_that_hangs_is_a_time_out() {
        let home = tempfile::tempdir().unwrap();
        let (letter, filed) = (home.path().join("1.part"), home.path().join("writable.part"));
        assert!(Command::new("mkfifo").args([&letter, &filed]).status().unwrap().success());
        let folder =
            |patience| Folder { dir: home.path().to_owned(), queue: BlockingQueue::with_patience(patience) };
        let patience = Duration::from_millis(50);
        for outcome in [folder(patience).put(&ComposedMail::sample()).await, folder(patience).check().await] {
            assert!(matches!(outcome, Err(MailError::Temporary { reply }) if reply == "timeout"));
        }
        // The threads go on, so that the runtime can end.
        drop((File::open(letter), File::open(filed)));
    }
}

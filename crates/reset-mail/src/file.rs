//! Writes mails to files, one complete RFC 5322 message per file.

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

/// A directory that receives mails.
#[derive(Clone)]
pub(crate) struct Folder {
    dir: PathBuf,
    queue: BlockingQueue,
}

impl Folder {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, queue: BlockingQueue::default() }
    }

    /// Writes the mail to `<message id>.eml`. A retry has the same id and replaces the file.
    pub(crate) async fn put(&self, composed: &ComposedMail) -> Result<(), MailError> {
        let (name, bytes) = (composed.id.clone(), composed.bytes.clone());
        self.with_dir(move |dir| store(dir, &name, &bytes, Disposition::Keep))
            .await
            .map_err(|error| temporary(&error))
    }

    /// Does the same work as [`Self::put`], but with names other than `*.eml`, and removes the file. A failure is
    /// ignored: a real mail would have failed too.
    pub(crate) async fn prepare_decoy(&self, composed: &ComposedMail) {
        let (name, bytes) = (composed.id.clone(), composed.bytes.clone());
        let _ = self.with_dir(move |dir| store(dir, &name, &bytes, Disposition::Discard)).await;
    }

    /// Succeeds if a mail could be written now.
    pub(crate) async fn check(&self) -> Result<(), MailError> {
        self.probe().await.map_err(|error| temporary(&error))
    }

    /// Does the same as [`Self::check`] and returns a sentence for the operator.
    pub(crate) async fn diagnose(&self, setting: &str) -> Result<String, String> {
        let dir = self.dir.display();
        match self.probe().await {
            Ok(()) => Ok(format!("{dir} can be written to")),
            Err(error) => Err(format!(
                "{dir} cannot be written to ({}): make it a directory owned by this user, or set another one in {setting}.",
                error.kind()
            )),
        }
    }

    async fn probe(&self) -> io::Result<()> {
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

/// What happens to a file after it is written.
#[derive(Clone, Copy)]
enum Disposition {
    Keep,
    Discard,
}

/// Writes to a `.part` file and renames it once the bytes are on the disk, so that an `.eml` file is complete even
/// after a power failure.
fn store(dir: &Path, name: &str, bytes: &[u8], disposition: Disposition) -> io::Result<()> {
    make_dir(dir)?;
    let part = dir.join(format!("{name}.part"));
    let written = create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        match disposition {
            Disposition::Keep => fs::rename(&part, dir.join(format!("{name}.eml"))),
            Disposition::Discard => {
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

/// Creates the directory. It holds secrets, so only its owner may access it.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

/// Creates or truncates a file that only its owner may access.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).truncate(true).open(path)
}

/// Makes a rename durable. Only Unix can open a directory as a file.
fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "std cannot make a FIFO")]

    use std::{process::Command, time::Duration};

    use super::*;

    /// Opening a FIFO without a reader hangs like a file on a dead file server.
    #[tokio::test]
    async fn stuck_file_is_a_timeout() {
        let home = tempfile::tempdir().unwrap();
        let (mail, probe) = (home.path().join("1.part"), home.path().join("writable.part"));
        assert!(Command::new("mkfifo").args([&mail, &probe]).status().unwrap().success());
        let folder =
            |timeout| Folder { dir: home.path().to_owned(), queue: BlockingQueue::with_timeout(timeout) };
        let timeout = Duration::from_millis(50);
        for outcome in [folder(timeout).put(&ComposedMail::sample()).await, folder(timeout).check().await] {
            assert!(matches!(outcome, Err(MailError::Temporary { reply }) if reply == "timeout"));
        }
        // Unblock the threads, so that the runtime can shut down.
        drop((File::open(mail), File::open(probe)));
    }
}

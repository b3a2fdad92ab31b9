//! Writes mails to files, one complete RFC 5322 message per file.
//!
//! A mail contains a secret, and the directory may be one that other users of the machine can reach. So a directory
//! that another user owns, or into which every user can write, is rejected, and a file is written under a random name
//! that must not exist yet: neither a planted file nor a planted link is ever opened. A rename gives it its final name,
//! and a rename follows no link either.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use reset_core::error::MailError;
use tempfile::NamedTempFile;
use thiserror::Error;

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

/// Why a directory must not receive mails. The sentence follows its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum OpenDirectory {
    /// Its owner can read and replace everything in it.
    #[error(
        "belongs to user {owner}, but this process runs as user {own}: chown it, or run as the user that the service \
         runs as"
    )]
    Owner {
        /// User id of the owner.
        owner: u32,
        /// User id of this process.
        own: u32,
    },
    /// Every user can replace and remove the files in it.
    #[error("can be written to by every user of this machine: chmod o-w it")]
    Writable,
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
            Err(error) => Err(self.open_to_others(&error, setting).unwrap_or_else(|| {
                format!(
                    "{dir} cannot be written to ({}): make it a directory owned by this user, or set another one in \
                     {setting}.",
                    error.kind()
                )
            })),
        }
    }

    /// Fails with a sentence for the operator if other users could read or replace the mails. Any other failure is left
    /// to [`Self::check`], because it may end by itself.
    pub(crate) async fn check_access(&self, setting: &str) -> Result<(), String> {
        match self.with_dir(make_dir).await {
            Err(error) => self.open_to_others(&error, setting).map_or(Ok(()), Err),
            Ok(()) => Ok(()),
        }
    }

    fn open_to_others(&self, error: &io::Error, setting: &str) -> Option<String> {
        let fault = error.get_ref()?.downcast_ref::<OpenDirectory>()?;
        Some(format!("{} {fault}, or set another directory in {setting}.", self.dir.display()))
    }

    async fn probe(&self) -> io::Result<()> {
        self.with_dir(|dir| {
            make_dir(dir)?;
            part_in(dir)?.close()
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
    let mut part = part_in(dir)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    match disposition {
        Disposition::Keep => {
            part.persist(dir.join(format!("{name}.eml")))?;
        }
        Disposition::Discard => {
            let gone = dir.join(format!("{name}.gone"));
            part.persist(&gone)?;
            fs::remove_file(gone)?;
        }
    }
    // Make the rename durable.
    File::open(dir)?.sync_all()
}

/// Creates the directory, which only its owner may access, and fails if other users could read or replace the mails.
fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(dir)?;
    let found = fs::metadata(dir)?;
    open_directory(found.uid(), found.mode(), rustix::process::geteuid().as_raw())
        .map_or(Ok(()), |fault| Err(io::Error::new(ErrorKind::PermissionDenied, fault)))
}

/// Returns why a directory with this owner and mode is open to users other than `own` and root. Write permission of a
/// group is accepted, because the operator chooses its members, and so is a directory such as `/tmp`, whose sticky bit
/// keeps users from replacing each other's files.
fn open_directory(owner: u32, mode: u32, own: u32) -> Option<OpenDirectory> {
    const STICKY: u32 = 0o1000;
    if owner != own && owner != 0 {
        Some(OpenDirectory::Owner { owner, own })
    } else if mode & 0o002 != 0 && mode & STICKY == 0 {
        Some(OpenDirectory::Writable)
    } else {
        None
    }
}

/// Creates a file with a random name that only its owner may access. It is removed when dropped.
fn part_in(dir: &Path) -> io::Result<NamedTempFile> {
    // `tempfile` opens it with O_EXCL and mode 0600.
    tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(dir)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, symlink},
        sync::mpsc,
        time::Duration,
    };

    use super::*;

    fn folder(dir: &Path) -> Folder {
        Folder::new(dir.to_owned())
    }

    /// A disk that hangs, such as a dead file server, is one that never returns from a call.
    #[tokio::test]
    async fn stuck_disk_is_a_timeout() {
        let home = tempfile::tempdir().unwrap();
        let queue = BlockingQueue::with_timeout(Duration::from_millis(50));
        let folder = Folder { dir: home.path().to_owned(), queue };
        let (release, stuck) = mpsc::channel::<()>();
        folder.with_dir(move |_| stuck.recv().map_err(io::Error::other)).await.unwrap_err();
        for outcome in [folder.put(&ComposedMail::sample()).await, folder.check().await] {
            assert!(matches!(outcome, Err(MailError::Temporary { reply }) if reply == "timeout"));
        }
        // Unblock the thread, so that the runtime can shut down.
        drop(release);
    }

    #[tokio::test]
    async fn planted_links_are_neither_followed_nor_truncated() {
        let home = tempfile::tempdir().unwrap();
        let (dir, target) = (home.path().join("mail"), home.path().join("target"));
        let folder = folder(&dir);
        folder.put(&ComposedMail::sample()).await.unwrap();
        let name = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
        let id = name.strip_suffix(".eml").unwrap();
        fs::write(&target, "kept").unwrap();
        fs::remove_file(dir.join(&name)).unwrap();
        let planted = ["part", "gone", "eml"].map(|suffix| format!("{id}.{suffix}"));
        for name in planted.iter().map(String::as_str).chain(["writable.part"]) {
            symlink(&target, dir.join(name)).unwrap();
        }
        folder.check().await.unwrap();
        folder.prepare_decoy(&ComposedMail::sample()).await;
        folder.put(&ComposedMail::sample()).await.unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
        assert!(fs::symlink_metadata(dir.join(name)).unwrap().is_file(), "the mail replaced the link");
    }

    #[tokio::test]
    async fn directory_that_every_user_can_write_to_is_rejected_with_the_command_that_helps() {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(home.path());
        let set = |mode| fs::set_permissions(home.path(), fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o700, 0o755, 0o770, 0o1777] {
            set(mode);
            folder.put(&ComposedMail::sample()).await.unwrap();
            assert_eq!(folder.check_access("mail_url").await, Ok(()), "{mode:o}");
        }
        for mode in [0o777, 0o702] {
            set(mode);
            let before = fs::read_dir(home.path()).unwrap().count();
            for outcome in [folder.put(&ComposedMail::sample()).await, folder.check().await] {
                assert!(
                    matches!(outcome, Err(MailError::Temporary { reply }) if reply == "permission denied")
                );
            }
            assert_eq!(fs::read_dir(home.path()).unwrap().count(), before, "{mode:o}");
            for sentence in [
                folder.check_access("mail_url").await.unwrap_err(),
                folder.diagnose("mail_url").await.unwrap_err(),
            ] {
                assert!(sentence.contains("chmod o-w") && sentence.contains("mail_url"), "{sentence}");
            }
        }
        set(0o700);
    }

    #[test]
    fn directory_of_another_user_is_rejected_unless_that_is_root() {
        assert_eq!(open_directory(1000, 0o700, 1000), None);
        assert_eq!(open_directory(0, 0o770, 1000), None, "a volume whose group is the service's");
        assert_eq!(open_directory(0, 0o1777, 1000), None);
        let fault = OpenDirectory::Owner { owner: 1001, own: 1000 };
        for mode in [0o700, 0o770, 0o1777] {
            assert_eq!(open_directory(1001, mode, 1000), Some(fault), "{mode:o}");
        }
        assert_eq!(open_directory(1001, 0o700, 0), Some(OpenDirectory::Owner { owner: 1001, own: 0 }));
        assert_eq!(open_directory(0, 0o777, 1000), Some(OpenDirectory::Writable));
    }
}

//! The identity of the open file.

use std::{
    fs::{self, Metadata},
    path::{Path, PathBuf},
};

/// The file that was opened, as opposed to the one that its path leads to later.
#[derive(Clone, Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    opened: FileId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// Notes which file the path leads to. The error is a message.
    pub(super) fn at(path: &Path) -> Result<Self, String> {
        let opened = fs::metadata(path).map_err(|error| error.to_string())?;
        Ok(Self { path: path.to_owned(), opened: FileId::of(&opened) })
    }

    /// Checks that the path still leads to the same file. Without this check, a deleted file accepts everything until
    /// the process ends, and all of it is lost.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match fs::metadata(&self.path) {
            Ok(now) if FileId::of(&now) == self.opened => Ok(()),
            Ok(_) => Err("the database file was replaced while it was open: restart the server"),
            Err(_) => {
                Err("the database file was deleted while it was open: restore it and restart the server")
            }
        }
    }
}

impl FileId {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Other systems do not delete or replace an open file.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self { device: 0, inode: 0 }
    }
}
